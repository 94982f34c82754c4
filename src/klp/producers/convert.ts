// Plain objects: undefined symbols that the kernel or a patched module has, but does not export, become livepatch symbols.

import { SHN_LIVEPATCH, STB_WEAK } from "../../elf/consts.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { ElfEdits } from "../../elf/writer/edits.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { isGranted } from "../../kernel/symbols/exports.ts";
import type { KernelSymbol } from "../../kernel/symbols/symbolColumns.ts";
import { KLP_SYMBOL_PREFIX } from "../symbols/names.ts";
import { KlpNames } from "../symbols/pooledNames.ts";
import type { RelocationRouter } from "../symbols/router.ts";
import { moveRelocations } from "./intermediate.ts";

/** Undefined symbols that the loader, or the compiler, defines by other means than an export. */
const NOT_FROM_THE_KERNEL = new Set([".TOC.", "TOC.", "_GLOBAL_OFFSET_TABLE_"]);

/** What becomes of one undefined symbol. */
export type Resolution =
  | { readonly kind: "exported" }
  | { readonly kind: "exported-by-module"; readonly modules: readonly string[] }
  /** Weak and nowhere: the loader leaves it at 0. */
  | { readonly kind: "weak" }
  | {
      readonly kind: "convert";
      /** The object that has the symbol. */
      readonly owner: string;
      readonly position: number;
      readonly chosenOf: number | null;
      /** The object whose loading the relocations wait for. */
      readonly waitsFor: string;
    }
  | { readonly kind: "unknown" }
  | { readonly kind: "only-in-module"; readonly modules: readonly string[] }
  /** Several symbols of that name in one object, or in several modules. */
  | { readonly kind: "ambiguous"; readonly object: string; readonly candidates: readonly Namesake[] }
  | { readonly kind: "in-several-modules"; readonly modules: readonly string[] }
  /** The symbol's module is none that this patch patches, and which of those needs it is not known. */
  | { readonly kind: "no-object"; readonly owner: string; readonly patched: readonly string[] }
  | {
      readonly kind: "no-such-position";
      readonly object: string;
      readonly position: number;
      readonly count: number;
    };

/** One of several symbols of one name. */
export interface Namesake {
  readonly position: number;
  /** `ffffffff81234560` in vmlinux, `.text+0x40` in a module. */
  readonly place: string;
  /** The letter of nm; lower case for local symbols. */
  readonly letter: string;
}

/** An undefined symbol. Its name is made when it is asked for, as that of few is. */
export class Undefined {
  readonly #symbols: SymbolTable;
  readonly symbol: number;
  readonly resolution: Resolution;

  constructor(symbols: SymbolTable, symbol: number, resolution: Resolution) {
    this.#symbols = symbols;
    this.symbol = symbol;
    this.resolution = resolution;
  }

  get name(): string {
    return this.#symbols.name(this.symbol);
  }
  /** Bytes. */
  get nameLength(): number {
    return this.#symbols.names.lengthAt(this.#symbols.nameOffset(this.symbol));
  }
}

/** What decides on an undefined symbol, besides the kernel. */
export interface Wishes {
  /** Positions that the user gave, by NAME or OBJECT:NAME (`--sympos`). */
  readonly positions: ReadonlyMap<string, number>;
  /** Objects that the module patches, as its tables say; empty if it has none. */
  readonly patched: ReadonlySet<string>;
  /** The module's own name, for exports that are restricted to some modules. */
  readonly module: string;
}

/** Decides on each undefined symbol of a file, in symbol table order. */
export function resolveUndefined(symbols: SymbolTable, kernel: Kernel, wishes: Wishes): Undefined[] {
  const found: Undefined[] = [];
  const { names } = symbols;
  for (let i = 1; i < symbols.count; i++) {
    if (!symbols.isUndefined(i)) continue;
    const start = symbols.nameOffset(i);
    const first = names.bytes[start] ?? 0;
    if (first === 0) continue;
    const end = start + names.lengthAt(start);
    if (wishes.positions.size === 0 && !FIRST_OF_OTHERS.has(first) && kernel.isOnlyInVmlinux(names.bytes, start, end)) {
      found.push(new Undefined(symbols, i, ONLY_IN_VMLINUX));
      continue;
    }
    const name = symbols.name(i);
    if (NOT_FROM_THE_KERNEL.has(name) || name.startsWith(KLP_SYMBOL_PREFIX)) continue;
    found.push(new Undefined(symbols, i, resolve(name, symbols.bind(i) === STB_WEAK, kernel, wishes)));
  }
  return found;
}

/** What names begin with that are not looked up. */
const FIRST_OF_OTHERS = new Set([...NOT_FROM_THE_KERNEL, KLP_SYMBOL_PREFIX].map((name) => name.charCodeAt(0)));

/** What {@link resolve} makes of a name that one symbol of vmlinux has, which is not exported. 0 lets the kernel check that, too. */
const ONLY_IN_VMLINUX: Resolution = {
  kind: "convert",
  owner: "vmlinux",
  position: 0,
  chosenOf: null,
  waitsFor: "vmlinux",
};

const WEAK: Resolution = { kind: "weak" };
const UNKNOWN: Resolution = { kind: "unknown" };

function resolve(name: string, isWeak: boolean, kernel: Kernel, wishes: Wishes): Resolution {
  const position = wishes.positions.get(name) ?? wishes.positions.get(`vmlinux:${name}`);
  const candidates = kernel.find(name);
  // A position that was asked for means the symbol itself, not the export of that name.
  if (position === undefined && kernel.exports(name) && isVisible(kernel, name, wishes.module)) {
    return { kind: "exported" };
  }
  // By the rules of C a reference means a global symbol: a module's export comes before a static one of vmlinux.
  if (candidates.length > 0 && (candidates.some(isGlobal) || !kernel.modulesWith(name).some((o) => o.exported))) {
    return choose("vmlinux", "vmlinux", position, candidates.map(isGlobal), (i) => {
      const { address, letter } = candidates[i] as KernelSymbol;
      return { position: i + 1, place: address.toString(16).padStart(16, "0"), letter };
    });
  }
  return resolveInModules(name, isWeak, kernel, wishes);
}

function resolveInModules(name: string, isWeak: boolean, kernel: Kernel, wishes: Wishes): Resolution {
  const owners = kernel.modulesWith(name);
  if (owners.length === 0) return isWeak ? WEAK : UNKNOWN;
  // Where nothing is known of vmlinux, the symbol may be exported there: a namesake in a module says nothing.
  const isOpen = !kernel.hasSymbols && !kernel.listsExportsOfVmlinux;
  const given = owners.filter(
    (o) => kernel.modules.has(o.module) && (!isOpen || o.exported || wishes.patched.has(o.module)),
  );
  // A module that the patch changes anyway is meant before any other.
  const patched = given.filter((o) => wishes.patched.has(o.module));
  const exporters = owners.filter((o) => o.exported);
  if (patched.length === 0 && exporters.length > 0) {
    return { kind: "exported-by-module", modules: exporters.map((o) => o.module) };
  }
  const [owner, second] = patched.length > 0 ? patched : given;
  if (owner === undefined) {
    if (isWeak) return WEAK;
    return isOpen ? UNKNOWN : { kind: "only-in-module", modules: owners.map((o) => o.module) };
  }
  if (second !== undefined) return { kind: "in-several-modules", modules: [owner.module, second.module] };
  const waitsFor = objectFor(owner.module, kernel, wishes.patched);
  if (waitsFor === null) return { kind: "no-object", owner: owner.module, patched: [...wishes.patched] };
  const twins = kernel.modules.get(owner.module)?.find(name) ?? [];
  const wish = wishes.positions.get(`${owner.module}:${name}`) ?? wishes.positions.get(name);
  const globals = twins.map((t) => t.isGlobal);
  return choose(owner.module, waitsFor, wish, globals, (i) => {
    const { section, offset } = twins[i] as (typeof twins)[number];
    return {
      position: i + 1,
      place: `${section ?? "*ABS*"}+0x${offset.toString(16)}`,
      letter: globals[i] ? "T" : "t",
    };
  });
}

const isGlobal = ({ letter }: KernelSymbol): boolean => letter !== letter.toLowerCase();

/** The patched object whose relocations may name symbols of `owner`: itself, or the one that needs it loaded. */
function objectFor(owner: string, kernel: Kernel, patched: ReadonlySet<string>): string | null {
  const modules = [...patched].filter((p) => p !== "vmlinux");
  if (patched.has(owner) || patched.size === 0) return owner;
  const users = modules.filter((m) => kernel.modules.get(m)?.depends.includes(owner));
  return users.length === 1 ? (users[0] ?? null) : null;
}

/** Exports of a `module:` namespace (6.16 and later) are for some modules only; a livepatch is rarely one of them. */
function isVisible(kernel: Kernel, name: string, module: string): boolean {
  const namespace = kernel.exportOf(name)?.namespace ?? "";
  return !namespace.startsWith("module:") || isGranted(namespace, module);
}

/**
 * Decides between the symbols of one name.
 * @param position the one that was asked for @param globals whether each is global @param tell describes the i-th
 */
function choose(
  owner: string,
  waitsFor: string,
  position: number | undefined,
  globals: readonly boolean[],
  tell: (i: number) => Namesake,
): Resolution {
  const count = globals.length;
  const convert = (position: number, chosenOf: number | null): Resolution => ({
    kind: "convert",
    owner,
    position,
    chosenOf,
    waitsFor,
  });
  if (position !== undefined) {
    return position <= count && (position > 0 || count === 1)
      ? convert(position, null)
      : { kind: "no-such-position", object: owner, position, count };
  }
  // 0 lets the kernel check that the name is unique there, too.
  if (count === 1) return convert(0, null);
  const only = globals.indexOf(true);
  return only >= 0 && globals.indexOf(true, only + 1) < 0
    ? convert(only + 1, count)
    : { kind: "ambiguous", object: owner, candidates: globals.map((_, i) => tell(i)) };
}

/** Renames the symbols to convert and moves their relocations. */
export function convert(
  edits: ElfEdits,
  symbols: SymbolTable,
  undefineds: readonly Undefined[],
  router: RelocationRouter,
): void {
  if (undefineds.length === 0) return;
  /** By symbol: the object that its relocations wait for. */
  const objects = new Array<string | undefined>(symbols.count);
  const names = new KlpNames(edits.names);
  const { bytes } = symbols.names;
  for (const { symbol, resolution, nameLength } of undefineds) {
    if (resolution.kind !== "convert") continue;
    const { owner, position, waitsFor } = resolution;
    objects[symbol] = waitsFor;
    const start = symbols.nameOffset(symbol);
    const name = names.of(owner, position, bytes, start, start + nameLength);
    // A hidden undefined symbol was the compiler's business only.
    edits.symbols.setName(symbol, name);
    edits.symbols.setReserved(symbol, SHN_LIVEPATCH);
  }
  moveRelocations(edits, symbols, (symbol) => objects[symbol], router);
}
