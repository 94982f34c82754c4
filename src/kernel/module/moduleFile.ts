// A module of the kernel, as its .ko tells: what it exports, and the symbols that the livepatch core finds in it.

import { latin1 } from "../../base/bytes.ts";
import type { ElfFile } from "../../elf/reader.ts";
import { distanceToFunction } from "../image/ftraceEntry.ts";
import { SEALED_SECTION } from "../image/sealed.ts";
import { siteTablesOf } from "../machines.ts";
import type { Export } from "../symbols/exports.ts";
import { type PlacedSymbol, PlacedSymbols } from "../symbols/placedSymbols.ts";
import { readExports } from "./exportTable.ts";
import { type ModInfo, normalModuleName, readModInfo } from "./modinfo.ts";
import { type ModuleSymbol, ModuleSymbols } from "./moduleSymbols.ts";

/** One module, read once. Positions are counted as `mod->kallsyms` has the symbols. */
export class ModuleFile {
  readonly name: string;
  /** File that it came from, for messages. */
  readonly source: string;
  /** e_machine. */
  readonly machine: number;
  readonly modInfo: ModInfo | null;
  /** Names of modules that it needs loaded first (`depends=`). */
  readonly depends: readonly string[];
  readonly exports: ReadonlyMap<string, Export>;
  /** struct module, as this module was built for it; null for an object file. */
  readonly thisModule: ThisModule | null;
  /** Section name -> offsets of places that ftrace can patch, ascending; null if the module has no list of them. */
  readonly #sites: ReadonlyMap<string, readonly number[]> | null;
  /** Section name -> offsets of functions without a landing pad once it is loaded; null if it has no list of them. */
  readonly #sealed: ReadonlyMap<string, ReadonlySet<number>> | null;
  readonly #symbols: ModuleSymbols;

  constructor(file: ElfFile, source: string, name?: string) {
    this.source = source;
    this.machine = file.header.machine;
    this.modInfo = readModInfo(file);
    this.name = name === undefined ? nameOfModule(file, this.modInfo, source) : normalModuleName(name);
    this.depends = this.modInfo?.depends ?? [];
    this.#symbols = new ModuleSymbols(file);
    this.exports = readExports(file, this.name);
    this.thisModule = readThisModule(file);
    this.#sites = readSites(file);
    this.#sealed = readSealedOf(file);
  }

  /**
   * Whether the kernel takes away the landing pad of a function when it loads the module; null if the module does not tell.
   * @param position among the symbols of its name, from 1; 0: it is the only one
   */
  isSealed(name: string, position: number): boolean | null {
    const symbol = this.find(name)[Math.max(0, position - 1)];
    if (this.#sealed === null || symbol === undefined || symbol.section === null) return null;
    return this.#sealed.get(symbol.section)?.has(symbol.offset) === true;
  }

  /** Whether ftrace can patch a function of the module; null if the module does not tell. */
  hasFtraceSite(symbol: ModuleSymbol): boolean | null {
    if (this.#sites === null || symbol.section === null) return null;
    let next = Number.POSITIVE_INFINITY;
    for (const twins of this.#symbols.all.values()) {
      for (const other of twins) {
        if (other.section === symbol.section && other.offset > symbol.offset && other.offset < next)
          next = other.offset;
      }
    }
    return (this.#sites.get(symbol.section) ?? []).some((at) => at >= symbol.offset && at < next);
  }

  /** All symbols called `name`, in the order in which the kernel counts them while the module is being loaded. */
  find(name: string): readonly ModuleSymbol[] {
    return this.#symbols.find(name);
  }

  /** Whether {@link find} finds any. */
  has(name: string): boolean {
    return this.#symbols.has(name);
  }

  /** The same once the module is live: symbols of init sections are gone by then. */
  findLive(name: string): readonly ModuleSymbol[] {
    return this.find(name).filter((s) => s.isCore);
  }

  /** Whether it refers to a name weakly and does not define it: its code may go by the name's absence. */
  asksWeakly(name: string): boolean {
    return this.#symbols.weak.has(name);
  }

  /** All names. */
  names(): Iterable<string> {
    return this.#symbols.all.keys();
  }

  /** All symbols by place, and by the source files that the symbol table names. */
  get placed(): PlacedSymbols {
    const listed: PlacedSymbol[] = [];
    for (const [name, twins] of this.#symbols.all) {
      for (const { section, offset, isText, isGlobal, file } of twins)
        listed.push({ name, area: section ?? "", at: BigInt(offset), isText, isGlobal, file });
    }
    return new PlacedSymbols(listed, this.#symbols.sourceFiles);
  }
}

/** {@link findModuleName}, as the kernel spells names of modules. */
export const nameOfModule = (file: ElfFile, modInfo: ModInfo | null, path: string): string =>
  normalModuleName(findModuleName(file, modInfo, path));

/** The name in struct module: state and list (24 bytes), then the name, up to 56 bytes. Null: there is none, or no end of it. */
export function nameInStruct(module: Uint8Array): string | null {
  const data = module.subarray(24, 80);
  const end = data.indexOf(0);
  return end > 0 ? latin1(data, 0, end) : null;
}

/** The name in struct module, else in .modinfo, else the file's. */
export function findModuleName(file: ElfFile, modInfo: ModInfo | null, path: string): string {
  const section = file.sections.findByName(".gnu.linkonce.this_module");
  const own = section === null ? null : nameInStruct(file.sections.data(section));
  if (own !== null) return own;
  const base = path.replace(/^.*\//, "").replace(/\.(?:k?o)(?:\.(?:gz|xz|zst))?$/, "");
  return normalModuleName(modInfo?.get("name") ?? base);
}

/** struct module in a file: its size, and where its two function pointers stand. Offsets and sizes in bytes. */
export interface ThisModule {
  readonly size: number;
  /** Null: the module has no such function. */
  readonly init: number | null;
  readonly exit: number | null;
}

/** Null for a file that has no .gnu.linkonce.this_module: it is not linked into a module yet. */
export function readThisModule(file: ElfFile): ThisModule | null {
  const { sections, symbols } = file;
  const section = sections.findByName(".gnu.linkonce.this_module");
  if (section === null || symbols === null) return null;
  let init: number | null = null;
  let exit: number | null = null;
  for (const table of file.relocations) {
    if (table.target !== section) continue;
    for (let row = 0; row < table.count; row++) {
      const name = symbols.name(table.symbol(row));
      if (name === "init_module") init = table.offset(row);
      else if (name === "cleanup_module") exit = table.offset(row);
    }
  }
  return { size: sections.size(section), init, exit };
}

function readSites(file: ElfFile): Map<string, number[]> | null {
  const { sections, symbols } = file;
  let found: Map<string, number[]> | null = null;
  const names = new Set<string>(siteTablesOf(file.header.machine));
  for (const table of file.relocations) {
    if (symbols === null || !names.has(sections.name(table.target))) continue;
    found ??= new Map();
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      const section = symbols.sectionOf(symbol);
      if (section === null) continue;
      const listed = symbols.offset(symbol) + table.addendNumber(row);
      const code = sections.data(section);
      const isInside = listed >= 0 && listed < code.length;
      const offset =
        listed + (isInside ? distanceToFunction(file.header.machine, code.subarray(listed), file.littleEndian) : 0);
      const list = found.get(sections.name(section));
      if (list === undefined) found.set(sections.name(section), [offset]);
      else list.push(offset);
    }
  }
  return found;
}

/** What `.ibt_endbr_seal` lists: {s32 place}, each filled in by a relocation (apply_seal_endbr, called by module_finalize of x86). */
function readSealedOf({ sections, symbols, relocations }: ElfFile): Map<string, Set<number>> | null {
  let found: Map<string, Set<number>> | null = null;
  for (const table of relocations) {
    if (symbols === null || sections.name(table.target) !== SEALED_SECTION) continue;
    found ??= new Map();
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      const section = symbols.sectionOf(symbol);
      if (section === null) continue;
      const name = sections.name(section);
      const list = found.get(name) ?? new Set<number>();
      found.set(name, list.add(symbols.offset(symbol) + Number(table.addend(row))));
    }
  }
  return found;
}
