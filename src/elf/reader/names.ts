import { hex } from "../../base/bytes.ts";
import { SHT_STRTAB } from "../consts.ts";
import { SHDR } from "../views/layout.ts";
import type { SectionTable } from "../views/sections.ts";
import { StringTable } from "../views/strings.ts";
import { malformed } from "./malformed.ts";

export function nameTable(sections: SectionTable, index: number, role: string): StringTable {
  const at = sections.headerOffset(index);
  if (sections.type(index) !== SHT_STRTAB) {
    throw malformed(at + SHDR.type, `section ${index}, the ${role}, has type ${sections.type(index)}, not SHT_STRTAB`);
  }
  const data = sections.data(index);
  if (data.length > 0 && data[data.length - 1] !== 0) {
    throw malformed(sections.offset(index) + data.length - 1, `the ${role} (section ${index}) does not end with NUL`);
  }
  return new StringTable(data);
}

/**
 * Names may share bytes, so that a small file can hold any number of long ones. No compiler comes near this limit:
 * it would take a name of 384 bytes, shared by all symbols of a file that is nothing but symbols.
 */
export class NameBudget {
  readonly #fileSize: number;
  readonly #most: number;
  #used = 0;
  constructor(fileSize: number) {
    this.#fileSize = fileSize;
    this.#most = 16 * fileSize + 0x10_0000;
  }
  /** Whether so many names of a table may be taken whatever they are: nobody has to, if no more follow. */
  holds(count: number, names: StringTable): boolean {
    return this.#used + count * names.size <= this.#most;
  }
  /** @param of the name of row `index` of these @throws ElfError at `field` if the names so far are too long together. */
  take(names: StringTable, start: number, field: number, of: "section" | "symbol", index: number): void {
    this.#used += names.lengthAt(start);
    if (this.#used <= this.#most) return;
    throw malformed(
      field,
      `the names up to ${of} ${index} add up to ${hex(this.#used)} bytes, in a file of ${hex(this.#fileSize)}`,
    );
  }
}
