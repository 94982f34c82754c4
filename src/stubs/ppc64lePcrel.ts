// What the ppc64le module loader adds to a module in kernels built with PC-relative addressing (CONFIG_PPC_KERNEL_PCREL,
// POWER10 and later; arch/powerpc/kernel/module_64.c of 7.2, the same since 6.4).
//
// There is no TOC, and nothing is restored behind a call. A stub loads its target relative to itself, that of the profiler's
// functions one relative to the kernel's first byte. Addresses of what is far away stand in `.mygot`, whose room is counted
// before layout; per-CPU data is moved so far that `pla` of it (R_PPC64_PCREL34) becomes `pld` of such an entry.

import { OrderedView } from "../base/bytes.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { SymbolTable } from "../elf/views/symbols.ts";
import type { RelocTable } from "../reloc/def.ts";
import type { Finding, Hook, Space } from "../reloc/engine.ts";
import { R_PPC64_GOT_PCREL34, R_PPC64_REL24_NOTOC } from "../reloc/numbers.ts";
import { fits, store } from "../reloc/value.ts";
import { BCTR, MTCTR_R12, NOP } from "./insn.ts";
import {
  type ArchLoader,
  type LoaderFacts,
  lastByName,
  type ModuleLoader,
  type Preparation,
  type SectionChange,
} from "./loader.ts";
import {
  countDistinct,
  countStubs,
  fixedStubs,
  STUB_SIZE,
  StubArea,
  type StubForm,
  signed64,
  sortRows,
  TARGET_AT,
} from "./ppc64leStubs.ts";

const GOT_SIZE = 8;

/** The 18 bits of a 34-bit immediate that the prefix holds, and the 16 of the suffix. */
const high18 = (v: bigint): number => Number(BigInt.asUintN(18, v >> 16n));
const low16 = (v: bigint): number => Number(BigInt.asUintN(16, v));

/** Instructions of a stub, 7 words: the same in every one. */
const PCREL_STUB: readonly number[] = [
  0x0410_0000, // pld   r12,32(pc), prefix
  (0xe580_0000 | TARGET_AT) >>> 0,
  MTCTR_R12,
  BCTR,
  0,
  0,
  0,
];

/** Instructions of the stub for the profiler's functions; null if `target` is more than 8 GiB from the kernel's start. */
export function pcrelFtraceStubWords(target: bigint, kernelBase: bigint, pacaOffset: number): number[] | null {
  const relative = signed64(target - kernelBase);
  if (relative < -0x2_0000_0000n || relative > 0x1_ffff_ffffn) return null;
  return [
    (0xe98d_0000 | pacaOffset) >>> 0, // ld    r12,kernelbase(r13)
    NOP, // a prefixed instruction must not lie across 64 bytes
    (0x0600_0000 | high18(relative)) >>> 0, // paddi r12,r12,target
    (0x398c_0000 | low16(relative)) >>> 0,
    MTCTR_R12,
    BCTR,
    0,
  ];
}

function form({ module, kernelBase, pacaTocOffset }: LoaderFacts): StubForm {
  return {
    call: () => ({ words: PCREL_STUB }),
    profiler: (name, target) => {
      const words = pcrelFtraceStubWords(target, kernelBase ?? target, pacaTocOffset);
      if (words !== null) return { words };
      return { refusal: { fault: "far from kernel start", module, name } };
    },
    unknown:
      kernelBase === null
        ? { start: 8, end: 16, reason: "the kernel's start is not known: give its symbols with -k" }
        : null,
  };
}

/** The kernel's idea of the per-CPU section: 0, which is the section of undefined symbols, where there is none. */
const percpuOf = (file: ElfFile): number => lastByName(file, ".data..percpu");

const isIn = (symbols: SymbolTable, symbol: number, section: number): boolean =>
  symbol < symbols.count && symbols.rawShndx(symbol) === section;

/** Sorted for the one count, and again for the other. */
const orderOf: ArchLoader["order"] = (_file, _symbols, table, version) =>
  table.hasAddends ? sortRows(table, sortRows(table, null, { version }), { version }) : null;

function prepare(file: ElfFile, symbols: SymbolTable, facts: LoaderFacts): Preparation {
  const orders = new Map<number, Uint32Array>();
  const changes = new Map<number, SectionChange>();
  const stubArea = lastByName(file, ".stubs");
  const got = lastByName(file, ".mygot");
  if (stubArea === 0) return { orders, changes, refusals: [{ fault: "no .stubs", module: facts.module }] };
  if (got === 0) return { orders, changes, refusals: [{ fault: "no .mygot", module: facts.module }] };
  const percpu = percpuOf(file);
  let stubs = fixedStubs(file, facts);
  // One more, so that the list ends with a zero.
  let entries = 1;
  for (const table of file.relocations) {
    if (!table.hasAddends) continue;
    const first = sortRows(table, null, facts);
    entries += countStubs(table, first, R_PPC64_GOT_PCREL34);
    if (facts.isSmp) entries += countDistinct(table, first, (row) => isIn(symbols, table.symbol(row), percpu));
    const order = orderOf(file, symbols, table, facts.version) ?? first;
    orders.set(table.section, order);
    stubs += countStubs(table, order) + countStubs(table, order, R_PPC64_REL24_NOTOC);
  }
  changes.set(stubArea, { size: stubs * STUB_SIZE });
  const alignment = Math.max(8, file.sections.addralign(got));
  changes.set(got, { size: entries * GOT_SIZE, alignment });
  return { orders, changes, refusals: [] };
}

/** `.mygot` while relocations are applied: addresses, the first free entry is the first that is 0. */
class Got {
  readonly #base: bigint;
  readonly #view: OrderedView;
  readonly #entryOf = new Map<bigint, number>();
  #used = 0;

  constructor(file: ElfFile, { addresses, bytes, littleEndian }: Space) {
    const section = lastByName(file, ".mygot");
    const memory = bytes[section] ?? new Uint8Array(0);
    this.#base = addresses[section] ?? 0n;
    this.#view = new OrderedView(memory, littleEndian);
  }

  /** Address of the entry with this address, made if there is none. Null, with a report, if there is no room. */
  entryFor(target: bigint, report: (f: Finding) => void): bigint | null {
    // Entries that hold something already are passed by; usually there are none.
    for (; (this.#used + 1) * GOT_SIZE <= this.#view.byteLength; this.#used++) {
      const there = this.#view.getBigUint64(this.#used * GOT_SIZE);
      if (there === 0n) break;
      if (!this.#entryOf.has(there)) this.#entryOf.set(there, this.#used);
    }
    const known = this.#entryOf.get(target);
    const entry = known ?? this.#used;
    if ((entry + 1) * GOT_SIZE > this.#view.byteLength) {
      report({ kind: "refused", why: { fault: "too many GOT entries" } });
      return null;
    }
    // An address of 0 (an unresolved weak symbol) leaves the entry free for the next one.
    if (known === undefined) this.#view.setBigUint64(entry * GOT_SIZE, target);
    return BigInt.asUintN(64, this.#base + BigInt(entry * GOT_SIZE));
  }
}

function begin(
  file: ElfFile,
  symbols: SymbolTable,
  relocs: RelocTable,
  space: Space,
  facts: LoaderFacts,
): ModuleLoader {
  const area = new StubArea(file, space, facts, form(facts));
  const got = new Got(file, space);
  const percpu = percpuOf(file);
  const toEntry: Hook = (site, report) => {
    const entry = got.entryFor(site.target, report);
    if (entry === null) return true;
    site.value = signed64(entry - site.P);
    return false;
  };
  const farData: Hook = (site, report) => {
    if (fits(site.def.overflow, site.value) || !isIn(symbols, site.symbol, percpu)) return false;
    if (toEntry(site, report)) return true;
    const { view, at, def } = site;
    // pla (paddi with R=1, form MLS) becomes pld (form 8LS); the register stays.
    view.setUint32(at, (view.getUint32(at) & ~0x0200_0000) >>> 0);
    view.setUint32(at + 4, ((view.getUint32(at + 4) & ~0xf800_0000) | 0xe400_0000) >>> 0);
    // What the entry's distance is, nobody checks.
    store(def, view, at, site.value);
    return true;
  };
  const branch = area.branches(symbols, () => true);
  return area.loader(relocs, { branch, "far data": farData, "got entry": toEntry }, 0n);
}

export const ppc64lePcrelLoader: ArchLoader = {
  dedots: false,
  ignoredSymbol: null,
  order: orderOf,
  prepare,
  begin,
};
