// Builds image/own/own.c for a kernel of which one module is at hand.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readElf } from "../../src/elf/reader.ts";
import { readModInfo } from "../../src/kernel/module/modinfo.ts";
import type { ArchName } from "./capture.ts";
import { mustRun, repo } from "./run.ts";

const compilers: Readonly<Partial<Record<ArchName, { cross: string; flags: readonly string[] }>>> = {
  arm64: { cross: "aarch64-linux-gnu-", flags: ["-mgeneral-regs-only", "-mno-outline-atomics"] },
  x86_64: {
    cross: "x86_64-linux-gnu-",
    flags: ["-mcmodel=kernel", "-mno-red-zone", "-mno-sse", "-fcf-protection=none"],
  },
};

/** The module's bytes. @param model a module of the kernel that it shall load into */
export function buildOwn(arch: ArchName, model: Uint8Array, folder: string): Uint8Array {
  const compiler = compilers[arch];
  if (compiler === undefined) throw new Error(`own.c has no form for ${arch}`);
  const elf = readElf(model);
  const struct = elf.sections.findByName(".gnu.linkonce.this_module") ?? 0;
  const offsets = new Map<string, number>();
  for (const table of elf.relocations) {
    if (table.target !== struct) continue;
    for (let i = 0; i < table.count; i++) offsets.set(elf.symbols?.name(table.symbol(i)) ?? "", table.offset(i));
  }
  const define = (name: string, value: string): string => `-D${name}="${value}"`;
  const object = join(folder, `own.${arch}.ko`);
  mustRun(`${compiler.cross}gcc`, [
    ...["-c", "-O2", "-g0", "-ffreestanding", "-fno-pic", "-fno-pie", "-fno-common", "-fno-stack-protector"],
    ...["-fno-asynchronous-unwind-tables", "-ffunction-sections", "-Wall", ...compiler.flags],
    define("OWN_NAME", "own"),
    define("OWN_VERMAGIC", readModInfo(elf)?.get("vermagic") ?? ""),
    define("OWN_STRUCT_SIZE", String(elf.sections.size(struct))),
    define("OWN_INIT_AT", String(offsets.get("init_module"))),
    define("OWN_EXIT_AT", String(offsets.get("cleanup_module"))),
    join(repo, "test/boot/image/own/own.c"),
    "-o",
    object,
  ]);
  return readFileSync(object);
}
