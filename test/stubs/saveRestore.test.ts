// Register save and restore routines against those that GNU ld makes (test/golden/savres/make.sh).

import { expect, test } from "vitest";
import { wordBytes } from "../../src/base/bytes.ts";
import { readElf } from "../../src/elf/reader.ts";
import { link } from "../../src/passes/link.ts";
import { helperCode, isHelper } from "../../src/stubs/saveRestore.ts";
import { load } from "../helpers.ts";

const golden = Buffer.from(load("test/golden/savres/savres.txt")).toString().trimEnd().split("\n");
const hexOf = (names: readonly string[]): string =>
  Buffer.from(wordBytes(helperCode(names).words, true)).toString("hex");

test("each routine alone, and several together: the bytes that ld links in", () => {
  expect(golden.length).toBe(134);
  for (const line of golden) {
    const [names = "", bytes] = line.split(" ");
    expect(hexOf(names.split(",")), names).toBe(bytes);
  }
});

test("each entry is where ld puts its symbol", () => {
  for (const line of golden.filter((l) => l.includes("="))) {
    const [names = "", , ...symbols] = line.split(" ");
    const entries = [...helperCode(names.split(",")).entries].map(([name, offset]) => `${name}=${offset}`);
    expect(entries.sort()).toEqual(symbols.sort());
  }
});

test("names that are not routines", () => {
  expect(
    ["_savegpr0_13", "_savevr_19", "_savegpr0_32", "_savegpr2_14", "savegpr0_14", "_restgpr0_"].filter(isHelper),
  ).toEqual([]);
});

test("a module that lacks them gets them: its calls then stay inside", () => {
  const result = link(load("test/fixtures/rules/i5-helpers.o"), { file: "in.o" });
  expect(result.problems.filter((p) => p.code === "KLP305")).toEqual([]);
  expect(result.done).toMatchObject({ helpers: 2 });
  const file = readElf(result.output ?? new Uint8Array());
  const section = file.sections.findByName(".sfpr") ?? 0;
  expect(Buffer.from(file.sections.data(section)).toString("hex")).toBe(hexOf(["_savegpr0_29", "_restgpr0_29"]));
  const symbols = file.symbols;
  const found: string[] = [];
  for (let i = 1; symbols !== null && i < symbols.count; i++) {
    if (isHelper(symbols.name(i)))
      found.push(`${symbols.name(i)} ${symbols.sectionOf(i) === section} ${symbols.offset(i)}`);
  }
  // As in ld's output for the two names: _savegpr0_29 to 31, then _restgpr0_29.
  expect(found.sort()).toEqual([
    "_restgpr0_29 true 20",
    "_savegpr0_29 true 0",
    "_savegpr0_30 true 4",
    "_savegpr0_31 true 8",
  ]);
});

test("left alone with --toc-restore nop, and refused", () => {
  const result = link(load("test/fixtures/rules/i5-helpers.o"), { file: "in.o", tocRestore: "nop" });
  expect(result.problems.map((p) => p.code)).toContain("KLP305");
  expect(result.output).toBeNull();
});
