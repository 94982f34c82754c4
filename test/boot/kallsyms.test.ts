// Symbols of a bootable kernel, read from the file that a boot loader loads, held against /proc/kallsyms of that very kernel: every
// line, in its order, with its address without KASLR. And exports against the Module.symvers of the kernel's own build.

import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { elfType, readExecutable } from "../../src/elf/executable.ts";
import { parseConfig } from "../../src/kernel/config.ts";
import { describeKernel } from "../../src/kernel/describe.ts";
import { readKernelFile } from "../../src/kernel/detect.ts";
import { readStripped } from "../../src/kernel/image/stripped.ts";
import type { Vmlinux } from "../../src/kernel/image/vmlinux.ts";
import { unwrapKernel } from "../../src/kernel/image/wrapping/unwrap.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { parseSymvers } from "../../src/kernel/symbols/symvers.ts";
import { boot, type Machine, PC, VIRT } from "./boot.ts";
import type { ArchName } from "./capture.ts";
import { openDistro } from "./distro.ts";
import { compilerOf } from "./kernels.ts";
import { labOf } from "./lab.ts";
import { mustRun } from "./run.ts";
import { klplink } from "./scenario.ts";

const lab = labOf(import.meta.url);
/** One kernel for each form of the tables, packing and base; with KLPLINK_WIDE=1 all nine. */
const rows: readonly {
  readonly arch: ArchName;
  readonly debian: string;
  readonly machine?: Machine;
  readonly some: readonly string[];
}[] = [
  { arch: "x86_64", debian: "amd64", machine: PC, some: ["6.12"] },
  { arch: "arm64", debian: "arm64", machine: VIRT, some: ["6.1", "6.12", "7.2"] },
  { arch: "ppc64le", debian: "ppc64el", some: ["7.2"] },
];
const series = ["6.1", "6.12", "7.2"];
const isWide = process.env.KLPLINK_WIDE === "1";

/** The kernel as it is read without a symbol table, whether it has one or not. */
async function readBootable(path: string): Promise<Vmlinux> {
  const { bytes } = await unwrapKernel(new Uint8Array(readFileSync(path)));
  if (elfType(bytes) !== null) return readStripped(readExecutable(bytes), path);
  const file = readKernelFile(bytes, path);
  if (file.kind !== "vmlinux") throw new Error(`${path}: ${file.kind}`);
  return file.vmlinux;
}

/** /proc/kallsyms as the list has it: all names, each as often as it is there, by address and then in the order of the table. */
function kallsymsLines(vmlinux: Vmlinux): string[] {
  return [...vmlinux.list.symbols()].map((s) => `${s.address.toString(16).padStart(16, "0")} ${s.letter} ${s.name}\n`);
}

/** As the guest's step `digest`. */
function digest(lines: readonly string[]): string[] {
  const found: string[] = [];
  for (let from = 0; from <= lines.length; from += 1000) {
    const block = lines.slice(from, from + 1000);
    let low = 0x8422_2325;
    let high = 0xcbf2_9ce4;
    for (const byte of Buffer.from(block.join(""), "latin1")) {
      // times 0x100000001b3, modulo 2^64
      low = (low ^ byte) >>> 0;
      const product = low * 0x1b3;
      high = (Math.imul(high, 0x1b3) + Math.floor(product / 2 ** 32) + (low << 8)) >>> 0;
      low = product % 2 ** 32;
    }
    const hash = high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
    found.push(`${block.length} ${hash}`);
  }
  return found;
}

describe.each(rows)("$arch", ({ arch, debian, machine, some }) => {
  const init = join(lab.folder, `guest.${arch}`);
  beforeAll(() => {
    mustRun(compilerOf(arch), ["-static", "-O2", "-Wall", "-Wextra", "-o", init, "test/boot/guest.c"]);
  });

  test.each(isWide ? series : some)("Linux %s: /proc/kallsyms line by line", { timeout: 900_000 }, async (release) => {
    const { kernel } = openDistro(mustRun("bash", ["test/boot/fetch-distro.sh", debian, release]).trim());
    const lines = kallsymsLines(await readBootable(kernel));
    expect(lines.length).toBeGreaterThan(30_000);
    const steps = ["digest /proc/kallsyms", "read /proc/version"];
    const plain = machine === undefined ? undefined : { ...machine, append: `${machine.append} nokaslr` };
    const run = await boot(kernel, readFileSync(init), [], steps, plain);
    const [seen, version] = run.steps;
    expect(seen?.result).toBe(0);
    expect(seen?.output.trimEnd().split("\n")).toEqual(digest(lines));
    const { release: told } = await readBootable(kernel);
    expect(version?.output).toContain(`Linux version ${told} `);
  });
});

describe("what show -k says of the kernel's configuration", () => {
  const kernels = [
    ["amd64", "6.12"],
    ["arm64", "6.1"],
    ["ppc64el", "7.2"],
  ] as const;
  test.each(kernels)("%s, Linux %s: as its .config has it", { timeout: 900_000 }, async (debian, release) => {
    const kit = mustRun("bash", ["test/boot/fetch-headers.sh", debian, release]).trim();
    const { kernel } = openDistro(join(kit, "kernel"));
    const config = parseConfig(new Uint8Array(readFileSync(join(kit, "build/.config"))));
    const facts = describeKernel(new Kernel({ vmlinux: await readBootable(kernel) }));
    const options = {
      livepatch: "CONFIG_LIVEPATCH",
      listsData: "CONFIG_KALLSYMS_ALL",
      modversions: "CONFIG_MODVERSIONS",
      ...(debian === "amd64" ? { ibt: "CONFIG_X86_KERNEL_IBT" } : {}),
    } as const;
    for (const [fact, option] of Object.entries(options) as [keyof typeof facts, string][])
      expect(facts[fact].value, option).toBe(config.has(option));
    const padding = Number(config.get("CONFIG_FUNCTION_PADDING_BYTES") ?? 0);
    expect(facts.callPadding.value).toBe(debian === "amd64" ? padding : null);
    if (debian === "ppc64el") expect(facts.toc.value).toBe(config.has("CONFIG_PPC_KERNEL_PCREL") ? "PCREL" : "TOC");
    expect(facts.structModule.value).toBeGreaterThan(500);
  });
});

// linux-headers of Debian from 6.12 on has a vmlinux of types alone in its build folder.
test.each(["6.12", "7.2"])(
  "a release whose headers are installed, Linux %s: its symbols are those of vmlinuz",
  async (series) => {
    const kit = mustRun("bash", ["test/boot/fetch-headers.sh", "amd64", series]).trim();
    const release = readFileSync(join(kit, "release"), "utf8").trim();
    const { kernel } = openDistro(join(kit, "kernel"));
    const root = join(lab.folder, `headers-${series}`);
    mkdirSync(join(root, "lib/modules", release), { recursive: true });
    mkdirSync(join(root, "boot"));
    symlinkSync(join(kit, "build"), join(root, "lib/modules", release, "build"));
    symlinkSync(kernel, join(root, "boot", `vmlinuz-${release}`));
    expect(existsSync(join(root, "lib/modules", release, "build/vmlinux"))).toBe(true);
    const shown = klplink("show", "-k", release, "--root", root, "--format", "json");
    expect([shown.status, shown.stderr]).toEqual([0, ""]);
    const { facts } = JSON.parse(shown.stdout) as { facts: { symbols: object; release: object } };
    const { list } = await readBootable(kernel);
    expect(facts.symbols).toEqual({ value: list.size, from: join(root, "boot", `vmlinuz-${release}`) });
    expect(facts.release).toMatchObject({ value: release });
  },
);

// arm64's 6.1 has no CONFIG_KALLSYMS_ALL: its tables are found by what is in them.
describe("exports", () => {
  const kernels = [...series.map((release) => ["amd64", release] as const), ["arm64", "6.1"] as const];
  test.each(kernels)("%s, Linux %s: as its Module.symvers has them", { timeout: 900_000 }, async (debian, release) => {
    const kit = mustRun("bash", ["test/boot/fetch-headers.sh", debian, release]).trim();
    const { kernel } = openDistro(join(kit, "kernel"));
    const { exports } = await readBootable(kernel);
    const listed = parseSymvers(new Uint8Array(readFileSync(join(kit, "build/Module.symvers"))));
    const expected = new Map(listed.filter((e) => e.owner === "vmlinux").map((e) => [e.name, e]));
    expect(expected.size).toBeGreaterThan(10_000);
    expect(new Map([...exports].sort())).toEqual(new Map([...expected].sort()));
  });
});
