import { hex } from "../../base/bytes.ts";
import { SHDR } from "../views/layout.ts";
import type { SectionTable } from "../views/sections.ts";
import { malformed } from "./malformed.ts";

/** A table with fixed-size rows: checks sh_entsize and the size; returns the number of rows. */
export function rowCount(sections: SectionTable, i: number, rowSize: number, what: string): number {
  const at = sections.headerOffset(i);
  if (sections.entsize(i) !== rowSize) {
    throw malformed(at + SHDR.entsize, `${what} (section ${i}) has sh_entsize ${sections.entsize(i)}, not ${rowSize}`);
  }
  if (sections.size(i) % rowSize !== 0) {
    throw malformed(
      at + SHDR.sizeField,
      `${what} (section ${i}) has ${hex(sections.size(i))} bytes, no multiple of ${rowSize}`,
    );
  }
  return sections.size(i) / rowSize;
}
