// What other tools make of an image: objdump and gdb show the code that runs, at its addresses, with the names of what it
// calls. The images are those of captures (test/golden/image), so their bytes are the kernel's. And gdb and drgn find the
// source lines, types and variables of an image whose module has debug information.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addressesOf } from "../../src/kernel/running/addresses.ts";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import { imageElf } from "../../src/passes/image/output.ts";
import { klplinkProcess } from "../cli/run.ts";
import { goldenCaptures } from "../passes/image/captured.ts";
import { imageOf, MITIGATIONS_OFF } from "../passes/image/compare.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-images-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(command: string, debian: string, ...args: string[]): string {
  const { stdout, stderr, status, error } = spawnSync(command, args, {
    encoding: "latin1",
    env: { ...process.env, LC_ALL: "C" },
  });
  if (error !== undefined) throw new Error(`${command} not found: apt-get install ${debian}`);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout;
}

const objdumps = {
  ppc64le: ["powerpc64le-linux-gnu-objdump", "binutils-powerpc64le-linux-gnu"],
  x86_64: ["x86_64-linux-gnu-objdump", "binutils-x86-64-linux-gnu"],
  arm64: ["aarch64-linux-gnu-objdump", "binutils-aarch64-linux-gnu"],
} as const;
describe.each(["ppc64le", "x86_64", "arm64"] as const)("%s", (arch) => {
  const golden = goldenCaptures().find((g) => g.name === `${arch}-late`);
  if (golden === undefined) throw new Error(`test/golden/image/${arch}-late is missing`);
  const kernel = addressesOf(parseSymbols(Buffer.from(`${golden.kallsyms}\n`), "kallsyms"));
  const options = { stage: "loaded", late: golden.objects, x86: MITIGATIONS_OFF } as const;
  const { image } = imageOf(golden.module, golden.captured, kernel, options);
  if (image === null) throw new Error("no image");
  const path = join(folder, `${arch}.elf`);
  writeFileSync(path, imageElf(image));
  const addressOf = (name: string): string => {
    const i = Array.from({ length: image.symbols.count }, (_, k) => k).find((k) => image.symbols.name(k) === name) ?? 0;
    return (image.values[i] ?? 0n).toString(16).padStart(16, "0");
  };
  const address = addressOf("late_new_answer");
  // A call of the function of the module that came later: on ppc64le through the stub that was made for it.
  const late = addressOf(".klp.sym.late_target.late_hidden,0");
  const call =
    arch === "ppc64le"
      ? /\bbl\s.*<\.klp\.sym\.late_target\.late_hidden,0@stub>/
      : new RegExp(`\\b(?:bl|call)\\s+(?:0x)?${late}\\b`);

  test("objdump shows the code at its address, and the late call", () => {
    const [command, debian] = objdumps[arch];
    const text = run(command, debian, "-d", path);
    expect(text).toContain(`${address} <late_new_answer>:`);
    const body = text.slice(text.indexOf("<late_new_answer>:")).split("\n\n")[0] ?? "";
    expect(body.split("\n").filter((line) => call.test(line))).toHaveLength(2);
  });

  test("gdb shows the same function, and knows the symbol at its address", () => {
    const ask = ["-batch", "-nx", "-ex", `info symbol 0x${address}`, "-ex", "disassemble late_new_answer"];
    const text = run("gdb-multiarch", "gdb-multiarch", ...ask, path);
    expect(text).toMatch(/^late_new_answer in section \.text/m);
    expect(text.split("\n").filter((line) => call.test(line))).toHaveLength(2);
    expect(text).not.toContain("Cannot access memory");
  });
});

/** Compiler, its options, the names that drgn and the address of a kernel's symbol have. */
const compiled = [
  ["x86_64", "x86_64-linux-gnu-gcc", "gcc", ["-mcmodel=kernel", "-fcf-protection=none"], "X86_64", "ffffffff81"],
  ["arm64", "aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu", ["-mgeneral-regs-only"], "AARCH64", "ffff800080"],
  ["ppc64le", "powerpc64le-linux-gnu-gcc", "gcc-powerpc64le-linux-gnu", ["-mcmodel=large"], "PPC64", "c000000000"],
] as const;
describe.each(compiled)("%s, with debug information", (arch, gcc, debian, options, architecture, start) => {
  const source = new URL("imageDebug.c", import.meta.url).pathname;
  const lines = readFileSync(source, "utf8").split("\n");
  const lineOf = (text: string): number => lines.findIndex((line) => line.includes(text)) + 1;
  const elf = join(folder, `debug-${arch}.elf`);
  /** Addresses of symbols of the image, as nm tells them. */
  let addresses = new Map<string, string>();

  beforeAll(() => {
    const ko = join(folder, `debug-${arch}.ko`);
    const common = ["-c", "-g", "-O1", "-ffreestanding", "-fno-pic", "-fno-pie", "-ffunction-sections"];
    run(gcc, debian, ...common, "-fno-asynchronous-unwind-tables", ...options, source, "-o", ko);
    const map = join(folder, `debug-${arch}.map`);
    const kernel = ["000000 T _text", "000100 T outside", "500000 r __ksymtab_outside"];
    writeFileSync(map, kernel.map((line) => `${start}${line}\n`).join(""));
    const made = klplinkProcess(["image", ko, "-k", map, "--stage", "loaded", "-o", elf]);
    expect(made, made.stderr).toMatchObject({ status: 0 });
    const listed = run("nm", "binutils", elf).matchAll(/^(\w+) \w (\w+)$/gm);
    addresses = new Map(
      [...listed].map(([, address = "", name = ""]) => [name, `0x${BigInt(`0x${address}`).toString(16)}`]),
    );
  });

  test("gdb has lines, types and variables at their addresses", () => {
    const ask = [
      "info line weigh",
      "info line twice",
      "print things[1]",
      "print &hidden",
      "print hidden",
      "disassemble /s twice",
    ];
    const text = run("gdb-multiarch", "gdb-multiarch", "-batch", "-nx", ...ask.flatMap((a) => ["-ex", a]), elf);
    // Optimised code may begin with the function's first statement.
    const [first, second] = [
      ...text.matchAll(/^Line (\d+) of "[^"]*imageDebug\.c" starts at address (0x\w+) <(\w+)>/gm),
    ];
    expect(first?.slice(2)).toEqual([addresses.get("weigh"), "weigh"]);
    expect([0, 1, 2].map((n) => lineOf("long weigh(") + n)).toContain(Number(first?.[1]));
    expect(second?.slice(2)).toEqual([addresses.get("twice"), "twice"]);
    expect(text).toContain("$1 = {number = 2, weight = 20}");
    expect(text).toContain(`$2 = (volatile long *) ${addresses.get("hidden")} <hidden>`);
    expect(text).toContain("$3 = 7");
    expect(text).toContain("return outside(weigh(n)) + weigh(n);");
    expect(text).not.toContain("Cannot access memory");
  });

  test("drgn, too", () => {
    const script = new URL("image.py", import.meta.url).pathname;
    const answer = JSON.parse(run("/usr/bin/python3", "python3-drgn", script, elf, architecture)) as object;
    expect(answer).toEqual({
      weigh: addresses.get("weigh"),
      symbol: ["weigh", addresses.get("weigh")],
      "size of struct thing": 16,
      weight: 20,
      hidden: 7,
    });
  });

  test("readelf has nothing to complain about", () => {
    const text = run("readelf", "binutils", "-W", "--segments", "--sections", "--debug-dump=info,line", elf);
    expect(text).toMatch(/\.debug_info +PROGBITS +0{16} /);
    expect(text).not.toMatch(/\.rela/);
  });
});

test("a build id is found as one", () => {
  const elf = join(folder, "built.elf");
  const made = klplinkProcess(["image", "test/fixtures/diag/image/built.ko", "-o", elf]);
  expect(made, made.stderr).toMatchObject({ status: 0 });
  expect(run("readelf", "binutils", "-nW", elf)).toContain(`Build ID: ${"aa".repeat(20)}`);
});
