// What a file is, in a few facts: the answer to "what is this?" before all tables.

import { findArch } from "../arch/index.ts";
import { SHF_ALLOC, SHF_EXECINSTR, SHF_RELA_LIVEPATCH, SHN_UNDEF } from "../elf/consts.ts";
import type { ElfFile } from "../elf/reader.ts";
import { SYMBOL_WORDS, type SymbolTable } from "../elf/views/symbols.ts";
import { readModInfo } from "../kernel/module/modinfo.ts";
import { findModuleName, readThisModule } from "../kernel/module/moduleFile.ts";
import { readPatches } from "../klp/patch/tables.ts";
import type { Producer } from "../klp/producers/producer.ts";
import { KLP_SYMBOL_PREFIX, parseKlpSymbol } from "../klp/symbols/names.ts";
import { recogniseProducer } from "./finish.ts";

/** Names as the file has them: they may have characters that a terminal must not get. */
export interface Summary {
  /** A finished module has struct module; an object is still to be linked. */
  readonly kind: "module" | "object";
  readonly module: string;
  readonly licence: string | null;
  readonly vermagic: string | null;
  readonly depends: readonly string[];
  /** The tool that left the file, of whose data some are still to be finished; null: several, which cannot be. */
  readonly producer: Producer | null;
  /** The functions that it replaces, by object (`vmlinux` or a module). */
  readonly replaces: readonly { readonly object: string; readonly functions: readonly string[] }[];
  /** Livepatch symbols by object. */
  readonly livepatchSymbols: readonly { readonly object: string; readonly count: number }[];
  /** Names that the loader looks up among exported symbols. */
  readonly undefined: readonly string[];
  /** Bytes of sections that are loaded, and those of code among them. */
  readonly loaded: number;
  readonly code: number;
  readonly sections: number;
  readonly symbols: number;
  readonly relocations: number;
  /** Relocations in livepatch sections. */
  readonly livepatchRelocations: number;
  readonly hasDebugInfo: boolean;
  readonly isSigned: boolean;
}

/** @param path the file's name, which is the module's where nothing in the file tells */
export function summaryOf(file: ElfFile, path: string): Summary {
  const modInfo = readModInfo(file);
  const sizes = loadedSizes(file);
  return {
    kind: readThisModule(file) === null ? "object" : "module",
    module: findModuleName(file, modInfo, path),
    licence: modInfo?.get("license") ?? null,
    vermagic: modInfo?.get("vermagic") ?? null,
    depends: modInfo?.depends ?? [],
    producer: recogniseProducer(file).producer,
    replaces: replacedBy(file),
    ...symbolFacts(file),
    ...sizes,
    sections: file.sections.count,
    ...relocationFacts(file),
    hasDebugInfo: file.sections.findByName(".debug_info") !== null,
    isSigned: file.signature !== null,
  };
}

function loadedSizes({ sections }: ElfFile): Pick<Summary, "loaded" | "code"> {
  let [loaded, code] = [0, 0];
  for (let i = 1; i < sections.count; i++) {
    if (!sections.hasFlags(i, SHF_ALLOC)) continue;
    loaded += Number(sections.size(i));
    if (sections.hasFlags(i, SHF_EXECINSTR)) code += Number(sections.size(i));
  }
  return { loaded, code };
}

function replacedBy(file: ElfFile): Summary["replaces"] {
  const arch = findArch(file.header.machine);
  if (arch === null || file.symbols === null || !file.littleEndian) return [];
  const objects = new Map<string, Set<string>>();
  for (const { name, functions } of readPatches(file, file.symbols, arch.absolute).flatMap((patch) => patch.objects)) {
    const names = objects.get(name) ?? new Set();
    objects.set(name, names);
    for (const { oldName } of functions) if (oldName !== null) names.add(oldName);
  }
  return [...objects].map(([object, functions]) => ({ object, functions: [...functions] }));
}

function symbolFacts({ symbols }: ElfFile): Pick<Summary, "symbols" | "undefined" | "livepatchSymbols"> {
  const names: string[] = [];
  const objects = new Map<string, number>();
  if (symbols === null) return { symbols: 0, undefined: names, livepatchSymbols: [] };
  for (const i of namedOutside(symbols)) {
    const name = symbols.name(i);
    const klp = parseKlpSymbol(name);
    if (klp !== null) objects.set(klp.object, (objects.get(klp.object) ?? 0) + 1);
    else if (symbols.isUndefined(i) && name !== "") names.push(name);
  }
  return {
    symbols: symbols.count,
    undefined: names,
    livepatchSymbols: [...objects].map(([object, count]) => ({ object, count })),
  };
}

/** Symbols that are undefined or have names of livepatch symbols, ascending: most names are not asked for. */
function namedOutside(symbols: SymbolTable): number[] {
  const found: number[] = [];
  const hasKlp = symbols.names.holds(KLP_SYMBOL_PREFIX);
  const words = symbols.words();
  for (let i = 1, at = SYMBOL_WORDS.count + SYMBOL_WORDS.mixed; i < symbols.count; i++, at += SYMBOL_WORDS.count) {
    const isUndefined = (words[at] ?? 0) >>> 16 === SHN_UNDEF;
    if (isUndefined || (hasKlp && symbols.nameStartsWith(i, KLP_SYMBOL_PREFIX))) found.push(i);
  }
  return found;
}

function relocationFacts({ sections, relocations }: ElfFile): Pick<Summary, "relocations" | "livepatchRelocations"> {
  let [all, late] = [0, 0];
  for (const table of relocations) {
    all += table.count;
    if (sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) late += table.count;
  }
  return { relocations: all, livepatchRelocations: late };
}
