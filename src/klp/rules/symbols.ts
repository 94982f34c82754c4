// What the kernel will say of a module's undefined symbols and of livepatch symbols that no livepatch section uses.

import { printable } from "../../base/bytes.ts";
import { LOADING } from "../../base/loadOrder.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Place } from "../../diag/define.ts";
import { ProblemList } from "../../diag/problemList.ts";
import { SHF_RELA_LIVEPATCH, SHN_LIVEPATCH, SHN_UNDEF, STB_WEAK } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { NearSearch, nearNames } from "../../kernel/symbols/nearNames.ts";
import type { KernelVersion } from "../../kernel/version.ts";
import { longestSymbolName } from "../../kernel/versionFacts.ts";
import { stateProblems } from "../patch/moduleStates.ts";
import type { PlaceOf } from "../place.ts";
import type { Undefined } from "../producers/convert.ts";
import { KLP_CONVERT_SYMBOL_PREFIX } from "../producers/producer.ts";
import { KLP_SECTION_PREFIX, KLP_SYMBOL_PREFIX, parseKlpSymbol } from "../symbols/names.ts";
import type { SymbolUses } from "../symbols/uses.ts";

/** What the search for a module's undefined symbols was made with. */
export interface SymbolSearch {
  readonly kernel: Kernel;
  readonly uses: SymbolUses;
  readonly module: string;
  readonly version: KernelVersion | null;
  readonly needs: Needs;
}

/** Undefined symbols that cannot be resolved, or only with a choice that deserves a look. */
export const symbolProblems = (undefineds: readonly Undefined[], search: SymbolSearch): Problem[] =>
  new Undefineds(undefineds, search).problems();

interface Unsearched {
  readonly name: string;
  readonly at: Place;
}

class Undefineds {
  readonly #search: SymbolSearch;
  readonly #undefineds: readonly Undefined[];
  readonly #near = new NearSearch();
  readonly #problems = new ProblemList();
  /** Modules that the module needs, or patches, of which nothing is known. */
  readonly #dependsOn: readonly string[];
  readonly #patched: readonly string[];
  /** Without the kernel's own symbols, a list of all exports tells what is not exported: one that has those of vmlinux. */
  readonly #listsExports: boolean;
  readonly #longest: number;
  readonly #unsearched: Unsearched[] = [];
  readonly #strangers: (Unsearched & { readonly loadOrder: readonly number[] })[] = [];

  constructor(undefineds: readonly Undefined[], search: SymbolSearch) {
    this.#undefineds = undefineds;
    this.#search = search;
    const { kernel, module, needs } = search;
    this.#longest = longestSymbolName(search.version);
    const isMissing = (name: string): boolean => name !== "vmlinux" && name !== module && !kernel.modules.has(name);
    this.#dependsOn = needs.depends.filter(isMissing).map(printable);
    this.#patched = [...needs.patched].filter(isMissing).map(printable);
    this.#listsExports = undefineds.some((u) => u.resolution.kind === "exported");
  }

  problems(): Problem[] {
    for (const undefinedSymbol of this.#undefineds) this.#check(undefinedSymbol);
    const { kernel, module } = this.#search;
    const [stranger] = this.#strangers;
    if (stranger !== undefined) {
      const names = this.#strangers.slice(0, 3).map((s) => s.name);
      const data = { module, source: kernel.source, count: this.#strangers.length, names };
      this.#problems.push(problem("KLP464", stranger.at, data, { loadOrder: stranger.loadOrder }));
    }
    const [first] = this.#unsearched;
    if (first !== undefined) {
      const names = this.#unsearched.slice(0, 3).map((u) => u.name);
      const data = { count: this.#unsearched.length, names, missing: this.#dependsOn };
      this.#problems.push(problem("KLP450", first.at, data));
    }
    return this.#problems.all();
  }

  #check(undefinedSymbol: Undefined): void {
    const { symbol, resolution } = undefinedSymbol;
    const { kernel, module, uses } = this.#search;
    if (resolution.kind === "exported" || resolution.kind === "exported-by-module" || resolution.kind === "weak")
      return;
    if (resolution.kind === "convert") {
      if (resolution.chosenOf !== null || kernel.modules.size > 0 || undefinedSymbol.nameLength > this.#longest)
        this.#converted(undefinedSymbol.name, resolution, () => uses.placeOf(symbol));
      return;
    }
    const { name } = undefinedSymbol;
    const more = { loadOrder: LOADING.symbol(symbol) };
    if (resolution.kind === "unknown") {
      this.#unknown(name, () => uses.placeOf(symbol), more.loadOrder);
      return;
    }
    const shown = printable(name);
    const at = uses.placeOf(symbol);
    switch (resolution.kind) {
      case "only-in-module":
        this.#problems.push(problem("KLP403", at, { module, symbol: shown, owners: resolution.modules }, more));
        break;
      case "in-several-modules":
        this.#problems.push(problem("KLP424", at, { symbol: shown, owners: resolution.modules }));
        break;
      case "no-object": {
        const { owner, patched } = resolution;
        this.#problems.push(problem("KLP425", at, { symbol: shown, owner, patched }));
        break;
      }
      case "ambiguous": {
        const { object, candidates } = resolution;
        const data = { module, symbol: shown, object, source: sourceOf(kernel, object), candidates };
        this.#problems.push(problem("KLP402", at, data, more));
        break;
      }
      case "no-such-position": {
        const { object, position, count } = resolution;
        this.#problems.push(problem("KLP406", at, { symbol: shown, object, position, count }));
        break;
      }
    }
  }

  #unknown(name: string, place: PlaceOf, loadOrder: readonly number[]): void {
    const { kernel, module } = this.#search;
    // Without -k nothing is said of the kernel's own symbols, which are most.
    const isOpen = !kernel.hasSymbols && !this.#listsExports;
    if (isOpen && (!kernel.listsExportsOfVmlinux || this.#dependsOn.length > 0)) return;
    const shown = printable(name);
    const at = place();
    if (isOpen) {
      this.#strangers.push({ name: shown, at, loadOrder });
      return;
    }
    if (this.#dependsOn.length > 0) {
      this.#unsearched.push({ name: shown, at });
      return;
    }
    const { source } = kernel;
    if (!kernel.hasSymbols) {
      this.#problems.push(problem("KLP451", at, { module, symbol: shown, source }, { loadOrder }));
      return;
    }
    const near = this.#near.of(name, (like) => kernel.names(like));
    const searched = [...kernel.modules.values()].map((m) => m.source);
    const data = { module, symbol: shown, source, near, searched, missing: this.#patched };
    this.#problems.push(problem("KLP401", at, data, this.#patched.length > 0 ? {} : { loadOrder }));
  }

  #converted(name: string, resolution: Undefined["resolution"] & { readonly kind: "convert" }, at: PlaceOf): void {
    const { kernel } = this.#search;
    const limit = this.#longest;
    if (name.length > limit) {
      const data = { symbol: printable(name), limit, length: name.length };
      this.#problems.push(problem("KLP407", at(), data));
    }
    this.#problems.add(stateProblems(kernel, resolution, name, at));
    const { position, chosenOf } = resolution;
    if (chosenOf === null) return;
    this.#problems.push(problem("KLP405", at(), { symbol: printable(name), position, count: chosenOf }));
  }
}

/**
 * Positions that were asked for (`--sympos`), but of no symbol that the file uses, or of one that has another position
 * already: a slip of the pen that would go unseen.
 * @param positions by NAME or OBJECT:NAME
 */
export function statedPositionProblems(
  symbols: SymbolTable,
  undefineds: readonly Undefined[],
  positions: ReadonlyMap<string, number>,
  file: string,
): Problem[] {
  if (positions.size === 0) return [];
  /** By name: the object that it is taken from, null if from none; the whole name if it is a livepatch symbol already. */
  const used = new Map<string, { readonly object: string | null; readonly finished: string | null }>();
  for (const i of symbols.startingWith(KLP_SYMBOL_PREFIX)) {
    const finished = symbols.name(i);
    const parts = parseKlpSymbol(finished);
    if (parts !== null) used.set(parts.name, { object: parts.object, finished });
  }
  for (const { name, resolution } of undefineds) {
    const owner = resolution.kind === "convert" ? resolution.owner : null;
    used.set(name, { object: resolution.kind === "no-such-position" ? resolution.object : owner, finished: null });
  }
  return [...positions].flatMap(([key, position]) => {
    const colon = key.indexOf(":");
    const symbol = key.slice(colon + 1);
    const { object = null, finished = null } = used.get(symbol) ?? {};
    // The object may be left out.
    const isSymbol = used.has(symbol) && (colon < 0 || object === null || object === key.slice(0, colon));
    const isPosition = finished === null || parseKlpSymbol(finished)?.position === position;
    if (isSymbol && isPosition) return [];
    const near = used.has(symbol) ? [symbol] : nearNames(symbol, used.keys());
    const asked = printable(`${key}=${position}`);
    const has = isSymbol && finished !== null ? printable(finished) : null;
    return [problem("KLP452", { file }, { asked, symbol: printable(symbol), object, near, has })];
  });
}

/** Modules that a module needs, as it says itself. */
export interface Needs {
  /** `depends=` of .modinfo: modules whose exports it uses. */
  readonly depends: readonly string[];
  /** Objects that its livepatch tables name. */
  readonly patched: ReadonlySet<string>;
}

const sourceOf = (kernel: Kernel, object: string): string => kernel.modules.get(object)?.source ?? kernel.source;

/**
 * Symbols named as livepatch symbols that the loader will not take as such.
 * @param dedots the loader drops a leading dot of an undefined symbol, and prints it so (ppc64: dedotify, module_64.c)
 */
export function livepatchSymbolProblems(
  file: ElfFile,
  symbols: SymbolTable,
  uses: SymbolUses,
  module: string,
  dedots: boolean,
): Problem[] {
  const named = symbols.startingWith(KLP_SYMBOL_PREFIX);
  if (named.length === 0) return [];
  const problems = new ProblemList();
  const used = new Uint8Array(symbols.count);
  let isUsed = false;
  for (const table of file.relocations) {
    if (!file.sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) continue;
    for (let row = 0; row < table.count; row++) used[table.symbol(row)] = 1;
    isUsed ||= table.count > 0;
  }
  // What a finished module keeps even where a tool has spoiled it.
  const wasFinished =
    isUsed ||
    Array.from({ length: file.sections.count }, (_, i) => file.sections.name(i)).some((n) =>
      n.startsWith(KLP_SECTION_PREFIX),
    );
  for (const i of named) {
    const raw = symbols.rawShndx(i);
    if (raw === SHN_LIVEPATCH && used[i] === 1) continue;
    const name = symbols.name(i);
    // The annotations of klp-convert are named by KLP420.
    if (name.startsWith(KLP_CONVERT_SYMBOL_PREFIX)) continue;
    const symbol = printable(name);
    if (raw === SHN_LIVEPATCH) {
      // Those that a livepatch section uses are met there.
      if (parseKlpSymbol(name) === null) problems.push(problem("KLP409", uses.placeOf(i), { symbol }));
    } else {
      const is = raw !== SHN_UNDEF ? "defined" : symbols.bind(i) === STB_WEAK ? "weak" : "undefined";
      // One that a livepatch section uses is met there (KLP412).
      if (is !== "undefined" && used[i] === 1) continue;
      const printed = printable(dedots && is === "undefined" ? name.slice(1) : name);
      const more = is === "undefined" ? { loadOrder: LOADING.symbol(i) } : {};
      const written =
        is === "undefined" && !wasFinished ? { written: parseKlpSymbol(name) ?? ("malformed" as const) } : {};
      problems.push(problem("KLP408", uses.placeOf(i), { symbol, module, printed, is, ...written }, more));
    }
  }
  return problems.all();
}
