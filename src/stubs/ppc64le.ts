// What the ppc64le module loader adds to a module (arch/powerpc/kernel/module_64.c of 6.1, 6.12 and 7.2; ELFv2).
//
// A module has one TOC, and r2 points 0x8000 behind its start. A call that leaves the module goes through a stub in
// `.stubs`: 40 bytes, room for which is counted before layout from the sorted relocations. The stub saves r2 at 24(r1)
// and loads the target from its own last doubleword; the nop behind the call becomes the load that brings r2 back.
// Calls of the profiler go through a stub of another form, which takes addresses relative to the kernel's TOC.

import { SHN_LIVEPATCH, SHN_UNDEF } from "../elf/consts.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { RelocationTable } from "../elf/relas.ts";
import { localEntryOffset, type SymbolTable } from "../elf/symbols.ts";
import { kernelSort } from "../kernel/heapsort.ts";
import type { Finding, Hook, Space } from "../reloc/engine.ts";
import { BCTR, decodeBranch, LD_R2_24_R1, MTCTR_R12, NOP, STD_R2_24_R1 } from "./insn.ts";
import { R_PPC64_REL24 } from "./island.ts";
import {
  type ArchLoader,
  type LoaderFacts,
  lastByName,
  type ModuleLoader,
  type OutOfLine,
  type Preparation,
  type SectionChange,
  type StubRow,
  type UnknownRange,
} from "./loader.ts";

export const STUB_SIZE = 40;
/** Behind the instructions: "stub", by which ftrace knows one. */
const STUB_MAGIC = 0x7374_7562;
const MAGIC_AT = 28;
const TARGET_AT = 32;

/** Calls to these are the profiler's: they get the other stub, and no TOC is restored behind them. */
const PROFILER = new Set(["_mcount", "ftrace_caller", "ftrace_regs_caller"]);

const lo = (v: bigint): number => Number(BigInt.asUintN(16, v));
/** The upper half for a lower half that is added with its sign. */
const ha = (v: bigint): number => Number(BigInt.asUintN(16, (v + 0x8000n) >> 16n));
const is32Bit = (v: bigint): boolean => v >= -0x8000_0000n && v <= 0x7fff_ffffn;
const signed64 = (v: bigint): bigint => BigInt.asIntN(64, v);

/** A module's TOC base: r2 while its code runs. @param tocSection address of `.toc`, or of `.stubs` without one */
export function tocBase(tocSection: bigint): bigint {
  return BigInt.asUintN(64, (tocSection & ~0xffn) + 0x8000n);
}

/** Instructions of the stub at `address`, 7 words; null if the TOC base is out of its reach. */
export function stubWords(address: bigint, toc: bigint): number[] | null {
  const relative = signed64(address - toc);
  if (!is32Bit(relative)) return null;
  return [
    (0x3d62_0000 | ha(relative)) >>> 0, // addis r11,r2,stub@ha
    (0x396b_0000 | lo(relative)) >>> 0, // addi  r11,r11,stub@l
    STD_R2_24_R1,
    0xe98b_0020, // ld    r12,32(r11)
    MTCTR_R12,
    BCTR,
    0,
  ];
}

/** Instructions of the stub for the profiler's functions; null if `target` is out of reach of the kernel's TOC. */
export function ftraceStubWords(target: bigint, kernelToc: bigint, pacaTocOffset: number): number[] | null {
  const relative = signed64(target - kernelToc);
  if (!is32Bit(relative)) return null;
  return [
    (0xe98d_0000 | pacaTocOffset) >>> 0, // ld    r12,kernel_toc(r13)
    (0x3d8c_0000 | ha(relative)) >>> 0, // addis r12,r12,target@ha
    (0x398c_0000 | lo(relative)) >>> 0, // addi  r12,r12,target@l
    MTCTR_R12,
    BCTR,
    0,
    0,
  ];
}

/**
 * R_PPC64_ENTRY: the large-model prologue `ld r2,disp(r12); add r2,r2,r12` becomes `addis r2,r12; addi r2,r2` when the
 * TOC base is near enough. Everything else is left as it is.
 */
export function rewriteEntry(view: DataView, at: number, P: bigint, TOC: bigint): void {
  const distance = signed64(TOC - P);
  if (BigInt.asUintN(64, distance + 0x8000_8000n) > 0xffff_ffffn) return;
  if ((view.getUint32(at, true) & ~0xfffc) >>> 0 !== 0xe84c_0000) return;
  if (view.getUint32(at + 4, true) !== 0x7c42_6214) return;
  view.setUint32(at, (0x3c4c_0000 | ha(distance)) >>> 0, true);
  view.setUint32(at + 4, (0x3842_0000 | lo(distance)) >>> 0, true);
}

/** The order that get_stubs_size leaves: descending by r_info (unsigned), then by addend (signed). */
export function sortedRows(table: RelocationTable, facts: Pick<LoaderFacts, "version">): Uint32Array {
  return kernelSort(
    table.count,
    (x, y) => {
      const a = table.info(x);
      const b = table.info(y);
      if (a !== b) return a < b ? 1 : -1;
      const s = table.addend(x);
      const t = table.addend(y);
      return s < t ? 1 : s > t ? -1 : 0;
    },
    facts.version,
  );
}

/**
 * Stubs that count_relocs reserves for a sorted section. It compares the addend with the low 32 bits of the last one,
 * taken as unsigned: entries with a negative addend never count as equal.
 */
export function countStubs(table: RelocationTable, order: Uint32Array): number {
  let count = 0;
  let lastSymbol = 0;
  let lastAddend = 0n;
  for (const row of order) {
    if (table.type(row) !== R_PPC64_REL24) continue;
    const symbol = table.symbol(row);
    const addend = table.addend(row);
    if (symbol === lastSymbol && addend === lastAddend) continue;
    count++;
    lastSymbol = symbol;
    lastAddend = BigInt.asUintN(32, addend);
  }
  return count;
}

/** Bytes of the out-of-line half of an ftrace site: a pointer to its operations, four instructions. */
export const OUT_OF_LINE_SIZE = 24;

/** 7.2: room for the out-of-line halves of ftrace sites, in stubs. */
function outOfLineStubs(file: ElfFile, facts: LoaderFacts): number {
  if (!facts.hasFtrace || !facts.since(6, 13)) return 0;
  const section = file.sections.findByName("__patchable_function_entries");
  if (section === null) return 0;
  return Math.ceil(((file.sections.size(section) / 8) * OUT_OF_LINE_SIZE) / STUB_SIZE);
}

function prepare(file: ElfFile, _symbols: SymbolTable, facts: LoaderFacts): Preparation {
  const orders = new Map<number, Uint32Array>();
  const changes = new Map<number, SectionChange>();
  const stubs = lastByName(file, ".stubs");
  if (stubs === 0) {
    const message = `module_64: ${facts.module}: doesn't contain .stubs.`;
    return { orders, changes, refusals: [{ what: "the module has no section .stubs", message }] };
  }
  // Before the count was exact, one entry more kept the table terminated by a zero.
  let count = facts.since(6, 13) ? 0 : 1;
  for (const table of file.relocations) {
    if (!table.hasAddends) continue;
    const order = sortedRows(table, facts);
    orders.set(table.section, order);
    count += countStubs(table, order);
  }
  if (facts.hasFtrace) count += facts.hasFtraceRegs ? 2 : 1;
  count += outOfLineStubs(file, facts);
  changes.set(stubs, { size: count * STUB_SIZE });
  const toc = lastByName(file, ".toc");
  if (toc !== 0 && file.sections.addralign(toc) < 8) changes.set(toc, { alignment: 8 });
  return { orders, changes, refusals: [] };
}

class Stubs implements ModuleLoader {
  readonly machine;
  outOfLine: OutOfLine | null = null;
  readonly stubs: StubRow[] = [];
  readonly unknown: UnknownRange[] = [];
  readonly #symbols: SymbolTable;
  readonly #space: Space;
  readonly #facts: LoaderFacts;
  readonly #section: number;
  /** Slots that the out-of-line halves of ftrace sites take. */
  readonly #outOfLine: number;
  readonly #toc: bigint;
  readonly #view: DataView;
  readonly #slots: number;
  /** Target address -> slot. */
  readonly #slotOf = new Map<bigint, number>();
  #used = 0;

  constructor(
    file: ElfFile,
    symbols: SymbolTable,
    relocs: ModuleLoader["machine"]["relocs"],
    space: Space,
    facts: LoaderFacts,
  ) {
    this.#symbols = symbols;
    this.#space = space;
    this.#facts = facts;
    this.#section = lastByName(file, ".stubs");
    this.#outOfLine = outOfLineStubs(file, facts);
    const tocSection = lastByName(file, ".toc") || this.#section;
    this.#toc = tocBase(space.addresses[tocSection] ?? 0n);
    const bytes = space.bytes[this.#section] ?? new Uint8Array(0);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#slots = Math.floor(bytes.length / STUB_SIZE);
    this.machine = {
      relocs,
      hooks: { branch: this.#branch, entry: this.#entry },
      features: new Set<never>(),
      TOC: this.#toc,
      placeMustBeZero: false,
      module: facts.module,
      since: facts.since,
    };
  }

  readonly #entry: Hook = (site) => {
    rewriteEntry(site.view, site.at, site.P, this.#toc);
    return true;
  };

  readonly #branch: Hook = (site, report) => {
    const symbols = this.#symbols;
    const shndx = symbols.rawShndx(site.symbol);
    if (shndx !== SHN_UNDEF && shndx !== SHN_LIVEPATCH) {
      site.value = signed64(site.target + BigInt(localEntryOffset(symbols.other(site.symbol))) - site.P);
      return false;
    }
    const name = symbolName(symbols, site.symbol);
    const stub = this.#stubFor(site.target, name, site.symbol, report);
    if (stub === null) return true;
    if (!this.#restoresToc(name, site.view, site.at, site.P, report)) return true;
    site.value = signed64(stub - site.P);
    return false;
  };

  /** Turns the nop behind a call into the load of r2. False, with a report, if there is none. */
  #restoresToc(name: string, view: DataView, at: number, P: bigint, report: (f: Finding) => void): boolean {
    if (PROFILER.has(name)) return true;
    const branch = decodeBranch(view.getUint32(at, true));
    if (branch === null || branch.absolute || !branch.links) return true;
    const next = at + 4;
    const address = BigInt.asUintN(64, P + 4n);
    if (next + 4 > view.byteLength) {
      report({ kind: "no-nop", word: null, address });
      return false;
    }
    const word = view.getUint32(next, true);
    if (word === LD_R2_24_R1 && this.#facts.since(6, 3)) return true;
    if (word !== NOP) {
      report({ kind: "no-nop", word, address });
      return false;
    }
    view.setUint32(next, LD_R2_24_R1, true);
    return true;
  }

  /** Address of the stub for `target`, made if there is none. Null, with a report, if it cannot be. */
  #stubFor(target: bigint, name: string, symbol: number | string, report: (f: Finding) => void): bigint | null {
    const base = this.#space.addresses[this.#section] ?? 0n;
    const known = this.#slotOf.get(target);
    if (known !== undefined) return BigInt.asUintN(64, base + BigInt(known * STUB_SIZE));
    const slot = this.#used;
    if (slot >= this.#slots) {
      report({ kind: "refused", what: "more stubs are needed than the loader counts", message: null });
      return null;
    }
    const at = slot * STUB_SIZE;
    const address = BigInt.asUintN(64, base + BigInt(at));
    if (!this.#write(at, address, target, name, report)) return null;
    // Until the loader counted its stubs, a target of 0 (an unresolved weak symbol) left the slot free for the next one.
    if (target !== 0n || this.#facts.since(6, 13)) {
      this.#slotOf.set(target, slot);
      this.#used++;
      this.stubs.push({ section: this.#section, offset: at, size: STUB_SIZE, target, symbol });
    }
    return address;
  }

  #write(at: number, address: bigint, target: bigint, name: string, report: (f: Finding) => void): boolean {
    const { module, kernelToc, pacaTocOffset } = this.#facts;
    let words: number[] | null;
    if (PROFILER.has(name)) {
      words = ftraceStubWords(target, kernelToc ?? target, pacaTocOffset);
      if (kernelToc === null) {
        const reason = "the kernel's TOC base is not known: give a System.map with .TOC., or --kernel-toc";
        this.unknown.push({ section: this.#section, start: at + 4, end: at + 12, reason });
      }
      if (words === null) {
        const message = `module_64: ${module}: Address of ${name} out of range of kernel_toc.`;
        report({ kind: "refused", what: `${name} is out of reach of the kernel's TOC`, message });
        return false;
      }
    } else {
      if ((address & 7n) !== 0n && this.#facts.since(6, 4)) {
        const message = `module_64: ${module}: Address of stub entry is not 8-byte aligned`;
        report({ kind: "refused", what: "a stub is not aligned to 8 bytes", message });
        return false;
      }
      words = stubWords(address, this.#toc);
      if (words === null) {
        const relative = signed64(address - this.#toc);
        const message = `module_64: ${module}: Address ${BigInt.asUintN(64, relative).toString(16)} of stub out of range of ADDRESS.`;
        report({ kind: "refused", what: "the stubs are more than 2 GiB from the TOC", message });
        return false;
      }
    }
    for (const [i, word] of words.entries()) this.#view.setUint32(at + i * 4, word, true);
    this.#view.setUint32(at + MAGIC_AT, STUB_MAGIC, true);
    this.#view.setBigUint64(at + TARGET_AT, target, true);
    return true;
  }

  finish(report: (finding: Finding) => void): void {
    const { hasFtrace, hasFtraceRegs, ftraceCaller, ftraceRegsCaller } = this.#facts;
    const wanted: [string, bigint | null][] = [];
    if (hasFtrace) wanted.push(["ftrace_caller", ftraceCaller]);
    if (hasFtrace && hasFtraceRegs) wanted.push(["ftrace_regs_caller", ftraceRegsCaller]);
    for (const [name, target] of wanted) {
      if (target !== null) this.#stubFor(target, name, name, report);
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
    if (tramp !== undefined) this.outOfLine = { start, tramp: base + BigInt(tramp * STUB_SIZE) };
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
export function symbolName(symbols: SymbolTable, symbol: number): string {
  const name = symbols.name(symbol);
  return symbols.rawShndx(symbol) === SHN_UNDEF && name.startsWith(".") ? name.slice(1) : name;
}

export const ppc64leLoader: ArchLoader = {
  // module_init_section is constantly false on powerpc: .init sections stay in core memory.
  isInit: () => false,
  dedots: true,
  ignoredSymbol: null,
  prepare,
  begin: (file, symbols, relocs, space, facts) => new Stubs(file, symbols, relocs, space, facts),
};
