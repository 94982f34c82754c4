import type { ElfFile } from "../reader.ts";
import type { SectionHandle } from "./edits.ts";
import type { NamePool } from "./namePool.ts";
import type { Numbering } from "./numbering.ts";

/** A string table with names of the pool behind its own. */
export class GrownStrings {
  readonly #pool: NamePool;
  readonly #original: Uint8Array;
  /** Appended names, in their order. */
  readonly #appended: number[] = [];
  /** By number: the offset of a name that is appended; 0: it is not. */
  #offsets: Uint32Array;
  #size: number;

  constructor(pool: NamePool, original: Uint8Array) {
    this.#pool = pool;
    this.#original = original;
    this.#offsets = new Uint32Array(pool.count);
    // An empty table gets the NUL at offset 0 that the specification requires.
    this.#size = Math.max(1, original.length);
  }

  /** Offset of a name, appended if it was not appended before. */
  offsetOf(id: number): number {
    const length = this.#pool.lengthOf(id);
    if (length === 0) return 0;
    const known = this.#offsets[id] ?? 0;
    if (known !== 0) return known;
    if (id >= this.#offsets.length) {
      const offsets = new Uint32Array(id * 2 + 1);
      offsets.set(this.#offsets);
      this.#offsets = offsets;
    }
    const offset = this.#size;
    this.#offsets[id] = offset;
    this.#appended.push(id);
    this.#size += length + 1;
    return offset;
  }

  /** The table's bytes; the original's where nothing was appended. */
  bytes(): Uint8Array {
    if (this.#appended.length === 0) return this.#original;
    const bytes = new Uint8Array(this.#size);
    bytes.set(this.#original);
    let at = Math.max(1, this.#original.length);
    const { bytes: names } = this.#pool;
    for (let k = 0; k < this.#appended.length; ) {
      // Names that follow one another are copied together: mostly all.
      const first = this.#appended[k] as number;
      let behind = first;
      while (this.#appended[k] === behind) {
        k++;
        behind++;
      }
      const piece = names.subarray(this.#pool.start(first), this.#pool.start(behind));
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }
}

/** The bytes of each section of the new file: the original's where nothing else was set. */
export class NewContent {
  readonly #file: ElfFile;
  readonly #numbering: Numbering;
  readonly #names: NamePool;
  readonly #bytes = new Map<SectionHandle, Uint8Array>();
  readonly #strings = new Map<SectionHandle, GrownStrings>();

  /** @param names those that are appended are put there */
  constructor(file: ElfFile, numbering: Numbering, names: NamePool) {
    this.#file = file;
    this.#numbering = numbering;
    this.#names = names;
  }

  set(section: SectionHandle, bytes: Uint8Array): void {
    this.#bytes.set(section, bytes);
  }
  of(section: SectionHandle): Uint8Array {
    return this.#bytes.get(section) ?? this.#numbering.added(section)?.data ?? this.#file.sections.data(section);
  }
  /** A string table that names are appended to. */
  strings(section: SectionHandle): GrownStrings {
    let grown = this.#strings.get(section);
    if (grown === undefined) {
      grown = new GrownStrings(this.#names, this.of(section));
      this.#strings.set(section, grown);
    }
    return grown;
  }
  /** Offset of `name` in the string table `section`, appended there if it was not appended before. */
  string(section: SectionHandle, name: string): number {
    return name === "" ? 0 : this.strings(section).offsetOf(this.#names.add(name));
  }
  /** Puts the appended names behind their tables; once, when all are known. */
  finishStrings(): void {
    for (const [section, grown] of this.#strings) this.set(section, grown.bytes());
    this.#strings.clear();
  }
}
