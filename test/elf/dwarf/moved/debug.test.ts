// Debug information of functions that are moved apart: each instruction keeps its line and its inlined calls. The expected
// ones are those of llvm-symbolizer for the objects as compiled (test/fixtures/moved/make.sh remakes both).
// test/tools/moved.test.ts asks binutils and LLVM about the objects that klplink makes.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { SourceIndex } from "../../../../src/elf/dwarf/lines/source.ts";
import { readElf } from "../../../../src/elf/reader.ts";
import { ElfEdits } from "../../../../src/elf/writer/edits.ts";
import { writeElf } from "../../../../src/elf/writer.ts";
import { readModuleFacts } from "../../../../src/kernel/module/moduleFacts.ts";
import { link } from "../../../../src/passes/link.ts";
import { load } from "../../../helpers.ts";
import { functionsOf, movedApart, ROOMS } from "./moving.ts";

/** Object -> function -> runs of instructions: offset, frames. */
type Lines = Record<string, Record<string, [number, ...string[]][]>>;
const golden = JSON.parse(readFileSync(new URL("../../../golden/moved-lines.json", import.meta.url), "utf8")) as Lines;
const objects = Object.keys(golden);
const input = (object: string): Uint8Array => load(`test/fixtures/moved/${object}`);

/** What our own reader finds, in the form of the golden file. @param old sizes of the functions, without islands */
async function linesOf(bytes: Uint8Array, old: ReturnType<typeof functionsOf>): Promise<Lines[string]> {
  const index = await SourceIndex.read(readElf(bytes));
  const found: Lines[string] = {};
  for (const [name, { section, start }] of functionsOf(bytes)) {
    const runs: [number, ...string[]][] = [];
    for (let at = 0; at < (old.get(name)?.size ?? 0); at += 4) {
      const frames = (index.find(section, start + at) ?? []).map((f) => {
        const path = f.file.startsWith("/") ? f.file : `${f.directory}/${f.file}`;
        return `${f.function} ${path}:${f.line}:${f.column}`;
      });
      if (JSON.stringify(runs.at(-1)?.slice(1)) !== JSON.stringify(frames)) runs.push([at, ...frames]);
    }
    found[name] = runs;
  }
  expect(index.fault).toBeNull();
  return found;
}

/** LLVM takes the outermost name from the symbol table, where a cold part has a name of its own. */
const expected = (object: string): Lines[string] =>
  JSON.parse(JSON.stringify(golden[object]).replaceAll(/(\w+)\.cold /g, "$1 ")) as Lines[string];

const unaddressed = /zstd/;

describe.each(objects)("%s", (object) => {
  const old = functionsOf(input(object));

  test("as compiled", async () => {
    expect(await linesOf(input(object), old)).toEqual(expected(object));
    expect(
      Object.values(expected(object))
        .flat()
        .some((run) => run.length > 3),
    ).toBe(true);
  });

  test.each(ROOMS)("moved apart, %s", async (_name, size) => {
    const { bytes, left, obstacles } = await movedApart(input(object), size);
    expect({ left, obstacles }).toEqual({ left: [], obstacles: [] });
    const now = functionsOf(bytes);
    expect([...now].filter(([name, f]) => f.start !== old.get(name)?.start).length).toBeGreaterThan(5);
    expect(await linesOf(bytes, old)).toEqual(expected(object));
  });

  test("the room between functions belongs to no line", async () => {
    const { bytes } = await movedApart(input(object), () => 64);
    const file = readElf(bytes);
    const index = await SourceIndex.read(file);
    const lines = [...functionsOf(bytes).values()].map((f) => index.find(f.section, f.start + f.size)?.[0]?.line ?? 0);
    expect(lines.length).toBeGreaterThan(8);
    expect(lines.every((line) => line === 0)).toBe(true);
  });

  test("moved by 0 bytes: the same file", async () => {
    const { bytes } = await movedApart(input(object), () => 0);
    expect(Buffer.from(bytes).equals(input(object))).toBe(true);
  });

  test("with islands", async () => {
    const facts = await readModuleFacts(readElf(input(object)), null);
    const { output, problems, done } = link(input(object), { file: "in.o", facts });
    expect(problems.filter((p) => p.code !== "KLP307" && p.code !== "KLP310")).toEqual([]);
    expect(done.returnIslands).toBeGreaterThan(30);
    const moved = [...functionsOf(output ?? new Uint8Array())].filter(([name, f]) => f.start !== old.get(name)?.start);
    expect(moved.length).toBeGreaterThan(5);
    expect(await linesOf(output ?? new Uint8Array(), old)).toEqual(expected(object));
  });
});

describe("what is not understood keeps its bytes, and is told", () => {
  const object = "gcc-5.o";
  /** The object with bytes of a section overwritten. */
  const spoiled = (section: string, offset: number, bytes: number[]): Uint8Array => {
    const file = readElf(input(object));
    const edits = new ElfEdits(file);
    edits.patch(file.sections.findByName(section) ?? 0, offset, Uint8Array.from(bytes));
    return writeElf(edits);
  };
  const told = async (bytes: Uint8Array): Promise<string[]> =>
    (await movedApart(bytes, () => 64)).left.map((l) => `${l.section}+${l.offset} ${l.reason}`);

  test.each([
    [".debug_line", 4, [6, 0], [".debug_line+6 a line program of version 6"]],
    [".debug_info", 4, [6, 0], [".debug_info+0 a unit of version 6"]],
    [".debug_aranges", 4, [3, 0], [".debug_aranges+6 address ranges of version 3"]],
  ] as const)("%s+%i", async (section, offset, bytes, expected) => {
    const input = spoiled(section, offset, [...bytes]);
    expect(await told(input)).toEqual(expected);
    const file = readElf((await movedApart(input, () => 64)).bytes);
    // What stood at the start still does: its length, and the version that is not known.
    const data = file.sections.data(file.sections.findByName(section) ?? 0);
    const old = readElf(input).sections;
    expect([...data.subarray(0, 6)]).toEqual([...old.data(old.findByName(section) ?? 0).subarray(0, 6)]);
  });

  test("a list table that cannot be followed: no list of it changes", async () => {
    const input = spoiled(".debug_rnglists", 4, [4, 0]);
    const { bytes, left } = await movedApart(input, () => 4000);
    expect(left.map((l) => `${l.section} ${l.reason}`)).toEqual([".debug_rnglists a table of lists of version 4"]);
    const data = (b: Uint8Array): string => {
      const { sections } = readElf(b);
      return Buffer.from(sections.data(sections.findByName(".debug_rnglists") ?? 0)).toString("hex");
    };
    expect(data(bytes)).toBe(data(input));
  });

  test("a section that is not known", async () => {
    const edits = new ElfEdits(readElf(input(object)));
    const section = { name: ".debug_later", type: 1, flags: 0n, link: 0, info: 0, addralign: 1, entsize: 0 };
    edits.addSection({ ...section, data: new Uint8Array(4) });
    expect(await told(writeElf(edits))).toEqual([".debug_later+0 a section that is not known"]);
  });

  test("an unwind entry that covers two functions", async () => {
    const { left } = await movedApart(input("unwind.o"), () => 64);
    expect(left.map((l) => `${l.section} ${l.reason}`)).toEqual([
      ".eh_frame an unwind entry that covers more than one function",
    ]);
  });

  test("split debug information", async () => {
    expect(await told(input("split.o"))).toEqual([
      ".debug_info+0 split debug information in a file of its own, many.dwo",
    ]);
  });

  test("zstd without its unpacker", () => {
    const { problems } = link(input("clang-5-zstd.o"), { file: "in.o" });
    const sections = problems.flatMap((p) => (p.code === "KLP311" ? [p.at.section] : []));
    expect(sections).toContain(".debug_info");
  });
});

test("damaged debug information neither crashes nor hangs the move", async () => {
  for (const object of objects.filter((o) => !unaddressed.test(o))) {
    const original = readElf(input(object));
    const { sections } = original;
    const targets = Array.from({ length: sections.count }, (_, i) => i).filter((i) =>
      /^\.debug_(?:info|abbrev|line|addr|ranges|rnglists|loc|loclists|aranges|frame)$/.test(sections.name(i)),
    );
    let state = 1;
    const next = (n: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * n);
    };
    for (let round = 0; round < 60; round++) {
      const edits = new ElfEdits(original);
      for (let k = 0; k < 3; k++) {
        const section = targets[next(targets.length)] ?? 0;
        const at = next(next(2) === 0 ? 64 : sections.size(section)) % Math.max(1, sections.size(section));
        edits.patch(section, at, Uint8Array.of([0, 1, 4, 0x7f, 0x80, 0xff][next(6)] ?? 0));
      }
      const { bytes } = await movedApart(writeElf(edits), (n) => 4 * (n % 40));
      expect(readElf(bytes).sections.count).toBe(sections.count);
    }
  }
});
