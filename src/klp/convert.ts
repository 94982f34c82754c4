// The first conversion: undefined symbols that the kernel has but does not export become livepatch symbols.

import { SHN_LIVEPATCH } from "../elf/consts.ts";
import type { ElfEdits } from "../elf/edits.ts";
import type { SymbolTable } from "../elf/symbols.ts";
import type { SymbolList } from "../kernel/symbolList.ts";
import { moveRelocations } from "./intermediate.ts";
import { formatKlpSymbol, KLP_SYMBOL_PREFIX } from "./names.ts";
import type { RelocationRouter } from "./router.ts";

/** Undefined symbols that the loader, or the compiler, defines by other means than an export. */
const NOT_FROM_THE_KERNEL = new Set([".TOC.", "TOC.", "_GLOBAL_OFFSET_TABLE_"]);

const VMLINUX = { owner: "vmlinux", waitsFor: "vmlinux" } as const;

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
  | { readonly kind: "ambiguous" }
  | { readonly kind: "no-such-position"; readonly position: number; readonly count: number };

export interface Undefined {
  readonly symbol: number;
  readonly name: string;
  readonly resolution: Resolution;
}

/**
 * Decides on each undefined symbol of a file, in symbol table order.
 * @param positions positions that the user gave, by name (`--sympos`).
 */
export function resolveUndefined(
  symbols: SymbolTable,
  list: SymbolList,
  positions: ReadonlyMap<string, number>,
): Undefined[] {
  const found: Undefined[] = [];
  for (let i = 1; i < symbols.count; i++) {
    if (!symbols.isUndefined(i)) continue;
    const name = symbols.name(i);
    if (name === "" || NOT_FROM_THE_KERNEL.has(name) || name.startsWith(KLP_SYMBOL_PREFIX)) continue;
    found.push({ symbol: i, name, resolution: resolve(name, symbols.bind(i) === 2, list, positions) });
  }
  return found;
}

function resolve(name: string, isWeak: boolean, list: SymbolList, positions: ReadonlyMap<string, number>): Resolution {
  const position = positions.get(name);
  const candidates = list.find(name);
  // A position that was asked for means the symbol itself, not the export of that name.
  if (position === undefined && list.exports(name)) return { kind: "exported" };
  if (candidates.length === 0) {
    const owners = list.modulesWith(name);
    const exporters = owners.filter((o) => o.exported).map((o) => o.module);
    if (exporters.length > 0) return { kind: "exported-by-module", modules: exporters };
    if (isWeak) return { kind: "weak" };
    return owners.length > 0 ? { kind: "only-in-module", modules: owners.map((o) => o.module) } : { kind: "unknown" };
  }
  if (position !== undefined) {
    return position <= candidates.length && (position > 0 || candidates.length === 1)
      ? { kind: "convert", ...VMLINUX, position, chosenOf: null }
      : { kind: "no-such-position", position, count: candidates.length };
  }
  // 0 lets the kernel check that the name is unique there, too.
  if (candidates.length === 1) return { kind: "convert", ...VMLINUX, position: 0, chosenOf: null };
  const globals = candidates.filter((c) => c.letter !== c.letter.toLowerCase());
  const only = globals.length === 1 ? globals[0] : undefined;
  if (only === undefined) return { kind: "ambiguous" };
  return { kind: "convert", ...VMLINUX, position: candidates.indexOf(only) + 1, chosenOf: candidates.length };
}

/** Renames the symbols to convert and moves their relocations. Returns the number of relocations moved. */
export function convert(
  edits: ElfEdits,
  symbols: SymbolTable,
  undefineds: readonly Undefined[],
  router: RelocationRouter,
): number {
  const objects = new Map<number, string>();
  for (const { symbol, name, resolution } of undefineds) {
    if (resolution.kind !== "convert") continue;
    const { owner, position, waitsFor } = resolution;
    objects.set(symbol, waitsFor);
    edits.setSymbol(symbol, {
      name: formatKlpSymbol({ object: owner, name, position }),
      home: { kind: "reserved", index: SHN_LIVEPATCH },
      // A hidden undefined symbol was the compiler's business only.
      other: 0,
      value: 0n,
    });
  }
  return objects.size === 0 ? 0 : moveRelocations(edits, symbols, objects, router);
}
