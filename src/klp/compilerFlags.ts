// What the compiler was told, as far as the file says so: gcc writes its command line into DW_AT_producer.

import { SHF_COMPRESSED } from "../elf/consts.ts";
import type { ElfFile } from "../elf/reader.ts";

/** `GNU C17 12.2.0 -O2 …`, but not the assembler's `GNU AS 2.40`. */
const PRODUCER = /(?:^|\0)GNU (?!AS )[^\0]{1,4000}/g;

/**
 * Whether a section with code was compiled with -fno-ipa-ra for certain: it has debug information, and all compilers of
 * the file's say that they got the flag. Compressed strings are not looked into.
 */
export function hasNoIpaRa(file: ElfFile, section: number): boolean {
  const { sections } = file;
  const producers: string[] = [];
  for (const name of [".debug_str", ".debug_line_str", ".debug_info"]) {
    const index = sections.findByName(name);
    if (index === null || !sections.hasBytes(index)) continue;
    if (sections.hasFlags(index, SHF_COMPRESSED)) return false;
    producers.push(...(Buffer.from(sections.data(index)).toString("latin1").match(PRODUCER) ?? []));
  }
  return producers.length > 0 && producers.every(isWithout) && isDescribed(file, section);
}

/** The last of the two flags counts. */
const isWithout = (producer: string): boolean =>
  producer.lastIndexOf(" -fno-ipa-ra") > producer.lastIndexOf(" -fipa-ra");

/** Whether debug information refers to the section: that of other sections says nothing about it. */
function isDescribed({ sections, relocations, symbolTables }: ElfFile, section: number): boolean {
  return relocations.some((table) => {
    if (sections.name(table.target) !== ".debug_info") return false;
    const symbols = symbolTables.get(sections.link(table.section));
    if (symbols === undefined) return false;
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      if (symbol < symbols.count && symbols.sectionOf(symbol) === section) return true;
    }
    return false;
  });
}
