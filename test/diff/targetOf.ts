// A kernel in which an object lies: made of the object's own symbols, each once, and of those that it needs.

import { findArch } from "../../src/arch/index.ts";
import { readElf } from "../../src/elf/reader.ts";
import { readKernelFile } from "../../src/kernel/detect.ts";
import { Kernel } from "../../src/kernel/kernel.ts";

/**
 * @param exports names that the kernel exports, beside the profiling calls; the others it does not
 * @param without names of the object that it does not have
 * @param more further symbols, which may have names that are there already
 */
export function kernelWith(
  object: Uint8Array,
  exports: readonly string[],
  without: readonly string[] = [],
  more: readonly string[] = [],
): Kernel {
  const exported = [...exports, "__fentry__", "_mcount"];
  const weak = new Set<string>();
  const names = new Set<string>(["_text", "klp_enable_patch", "load_module", ...exported]);
  const { symbols, header } = readElf(object);
  const base = findArch(header.machine)?.text.from ?? 0n;
  if (symbols !== null) {
    for (let i = 1; i < symbols.count; i++) {
      const name = symbols.name(i);
      // Section, file and mapping symbols are not in a kernel's list.
      if (name !== "" && !name.startsWith("$") && name !== ".TOC." && symbols.type(i) < 3 && !without.includes(name))
        names.add(name);
      if (symbols.bind(i) === 2) weak.add(name);
    }
  }
  const lines = [...names, ...more].map(
    (name, i) =>
      `${(base + 0x100_0000n + BigInt(i) * 4096n).toString(16)} ${weak.has(name) && names.has(name) ? "W" : "T"} ${name}`,
  );
  for (const name of exported) lines.push(`${(base + 0x800_0000n).toString(16)} r __ksymtab_${name}`);
  const file = readKernelFile(new TextEncoder().encode(`${lines.join("\n")}\n`), "System.map");
  if (file.kind !== "symbols") throw new Error("no symbol list");
  return new Kernel({ list: file.list });
}
