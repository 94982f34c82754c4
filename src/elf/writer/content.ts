import { fromLatin1 } from "../../base/bytes.ts";
import type { ElfFile } from "../reader.ts";
import type { SectionHandle } from "./edits.ts";
import type { Numbering } from "./numbering.ts";

interface GrownStrings {
  readonly parts: Uint8Array[];
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
      const parts = original.length === 0 ? [new Uint8Array(1)] : [];
      grown = { parts, size: original.length + parts.length, known: new Map() };
      this.#strings.set(section, grown);
    }
    const known = grown.known.get(name);
    if (known !== undefined) return known;
    const offset = grown.size;
    grown.parts.push(fromLatin1(`${name}\0`));
    grown.size += name.length + 1;
    grown.known.set(name, offset);
    return offset;
  }
  /** Puts the appended names behind their tables; once, when all are known. */
  finishStrings(): void {
    for (const [section, { parts }] of this.#strings) this.set(section, Buffer.concat([this.of(section), ...parts]));
    this.#strings.clear();
  }
}
