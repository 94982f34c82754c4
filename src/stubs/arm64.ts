// What the arm64 module loader adds to a module (arch/arm64/kernel/module-plts.c and module.c of 6.1, 6.12 and 7.2).
//
// A branch that cannot reach its target goes through an entry of `.plt` (`.init.plt` for code in init memory): adrp,
// add and br through x16. Room for them is counted before layout, from relocations that are partitioned and partly
// sorted for it; in that order they are applied later. Entries are compared with the last one only.
//
// Cortex-A53 erratum 843419: an ADRP in the last two words of a 4 KiB page may go wrong. Where the kernel works round
// it, such an ADRP becomes ADR, or a branch to an entry that has it.

import { OrderedView } from "../base/bytes.ts";
import type { LoaderFault } from "../diag/codes/relocations.ts";
import { SHF_ALLOC, SHF_EXECINSTR, SHT_SYMTAB } from "../elf/consts.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { RelocationTable } from "../elf/views/relas.ts";
import type { SymbolTable } from "../elf/views/symbols.ts";
import { kernelSort } from "../kernel/loader/heapsort.ts";
import type { KernelVersion } from "../kernel/version.ts";
import type { Finding, Hook, Site, Space } from "../reloc/engine.ts";
import {
  R_AARCH64_ADR_PREL_PG_HI21,
  R_AARCH64_ADR_PREL_PG_HI21_NC,
  R_AARCH64_CALL26,
  R_AARCH64_JUMP26,
} from "../reloc/numbers.ts";
import { fits } from "../reloc/value.ts";
import {
  type ArchLoader,
  type LoaderFacts,
  lastByName,
  type ModuleLoader,
  type Preparation,
  type SectionChange,
  type StubRow,
  startsWithInit,
  type UnknownRange,
} from "./loader.ts";

/** struct plt_entry: adrp, add, br. */
type PltEntry = readonly [adrp: number, add: number, br: number];
const PLT_WORDS: PltEntry["length"] = 3;
/** Bytes of one. */
const PLT_ENTRY_SIZE = PLT_WORDS * 4;
/** Entries in a page; one in so many may have to be skipped for the erratum. */
const ENTRIES_A_PAGE = 341;
const L1_CACHE_BYTES = 64;
const BR_X16 = 0xd61f_0200;
const X16 = 16;
const FAULT = 0xd420_2000;

const PLTS = [".plt", ".init.plt"] as const;
/** Sections that lead to ftrace; newer kernels have one for init code. */
const trampolines = ({ has }: LoaderFacts): readonly string[] =>
  has("arm64InitTrampoline")
    ? [".text.ftrace_trampoline", ".init.text.ftrace_trampoline"]
    : [".text.ftrace_trampoline"];

const page = (v: bigint): bigint => v & ~0xfffn;

/** Whether an ADRP at this address may go wrong. */
const isForbidden = (address: bigint): boolean => (address & 0xfffn) >= 0xff8n;

/**
 * The words adrp, add for register `register`, at address `at`, that give `target`. As the kernel encodes it: the page
 * distance is cut to 32 bits before its range is looked at.
 */
export function adrpAdd(at: bigint, target: bigint, register: number): [number, number] {
  const distance = Number(BigInt.asIntN(32, BigInt.asUintN(64, target - page(at)) >> 12n));
  const adrp =
    distance < -(2 ** 20) || distance >= 2 ** 20
      ? FAULT
      : (0x9000_0000 | register | ((distance & 3) << 29) | (((distance >> 2) & 0x7_ffff) << 5)) >>> 0;
  const add = (0x9100_0000 | register | (register << 5) | (Number(target & 0xfffn) << 10)) >>> 0;
  return [adrp, add];
}

/** The distance in pages that an adrp word holds, in bytes: 32 bits only, so that its top bit is lost. */
function adrpOffset(word: number): number {
  const immediate = ((word >>> 29) & 3) | (((word >>> 5) & 0x7_ffff) << 2);
  return (immediate << 12) | 0;
}

function needsEntry(symbols: SymbolTable, table: RelocationTable, row: number): boolean {
  const type = table.type(row);
  if (type !== R_AARCH64_JUMP26 && type !== R_AARCH64_CALL26) return false;
  return symbols.rawShndx(table.symbol(row)) !== table.target;
}

function compare(table: RelocationTable, x: number, y: number): number {
  const byType = table.type(x) - table.type(y);
  if (byType !== 0) return byType;
  const bySymbol = table.symbol(x) - table.symbol(y);
  if (bySymbol !== 0) return bySymbol;
  const a = table.addend(x);
  const b = table.addend(y);
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Far branches first, sorted by type, symbol and addend; the others behind them in the order that the swaps leave.
 * When all rows are far branches, the last one stays outside the sorted part: the loop ends one short.
 */
function partitionedRows(
  table: RelocationTable,
  needs: (row: number) => boolean,
  facts: Pick<LoaderFacts, "version">,
): Uint32Array {
  const rows = Uint32Array.from({ length: table.count }, (_, i) => i);
  let i = 0;
  let j = rows.length - 1;
  while (i < j) {
    const first = rows[i] ?? 0;
    const last = rows[j] ?? 0;
    if (needs(first)) i++;
    else if (needs(last)) {
      rows[i] = last;
      rows[j] = first;
    } else j--;
  }
  if (i === 0) return rows;
  const head = rows.slice(0, i);
  const order = kernelSort(i, (x, y) => compare(table, head[x] ?? 0, head[y] ?? 0), facts.version);
  for (let k = 0; k < i; k++) rows[k] = head[order[k] ?? 0] ?? 0;
  return rows;
}

/** Lowest zero bit of a 64-bit number. */
function lowestZero(value: bigint): bigint {
  let bit = 0n;
  while (((value >> bit) & 1n) === 1n) bit++;
  return bit;
}

/** As module_frob_arch_sections leaves them: rows of code only, partitioned and partly sorted. */
function orderOf(
  file: ElfFile,
  symbols: SymbolTable,
  table: RelocationTable,
  version: KernelVersion | null,
): Uint32Array | null {
  if (!table.hasAddends || !file.sections.hasFlags(table.target, SHF_EXECINSTR)) return null;
  return partitionedRows(table, (row) => needsEntry(symbols, table, row), { version });
}

function prepare(file: ElfFile, symbols: SymbolTable, facts: LoaderFacts): Preparation {
  const { sections } = file;
  const orders = new Map<number, Uint32Array>();
  const changes = new Map<number, SectionChange>();
  const refusals: LoaderFault[] = [];
  const plts = PLTS.map((name) => lastByName(file, name));
  if (plts.includes(0)) {
    return { orders, changes, refusals: [{ fault: "no .plt", module: facts.module }] };
  }
  let symtab = false;
  for (let i = 1; i < sections.count; i++) symtab ||= sections.type(i) === SHT_SYMTAB;
  if (!symtab) {
    return { orders, changes, refusals: [{ fault: "no symbol table", module: facts.module }] };
  }
  const counts = [0, 0];
  for (const table of file.relocations) {
    const order = orderOf(file, symbols, table, facts.version);
    if (order === null) continue;
    orders.set(table.section, order);
    const which = startsWithInit(sections.name(table.target)) ? 1 : 0;
    const { count, alignment } = countEntries(symbols, table, order, facts);
    counts[which] = (counts[which] ?? 0) + count;
    const before = changes.get(table.target)?.alignment ?? sections.addralign(table.target);
    if (alignment > before) changes.set(table.target, { alignment });
  }
  for (const [i, section] of plts.entries()) {
    changes.set(section, {
      size: ((counts[i] ?? 0) + 1) * PLT_ENTRY_SIZE,
      alignment: L1_CACHE_BYTES,
      nobits: true,
      flags: SHF_ALLOC | SHF_EXECINSTR,
    });
  }
  if (facts.hasFtrace) {
    for (const name of trampolines(facts)) {
      const section = lastByName(file, name);
      if (section === 0) {
        refusals.push({ fault: "no trampolines", section: name });
        continue;
      }
      const size = PLT_ENTRY_SIZE * ftraceTargets(facts).length;
      changes.set(section, { size, alignment: 4, nobits: true, flags: SHF_ALLOC | SHF_EXECINSTR });
    }
  }
  return { orders, changes, refusals };
}

/** Entries that count_plts reserves, and the alignment that keeps ADRPs away from the end of a page. */
function countEntries(
  symbols: SymbolTable,
  table: RelocationTable,
  order: Uint32Array,
  { erratum843419 }: LoaderFacts,
): { count: number; alignment: number } {
  let count = 0;
  let alignment = 0;
  for (const [i, row] of order.entries()) {
    if (needsEntry(symbols, table, row)) {
      const before = order[i - 1];
      if (table.addend(row) !== 0n || before === undefined || compare(table, row, before) !== 0) count++;
      continue;
    }
    const type = table.type(row);
    if (!erratum843419 || (type !== R_AARCH64_ADR_PREL_PG_HI21 && type !== R_AARCH64_ADR_PREL_PG_HI21_NC)) continue;
    const needed = 2n << lowestZero(BigInt(table.offset(row)) | 7n);
    if (needed > 4096n) count++;
    else alignment = Math.max(alignment, Number(needed));
  }
  if (erratum843419) count += Math.ceil(count / ENTRIES_A_PAGE);
  return { count, alignment };
}

/** One of the two tables while it fills. */
class Plt {
  readonly section: number;
  readonly address: bigint;
  readonly view: OrderedView;
  readonly most: number;
  used = 0;

  constructor(section: number, space: Space) {
    this.section = section;
    this.address = space.addresses[section] ?? 0n;
    const bytes = space.bytes[section] ?? new Uint8Array(0);
    this.view = new OrderedView(bytes, space.littleEndian);
    // One slot more than may be used: for the copy of an entry that turns out to be there already.
    this.most = Math.max(0, Math.floor(bytes.length / PLT_ENTRY_SIZE) - 1);
  }
  addressOf(slot: number): bigint {
    return BigInt.asUintN(64, this.address + BigInt(slot * PLT_ENTRY_SIZE));
  }
  word(slot: number, i: number): number {
    return this.view.getUint32(slot * PLT_ENTRY_SIZE + i * 4);
  }
  /** False if the slot lies outside: the loader would write behind the section. */
  write(slot: number, words: PltEntry): boolean {
    if ((slot + 1) * PLT_ENTRY_SIZE > this.view.byteLength) return false;
    for (const [i, word] of words.entries()) this.view.setUint32(slot * PLT_ENTRY_SIZE + i * 4, word);
    return true;
  }
  /** Whether two slots lead to the same place, as plt_entries_equal sees it. */
  equal(a: number, b: number): boolean {
    if (this.word(a, 1) !== this.word(b, 1) || this.word(a, 2) !== this.word(b, 2)) return false;
    const p = page(this.addressOf(a));
    const q = page(this.addressOf(b));
    if (p === q && this.word(a, 0) === this.word(b, 0)) return true;
    const reach = (base: bigint, slot: number): bigint =>
      BigInt.asUintN(64, base + BigInt(adrpOffset(this.word(slot, 0))));
    return reach(p, a) === reach(q, b);
  }
}

class Veneers implements ModuleLoader {
  readonly machine;
  readonly stubs: StubRow[] = [];
  readonly unknown: UnknownRange[] = [];
  readonly #file: ElfFile;
  readonly #space: Space;
  readonly #facts: LoaderFacts;
  readonly #core: Plt;
  readonly #init: Plt;

  constructor(file: ElfFile, relocs: ModuleLoader["machine"]["relocs"], space: Space, facts: LoaderFacts) {
    this.#file = file;
    this.#space = space;
    this.#facts = facts;
    this.#core = new Plt(lastByName(file, PLTS[0]), space);
    this.#init = new Plt(lastByName(file, PLTS[1]), space);
    this.machine = {
      relocs,
      hooks: { branch: this.#branch, ...(facts.erratum843419 ? { adrp: this.#adrp } : {}) },
      features: facts.features,
      TOC: 0n,
      placeMustBeZero: false,
      module: facts.module,
      has: facts.has,
    };
  }

  #pltFor(site: Site): Plt {
    return startsWithInit(this.#file.sections.name(site.table.target)) ? this.#init : this.#core;
  }

  readonly #branch: Hook = (site, report) => {
    if (fits(site.def.overflow, site.value)) return false;
    const plt = this.#pltFor(site);
    const target = site.target;
    const last = plt.used - 1;
    let slot = plt.used;
    if (this.#facts.erratum843419 && isForbidden(plt.addressOf(slot))) slot++;
    const written = plt.write(slot, [...adrpAdd(plt.addressOf(slot), target, X16), BR_X16]);
    if (written && last >= 0 && plt.equal(slot, last)) slot = last;
    else {
      plt.used += slot - last;
      if (!written || plt.used > plt.most) return this.#full(report);
      this.stubs.push(this.#row(plt, slot, target, site.symbol));
    }
    site.target = plt.addressOf(slot);
    site.value = BigInt.asIntN(64, site.target - site.P);
    return false;
  };

  /** Only where the erratum is worked round. */
  readonly #adrp: Hook = (site, report) => {
    if (!isForbidden(site.P)) return false;
    const word = site.view.getUint32(site.at);
    const target = page(site.target);
    const distance = BigInt.asIntN(64, target - site.P);
    if (distance >= -0x10_0000n && distance < 0x10_0000n) {
      const bits = Number(BigInt.asUintN(21, distance));
      const adr = (word & ~0x60ff_ffe0) | ((bits & 3) << 29) | ((bits >>> 2) << 5);
      site.view.setUint32(site.at, (adr & 0x7fff_ffff) >>> 0);
      return true;
    }
    const plt = this.#pltFor(site);
    let slot = plt.used++;
    if (plt.used > plt.most) return this.#full(report);
    if (isForbidden(plt.addressOf(slot))) slot = plt.used++;
    const back = BigInt.asIntN(64, site.P + 4n - (plt.addressOf(slot) + 8n));
    const words: PltEntry = [...adrpAdd(plt.addressOf(slot), target, word & 0x1f), branchWord(back)];
    if (!plt.write(slot, words)) return this.#full(report);
    this.stubs.push(this.#row(plt, slot, target, site.symbol));
    site.view.setUint32(site.at, branchWord(BigInt.asIntN(64, plt.addressOf(slot) - site.P)));
    return true;
  };

  #row(plt: Plt, slot: number, target: bigint, symbol: number | string): StubRow {
    return { section: plt.section, offset: slot * PLT_ENTRY_SIZE, size: PLT_ENTRY_SIZE, target, symbol };
  }

  #full(report: (f: Finding) => void): true {
    report({ kind: "refused", why: { fault: "too many PLT entries" } });
    return true;
  }

  finish(): void {
    if (!this.#facts.hasFtrace) return;
    for (const name of trampolines(this.#facts)) {
      const section = lastByName(this.#file, name);
      if (section === 0) continue;
      const plt = new Plt(section, this.#space);
      for (const [slot, [symbol, target]] of ftraceTargets(this.#facts).entries()) {
        if (target === null) {
          const reason = `the address of ${symbol} is not known: give the kernel's symbols with -k`;
          const start = slot * PLT_ENTRY_SIZE;
          this.unknown.push({ section, start, end: start + PLT_ENTRY_SIZE, reason });
        } else if (plt.write(slot, [...adrpAdd(plt.addressOf(slot), target, X16), BR_X16])) {
          this.stubs.push(this.#row(plt, slot, target, symbol));
        }
      }
    }
  }
}

/** Functions of the kernel that a module's trampolines lead to. In older kernels the one with registers had its own. */
function ftraceTargets({ ftraceCaller, ftraceRegsCaller, has }: LoaderFacts): [string, bigint | null][] {
  const all: [string, bigint | null][] = [["ftrace_caller", ftraceCaller]];
  if (!has("arm64OneFtraceCaller")) all.push(["ftrace_regs_caller", ftraceRegsCaller]);
  return all;
}

function branchWord(distance: bigint): number {
  return (0x1400_0000 | Number(BigInt.asUintN(26, distance >> 2n))) >>> 0;
}

export const arm64Loader: ArchLoader = {
  dedots: false,
  ignoredSymbol: null,
  order: orderOf,
  prepare,
  begin: (file, _symbols, relocs, space, facts) => new Veneers(file, relocs, space, facts),
};
