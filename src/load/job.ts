// One module on its way into memory: symbols, relocations, sorted tables, rewrites, in the kernel's order. A fault does not
// end it, so that all faults are reported.

import type { Arch } from "../arch/index.ts";
import { entrySizes } from "../arch/specialSections.ts";
import { alignUp, OrderedView, printable } from "../base/bytes.ts";
import { append } from "../base/lists.ts";
import { LOADING, RELOCATING } from "../base/loadOrder.ts";
import { SHF_ALLOC, SHF_RELA_LIVEPATCH, SHN_ABS, SHN_UNDEF, SHT_RELA } from "../elf/consts.ts";
import type { ElfFile } from "../elf/reader.ts";
import { SYM } from "../elf/views/layout.ts";
import type { RelocationTable } from "../elf/views/relas.ts";
import { putValues, symbolsOutside } from "../elf/views/symbolRows.ts";
import type { SymbolTable } from "../elf/views/symbols.ts";
import { sortExtable } from "../kernel/loader/extable.ts";
import {
  isRelocated,
  type Layout,
  type LoadedSection,
  PERCPU_SECTION,
  type Placed,
  REGIONS,
} from "../kernel/loader/layout.ts";
import { simplifySymbols } from "../kernel/loader/simplify.ts";
import { readModInfo } from "../kernel/module/modinfo.ts";
import { parseKlpSectionObject } from "../klp/symbols/names.ts";
import { resolveKlpSymbols } from "../klp/symbols/resolve.ts";
import { relocate, type Space } from "../reloc/engine.ts";
import type { ArchLoader, LoaderFacts, ModuleLoader, Preparation, UnknownRange } from "../stubs/loader.ts";
import { X86_UNKNOWN } from "./facts.ts";
import type { Findings } from "./findings.ts";
import type { ImageSection, ModuleImage } from "./memory.ts";
import type { ImageOptions } from "./options.ts";
import { rewriteLoaded } from "./rewrites.ts";
import { fillStructModule, STRUCT_MODULE } from "./structModule.ts";

/** A module that is laid out. */
export interface JobSource {
  readonly file: ElfFile;
  readonly symbols: SymbolTable;
  readonly arch: Arch;
  readonly loader: ArchLoader;
  readonly facts: LoaderFacts;
  readonly options: ImageOptions;
  readonly sections: readonly LoadedSection[];
  readonly layout: Layout;
  readonly placed: Placed;
  readonly preparation: Preparation;
}

export class Job {
  readonly #file: ElfFile;
  readonly #symbols: SymbolTable;
  readonly #arch: Arch;
  readonly #loader: ArchLoader;
  readonly #facts: LoaderFacts;
  readonly #options: ImageOptions;
  readonly #sections: readonly LoadedSection[];
  readonly #layout: Layout;
  readonly #placed: Placed;
  readonly #preparation: Preparation;
  readonly #findings: Findings;
  readonly #space: Space;
  readonly #unknown: UnknownRange[] = [];
  #tocSymbol: number | null = null;
  #applied = 0;

  constructor(source: JobSource, findings: Findings) {
    const { file, symbols, arch, loader, options, sections, placed } = source;
    this.#file = file;
    this.#symbols = symbols;
    this.#arch = arch;
    this.#loader = loader;
    this.#facts = source.facts;
    this.#options = options;
    this.#sections = sections;
    this.#layout = source.layout;
    this.#placed = placed;
    this.#preparation = source.preparation;
    this.#findings = findings;
    const simplified = simplifySymbols(symbols, {
      addresses: placed.addresses,
      kernel: options.kernel,
      dedots: loader.dedots,
      ignoredSymbol: loader.ignoredSymbol,
    });
    this.#tocSymbol = simplified.tocSymbol;
    findings.symbolFaults(simplified.faults);
    this.#space = {
      addresses: placed.addresses,
      bytes: sections.map((_, i) => this.#initialBytes(i)),
      values: simplified.values,
      littleEndian: file.littleEndian,
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
    const { sections } = this.#file;
    const order = this.#preparation.orders.get(i);
    if (order === undefined || sections.type(i) !== SHT_RELA) {
      const data = sections.bytesOf(i);
      const part = data.part(0, Math.min(data.length, bytes.length), bytes);
      // What was still in the file was read to its place.
      if (part.buffer !== bytes.buffer) bytes.set(part);
      return bytes;
    }
    const data = sections.data(i);
    // The loader sorts the file's image before it copies it.
    for (const [to, row] of order.entries()) bytes.set(data.subarray(row * 24, row * 24 + 24), to * 24);
    return bytes;
  }

  run(): ModuleImage {
    const { relocs } = this.#arch;
    const machine = this.#loader.begin(this.#file, this.#symbols, relocs, this.#space, this.#facts, this.#preparation);
    for (const table of this.#file.relocations) {
      if (!this.#isRelocated(table.target)) continue;
      const livepatch = (this.#sections[table.section]?.flags ?? 0) & SHF_RELA_LIVEPATCH;
      if (livepatch === 0) this.#apply(table, machine, RELOCATING.atLoad);
      else this.#applyLivepatch(table, machine, "vmlinux", RELOCATING.atLoad);
    }
    this.#sortExtable();
    if (this.#options.stage === "loaded") {
      machine.finish((finding) => this.#findings.finding(finding, null, 0, LOADING.finalize));
    }
    for (const object of this.#options.late ?? []) {
      for (const table of this.#file.relocations) {
        if (!this.#isRelocated(table.target)) continue;
        if (((this.#sections[table.section]?.flags ?? 0) & SHF_RELA_LIVEPATCH) === 0) continue;
        this.#applyLivepatch(table, machine, object, RELOCATING.late);
      }
    }
    this.#writeSymbols();
    this.#markUnknown();
    const sections = this.#sections.flatMap((_, i) => (this.#isLoaded(i) ? [this.#section(i)] : []));
    if (this.#options.stage === "loaded") this.#rewrite(sections, machine);
    this.#structModule(sections);
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

  /** From "relocated" to "loaded". */
  #rewrite(sections: readonly ImageSection[], machine: ModuleLoader): void {
    const { version, has, hasFtrace } = this.#facts;
    const { kernel, running, x86, parameters, patched } = this.#options;
    const outside = new Map<bigint, string>();
    for (let i = 1; i < this.#symbols.count; i++) {
      if (this.#symbols.isUndefined(i)) outside.set(this.#space.values[i] ?? 0n, this.#symbols.name(i));
    }
    append(
      this.#unknown,
      rewriteLoaded(sections, {
        arch: this.#arch,
        file: this.#file,
        version,
        has,
        hasFtrace,
        running: running === true,
        x86: x86 ?? X86_UNKNOWN,
        isInit: (i) => this.#layout.places[i]?.region.startsWith("init.") === true,
        kernelSymbol: (name) => kernel?.inObject("vmlinux", name)[0] ?? null,
        nameOf: (address) => outside.get(address) ?? null,
        parameters: parameters ?? null,
        patched: patched ?? null,
        refused: (fault) => this.#findings.notTaken(fault),
        outOfLine: machine.outOfLine ?? null,
      }),
    );
  }

  /** The fields of struct module that are known, at the last moment that was asked for. */
  #structModule(sections: readonly ImageSection[]): void {
    const section = sections.find((s) => s.name === STRUCT_MODULE);
    if (section === undefined) return;
    const { stage, running, types } = this.#options;
    const pointers = this.#file.relocations
      .filter((t) => t.target === section.index)
      .flatMap((t) => Array.from({ length: t.count }, (_, row) => t.offset(row)));
    const percpu = this.#percpu();
    const separate = this.#facts.has("memoryTypes");
    const pages = this.#options.pageSize === undefined ? this.#arch.pageSizes : [this.#options.pageSize];
    const regions = (separate ? REGIONS : (["text", "init.text"] as const)).map((region) => {
      const size = this.#layout.sizes.get(region) ?? 0;
      const [rounded = size, ...others] = pages.map((page) => alignUp(size, page));
      return {
        base: size === 0 ? 0n : (this.#placed.bases.get(region) ?? 0n),
        // Before 6.4 the parts between page borders are rounded, not the whole.
        size: !separate ? size : others.every((n) => n === rounded) ? rounded : null,
        isInit: region.startsWith("init"),
      };
    });
    append(
      this.#unknown,
      fillStructModule({
        section,
        stage: stage === "relocated" ? stage : running === true ? "running" : "loaded",
        types: types ?? null,
        littleEndian: this.#file.littleEndian,
        siteTables: this.#arch.siteTables,
        isRelative: this.#arch.relativeExports,
        modInfo: readModInfo(this.#file),
        find: (name) => sections.find((s) => s.name === name) ?? null,
        regions,
        percpu: percpu === null ? null : { address: percpu.address, size: percpu.bytes.length },
        pointers,
      }),
    );
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

  /** apply_relocations. */
  #isRelocated(target: number): boolean {
    const section = this.#sections[target];
    if (section === undefined) return false;
    return isRelocated(section.name, (section.flags & SHF_ALLOC) !== 0, this.#facts.version);
  }

  #apply(table: RelocationTable, machine: ModuleLoader, pass: number): void {
    // The first relocation section gives the TOC symbol its value, whatever the section holds.
    if (this.#tocSymbol !== null) this.#space.values[this.#tocSymbol] = machine.machine.TOC;
    const order = this.#preparation.orders.get(table.section) ?? null;
    // Where each row stands in that order: asked for by findings alone.
    let position: Map<number, number> | null = null;
    const positionOf = (row: number): number => {
      position ??= new Map(order === null ? [] : Array.from(order, (ordered, rank) => [ordered, rank]));
      return position.get(row) ?? row;
    };
    this.#applied += table.count;
    relocate(table, order, this.#space, machine.machine, (finding, t, row) => {
      this.#findings.finding(finding, t, row, LOADING.relocation(t.section, positionOf(row), pass));
    });
  }

  #applyLivepatch(table: RelocationTable, machine: ModuleLoader, object: string, pass: number): void {
    const name = this.#file.sections.name(table.section);
    const own = parseKlpSectionObject(name);
    if (own === null) {
      if (pass === RELOCATING.late) return;
      this.#findings.badSection(name, LOADING.livepatchSection(table.section, pass));
      return;
    }
    if (own !== object) return;
    const order = this.#preparation.orders.get(table.section) ?? null;
    const { kernel } = this.#options;
    const search = { object, kernel, has: this.#facts.has };
    const faults = resolveKlpSymbols(table, order, this.#symbols, search, this.#space.values);
    for (const fault of faults) this.#findings.livepatch(fault, table, LOADING.livepatchSection(table.section, pass));
    if (faults.length === 0) this.#apply(table, machine, pass);
  }

  #sortExtable(): void {
    const i = this.#sections.findIndex((s) => s.name === "__ex_table" && (s.flags & SHF_ALLOC) !== 0);
    const bytes = this.#space.bytes[i];
    if (bytes !== undefined)
      sortExtable(new OrderedView(bytes, this.#file.littleEndian), this.#extableEntry(i), this.#facts.version);
  }

  /** Bytes of an entry: arm64 had shorter ones before 5.16. */
  #extableEntry(section: number): number {
    const { version } = this.#facts;
    const sizes = entrySizes(this.#file, section, this.#arch, version);
    return sizes.length === 1 && sizes[0] !== undefined ? sizes[0] : this.#arch.extableEntry;
  }

  /** The symbol table in memory has final values; on ppc64 names without their dot. */
  #writeSymbols(): void {
    const bytes = this.#space.bytes[this.#symbols.section];
    if (bytes === undefined || bytes.length < this.#symbols.count * SYM.size) return;
    putValues(bytes, this.#space.values, this.#file.littleEndian);
    if (!this.#loader.dedots) return;
    const view = new OrderedView(bytes, this.#file.littleEndian);
    for (let i = 1; i < this.#symbols.count; i++) {
      if (this.#symbols.rawShndx(i) !== SHN_UNDEF) continue;
      const name = this.#symbols.name(i);
      if (!name.startsWith(".")) continue;
      const at = i * SYM.size;
      view.setUint32(at + SYM.name, this.#symbols.nameOffset(i) + 1);
      if (name === ".TOC.") view.setUint16(at + SYM.shndx, SHN_ABS);
    }
  }

  #markUnknown(): void {
    // Symbols of sections that are not loaded get addresses in the file's temporary copy.
    const symtab = this.#symbols.section;
    if (!this.#isLoaded(symtab)) return;
    const isKnown = Uint8Array.from(this.#sections, ({ name }, i) =>
      this.#isLoaded(i) || (name === PERCPU_SECTION && this.#options.placement.percpu !== null) ? 1 : 0,
    );
    for (const [i, section] of symbolsOutside(this.#symbols, isKnown)) {
      const start = i * SYM.size + SYM.value;
      const reason = `the symbol lies in ${printable(this.#sections[section]?.name ?? "")}, which is not loaded`;
      this.#unknown.push({ section: symtab, start, end: start + 8, reason });
    }
  }
}
