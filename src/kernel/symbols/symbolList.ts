import { fromLatin1 } from "../../base/bytes.ts";
import { firstIndex } from "../../base/search.ts";
import type { NameShape } from "./nearNames.ts";
import { type KernelSymbol, type NameTest, NO_ROW, type SymbolColumns } from "./symbolColumns.ts";

/** The symbols of one object: in memory, or in a file of our own. */
export type SymbolRows = Pick<
  SymbolColumns,
  | "size"
  | "has"
  | "hasNameHolding"
  | "hasNameWith"
  | "names"
  | "namesLike"
  | "countRepeated"
  | "countOf"
  | "lone"
  | "findListed"
  | "find"
  | "all"
  | "sortedAddresses"
>;

/** Names that are remembered. */
const MOST_KEPT = 1 << 15;

/** Marks an exported symbol (include/linux/export.h): one `__ksymtab_NAME` for each exported NAME. */
const EXPORT_PREFIX = "__ksymtab_";

/**
 * The symbols of one kernel, from System.map, kallsyms text or vmlinux. Symbols of vmlinux and of modules are kept
 * apart. Within one object, symbols of equal name are in kallsyms order: by address, equal ones as listed.
 */
export class SymbolList {
  /** File that it came from, for messages. */
  readonly source: string;
  readonly kind: "System.map" | "kallsyms" | "vmlinux";
  #addresses: BigUint64Array | null = null;
  #hasExports: boolean | null = null;
  #hasData: boolean | null = null;
  /** What {@link exports} was asked: modules of a tree ask for the same names, each several times. */
  readonly #exported = new Map<string, boolean>();
  /** Name -> the modules that define it. */
  #owners: ReadonlyMap<string, readonly string[]> | null = null;
  /** Number of symbols of vmlinux. */
  readonly size: number;
  readonly #vmlinux: SymbolRows;
  /** Module name -> its symbols. */
  readonly #modules: ReadonlyMap<string, SymbolColumns>;

  constructor(
    source: string,
    kind: "System.map" | "kallsyms" | "vmlinux",
    vmlinux: SymbolRows,
    modules: ReadonlyMap<string, SymbolColumns>,
    known: { readonly hasExports: boolean; readonly hasData: boolean } | null = null,
  ) {
    this.#hasExports = known?.hasExports ?? null;
    this.#hasData = known?.hasData ?? null;
    this.source = source;
    this.kind = kind;
    this.#vmlinux = vmlinux;
    this.#modules = modules;
    this.size = vmlinux.size;
  }

  /** All symbols of vmlinux called `name`, in kallsyms order; the n-th has position n (1-based). */
  find(name: string): readonly KernelSymbol[] {
    return this.#vmlinux.find(name);
  }

  /** How many symbols of vmlinux are called `name`. */
  countOf(name: string): number {
    return this.#vmlinux.countOf(name);
  }

  /** How many names several symbols of vmlinux have. */
  countRepeated(): number {
    return this.#vmlinux.countRepeated();
  }

  /** The row of the only symbol of vmlinux whose name is the bytes of [start, end): see {@link SymbolColumns.lone}. */
  lone(bytes: Uint8Array, start: number, end: number): number {
    return this.#vmlinux.lone(bytes, start, end);
  }

  /** Whether a name of vmlinux that has `part` in it passes a test. */
  hasNameHolding(part: string, test: NameTest): boolean {
    return this.#vmlinux.hasNameHolding(part, test);
  }

  /** Whether a name of vmlinux begins so. */
  hasNameWith(prefix: string): boolean {
    return this.#vmlinux.hasNameWith(prefix);
  }

  /** Whether vmlinux exports `name` to modules. */
  exports(name: string): boolean {
    let isExported = this.#exported.get(name);
    if (isExported === undefined) {
      isExported = this.#vmlinux.has(EXPORT_PREFIX + name);
      if (this.#exported.size === MOST_KEPT) this.#exported.clear();
      this.#exported.set(name, isExported);
    }
    return isExported;
  }

  /** As {@link exports}, of the name that is the bytes of [start, end). */
  exportsBytes(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.hasExports) return false;
    const length = EXPORT_PREFIX.length + end - start;
    if (length > this.#marked.length) this.#marked = exportMark(length * 2);
    for (let i = start, at = EXPORT_PREFIX.length; i < end; i++, at++) this.#marked[at] = bytes[i] as number;
    return this.#vmlinux.lone(this.#marked, 0, length) !== NO_ROW;
  }
  /** `__ksymtab_`, with room for a name behind it. */
  #marked = new Uint8Array(0);

  /** Whether the list shows any export at all: without one, exported and unexported cannot be told apart. */
  get hasExports(): boolean {
    this.#hasExports ??= this.hasNameWith(EXPORT_PREFIX);
    return this.#hasExports;
  }

  /** Whether the list shows any data of vmlinux: the list of a kernel without CONFIG_KALLSYMS_ALL has functions only. */
  get hasData(): boolean {
    this.#hasData ??= some(this.#vmlinux.all(), ({ letter }) => /^[bdr]$/i.test(letter));
    return this.#hasData;
  }

  /** Modules (of a kallsyms listing) that define `name`, and whether each exports it. */
  modulesWith(name: string): { readonly module: string; readonly exported: boolean }[] {
    this.#owners ??= ownersOf(this.#modules);
    const owners = this.#owners.get(name);
    if (owners === undefined) return [];
    return owners.map((module) => ({
      module,
      exported: this.#modules.get(module)?.has(EXPORT_PREFIX + name) ?? false,
    }));
  }

  /** All symbols of a module (of a kallsyms listing) called `name`, as listed. */
  findIn(module: string, name: string): readonly KernelSymbol[] {
    return this.#modules.get(module)?.findListed(name) ?? [];
  }

  /** Whether it is a kallsyms listing that shows modules, too. */
  get hasModules(): boolean {
    return this.#modules.size > 0;
  }

  /** Whether a kallsyms listing shows a module of this name. */
  hasModule(name: string): boolean {
    return this.#modules.has(name);
  }

  /** All names of vmlinux. @param like leaves out those of another shape */
  names(like?: NameShape): IterableIterator<string> {
    return like === undefined ? this.#vmlinux.names() : this.#vmlinux.namesLike(like);
  }

  /** All symbols of vmlinux, as listed. */
  symbols(): Iterable<KernelSymbol> {
    return this.#vmlinux.all();
  }

  /** Address of the first symbol of vmlinux behind `address`; null if there is none. */
  nextAddress(address: bigint): bigint | null {
    this.#addresses ??= this.#vmlinux.sortedAddresses();
    const all = this.#addresses;
    const behind = firstIndex(all.length, (i) => (all[i] ?? 0n) > address);
    return all[behind] ?? null;
  }
}

function exportMark(length: number): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(length);
  made.set(fromLatin1(EXPORT_PREFIX));
  return made;
}

/** By name: the modules that have a symbol of it, in their order. */
function ownersOf(modules: ReadonlyMap<string, SymbolColumns>): Map<string, string[]> {
  const owners = new Map<string, string[]>();
  for (const [module, symbols] of modules) {
    for (const name of symbols.names()) {
      const known = owners.get(name);
      if (known === undefined) owners.set(name, [module]);
      else known.push(module);
    }
  }
  return owners;
}

/** Whether a symbol passes the test; ends at the first one that does. */
function some(symbols: Iterable<KernelSymbol>, test: (symbol: KernelSymbol) => boolean): boolean {
  for (const symbol of symbols) if (test(symbol)) return true;
  return false;
}
