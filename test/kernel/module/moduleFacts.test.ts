// Parameters of functions and places of members, from DWARF (GCC, versions 2, 4 and 5; clang) and from BTF. What is
// expected follows from test/fixtures/types/protos.c and the sizes of the ELFv2 ABI.

import { describe, expect, test } from "vitest";
import { OrderedView, wordBytes } from "../../../src/base/bytes.ts";
import { Btf, BtfError } from "../../../src/elf/btf.ts";
import { findMembers } from "../../../src/elf/dwarf/types/members.ts";
import type { Prototype } from "../../../src/elf/dwarf/types/prototype.ts";
import { readExecutable } from "../../../src/elf/executable.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { decodeStack } from "../../../src/kernel/image/livepatchStack.ts";
import { readVmlinux } from "../../../src/kernel/image/vmlinux.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { readModuleFacts } from "../../../src/kernel/module/moduleFacts.ts";
import { stackArguments } from "../../../src/klp/toc/framed.ts";
import { mutate } from "../../fuzz/mutate.ts";
import { load } from "../../helpers.ts";

const object = (name: string): Uint8Array => load(`test/fixtures/types/${name}.o`);
const facts = (name: string) => readModuleFacts(readElf(object(name)), null);

/** `name(sizes of parameters, s: in pieces) -> size of the result`. */
function signature(name: string, p: Prototype | null | undefined): string {
  if (p == null) return `${name}: unknown`;
  const type = (t: Prototype["result"]): string =>
    t === null ? "void" : `${t.size ?? "?"}${t.isAggregate ? "s" : ""}`;
  const parameters = [...p.parameters.map(type), ...(p.isVariadic ? ["..."] : [])].join(",");
  return `${name}(${parameters})${p.isPrototyped ? "" : " unprototyped"} -> ${type(p.result)}`;
}

const EXPECTED = [
  "by_value(72s,16s) -> 72s",
  "eight(8,8,8,8,8,8,8,8) -> 8",
  "hidden(8,8,...) -> 8",
  "inlined(4) -> 4",
  "nine(8,8,8,8,8,8,8,8,8) -> 8",
  "nothing() -> void",
  "old(4) unprototyped -> 4",
  "plain(4,8,8,8) -> 4",
  "user(4) -> 8",
  "variadic(4,...) -> 4",
  "vectors(16s,1) -> 16s",
  "wide(16,4,8,4) -> 16",
];

describe("parameters", () => {
  test.each(["dwarf2", "dwarf4", "dwarf5", "clang"])("%s", async (name) => {
    const { prototypes } = await facts(name);
    expect([...prototypes].map(([n, p]) => signature(n, p)).sort()).toEqual(EXPECTED);
  });

  test("BTF: the same, but for what it cannot tell", async () => {
    const { prototypes } = await facts("btf");
    const told = [...prototypes].map(([n, p]) => signature(n, p)).sort();
    // No mark for a missing prototype; GCC 12 leaves out vectors.
    const expected = EXPECTED.map((line) => line.replace(" unprototyped", "").replace("(16s,1) -> 16s", "(?,1) -> ?"));
    expect(told).toEqual(expected);
  });
});

describe("rule S1: arguments in registers (ELFv2 ABI 2.2.3)", () => {
  const LONG = { size: 8, isAggregate: false };
  const rule = async (name: string): Promise<string | null> => stackArguments((await facts("dwarf5")).prototypes, name);

  test.each([
    ["eight", null],
    ["nothing", null],
    ["plain", null],
    ["vectors", null],
    ["wide", null],
    ["nine", "its parameters take 9 doublewords, and registers hold 8"],
    // A pointer to the result, nine doublewords and two; each struct is taken to begin at an even one.
    ["by_value", "its parameters take 14 doublewords, and registers hold 8"],
    ["variadic", "it takes variable arguments"],
    ["hidden", "it takes variable arguments"],
    ["old", "it has no prototype"],
    ["absent", "its parameters are not known: the module has neither DWARF nor BTF for it"],
  ])("%s: %s", async (name, expected) => {
    expect(await rule(name)).toBe(expected);
  });

  test("a large result's pointer takes up a register; a small one does not", () => {
    const of = (size: number) => {
      const result = { size, isAggregate: true };
      const prototype = { isPrototyped: true, isVariadic: false, parameters: Array(8).fill(LONG), result };
      return stackArguments(new Map([["f", prototype]]), "f");
    };
    expect(of(16)).toBeNull();
    expect(of(17)).toBe("its parameters take 9 doublewords, and registers hold 8");
  });

  test("functions of one name that differ tell nothing", () => {
    expect(stackArguments(new Map([["f", null]]), "f")).toMatch(/several functions of the name/);
  });
});

describe("the livepatch stack's places", () => {
  test.each(["dwarf2", "dwarf4", "dwarf5", "clang"])("%s: from the module's own debug information", async (name) => {
    // paca_struct.__current lies behind 300 bytes, aligned to 8; livepatch_sp behind an int and a long.
    expect((await facts(name)).stacks).toEqual([
      { threadInfo: 304, stackPointer: 16, source: "the module's debug information" },
    ]);
  });

  test("BTF of vmlinux", () => {
    const file = readElf(object("btf"));
    const bytes = file.sections.data(file.sections.findByName(".BTF") ?? 0);
    const btf = new Btf(bytes, true);
    expect(btf.memberOffset("paca_struct", "__current")).toBe(304);
    expect(btf.memberOffset("thread_info", "livepatch_sp")).toBe(16);
    // Through a member without a name.
    expect(btf.memberOffset("paca_struct", "inner")).toBe(312);
    expect(btf.memberOffset("paca_struct", "nothing")).toBeNull();
    expect(btf.memberOffset("absent", "x")).toBeNull();
    const vmlinux = { list: undefined, btf: bytes, livepatchStack: { threadInfo: 1, stackPointer: 2 } };
    const kernel = new Kernel({ vmlinux: vmlinux as never });
    expect(kernel.livepatchStacks).toEqual([
      { threadInfo: 1, stackPointer: 2, source: "vmlinux's livepatch_handler" },
      { threadInfo: 304, stackPointer: 16, source: "vmlinux's BTF" },
    ]);
  });

  test.each(["gcc", "zlib", "dwarf2", "clang"])("DWARF of a vmlinux without BTF: %s", async (name) => {
    const vmlinux = readVmlinux(load(`test/fixtures/types/vmlinux-${name}`), "vmlinux");
    expect(vmlinux.btf).toBeNull();
    const kernel = new Kernel({ vmlinux });
    const told = { threadInfo: 304, stackPointer: 16, source: "vmlinux's debug information" };
    expect(await kernel.readLivepatchStack()).toEqual(told);
    // The module's own facts come last. Nothing is read where the livepatch stack is not asked for.
    const module = readElf(object("btf"));
    expect((await readModuleFacts(module, kernel, true)).stacks).toEqual([told]);
    expect((await readModuleFacts(module, kernel)).stacks).toEqual([]);
  });

  test("only members that are asked for and there; damaged files tell less, and nothing worse", async () => {
    const bytes = load("test/fixtures/types/vmlinux-gcc");
    const members = ["paca_struct.__current", "paca_struct.nothing", "absent.x", "thread_info.livepatch_sp"];
    expect([...(await findMembers(readExecutable(bytes), members))].sort()).toEqual([
      ["paca_struct.__current", 304],
      ["thread_info.livepatch_sp", 16],
    ]);
    const { sections } = readExecutable(bytes);
    for (let seed = 0; seed < 200; seed++) {
      const damaged = bytes.slice();
      for (const name of [".debug_info", ".debug_abbrev", ".debug_str"]) {
        const section = sections.findByName(name) ?? 0;
        const content = sections.data(section);
        const mutated = mutate(content, seed);
        damaged.set(mutated.subarray(0, content.length), sections.offset(section));
      }
      expect((await findMembers(readExecutable(damaged), members)).size).toBeLessThanOrEqual(2);
    }
  });

  test("livepatch_handler's first words", () => {
    const view = (...words: number[]): OrderedView => new OrderedView(wordBytes(words, true), true);
    // ld r12,2312(r13); ld r11,16(r12); addi r11,r11,24; std r11,16(r12): kernel 6.1, as objdump shows it.
    const words = [0xe98d_0908, 0xe96c_0010, 0x396b_0018, 0xf96c_0010];
    expect(decodeStack(view(0x6000_0000, ...words, 0xf84b_ffe8))).toEqual({ threadInfo: 2312, stackPointer: 16 });
    // A negative place: ld r12,-8(r13).
    expect(decodeStack(view(0xe98d_fff8, ...words.slice(1)))?.threadInfo).toBe(-8);
    // Another field is stored than was loaded; cut short; nothing of the kind.
    expect(decodeStack(view(...words.slice(0, 3), 0xf96c_0018))).toBeNull();
    expect(decodeStack(view(...words.slice(0, 3)))).toBeNull();
    expect(decodeStack(view())).toBeNull();
  });
});

test("damaged debug information is as good as none, and never an error", async () => {
  for (const name of ["dwarf2", "dwarf5", "btf", "clang"]) {
    const input = object(name);
    const file = readElf(input);
    for (let seed = 0; seed < 400; seed++) {
      const bytes = input.slice();
      // Only the debug sections: the rest is the reader's matter.
      for (let i = 1; i < file.sections.count; i++) {
        const section = file.sections.name(i);
        if (!/^\.(?:debug|BTF)/.test(section) || file.sections.size(i) === 0) continue;
        const damaged = mutate(file.sections.data(i), seed * 31 + i);
        bytes.set(damaged.subarray(0, file.sections.size(i)), file.sections.offset(i));
      }
      const { prototypes } = await readModuleFacts(readElf(bytes), null);
      for (const [n] of prototypes) stackArguments(prototypes, n);
    }
  }
});

test("BTF that is none, cut short, or points out of itself", () => {
  const file = readElf(object("btf"));
  const bytes = file.sections.data(file.sections.findByName(".BTF") ?? 0);
  for (const bad of [
    new Uint8Array(0),
    new Uint8Array(24),
    bytes.subarray(0, 30),
    bytes.subarray(0, bytes.length - 1),
  ]) {
    expect(() => new Btf(bad, true)).toThrow(BtfError);
  }
  expect(() => new Btf(bytes, false)).toThrow(BtfError);
});
