// Functions that Debian's amd64 kernel seals (CONFIG_X86_KERNEL_IBT): what klplink reads of the kernel in vmlinuz is what
// binutils read of it, and each of them is a place at which an indirect call could have arrived.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { readKernelFile } from "../../src/kernel/detect.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { ModuleFile } from "../../src/kernel/module/moduleFile.ts";
import { openDistro, readModule } from "./distro.ts";
import { labOf } from "./lab.ts";
import { mustRun } from "./run.ts";

const lab = labOf(import.meta.url);

/** The kernel in a bzImage: payload_offset and payload_length of the setup header (Documentation/arch/x86/boot.rst), behind it its size. */
function unpacked(vmlinuz: string): string {
  const image = readFileSync(vmlinuz);
  const start = ((image[0x1f1] || 4) + 1) * 512 + image.readUInt32LE(0x248);
  const packed = join(lab.folder, "payload.zst");
  mkdirSync(lab.folder, { recursive: true });
  writeFileSync(packed, image.subarray(start, start + image.readUInt32LE(0x24c) - 4));
  const to = join(lab.folder, "vmlinux");
  mustRun("zstd", ["-q", "-d", "-f", packed, "-o", to]);
  return to;
}

/** Where a section lies, by readelf, and its bytes, by objcopy. */
function section(vmlinux: string, name: string): { readonly address: bigint; readonly bytes: Buffer } {
  const line = mustRun("readelf", ["-SW", vmlinux]).split("\n").find((l) => l.includes(` ${name} `)); // biome-ignore format: a line
  const [, address = "0"] = /PROGBITS\s+([0-9a-f]{16})/.exec(line ?? "") ?? [];
  const to = join(lab.folder, "section");
  execFileSync("objcopy", ["-O", "binary", `--only-section=${name}`, vmlinux, to]);
  return { address: BigInt(`0x${address}`), bytes: readFileSync(to) };
}

test("Debian 6.12, amd64", { timeout: 900_000 }, () => {
  const { kernel: vmlinuz } = openDistro(mustRun("bash", ["test/boot/fetch-distro.sh", "amd64", "6.12"]).trim());
  const vmlinux = unpacked(vmlinuz);
  const file = readKernelFile(readFileSync(vmlinux), "vmlinux");
  if (file.kind !== "vmlinux") throw new Error(file.kind);
  const [seal, text] = [section(vmlinux, ".ibt_endbr_seal"), section(vmlinux, ".text")];
  const listed = new Set<bigint>();
  for (let at = 0; at < seal.bytes.length; at += 4)
    listed.add(seal.address + BigInt(at) + BigInt(seal.bytes.readInt32LE(at)));
  expect(listed.size).toBeGreaterThan(10_000);
  expect([...(file.vmlinux.sealed ?? [])]).toEqual([...listed].sort((a, b) => (a < b ? -1 : 1)));
  // endbr64
  const inText = [...listed].filter((a) => a >= text.address && a < text.address + BigInt(text.bytes.length));
  expect(inText.length).toBeGreaterThan(8_000);
  expect(inText.filter((a) => text.bytes.readUInt32LE(Number(a - text.address)) !== 0xfa1e0ff3)).toEqual([]);
  // By name, as kallsyms has them: functions of one name are told apart, and what is not listed is not sealed.
  const kernel = new Kernel({ vmlinux: file.vmlinux });
  const sealed: string[] = [];
  for (const { name, address, letter } of file.vmlinux.list.symbols()) {
    if (!/^[tT]$/.test(letter) || kernel.countOf(name) !== 1) continue;
    const is = kernel.isSealed(name, 0);
    if (is !== listed.has(address)) throw new Error(name);
    if (is) sealed.push(name);
  }
  expect(sealed.length).toBeGreaterThan(8_000);
  // vfs_read is called by its name alone; seq_read is in the operations of hundreds of files.
  expect(["vfs_read", "seq_read"].map((name) => kernel.isSealed(name, 0))).toEqual([true, false]);
});

test.each(["ext4", "nfsd"])("a module of it: %s", { timeout: 120_000 }, (name) => {
  const { modules } = openDistro(mustRun("bash", ["test/boot/fetch-distro.sh", "amd64", "6.12"]).trim());
  const bytes = readModule(modules.get(name) ?? "");
  const path = join(lab.folder, `${name}.ko`);
  mkdirSync(lab.folder, { recursive: true });
  writeFileSync(path, bytes);
  // By section and offset, and by the address of a symbol: `.text + 1a0`, as readelf lists them.
  const listed = mustRun("readelf", ["-rW", path]);
  const part = listed.split("\n\n").find((p) => p.includes("'.rela.ibt_endbr_seal'")) ?? "";
  const wanted = new Set<string>();
  for (const [, section = "", offset = ""] of part.matchAll(/ (\.[\w.]+) \+ ([0-9a-f]+)$/gm))
    wanted.add(`${section}+${Number.parseInt(offset, 16)}`);
  expect(wanted.size).toBeGreaterThan(100);
  const names = new Map<string, string>();
  const sections = new Map<string, string>();
  for (const [, index = "", section = ""] of mustRun("readelf", ["-SW", path]).matchAll(/^ +\[ *(\d+)\] (\S+)/gm))
    sections.set(index, section);
  const rows = mustRun("readelf", ["-sW", path]).matchAll(/: ([0-9a-f]{16}) +\S+ FUNC +\w+ +\w+ +(\d+) (\S+)$/gm);
  const twice = new Set<string>();
  for (const [, value = "", index = "", symbol = ""] of rows) {
    if (names.has(symbol)) twice.add(symbol);
    names.set(symbol, `${sections.get(index)}+${Number.parseInt(value, 16)}`);
  }
  const module = new ModuleFile(readElf(bytes), `${name}.ko`);
  const told = [...names].filter(([symbol]) => !twice.has(symbol)).filter(([symbol]) => module.isSealed(symbol, 0));
  const truth = [...names].filter(([symbol, place]) => !twice.has(symbol) && wanted.has(place));
  expect(truth.length).toBeGreaterThan(100);
  expect(told.sort()).toEqual(truth.sort());
});
