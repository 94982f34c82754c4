// Modules that are loaded beside the one at hand: where their exports and other symbols are.

import { type Addr, addr } from "../../base/brand.ts";
import type { KernelAddresses } from "../running/addresses.ts";
import type { ModuleFile } from "./moduleFile.ts";
import type { ModuleSymbol } from "./moduleSymbols.ts";

/** A loaded module: its file, and the addresses of its sections by name; null: only the kernel's list may tell. */
export interface LoadedModule {
  readonly file: ModuleFile;
  readonly sections: ReadonlyMap<string, bigint> | null;
}

/**
 * The kernel's addresses and those of modules. As find_symbol does: vmlinux first, then the module that was loaded last.
 * @param kernel null: nothing is known of vmlinux
 * @param modules in the order in which they were loaded
 */
export function withModules(kernel: KernelAddresses | null, modules: readonly LoadedModule[]): KernelAddresses | null {
  if (kernel === null && modules.length === 0) return null;
  const newestFirst = [...modules].reverse();
  const inModule = ({ file, sections }: LoadedModule, name: string): readonly Addr[] => {
    const listed = kernel?.inObject(file.name, name) ?? [];
    if (listed.length > 0 || sections === null) return listed;
    return file.findLive(name).flatMap((symbol) => addressOf(symbol, sections) ?? []);
  };
  return {
    source: kernel?.source ?? modules.map((m) => m.file.source).join(", "),
    exported: (name) => {
      const known = kernel?.exported(name) ?? null;
      if (known !== null) return known;
      for (const module of newestFirst) {
        const found = module.file.exports.has(name) ? inModule(module, name)[0] : undefined;
        if (found !== undefined) return found;
      }
      return null;
    },
    inObject: (object, name) => {
      const module = newestFirst.find((m) => m.file.name === object);
      return module === undefined ? (kernel?.inObject(object, name) ?? []) : inModule(module, name);
    },
    exporter: (name) => newestFirst.find((m) => m.file.exports.has(name))?.file.name ?? null,
    *names() {
      if (kernel !== null) yield* kernel.names();
      for (const { file } of modules) yield* file.exports.keys();
    },
  };
}

function addressOf({ section, offset }: ModuleSymbol, sections: ReadonlyMap<string, bigint>): Addr | null {
  if (section === null) return addr(BigInt(offset));
  const base = sections.get(section);
  return base === undefined ? null : addr(BigInt.asUintN(64, base + BigInt(offset)));
}
