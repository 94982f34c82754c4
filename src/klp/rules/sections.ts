// What the livepatch core (kernel/livepatch/core.c: klp_apply_section_relocs, klp_resolve_symbols) and the loader around it
// will make of a file's livepatch sections and symbols.

import { printable, viewOf } from "../../base/bytes.ts";
import { LOADING, type LoadMoment } from "../../base/loadOrder.ts";
import { NumberSet } from "../../base/numberSet.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Place } from "../../diag/define.ts";
import { ProblemList } from "../../diag/problemList.ts";
import { SHF_ALLOC, SHF_RELA_LIVEPATCH, SHN_LIVEPATCH } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { isFreedInit } from "../../kernel/machines.ts";
import { NearSearch } from "../../kernel/symbols/nearNames.ts";
import { hasFact, longestSymbolName } from "../../kernel/versionFacts.ts";
import { stateProblems } from "../patch/moduleStates.ts";
import { type PlaceOf, placeIn } from "../place.ts";
import { KLP_SECTION_PREFIX, type KlpSymbolName, parseKlpSectionObject, parseKlpSymbol } from "../symbols/names.ts";
import type { RuleContext } from "./context.ts";
import { lateWrite, overwrittenHalves } from "./lateWrites.ts";
import { SoundSymbols } from "./soundSymbols.ts";
import { unresolvedUses } from "./unresolvedUses.ts";

/** Whether a section's memory is freed after init. */
export const isFreed = ({ header, sections }: ElfFile, section: number): boolean =>
  isFreedInit(sections.name(section), header.machine);

/** All problems of livepatch sections, and of relocations against livepatch symbols elsewhere. */
export function checkLivepatchSections(context: RuleContext): Problem[] {
  const { file } = context;
  const problems = new ProblemList();
  const search = new NearSearch();
  for (const table of file.relocations) {
    if (!file.sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) continue;
    problems.add(new SectionRules(context, table, search).check());
  }
  return [...problems.all(), ...unresolvedUses(context)];
}

/** The rules for one livepatch relocation section. */
class SectionRules {
  readonly #context: RuleContext;
  readonly #table: RelocationTable;
  readonly #name: string;
  readonly #search: NearSearch;
  /** Whether the kernel applies those of vmlinux when it loads the module. */
  readonly #atLoad: boolean;
  readonly #problems = new ProblemList();

  constructor(context: RuleContext, table: RelocationTable, search: NearSearch) {
    this.#search = search;
    this.#atLoad = hasFact(context.version, "vmlinuxAtLoad");
    this.#context = context;
    this.#table = table;
    this.#name = context.file.sections.name(table.section);
  }

  check(): Problem[] {
    const { file, path } = this.#context;
    const { sections } = file;
    const table = this.#table;
    const at = { file: path, section: printable(this.#name), offset: 0 };
    const object = parseKlpSectionObject(this.#name);
    if (object === null) {
      const more = { loadOrder: LOADING.livepatchSection(table.section) };
      this.#problems.push(problem("KLP411", at, { name: printable(this.#name) }, more));
      return this.#problems.all();
    }
    const target = printable(sections.name(table.target));
    if (table.target === 0 || !sections.hasFlags(table.target, SHF_ALLOC)) {
      this.#problems.push(problem("KLP418", at, { name: printable(this.#name), target }));
      return this.#problems.all();
    }
    if (!sections.hasFlags(table.section, SHF_ALLOC) && !(object === "vmlinux" && this.#atLoad)) {
      this.#problems.push(problem("KLP417", at, { name: printable(this.#name) }));
    }
    this.#checkName(object, at);
    this.#checkRows(object);
    if (object !== "vmlinux") this.#add(overwrittenHalves(this.#context, table, object, at));
    return this.#problems.all();
  }

  #add(found: Problem | null): void {
    if (found !== null) this.#problems.push(found);
  }

  /** The kernel reads the object up to the first dot, and at most 55 bytes; what was meant shows in the rest. */
  #checkName(object: string, at: Place): void {
    const target = this.#context.file.sections.name(this.#table.target);
    const rest = this.#name.slice(KLP_SECTION_PREFIX.length);
    const name = printable(this.#name);
    let meant: string | null = null;
    // `.klp.rela.OBJECT.SECTION`; the klp-convert of 2024 leaves one dot out.
    if (rest.endsWith(`.${target}`)) meant = rest.slice(0, -target.length - 1);
    else if (target.startsWith(".") && rest.endsWith(target)) meant = rest.slice(0, -target.length);
    if (meant === null || meant === "") {
      this.#problems.push(problem("KLP427", at, { name, target: printable(target) }));
      meant = object;
    }
    if (meant !== object) {
      const data = { name, meant: printable(meant), read: printable(object), tooLong: !meant.includes(".") };
      this.#problems.push(problem("KLP419", at, data));
    } else if (!/^\w+$/.test(object)) {
      this.#problems.push(problem("KLP428", at, { object: printable(object) }));
    } else this.#checkObject(object, at);
  }

  /** klp_init_object_loaded applies the relocations of the patch's objects, and of no other. */
  #checkObject(object: string, at: Place): void {
    const { objects } = this.#context;
    if (objects === null || objects.has(object) || (object === "vmlinux" && this.#atLoad)) return;
    const data = { name: printable(this.#name), object: printable(object), patched: [...objects].map(printable) };
    this.#problems.push(problem("KLP455", at, data));
  }

  #checkRows(object: string): void {
    const { symbols, arch } = this.#context;
    const table = this.#table;
    const isVmlinux = object === "vmlinux";
    const said = new NumberSet(symbols.count);
    const sound = new SoundSymbols(this.#context, object);
    const calls = arch.branches?.types;
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      if (said.add(symbol) && !sound.has(symbol)) this.#checkSymbol(symbol, row, object);
      if (!isVmlinux) this.#add(lateWrite(this.#context, table, row, object, () => this.#place(row)));
      if (row === 0) this.#checkTarget(symbol, object);
      if (calls?.has(table.type(row)) === true) this.#checkBranch(row);
    }
  }

  /** What is wrong with the section that is relocated, said of the first relocation. @param symbol of that */
  #checkTarget(symbol: number, object: string): void {
    const { file, symbols, arch } = this.#context;
    const target = file.sections.name(this.#table.target);
    const isVmlinux = object === "vmlinux";
    if (!(isVmlinux && this.#atLoad) && isFreed(file, this.#table.target)) {
      const what = `the place of ${printable(symbols.name(symbol))}`;
      this.#problems.push(problem("KLP449", this.#place(0), { what, section: printable(target) }));
    }
    if (!isVmlinux && arch.specialSections.get(target)?.isReadEarly === true) {
      const name = printable(symbols.name(symbol));
      this.#problems.push(problem("KLP430", this.#place(0), { target, object, symbol: name }));
    }
  }

  #place(row: number): Place {
    return placeIn(this.#context, this.#table.target, this.#table.offset(row));
  }

  /** When a relocation's symbol is resolved; with a module's section the fault shows when that module is there. */
  #moment(row: number, object: string): { loadOrder?: LoadMoment } {
    const rank = object === "vmlinux" && this.#atLoad ? this.#context.loadOrder.of(this.#table, row) : null;
    // All symbols of a section are resolved before its first relocation is applied.
    return rank === null ? {} : { loadOrder: LOADING.livepatchSymbol(this.#table.section, rank[2] ?? 0) };
  }

  #checkSymbol(symbol: number, row: number, object: string): void {
    const { symbols, version } = this.#context;
    const at = (): Place => this.#place(row);
    const name = symbols.name(symbol);
    const more = (): { loadOrder?: LoadMoment } => this.#moment(row, object);
    if (symbols.rawShndx(symbol) !== SHN_LIVEPATCH) {
      const withIndex = hasFact(version, "symbolIndexInMessage");
      const table = symbols.section;
      this.#problems.push(problem("KLP412", at(), { symbol: printable(name), table, row, withIndex }, more()));
      return;
    }
    const parsed = parseKlpSymbol(name);
    const limit = longestSymbolName(version);
    if (parsed === null || parsed.name.length > limit) {
      this.#problems.push(problem("KLP409", at(), { symbol: printable(name) }, more()));
      return;
    }
    if (object !== "vmlinux" && parsed.object === "vmlinux" && this.#atLoad) {
      const data = { symbol: printable(parsed.name), section: printable(this.#name) };
      this.#problems.push(problem("KLP413", at(), data, more()));
      return;
    }
    if (object === "vmlinux" && parsed.object !== "vmlinux") {
      this.#problems.push(problem("KLP429", at(), { symbol: printable(name), object: printable(parsed.object) }));
    }
    const found = findPosition(this.#context.kernel, parsed.object, parsed.name, parsed.position);
    const { kernel } = this.#context;
    if (found.kind === "found") this.#problems.add(stateProblems(kernel, stateOf(parsed), parsed.name, at));
    else this.#problems.add(lookupProblems(found, parsed, kernel, at, { ...more(), search: this.#search }));
  }

  /** A call's relocation that stands beside the call: off by the distance between the two entry points, most often. */
  #checkBranch(row: number): void {
    const { file, functions } = this.#context;
    const { branches } = this.#context.arch;
    const table = this.#table;
    if (branches === null) return;
    const data = file.sections.data(table.target);
    const offset = table.offset(row);
    const isBranch = (where: number): boolean => {
      if (where < 0 || where + 4 > data.length) return false;
      return branches.is(viewOf(data).getUint32(where, file.littleEndian));
    };
    if (offset + 4 > data.length || isBranch(offset)) return;
    const owner = functions.at(table.target, offset);
    const localEntry = owner === null ? 0 : owner.localEntry - owner.start;
    const distances = localEntry > 0 ? [localEntry, 8, 4] : [8, 4];
    const meant = distances.flatMap((d) => [offset + d, offset - d]).find(isBranch);
    if (meant !== undefined) this.#problems.push(problem("KLP434", this.#place(row), { by: meant - offset }));
  }
}

/** Where the kernel would find a symbol: what it says in place of that, or null. */
export type SymbolLookup =
  | { readonly kind: "unknown-object" }
  | { readonly kind: "found"; readonly count: number }
  | { readonly kind: "missing" }
  | { readonly kind: "ambiguous"; readonly count: number }
  | { readonly kind: "beyond"; readonly count: number };

/** klp_find_object_symbol: position 0 means the only one, n the n-th. */
export function findPosition(kernel: Kernel | null, object: string, name: string, position: number): SymbolLookup {
  let count: number;
  if (object === "vmlinux") {
    if (kernel === null || !kernel.hasSymbols) return { kind: "unknown-object" };
    count = kernel.countOf(name);
  } else {
    const module = kernel?.modules.get(object);
    if (module === undefined) return { kind: "unknown-object" };
    count = module.find(name).length;
  }
  if (count === 0) return { kind: "missing" };
  if (position === 0) return count === 1 ? { kind: "found", count } : { kind: "ambiguous", count };
  return position <= count ? { kind: "found", count } : { kind: "beyond", count };
}

const stateOf = ({ object, position }: KlpSymbolName): { readonly owner: string; readonly position: number } => ({
  owner: object,
  position,
});

/** The kernel's words for a symbol that it does not find, and a warning where its position changes. */
export function lookupProblems(
  found: SymbolLookup,
  symbol: KlpSymbolName,
  kernel: Kernel | null,
  place: PlaceOf,
  { search = new NearSearch(), ...more }: { readonly loadOrder?: readonly number[]; readonly search?: NearSearch } = {},
): Problem[] {
  if (found.kind === "unknown-object") return [];
  const { object, name, position } = symbol;
  if (found.kind === "found") return stateProblems(kernel, stateOf(symbol), name, place);
  const at = place();
  const shown = printable(name);
  const objectName = printable(object);
  const source = kernel?.modules.get(object)?.source ?? kernel?.source ?? "";
  switch (found.kind) {
    case "missing": {
      const ofModule = object === "vmlinux" ? undefined : kernel?.modules.get(object);
      const near = search.of(name, (like) => ofModule?.names() ?? kernel?.names(like) ?? []);
      return [problem("KLP414", at, { symbol: shown, object: objectName, source, near }, more)];
    }
    case "ambiguous":
      return [problem("KLP415", at, { symbol: shown, object: objectName, source, count: found.count }, more)];
    case "beyond":
      return [problem("KLP416", at, { symbol: shown, object: objectName, source, position, count: found.count }, more)];
  }
}
