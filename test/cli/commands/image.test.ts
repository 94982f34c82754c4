// `klplink image` as a command: what it writes for the addresses of a capture is what the kernel had.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import { root } from "../../helpers.ts";
import { goldenCaptures } from "../../passes/image/captured.ts";
import { klplink } from "../run.ts";

const golden = goldenCaptures().find((g) => g.name === "ppc64le-varied");
if (golden === undefined) throw new Error("test/golden/image/ppc64le-varied is missing");
const { module, captured, kallsyms } = golden;
const elf = readElf(module);
const nameOf = (index: number): string => elf.sections.name(index);
/** Sections as sysfs has them: without empty ones. */
const listed = captured.sections.filter((s) => s.bytes.length > 0);
const hex = (v: bigint): string => `0x${v.toString(16).padStart(16, "0")}`;

let folder = "";
let ko = "";
let map = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "klplink-image-"));
  ko = join(folder, "varied.ko");
  map = join(folder, "kallsyms");
  writeFileSync(ko, module);
  writeFileSync(map, `${kallsyms}\n`);
  mkdirSync(join(folder, "sections"));
  for (const s of listed) writeFileSync(join(folder, "sections", nameOf(s.index)), `${hex(s.address)}\n`);
  writeFileSync(join(folder, "table"), listed.map((s) => `${nameOf(s.index)} ${hex(s.address)}\n`).join(""));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const toc = hex(captured.toc ?? 0n);

/** Bytes of a section in an ELF file of any type, by address. */
function sectionsOf(bytes: Uint8Array): Map<string, { address: bigint; bytes: Uint8Array | null }> {
  const buffer = Buffer.from(bytes);
  const at = Number(buffer.readBigUInt64LE(40));
  const count = buffer.readUInt16LE(60);
  const field = (i: number, offset: number): number => Number(buffer.readBigUInt64LE(at + i * 64 + offset));
  const names = field(buffer.readUInt16LE(62), 24);
  const found = new Map<string, { address: bigint; bytes: Uint8Array | null }>();
  for (let i = 1; i < count; i++) {
    const start = names + buffer.readUInt32LE(at + i * 64);
    const name = buffer.toString("latin1", start, buffer.indexOf(0, start));
    const nobits = buffer.readUInt32LE(at + i * 64 + 4) === 8;
    const bytesOf = nobits ? null : buffer.subarray(field(i, 24), field(i, 24) + field(i, 32));
    found.set(name, { address: buffer.readBigUInt64LE(at + i * 64 + 16), bytes: bytesOf });
  }
  return found;
}

describe.each([["a folder"], ["a table"]])("--sections with %s", (what) => {
  const path = (): string => join(folder, what === "a folder" ? "sections" : "table");

  test("the ELF file has the kernel's bytes at the kernel's addresses", async () => {
    const out = join(folder, "out.elf");
    const run = await klplink(["image", ko, "-k", map, "--sections", path(), "--at", "percpu=0", "-o", out]);
    expect(run.stderr).toBe("");
    expect(run.status).toBe(0);
    expect(run.stdout).toMatch(
      /^\S*out\.elf: \d+ sections, \d+ bytes, \d+ relocations, \d+ stubs, \d+ bytes not known\n$/,
    );
    const made = sectionsOf(new Uint8Array(readFileSync(out)));
    let compared = 0;
    for (const s of listed) {
      const name = nameOf(s.index);
      // The tables are those of the ELF file; struct module is the kernel's; per-CPU addresses were given as 0 here.
      if ([".symtab", ".strtab", ".gnu.linkonce.this_module", ".toc", ".text"].includes(name)) continue;
      expect(made.get(name)?.address, name).toBe(s.address);
      const bytes = made.get(name)?.bytes ?? null;
      if (bytes === null)
        expect(
          s.bytes.every((b) => b === 0),
          name,
        ).toBe(true);
      else expect(Buffer.from(bytes).equals(s.bytes), name).toBe(true);
      compared++;
    }
    expect(compared).toBeGreaterThan(10);
  });
});

test("--raw and --map", async () => {
  const raw = join(folder, "raw");
  const run = await klplink(["image", ko, "-k", map, "--sections", join(folder, "sections"), "--raw", raw, "--map"]);
  expect(run.status).toBe(0);
  const stubs = captured.sections.find((s) => nameOf(s.index) === ".stubs");
  expect(readFileSync(join(raw, ".stubs")).equals(stubs?.bytes ?? new Uint8Array(0))).toBe(true);
  // kmalloc is inline; its work is done by one of these.
  expect(run.stdout).toMatch(/^stubs$/m);
  expect(run.stdout).toMatch(/^ {2}[0-9a-f]{16} {7}28 -> c0[0-9a-f]{14} kfree$/m);
  const text = captured.sections.find((s) => nameOf(s.index) === ".text");
  expect(run.stdout).toContain(`${hex(text?.address ?? 0n).slice(2)} `);
  expect(run.stderr).toMatch(/relocations/);
});

test("--stage loaded writes the ftrace stubs, for the kernel's TOC base", async () => {
  const raw = join(folder, "loaded");
  const run = await klplink([
    ...["image", ko, "-k", map, "--sections", join(folder, "sections"), "--raw", raw],
    ...["--stage", "loaded", "--kernel-toc", toc, "--map"],
  ]);
  expect(run.status).toBe(0);
  expect(run.stdout).toMatch(/ ftrace_caller$/m);
  expect(run.stdout).toMatch(/ ftrace_regs_caller$/m);
  const before = captured.sections.find((s) => nameOf(s.index) === ".stubs")?.bytes ?? new Uint8Array(0);
  const after = readFileSync(join(raw, ".stubs"));
  expect(after.length).toBe(before.length);
  expect(after.equals(before)).toBe(false);
});

test("without addresses: a layout of its own, and nothing is said about it", async () => {
  const out = join(folder, "default.elf");
  const run = await klplink(["image", ko, "-k", map, "-o", out, "-q"]);
  expect(run).toMatchObject({ status: 0, stdout: "", stderr: "" });
  const made = sectionsOf(new Uint8Array(readFileSync(out)));
  expect(made.get(".sfpr")?.address ?? made.get(".text")?.address).toBe(0xc008000000000000n);
});

describe("refusals", () => {
  test("addresses that do not belong together are named", async () => {
    const table = join(folder, "wrong");
    const moved = listed.map(
      (s) => `${nameOf(s.index)} ${hex(nameOf(s.index) === ".rodata" ? s.address + 0x10n : s.address)}`,
    );
    writeFileSync(table, `${moved.join("\n")}\n`);
    const run = await klplink(["image", ko, "-k", map, "--sections", table, "-o", join(folder, "w.elf")]);
    expect(run.stderr).toMatch(/^warning\[KLP209\]: \.rodata is at 0x/m);
  });

  test("a kernel too far away: every call and every pointer, in the kernel's words", async () => {
    const run = await klplink([
      "image",
      ko,
      "-k",
      map,
      "--at",
      "text=0x1000,data=0x900000001000",
      "--kernel-version",
      "6.12",
      "-o",
      join(folder, "f.elf"),
      "--format",
      "json",
    ]);
    expect(run.status).toBe(1);
    const { files } = JSON.parse(run.stdout) as { files: { problems: { code: string; kernel: string | null }[] }[] };
    const said = files.flatMap((f) => f.problems);
    expect(said.filter((p) => p.code === "KLP206").length).toBeGreaterThan(3);
    expect(said.some((p) => /^module_64: varied: Address \w+ of stub out of range of /.test(p.kernel ?? ""))).toBe(
      true,
    );
  });

  test("an address that has no use for this kernel", async () => {
    const run = await klplink(["image", ko, "-k", map, "--at", "data=0x1000", "-o", join(folder, "u.elf")]);
    expect(run.stderr).toMatch(/^warning\[KLP212\]: the address of data is not used: .* text,\s+init\.text$/m);
  });

  test("a symbol that the kernel has and does not export: a link is what is missing", async () => {
    const sample = join(root, "samples/x86_64/convert");
    const out = join(folder, "unlinked.elf");
    const run = await klplink([
      "image",
      `${sample}/convert.o`,
      "-k",
      `${sample}/System.map`,
      "-o",
      out,
      "--format",
      "json",
    ]);
    const { problems } = JSON.parse(run.stdout).files[0] as { problems: { code: string; title: string }[] };
    expect(problems.map((p) => p.code)).toContain("KLP410");
    expect(problems.map((p) => p.code)).not.toContain("KLP401");
  });

  test("no kernel symbols", async () => {
    const run = await klplink(["image", ko, "-o", join(folder, "n.elf")]);
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(/^error\[KLP210\]: \d+ undefined symbols and no kernel to look in: /m);
  });

  test.each([
    [["--at", "text=xyz"], "`xyz` is not a hexadecimal address"],
    [["--at", "heap=10"], "`heap` is none of text, data,"],
    [["--at", "text=1000,data=1000000,text=2000"], "the address of text is given twice"],
    [["--at", "1000,text=2000"], "the address of text is given twice"],
    [["--at", "percpu=0,percpu=0"], "the address of percpu is given twice"],
    [["--at", "text=1800"], "text cannot be at 0x1800: module memory consists of pages of 0x1000 bytes"],
    [["--at", "text=ffffffffffffffff"], "text cannot be at 0xffffffffffffffff"],
    [["--stage", "later"], "the choices are relocated, loaded"],
    [["--sections", "package.json"], "expected `SECTION ADDRESS`"],
  ])("%j", async (args, message) => {
    const run = await klplink(["image", ko, ...args]);
    expect(run.status).toBe(2);
    expect(run.stderr).toContain(message);
  });
});

describe("--at with places where a module cannot be", () => {
  const at = (addresses: string, version = "6.12"): ReturnType<typeof klplink> =>
    klplink(["image", ko, "-k", map, "--kernel-version", version, "--at", addresses, "-o", join(folder, "i.elf")]);

  test.each([
    [
      "text=10000000,rodata=10000000,data=20000000",
      "6.12",
      /rodata at 0x0*10000000 overlaps text, which ends at 0x0*1000\w{4}\n/,
    ],
    ["text=fffffffffffff000", "6.1", /text \(\d+ bytes\) at 0xfffffffffffff000 reaches beyond the last address\n/],
    ["text=ffffffffffffe000", "6.12", /there is no room for \S+ behind text: give its address, too\n/],
  ])("%s, %s", async (addresses, version, message) => {
    const run = await at(addresses, version);
    expect(run.stderr).toMatch(message);
    expect(run.stdout).toBe("");
    expect(run.status).toBe(2);
  });

  test("a section beyond the last address", async () => {
    const table = join(folder, "beyond");
    writeFileSync(table, ".text 0xfffffffffffffff0\n");
    const run = await klplink(["image", ko, "-k", map, "--sections", table, "-o", join(folder, "i.elf")]);
    expect(run.stderr).toMatch(/\.text \(\d+ bytes\) at 0xfffffffffffffff0 reaches beyond the last address\n/);
    expect(run.status).toBe(2);
  });

  test("regions on pages one behind the other are none of that", async () => {
    expect(await at("percpu=0,text=c008000000101000,data=c008000000102000,rodata=c008000000100000")).toMatchObject({
      status: 0,
      stderr: "",
    });
  });
});

test.each(["/proc/klplink-none", "/proc/klplink-none/deeper"])("--raw %s: no folder can be made there", async (raw) => {
  const run = await klplink(["image", ko, "-k", map, "--at", "percpu=0", "--raw", raw]);
  expect(run.stderr).toMatch(/^error\[KLP105\]: cannot be written: /m);
  expect(run.status).toBe(3);
});

test("--raw makes the folders on the way; a file in the way is said", async () => {
  const raw = join(folder, "one/two/three/");
  expect((await klplink(["image", ko, "-k", map, "--raw", raw])).status).toBe(0);
  expect(readFileSync(join(raw, ".stubs")).length).toBeGreaterThan(0);
  expect((await klplink(["image", ko, "-k", map, "--raw", raw])).status).toBe(0);
  const run = await klplink(["image", ko, "-k", map, "--raw", join(raw, ".stubs/four")]);
  expect(run.stderr).toMatch(/^error\[KLP105\]: cannot be written: /m);
  expect(run.status).toBe(3);
});

describe("a symbol that another module exports", () => {
  const uses = join(root, "test/fixtures/diag/image/uses.ko");
  const helpers = join(root, "test/fixtures/diag/image/helpers.ko");
  const vmlinux = join(root, "test/fixtures/kernel/vmlinux-x86_64");
  // call helper; ret. As GNU ld 2.40 links it: ld -Ttext=0xffffffffc0400000 --defsym helper=0xffffffffc0500010 -e f uses.ko
  const linked = "e80b001000c3";

  test("-m FILE@SECTIONS says where it is", async () => {
    const table = join(folder, "helpers.sections");
    writeFileSync(table, ".text 0xffffffffc0500000\n");
    const raw = join(folder, "uses");
    const at = ["--at", "text=ffffffffc0400000", "--raw", raw];
    const run = await klplink(["image", uses, "-k", vmlinux, "-m", `${helpers}@${table}`, ...at]);
    expect(run.status, run.stderr).toBe(0);
    expect(readFileSync(join(raw, ".text")).toString("hex")).toBe(linked);
  });

  test("or a kallsyms listing with the module's symbols", async () => {
    const list = join(folder, "with-module");
    writeFileSync(list, "ffffffff81000040 T something\nffffffffc0500010 T helper\t[helpers]\n");
    const raw = join(folder, "uses-listed");
    const at = ["--at", "text=ffffffffc0400000", "--raw", raw];
    const run = await klplink(["image", uses, "-k", list, "-m", helpers, ...at]);
    expect(run.status, run.stderr).toBe(0);
    expect(readFileSync(join(raw, ".text")).toString("hex")).toBe(linked);
  });
});
