import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { titleOf } from "../../../src/diag/catalogue.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { ElfEdits } from "../../../src/elf/writer/edits.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { check } from "../../../src/passes/check.ts";
import { type LinkOptions, link as linkOnly } from "../../../src/passes/link.ts";
import { collect } from "../collect.ts";
import { Part, renameSection } from "../part.ts";
import { asText, readRelocations, readSymbols, sectionNames } from "../readBack.ts";

// Inputs: test/fixtures/klplink/diff.c, compiled by gcc for each architecture (make.sh there). What is expected is written out from
// that source and from the form's description: `.klp.sym.rela.OBJECT.OWNER.NAME,POSITION` means the livepatch symbol
// `.klp.sym.OWNER.NAME,POSITION`, and a relocation that waits for OBJECT.

const input = (arch: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../fixtures/klplink/diff-${arch}.o`, import.meta.url)));
const link: typeof linkOnly = (bytes, options) => {
  const result = linkOnly(bytes, options);
  collect(bytes, result.problems);
  return result;
};
const done = (bytes: Uint8Array, options: Partial<LinkOptions> = {}): Uint8Array => {
  const result = link(bytes, { file: "diff.o", ...options });
  if (result.output === null) throw new Error(result.problems.map(titleOf).join("\n"));
  return result.output;
};
const codes = (bytes: Uint8Array) => link(bytes, { file: "diff.o" }).problems.map((p) => p.code);
const edited = (arch: string, change: (p: Part) => void): Uint8Array => {
  const part = new Part(input(arch));
  change(part);
  return writeElf(part.edits);
};
const LONG = ".klp.sym.rela.demo_mod.demo_mod.state,3";
const SHN_LIVEPATCH = 0xff20;

describe.each(["x86_64", "ppc64le", "arm64"])("%s", (arch) => {
  const bytes = input(arch);

  test("is told by its content", () => {
    expect(link(bytes, { file: "x" }).producer).toBe("klplink");
    // Without the note, the tables tell; without either, it is what klp-convert takes.
    const bare = bytes.slice();
    renameSection(readElf(bytes), bare, ".klplink.diff", ".klplink.nots");
    expect(link(bare, { file: "x" }).producer).toBe("klplink");
    const part = new Part(bare);
    part.edits.setSymbol(part.symbol("__klplink_objects"), { name: "objects" });
    expect(link(writeElf(part.edits), { file: "x" }).producer).toBe("klp-convert");
  });

  test("each relocation against such a name moves to the section of its object, with place, type and addend; no other does", () => {
    const before = readRelocations(bytes, false);
    const meant = /^\.klp\.sym\.rela\.(\w+)\.(.+)$/;
    const expected = before.map((r) => {
      const [, object, rest] = meant.exec(r.symbol) ?? [];
      if (object === undefined) return r;
      return { ...r, table: `.klp.rela.${object}.${r.target}`, symbol: `.klp.sym.${rest}` };
    });
    const output = done(bytes);
    const moved = readRelocations(output, true);
    // ppc64le's calls without a nop would get an island each; gcc wrote a nop behind all of them.
    expect(asText([...moved, ...readRelocations(output, false)])).toEqual(asText(expected));
    expect(moved.length).toBeGreaterThan(6);
  });

  test("livepatch symbols: owner, name with its dots, position", () => {
    const found = readSymbols(done(bytes), (n) => n.startsWith(".klp."));
    expect(found.map(({ name, shndx, value }) => [name, shndx, value]).sort()).toEqual(
      [
        ".klp.sym.demo_mod.helper.isra.0,0",
        ".klp.sym.demo_mod.state,3",
        ".klp.sym.other_mod.other_next,0",
        ".klp.sym.vmlinux.cmdline_hits.llvm.4711,0",
        ".klp.sym.vmlinux.schedule_late,0",
        ".klp.sym.vmlinux.version_proc_show,2",
      ].map((name) => [name, SHN_LIVEPATCH, 0n]),
    );
  });

  test("what waits for which object", () => {
    const waits = new Map(readRelocations(done(bytes), true).map((r) => [r.symbol, r.table.split(".")[3]]));
    expect(Object.fromEntries(waits)).toEqual({
      ".klp.sym.demo_mod.helper.isra.0,0": "demo_mod",
      ".klp.sym.demo_mod.state,3": "demo_mod",
      ".klp.sym.other_mod.other_next,0": "demo_mod",
      ".klp.sym.vmlinux.cmdline_hits.llvm.4711,0": "vmlinux",
      ".klp.sym.vmlinux.schedule_late,0": "vmlinux",
      ".klp.sym.vmlinux.version_proc_show,2": "vmlinux",
    });
  });

  test("the note and type information go, the tables stay; --keep keeps the note", () => {
    const names = sectionNames(done(bytes));
    for (const gone of [".klplink.diff", ".BTF", ".BTF.base"]) expect(names).not.toContain(gone);
    for (const there of [".init.klp_objects", ".init.klp_funcs", ".klplink.states"]) expect(names).toContain(there);
    expect(sectionNames(done(bytes, { keep: true }))).toContain(".klplink.diff");
  });

  test("linking an output again changes nothing, with the note or without", () => {
    for (const keep of [false, true]) {
      const output = done(bytes, { keep });
      const again = link(output, { file: "x", keep });
      expect([again.producer, again.changed, again.output]).toEqual(["final", false, output]);
      expect(link(output, { file: "x" }).changed).toBe(false);
    }
  });

  test("check says what is missing before, and accepts what link wrote", () => {
    const before = check(bytes, { file: "x" }).problems.filter((p) => p.code === "KLP420");
    expect(before.map(titleOf)).toHaveLength(1);
    expect(check(done(bytes), { file: "x" }).problems.map(titleOf)).toEqual([]);
  });

  test("nothing to convert: nothing is asked for", () => {
    const plain = edited(arch, (p) => {
      for (let i = 1; i < (p.file.symbols?.count ?? 0); i++) {
        const name = p.file.symbols?.name(i) ?? "";
        if (name.startsWith(".klp.sym.rela.")) p.edits.setSymbol(i, { name: `exported_${i}`, info: 0x10 });
      }
    });
    expect(check(plain, { file: "x" }).problems.map((p) => p.code)).not.toContain("KLP420");
    const output = done(plain);
    expect(readRelocations(output, true)).toEqual([]);
    expect(sectionNames(output)).not.toContain(".klplink.diff");
    expect(link(output, { file: "x" }).changed).toBe(false);
  });
});

describe("damaged", () => {
  test.each([
    ["a dot before the position", LONG.replace(",", ".")],
    ["no owner", ".klp.sym.rela.demo_mod.state,3"],
    ["no position", ".klp.sym.rela.demo_mod.demo_mod.state"],
    ["a position that is not a number", ".klp.sym.rela.demo_mod.demo_mod.state,x"],
    ["an object's name that is too long", `.klp.sym.rela.${"m".repeat(56)}.demo_mod.state,3`],
    ["an owner's name that is too long", `.klp.sym.rela.demo_mod.${"m".repeat(56)}.state,3`],
  ])("%s", (_, name) => {
    const bytes = edited("x86_64", (p) => p.edits.setSymbol(p.symbol(LONG), { name }));
    const result = link(bytes, { file: "x" });
    expect(result.output).toBeNull();
    expect(new Set(result.problems.map((p) => p.code).filter((c) => c !== "KLP460"))).toEqual(new Set(["KLP422"]));
  });

  test("a symbol of vmlinux that would wait for a module: the kernel refuses it (invalid access to vmlinux symbol)", () => {
    const name = ".klp.sym.rela.demo_mod.vmlinux.state,3";
    const bytes = edited("x86_64", (p) => p.edits.setSymbol(p.symbol(LONG), { name }));
    const result = link(bytes, { file: "x" });
    expect(result.output).toBeNull();
    expect(result.problems.map((p) => p.code)).toEqual(["KLP413"]);
  });

  test.each([
    [".init.klp_objects", 8, "136 bytes, no multiple of 64"],
    [".init.klp_funcs", 8, "56 bytes, no multiple of 24"],
    [".klplink.states", 8, "40 bytes, no multiple of 16"],
  ])("%s of a size that is not a multiple of its entry", (section, more, what) => {
    const bytes = edited("x86_64", (p) => p.edits.append(p.section(section), new Uint8Array(more), 1));
    expect(link(bytes, { file: "x" }).problems.map(titleOf)).toContain(`the data of klplink are damaged: ${what}`);
  });

  test("two objects joined by `ld -r`: the bounds leave out the second", () => {
    const bytes = edited("x86_64", (p) => p.edits.append(p.section(".init.klp_objects"), new Uint8Array(64), 1));
    expect(link(bytes, { file: "x" }).problems.map(titleOf)).toEqual([
      "the data of klplink are damaged: __klplink_objects_end is at 128, where 192 is expected",
    ]);
  });

  test("a state with the id 0 would end the list", () => {
    const bytes = edited("x86_64", (p) => p.edits.patch(p.section(".klplink.states"), 16, new Uint8Array(8)));
    expect(link(bytes, { file: "x" }).problems.map((p) => [titleOf(p), p.at.offset])).toEqual([
      ["the data of klplink are damaged: a state has the id 0", 16],
    ]);
  });

  test("finished and unfinished parts in one file are a mixture", () => {
    const edits = new ElfEdits(readElf(done(input("x86_64"), { keep: true })));
    const { symbols } = edits.file;
    if (symbols === null) throw new Error("no symbols");
    for (let i = 1; i < symbols.count; i++) if (symbols.name(i) === "seq_puts") edits.setSymbol(i, { name: LONG });
    expect(codes(writeElf(edits))).toEqual(["KLP421"]);
  });

  test("two objects of one name: each has a folder in sysfs", () => {
    // The name of the second object is taken from it: both are vmlinux then.
    const bytes = edited("x86_64", (p) => {
      const table = p.table(".rela.init.klp_objects");
      p.edits.removeRelocation(table, p.row(table, 64));
    });
    expect(codes(bytes)).toEqual(["KLP453"]);
  });

  test("an object that is called vmlinux: scripts/livepatch/init.c of 7.2 hands the name on, and the kernel waits for such a module", () => {
    const bytes = edited("x86_64", (p) => {
      const section = p.section(".rodata.klp.str1.1");
      const at = Buffer.from(p.file.sections.data(section)).indexOf("demo_mod\0");
      p.edits.patch(section, at, Buffer.from("vmlinux\0\0"));
    });
    expect(codes(bytes)).toContain("KLP445");
  });
});
