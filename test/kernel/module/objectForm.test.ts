import { describe, expect, test } from "vitest";
import { titleOf } from "../../../src/diag/catalogue.ts";
import { check } from "../../../src/passes/check.ts";
import { type BuiltSection, buildElf, words } from "../../elf/build.ts";

const codes = (bytes: Uint8Array) => check(bytes, { file: "x.o" }).problems.map((p) => p.code);
const code: BuiltSection = { name: ".text", type: 1, flags: 6, data: words([0xc3]) };
const lto: BuiltSection = { name: ".gnu.lto_.decls.1", type: 1, flags: 0x8000_0000, data: words([1, 2]) };
const marker = { name: "__gnu_lto_slim", bind: 1, type: 1, home: 0xfff2, value: 1n, size: 1 };

// What gcc 12 -flto writes: an empty .text, .gnu.lto_ sections, and the common symbol __gnu_lto_slim unless the object is fat.
describe("objects of a compiler's link step", () => {
  test("slim ones are refused, with the symbol or without", () => {
    const empty = { ...code, data: new Uint8Array(0) };
    expect(codes(buildElf({ sections: [empty, lto], symbols: [marker] }))).toContain("KLP112");
    expect(codes(buildElf({ sections: [empty, lto], symbols: [] }))).toContain("KLP112");
  });
  test("fat ones and ordinary ones are not", () => {
    expect(codes(buildElf({ sections: [code, lto], symbols: [] }))).not.toContain("KLP112");
    expect(codes(buildElf({ sections: [code], symbols: [] }))).not.toContain("KLP112");
  });
  test("LLVM bitcode, bare and in its wrapper, is named", () => {
    for (const start of [
      [0x42, 0x43, 0xc0, 0xde],
      [0xde, 0xc0, 0x17, 0x0b],
    ]) {
      const bytes = Uint8Array.from([...start, ...new Array(60).fill(0)]);
      let said = "";
      try {
        check(bytes, { file: "x.o" });
      } catch (error) {
        said = titleOf((error as { problem: never }).problem);
      }
      expect(said).toContain("LLVM bitcode");
    }
  });
});

// ELF V2 ABI 2.1.1 (e_flags), 64-bit ELF V1 ABI 1.9 (.opd: 24 bytes a function).
describe("objects of PowerPC's first 64-bit ABI", () => {
  const opd: BuiltSection = { name: ".opd", type: 1, flags: 3, align: 8, data: new Uint8Array(24) };
  const object = (flags: number, sections: readonly BuiltSection[], machine = 21): Uint8Array => {
    const bytes = buildElf({ machine, sections, symbols: [] });
    new DataView(bytes.buffer).setUint32(48, flags, true);
    return bytes;
  };
  test.each([
    [0, [code, opd], true],
    [1, [code, opd], true],
    [1, [code], true],
    [2, [code], false],
    // What GNU as writes where nothing tells the ABI.
    [0, [code], false],
    [0, [code, { ...opd, data: new Uint8Array(0) }], false],
  ] as const)("e_flags %d", (flags, sections, refused) => {
    expect(codes(object(flags, sections)).includes("KLP113")).toBe(refused);
  });
  test("means nothing on other machines", () => {
    expect(codes(object(1, [code, opd], 62))).not.toContain("KLP113");
  });
});
