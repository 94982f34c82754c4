// The per-CPU area of a loaded module, which only the kernel's symbol list shows.

import type { ElfFile } from "../elf/reader.ts";
import { PERCPU_SECTION } from "./loaderLayout.ts";
import type { SymbolList } from "./symbolList.ts";

/** Address of the module's per-CPU area, from any of its variables in a kallsyms listing; null if none is there. */
export function findPercpu(elf: ElfFile, module: string, list: Pick<SymbolList, "findIn">): bigint | null {
  const section = elf.sections.findByName(PERCPU_SECTION);
  if (section === null || elf.symbols === null) return null;
  for (let i = 1; i < elf.symbols.count; i++) {
    if (elf.symbols.sectionOf(i) !== section) continue;
    const [found, second] = list.findIn(module, elf.symbols.name(i));
    if (found !== undefined && second === undefined) return BigInt.asUintN(64, found.address - elf.symbols.value(i));
  }
  return null;
}
