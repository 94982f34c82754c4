// A distribution's kernel package, unpacked: which modules to load, in which order, and what they need to know.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { readElf } from "../../src/elf/reader.ts";
import { readModInfo } from "../../src/kernel/module/modinfo.ts";
import { addressesOf, type KernelAddresses } from "../../src/kernel/running/addresses.ts";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import type { ModuleImage } from "../../src/passes/image/image.ts";
import type { Captured } from "../passes/image/captured.ts";
import type { ReadMemory } from "./capture.ts";

export interface Distro {
  readonly kernel: string;
  /** Module name -> path. */
  readonly modules: ReadonlyMap<string, string>;
}

export function openDistro(root: string): Distro {
  const boot = readdirSync(join(root, "boot")).find((name) => /^vmlinu[xz]-/.test(name));
  const lib = join(root, "lib/modules");
  const release = readdirSync(lib)[0];
  if (boot === undefined || release === undefined) throw new Error(`${root} holds no unpacked kernel package`);
  const modules = new Map<string, string>();
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (/\.ko(\.xz)?$/.test(entry.name)) modules.set(moduleName(path), path);
    }
  };
  walk(join(lib, release));
  return { kernel: join(root, "boot", boot), modules };
}

export const moduleName = (path: string): string =>
  basename(path)
    .replace(/\.ko(\.xz)?$/, "")
    .replaceAll("-", "_");

export function readModule(path: string): Uint8Array {
  if (!existsSync(path)) throw new Error(`${path}: no such module`);
  return path.endsWith(".xz") ? execFileSync("xz", ["-dc", path], { maxBuffer: 1 << 28 }) : readFileSync(path);
}

/** The wanted modules with all that they depend on, each after what it needs. Names that do not exist are left out. */
export function loadOrder(distro: Distro, wanted: readonly string[]): Map<string, Uint8Array> {
  const order = new Map<string, Uint8Array>();
  const add = (name: string): void => {
    const path = distro.modules.get(name);
    if (path === undefined || order.has(name)) return;
    const bytes = readModule(path);
    const depends = readModInfo(readElf(bytes))?.get("depends") ?? "";
    for (const other of depends.split(",")) if (other !== "") add(other.replaceAll("-", "_"));
    order.set(name, bytes);
  };
  for (const name of wanted) add(name);
  return order;
}

/** The kernel's symbols, and what modules that were loaded before export. */
export class LoadedKernel implements KernelAddresses {
  readonly source = "kallsyms";
  readonly #kernel: KernelAddresses;
  readonly #exports = new Map<string, bigint>();

  constructor(kallsyms: string) {
    this.#kernel = addressesOf(parseSymbols(Buffer.from(`${kallsyms}\n`), "kallsyms"));
  }
  exported(name: string): ReturnType<KernelAddresses["exported"]> {
    return (
      this.#kernel.exported(name) ?? ((this.#exports.get(name) ?? null) as ReturnType<KernelAddresses["exported"]>)
    );
  }
  inObject(object: string, name: string): ReturnType<KernelAddresses["inObject"]> {
    return this.#kernel.inObject(object, name);
  }
  names(): Iterable<string> {
    return this.#kernel.names();
  }
  /** Exported symbols that kallsyms leaves out: their address stands in the export table's entry. */
  async readExports(names: readonly string[], memory: ReadMemory, relative: boolean): Promise<void> {
    for (const name of names) {
      const entry = this.#kernel.inObject("vmlinux", `__ksymtab_${name}`)[0];
      if (entry === undefined || this.exported(name) !== null) continue;
      const bytes = await memory(entry, 8);
      this.#exports.set(name, relative ? entry + BigInt(bytes.readInt32LE(0)) : bytes.readBigUInt64LE(0));
    }
  }
  /**
   * Exported data that kallsyms leaves out (kernels without CONFIG_KALLSYMS_ALL show functions only): its address is taken
   * from the symbol table of the first module that was resolved against it.
   */
  learn(module: Uint8Array, captured: Captured): void {
    const { symbols } = readElf(module);
    const table = captured.sections.find((s) => s.index === symbols?.section);
    if (symbols === null || table === undefined) return;
    const bytes = Buffer.from(table.bytes);
    for (let i = 1; i < symbols.count; i++) {
      const name = symbols.name(i);
      if (!symbols.isUndefined(i) || name.startsWith(".") || this.exported(name) !== null) continue;
      const value = bytes.readBigUInt64LE(i * 24 + 8);
      if (value !== 0n) this.#exports.set(name, value);
    }
  }
  add(image: ModuleImage): void {
    const own = new Map<string, bigint>();
    const exported: string[] = [];
    for (let i = 1; i < image.symbols.count; i++) {
      if (image.symbols.isUndefined(i)) continue;
      const name = image.symbols.name(i);
      const mark = /^__ksymtab_(.+)$/.exec(name);
      if (mark !== null) exported.push(mark[1] ?? "");
      else if (image.symbols.bind(i) !== 0) own.set(name, image.values[i] ?? 0n);
    }
    for (const name of exported) {
      const value = own.get(name);
      if (value !== undefined && !this.#exports.has(name)) this.#exports.set(name, value);
    }
  }
}
