// --toc-restore mini-frame and shadow-stack, and --siblings framed: what is written, word by word. Objects are made by
// GNU as (test/fixtures/rules/make.sh). Words: as the instruction beside them assembles.

import { describe, expect, test } from "vitest";
import { levelOf } from "../../../src/diag/catalogue.ts";
import type { Prototype, Prototypes } from "../../../src/elf/dwarf/types/prototype.ts";
import { type ElfFile, readElf } from "../../../src/elf/reader.ts";
import { localEntryOffset } from "../../../src/elf/views/symbols.ts";
import type { ModuleFacts } from "../../../src/kernel/module/moduleFacts.ts";
import { type LinkOptions, type LinkResult, link } from "../../../src/passes/link.ts";
import { load } from "../../helpers.ts";

const fixture = (name: string): Uint8Array => load(`test/fixtures/rules/${name}.o`);
const LONG = { size: 8, isAggregate: false };
const longs = (count: number): Prototype => ({
  isPrototyped: true,
  isVariadic: false,
  parameters: Array(count).fill(LONG),
  result: LONG,
});
const knowing = (prototypes: Record<string, Prototype>): ModuleFacts => ({
  prototypes: new Map(Object.entries(prototypes)) as Prototypes,
  stacks: [],
});
const run = (name: string, options: Partial<LinkOptions>): LinkResult =>
  link(fixture(name), { file: "in.o", ...options });

function words(file: ElfFile, section: string, from: number, count: number): string[] {
  const data = file.sections.data(file.sections.findByName(section) ?? 0);
  const view = new DataView(data.buffer, data.byteOffset);
  return Array.from({ length: count }, (_, i) =>
    view
      .getUint32(from + i * 4, true)
      .toString(16)
      .padStart(8, "0"),
  );
}

/** `place: type symbol+addend` of a section's relocations. */
function relocations(file: ElfFile, section: string): string[] {
  const found: string[] = [];
  for (const table of file.relocations) {
    if (file.sections.name(table.target) !== section) continue;
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      const name = file.symbols?.name(symbol) || file.sections.name(file.symbols?.sectionOf(symbol) ?? 0);
      found.push(`${table.offset(row).toString(16)}: ${table.type(row)} ${name}+${table.addend(row).toString(16)}`);
    }
  }
  return found.sort();
}

function symbol(file: ElfFile, name: string): { value: number; size: number; local: number } {
  const { symbols } = file;
  for (let i = 1; symbols !== null && i < symbols.count; i++) {
    if (symbols.name(i) !== name) continue;
    return { value: symbols.offset(i), size: symbols.size(i), local: localEntryOffset(symbols.other(i)) };
  }
  throw new Error(`no ${name}`);
}

describe("mini-frame", () => {
  test("forced, but for what is refused: the others get a frame, which `show --toc` counts", () => {
    const one = knowing({ f: longs(8), g: { ...longs(0), isVariadic: true } });
    const frames = (options: Partial<LinkOptions>) =>
      run("mini-frame", { tocRestore: "mini-frame", facts: one, ...options }).done.miniFrames;
    expect([frames({}), frames({ force: true, frameAll: false }), frames({ force: true })]).toEqual([0, 1, 2]);
  });

  const facts = knowing({ f: longs(8), g: longs(0) });
  const file = (): ElfFile =>
    readElf(run("mini-frame", { tocRestore: "mini-frame", facts }).output ?? new Uint8Array());

  test("the entry stands before the function, and its local entry 64 bytes behind it", () => {
    const done = file();
    // f was at 8, its TOC's distance at 0; that is 48 bytes on now, and the entry before it.
    expect(symbol(done, "f")).toEqual({ value: 0, size: 0x90, local: 64 });
    expect(words(done, ".text.f", 0, 16)).toEqual([
      ...["60000000", "60000000"],
      ...["7c0802a6", "f8010010"], // mflr r0; std r0,16(r1)
      ...["7c001050", "9001000c"], // subf r0,r0,r2; stw r0,12(r1)
      "f821ffe1", // stdu r1,-32(r1)
      ...["380c006c", "f8010010", "7c0803a6"], // addi r0,r12,0x6c; std r0,16(r1); mtlr r0
      "398c0038", // addi r12,r12,56
      "4800000c", // b .+12, over the distance
      ...["00000000", "00000000"],
      ...["e84cfff8", "7c426214"], // ld r2,-8(r12); add r2,r2,r12
    ]);
    // klp_return_helper as in the mail: addi r1,r1,32; lwa r2,12(r1); ld r0,16(r1); add r2,r2,r0; mtlr r0; blr
    const helper = ["38210020", "e841000e", "e8010010", "7c420214", "7c0803a6", "4e800020"];
    expect(words(done, ".text.f", 0x6c, 6)).toEqual(helper);
    // Of the medium model: nothing to jump over, and room in steps of the section's alignment.
    expect(symbol(done, "g")).toEqual({ value: 8, size: 0x64, local: 64 });
    expect(words(done, ".text.g", 8 + 56 - 4, 3)).toEqual(["398c0038", "3c4c0000", "38420000"]);
  });

  test("pointers lead to the entry; places inside the functions stay", () => {
    const done = file();
    expect(relocations(done, ".data")).toEqual(["0: 38 .text.f+0", "8: 38 g+0"]);
    // Behind `mflr r0` of the functions themselves.
    expect(relocations(done, "__mcount_loc")).toEqual(["0: 38 .text.f+44", "8: 38 g+44"]);
    expect(relocations(done, ".debug_aranges")).toEqual(["0: 38 g+38"]);
    // A call inside the module goes to the local entry, past the frame: the loader adds those 64 bytes.
    expect(relocations(done, ".text.f")).toContain("54: 10 g+0");
  });

  test.each([
    ["unknown", knowing({ g: longs(0) }), /the module has neither DWARF nor BTF/],
    ["variable", knowing({ f: { ...longs(1), isVariadic: true }, g: longs(0) }), /takes variable arguments/],
    ["nine", knowing({ f: longs(9), g: longs(0) }), /take 9 doublewords/],
  ])("%s parameters are refused; forced, the frame is made", (_name, known, why) => {
    const result = run("mini-frame", { tocRestore: "mini-frame", facts: known });
    const refused = result.problems.filter((p) => levelOf(p) === "error");
    expect(refused.map((p) => `${p.code} ${p.at.function?.name}`)).toEqual(["KLP313 f"]);
    expect(refused.map((p) => (p.data as { reason: string }).reason)).toEqual([expect.stringMatching(why)]);
    expect(result.output).toBeNull();
    const forced = run("mini-frame", { tocRestore: "mini-frame", facts: known, force: true });
    expect(forced.done).toMatchObject({ miniFrames: 2 });
  });

  test("linking again makes no second frame", () => {
    const once = run("mini-frame", { tocRestore: "mini-frame", facts }).output ?? new Uint8Array();
    const again = link(once, { file: "in.o", tocRestore: "mini-frame", facts });
    expect(again.problems).toEqual([]);
    expect(again.changed).toBe(false);
  });
});

describe("shadow-stack", () => {
  const stack = { threadInfo: 2312, stackPointer: 16 };

  test("one stub a function and callee, in the function; its slot in .toc", () => {
    const result = run("stubs", { tocRestore: "shadow-stack", livepatchStack: stack });
    expect(result.problems).toEqual([]);
    expect(result.done).toMatchObject({
      stubCalls: 4,
      siblingIslands: 0,
      returnIslands: 0,
      islandBytes: 2 * 108 + 2 * 8,
    });
    const file = readElf(result.output ?? new Uint8Array());
    const end = 0x4c; // of the code, before: 8 bytes and 17 words
    expect(symbol(file, "f").size).toBe(end - 8 + 216);
    expect(words(file, ".text.f", end, 27)).toEqual([
      ...["e98d0908", "e96c0010", "396b0018", "f96c0010"], // as livepatch_handler: push 24 bytes
      ...["3d8057ac", "618c6e9d", "f98bfff8", "f84bffe8", "7d8802a6", "f98bfff0"],
      ...["3d820000", "e98c0000", "7d8903a6", "4e800421"], // addis r12,r2,slot; ld r12,slot(r12); mtctr r12; bctrl
      ...["e98d0908", "e96c0010", "3c4057ac", "60426e9d", "e98bfff8", "7f0c1088"], // check the mark
      ...["e98bfff0", "7d8803a6", "e84bffe8", "e98d0908", "396bffe8", "f96c0010", "4e800020"], // pop, blr
    ]);
    expect(relocations(file, ".toc")).toEqual(["0: 38 ext+0", "8: 38 other+0"]);
    const loads = relocations(file, ".text.f").filter((r) => r.includes(".toc"));
    expect(loads).toEqual(["74: 50 .toc+0", "78: 64 .toc+0", "e0: 50 .toc+8", "e4: 64 .toc+8"]);
    // bl ext, bl other, bl ext; b ext.
    const at = [0x2c, 0x30, 0x34, 0x48].map((o) => Number.parseInt(words(file, ".text.f", o, 1)[0] ?? "", 16));
    expect(at.map((w) => (w & 1) as number)).toEqual([1, 1, 1, 0]);
  });

  test.each([
    ["nothing told", {}],
    ["an odd place", { livepatchStack: { threadInfo: 2311, stackPointer: 16 } }],
    ["out of reach", { livepatchStack: { threadInfo: 0x8000, stackPointer: 16 } }],
    [
      "files that disagree",
      {
        facts: {
          prototypes: new Map(),
          stacks: [
            { threadInfo: 8, stackPointer: 16, source: "a" },
            { threadInfo: 8, stackPointer: 24, source: "b" },
          ],
        },
      },
    ],
  ] as const)("%s: refused, and not even forced", (_name, options) => {
    for (const force of [false, true]) {
      const result = run("stubs", { tocRestore: "shadow-stack", force, ...options });
      expect(result.problems.map((p) => p.code)).toContain("KLP314");
      expect(result.done.stubCalls).toBe(0);
    }
  });
});

describe("framed sibling islands", () => {
  const FRAMED = [
    "7c0802a6",
    "f8010010",
    "f821ffa1",
    "48000001",
    "60000000",
    "38210060",
    "e8010010",
    "7c0803a6",
    "4e800020",
  ];

  test("chosen where a local caller cannot have an island, if the parameters are known", () => {
    // caller's bl has no relocation (rule S3).
    expect(run("s3-resolved", {}).output).toBeNull();
    const result = run("s3-resolved", { facts: knowing({ callee: longs(8) }) });
    expect(result.problems.filter((p) => levelOf(p) === "error")).toEqual([]);
    expect(result.done).toMatchObject({ siblingIslands: 1, framedIslands: 1, localCallIslands: 0 });
    const file = readElf(result.output ?? new Uint8Array());
    const callee = symbol(file, "callee");
    const end = callee.value + callee.size;
    expect(words(file, ".text", end - 36, 9)).toEqual(FRAMED);
    expect(relocations(file, ".text")).toContain(`${(end - 24).toString(16)}: 10 ext+0`);
  });

  test("refused otherwise, with what stands in the way", () => {
    const refused = (facts: ModuleFacts): string[] =>
      run("s3-resolved", { facts }).problems.flatMap((p) => (p.code === "KLP303" ? p.data.reason : []));
    expect(refused(knowing({}))).toEqual([
      expect.stringMatching(/callee can have no framed island: its parameters are not known/),
    ]);
    expect(refused(knowing({ callee: longs(9) }))).toEqual([
      expect.stringMatching(/callee can have no framed island: its parameters take 9/),
    ]);
  });

  test("frameless by default; framed where asked for and allowed", () => {
    const facts = knowing({ a: longs(1) });
    expect(run("closure", { facts }).done).toMatchObject({ siblingIslands: 1, framedIslands: 0, localCallIslands: 1 });
    // a keeps r2, so nobody behind it has to save it.
    const framed = run("closure", { facts, siblings: "framed" });
    expect(framed.done).toMatchObject({ siblingIslands: 1, framedIslands: 1, localCallIslands: 0 });
    const nine = run("closure", { facts: knowing({ a: longs(9) }), siblings: "framed" });
    expect(nine.done).toMatchObject({ siblingIslands: 1, framedIslands: 0, localCallIslands: 1 });
  });
});
