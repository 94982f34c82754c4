// Captures that are checked in (test/golden/image): a module, and what a real kernel had in memory straight after it had
// relocated it. Made by test/kernel/image.test.ts and distro.test.ts with KLPLINK_UPDATE_CAPTURES=1.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readElf } from "../../src/elf/reader.ts";
import { parseKlpSymbol } from "../../src/klp/names.ts";

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

export interface Golden {
  readonly name: string;
  readonly module: Uint8Array;
  readonly captured: Captured;
  /** The kernel's symbols that the module needs, as kallsyms text. */
  readonly kallsyms: string;
}

const folder = fileURLToPath(new URL("../golden/image/", import.meta.url));
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
      return {
        name,
        module: new Uint8Array(readFileSync(join(folder, name, "module.ko"))),
        captured,
        kallsyms: data.kallsyms.join("\n"),
      };
    });
}

/** Checks a capture in. @param kernel which kernel it was, for the reader */
export function writeGolden(
  name: string,
  kernel: string,
  module: Uint8Array,
  captured: Captured,
  kallsyms: string,
): void {
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
    "ftrace_nop_ops",
    "trace_nop_print",
    "__static_call_return0",
    "__x86_return_thunk",
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
  }
  return names;
}
