// `klplink sites` as a user runs it.

import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";

const folder = "test/fixtures/sites";

function klplink(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["bin/klplink.js", "sites", ...args], {
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

describe("klplink sites", () => {
  test("sites with place, form and bytes, functions without one, and a summary", () => {
    const { status, stdout } = klplink(`${folder}/x86-fentry-ibt.o`);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\.text\+0x24 +fentry +e8 00 00 00 00 +plain$/m);
    expect(stdout).toMatch(/^\.init\.text\+0x4 .* at_init {2}\(init: gone once loaded\)$/m);
    expect(stdout).toMatch(/^ +hidden +\.text\+0x60 +nothing at its entry/m);
    expect(stdout).toContain("x86_64, __mcount_loc with 5 entries; 5 functions with a usable site, 1 without\n");
  });
  test("--function: the kernel's words where it cannot be patched", () => {
    expect(klplink("--function", "plain", `${folder}/x86-vmlinux`)).toMatchObject({ status: 0 });
    const { status, stdout } = klplink("--function", "hidden", "--function", "gone", `${folder}/x86-vmlinux`);
    expect(status).toBe(1);
    expect(stdout).toContain("livepatch: failed to find location for function 'hidden'");
    expect(stdout).toContain("gone: no function of that name: inlined everywhere, or optimised away");
    expect(stdout).toContain("livepatch: failed to find location for function 'gone'");
  });
  test("table and code that disagree: status 1", () => {
    expect(klplink(`${folder}/x86-odd.o`)).toMatchObject({ status: 1 });
  });
  test("--as call: addresses of a linked file, and of a module with --section", () => {
    // e8, then target - (site + 5): 0xffffffff81001000 - 0xffffffff81000029.
    const linked = klplink(
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
    const module = klplink(
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
  test("--format json", () => {
    const report = JSON.parse(klplink("--as", "nop", "--format", "json", `${folder}/arm64-entry4-bti.o`).stdout);
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
  test("wrong usage and unreadable files", () => {
    expect(klplink("--as", "call", `${folder}/x86-odd.o`)).toMatchObject({ status: 2 });
    expect(klplink("--target", "0x1000", `${folder}/x86-odd.o`)).toMatchObject({ status: 2 });
    expect(klplink("--as", "call", "--target", "here", `${folder}/x86-odd.o`)).toMatchObject({ status: 2 });
    expect(klplink(`${folder}/sites.c`)).toMatchObject({ status: 3 });
    expect(klplink("test/fixtures/elf/bpf.o")).toMatchObject({ status: 3 });
  });
});
