// Room between functions of one section: everything that counted into the section still means the same place. The
// object is made by GNU as (test/fixtures/rules/move-follow.s); what each word means is read by the rules of the tables
// themselves, before and after, and compared.

import { describe, expect, test } from "vitest";
import { type ElfFile, readElf } from "../../../src/elf/reader.ts";
import { ElfEdits } from "../../../src/elf/writer/edits.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { FunctionIndex } from "../../../src/klp/functions.ts";
import { applyMove, planMove } from "../../../src/klp/move/move.ts";
import { link } from "../../../src/passes/link.ts";
import { decodeBranch } from "../../../src/stubs/insn.ts";
import { load } from "../../helpers.ts";

const input = load("test/fixtures/rules/move-follow.o");

/** The output with room behind each function. @param size bytes of room behind the n-th */
function moved(size: (n: number) => number): Uint8Array {
  const file = readElf(input);
  const symbols = file.symbols;
  if (symbols === null) throw new Error("no symbols");
  const text = file.sections.findByName(".text") ?? 0;
  const functions = new FunctionIndex(file, symbols);
  const gaps = functions.inSection(text).map((f, n) => ({ at: f.start + f.size, size: size(n) }));
  const move = planMove(file, symbols, functions, new Map([[text, gaps]]));
  expect([...move.obstacles.values()]).toEqual([]);
  const edits = new ElfEdits(file);
  applyMove(edits, symbols, move);
  return writeElf(edits);
}

/** `function+offset` of a place in .text; the end of a function belongs to it. */
function nameOf(file: ElfFile, offset: number): string {
  const symbols = file.symbols;
  if (symbols === null) throw new Error("no symbols");
  const text = file.sections.findByName(".text") ?? 0;
  const f = new FunctionIndex(file, symbols).at(text, offset);
  return f === null ? `.text+${offset}` : `${f.name}+${offset - f.start}`;
}

/** Section+offset of each relocation -> the place in .text that it leads to, as its table reads it. */
function meanings(bytes: Uint8Array): string[] {
  const file = readElf(bytes);
  const { sections } = file;
  const text = sections.findByName(".text") ?? 0;
  const symbols = file.symbols;
  if (symbols === null) throw new Error("no symbols");
  const found: string[] = [];
  for (const table of file.relocations) {
    const section = sections.name(table.target);
    for (let row = 0; row < table.count; row++) {
      const at = table.offset(row);
      const place = table.target === text ? nameOf(file, at) : `${section}+${at}`;
      if (symbols.sectionOf(table.symbol(row)) !== text) {
        found.push(`${place}: type ${table.type(row)} ${symbols.name(table.symbol(row))}`);
        continue;
      }
      let to = symbols.offset(table.symbol(row)) + Number(table.addend(row));
      // .Lx-.Ljump: the table begins 8 bytes into .rodata.
      if (section === ".rodata") to -= at - 8;
      found.push(`${place}: ${nameOf(file, to)}`);
    }
  }
  return found.sort();
}

/** Branches of .text without a relocation: from and to. */
function branches(bytes: Uint8Array): string[] {
  const file = readElf(bytes);
  const text = file.sections.findByName(".text") ?? 0;
  const data = file.sections.data(text);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const relocated = new Set<number>();
  for (const t of file.relocations) if (t.target === text) for (let r = 0; r < t.count; r++) relocated.add(t.offset(r));
  const found: string[] = [];
  for (let at = 0; at + 4 <= data.length; at += 4) {
    const branch = decodeBranch(view.getUint32(at, true));
    if (branch === null || relocated.has(at)) continue;
    found.push(`${nameOf(file, at)} -> ${nameOf(file, at + branch.displacement)}`);
  }
  return found;
}

describe("what counts into a section that moves", () => {
  test("the object has all of it", () => {
    const tables = new Set(meanings(input).map((m) => m.replace(/\+.*/, "")));
    for (const name of [".eh_frame", "__mcount_loc", "__ex_table", "__bug_table", ".rodata", ".data"]) {
      expect([...tables]).toContain(name);
    }
    expect(meanings(input)).toContain("__ex_table+0: first+36"); // .Lfault, by objdump
    expect(meanings(input)).toContain(".rodata+16: table+48"); // .Ltwo, the third entry
    expect(branches(input)).toContain("first+32 -> first.cold+0");
    expect(branches(input)).toContain("last+32 -> first+44");
    expect(branches(input)).toContain("first.cold+4 -> first+44");
  });

  test.each([
    ["16 bytes behind each", () => 16],
    ["other room behind each", (n: number) => 4 * ((n * 7) % 11)],
    ["room behind the first only", (n: number) => (n === 0 ? 4096 : 0)],
  ] as const)("%s: every word means the same place", (_name, size) => {
    const bytes = moved(size);
    expect(meanings(bytes)).toEqual(meanings(input));
    expect(branches(bytes)).toEqual(branches(input));
    const file = readElf(bytes);
    expect(file.sections.size(file.sections.findByName(".text") ?? 0)).toBeGreaterThan(0xe8);
  });

  test("moved by 0 bytes: the same file", () => {
    expect(Buffer.from(moved(() => 0)).equals(input)).toBe(true);
  });

  test("with islands: all but the calls themselves", () => {
    const { output, done } = link(input, { file: "in.o" });
    expect(done).toMatchObject({ returnIslands: 3 });
    const calls = /^(?:first|last|first\.cold)\+\d+: type 10 ext$/;
    const others = (bytes: Uint8Array): string[] => meanings(bytes).filter((m) => !calls.test(m));
    expect(others(output ?? new Uint8Array())).toEqual(others(input));
    expect(meanings(output ?? new Uint8Array()).length).toBe(meanings(input).length);
  });
});
