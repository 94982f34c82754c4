// What was taken for a kernel that is named and not given file by file.

import { visible } from "../../../base/visible.ts";
import type { FileKind } from "./kernelPlaces.ts";
import type { KernelSource } from "./kernelSources.ts";

const TELLS: Readonly<Record<FileKind, string>> = {
  kernel: "symbols and exports",
  map: "symbols",
  symvers: "exports of modules, checksums",
  config: "configuration",
};

/** What would tell what none of the files does. */
const MISSING: Readonly<Record<"kernel" | "symvers" | "config", string>> = {
  kernel: "exports, release, types: no vmlinux or vmlinuz that may be read",
  symvers: "exports of modules that are not given: no Module.symvers (linux-headers, kernel-devel)",
  config: "the configuration: no config (linux-image, kernel-core)",
};

/** A line for each file that was found, and one for each kind that was not. */
export function takenText(sources: readonly KernelSource[]): string {
  const lines: string[] = [];
  for (const { name, inputs, isFound } of sources) {
    if (!isFound) continue;
    lines.push(`kernel ${visible(name)}:`);
    for (const { kind, name: file } of inputs) lines.push(`  ${kind === null ? "" : TELLS[kind]}: ${visible(file)}`);
    const kinds = new Set(inputs.map(({ kind }) => kind));
    for (const kind of ["kernel", "symvers", "config"] as const)
      if (!kinds.has(kind)) lines.push(`  not known: ${MISSING[kind]}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}
