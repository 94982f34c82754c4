import { describe, expect, test } from "vitest";
import { firstRefusal, type Problem } from "../../../src/diag/catalogue.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { ElfEdits } from "../../../src/elf/writer/edits.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { check } from "../../../src/passes/check.ts";
import { image } from "../../../src/passes/image/image.ts";
import { Unusable } from "../../../src/passes/input.ts";
import { objects } from "../../everyFixture.ts";

// `check` and `image` go through the relocations of one module in one order: that of the architecture's loader.

const section = (name: string, flags: bigint) => ({
  name,
  type: 1,
  flags,
  link: 0,
  info: 0,
  addralign: 8,
  entsize: 0,
  data: new Uint8Array(8),
});
const ROOM = {
  183: [".plt", ".init.plt", ".text.ftrace_trampoline", ".init.text.ftrace_trampoline"],
  21: [".stubs"],
  62: [],
} as const;
/** A type that no loader knows: R_AARCH64_ADR_GOT_PAGE, R_PPC64_GOT16, R_X86_64_GOTPCREL, and one more each. */
const REFUSED = { 183: [311, 312], 21: [14, 15], 62: [9, 41] } as const;
type Machine = keyof typeof ROOM;

/** The module with what its loader wants of every module. */
function withRoom(bytes: Uint8Array, more: readonly string[] = []): Uint8Array {
  const file = readElf(bytes);
  const edits = new ElfEdits(file);
  for (const name of [...ROOM[file.header.machine as Machine], ...more]) {
    if (file.sections.findByName(name) === null) edits.addSection(section(name, 6n));
  }
  return edits.isEmpty ? bytes : writeElf(edits);
}

/** Gives rows types that the loader refuses. @param chosen whether a row gets one, by its number in the file */
function spoil(bytes: Uint8Array, chosen: (n: number) => boolean): Uint8Array {
  const file = readElf(bytes);
  const out = bytes.slice();
  const view = new DataView(out.buffer);
  const types = REFUSED[file.header.machine as Machine];
  let n = 0;
  for (const table of file.relocations) {
    if (!file.sections.hasFlags(table.target, 2)) continue;
    for (let row = 0; row < table.count; row++, n++) {
      if (chosen(n)) view.setUint32(file.sections.offset(table.section) + row * 24 + 8, types[n % 2] ?? 0, true);
    }
  }
  return out;
}

const placement = { bases: new Map(), sections: new Map(), percpu: null };
const first = (problems: readonly Problem[]): unknown => {
  const found = firstRefusal(problems.filter((p) => ["KLP201", "KLP206"].includes(p.code)));
  return found === null ? null : [found.at.section, found.at.offset, found.data];
};
/** The first relocation that is refused for its type, as each of the two passes has it. */
function both(bytes: Uint8Array): { check: unknown; image: unknown } | null {
  const made = image(bytes, { file: "x.ko", placement, kernel: null, stage: "relocated" });
  // Sections whose livepatch symbols are not known are not applied; that they are not is all that can be said then.
  if (made.image === null || made.problems.some((p) => p.code === "KLP208")) return null;
  return { check: first(check(bytes, { file: "x.ko" }).problems), image: first(made.problems) };
}

describe("arm64", () => {
  test("two GOT relocations before a far call: the loader moves the call to the front, and meets the second first", () => {
    const edits = new ElfEdits(
      readElf(withRoom(objects().get("test/fixtures/klp/nothing-arm64.o") ?? new Uint8Array(0))),
    );
    const text = edits.addSection({ ...section(".text.far", 6n), addralign: 4, data: new Uint8Array(12) });
    const link = edits.symbolTable().section;
    const table = edits.addSection({
      ...section(".rela.text.far", 0x40n),
      type: 4,
      link,
      info: text,
      entsize: 24,
      data: new Uint8Array(0),
    });
    const fields = { info: 0x10, other: 0, home: { kind: "reserved", index: 0 }, value: 0n, size: 0 } as const;
    const symbol = edits.addSymbol({ name: "somewhere", ...fields });
    for (const [i, type] of [311, 312, 283].entries())
      edits.addRelocation(table, { offset: i * 4, type, symbol, addend: 0n });
    // module_frob_arch_sections (6.12, 7.2): i = 0 does not need a veneer and j = 2 does, so these two change places.
    const found = both(writeElf(edits));
    expect(found?.image).toMatchObject([".text.far", 4, { type: 312 }]);
    expect(found?.check).toEqual(found?.image);
  });
});

describe("every fixture, with some of its relocations made unknown to the loader", () => {
  const compared = new Map<string, number>();
  test.each([...objects().keys()])("%s", (path) => {
    const bytes = objects().get(path) ?? new Uint8Array(0);
    const { machine } = readElf(bytes).header;
    if (!(machine in ROOM)) return;
    // A module of ppc64le may be for a kernel without a TOC, whose loader sorts once more.
    for (const more of machine === 21 ? [[], [".mygot"]] : [[]]) {
      for (const [step, from] of [
        [1, 0],
        [2, 1],
        [5, 2],
      ] as const) {
        let found: ReturnType<typeof both>;
        try {
          found = both(spoil(withRoom(bytes, more), (n) => n % step === from));
        } catch (error) {
          if (error instanceof Unusable) return;
          throw error;
        }
        if (found === null) continue;
        expect(found.check).toEqual(found.image);
        if (found.image !== null) compared.set(`${machine}${more}`, (compared.get(`${machine}${more}`) ?? 0) + 1);
      }
    }
  });
  test("of each loader, many were compared", () => {
    expect(Object.fromEntries([...compared].map(([k, n]) => [k, n > 20]))).toEqual({
      62: true,
      183: true,
      21: true,
      "21.mygot": true,
    });
  });
});
