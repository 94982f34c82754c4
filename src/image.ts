// The image pass: what the kernel's loader would have in memory, for given addresses. The steps are those of
// load_module (kernel/module/main.c), in its order; a fault does not end them, so that all faults are reported.

import { read, Unusable } from "./analysis.ts";
import { type Arch, findArch } from "./arch.ts";
import { hex, hexWord, printable, viewOf } from "./base/bytes.ts";
import { type Problem, problem } from "./diag/catalogue.ts";
import type { Place as Where } from "./diag/define.ts";
import { machineNames, SHF_ALLOC, SHF_RELA_LIVEPATCH, SHN_ABS, SHN_UNDEF, SHT_RELA } from "./elf/consts.ts";
import { SYM } from "./elf/layout.ts";
import type { ElfFile } from "./elf/reader.ts";
import type { RelocationTable } from "./elf/relas.ts";
import type { SymbolTable } from "./elf/symbols.ts";
import type { KernelAddresses } from "./kernel/addresses.ts";
import { sortExtable } from "./kernel/extable.ts";
import {
  type Layout,
  type LoadedSection,
  layOut,
  loadedSections,
  PERCPU_SECTION,
  type Placed,
  type Placement,
  place,
  symtabOf,
} from "./kernel/loaderLayout.ts";
import { readModInfo } from "./kernel/modinfo.ts";
import { findModuleName } from "./kernel/moduleFile.ts";
import { nearNames } from "./kernel/nearNames.ts";
import { simplifySymbols } from "./kernel/simplify.ts";
import { isAtLeast, type KernelVersion, parseKernelVersion } from "./kernel/version.ts";
import { FunctionIndex } from "./klp/functions.ts";
import { parseKlpSectionObject, shortName } from "./klp/names.ts";
import { resolveKlpSymbols } from "./klp/resolve.ts";
import { relocName } from "./reloc/def.ts";
import { type Finding, relocate, type Space } from "./reloc/engine.ts";
import { rewriteLoaded } from "./rewrites.ts";
import type { LoaderFacts, ModuleLoader, Preparation, StubRow, UnknownRange } from "./stubs/loader.ts";

export interface ImageOptions {
  /** Name of the input for messages. */
  readonly file: string;
  readonly placement: Placement;
  /** Addresses of the kernel's symbols; null: undefined symbols cannot be resolved. */
  readonly kernel: KernelAddresses | null;
  readonly kernelVersion?: KernelVersion;
  /** ppc64le: the kernel's TOC base, where its symbols do not tell. */
  readonly kernelToc?: bigint;
  /** ppc64le: offset of kernel_toc in the paca; 16 unless given. */
  readonly pacaTocOffset?: number;
  readonly erratum843419?: boolean;
  /** `relocated`: straight after relocation, before module_finalize. `loaded`: with what comes until init. */
  readonly stage: "relocated" | "loaded";
  /** With `loaded`: the module has run since, so that sites that may be patched at any time are not known. */
  readonly running?: boolean;
  /** Bytes; the architecture's usual size unless given. */
  readonly pageSize?: number;
  /** Objects that are loaded too: their livepatch relocations are applied, in this order, after the module is loaded. */
  readonly late?: readonly string[];
}

/** One section in memory. */
export interface ImageSection {
  readonly index: number;
  readonly name: string;
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly flags: number;
  readonly alignment: number;
  readonly nobits: boolean;
}

export interface ModuleImage {
  readonly file: ElfFile;
  readonly symbols: SymbolTable;
  readonly arch: Arch;
  readonly module: string;
  readonly version: KernelVersion | null;
  readonly layout: Layout;
  readonly placed: Placed;
  /** Sections that are in memory, by index. */
  readonly sections: readonly ImageSection[];
  /** The per-CPU template, if there is one; its address is that of the per-CPU area. */
  readonly percpu: ImageSection | null;
  /** Final st_value of each symbol. */
  readonly values: BigUint64Array;
  readonly stubs: readonly StubRow[];
  readonly unknown: readonly UnknownRange[];
  /** Relocations applied. */
  readonly applied: number;
}

export interface ImageResult {
  readonly problems: readonly Problem[];
  /** Null if the loader does not get as far as laying the module out. */
  readonly image: ModuleImage | null;
  readonly arch: string;
  readonly module: string;
}

/** More than any module has; the kernel's module area is smaller on most architectures. */
const SIZE_LIMIT = 0x800_0000;

/** Order of the loader's steps, for telling which fault comes first. */
const STEP = { frob: 0, symbols: 1, relocations: 2, finalize: 3, late: 4 } as const;

/** @throws Unusable if the input cannot be read. */
export function image(bytes: Uint8Array, options: ImageOptions): ImageResult {
  const file = read(bytes, options.file);
  const arch = findArch(file.header.machine);
  if (arch === null || !file.littleEndian) {
    const name = machineNames.get(file.header.machine) ?? `number ${file.header.machine}`;
    const machine = file.littleEndian ? name : `${name}, big-endian`;
    throw new Unusable(problem("KLP106", { file: options.file, fileOffset: 18 }, { machine }));
  }
  const modInfo = readModInfo(file);
  const module = findModuleName(file, modInfo, options.file);
  const symbols = file.symbols;
  const symtab = symtabOf(file);
  if (symbols === null || symtab === null) {
    throw new Unusable(problem("KLP107", { file: options.file }, { several: symtab !== null, module }));
  }
  const version = options.kernelVersion ?? parseKernelVersion(modInfo?.get("vermagic") ?? "");
  const facts = factsOf(module, version, options);
  const problems: Problem[] = [];
  const preparation = arch.loader.prepare(file, symbols, facts);
  for (const { what, message } of preparation.refusals) {
    problems.push(problem("KLP206", { file: options.file }, { what, message }, { loadOrder: [STEP.frob] }));
  }
  if (preparation.refusals.length > 0) return { problems, image: null, arch: arch.name, module };

  const sections = loadedSections(file, (i) => preparation.changes.get(i), facts.since(6, 13));
  const size = sections.reduce((sum, s) => ((s.flags & SHF_ALLOC) !== 0 ? sum + s.size : sum), 0);
  if (size > SIZE_LIMIT) {
    problems.push(problem("KLP211", { file: options.file }, { size, limit: SIZE_LIMIT }));
    return { problems, image: null, arch: arch.name, module };
  }
  const pageSize = options.pageSize ?? arch.pageSize;
  const layout = layOut(sections, {
    separate: facts.since(6, 4),
    pageSize,
    isInit: arch.loader.isInit,
    symtab: symtab.symtab,
    strtab: symtab.strtab,
    symbols,
    isLivepatch: modInfo?.get("livepatch") != null,
  });
  const kernelText = arch.beforeKernel === null ? null : (options.kernel?.inObject("vmlinux", "_text")[0] ?? null);
  const start = kernelText === null ? arch.moduleBase : kernelText - (arch.beforeKernel ?? 0n);
  const placement = withPercpu(options, arch, sections, start, problems);
  const placed = place(layout, sections, placement, start, pageSize);
  for (const { section, given, expected } of placed.conflicts) {
    const data = { section: sections[section]?.name ?? "", given: hex(given), expected: hex(expected) };
    problems.push(problem("KLP209", { file: options.file }, data));
  }
  for (const region of options.placement.bases.keys()) {
    if (layout.sizes.has(region)) continue;
    problems.push(problem("KLP212", { file: options.file }, { region, regions: [...layout.sizes.keys()] }));
  }
  const job = new Job(file, symbols, arch, facts, options, sections, layout, placed, preparation, problems);
  return { problems, image: job.run(), arch: arch.name, module };
}

/** The per-CPU area's address: a place behind the kernel's own if it is not known, said when other addresses are real. */
function withPercpu(
  { file, placement, kernel }: ImageOptions,
  arch: Arch,
  sections: readonly LoadedSection[],
  start: bigint,
  problems: Problem[],
): Placement {
  if (placement.percpu !== null || !sections.some((s) => s.name === PERCPU_SECTION && s.size > 0)) return placement;
  const end = kernel?.inObject("vmlinux", "__per_cpu_end")[0] ?? arch.percpuBase ?? start - 0x10000n;
  const percpu = (end + 0xffn) & ~0xffn;
  if (placement.bases.size > 0 || placement.sections.size > 0 || (placement.byIndex?.size ?? 0) > 0) {
    problems.push(problem("KLP213", { file }, { address: hex(percpu) }));
  }
  return { ...placement, percpu };
}

function factsOf(module: string, version: KernelVersion | null, options: ImageOptions): LoaderFacts {
  const { kernel } = options;
  const find = (name: string): bigint | null => kernel?.inObject("vmlinux", name)[0] ?? null;
  const ftraceCaller = find("ftrace_caller");
  const ftraceRegsCaller = find("ftrace_regs_caller");
  return {
    module,
    version,
    since: (major, minor) => version === null || isAtLeast(version, major, minor),
    ftraceCaller,
    ftraceRegsCaller,
    // Without symbols of the kernel: as distributions configure it.
    hasFtrace: kernel === null || ftraceCaller !== null,
    hasFtraceRegs: kernel === null || ftraceRegsCaller !== null,
    kernelToc: options.kernelToc ?? find(".TOC."),
    pacaTocOffset: options.pacaTocOffset ?? 16,
    erratum843419: options.erratum843419 === true,
  };
}

class Job {
  readonly #file: ElfFile;
  readonly #symbols: SymbolTable;
  readonly #arch: Arch;
  readonly #facts: LoaderFacts;
  readonly #options: ImageOptions;
  readonly #sections: readonly LoadedSection[];
  readonly #layout: Layout;
  readonly #placed: Placed;
  readonly #preparation: Preparation;
  readonly #problems: Problem[];
  readonly #space: Space;
  readonly #functions: FunctionIndex;
  readonly #unknown: UnknownRange[] = [];
  #tocSymbol: number | null = null;
  #applied = 0;

  constructor(
    file: ElfFile,
    symbols: SymbolTable,
    arch: Arch,
    facts: LoaderFacts,
    options: ImageOptions,
    sections: readonly LoadedSection[],
    layout: Layout,
    placed: Placed,
    preparation: Preparation,
    problems: Problem[],
  ) {
    this.#file = file;
    this.#symbols = symbols;
    this.#arch = arch;
    this.#facts = facts;
    this.#options = options;
    this.#sections = sections;
    this.#layout = layout;
    this.#placed = placed;
    this.#preparation = preparation;
    this.#problems = problems;
    this.#functions = new FunctionIndex(file, symbols);
    const simplified = simplifySymbols(symbols, {
      addresses: placed.addresses,
      kernel: options.kernel,
      dedots: arch.loader.dedots,
      ignoredSymbol: arch.loader.ignoredSymbol,
    });
    this.#tocSymbol = simplified.tocSymbol;
    this.#reportSymbols(simplified.faults);
    this.#space = {
      addresses: placed.addresses,
      bytes: sections.map((_, i) => this.#initialBytes(i)),
      values: simplified.values,
    };
  }

  /** Whether the section is in memory after layout. */
  #isLoaded(i: number): boolean {
    return this.#layout.places[i] !== null && this.#layout.places[i] !== undefined;
  }

  /** A copy of the section's bytes as the loader puts them into memory. */
  #initialBytes(i: number): Uint8Array {
    const section = this.#sections[i];
    if (section === undefined || (!this.#isLoaded(i) && section.name !== PERCPU_SECTION)) return new Uint8Array(0);
    const bytes = new Uint8Array(section.size);
    if (section.nobits) return bytes;
    const data = this.#file.sections.data(i);
    const order = this.#preparation.orders.get(i);
    if (order === undefined || this.#file.sections.type(i) !== SHT_RELA) {
      bytes.set(data.subarray(0, bytes.length));
      return bytes;
    }
    // The loader sorts the file's image before it copies it.
    for (const [to, row] of order.entries()) bytes.set(data.subarray(row * 24, row * 24 + 24), to * 24);
    return bytes;
  }

  run(): ModuleImage {
    const { loader, relocs } = this.#arch;
    const machine = loader.begin(this.#file, this.#symbols, relocs, this.#space, this.#facts, this.#preparation);
    for (const table of this.#file.relocations) {
      if (!this.#isRelocated(table.target)) continue;
      const livepatch = (this.#sections[table.section]?.flags ?? 0) & SHF_RELA_LIVEPATCH;
      if (livepatch === 0) this.#apply(table, machine, STEP.relocations);
      else this.#applyLivepatch(table, machine, "vmlinux", STEP.relocations);
    }
    this.#sortExtable();
    if (this.#options.stage === "loaded") {
      machine.finish((finding) => this.#reportFinding(finding, null, 0, [STEP.finalize]));
    }
    for (const object of this.#options.late ?? []) {
      for (const table of this.#file.relocations) {
        if (!this.#isRelocated(table.target)) continue;
        if (((this.#sections[table.section]?.flags ?? 0) & SHF_RELA_LIVEPATCH) === 0) continue;
        this.#applyLivepatch(table, machine, object, STEP.late);
      }
    }
    this.#writeSymbols();
    this.#markUnknown();
    const sections = this.#sections.flatMap((_, i) => (this.#isLoaded(i) ? [this.#section(i)] : []));
    if (this.#options.stage === "loaded") {
      const { version, since, hasFtrace } = this.#facts;
      const running = this.#options.running === true;
      this.#unknown.push(...rewriteLoaded(sections, { arch: this.#arch.name, version, since, hasFtrace, running }));
    }
    return {
      file: this.#file,
      symbols: this.#symbols,
      arch: this.#arch,
      module: this.#facts.module,
      version: this.#facts.version,
      layout: this.#layout,
      placed: this.#placed,
      sections,
      percpu: this.#percpu(),
      values: this.#space.values,
      stubs: machine.stubs,
      unknown: [...machine.unknown, ...this.#unknown],
      applied: this.#applied,
    };
  }

  #section(index: number): ImageSection {
    const section = this.#sections[index];
    return {
      index,
      name: section?.name ?? "",
      address: this.#space.addresses[index] ?? 0n,
      bytes: this.#space.bytes[index] ?? new Uint8Array(0),
      flags: section?.flags ?? 0,
      alignment: section?.alignment ?? 1,
      nobits: section?.nobits ?? false,
    };
  }

  #percpu(): ImageSection | null {
    const i = this.#sections.findIndex((s) => s.name === PERCPU_SECTION);
    return i < 0 ? null : this.#section(i);
  }

  /** apply_relocations: targets in memory; since 6.13 the per-CPU template too. */
  #isRelocated(target: number): boolean {
    const section = this.#sections[target];
    if (section === undefined) return false;
    if (section.name === PERCPU_SECTION) return this.#facts.since(6, 13);
    return (section.flags & SHF_ALLOC) !== 0;
  }

  #apply(table: RelocationTable, machine: ModuleLoader, step: number): void {
    // The first relocation section gives the TOC symbol its value, whatever the section holds.
    if (this.#tocSymbol !== null) this.#space.values[this.#tocSymbol] = machine.machine.TOC;
    const order = this.#preparation.orders.get(table.section) ?? null;
    const position = new Map<number, number>();
    if (order !== null) for (const [rank, row] of order.entries()) position.set(row, rank);
    this.#applied += table.count;
    relocate(table, order, this.#space, machine.machine, (finding, t, row) => {
      this.#reportFinding(finding, t, row, [step, t.section, position.get(row) ?? row]);
    });
  }

  #applyLivepatch(table: RelocationTable, machine: ModuleLoader, object: string, step: number): void {
    const name = this.#file.sections.name(table.section);
    const own = parseKlpSectionObject(name);
    if (own === null) {
      if (step === STEP.late) return;
      const message = `livepatch: section ${printable(name)} has an incorrectly formatted name`;
      const at = { file: this.#options.file, section: name, offset: 0 };
      this.#problems.push(problem("KLP208", at, { symbol: "", message }, { loadOrder: [step, table.section, -1] }));
      return;
    }
    if (own !== object) return;
    const order = this.#preparation.orders.get(table.section) ?? null;
    const { kernel } = this.#options;
    const faults = resolveKlpSymbols(
      table,
      order,
      this.#symbols,
      object,
      kernel,
      this.#facts.since,
      this.#space.values,
    );
    for (const fault of faults) {
      const at = this.#place(table, fault.row);
      const data = { symbol: printable(fault.name), message: printable(fault.message) };
      this.#problems.push(problem("KLP208", at, data, { loadOrder: [step, table.section, -1] }));
    }
    if (faults.length === 0) this.#apply(table, machine, step);
  }

  #sortExtable(): void {
    const i = this.#sections.findIndex((s) => s.name === "__ex_table" && (s.flags & SHF_ALLOC) !== 0);
    const bytes = this.#space.bytes[i];
    if (bytes !== undefined) sortExtable(bytes, this.#arch.extableEntry, this.#facts.version);
  }

  /** The symbol table in memory has final values; on ppc64 names without their dot. */
  #writeSymbols(): void {
    const bytes = this.#space.bytes[this.#symbols.section];
    if (bytes === undefined || bytes.length < this.#symbols.count * SYM.size) return;
    const view = viewOf(bytes);
    for (let i = 1; i < this.#symbols.count; i++) {
      const at = i * SYM.size;
      view.setBigUint64(at + SYM.value, this.#space.values[i] ?? 0n, true);
      if (!this.#arch.loader.dedots || this.#symbols.rawShndx(i) !== SHN_UNDEF) continue;
      const name = this.#symbols.name(i);
      if (!name.startsWith(".")) continue;
      view.setUint32(at + SYM.name, this.#symbols.nameOffset(i) + 1, true);
      if (name === ".TOC.") view.setUint16(at + SYM.shndx, SHN_ABS, true);
    }
  }

  #markUnknown(): void {
    for (const [i, section] of this.#sections.entries()) {
      if (section.name !== ".gnu.linkonce.this_module" || !this.#isLoaded(i)) continue;
      const reason = "struct module: the kernel fills it while it loads the module";
      this.#unknown.push({ section: i, start: 0, end: section.size, reason });
    }
    // Symbols of sections that are not loaded get addresses in the file's temporary copy.
    const symtab = this.#symbols.section;
    if (!this.#isLoaded(symtab)) return;
    for (let i = 1; i < this.#symbols.count; i++) {
      const section = this.#symbols.sectionOf(i);
      if (section === null || this.#isLoaded(section)) continue;
      if (this.#sections[section]?.name === PERCPU_SECTION && this.#options.placement.percpu !== null) continue;
      const start = i * SYM.size + SYM.value;
      const reason = `the symbol lies in ${printable(this.#sections[section]?.name ?? "")}, which is not loaded`;
      this.#unknown.push({ section: symtab, start, end: start + 8, reason });
    }
  }

  #place(table: RelocationTable, row: number): Where {
    const offset = table.offset(row);
    const section = printable(this.#file.sections.name(table.target));
    const at = { file: this.#options.file, section, offset };
    const owner = this.#functions.at(table.target, offset);
    if (owner === null) return at;
    return { ...at, function: { name: printable(owner.name), offset: offset - owner.start } };
  }

  #reportSymbols(faults: ReturnType<typeof simplifySymbols>["faults"]): void {
    const { file, kernel } = this.#options;
    const { module } = this.#facts;
    if (kernel === null) {
      const names = faults.filter((f) => f.kind === "unknown").map((f) => printable(f.name));
      if (names.length > 0) {
        const data = { module, count: names.length, names: names.slice(0, 5) };
        this.#problems.push(problem("KLP210", { file }, data));
      }
    }
    for (const { symbol, name, kind } of faults) {
      const shown = printable(name);
      const order = { loadOrder: [STEP.symbols, symbol] };
      if (kind === "unknown") {
        if (kernel === null) continue;
        const near = nearNames(name, kernel.names());
        const data = { module, symbol: shown, source: kernel.source, near };
        this.#problems.push(problem("KLP401", { file }, data, order));
      } else if (kind === "common") {
        const message = `${module}: please compile with -fno-common`;
        const what = `${shown} is a common symbol`;
        this.#problems.push(problem("KLP207", { file }, { symbol: shown, message, what }, order));
      } else {
        const index = this.#symbols.rawShndx(symbol);
        const most = this.#file.sections.count - 1;
        const message = `${module}: Symbol ${shown} has an invalid section index ${index} (max ${most})`;
        const what = `${shown} has section index ${hex(index)}, which the loader does not know`;
        this.#problems.push(problem("KLP207", { file }, { symbol: shown, message, what }, order));
      }
    }
  }

  #reportFinding(finding: Finding, table: RelocationTable | null, row: number, loadOrder: readonly number[]): void {
    const at: Where = table === null ? { file: this.#options.file } : this.#place(table, row);
    const symbol = table === null ? "" : printable(this.#symbolName(table.symbol(row)));
    const { module } = this.#facts;
    const order = { loadOrder };
    switch (finding.kind) {
      case "unknown": {
        const { type } = finding;
        const name = relocName(this.#arch.relocs, type);
        const message = this.#arch.unknownRelocation(module, type, this.#facts.since);
        this.#problems.push(problem("KLP201", at, { module, type, name, message, symbol }, order));
        return;
      }
      case "rel": {
        const message = `module ${module}: REL relocation unsupported`;
        const what = `${printable(this.#file.sections.name(table?.section ?? 0))} has relocations without addends`;
        this.#problems.push(problem("KLP206", at, { what, message }, order));
        return;
      }
      case "outside":
        this.#problems.push(problem("KLP202", at, { name: finding.def.name, size: finding.size }));
        return;
      case "cut": {
        const bits = finding.def.holds !== undefined && finding.def.holds.check !== "none" ? finding.def.holds.bits : 0;
        const data = { reloc: finding.def.name, symbol, value: signedHex(finding.value), bits };
        this.#problems.push(problem("KLP205", at, data));
        return;
      }
      case "fault": {
        const { def, fault } = finding;
        const message = def.message(fault);
        if (fault.kind === "nonzero") {
          this.#problems.push(problem("KLP204", at, { reloc: def.name, message }, order));
          return;
        }
        const rule = def.overflow;
        const range = rule.check === "none" ? "" : rangeText(rule);
        const what =
          fault.kind === "misaligned"
            ? `${signedHex(fault.value)} is no multiple of ${def.align}`
            : `${signedHex(fault.value)} is not in ${range}`;
        this.#problems.push(problem("KLP203", at, { reloc: def.name, symbol, what, message }, order));
        return;
      }
      case "no-nop": {
        const word = finding.word === null ? "????????" : hexWord(finding.word);
        const since = this.#facts.since(4, 16);
        const message = since
          ? `module_64: ${module}: Expected nop after call, got ${word} at ${hex(finding.address)}`
          : `module_64: ${module}: Expect noop after relocate, got ${word}`;
        const command = `klplink ${this.#options.file}`;
        const data = { callee: symbol, wasLocal: symbol !== "", message, fixable: true, command };
        this.#problems.push(problem("KLP301", at, data, order));
        return;
      }
      case "refused": {
        const { what, message } = finding;
        this.#problems.push(problem("KLP206", at, { what, message }, order));
        return;
      }
    }
  }

  #symbolName(symbol: number): string {
    const name = shortName(this.#symbols.name(symbol));
    if (name !== "") return name;
    const section = this.#symbols.sectionOf(symbol);
    return section === null ? "" : this.#file.sections.name(section);
  }
}

const signedHex = (v: bigint): string => (v < 0n ? `-${hex(-v)}` : hex(v));

function rangeText(rule: { readonly check: "signed" | "unsigned"; readonly bits: number }): string {
  const end = 2n ** BigInt(rule.check === "signed" ? rule.bits - 1 : rule.bits);
  return rule.check === "signed" ? `[-${hex(end)}, ${hex(end)})` : `[0, ${hex(end)})`;
}
