// What the compiler was told, as far as the file says so: gcc writes its command line into DW_AT_producer.

import { append } from "../../base/lists.ts";
import { SHF_COMPRESSED } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";

/** `GNU C17 12.2.0 -O2 …`, but not the assembler's `GNU AS 2.40`. */
const PRODUCER = /(?:^|\0)GNU (?!AS )[^\0]{1,4000}/g;

/**
 * The sections with code that was compiled with -fno-ipa-ra for certain: debug information refers to them, and all
 * compilers of the file's say that they got the flag. Compressed strings are not looked into.
 * @returns section indices
 */
export function sectionsWithoutIpaRa(file: ElfFile): ReadonlySet<number> {
  const { sections } = file;
  const producers: string[] = [];
  for (const name of [".debug_str", ".debug_line_str", ".debug_info"]) {
    const index = sections.findByName(name);
    if (index === null || !sections.hasBytes(index)) continue;
    if (sections.hasFlags(index, SHF_COMPRESSED)) return new Set();
    append(producers, Buffer.from(sections.data(index)).toString("latin1").match(PRODUCER) ?? []);
  }
  return producers.length > 0 && producers.every(isWithout) ? describedSections(file) : new Set();
}

/** The last of the two flags counts. */
const isWithout = (producer: string): boolean =>
  producer.lastIndexOf(" -fno-ipa-ra") > producer.lastIndexOf(" -fipa-ra");

/** Sections that debug information refers to: it says nothing about others. */
function describedSections({ sections, relocations, symbolTables }: ElfFile): Set<number> {
  const described = new Set<number>();
  for (const table of relocations) {
    if (sections.name(table.target) !== ".debug_info") continue;
    const symbols = symbolTables.get(sections.link(table.section));
    if (symbols === undefined) continue;
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      const section = symbol < symbols.count ? symbols.sectionOf(symbol) : null;
      if (section !== null) described.add(section);
    }
  }
  return described;
}
