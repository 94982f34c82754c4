// Types and lines of linked objects, whose debug information is read a unit at a time: the same as of all of it at once, and as the
// change of the source says.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { DEBUG, type PartlyRead, readPartly } from "../../src/cli/files/partlyRead.ts";
import { titleOf } from "../../src/diag/catalogue.ts";
import { SourceIndex } from "../../src/elf/dwarf/lines/source.ts";
import { readElf } from "../../src/elf/reader.ts";
import { diffObjects } from "../../src/passes/diff/diff.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-types-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const compilers = [
  { name: "gcc x86_64", tools: "x86_64-linux-gnu-", command: ["x86_64-linux-gnu-gcc", "-mcmodel=kernel", "-mno-red-zone"] },
  { name: "gcc arm64, DWARF 4", tools: "aarch64-linux-gnu-", command: ["aarch64-linux-gnu-gcc", "-gdwarf-4"] },
  { name: "gcc ppc64le", tools: "powerpc64le-linux-gnu-", command: ["powerpc64le-linux-gnu-gcc", "-mcmodel=large"] },
  { name: "clang x86_64", tools: "x86_64-linux-gnu-", command: ["clang-14", "--target=x86_64-linux-gnu", "-mcmodel=kernel"] },
] as const; // biome-ignore format: a row a compiler

const HEADER = (change: string): string =>
  `struct shared { int a; ${change.includes("shared") ? "int more; " : ""}int b; }; enum state { IDLE${change.includes("enum") ? ", NEW" : ""}, BUSY }; int ext(int);\n`;

/** Three files that include the header; the second one has a struct and a static function of its own. */
const sources = (change: string): readonly (readonly [string, string])[] => [
  ["one.c", `${HEADER(change)}static __attribute__((noinline, noipa)) int help(struct shared *s) { return ext(s->b) + 1; }\nint one(struct shared *s) { return help(s) + BUSY; }\n`],
  ["two.c", `${HEADER(change)}struct own { char c; ${change.includes("own") ? "long l; " : ""}int d; };\nstatic __attribute__((noinline, noipa)) int help(struct own *o) { return ext(o->d); }\nint two(struct own *o) { return help(o)\n + ${change.includes("code") ? 2 : 1}; }\n`],
  ["three.c", `${HEADER(change)}int three(int x) { return ext(x); }\n`],
]; // biome-ignore format: a row a file

function linked(compiler: (typeof compilers)[number], change: string): Uint8Array {
  const [command, ...args] = compiler.command;
  const objects = sources(change).map(([file, text]) => {
    writeFileSync(join(folder, file), text);
    const flags = ["-O2", "-g", "-ffunction-sections", "-fdata-sections", "-fno-PIE", "-ffreestanding", "-w"];
    execFileSync(command, [...flags, ...args, "-c", file, "-o", `${file}.o`], { cwd: folder });
    return `${file}.o`;
  });
  execFileSync(`${compiler.tools}ld`, ["-r", ...objects, "-o", "linked.o"], { cwd: folder });
  return new Uint8Array(readFileSync(join(folder, "linked.o")));
}

/** Without what the compiler adds. */
const plain = (names: readonly string[]): string[] => names.map((n) => n.replace(/\..*/, ""));

describe.each(compilers)("$name", (compiler) => {
  const orig = linked(compiler, "");
  const told = async (change: string): Promise<unknown[]> => {
    const patched = linked(compiler, change);
    const inputs = [
      { bytes: orig, path: join(folder, "orig.o") },
      { bytes: patched, path: join(folder, "patched.o") },
    ] as const;
    const { problems, meaning } = await diffObjects(...inputs);
    expect(meaning?.types?.source).toBe("DWARF");
    // The same where debug information is read from the disk in parts.
    for (const { bytes, path } of inputs) writeFileSync(path, bytes);
    const parts = inputs.map(({ path }) => ({
      path,
      ...readPartly(path, { ...DEBUG, leastFile: 0, leastSection: 1 }),
    }));
    const [one, other] = parts as unknown as [PartlyRead & { path: string }, PartlyRead & { path: string }];
    expect(one.apart.size).toBeGreaterThan(2);
    expect((await diffObjects(one, other)).problems).toEqual(problems);
    for (const { close } of [one, other]) close();
    return problems
      .filter((p) => p.code === "KLP725" || p.code === "KLP726")
      .map((p) => [
        p.code,
        titleOf(p),
        ...(p.code === "KLP725" ? [plain(p.data.changed), plain(p.data.unchanged)] : []),
      ]);
  };

  test("a struct of a header is told once, with its users of all files", async () => {
    expect(await told("shared")).toEqual([["KLP725", expect.stringContaining("struct shared"), ["help"], ["one"]]]);
  });

  test("a struct of one file, and not those of the others", async () => {
    expect(await told("own")).toEqual([["KLP725", expect.stringContaining("struct own"), ["help"], ["two"]]]);
  });

  test("an enumerator of a header is told once", async () => {
    expect(await told("enum")).toEqual([["KLP726", expect.stringContaining("enum state")]]);
  });

  test("code alone", async () => {
    expect(await told("code")).toEqual([]);
  });

  test("places have the lines that they have where all is read at once", async () => {
    const file = readElf(orig);
    const [whole, byUnit] = [await SourceIndex.read(file), await SourceIndex.read(file, 0)];
    let count = 0;
    for (let section = 1; section < file.sections.count; section++) {
      if (!file.sections.name(section).startsWith(".text.")) continue;
      for (let at = 0; at < file.sections.size(section); at++) {
        const lines = whole.find(section, at);
        expect(byUnit.find(section, at)).toEqual(lines);
        if (lines !== null) count++;
      }
    }
    expect(count).toBeGreaterThan(40);
  });
});
