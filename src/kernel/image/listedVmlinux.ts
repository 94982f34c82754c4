// vmlinux, of which only the symbol table is known, as readelf listed it.

import { isLeftOutOfKallsyms } from "../symbols/kallsymsFilter.ts";
import { fileKey, type SourceFiles } from "../symbols/placedSymbols.ts";
import { codeSections, type ReadelfSymbol } from "../symbols/readelfText.ts";
import { SymbolColumns } from "../symbols/symbolColumns.ts";
import { SymbolList } from "../symbols/symbolList.ts";
import type { Vmlinux } from "./vmlinuxFacts.ts";

/** @param source the listing's name, for messages @param machine e_machine */
export function listedVmlinux(symbols: readonly ReadelfSymbol[], source: string, machine: number): Vmlinux {
  const code = codeSections(symbols);
  const columns = new SymbolColumns();
  for (const { value, type, bind, section, name } of symbols) {
    if (type === "SECTION" || type === "FILE" || name === "" || !/^\d+$/.test(section)) continue;
    const letter = code.has(section) ? "t" : "d";
    if (isLeftOutOfKallsyms(name, letter)) continue;
    const global = bind !== "WEAK" ? letter.toUpperCase() : letter === "t" ? "W" : "V";
    const shown = bind === "LOCAL" ? letter : global;
    columns.add(name, shown.charCodeAt(0), Number(value >> 32n), Number(value & 0xffff_ffffn));
  }
  return {
    list: new SymbolList(source, "vmlinux", columns, new Map()),
    exports: new Map(),
    ...{ release: null, vermagic: null, ftraceSites: null, ftraceRecords: null, machine, livepatchStack: null },
    ...{ btf: null, config: null, debug: null, sealed: null },
    sourceFiles: () => sourceFiles(symbols),
  };
}

function sourceFiles(symbols: readonly ReadelfSymbol[]): SourceFiles | null {
  const names: string[] = [];
  const of = new Map<string, number>();
  for (const { value, type, bind, section, name } of symbols) {
    if (bind !== "LOCAL") continue;
    if (type === "FILE") names.push(name);
    else if (type !== "SECTION" && names.length > 0 && section !== "UND")
      of.set(fileKey(name, value), names.length - 1);
  }
  return names.length === 0 ? null : { names, of };
}
