// The first conversion: undefined symbols that the kernel has but does not export become livepatch symbols.

import { SHF_ALLOC, SHF_INFO_LINK, SHF_RELA_LIVEPATCH, SHN_LIVEPATCH, SHT_REL, SHT_RELA } from "../elf/consts.ts";
import type { ElfEdits } from "../elf/edits.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { SymbolTable } from "../elf/symbols.ts";
import type { SymbolList } from "../kernel/symbolList.ts";
import { formatKlpSymbol, KLP_SYMBOL_PREFIX } from "./names.ts";
import type { RelocationRouter } from "./router.ts";

/** Undefined symbols that the loader, or the compiler, defines by other means than an export. */
const NOT_FROM_THE_KERNEL = new Set([".TOC.", "TOC.", "_GLOBAL_OFFSET_TABLE_"]);

/** What becomes of one undefined symbol. */
export type Resolution =
  | { readonly kind: "exported" }
  | { readonly kind: "exported-by-module"; readonly modules: readonly string[] }
  /** Weak and nowhere: the loader leaves it at 0. */
  | { readonly kind: "weak" }
  | { readonly kind: "convert"; readonly position: number; readonly chosenOf: number | null }
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
      ? { kind: "convert", position, chosenOf: null }
      : { kind: "no-such-position", position, count: candidates.length };
  }
  // 0 lets the kernel check that the name is unique there, too.
  if (candidates.length === 1) return { kind: "convert", position: 0, chosenOf: null };
  const globals = candidates.filter((c) => c.letter !== c.letter.toLowerCase());
  const only = globals.length === 1 ? globals[0] : undefined;
  if (only === undefined) return { kind: "ambiguous" };
  return { kind: "convert", position: candidates.indexOf(only) + 1, chosenOf: candidates.length };
}

/** Renames the symbols to convert and moves their relocations. */
export function convert(
  edits: ElfEdits,
  symbols: SymbolTable,
  undefineds: readonly Undefined[],
  router: RelocationRouter,
): void {
  const converted = new Set<number>();
  for (const { symbol, name, resolution } of undefineds) {
    if (resolution.kind !== "convert") continue;
    converted.add(symbol);
    edits.setSymbol(symbol, {
      name: formatKlpSymbol({ object: "vmlinux", name, position: resolution.position }),
      home: { kind: "reserved", index: SHN_LIVEPATCH },
      // A hidden undefined symbol was the compiler's business only.
      other: 0,
      value: 0n,
    });
  }
  if (converted.size > 0) moveRelocations(edits.file, edits, symbols, converted, router);
}

function moveRelocations(
  file: ElfFile,
  edits: ElfEdits,
  symbols: SymbolTable,
  converted: ReadonlySet<number>,
  router: RelocationRouter,
): void {
  const { sections } = file;
  let referred: ReadonlySet<number> | null = null;
  for (const table of file.relocations) {
    // Sections that are not loaded (debug information) are not relocated by the kernel at all.
    if (!sections.hasFlags(table.target, SHF_ALLOC) || sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) continue;
    if (sections.link(table.section) !== symbols.section) continue;
    let left = 0;
    for (let row = 0; row < table.count; row++) {
      const relocation = edits.relocation(table, row);
      if (relocation === null) continue;
      if (!converted.has(relocation.symbol)) {
        left++;
        continue;
      }
      edits.removeRelocation(table, row);
      router.add(table.target, "vmlinux", relocation);
    }
    const added = edits.relocationEdits.get(table.section)?.added.length ?? 0;
    if (table.count === 0 || left + added > 0) continue;
    referred ??= referredSections(file);
    if (!referred.has(table.section)) edits.removeSection(table.section);
  }
}

/** Sections that a symbol is defined in, or that another section names: they cannot vanish, only become empty. */
function referredSections({ sections, symbolTables }: ElfFile): ReadonlySet<number> {
  const referred = new Set<number>();
  for (const table of symbolTables.values()) {
    for (let i = 0; i < table.count; i++) {
      const section = table.sectionOf(i);
      if (section !== null) referred.add(section);
    }
  }
  for (let i = 1; i < sections.count; i++) {
    referred.add(sections.link(i));
    const type = sections.type(i);
    if (type === SHT_RELA || type === SHT_REL || sections.hasFlags(i, SHF_INFO_LINK)) referred.add(sections.info(i));
  }
  return referred;
}
