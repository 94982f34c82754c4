// The kernels with livepatch that the tests build, one an architecture, and how modules for them are built.

import { cpSync } from "node:fs";
import type { ArchName } from "./capture.ts";
import { mustRun } from "./run.ts";

export interface LabKernel {
  /** The architecture, or more where there are several kernels of one. */
  readonly name: ArchName | "ppc64le-pcrel";
  readonly arch: ArchName;
  /** The CPU that QEMU emulates, if the usual one is too old. */
  readonly cpu?: string;
  readonly script: string;
  /** What is booted, in the built kernel's folder. */
  readonly image: string;
  readonly make: readonly string[];
  readonly compiler: string;
}

export const labKernels: readonly LabKernel[] = [
  {
    name: "ppc64le",
    arch: "ppc64le",
    script: "test/boot/build-kernel.sh",
    image: "vmlinux",
    make: ["ARCH=powerpc", "CROSS_COMPILE=powerpc64le-linux-gnu-"],
    compiler: "powerpc64le-linux-gnu-gcc",
  },
  {
    name: "ppc64le-pcrel",
    arch: "ppc64le",
    cpu: "power10",
    script: "test/boot/build-pcrel-kernel.sh",
    image: "vmlinux",
    make: ["ARCH=powerpc", "CROSS_COMPILE=powerpc64le-linux-gnu-"],
    compiler: "powerpc64le-linux-gnu-gcc",
  },
  {
    name: "x86_64",
    arch: "x86_64",
    script: "test/boot/build-x86_64-kernel.sh",
    image: "arch/x86/boot/bzImage",
    make: ["ARCH=x86_64", "CROSS_COMPILE=x86_64-linux-gnu-"],
    compiler: "x86_64-linux-gnu-gcc",
  },
  {
    name: "arm64",
    arch: "arm64",
    script: "test/boot/build-arm64-kernel.sh",
    image: "arch/arm64/boot/Image",
    make: ["ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-"],
    compiler: "aarch64-linux-gnu-gcc",
  },
];

/** The folder of the built kernel. Takes minutes when the cache has none. */
export const treeOf = ({ script }: LabKernel): string => mustRun("bash", [script]).trim();

/** Builds the modules of a folder below test/boot in a copy. @param to the copy, which must not exist */
export function buildModules({ make }: LabKernel, tree: string, from: string, to: string): void {
  cpSync(from, to, { recursive: true });
  // The warning option lets symbols through that vmlinux does not export.
  mustRun("make", ["-s", "-C", tree, `M=${to}`, ...make, "KBUILD_MODPOST_WARN=1", "modules"]);
}

/** Compiles capture.c, the user space of a capture. */
export function captureInit(compiler: string, to: string): void {
  const source = new URL("capture.c", import.meta.url).pathname;
  mustRun(compiler, ["-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", to, source]);
}

/** The compiler of an architecture. */
export const compilerOf = (arch: ArchName): string => labKernels.find((k) => k.arch === arch)?.compiler ?? "gcc";
