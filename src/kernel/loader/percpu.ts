// The per-CPU area of a loaded module, which only the kernel's symbol list shows.

import { OrderedView } from "../../base/bytes.ts";
import type { Btf } from "../../elf/btf.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { KernelMemory } from "../running/memory.ts";
import type { SymbolList } from "../symbols/symbolList.ts";
import { PERCPU_SECTION } from "./layout.ts";

/** Address of the module's per-CPU area, from any of its variables in a kallsyms listing; null if none is there. */
export function findPercpu(elf: ElfFile, module: string, list: Pick<SymbolList, "findIn">): bigint | null {
  const section = elf.sections.findByName(PERCPU_SECTION);
  if (section === null || elf.symbols === null) return null;
  for (let i = 1; i < elf.symbols.count; i++) {
    if (elf.symbols.sectionOf(i) !== section) continue;
    const [found, second] = list.findIn(module, elf.symbols.name(i));
    if (found !== undefined && second === undefined) return BigInt.asUintN(64, found.address - elf.symbols.value(i));
  }
  return null;
}

/**
 * The same from the module's own struct module, where `percpu` says it; null if the module has none, or the types do not tell.
 * @param struct address of struct module @param types those of the kernel, asked for only if they are needed
 */
export function percpuFromStruct(
  struct: bigint | null,
  types: () => Btf | null,
  memory: KernelMemory,
  elf: ElfFile,
): bigint | null {
  const section = elf.sections.findByName(PERCPU_SECTION);
  if (struct === null || section === null || elf.sections.size(section) === 0) return null;
  const offset = types()?.memberOffset("module", "percpu") ?? null;
  const bytes = offset === null ? null : memory(struct + BigInt(offset), 8);
  const found = bytes === null ? 0n : new OrderedView(bytes, elf.littleEndian).getBigUint64(0);
  return found === 0n ? null : found;
}
