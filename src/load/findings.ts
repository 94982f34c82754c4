// What is wrong with a module, as problems: each with its place, the kernel's words, and its rank in the order of loading.

import type { Arch } from "../arch/index.ts";
import { hex, hexWord, printable } from "../base/bytes.ts";
import { LOADING, type LoadMoment } from "../base/loadOrder.ts";
import { shellFile } from "../base/shell.ts";
import { problem } from "../diag/catalogue.ts";
import type { Place as Where } from "../diag/define.ts";
import type { ProblemList } from "../diag/problemList.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { RelocationTable } from "../elf/views/relas.ts";
import type { SymbolTable } from "../elf/views/symbols.ts";
import type { SymbolFault } from "../kernel/loader/simplify.ts";
import { sectionIndexProblem } from "../kernel/module/formRules.ts";
import type { KernelAddresses } from "../kernel/running/addresses.ts";
import { NearSearch } from "../kernel/symbols/nearNames.ts";
import { versionFacts } from "../kernel/versionFacts.ts";
import { FunctionIndex } from "../klp/functions.ts";
import { namedPlaceIn } from "../klp/place.ts";
import { labelOf } from "../klp/symbols/names.ts";
import type { KlpFault } from "../klp/symbols/resolve.ts";
import { otherBuild, relocName } from "../reloc/def.ts";
import type { Finding } from "../reloc/engine.ts";
import type { LoaderFacts } from "../stubs/loader.ts";
import type { RewriteFacts } from "./facts.ts";

export interface FindingsSource {
  readonly file: ElfFile;
  readonly symbols: SymbolTable;
  readonly arch: Arch;
  readonly facts: LoaderFacts;
  /** Name of the input for messages. */
  readonly name: string;
  readonly kernel: KernelAddresses | null;
  /** Command that links the file, for help texts. */
  readonly command: string;
}

/** Collects problems while a module is loaded. */
export class Findings {
  readonly problems: ProblemList;
  readonly #file: ElfFile;
  readonly #symbols: SymbolTable;
  readonly #arch: Arch;
  readonly #facts: LoaderFacts;
  readonly #name: string;
  readonly #kernel: KernelAddresses | null;
  readonly #command: string;
  /** Null: no place has been looked for yet. */
  #functions: FunctionIndex | null = null;
  readonly #search = new NearSearch();

  constructor({ file, symbols, arch, facts, name, kernel, command }: FindingsSource, problems: ProblemList) {
    this.problems = problems;
    this.#file = file;
    this.#symbols = symbols;
    this.#arch = arch;
    this.#facts = facts;
    this.#name = name;
    this.#kernel = kernel;
    this.#command = command;
  }

  /** A livepatch relocation section whose name says no object. */
  badSection(name: string, loadOrder: LoadMoment): void {
    const message = `livepatch: section ${printable(name)} has an incorrectly formatted name`;
    const at = { file: this.#name, section: name, offset: 0 };
    this.problems.push(problem("KLP208", at, { symbol: "", message }, { loadOrder }));
  }

  /** A livepatch symbol that the kernel does not resolve. */
  livepatch(fault: KlpFault, table: RelocationTable, loadOrder: LoadMoment): void {
    const at = this.#place(table, fault.row);
    const data = { symbol: printable(fault.name), message: printable(fault.message) };
    this.problems.push(problem("KLP208", at, data, { loadOrder }));
  }

  #place(table: RelocationTable, row: number): Where {
    this.#functions ??= new FunctionIndex(this.#file, this.#symbols);
    const placer = { file: this.#file, functions: this.#functions, path: this.#name };
    return namedPlaceIn(placer, table.target, table.offset(row));
  }

  /** A parameter that the kernel does not take, or a function that a livepatch cannot patch. */
  notTaken(fault: Parameters<RewriteFacts["refused"]>[0]): void {
    const at = { file: this.#name };
    const { module } = this.#facts;
    const name = printable(fault.name);
    if (fault.kind === "no site") this.problems.push(problem("KLP227", at, { name, module }));
    else if (fault.kind === "unknown") this.problems.push(problem("KLP225", at, { name, module }));
    else {
      const data = { name, module, value: printable(fault.value ?? ""), isLong: fault.kind === "too large" };
      this.problems.push(problem("KLP226", at, data));
    }
  }

  /** Symbols that the kernel refuses. */
  symbolFaults(faults: readonly SymbolFault[]): void {
    const file = this.#name;
    const kernel = this.#kernel;
    const { module } = this.#facts;
    if (kernel === null) {
      const names = faults.filter((f) => f.kind === "unknown").map((f) => printable(f.name));
      if (names.length > 0) {
        const data = { module, count: names.length, names: names.slice(0, 5) };
        this.problems.push(problem("KLP210", { file }, data));
      }
    }
    for (const { symbol, name, kind } of faults) {
      const shown = printable(name);
      const order = { loadOrder: LOADING.symbol(symbol) };
      if (kind === "unknown") {
        if (kernel === null) continue;
        const owner = kernel.exporter?.(name) ?? null;
        if (owner !== null) {
          this.problems.push(problem("KLP214", { file }, { symbol: shown, owner: printable(owner) }, order));
          continue;
        }
        if (kernel.inObject("vmlinux", name).length > 0) {
          const data = { module, symbol: shown, source: kernel.source, command: this.#command };
          this.problems.push(problem("KLP410", { file }, data, order));
          continue;
        }
        const near = this.#search.of(name, () => kernel.names());
        const data = { module, symbol: shown, source: kernel.source, near };
        this.problems.push(problem("KLP401", { file }, data, order));
      } else {
        const more = { module, path: file, ...order };
        this.problems.push(sectionIndexProblem(this.#file, this.#symbols, symbol, kind, more));
      }
    }
  }

  /**
   * What the engine found at one relocation.
   * @param table null: at none
   */
  finding(finding: Finding, table: RelocationTable | null, row: number, loadOrder: LoadMoment): void {
    // A section of SHT_REL may be empty: the loader refuses it all the same.
    const isRow = table !== null && row < table.count;
    const at: Where = isRow ? this.#place(table, row) : { file: this.#name };
    const symbol = isRow ? printable(this.#symbolName(table.symbol(row))) : "";
    const { module } = this.#facts;
    const order = { loadOrder };
    switch (finding.kind) {
      case "unknown":
        this.#unknownType(finding, at, symbol, order);
        return;
      case "rel": {
        const section = printable(this.#file.sections.name(table?.section ?? 0));
        this.problems.push(problem("KLP206", at, { fault: "no addends", module, section }, order));
        return;
      }
      case "outside":
        this.problems.push(problem("KLP202", at, { name: finding.def.name, size: finding.size }));
        return;
      case "cut": {
        const bits = finding.def.holds !== undefined && finding.def.holds.check !== "none" ? finding.def.holds.bits : 0;
        const data = { reloc: finding.def.name, symbol, value: signedHex(finding.value), bits };
        this.problems.push(problem("KLP205", at, data));
        return;
      }
      case "fault":
        this.#valueFault(finding, at, symbol, order);
        return;
      case "no-nop": {
        const word = finding.word === null ? "????????" : hexWord(finding.word);
        const message = this.#facts.has("ppcNopWording")
          ? `module_64: ${module}: Expected nop after call, got ${word} at ${hex(finding.address)}`
          : `module_64: ${module}: Expect noop after relocate, got ${word}`;
        const command = `klplink ${shellFile(this.#name)}`;
        const data = { callee: symbol, wasLocal: symbol !== "", message, fixable: true, command };
        this.problems.push(problem("KLP301", at, data, order));
        return;
      }
      case "refused":
        this.problems.push(problem("KLP206", at, finding.why, order));
        return;
    }
  }

  #unknownType(
    { type, before }: Finding & { readonly kind: "unknown" },
    at: Where,
    symbol: string,
    order: { readonly loadOrder: LoadMoment },
  ): void {
    const { module, features, has } = this.#facts;
    const name = relocName(this.#arch.relocs, type);
    const build = otherBuild(this.#arch.relocs.defs.get(type), features);
    const message = this.#arch.unknownRelocation(module, type, has);
    const first = before === null ? {} : { since: versionFacts[before].since.join(".") };
    const other = build === null ? {} : { build };
    this.problems.push(problem("KLP201", at, { module, type, name, message, symbol, ...first, ...other }, order));
  }

  #valueFault(
    { def, fault }: Finding & { readonly kind: "fault" },
    at: Where,
    symbol: string,
    order: { readonly loadOrder: LoadMoment },
  ): void {
    const message = def.message(fault);
    if (fault.kind === "nonzero") {
      this.problems.push(problem("KLP204", at, { reloc: def.name, message }, order));
      return;
    }
    const rule = def.overflow;
    const range = rule.check === "none" ? "" : rangeText(rule);
    const what =
      fault.kind === "misaligned"
        ? `${signedHex(fault.value)} is not a multiple of ${def.align}`
        : `${signedHex(fault.value)} is not in ${range}`;
    const [first = "", ...further] = message.split("\n");
    const data = { reloc: def.name, symbol, what, message: first, ...(further.length === 0 ? {} : { further }) };
    this.problems.push(problem("KLP203", at, data, order));
  }

  #symbolName(symbol: number): string {
    return labelOf(this.#file, this.#symbols, symbol);
  }
}

const signedHex = (v: bigint): string => (v < 0n ? `-${hex(-v)}` : hex(v));

function rangeText(rule: { readonly check: "signed" | "unsigned"; readonly bits: number }): string {
  const end = 2n ** BigInt(rule.check === "signed" ? rule.bits - 1 : rule.bits);
  return rule.check === "signed" ? `[-${hex(end)}, ${hex(end)})` : `[0, ${hex(end)})`;
}
