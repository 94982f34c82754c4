// The TOC base of a ppc64le module, and what relocations that count from it write.

import type { ElfFile } from "../elf/reader.ts";
import type { RelocationTable } from "../elf/views/relas.ts";
import {
  R_PPC64_TOC16,
  R_PPC64_TOC16_DS,
  R_PPC64_TOC16_HA,
  R_PPC64_TOC16_LO,
  R_PPC64_TOC16_LO_DS,
} from "../reloc/numbers.ts";

/**
 * What a TOC-relative relocation against the .toc section itself writes: the TOC base is that section's address,
 * rounded down to 256, plus 0x8000 (my_r2 in module_64.c), so the distance does not depend on where the module
 * lies. Null for all others, and where a section that is not 256-aligned leaves the low bits open.
 */
export function knownTocHalf(
  { sections, symbols }: ElfFile,
  table: RelocationTable,
  row: number,
): { readonly field: number; readonly value: number } | null {
  const type = table.type(row);
  const section = symbols?.sectionOf(table.symbol(row)) ?? null;
  if (symbols === null || section === null || sections.name(section) !== ".toc") return null;
  const distance = symbols.offset(table.symbol(row)) + Number(table.addend(row)) - 0x8000;
  const slack = sections.addralign(section) >= 256 ? 0 : 0xf8;
  const high = (value: number): number => ((value + 0x8000) >> 16) & 0xffff;
  if (type === R_PPC64_TOC16_HA) {
    return high(distance) === high(distance + slack) ? { field: 0xffff, value: high(distance) } : null;
  }
  if (slack !== 0) return null;
  if (type === R_PPC64_TOC16 || type === R_PPC64_TOC16_LO) return { field: 0xffff, value: distance & 0xffff };
  if (type === R_PPC64_TOC16_DS || type === R_PPC64_TOC16_LO_DS) return { field: 0xfffc, value: distance & 0xfffc };
  return null;
}
