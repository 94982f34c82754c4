// --toc-restore epilogue: which functions get a restoring sequence, and what it is. The object is made by GNU as
// (test/fixtures/rules/make.sh). Words: the assembler's, except where named; `objdump -d` shows them.

import { expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import { link } from "../../../src/passes/link.ts";
import { isReturn, returnAsBranch } from "../../../src/stubs/insn.ts";
import { load } from "../../helpers.ts";

const input = load("test/fixtures/rules/epilogue.o");

test("functions whose returns are not their own are refused, each with the word in the way", () => {
  const { problems, output } = link(input, { file: "in.o", tocRestore: "epilogue" });
  const told = problems
    .filter((p) => p.code === "KLP312")
    .map((p) => `${p.at.function?.name}+${p.at.function?.offset} ${(p.data as { reason: string }).reason}`);
  expect(told).toEqual([
    "called+0 it is also reached inside the module, where nobody stores the distance to the TOC",
    "tail+44 it ends in a branch to other code, which returns by itself",
    "pointer+24 it may end in an indirect sibling call",
    "through_lr+24 it calls through LR",
  ]);
  expect(output).toBeNull();
});

test("each return goes through one sequence behind the function, under its own condition", () => {
  const { output, done } = link(input, { file: "in.o", tocRestore: "epilogue", force: true });
  expect(done).toMatchObject({ epilogues: 1 });
  const file = readElf(output ?? new Uint8Array());
  const text = file.sections.findByName(".text") ?? 0;
  const data = file.sections.data(text);
  const view = new DataView(data.buffer, data.byteOffset);
  const words = (from: number, count: number): string[] =>
    Array.from({ length: count }, (_, i) =>
      view
        .getUint32(from + i * 4, true)
        .toString(16)
        .padStart(8, "0"),
    );
  // cmpdi r3,0; beq +20; addi r3,r3,-1; bdnz +12; b +4; then the sequence.
  const conditional = ["2c230000", "41820010", "3863ffff", "42000008", "48000004"];
  expect(words(0x10, 5)).toEqual(conditional);
  // mflr r0; lwa r2,12(r1); add r2,r2,r0; blr
  expect(words(0x24, 4)).toEqual(["7c0802a6", "e841000e", "7c420214", "4e800020"]);
  const symbols = file.symbols;
  for (let i = 1; symbols !== null && i < symbols.count; i++) {
    if (symbols.name(i) === "good") expect(symbols.size(i)).toBe(0x34);
    if (symbols.name(i) === "called") expect(symbols.offset(i)).toBe(0x34);
  }
});

test("linking again adds nothing", () => {
  const once = link(input, { file: "in.o", tocRestore: "epilogue", force: true }).output ?? new Uint8Array();
  const again = link(once, { file: "in.o", tocRestore: "epilogue", force: true });
  expect(again.done.epilogues).toBe(0);
  expect(again.changed).toBe(false);
});

test("returns, by their words", () => {
  // blr, beqlr, bdnzlr, blrl, bctr as GNU as writes them.
  expect([0x4e80_0020, 0x4d82_0020, 0x4e00_0020, 0x4e80_0021, 0x4e80_0420].map(isReturn)).toEqual([
    "always",
    "conditional",
    "conditional",
    "call",
    null,
  ]);
  // b .+8, beq .-8, bdnz .+32764
  expect(returnAsBranch(0x4e80_0020, 8)).toBe(0x4800_0008);
  expect(returnAsBranch(0x4d82_0020, -8)).toBe(0x4182_fff8);
  expect(returnAsBranch(0x4e00_0020, 0x7ffc)).toBe(0x4200_7ffc);
  expect(() => returnAsBranch(0x4d82_0020, 0x8000)).toThrow("cannot go");
});
