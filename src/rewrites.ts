// What the kernel changes in a module between relocation and its init function, as far as the module tells: places are
// found through the module's own tables. What depends on the CPU, on boot parameters or on what else runs is listed as
// a range with its reason, never guessed.

import { viewOf } from "./base/bytes.ts";
import { SHF_ALLOC, SHF_WRITE } from "./elf/consts.ts";
import type { ImageSection } from "./image.ts";
import { kernelSort } from "./kernel/heapsort.ts";
import type { KernelVersion } from "./kernel/version.ts";
import type { UnknownRange } from "./stubs/loader.ts";

export interface RewriteFacts {
  readonly arch: string;
  readonly version: KernelVersion | null;
  readonly since: (major: number, minor: number) => boolean;
  readonly hasFtrace: boolean;
  /** The module is in use: traced and livepatched functions call their tracer. */
  readonly running: boolean;
}

/** A place in the module's memory. */
interface Spot {
  readonly section: ImageSection;
  readonly offset: number;
}

/** Section and offset of an address. */
class AddressIndex {
  readonly #sections: readonly ImageSection[];
  constructor(sections: readonly ImageSection[]) {
    this.#sections = sections
      .filter((s) => s.bytes.length > 0)
      .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  }
  find(address: bigint): Spot | null {
    let low = 0;
    let high = this.#sections.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sections[middle]?.address ?? 0n) <= address) low = middle + 1;
      else high = middle;
    }
    const section = this.#sections[low - 1];
    if (section === undefined) return null;
    const offset = address - section.address;
    return offset < BigInt(section.bytes.length) ? { section, offset: Number(offset) } : null;
  }
}

/** One entry of a table, with what it points at. */
interface Entry {
  readonly view: DataView;
  /** Offset in the table, and its address. */
  readonly at: number;
  readonly address: bigint;
}

type Range = { readonly start: bigint; readonly size: number };

/** A table whose entries name code that is rewritten in a way that cannot be told here. */
interface OpaqueTable {
  readonly name: string;
  readonly entry: number;
  readonly ranges: (e: Entry) => readonly Range[];
  readonly reason: string;
}

const near32 = (e: Entry, field: number): bigint =>
  BigInt.asUintN(64, e.address + BigInt(field) + BigInt(e.view.getInt32(e.at + field, true)));
const near64 = (e: Entry, field: number): bigint =>
  BigInt.asUintN(64, e.address + BigInt(field) + e.view.getBigInt64(e.at + field, true));

const TRACED = "ftrace site: tracing or a livepatch may be active";
const CPU = "depends on the CPU's features and the boot parameters";

const featureTable = (name: string): OpaqueTable => ({
  name,
  entry: 48,
  ranges: (e) => {
    // Offsets of start and end count from the entry.
    const start = BigInt.asUintN(64, e.address + e.view.getBigInt64(e.at + 16, true));
    const end = BigInt.asUintN(64, e.address + e.view.getBigInt64(e.at + 24, true));
    return [{ start, size: Number(BigInt.asIntN(64, end - start)) }];
  },
  reason: `feature section: ${CPU}`,
});
const site32 = (name: string, size: number, reason: string, entry = 4): OpaqueTable => ({
  name,
  entry,
  ranges: (e) => [{ start: near32(e, 0), size }],
  reason,
});

const opaque: Readonly<Record<string, readonly OpaqueTable[]>> = {
  ppc64le: [
    featureTable("__ftr_fixup"),
    featureTable("__mmu_ftr_fixup"),
    featureTable("__fw_ftr_fixup"),
    { name: "__lwsync_fixup", entry: 8, ranges: (e) => [{ start: near64(e, 0), size: 4 }], reason: `barrier: ${CPU}` },
    {
      name: "__spec_barrier_fixup",
      entry: 8,
      ranges: (e) => [{ start: near64(e, 0), size: 4 }],
      reason: `barrier: ${CPU}`,
    },
    site32("__jump_table", 4, "jump label: follows its key", 16),
  ],
  arm64: [
    {
      name: ".altinstructions",
      entry: 12,
      ranges: (e) => [{ start: near32(e, 0), size: e.view.getUint8(e.at + 10) }],
      reason: `alternative: ${CPU}`,
    },
    site32("__jump_table", 4, "jump label: follows its key", 16),
  ],
  x86_64: [
    {
      name: ".altinstructions",
      entry: 14,
      ranges: (e) => [{ start: near32(e, 0), size: e.view.getUint8(e.at + 12) }],
      reason: `alternative: ${CPU}`,
    },
    {
      name: ".altinstructions",
      entry: 14,
      ranges: (e) => [{ start: e.address + 12n, size: 1 }],
      reason: "length of a group of alternatives",
    },
    site32(".retpoline_sites", 6, `indirect branch: ${CPU}`),
    site32(".return_sites", 5, `return: ${CPU}`),
    site32(".call_sites", 5, `call: ${CPU}`),
    site32(".ibt_endbr_seal", 4, `endbr: ${CPU}`),
    site32(".smp_locks", 1, "lock prefix: depends on the number of CPUs"),
    site32(".static_call_sites", 6, "static call: follows its key", 8),
    site32("__jump_table", 5, "jump label: follows its key", 16),
  ],
};

/** Sections that the kernel sorts or writes as a whole. */
const opaqueSections: readonly { readonly name: string; readonly reason: string }[] = [
  { name: "__jump_table", reason: "sorted, and linked with its keys" },
  { name: ".static_call_sites", reason: "sorted, and linked with its keys" },
  { name: ".static_call.text", reason: "static call trampolines: follow their keys" },
  { name: "__bug_table", reason: "marks what was reported once" },
];

/** Writable sections that nobody writes. */
const CONSTANT = new Set([".toc", ".got"]);

const NOP_PPC = 0x6000_0000;
const NOP_ARM64 = 0xd503_201f;
const BTI_C_ARM64 = 0xd503_245f;
const MOV_X9_X30 = 0xaa1e_03e9;
const NOP5_X86 = [0x0f, 0x1f, 0x44, 0x00, 0x00];
/** Pointer authentication around a function, which becomes shadow-call-stack code on CPUs without it. */
const PAC_WORDS = new Set([0xd503_233f, 0xd503_23bf]);

/**
 * Brings sections from "relocated" to "loaded", in place.
 * @returns ranges whose bytes cannot be told
 */
export function rewriteLoaded(sections: readonly ImageSection[], facts: RewriteFacts): UnknownRange[] {
  const unknown: UnknownRange[] = [];
  const index = new AddressIndex(sections);
  const first = (name: string): ImageSection | undefined => sections.find((s) => s.name === name);
  const mark = (at: Range, reason: string): void => {
    const spot = at.size > 0 ? index.find(at.start) : null;
    if (spot === null) return;
    const end = Math.min(spot.offset + at.size, spot.section.bytes.length);
    unknown.push({ section: spot.section.index, start: spot.offset, end, reason });
  };
  for (const table of opaque[facts.arch] ?? []) {
    const section = first(table.name);
    if (section === undefined) continue;
    const view = viewOf(section.bytes);
    for (let at = 0; at + table.entry <= section.bytes.length; at += table.entry) {
      const address = section.address + BigInt(at);
      for (const range of table.ranges({ view, at, address })) mark(range, table.reason);
    }
  }
  if (facts.hasFtrace) ftraceSites(facts, first, index, mark);
  if (facts.arch === "arm64") shadowCallStack(sections, first(".init.eh_frame") !== undefined, unknown);
  if (facts.arch === "x86_64") sortOrc(first(".orc_unwind_ip"), first(".orc_unwind"), facts.version);
  for (const section of sections) {
    const whole = opaqueSections.find((s) => s.name === section.name)?.reason;
    const written =
      (section.flags & (SHF_WRITE | SHF_ALLOC)) === (SHF_WRITE | SHF_ALLOC) && !CONSTANT.has(section.name);
    const reason = whole ?? (written ? "data: changes while the module is set up and runs" : null);
    if (reason === null || section.bytes.length === 0 || section.name === ".gnu.linkonce.this_module") continue;
    unknown.push({ section: section.index, start: 0, end: section.bytes.length, reason });
  }
  return unknown;
}

/** ftrace_module_init: sorts the list of sites and takes the calls to the profiler out. */
function ftraceSites(
  { arch, running }: RewriteFacts,
  first: (name: string) => ImageSection | undefined,
  index: AddressIndex,
  mark: (at: Range, reason: string) => void,
): void {
  const table = first(arch === "arm64" ? "__patchable_function_entries" : "__mcount_loc");
  if (table === undefined) return;
  const view = viewOf(table.bytes);
  const count = Math.floor(table.bytes.length / 8);
  const sites = Array.from({ length: count }, (_, i) => view.getBigUint64(i * 8, true));
  sites.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  for (const [i, site] of sites.entries()) {
    view.setBigUint64(i * 8, site, true);
    const spot = index.find(site);
    if (spot === null) continue;
    const { bytes } = spot.section;
    const code = viewOf(bytes);
    if (running) mark({ start: site, size: arch === "arm64" ? 24 : arch === "ppc64le" ? 4 : 5 }, TRACED);
    const word = (at: number): number => (at + 4 <= bytes.length ? code.getUint32(at, true) : 0);
    if (arch === "ppc64le") {
      // -mprofile-kernel: the call to _mcount, one word behind mflr r0.
      if ((word(spot.offset) & 0xfc00_0003) >>> 0 === 0x4800_0001) code.setUint32(spot.offset, NOP_PPC, true);
      else mark({ start: site, size: 8 }, "ftrace site of another form");
    } else if (arch === "x86_64") {
      if (bytes[spot.offset] === 0xe8 && spot.offset + 5 <= bytes.length) bytes.set(NOP5_X86, spot.offset);
      else mark({ start: site, size: 5 }, "ftrace site of another form");
    } else armSite(spot, word, code, mark, site);
  }
}

/** arm64: two nops at the function's entry, and with call ops a pointer in two nops before it. */
function armSite(
  { offset }: Spot,
  word: (at: number) => number,
  code: DataView,
  mark: (at: Range, reason: string) => void,
  site: bigint,
): void {
  let at = offset;
  const nops = (from: number): number => {
    let n = 0;
    while (n < 4 && word(from + n * 4) === NOP_ARM64) n++;
    return n;
  };
  const before = nops(at);
  // Two nops of a pointer, the function (perhaps with its landing pad), two nops of the site.
  if (before === 4 || (before === 2 && word(at + 8) === BTI_C_ARM64)) {
    mark({ start: site, size: 8 }, "pointer to the ftrace operations of this site");
    at += 8;
    if (word(at) === BTI_C_ARM64) at += 4;
  }
  if (nops(at) >= 2) code.setUint32(at, MOV_X9_X30, true);
  else mark({ start: site, size: 24 }, "ftrace site of another form");
}

/** Whether a CPU authenticates pointers decides which of the two forms stays. */
function shadowCallStack(sections: readonly ImageSection[], patched: boolean, unknown: UnknownRange[]): void {
  if (!patched) return;
  for (const section of sections) {
    if ((section.flags & 4) === 0) continue;
    const view = viewOf(section.bytes);
    for (let at = 0; at + 4 <= section.bytes.length; at += 4) {
      if (!PAC_WORDS.has(view.getUint32(at, true))) continue;
      unknown.push({ section: section.index, start: at, end: at + 4, reason: `shadow call stack: ${CPU}` });
    }
  }
}

/** unwind_module_init: both tables by address; a terminator (type 0) before others of the same address. */
function sortOrc(ips: ImageSection | undefined, rows: ImageSection | undefined, version: KernelVersion | null): void {
  if (ips === undefined || rows === undefined) return;
  const count = Math.floor(ips.bytes.length / 4);
  if (rows.bytes.length < count * 6) return;
  const ip = viewOf(new Uint8Array(ips.bytes));
  const row = new Uint8Array(rows.bytes);
  const address = (i: number): number => i * 4 + ip.getInt32(i * 4, true);
  /** sp_reg 4 bits, bp_reg 4 bits, type 3 bits. */
  const isUndefined = (i: number): boolean => ((row[i * 6 + 5] ?? 0) & 7) === 0;
  const order = kernelSort(
    count,
    (x, y) => {
      const difference = address(x) - address(y);
      if (difference !== 0) return difference > 0 ? 1 : -1;
      return isUndefined(x) ? -1 : 1;
    },
    version,
  );
  const out = viewOf(ips.bytes);
  for (const [to, from] of order.entries()) {
    out.setInt32(to * 4, ip.getInt32(from * 4, true) + (from - to) * 4, true);
    rows.bytes.set(row.subarray(from * 6, from * 6 + 6), to * 6);
  }
}
