// Debug information of sections that are moved: what src/elf/dwarf/moved works out, written into the file, with all
// relocations from and to the debug sections that grow.

import { STT_SECTION } from "../../elf/consts.ts";
import { packedContent, type ZstdUnpacker } from "../../elf/containers/compressed.ts";
import { type MovedDebug, moveDebug } from "../../elf/dwarf/moved/debug.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { ElfEdits } from "../../elf/writer/edits.ts";
import type { SectionMove } from "./layout.ts";

/** Works it out when it is first asked for: most files with moved code are asked once, by the link. */
export function planDebugMove(
  file: ElfFile,
  sections: ReadonlyMap<number, SectionMove>,
  unzstd: ZstdUnpacker | null,
): () => MovedDebug {
  let known: MovedDebug | null = null;
  return () => {
    known ??= moveDebug(file, sections, unzstd);
    return known;
  };
}

/** Writes the new debug information. Comes after the addends of the move itself, some of which it corrects. */
export function applyDebugMove(
  edits: ElfEdits,
  symbols: SymbolTable,
  sections: ReadonlyMap<number, SectionMove>,
  { contents, map, ends }: MovedDebug,
): void {
  const { file } = edits;
  for (const [section, content] of contents) edits.replaceData(section, packedContent(file, section, content));
  for (let i = 1; i < symbols.count; i++) {
    const home = symbols.sectionOf(i);
    if (home === null || !contents.has(home) || symbols.type(i) === STT_SECTION) continue;
    const offset = map(home, symbols.offset(i));
    if (offset !== symbols.offset(i)) edits.setSymbol(i, { value: BigInt(offset) });
  }
  for (const table of file.relocations) {
    const ownEnds = ends.get(table.target);
    const isGrown = contents.has(table.target);
    for (let row = 0; row < table.count; row++) {
      const offset = table.offset(row);
      if (isGrown && map(table.target, offset) !== offset) {
        edits.moveRelocation(table, row, map(table.target, offset));
      }
      const symbol = table.symbol(row);
      const home = symbol < symbols.count ? symbols.sectionOf(symbol) : null;
      if (home === null || !table.hasAddends) continue;
      const isSection = symbols.type(symbol) === STT_SECTION;
      const shift = ownEnds?.get(offset);
      if (shift !== undefined) {
        const own = isSection ? 0 : (sections.get(home)?.shift(symbols.offset(symbol)) ?? 0);
        edits.setAddend(table, row, table.addend(row) + BigInt(shift - own));
      } else if (contents.has(home)) {
        const start = symbols.offset(symbol);
        const old = start + Number(table.addend(row));
        const now = map(home, old) - (isSection ? start : map(home, start));
        if (now !== old - start) edits.setAddend(table, row, BigInt(now));
      }
    }
  }
}
