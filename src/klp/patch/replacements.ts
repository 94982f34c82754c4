// The functions of a livepatch that replace others: those whose address the module's data holds.

import { SHF_ALLOC, SHF_EXECINSTR } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { R_PPC64_ADDR64 } from "../../reloc/numbers.ts";
import type { CodeSymbol, FunctionIndex } from "../functions.ts";

/** Data that may hold a klp_func with the address of a replacement function. */
const FUNCTION_DATA = /^\.(?:data|rodata|kpatch\.funcs|init\.klp_funcs)/;

/** In the order in which the data names them. */
export function replacementFunctions(file: ElfFile, symbols: SymbolTable, functions: FunctionIndex): CodeSymbol[] {
  const wanted = new Map<string, CodeSymbol>();
  for (const table of file.relocations) {
    if (!file.sections.hasFlags(table.target, SHF_ALLOC) || file.sections.hasFlags(table.target, SHF_EXECINSTR))
      continue;
    if (!FUNCTION_DATA.test(file.sections.name(table.target)) || !table.hasAddends) continue;
    for (let row = 0; row < table.count; row++) {
      if (table.type(row) !== R_PPC64_ADDR64 || table.symbol(row) >= symbols.count) continue;
      const section = symbols.sectionOf(table.symbol(row));
      if (section === null || !file.sections.hasFlags(section, SHF_EXECINSTR)) continue;
      const at = symbols.offset(table.symbol(row)) + Number(table.addend(row));
      const found = functions.at(section, at);
      // A place inside a function is a label, not a function's address.
      if (found !== null && found.start === at) wanted.set(`${section}:${at}`, found);
    }
  }
  return [...wanted.values()];
}
