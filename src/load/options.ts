// What the image pass is asked for.

import type { Placement } from "../kernel/loader/layout.ts";
import type { KernelAddresses } from "../kernel/running/addresses.ts";
import type { KernelVersion } from "../kernel/version.ts";
import type { GivenParameter, PatchedName, X86State } from "./facts.ts";
import type { KernelTypes } from "./structModule.ts";

export interface ImageOptions {
  /** Name of the input for messages. */
  readonly file: string;
  readonly placement: Placement;
  /** Addresses of the kernel's symbols; null: undefined symbols cannot be resolved. */
  readonly kernel: KernelAddresses | null;
  readonly kernelVersion?: KernelVersion;
  /** ppc64le: the kernel's TOC base, where its symbols do not tell. */
  readonly kernelToc?: bigint;
  /** ppc64le: offset of kernel_toc in the paca; 16 unless given. */
  readonly pacaTocOffset?: number;
  readonly erratum843419?: boolean;
  /** `relocated`: straight after relocation, before module_finalize. `loaded`: with what comes until init. */
  readonly stage: "relocated" | "loaded";
  /** With `loaded`: the module has run since, so that sites that may be patched at any time are not known. */
  readonly running?: boolean;
  /** x86_64, with `loaded`: what the kernel made of returns, indirect branches and so on; places are listed otherwise. */
  readonly x86?: X86State;
  /** With `loaded`: the module parameters that were given; null: not given, so that their places are listed. */
  readonly parameters?: readonly GivenParameter[] | null;
  /** With `loaded`: functions that a livepatch in force patches; null: not given, so that the sites of all are listed. */
  readonly patched?: readonly PatchedName[] | null;
  /** The kernel's structs, for the fields of struct module; without them most of it is not known. */
  readonly types?: KernelTypes | null;
  /** Bytes; the architecture's usual size unless given. */
  readonly pageSize?: number;
  /** Command that links the file, for help texts. */
  readonly command?: string;
  /** Objects that are loaded too: their livepatch relocations are applied, in this order, after the module is loaded. */
  readonly late?: readonly string[];
}
