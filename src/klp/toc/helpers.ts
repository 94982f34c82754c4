// Register save and restore routines that a module calls and has not got: they run without a frame, so no stub may lead
// to them, and the module linker puts them into the module itself. So does klplink.

import { wordBytes } from "../../base/bytes.ts";
import { SHF_ALLOC, SHF_EXECINSTR, SHN_UNDEF, SHT_PROGBITS, STB_LOCAL, STT_FUNC } from "../../elf/consts.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { ElfEdits } from "../../elf/writer/edits.ts";
import { helperCode, isHelper } from "../../stubs/saveRestore.ts";

/** Symbols of routines that the module needs and does not define. */
export function missingHelpers(symbols: SymbolTable): number[] {
  const found: number[] = [];
  for (let i = 1; i < symbols.count; i++) {
    if (symbols.rawShndx(i) === SHN_UNDEF && isHelper(symbols.name(i))) found.push(i);
  }
  return found;
}

/** Defines `missing` in the section .sfpr, as GNU ld --save-restore-funcs does. Returns the bytes added. */
export function addHelpers(edits: ElfEdits, symbols: SymbolTable, missing: readonly number[]): number {
  if (missing.length === 0) return 0;
  const { words, entries } = helperCode(missing.map((symbol) => symbols.name(symbol)));
  const data = wordBytes(words, edits.file.littleEndian);
  const { section, start } = placeFor(edits, data);
  const home = { kind: "section", section } as const;
  const named = new Set<string>();
  for (const symbol of missing) {
    const name = symbols.name(symbol);
    named.add(name);
    const value = BigInt(start + (entries.get(name) ?? 0));
    edits.setSymbol(symbol, { home, value, info: (STB_LOCAL << 4) | STT_FUNC, other: 0 });
  }
  // The routines that they run into, so that an address in them has a name.
  for (const [name, offset] of entries) {
    if (named.has(name)) continue;
    const value = BigInt(start + offset);
    edits.addSymbol({ name, info: (STB_LOCAL << 4) | STT_FUNC, other: 0, home, value, size: 0 });
  }
  return data.length;
}

/** In .sfpr, which ld leaves behind empty in most modules; made where there is none. */
function placeFor(edits: ElfEdits, data: Uint8Array): { readonly section: number; readonly start: number } {
  const { sections } = edits.file;
  const known = sections.findByName(".sfpr");
  const flags = SHF_ALLOC | SHF_EXECINSTR;
  if (known !== null && sections.type(known) === SHT_PROGBITS && sections.hasFlags(known, flags)) {
    return { section: known, start: edits.append(known, data, 4) };
  }
  const made = {
    name: ".sfpr",
    type: SHT_PROGBITS,
    flags: BigInt(flags),
    link: 0,
    info: 0,
    addralign: 4,
    entsize: 0,
    data,
  };
  return { section: edits.addSection(made), start: 0 };
}
