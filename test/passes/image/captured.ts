// Captures that are checked in (test/golden/image): a module, and what a real kernel had in memory straight after it had
// relocated it. Made by test/boot/image.test.ts and distro.test.ts with KLPLINK_UPDATE_CAPTURES=1.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readElf } from "../../../src/elf/reader.ts";
import { parseKlpSymbol } from "../../../src/klp/symbols/names.ts";

import { type KernelTypes, STRUCTS } from "../../../src/load/structModule.ts";

/** A section in the kernel's memory. */
export interface CapturedSection {
  readonly index: number;
  readonly address: bigint;
  readonly bytes: Uint8Array;
}

export interface Captured {
  /** From struct module. */
  readonly module: string;
  /** sh_addr of every section header, as relocation left them (also of sections that are not loaded). */
  readonly addresses: readonly bigint[];
  /** Sections in memory. */
  readonly sections: readonly CapturedSection[];
  /** ppc64le: the kernel's r2. */
  readonly toc: bigint | null;
}

/** A module's memory at the three moments. */
export interface Moments {
  /** Straight after relocation. */
  readonly captured: Captured;
  /** Just before its init function runs; null: not seen. */
  readonly loaded: Captured | null;
  /** In use, by address, without what was freed; null: not seen. */
  readonly running: ReadonlyMap<bigint, Uint8Array> | null;
  /** Modules that were loaded when it was in use, for late livepatch relocations. */
  readonly objects: readonly string[];
}

export interface Golden extends Moments {
  readonly name: string;
  readonly module: Uint8Array;
  /** The kernel's symbols that the module needs, as kallsyms text. */
  readonly kallsyms: string;
  /** The kernel's structs, from its BTF; null: not taken along. */
  readonly types: KernelTypes | null;
}

/** Sections whose bytes are not those of the moment before. */
type Changes = readonly { readonly index: number; readonly bytes: string }[];

const folder = fileURLToPath(new URL("../../golden/image/", import.meta.url));
const hex = (v: bigint): string => `0x${v.toString(16)}`;

export function goldenCaptures(): Golden[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const text = readFileSync(join(folder, name, "capture.json"), "utf8");
      const data = JSON.parse(text) as {
        kallsyms: string[];
        toc: string | null;
        addresses: string[];
        sections: { index: number; address: string; bytes: string }[];
        module: string;
        loaded?: Changes;
        running?: Changes;
        gone?: number[];
        objects?: string[];
        types?: Record<string, { size: number; members: Record<string, number> }>;
      };
      const captured: Captured = {
        module: data.module,
        addresses: data.addresses.map(BigInt),
        sections: data.sections.map((s) => ({
          index: s.index,
          address: BigInt(s.address),
          bytes: new Uint8Array(Buffer.from(s.bytes, "hex")),
        })),
        toc: data.toc === null ? null : BigInt(data.toc),
      };
      const { loaded, running, gone = [], objects = [] } = data;
      return {
        name,
        loaded: loaded === undefined ? null : { ...captured, sections: changed(captured, loaded) },
        running:
          running === undefined
            ? null
            : new Map(
                changed(captured, running)
                  .filter((s) => !gone.includes(s.index))
                  .map((s) => [s.address, s.bytes]),
              ),
        objects,
        module: new Uint8Array(readFileSync(join(folder, name, "module.ko"))),
        captured,
        kallsyms: data.kallsyms.join("\n"),
        types: data.types === undefined ? null : typesOf(data.types),
      };
    });
}

function typesOf(types: Readonly<Record<string, { size: number; members: Record<string, number> }>>): KernelTypes {
  return (name) => {
    const found = types[name];
    return found === undefined ? null : { size: found.size, members: new Map(Object.entries(found.members)) };
  };
}

function changed(captured: Captured, changes: Changes): CapturedSection[] {
  const byIndex = new Map(changes.map((c) => [c.index, new Uint8Array(Buffer.from(c.bytes, "hex"))]));
  return captured.sections.map((s) => ({ ...s, bytes: byIndex.get(s.index) ?? s.bytes }));
}

/** Checks a capture in. @param kernel which kernel it was, for the reader */
export function writeGolden(
  name: string,
  kernel: string,
  module: Uint8Array,
  { captured, loaded, running, objects }: Moments,
  kallsyms: string,
  types: KernelTypes | null = null,
): void {
  const differing = (bytesOf: (s: CapturedSection) => Uint8Array | undefined): Changes =>
    captured.sections.flatMap((s) => {
      const bytes = bytesOf(s);
      if (bytes === undefined || Buffer.compare(bytes, s.bytes) === 0) return [];
      return [{ index: s.index, bytes: Buffer.from(bytes).toString("hex") }];
    });
  const later =
    loaded === null ? {} : { loaded: differing((s) => loaded.sections.find((t) => t.index === s.index)?.bytes) };
  const inUse =
    running === null
      ? {}
      : {
          running: differing((s) => running.get(s.address)),
          gone: captured.sections.filter((s) => s.bytes.length > 0 && !running.has(s.address)).map((s) => s.index),
        };
  const target = join(folder, name);
  mkdirSync(target, { recursive: true });
  const wanted = neededNames(module);
  const { module: moduleName, toc } = captured;
  const data = {
    kernel,
    module: moduleName,
    kallsyms: kallsyms.split("\n").filter((line) => wanted.has(line.split(/\s+/)[2] ?? "")),
    toc: toc === null ? null : hex(toc),
    addresses: captured.addresses.map(hex),
    sections: captured.sections.map((s) => ({
      index: s.index,
      address: hex(s.address),
      bytes: Buffer.from(s.bytes).toString("hex"),
    })),
    ...later,
    ...inUse,
    objects,
    ...(types === null
      ? {}
      : {
          types: Object.fromEntries(
            STRUCTS.flatMap((name) => {
              const found = types(name);
              return found === null ? [] : [[name, { size: found.size, members: Object.fromEntries(found.members) }]];
            }),
          ),
        }),
  };
  writeFileSync(join(target, "capture.json"), `${JSON.stringify(data, null, 1)}\n`);
  writeFileSync(join(target, "module.ko"), module);
}

/** Names of the kernel that an image of this module may ask for. */
export function neededNames(module: Uint8Array): Set<string> {
  const names = new Set([
    "module_finalize",
    "do_init_module",
    "do_syslog",
    "ftrace_caller",
    "ftrace_regs_caller",
    ".TOC.",
    "__per_cpu_end",
    "_text",
    "_stext",
    "relative_toc",
    "p_toc",
    "ftrace_nop_ops",
    "__start_BTF",
    "__stop_BTF",
    "trace_nop_print",
    "__static_call_return0",
    "__x86_return_thunk",
    "x86_return_thunk",
    ...["retbleed", "srso", "srso_alias", "call_depth", "its"].map((name) => `${name}_return_thunk`),
    "pcpu_hot",
    "__x86_call_depth",
  ]);
  const { symbols } = readElf(module);
  for (let i = 1; symbols !== null && i < symbols.count; i++) {
    const full = symbols.name(i);
    const klp = parseKlpSymbol(full);
    if (klp !== null) names.add(klp.name);
    if (!symbols.isUndefined(i)) continue;
    const name = full.replace(/^\./, "");
    names.add(name);
    names.add(`__ksymtab_${name}`);
    // The kernel puts a static call's key where a module names the trampoline.
    if (name.startsWith("__SCT__")) names.add(name.replace("__SCT__", "__SCK__"));
    // On some CPUs indirect branches go through other thunks than those that a module names.
    const register = /^__x86_indirect_thunk_(\w+)$/.exec(name)?.[1];
    if (register !== undefined)
      for (const kind of ["call", "jump"]) names.add(`__x86_indirect_${kind}_thunk_${register}`);
  }
  return names;
}
