import { describe, expect, test } from "vitest";
import { ElfError } from "../../src/elf/error.ts";
import { readElf } from "../../src/elf/reader.ts";
import { elfProblem } from "../../src/passes/input.ts";
import { buildElf } from "./build.ts";

// Errors about one section name it, and the place in it, where its content is wrong. Offsets: the layout of build.ts.
const file = (): { bytes: Uint8Array; at: (name: string) => number; offset: (name: string) => number } => {
  const bytes = buildElf({
    sections: [
      { name: ".text", type: 1, flags: 6, align: 16, data: new Uint8Array(32) },
      {
        name: ".rela.text",
        type: 4,
        flags: 0x40,
        link: ".symtab",
        info: ".text",
        align: 8,
        entsize: 24,
        relocations: [
          { offset: 0, symbol: 1, type: 1 },
          { offset: 8, symbol: 1, type: 1 },
        ],
      },
    ],
    symbols: [{ name: "one", bind: 1, home: ".text" }],
  });
  const { sections } = readElf(bytes);
  const index = (name: string): number => sections.findByName(name) ?? 0;
  return { bytes, at: (name) => sections.headerOffset(index(name)), offset: (name) => sections.offset(index(name)) };
};

function errorOf(change: (view: DataView, f: ReturnType<typeof file>) => void): ElfError {
  const f = file();
  change(new DataView(f.bytes.buffer), f);
  try {
    readElf(f.bytes);
  } catch (error) {
    if (error instanceof ElfError) return error;
    throw error;
  }
  throw new Error("the file was read");
}

describe("a malformed section is named", () => {
  test("sh_info of a relocation section", () => {
    const error = errorOf((view, f) => view.setUint32(f.at(".rela.text") + 44, 99, true));
    expect(error.what).toBe("the relocation section 2 (.rela.text) is for section 99, but there are 6 sections");
    expect(error.place).toBeNull();
  });
  test("sh_link", () => {
    const error = errorOf((view, f) => view.setUint32(f.at(".rela.text") + 40, 1, true));
    expect(error.what).toBe("the relocation section 2 (.rela.text) has sh_link 1, which is not a symbol table");
  });
  test("a symbol index, with the place in the section", () => {
    const error = errorOf((view, f) => view.setUint32(f.offset(".rela.text") + 24 + 12, 7, true));
    expect(error.what).toBe("relocation 1 of section 2 (.rela.text) is against symbol 7, but there are 2 symbols");
    expect(elfProblem(error, "x.o").at).toEqual({
      file: "x.o",
      fileOffset: error.offset,
      section: ".rela.text",
      offset: 32,
    });
  });
  test("the section of a symbol", () => {
    const error = errorOf((view, f) => view.setUint16(f.offset(".symtab") + 24 + 6, 50, true));
    expect(error.what).toBe("symbol 1 is defined in section 50, but there are 6 sections");
    expect(error.place).toEqual({ section: ".symtab", offset: 30 });
  });
  test("sh_info of the symbol table, in one pair of brackets", () => {
    const error = errorOf((view, f) => view.setUint32(f.at(".symtab") + 44, 9, true));
    expect(error.what).toBe("the symbol table (section 3, .symtab) has 2 symbols, but sh_info 9");
  });
});
