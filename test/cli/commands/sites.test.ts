// `klplink sites` as a user runs it.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { klplink } from "../run.ts";

const folder = "test/fixtures/sites";

const sites = (...args: string[]) => klplink(["sites", ...args]);

describe("klplink sites", () => {
  test("sites with place, form and bytes, functions without one, and a summary", async () => {
    const { status, stdout } = await sites(`${folder}/x86-fentry-ibt.o`);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\.text\+0x24 +fentry +e8 00 00 00 00 +plain$/m);
    expect(stdout).toMatch(/^\.init\.text\+0x4 .* at_init {2}\(init: gone once loaded\)$/m);
    expect(stdout).toMatch(/^ +hidden +\.text\+0x60 +nothing at its entry/m);
    expect(stdout).toContain("x86_64, __mcount_loc with 5 entries; 5 functions with a usable site, 1 without\n");
  });
  test("a file without a symbol table tells nothing of its functions", async () => {
    const object = await sites("--function", "plain", "test/fixtures/elf/stripped.o");
    expect(object).toMatchObject({ status: 3, stdout: "" });
    expect(object.stderr).toContain("error[KLP107]: the file has no symbol table");
    // An executable whose SHT_SYMTAB has become SHT_PROGBITS.
    const bytes = readFileSync(`${folder}/x86-vmlinux`);
    const headers = Number(bytes.readBigUInt64LE(40));
    for (let i = 0; i < bytes.readUInt16LE(60); i++) {
      if (bytes.readUInt32LE(headers + i * 64 + 4) === 2) bytes.writeUInt32LE(1, headers + i * 64 + 4);
    }
    const below = mkdtempSync(join(tmpdir(), "klplink-sites-"));
    writeFileSync(join(below, "vmlinux"), bytes);
    const linked = await sites("--function", "plain", join(below, "vmlinux"));
    rmSync(below, { recursive: true });
    expect(linked).toMatchObject({ status: 3, stdout: "" });
    expect(linked.stderr).toMatch(
      /^error\[KLP107\]: the file has no symbol table\n {2}--> \S+\n {2}= help: {3}give the unstripped file/m,
    );
  });

  test("--as call: a target where no instruction begins", async () => {
    const args = ["--as", "call", "--target", "ffff800080000002", "--section", ".text=ffff800078400000"];
    const { stdout } = await sites(...args, `${folder}/arm64-before.o`);
    expect(stdout).toContain("0xffff800080000002 is not a multiple of 4: no instruction begins there");
  });

  test("--function: the kernel's words where it cannot be patched", async () => {
    expect(await sites("--function", "plain", `${folder}/x86-vmlinux`)).toMatchObject({ status: 0 });
    const { status, stdout } = await sites("--function", "hidden", "--function", "gone", `${folder}/x86-vmlinux`);
    expect(status).toBe(1);
    expect(stdout).toContain("livepatch: failed to find location for function 'hidden'");
    expect(stdout).toContain("gone: no function of that name: inlined everywhere, or optimised away");
    // klp_find_object_symbol comes before ftrace is asked.
    expect(stdout).toContain("livepatch: symbol 'gone' not found in symbol table");
  });
  test("table and code that disagree: status 1", async () => {
    expect(await sites(`${folder}/x86-odd.o`)).toMatchObject({ status: 1 });
    const { status, stdout } = await sites(`${folder}/ppc64le-entry2-before.o`);
    expect(status).toBe(1);
    expect(stdout).toContain(
      "__patchable_function_entries[1] names .text+0x50, nops in front of plain: there is no site\n",
    );
    expect(stdout).not.toContain("overridden");
  });
  test("--as call: addresses of a linked file, and of a module with --section", async () => {
    // e8, then target - (site + 5): 0xffffffff81001000 - 0xffffffff81000029.
    const linked = await sites(
      "--as",
      "call",
      "--target",
      "0xffffffff81001000",
      "--function",
      "plain",
      `${folder}/x86-vmlinux`,
    );
    expect(linked.stdout).toMatch(/^ffffffff81000024 +fentry +e8 d7 0f 00 00 +plain$/m);
    const object = `${folder}/x86-fentry-ibt.o`;
    const module = await sites(
      "--as",
      "call",
      "--target",
      "ffffffff81001000",
      "--section",
      ".text=ffffffff81000000",
      object,
    );
    expect(module.stdout).toMatch(/^\.text\+0x24 +fentry +e8 d7 0f 00 00 +plain$/m);
    // .init.text was not placed.
    expect(module.stdout).toMatch(/at_init/);
    expect(module.stdout).toContain("a call needs the addresses of the site and of its target");
  });
  test("--format json", async () => {
    const report = JSON.parse((await sites("--as", "nop", "--format", "json", `${folder}/arm64-entry4-bti.o`)).stdout);
    expect(report).toMatchObject({
      schema: "klplink-sites/1",
      arch: "arm64",
      entries: 5,
      records: 5,
      disagreements: [],
    });
    expect(report.functions.find((f: { name: string }) => f.name === "plain")).toMatchObject({
      form: "patchable before",
      usable: true,
      bytes: { offset: -4, hex: "e9031eaa1f2003d5" },
      kernelFinds: { section: ".text" },
    });
  });
  test.each(["x86", "arm64", "ppc64le"])("%s: debug information tells why a function has no site", async (arch) => {
    // reasons.c and reasons.s say which is which.
    const object = `${folder}/${arch}-reasons.o`;
    const { functions } = JSON.parse((await sites("--format", "json", object)).stdout) as {
      functions: { name: string; reason: string | null }[];
    };
    const reason = (name: string) => functions.find((f) => f.name === name)?.reason;
    expect(reason("quiet")).toBe("notrace: compiled without a profiling call");
    expect(reason("assembler")).toBe("written in assembler");
    const { status, stdout } = await sites("--function", "inlined", "--function", "never_was", object);
    expect(status).toBe(1);
    expect(stdout).toContain("inlined: inlined everywhere: no code of its own is left\n");
    expect(stdout).toContain("never_was: no function of that name in this file\n");
    expect((await sites("--function", "inlined_and_kept", object)).stdout).not.toContain("inlined everywhere");
  });
  test("a livepatch module: each function that it patches, with the kernel's words", async () => {
    const kernel = "test/fixtures/kernel";
    const patched = (name: string, vmlinux: string, ...more: string[]) =>
      sites(
        `test/fixtures/diag/broken/${name}.ko`,
        "-k",
        `${kernel}/${vmlinux}`,
        "-m",
        `${kernel}/demo-mod.ko`,
        ...more,
      );
    const refused = await patched("KLP442", "vmlinux-x86_64");
    expect(refused.status).toBe(1);
    expect(refused.stdout).toContain("livepatch: failed to find location for function 'no_site'");
    expect(refused.stdout).toContain("2 patched functions: 1 patchable, 1 refused\n");
    const missing = await patched("KLP416", "vmlinux-x86_64");
    expect(missing.stdout).toContain(
      "livepatch: symbol position 2 for symbol 'show_one' in object 'vmlinux' not found",
    );
    expect(await patched("KLP443", "vmlinux-x86_64")).toMatchObject({ status: 0 });
    const orphan = await patched("KLP443", "vmlinux-x86_64-orphan", "--format", "json");
    expect(orphan.status).toBe(1);
    expect(JSON.parse(orphan.stdout).patched).toMatchObject([
      { object: "vmlinux", name: "show_one", verdict: "no effect", kernel: null },
      { object: "demo_mod", name: "only_here", position: 1, verdict: "patchable" },
    ]);
    const blind = await sites("test/fixtures/diag/broken/KLP443.ko", "-k", `${kernel}/System.map`);
    expect(blind).toMatchObject({ status: 0 });
    expect(blind.stdout).toContain("give vmlinux (the ELF file) with -k");
    expect(await sites(`${folder}/x86-fentry.o`, "-k", `${kernel}/System.map`)).toMatchObject({ status: 2 });
  });
  test("--ops: the pointer in front of arm64 sites", async () => {
    // func-8 is 8-aligned; ip - 12 rounded down is func-8 with and without a bti.
    const args = ["--as", "nop", "--ops", "0xffff800080f67f58", "--section", ".text=0xffff80007ab5c000"];
    const { stdout } = await sites(...args, "--format", "json", `${folder}/arm64-entry4-bti.o`);
    const { functions } = JSON.parse(stdout) as { functions: { name: string; writes: unknown }[] };
    const literal = "587ff6800080ffff";
    const words = { offset: -4, hex: "e9031eaa1f2003d5" };
    expect(functions.find((f) => f.name === "plain")?.writes).toEqual([{ offset: -16, hex: literal }, words]);
    expect(functions.find((f) => f.name === "local_one")?.writes).toEqual([{ offset: -12, hex: literal }, words]);
  });
  test("wrong usage and unreadable files", async () => {
    expect(await sites("--as", "call", `${folder}/x86-odd.o`)).toMatchObject({ status: 2 });
    expect(await sites("--target", "0x1000", `${folder}/x86-odd.o`)).toMatchObject({ status: 2 });
    expect(await sites("--as", "call", "--target", "here", `${folder}/x86-odd.o`)).toMatchObject({ status: 2 });
    expect(await sites(`${folder}/sites.c`)).toMatchObject({ status: 3 });
    expect(await sites("test/fixtures/elf/bpf.o")).toMatchObject({ status: 3 });
  });
});
