// klplink's sites held against a running kernel: the functions that ftrace lists, and each site's bytes in memory.

import { type SiteState, siteBytes } from "../../src/ftrace/bytes.ts";
import type { FunctionSite } from "../../src/ftrace/sites.ts";
import type { KernelVersion } from "../../src/kernel/version.ts";
import type { Sites } from "../../src/sites.ts";
import type { ReadMemory } from "./capture.ts";

/** A file of which the guest runs a copy. */
export interface Audited {
  /** Module name; "vmlinux". */
  readonly name: string;
  readonly sites: Sites;
  readonly version: KernelVersion;
  /** Section name -> where it is in memory; null: not there (any more). */
  readonly at: (section: string) => bigint | null;
}

/** Sites that outlive the boot. */
export const lasting = (audited: Audited): FunctionSite[] =>
  audited.sites.report.functions.filter(
    (s) => s.reason === null && !s.isInit && audited.at(sectionOf(audited, s)) !== null,
  );

const sectionOf = ({ sites }: Audited, s: FunctionSite): string => sites.file.sections.name(s.function.section);

/** Addresses of the records of overridden weak functions, and of other entries without a function, that stay in memory. */
const nameless = (audited: Audited): { readonly near: string }[] =>
  audited.sites.report.disagreements.flatMap((d) => {
    if (d.kind !== "overridden") return [];
    const section = audited.sites.file.sections.name(d.place.section);
    return section.startsWith(".init") || audited.at(section) === null ? [] : [{ near: d.near.name }];
  });

/**
 * Names in which what ftrace lists differs from the sites with a record: `+name` only ftrace, `-name` only klplink.
 * Newer kernels mark a record far behind the symbol before it; older ones list it under that symbol.
 */
export function compareNames(audited: Audited, listed: readonly string[]): string[] {
  const found = lasting(audited);
  const primary = new Map<string, string>();
  for (const { function: f } of found) for (const name of f.aliases) primary.set(name, f.name);
  for (const { function: f } of found) primary.set(f.name, f.name);
  const balance = new Map<string, number>();
  const count = (name: string, by: number): void => {
    balance.set(name, (balance.get(name) ?? 0) + by);
  };
  let marked = 0;
  for (const name of listed) {
    if (name.startsWith("__ftrace_invalid_address__")) marked++;
    else count(primary.get(name) ?? name, 1);
  }
  for (const { function: f } of found) count(f.name, -1);
  const overridden = nameless(audited);
  for (const { near } of marked > 0 ? overridden.slice(marked) : overridden) count(primary.get(near) ?? near, -1);
  if (marked > overridden.length) count("__ftrace_invalid_address__", marked - overridden.length);
  return [...balance].filter(([, n]) => n !== 0).map(([name, n]) => `${n > 0 ? "+" : "-"}${name}`);
}

export interface ByteCounts {
  sites: number;
  /** Sites that are calls in memory. */
  calls: number;
  readonly faults: string[];
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/**
 * Compares each site's bytes in memory with those that `--as` gives.
 * @param ops for `nop`: address of ftrace_nop_ops, where sites have a pointer to their ops in front.
 */
export async function compareBytes(
  audited: Audited,
  state: SiteState,
  memory: ReadMemory,
  ops: bigint | null,
): Promise<ByteCounts> {
  const counts: ByteCounts = { sites: 0, calls: 0, faults: [] };
  const { file } = audited.sites;
  const dumps = new Map<number, Buffer>();
  let target: bigint | null = null;
  for (const s of lasting(audited)) {
    if (s.entry === null) continue;
    const { section } = s.function;
    const base = audited.at(sectionOf(audited, s)) as bigint;
    let dump = dumps.get(section);
    if (dump === undefined) {
      dump = await memory(base, file.sections.size(section));
      dumps.set(section, dump);
    }
    const site = base + BigInt(s.entry.site);
    const place = `${audited.name}: ${s.function.name} (${s.entry.form}) at ${site.toString(16)}`;
    counts.sites++;
    const isCall = calledFrom(file.arch, dump, s.entry.site, site) !== null;
    if (isCall) counts.calls++;
    // The tracer leaves out what it uses itself: such a site is still a nop.
    const as = state === "call" && isCall ? "call" : "nop";
    if (as === "call") target ??= calledFrom(file.arch, dump, s.entry.site, site);
    const address = as === "call" && target !== null ? { site, target } : { site, target: 0n };
    const writes = siteBytes(file.arch, s.entry, as, ops === null || as === "call" ? address : { ...address, ops }, audited.version);
    for (const { offset, bytes } of writes) {
      const from = s.entry.site + offset;
      const found = hexOf(dump.subarray(from, from + bytes.length));
      if (found !== hexOf(bytes)) counts.faults.push(`${place}${offset < 0 ? offset : `+${offset}`}: ${found}, expected ${hexOf(bytes)}`);
    }
  }
  return counts;
}

/** What the call at a site calls, told without klplink's encoders; null if there is no call. */
export function calledFrom(arch: Sites["file"]["arch"], dump: Buffer, offset: number, site: bigint): bigint | null {
  if (arch === "x86_64") {
    return dump[offset] === 0xe8 ? BigInt.asUintN(64, site + 5n + BigInt(dump.readInt32LE(offset + 1))) : null;
  }
  const word = dump.readUInt32LE(offset);
  if (arch === "arm64") {
    if (word >>> 26 !== 0x25) return null;
    return BigInt.asUintN(64, site + BigInt.asIntN(28, BigInt(word & 0x03ff_ffff) << 2n));
  }
  if ((word & 0xfc00_0003) >>> 0 !== 0x4800_0001) return null;
  return BigInt.asUintN(64, site + BigInt.asIntN(26, BigInt(word & 0x03ff_fffc)));
}
