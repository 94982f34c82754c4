// The bytes that the kernel writes at a site: when it is loaded (tracing off), and when the site is enabled.
// Sources: arch/{x86,arm64,powerpc}/kernel/{ftrace.c,trace/ftrace.c}, 6.12 and 7.2: ftrace_init_nop, ftrace_make_call.

import { hex, OrderedView, wordBytes } from "../base/bytes.ts";
import { elfMachines } from "../elf/machine.ts";
import type { KernelVersion } from "../kernel/version.ts";
import { hasFact } from "../kernel/versionFacts.ts";
import { A64 } from "./arm64.ts";
import type { CodeFile } from "./codeFile.ts";
import type { FunctionEntry } from "./forms.ts";
import { PPC } from "./ppc64le.ts";

/** Bytes of memory, `offset` relative to the site (rec->ip). */
export interface SiteWrite {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export type SiteState = "nop" | "call";

/** The bytes cannot be known. */
export class SiteBytesError extends Error {}

export interface SiteAddress {
  /** Address of the site (rec->ip) in the running kernel. */
  readonly site: bigint;
  /** What an enabled site calls: a trampoline, or the module's own stub to it. Without one only a nop can be written. */
  readonly target?: bigint | undefined;
  /**
   * arm64 with nops in front of functions (DYNAMIC_FTRACE_WITH_CALL_OPS): address of the ftrace_ops that the literal there
   * names: ftrace_nop_ops at load, the one tracer's own when it is alone, ftrace_list_ops for several.
   */
  readonly ops?: bigint | undefined;
}

/** `bl` of arm64. @throws SiteBytesError out of reach. */
function a64Bl(from: bigint, to: bigint): number {
  const distance = BigInt.asIntN(64, to - from);
  if (distance % 4n !== 0n) throw misaligned(to);
  if (distance < -0x800_0000n || distance >= 0x800_0000n) throw unreachableFrom(from, to, "128 MiB");
  return (0x9400_0000 | Number(BigInt.asUintN(26, distance >> 2n))) >>> 0;
}

/** `bl` or `b` of ppc64le. @throws SiteBytesError out of reach. */
export function ppcBranch(from: bigint, to: bigint, links: boolean): number {
  const distance = BigInt.asIntN(64, to - from);
  if (distance % 4n !== 0n) throw misaligned(to);
  if (distance < -0x200_0000n || distance >= 0x200_0000n) throw unreachableFrom(from, to, "32 MiB");
  return (0x4800_0000 | Number(BigInt.asUintN(26, distance)) | (links ? 1 : 0)) >>> 0;
}

function x86Call(from: bigint, to: bigint, littleEndian: boolean): Uint8Array {
  const distance = BigInt.asIntN(64, to - (from + 5n));
  if (distance < -0x8000_0000n || distance > 0x7fff_ffffn) throw unreachableFrom(from, to, "2 GiB");
  const bytes = new Uint8Array(5);
  bytes[0] = 0xe8;
  new OrderedView(bytes, littleEndian).setInt32(1, Number(distance));
  return bytes;
}

const misaligned = (to: bigint): SiteBytesError =>
  new SiteBytesError(`${hex(to)} is not a multiple of 4: no instruction begins there`);

const unreachableFrom = (from: bigint, to: bigint, reach: string): SiteBytesError =>
  new SiteBytesError(
    `a call at ${hex(from)} does not reach ${hex(to)} (${reach} at most): give the address of the module's own stub to it`,
  );

/** The pointer in front of an arm64 site: at (ip - 12) rounded down to 8, behind it a bti or nothing. */
function opsLiteral(site: bigint, ops: bigint, littleEndian: boolean): SiteWrite {
  const bytes = new Uint8Array(8);
  new OrderedView(bytes, littleEndian).setBigUint64(0, ops);
  return { offset: Number(((site - 12n) & ~7n) - site), bytes };
}

/** nopl 0(%rax,%rax,1) */
const X86_NOP5 = [0x0f, 0x1f, 0x44, 0x00, 0x00] as const;

/** ppc64le: b over one word. */
const B_PLUS_8 = 0x4800_0008;
const LD_R2_24_R1 = 0xe841_0018;

/**
 * What the kernel writes around a site to bring it into a state: all that differs from what the compiler wrote or may
 * differ from it, in ascending order. `nop` is what load leaves behind (ftrace_init_nop), and what a site is when tracing
 * is off; `call` is an enabled site.
 * @param at where the site and the target are; null is enough for a nop without its literal.
 * @param version of the kernel; null: as 6.12 does.
 * @throws SiteBytesError if the address is needed and missing or out of reach, or the form has no such state.
 */
export function siteBytes(
  arch: CodeFile["arch"],
  entry: FunctionEntry,
  state: SiteState,
  at: SiteAddress | null,
  version: KernelVersion | null,
): SiteWrite[] {
  const address = (): { readonly site: bigint; readonly target: bigint } => {
    if (at?.target === undefined) throw new SiteBytesError("a call needs the addresses of the site and of its target");
    return { site: at.site, target: at.target };
  };
  const isCall = state === "call";
  const { littleEndian } = elfMachines[arch];
  /** The word of the site: a branch to the target in a call, else what stands there when tracing is off. */
  const word = (off: number, branch: (site: bigint, target: bigint) => number): number =>
    isCall ? branch(address().site, address().target) : off;
  const bl = (site: bigint, target: bigint): number => ppcBranch(site, target, true);
  const words = (...list: readonly number[]): Uint8Array => wordBytes(list, littleEndian);
  switch (entry.form) {
    case "fentry":
    case "nop5": {
      const bytes = isCall ? x86Call(address().site, address().target, littleEndian) : new Uint8Array(X86_NOP5);
      return [{ offset: 0, bytes }];
    }
    case "patchable":
    case "patchable before":
    case "mov x9": {
      const site = { offset: -4, bytes: words(A64.movX9Lr, word(A64.nop, a64Bl)) };
      return entry.form === "patchable before" && at?.ops !== undefined
        ? [opsLiteral(at.site, at.ops, littleEndian), site]
        : [site];
    }
    case "arm64 mcount":
      return [{ offset: 0, bytes: words(word(A64.nop, a64Bl)) }];
    case "profile two":
      return [{ offset: 0, bytes: words(word(PPC.nop, bl)) }];
    case "profile three":
      // The store of gcc 5's form stays in 6.12 and is taken out at load in 7.2.
      return version !== null && hasFact(version, "ppcGcc5Removed")
        ? [{ offset: -4, bytes: words(PPC.nop, word(PPC.nop, bl)) }]
        : [{ offset: 0, bytes: words(word(PPC.nop, bl)) }];
    case "ppc patchable":
      return [{ offset: -4, bytes: words(PPC.mflrR0, word(PPC.nop, bl)) }];
    case "out of line":
      // The target is the function's own stub, and the site branches without linking.
      return [{ offset: 0, bytes: words(word(PPC.nop, (site, target) => ppcBranch(site, target, false))) }];
    case "ppc mcount":
      return [{ offset: 0, bytes: words(word(B_PLUS_8, bl), LD_R2_24_R1) }];
    case "x86 mcount":
    case "stp mov bl ldp":
    case "mov bl mov":
    case "nops before the global entry":
      throw new SiteBytesError(`no ${arch} kernel patches this form (${entry.form})`);
  }
}
