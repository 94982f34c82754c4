// What is known of a kernel, and what tells it.

import { archNameOf } from "../elf/machine.ts";
import type { Kernel } from "./kernel.ts";
import { findKernelMachine } from "./machines.ts";

/** One fact; null: nothing tells. */
export interface Fact<T> {
  readonly value: T | null;
  /** The file, or the part of the kernel, that tells it; null if nothing does. */
  readonly from: string | null;
}

export interface KernelFacts {
  readonly release: Fact<string>;
  readonly arch: Fact<string>;
  readonly vermagic: Fact<string>;
  /** Number of symbols of vmlinux. */
  readonly symbols: Fact<number>;
  /** Names that several symbols have: a livepatch needs their positions. */
  readonly repeated: Fact<number>;
  /** Exports of vmlinux, those only for GPL-compatible modules, and those with a checksum. */
  readonly exports: Fact<number>;
  readonly gplOnly: Fact<number>;
  readonly checksums: Fact<number>;
  /** Places that ftrace can patch. */
  readonly patchSites: Fact<number>;
  /** Bytes of struct module. */
  readonly structModule: Fact<number>;
  /** CONFIG_LIVEPATCH. */
  readonly livepatch: Fact<boolean>;
  /** CONFIG_KALLSYMS_ALL: data is listed, too. */
  readonly listsData: Fact<boolean>;
  /** CONFIG_MODVERSIONS. */
  readonly modversions: Fact<boolean>;
  /** x86_64: CONFIG_X86_KERNEL_IBT. */
  readonly ibt: Fact<boolean>;
  /** x86_64: bytes in front of functions (CONFIG_CALL_PADDING); 0: none. */
  readonly callPadding: Fact<number>;
  /** ppc64le: how the kernel addresses its data. */
  readonly toc: Fact<"TOC" | "PCREL">;
  /** Number of options that its configuration sets. */
  readonly config: Fact<number>;
}

const unknown = { value: null, from: null } as const;
const fact = <T>(value: T | null, from: string | null): Fact<T> => (value === null ? unknown : { value, from });

/** All that the files of a kernel tell; nothing is guessed. */
export function describeKernel(kernel: Kernel): KernelFacts {
  const { list } = kernel;
  const source = list?.source ?? null;
  const machine = kernel.machines[0]?.machine;
  const arch = machine === undefined ? null : archNameOf(machine);
  const exports = countExports(kernel);
  const has = (name: string): boolean => kernel.find(name).length > 0;
  const ofConfig = (option: string): Fact<boolean> | null =>
    kernel.config === null
      ? null
      : { value: kernel.config.options.has(option), from: `${option} in ${kernel.config.source}` };
  /** What the kernel shows counts; what a list of symbols lacks, it may only not list. */
  const told = (option: string, seen: Fact<boolean>): Fact<boolean> =>
    seen.value === true ? seen : (ofConfig(option) ?? seen);
  const row = machine === undefined ? null : findKernelMachine(machine);
  const pads = row?.landingPadMark ?? null;
  const marks = row?.tocMarks ?? { toc: [], pcrel: [] };
  const toc = marks.toc.some(has) ? "TOC" : marks.pcrel.some(has) ? "PCREL" : null;
  return {
    release: fact(kernel.release, kernel.releaseSource),
    arch: fact<string>(arch, kernel.machines[0]?.source ?? null),
    vermagic: fact(kernel.vermagic, source && `vermagic in ${source}`),
    symbols: fact(list?.size ?? null, source),
    repeated: fact(list?.countRepeated() ?? null, source),
    exports: fact(exports?.all ?? null, exports?.from ?? null),
    gplOnly: fact(exports?.gplOnly ?? null, exports?.from ?? null),
    checksums: fact(exports?.checksums ?? null, exports?.from ?? null),
    patchSites: fact(kernel.ftraceSiteCount, source && `__mcount_loc in ${source}`),
    structModule: fact(kernel.structModule?.size ?? null, source && `BTF in ${source}`),
    livepatch: told("CONFIG_LIVEPATCH", fact(kernel.hasLivepatch, source && `klp_ symbols in ${source}`)),
    listsData: told(
      "CONFIG_KALLSYMS_ALL",
      fact(list === null ? null : has("linux_banner"), source && `linux_banner in ${source}`),
    ),
    modversions: told(
      "CONFIG_MODVERSIONS",
      fact(kernel.vermagic === null ? null : / modversions /.test(`${kernel.vermagic} `), "vermagic"),
    ),
    ibt:
      pads === null
        ? unknown
        : told("CONFIG_X86_KERNEL_IBT", fact(list === null ? null : has(pads), source && `${pads} in ${source}`)),
    callPadding: row?.padsFunctions === true ? callPaddingOf(kernel) : unknown,
    toc: fact<"TOC" | "PCREL">(toc, source),
    config: fact(kernel.config?.options.size ?? null, kernel.config?.source ?? null),
  };
}

function countExports(kernel: Kernel): { all: number; gplOnly: number; checksums: number; from: string } | null {
  const found = kernel.exportsOfVmlinux;
  if (found === null) return null;
  let gplOnly = 0;
  let checksums = 0;
  for (const one of found.exports) {
    if (one.gplOnly === true) gplOnly++;
    if (one.crc !== null) checksums++;
  }
  return { all: found.exports.length, gplOnly, checksums, from: found.source };
}

/** Distance from `__pfx_NAME`, which stands in front of a padded function, to NAME. */
function callPaddingOf(kernel: Kernel): Fact<number> {
  if (kernel.list === null) return unknown;
  const from = `__pfx_ symbols in ${kernel.list.source}`;
  const bytes = kernel.config?.options.get("CONFIG_FUNCTION_PADDING_BYTES");
  for (const name of ["schedule", "vfs_read", "kfree", "do_exit"]) {
    const [padding] = kernel.find(`__pfx_${name}`);
    const [start] = kernel.find(name);
    if (padding !== undefined && start !== undefined) return { value: Number(start.address - padding.address), from };
  }
  if (bytes !== undefined) return { value: Number(bytes), from: kernel.config?.source ?? null };
  return { value: 0, from };
}
