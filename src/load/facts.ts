// What the rewrites between relocation and init depend on, apart from the module.

import type { Arch } from "../arch/index.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { KernelVersion } from "../kernel/version.ts";
import type { HasFact } from "../kernel/versionFacts.ts";
import type { OutOfLine } from "../stubs/loader.ts";

/**
 * What an x86 kernel makes of the calls that its build prepared for mitigations. Null: not known, so the places are
 * listed.
 */
export interface X86State {
  /**
   * `plain`: `ret`. `thunk`: `jmp __x86_return_thunk` stays. Otherwise the name of the thunk in use, which is what the
   * kernel's variable x86_return_thunk points at. (its_return_thunk takes only returns in lower halves of cache lines.)
   */
  readonly returns: string | null;
  /**
   * Indirect branches: `plain`, `retpoline` (the thunk call stays), `lfence`, `depth` (through the thunks that count
   * calls) or `its` (plain, but through a private thunk in lower halves of cache lines).
   */
  readonly indirect: "plain" | "retpoline" | "lfence" | "depth" | "its" | null;
  /** Direct calls: `plain`, or `depth`: sent to code before the callee that counts them. */
  readonly calls: "plain" | "depth" | null;
  /** LOCK prefixes: `smp` (they stay) or `up`. */
  readonly locks: "smp" | "up" | null;
}

/** NAME=VALUE as it is given to insmod; null: NAME alone. */
export interface GivenParameter {
  readonly name: string;
  readonly value: string | null;
}

/** Why the kernel does not take one. */
export interface ParameterFault {
  readonly name: string;
  readonly value: string | null;
  /** `unknown`: it says so and goes on; the others end the loading. */
  readonly kind: "unknown" | "invalid" | "too large";
}

/** A function of the module that a livepatch names. */
export interface PatchedName {
  readonly name: string;
  /** 0: the name must be unique. */
  readonly position: number;
}

export const X86_UNKNOWN: X86State = { returns: null, indirect: null, calls: null, locks: null };

export interface RewriteFacts {
  readonly arch: Arch;
  readonly file: ElfFile;
  readonly version: KernelVersion | null;
  readonly has: HasFact;
  readonly hasFtrace: boolean;
  /** The module is in use: traced and livepatched functions call their tracer. */
  readonly running: boolean;
  readonly x86: X86State;
  /** Whether a section lies in memory that is freed after init. */
  readonly isInit: (section: number) => boolean;
  /** Address of a symbol of vmlinux, exported or not; null if it is not known. */
  readonly kernelSymbol: (name: string) => bigint | null;
  /** Name of the undefined symbol with this value; null if no symbol of the module has it. */
  readonly nameOf: (address: bigint) => string | null;
  /** Parameters that were given; null: not given. */
  readonly parameters: readonly GivenParameter[] | null;
  /** Functions that a livepatch in force patches; null: not given. */
  readonly patched: readonly PatchedName[] | null;
  /** Told of parameters that the kernel does not take, and of functions that cannot be patched. */
  readonly refused: (fault: ParameterFault | { readonly kind: "no site"; readonly name: string }) => void;
  /** ppc64le: see {@link OutOfLine}. */
  readonly outOfLine: OutOfLine | null;
}

export const CPU = "depends on the CPU's features and the boot parameters";
