// klplink's sites held against a running kernel: the functions that ftrace lists, and each site's bytes in memory.

import { type SiteState, siteBytes } from "../../src/ftrace/bytes.ts";
import type { FunctionSite } from "../../src/ftrace/sites.ts";
import type { KernelVersion } from "../../src/kernel/version.ts";
import type { Sites } from "../../src/passes/sites.ts";
import type { ArchName, ReadMemory } from "./capture.ts";
import { branchFrom, HALF, readHalf } from "./outOfLine.ts";
import { type Guest, trace } from "./tracing.ts";

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

/** Records of overridden weak functions that stay in memory, the nearest to the symbol before it first. */
const nameless = (audited: Audited): { readonly near: string; readonly distance: number }[] =>
  audited.sites.report.disagreements
    .flatMap((d) => {
      if (d.kind !== "overridden") return [];
      const section = audited.sites.file.sections.name(d.place.section);
      return section.startsWith(".init") || audited.at(section) === null
        ? []
        : [{ near: d.near.name, distance: d.place.offset - d.near.start }];
    })
    .sort((a, b) => a.distance - b.distance);

/**
 * Names in which what ftrace lists differs from the sites with a record: `+name` only ftrace, `-name` only klplink.
 * Newer kernels mark a record far behind the symbol before it; older ones list it under that symbol.
 */
export function compareNames(audited: Audited, listed: readonly string[]): string[] {
  const found = lasting(audited);
  const primary = new Map<string, string>();
  // Functions without a site, too: overridden code is listed under any name of what stands before it.
  const named = [...audited.sites.report.functions, ...found];
  for (const { function: f } of named) for (const name of f.aliases) primary.set(name, f.name);
  for (const { function: f } of named) primary.set(f.name, f.name);
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
  for (const { near } of overridden.slice(0, Math.max(0, overridden.length - marked)))
    count(primary.get(near) ?? near, -1);
  if (marked > overridden.length) count("__ftrace_invalid_address__", marked - overridden.length);
  return [...balance].filter(([, n]) => n !== 0).map(([name, n]) => `${n > 0 ? "+" : "-"}${name}`);
}

export interface ByteCounts {
  sites: number;
  /** Sites that are calls in memory. */
  calls: number;
  /** What the calls call: one address a file. */
  target: bigint | null;
  readonly faults: string[];
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/**
 * Compares each site's bytes in memory with those that `--as` gives.
 * @param ops the ftrace_ops that the pointer in front of each site names, where there are such; null: not compared.
 */
export async function compareBytes(
  audited: Audited,
  state: SiteState,
  memory: ReadMemory,
  ops: bigint | null,
): Promise<ByteCounts> {
  const counts: ByteCounts = { sites: 0, calls: 0, target: null, faults: [] };
  const { file } = audited.sites;
  const dumps = new Map<number, Buffer>();
  for (const s of lasting(audited)) {
    if (s.entry === null) continue;
    const { section } = s.function;
    const base = audited.at(sectionOf(audited, s)) as bigint;
    let dump = dumps.get(section);
    if (dump === undefined) {
      try {
        dump = await memory(base, file.sections.size(section));
      } catch (error) {
        throw new Error(`${audited.name} ${sectionOf(audited, s)}`, { cause: error });
      }
      dumps.set(section, dump);
    }
    const site = base + BigInt(s.entry.site);
    const place = `${audited.name}: ${s.function.name} (${s.entry.form}) at ${site.toString(16)}`;
    counts.sites++;
    const half = s.entry.form === "out of line" ? branchFrom(dump, s.entry.site, site) : null;
    const isCall = half !== null || calledFrom(file.arch, dump, s.entry.site, site) !== null;
    if (isCall) counts.calls++;
    // The tracer leaves out what it uses itself: such a site is still a nop.
    const as = state === "call" && isCall ? "call" : "nop";
    if (half !== null) {
      // The stubs of vmlinux lie in its code.
      const inDump = Number(half - 8n - base);
      const isHere = inDump >= 0 && inDump + HALF <= dump.length;
      const bytes = isHere ? dump.subarray(inDump, inDump + HALF) : await memory(half - 8n, HALF);
      const found = readHalf(bytes, half, site);
      counts.faults.push(...found.faults.map((fault) => `${place}: out of line ${fault}`));
      if (ops !== null && found.ops !== ops)
        counts.faults.push(`${place}: operations at ${found.ops.toString(16)}, expected ${ops.toString(16)}`);
      counts.target ??= found.calls;
      if (found.calls !== counts.target) counts.faults.push(`${place}: calls ${found.calls?.toString(16)}`);
    } else if (as === "call") counts.target ??= calledFrom(file.arch, dump, s.entry.site, site);
    const at = { site, target: half ?? counts.target ?? undefined, ops: as === state ? (ops ?? undefined) : undefined };
    const writes = siteBytes(file.arch, s.entry, as, at, audited.version);
    for (const { offset, bytes } of writes) {
      const from = s.entry.site + offset;
      const found = hexOf(dump.subarray(from, from + bytes.length));
      if (found !== hexOf(bytes))
        counts.faults.push(`${place}${offset < 0 ? offset : `+${offset}`}: ${found}, expected ${hexOf(bytes)}`);
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

/** A file that the guest loads. */
export interface Loaded {
  readonly bytes: Uint8Array;
  readonly sites: Sites;
}

export interface GuestAudit {
  /** Modules that stayed loaded. */
  modules: number;
  /** Lines of available_filter_functions. */
  listed: number;
  /** Functions in them that were compared, and sites whose bytes were, with the tracer off and on. */
  functions: number;
  off: number;
  on: number;
  /** Sites that were calls with the tracer on. */
  calls: number;
  /** Sites of vmlinux among them. */
  vmlinux: number;
  readonly faults: string[];
}

/** Boots a kernel with modules and holds the sites of all of them, and of vmlinux, against it. */
export async function auditGuest(options: {
  readonly arch: ArchName;
  readonly cpu?: string | undefined;
  readonly kernel: string;
  readonly version: KernelVersion;
  readonly folder: string;
  readonly modules: ReadonlyMap<string, Loaded>;
  readonly vmlinux: Sites | null;
}): Promise<GuestAudit> {
  const { arch, version } = options;
  const sums: GuestAudit = { modules: 0, listed: 0, functions: 0, off: 0, on: 0, calls: 0, vmlinux: 0, faults: [] };
  const audited = (guest: Guest): Audited[] => {
    const all: Audited[] = [];
    for (const [name, { sites }] of options.modules) {
      const at = guest.sections.get(name);
      if (at === undefined) continue;
      // The module loader of ppc64 frees no init sections.
      const isGone = (section: string): boolean => section.startsWith(".init") && arch !== "ppc64le";
      all.push({ name, sites, version, at: (s) => (isGone(s) ? null : (at.get(s) ?? null)) });
    }
    if (options.vmlinux !== null) all.push(linked(options.vmlinux, version));
    return all;
  };
  const address = ({ kallsyms }: Guest, name: string): bigint | null => {
    const line = kallsyms.find((l) => l.slice(19) === name);
    return line === undefined ? null : BigInt(`0x${line.slice(0, 16)}`);
  };
  /** arm64 with nops in front of functions, ppc64le out of line: whose ops a site without, and with, the one tracer names. */
  const ops = (guest: Guest, name: string): bigint | null => (arch === "x86_64" ? null : address(guest, name));
  await trace({
    arch,
    cpu: options.cpu,
    kernel: options.kernel,
    folder: options.folder,
    modules: new Map([...options.modules].map(([name, { bytes }]) => [name, bytes])),
    off: async (guest) => {
      const listed = new Map<string, string[]>();
      for (const line of guest.functions) {
        const [, name = "", module = "vmlinux"] = /^(\S+)(?: \[(\w+)\])?/.exec(line) ?? [];
        const known = listed.get(module);
        if (known === undefined) listed.set(module, [name]);
        else known.push(name);
      }
      sums.listed = guest.functions.length;
      for (const one of audited(guest)) {
        const names = listed.get(one.name) ?? [];
        for (const fault of compareNames(one, names)) sums.faults.push(`${one.name}: ${fault}`);
        const counts = await compareBytes(one, "nop", guest.memory, ops(guest, "ftrace_nop_ops"));
        sums.faults.push(...counts.faults);
        if (counts.calls !== 0) sums.faults.push(`${one.name}: ${counts.calls} calls with the tracer off`);
        sums.off += counts.sites;
        sums.functions += names.length;
        if (one.name === "vmlinux") sums.vmlinux = counts.sites;
        else sums.modules++;
      }
    },
    on: async (guest) => {
      const tracers = new Set(
        guest.kallsyms
          .filter((l) => /^ftrace_(?:regs_)?caller$|^ftrace_trampoline\t/.test(l.slice(19)))
          .map((l) => BigInt(`0x${l.slice(0, 16)}`)),
      );
      for (const one of audited(guest)) {
        const counts = await compareBytes(one, "call", guest.memory, ops(guest, "global_ops"));
        sums.faults.push(...counts.faults);
        sums.on += counts.sites;
        sums.calls += counts.calls;
        const { target } = counts;
        // The tracer itself, or the module's own way to it.
        const own = [".stubs", ".text.ftrace_trampoline"].map((s) => one.at(s));
        const isNear = own.some((at) => at !== null && target !== null && target >= at && target < at + 0x10000n);
        if (target !== null && !tracers.has(target) && !isNear)
          sums.faults.push(`${one.name}: its sites call ${target.toString(16)}`);
      }
    },
  });
  return sums;
}

/** A linked file is where it says: the guest has no KASLR. */
function linked(sites: Sites, version: KernelVersion): Audited {
  const { file } = sites;
  const at = (section: string): bigint | null => {
    const index = file.sections.findByName(section);
    return index === null || /^\.(?:init|exit)/.test(section) ? null : file.sections.addr(index);
  };
  return { name: "vmlinux", sites, version, at };
}
