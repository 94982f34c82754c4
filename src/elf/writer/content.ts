import type { ElfFile } from "../reader.ts";
import type { SectionHandle } from "./edits.ts";
import type { Numbering } from "./numbering.ts";

interface GrownStrings {
  /** Appended names, each of which ends with NUL. */
  readonly names: string[];
  /** NUL bytes in front of them. */
  readonly zeros: number;
  /** Bytes, with the original's. */
  size: number;
  /** Appended name -> its offset. */
  readonly known: Map<string, number>;
}

/** The bytes of each section of the new file: the original's where nothing else was set. */
export class NewContent {
  readonly #file: ElfFile;
  readonly #numbering: Numbering;
  readonly #bytes = new Map<SectionHandle, Uint8Array>();
  readonly #strings = new Map<SectionHandle, GrownStrings>();

  constructor(file: ElfFile, numbering: Numbering) {
    this.#file = file;
    this.#numbering = numbering;
  }

  set(section: SectionHandle, bytes: Uint8Array): void {
    this.#bytes.set(section, bytes);
  }
  of(section: SectionHandle): Uint8Array {
    return this.#bytes.get(section) ?? this.#numbering.added(section)?.data ?? this.#file.sections.data(section);
  }
  /** Offset of `name` in the string table `section`, appended there if it was not appended before. */
  string(section: SectionHandle, name: string): number {
    if (name === "") return 0;
    let grown = this.#strings.get(section);
    if (grown === undefined) {
      const original = this.of(section);
      // An empty table gets the NUL at offset 0 that the specification requires.
      const zeros = original.length === 0 ? 1 : 0;
      grown = { names: [], zeros, size: original.length + zeros, known: new Map() };
      this.#strings.set(section, grown);
    }
    const known = grown.known.get(name);
    if (known !== undefined) return known;
    const offset = grown.size;
    grown.names.push(name, "\0");
    grown.size += name.length + 1;
    grown.known.set(name, offset);
    return offset;
  }
  /** Puts the appended names behind their tables; once, when all are known. */
  finishStrings(): void {
    for (const [section, { names, zeros, size }] of this.#strings) {
      const original = this.of(section);
      const bytes = new Uint8Array(size);
      bytes.set(original);
      Buffer.from(bytes.buffer).write(names.join(""), original.length + zeros, "latin1");
      this.set(section, bytes);
    }
    this.#strings.clear();
  }
}
