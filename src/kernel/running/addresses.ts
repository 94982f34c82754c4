// Addresses of a running kernel's symbols, as the loader and the livepatch core look them up.

import { type Addr, addr } from "../../base/brand.ts";
import { OrderedView } from "../../base/bytes.ts";
import type { SymbolList } from "../symbols/symbolList.ts";
import type { KernelMemory } from "./memory.ts";

/** What the image pass asks of a kernel. */
export interface KernelAddresses {
  /** Name of the source, for messages. */
  readonly source: string;
  /** Value of a symbol that vmlinux or a loaded module exports; null if none does. */
  exported(name: string): Addr | null;
  /** All symbols of one object (`vmlinux` or a module's name) called `name`, in the order that positions count. */
  inObject(object: string, name: string): readonly Addr[];
  /** The module that exports a name, as its file says, wherever it is loaded; null if none does. */
  exporter?(name: string): string | null;
  /** Names to suggest from. */
  names(): Iterable<string>;
}

/** What a list of symbols, or all that is known of a kernel, has in common. */
export type SymbolSource = Pick<SymbolList, "source" | "find" | "exports" | "hasExports" | "modulesWith" | "findIn"> & {
  names(): Iterable<string>;
};

/** Looks things up in a System.map or kallsyms listing, or in whatever was given of a kernel. */
export function addressesOf(list: SymbolSource): KernelAddresses {
  const global = (name: string): Addr | null => {
    const all = list.find(name);
    // The export is that of the global symbol; static ones may share its name.
    return (all.find((s) => s.letter !== s.letter.toLowerCase()) ?? all[0])?.address ?? null;
  };
  return {
    source: list.source,
    exported: (name) => {
      if (list.exports(name) || !list.hasExports) return global(name);
      const owner = list.modulesWith(name).find((m) => m.exported);
      return owner === undefined ? null : (list.findIn(owner.module, name)[0]?.address ?? null);
    },
    inObject: (object, name) =>
      (object === "vmlinux" ? list.find(name) : list.findIn(object, name)).map((s) => s.address),
    names: () => list.names(),
  };
}

/**
 * The same, with exported symbols that the listing leaves out: their addresses stand in the kernel's export table.
 */
export function withExportTable(
  kernel: KernelAddresses,
  memory: KernelMemory,
  { relativeExports, littleEndian }: { readonly relativeExports: boolean; readonly littleEndian: boolean },
): KernelAddresses {
  return {
    source: kernel.source,
    exported: (name) => {
      const known = kernel.exported(name);
      if (known !== null) return known;
      const entry = kernel.inObject("vmlinux", `__ksymtab_${name}`)[0];
      const bytes = entry === undefined ? null : memory(entry, 8);
      if (entry === undefined || bytes === null) return null;
      const view = new OrderedView(bytes, littleEndian);
      return addr(relativeExports ? entry + BigInt(view.getInt32(0)) : view.getBigUint64(0));
    },
    inObject: (object, name) => kernel.inObject(object, name),
    names: () => kernel.names(),
  };
}
