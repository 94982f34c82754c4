// The stub area of a ppc64le module (arch/powerpc/kernel/module_64.c of 6.1, 6.12 and 7.2; ELFv2): entries of 40 bytes in
// `.stubs`, room for which is counted before layout from the sorted relocations. What an entry's instructions are depends
// on how the kernel was built; where it stands does not.

import { OrderedView } from "../base/bytes.ts";
import type { LoaderFault } from "../diag/codes/relocations.ts";
import { SHN_LIVEPATCH, SHN_UNDEF } from "../elf/consts.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { RelocationTable } from "../elf/views/relas.ts";
import { localEntryOffset, type SymbolTable } from "../elf/views/symbols.ts";
import { kernelSort } from "../kernel/loader/heapsort.ts";
import type { RelocTable } from "../reloc/def.ts";
import type { Finding, Hook, RelocMachine, Site, Space } from "../reloc/engine.ts";
import { R_PPC64_REL24 } from "../reloc/numbers.ts";
import {
  type LoaderFacts,
  lastByName,
  type ModuleLoader,
  type OutOfLine,
  type StubRow,
  type UnknownRange,
} from "./loader.ts";

/** struct ppc64_stub_entry: so many instructions, a mark, and the target's address. Places are bytes from its start. */
const STUB_WORDS = 7;
const MAGIC_AT = STUB_WORDS * 4;
/** Behind the instructions: "stub", by which ftrace knows one. */
const STUB_MAGIC = 0x7374_7562;
/** Bytes from a stub to its target's address. */
export const TARGET_AT = MAGIC_AT + 4;
/** Bytes of a stub. */
export const STUB_SIZE = TARGET_AT + 8;

/** Calls to these are the profiler's: they get the other stub, and no TOC is restored behind them. */
export const PROFILER = new Set(["_mcount", "ftrace_caller", "ftrace_regs_caller"]);

export const signed64 = (v: bigint): bigint => BigInt.asIntN(64, v);

/** The order that get_stubs_size leaves: descending by r_info (unsigned), then by addend (signed). */
export function sortedRows(table: RelocationTable, facts: Pick<LoaderFacts, "version">): Uint32Array {
  return sortRows(table, null, facts);
}

/** The same of rows that stand in an order already: equal ones may change places once more. */
export function sortRows(
  table: RelocationTable,
  rows: Uint32Array | null,
  { version }: Pick<LoaderFacts, "version">,
): Uint32Array {
  const at = (i: number): number => (rows === null ? i : (rows[i] ?? 0));
  const order = kernelSort(
    table.count,
    (i, j) => {
      const [x, y] = [at(i), at(j)];
      const a = table.info(x);
      const b = table.info(y);
      if (a !== b) return a < b ? 1 : -1;
      const s = table.addend(x);
      const t = table.addend(y);
      return s < t ? 1 : s > t ? -1 : 0;
    },
    version,
  );
  return rows === null ? order : order.map(at);
}

/**
 * Changes of symbol or addend among the rows of a sorted section that `counts` takes, as count_relocs sees them. It compares
 * the addend with the low 32 bits of the last one, taken as unsigned: entries with a negative addend never count as equal.
 */
export function countDistinct(table: RelocationTable, order: Uint32Array, counts: (row: number) => boolean): number {
  let count = 0;
  let lastSymbol = 0;
  let lastAddend = 0n;
  for (const row of order) {
    if (!counts(row)) continue;
    const symbol = table.symbol(row);
    const addend = table.addend(row);
    if (symbol === lastSymbol && addend === lastAddend) continue;
    count++;
    lastSymbol = symbol;
    lastAddend = BigInt.asUintN(32, addend);
  }
  return count;
}

/** Stubs that the kernel reserves for the relocations of one type in a sorted section. */
export const countStubs = (table: RelocationTable, order: Uint32Array, type = R_PPC64_REL24): number =>
  countDistinct(table, order, (row) => table.type(row) === type);

/** Bytes of the out-of-line half of an ftrace site: a pointer to its operations, four instructions. */
export const OUT_OF_LINE_SIZE = 24;

/** 7.2: room for the out-of-line halves of ftrace sites, in stubs. */
function outOfLineStubs(file: ElfFile, facts: LoaderFacts): number {
  if (!facts.hasFtrace || !facts.has("ppcOutOfLine")) return 0;
  const section = file.sections.findByName("__patchable_function_entries");
  if (section === null) return 0;
  return Math.ceil(((file.sections.size(section) / 8) * OUT_OF_LINE_SIZE) / STUB_SIZE);
}

/** Stubs that get_stubs_size reserves whatever the relocations are. */
export function fixedStubs(file: ElfFile, facts: LoaderFacts): number {
  // Before the count was exact, one entry more kept the table terminated by a zero.
  let count = facts.has("ppcStubsCounted") ? 0 : 1;
  if (facts.hasFtrace) count += facts.hasFtraceRegs ? 2 : 1;
  return count + outOfLineStubs(file, facts);
}

/** A stub's instructions, 7 words; or why the loader does not write it. */
export type StubCode = { readonly words: readonly number[] } | { readonly refusal: LoaderFault };

/** What entries hold in kernels of one build. */
export interface StubForm {
  /** Of an ordinary call. @param address of the stub */
  call(address: bigint): StubCode;
  /** Of a call of the profiler's functions. */
  profiler(name: string, target: bigint): StubCode;
  /** What the profiler's stub is relative to, if it is not known: bytes of the stub, and the reason. */
  readonly unknown: { readonly start: number; readonly end: number; readonly reason: string } | null;
}

type Report = (finding: Finding) => void;

/** `.stubs` while relocations are applied. */
export class StubArea {
  readonly stubs: StubRow[] = [];
  readonly unknown: UnknownRange[] = [];
  readonly #space: Space;
  readonly #facts: LoaderFacts;
  readonly #form: StubForm;
  readonly #section: number;
  /** Slots that the out-of-line halves of ftrace sites take. */
  readonly #outOfLine: number;
  readonly #view: OrderedView;
  readonly #slots: number;
  /** Target address -> slot. */
  readonly #slotOf = new Map<bigint, number>();
  #used = 0;
  /** Known after `finish`. */
  #halves: OutOfLine | null = null;

  constructor(file: ElfFile, space: Space, facts: LoaderFacts, form: StubForm) {
    this.#space = space;
    this.#facts = facts;
    this.#form = form;
    this.#section = lastByName(file, ".stubs");
    this.#outOfLine = outOfLineStubs(file, facts);
    const bytes = space.bytes[this.#section] ?? new Uint8Array(0);
    this.#view = new OrderedView(bytes, space.littleEndian);
    this.#slots = Math.floor(bytes.length / STUB_SIZE);
  }

  /** Address of the stub for `target`, made if there is none. Null, with a report, if it cannot be. */
  stubFor(target: bigint, name: string, symbol: number | string, report: Report): bigint | null {
    const base = this.#space.addresses[this.#section] ?? 0n;
    const known = this.#slotOf.get(target);
    if (known !== undefined) return BigInt.asUintN(64, base + BigInt(known * STUB_SIZE));
    const slot = this.#used;
    if (slot >= this.#slots) {
      report({ kind: "refused", why: { fault: "too many stubs" } });
      return null;
    }
    const at = slot * STUB_SIZE;
    const address = BigInt.asUintN(64, base + BigInt(at));
    if (!this.#write(at, address, target, name, report)) return null;
    // Until the loader counted its stubs, a target of 0 (an unresolved weak symbol) left the slot free for the next one.
    if (target !== 0n || this.#facts.has("ppcStubsCounted")) {
      this.#slotOf.set(target, slot);
      this.#used++;
      this.stubs.push({ section: this.#section, offset: at, size: STUB_SIZE, target, symbol });
    }
    return address;
  }

  /**
   * The hook of calls: those that leave the module go to their stubs.
   * @param after what is done to the word behind such a call; false: the call is not relocated
   */
  branches(symbols: SymbolTable, after: (name: string, site: Site, report: Report) => boolean): Hook {
    return (site, report) => {
      const shndx = symbols.rawShndx(site.symbol);
      if (shndx !== SHN_UNDEF && shndx !== SHN_LIVEPATCH) {
        site.value = signed64(site.target + BigInt(localEntryOffset(symbols.other(site.symbol))) - site.P);
        return false;
      }
      const name = symbolName(symbols, site.symbol);
      const stub = this.stubFor(site.target, name, site.symbol, report);
      if (stub === null || !after(name, site, report)) return true;
      site.value = signed64(stub - site.P);
      return false;
    };
  }

  /** The area as a module's loader. */
  loader(relocs: RelocTable, hooks: RelocMachine["hooks"], TOC: bigint): ModuleLoader {
    const { features, module, has } = this.#facts;
    const halves = (): OutOfLine | null => this.#halves;
    return {
      machine: { relocs, hooks, features, TOC, placeMustBeZero: false, module, has },
      stubs: this.stubs,
      unknown: this.unknown,
      finish: (report) => this.#finish(report),
      get outOfLine() {
        return halves();
      },
    };
  }

  #write(at: number, address: bigint, target: bigint, name: string, report: Report): boolean {
    const isProfiler = PROFILER.has(name);
    const { unknown } = this.#form;
    if (isProfiler && unknown !== null) {
      const { start, end, reason } = unknown;
      this.unknown.push({ section: this.#section, start: at + start, end: at + end, reason });
    }
    if ((address & 7n) !== 0n && this.#facts.has("ppcStubsAligned")) {
      report({ kind: "refused", why: { fault: "unaligned stub", module: this.#facts.module } });
      return false;
    }
    const code = isProfiler ? this.#form.profiler(name, target) : this.#form.call(address);
    if ("refusal" in code) {
      report({ kind: "refused", why: code.refusal });
      return false;
    }
    if (code.words.length > STUB_WORDS) throw new Error(`a stub has ${code.words.length} instructions`);
    for (const [i, word] of code.words.entries()) this.#view.setUint32(at + i * 4, word);
    this.#view.setUint32(at + MAGIC_AT, STUB_MAGIC);
    this.#view.setBigUint64(at + TARGET_AT, target);
    return true;
  }

  /** module_finalize_ftrace: stubs for the tracer, and the room behind them. */
  #finish(report: Report): void {
    const { hasFtrace, hasFtraceRegs, ftraceCaller, ftraceRegsCaller } = this.#facts;
    const wanted: [string, bigint | null][] = [];
    if (hasFtrace) wanted.push(["ftrace_caller", ftraceCaller]);
    if (hasFtrace && hasFtraceRegs) wanted.push(["ftrace_regs_caller", ftraceRegsCaller]);
    for (const [name, target] of wanted) {
      if (target !== null) this.stubFor(target, name, name, report);
      else if (this.#used < this.#slots) {
        const start = this.#used * STUB_SIZE;
        const reason = `the address of ${name} is not known: give the kernel's symbols with -k`;
        this.unknown.push({ section: this.#section, start, end: start + STUB_SIZE, reason });
        this.#used++;
      }
    }
    if (this.#outOfLine === 0) return;
    const base = this.#space.addresses[this.#section] ?? 0n;
    const tramp = ftraceCaller === null ? undefined : this.#slotOf.get(ftraceCaller);
    const start = base + BigInt(this.#used * STUB_SIZE);
    if (tramp !== undefined) this.#halves = { start, tramp: base + BigInt(tramp * STUB_SIZE) };
    else {
      const from = this.#used * STUB_SIZE;
      const reason = "the address of ftrace_caller is not known: give the kernel's symbols with -k";
      const end = Math.min(from + this.#outOfLine * STUB_SIZE, this.#slots * STUB_SIZE);
      this.unknown.push({ section: this.#section, start: from, end, reason });
    }
    this.#used += this.#outOfLine;
  }
}

/** A symbol's name as the loader sees it: undefined ones have lost a leading dot. */
function symbolName(symbols: SymbolTable, symbol: number): string {
  const name = symbols.name(symbol);
  return symbols.rawShndx(symbol) === SHN_UNDEF && name.startsWith(".") ? name.slice(1) : name;
}
