import { describe, expect, test } from "vitest";
import { titleOf } from "../../../src/diag/catalogue.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { ElfEdits } from "../../../src/elf/writer/edits.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { parseSymbols } from "../../../src/kernel/symbols/parseSymbols.ts";
import { finish } from "../../../src/passes/finish.ts";
import { type LinkOptions, link as linkOnly } from "../../../src/passes/link.ts";
import { collect } from "../collect.ts";
import { Part } from "../part.ts";
import { asText, fixture, readRelocations, readSymbols, sectionNames } from "../readBack.ts";

const link: typeof linkOnly = (bytes, options) => {
  const result = linkOnly(bytes, options);
  collect(bytes, result.problems);
  return result;
};

// Inputs: test/fixtures/klp/*.s, assembled by GNU as; make.sh there remakes them. Expected values are written out by
// hand from those sources and from the formats' own definitions, named in each group.

const architectures = [
  { arch: "x86_64", call: 4, pointer: 1, callAddend: -4n },
  { arch: "ppc64le", call: 10, pointer: 38, callAddend: 0n },
  { arch: "arm64", call: 283, pointer: 257, callAddend: 0n },
];
const kernel = parseSymbols(
  Buffer.from(
    [
      "ffffffff81000000 T _printk",
      "ffffffff81000100 t show_val_kb",
      "ffffffff81000200 t show_val_kb",
      "ffffffff81000300 t only_in_kernel",
      "ffffffff82000000 r __ksymtab__printk",
    ].join("\n"),
  ),
  "System.map",
);
const run = (name: string, options: Partial<LinkOptions> = {}) => link(fixture(name), { file: name, ...options });
const done = (name: string, options: Partial<LinkOptions> = {}): Uint8Array => {
  const result = run(name, options);
  if (result.output === null) throw new Error(result.problems.map(titleOf).join("\n"));
  return result.output;
};

/** Options of a kernel whose version is known. */
const KNOWN = { kernelVersion: { major: 6, minor: 1 } };
const SHN_LIVEPATCH = 0xff20;
const KLP_FLAGS = 0x0010_0000n | 0x2n;

describe.each(architectures)("kpatch, $arch", ({ arch, call, pointer }) => {
  // struct kpatch_symbol {src, sympos, bind, type, name, objname} and struct kpatch_relocation {dest, type, external,
  // addend, objname, ksym} of kpatch-build/kpatch-intermediate.h; what becomes of them: kpatch-build/create-klp-module.c.
  const name = `kpatch-${arch}`;
  const long = "long_name_".repeat(30);

  test("every relocation: place, type, addend, symbol, and the object it waits for", () => {
    expect(asText(readRelocations(done(name), true))).toEqual(
      [
        // dest: a global symbol and an addend
        `.klp.rela.vmlinux..text.patched_show .text.patched_show+16 ${call} .klp.sym.vmlinux.show_val_kb,1 0`,
        // dest: a section symbol and an addend; objname: ext4; external = 1 changes nothing
        `.klp.rela.ext4..data.patched .data.patched+16 ${pointer} .klp.sym.ext4.ext4_state,0 24`,
        // two sections of one name: create-klp-module puts both relocations into one section
        `.klp.rela.vmlinux..text.unlikely .text.unlikely#1+0 ${call} .klp.sym.vmlinux.show_val_kb,1 0`,
        // sympos 12, a name with dots; the symbol is jbd2's, the relocation waits for ext4
        `.klp.rela.ext4..text.unlikely .text.unlikely#2+0 ${call} .klp.sym.jbd2.helper.isra.0,12 0`,
        // 300 bytes: create-klp-module cuts names at 255; an addend that needs 64 bits
        `.klp.rela.vmlinux..data.patched .data.patched+24 ${pointer} .klp.sym.vmlinux.${long},0 ${-0x123456789n}`,
      ].sort((a, b) => (a < b ? -1 : 1)),
    );
  });

  test("symbols: bind and type of the entry, the rest 0, one symbol for equal entries", () => {
    const plain = { shndx: SHN_LIVEPATCH, value: 0n, size: 0, other: 0 };
    const found = readSymbols(done(name), (n) => n.startsWith(".klp.sym."));
    expect(found.sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
      { name: ".klp.sym.ext4.ext4_state,0", bind: 1, type: 1, ...plain },
      { name: ".klp.sym.jbd2.helper.isra.0,12", bind: 0, type: 2, ...plain },
      { name: `.klp.sym.vmlinux.${long},0`, bind: 1, type: 2, ...plain },
      { name: ".klp.sym.vmlinux.show_val_kb,1", bind: 0, type: 2, ...plain },
    ]);
  });

  test("sections: flags and links of create-klp-module; its intermediate ones gone, .kpatch.strings and .kpatch.funcs kept", () => {
    const output = done(name);
    const { sections } = readElf(output);
    const names = sectionNames(output);
    for (const [i, section] of names.entries()) {
      if (!section.startsWith(".klp.rela.")) continue;
      // SHT_RELA, SHF_RELA_LIVEPATCH | SHF_INFO_LINK | SHF_ALLOC, entries of 24, alignment 8, sh_link the symbol table
      expect([sections.type(i), sections.flags(i), sections.entsize(i), sections.addralign(i)]).toEqual([
        4,
        KLP_FLAGS | 0x40n,
        24,
        8,
      ]);
      expect(sections.type(sections.link(i))).toBe(2);
    }
    expect(names.filter((n) => n.includes("kpatch")).sort()).toEqual([
      ".kpatch.funcs",
      ".kpatch.strings",
      ".rela.kpatch.funcs",
    ]);
    expect(names.filter((n) => n.startsWith(".klp.arch"))).toEqual([]);
    expect(names).toContain(".altinstructions");
  });

  test("--keep keeps the intermediate sections", () => {
    const names = sectionNames(done(name, { keep: true }));
    for (const section of [".kpatch.symbols", ".kpatch.relocations", ".kpatch.arch"]) expect(names).toContain(section);
  });

  test("a finished file is not finished again", () => {
    const output = done(name);
    const again = link(output, { file: name });
    expect([again.producer, again.changed, again.output]).toEqual(["final", false, output]);
  });

  // Kernels before 5.8 take .klp.arch.OBJECT.SECTION instead (create_klp_arch_sections): sections of one name and object
  // are joined, .parainstructions at multiples of sizeof(struct paravirt_patch_site), 16; the originals go.
  test("before 5.8: .klp.arch sections", () => {
    // Forced: the name of 300 bytes is too long for that kernel.
    const output = done(name, { kernelVersion: { major: 5, minor: 4 }, force: true });
    const file = readElf(output);
    const names = sectionNames(output);
    const content = (n: string) => Buffer.from(file.sections.data(names.indexOf(n))).toString("hex");
    expect(content(".klp.arch.vmlinux..parainstructions")).toBe(
      `${"00".repeat(8)}0105${"00".repeat(6)}${"00".repeat(8)}0205`,
    );
    expect(content(".klp.arch.ext4..altinstructions")).toBe("00".repeat(24));
    expect(asText(readRelocations(output, false).filter((r) => r.target.startsWith(".klp.arch")))).toEqual([
      `.rela.klp.arch.ext4..altinstructions .klp.arch.ext4..altinstructions+0 ${pointer} patched_show 0`,
      `.rela.klp.arch.vmlinux..parainstructions .klp.arch.vmlinux..parainstructions+0 ${pointer} patched_show 4`,
      `.rela.klp.arch.vmlinux..parainstructions .klp.arch.vmlinux..parainstructions+16 ${pointer} patched_show 20`,
    ]);
    expect(names.filter((n) => n === ".parainstructions" || n === ".altinstructions")).toEqual([]);
  });
});

describe.each(architectures)("klp-convert v1 to v7, $arch", ({ arch, call, pointer, callAddend }) => {
  // {symbol u64, position u32} of .klp.module_relocs.OBJECT; scripts/livepatch/klp-convert.c of the series.
  const name = `convert-v7-${arch}`;
  const options = { symbols: kernel };

  test("annotated symbols are renamed in place and their relocations moved; the rest is found in the kernel", () => {
    const output = done(name, options);
    expect(asText(readRelocations(output, true))).toEqual([
      `.klp.rela.ext4..data.only .data.only+0 ${pointer} .klp.sym.ext4.hidden_in_module,0 16`,
      `.klp.rela.ext4..data.table .data.table+16 ${pointer} .klp.sym.ext4.hidden_in_module,0 0`,
      `.klp.rela.ext4..text.patched .text.patched+32 ${call} .klp.sym.ext4.hidden_in_module,0 ${callAddend}`,
      `.klp.rela.vmlinux..data.table .data.table+0 ${pointer} .klp.sym.vmlinux.show_val_kb,2 8`,
      `.klp.rela.vmlinux..text.patched .text.patched+0 ${call} .klp.sym.vmlinux.show_val_kb,2 ${callAddend}`,
      `.klp.rela.vmlinux..text.patched .text.patched+48 ${call} .klp.sym.vmlinux.only_in_kernel,0 ${callAddend}`,
    ]);
    expect(asText(readRelocations(output, false))).toEqual([
      `.rela.data.table .data.table+8 ${pointer} _printk 0`,
      `.rela.text.patched .text.patched+16 ${call} _printk ${callAddend}`,
    ]);
    const before = readElf(fixture(name)).symbols;
    const after = readElf(output).symbols;
    const order = (table: typeof before) =>
      Array.from({ length: table?.count ?? 0 }, (_, i) => table?.name(i) ?? "").filter(
        (n) => n.includes("show_val_kb") || n === "_printk" || n.includes("hidden"),
      );
    expect(order(after).map((n) => n.replace(/^\.klp\.sym\.[^.]+\./, "").replace(/,\d$/, ""))).toEqual(order(before));
  });

  test("the annotations are gone, and the relocation section that became empty", () => {
    const names = sectionNames(done(name, options));
    expect(names.filter((n) => n.includes("module_relocs") || n === ".rela.data.only")).toEqual([]);
    expect(names).toContain(".rela.debug_info");
    expect(sectionNames(done(name, { ...options, keep: true }))).toContain(".klp.module_relocs.vmlinux");
  });

  test("two annotations of one symbol that differ", () => {
    const edits = new ElfEdits(readElf(fixture(name)));
    const section = edits.file.sections.findByName(".klp.module_relocs.ext4") ?? 0;
    const table = edits.file.relocations.find((t) => t.target === section);
    const other = edits.file.relocations.find(
      (t) => edits.file.sections.name(t.target) === ".klp.module_relocs.vmlinux",
    );
    if (table === undefined || other === undefined) throw new Error("no annotation");
    edits.removeRelocation(table, 0);
    edits.addRelocation(table.section, { offset: 0, type: pointer, addend: 0n, symbol: other.symbol(0) });
    const result = link(writeElf(edits), { file: name, symbols: kernel });
    expect(result.problems.map((p) => [p.code, titleOf(p)])).toEqual([
      ["KLP423", "show_val_kb is annotated twice: vmlinux,2 and ext4,0"],
    ]);
    expect(result.output).toBeNull();
  });
});

describe.each(architectures)("klp-convert of 2024, $arch", ({ arch, pointer }) => {
  test("the symbol's name tells object, owner, name and position, in either spelling", () => {
    const output = done(`convert-2024-${arch}`, { symbols: kernel });
    expect(asText(readRelocations(output, true))).toEqual([
      `.klp.rela.ext4..data.table .data.table+16 ${pointer} .klp.sym.jbd2.jbd2_state,0 0`,
      `.klp.rela.ext4..data.table .data.table+32 ${pointer} .klp.sym.jbd2.jbd2_state,0 -8`,
      `.klp.rela.ext4..data.table .data.table+8 ${pointer} .klp.sym.jbd2.helper.isra.0,3 8`,
      `.klp.rela.vmlinux..data.table .data.table+0 ${pointer} .klp.sym.vmlinux.show_val_kb,1 0`,
    ]);
    expect(asText(readRelocations(output, false))).toEqual([`.rela.data.table .data.table+24 ${pointer} _printk 0`]);
  });

  test("a name that says too little", () => {
    const edits = new ElfEdits(readElf(fixture(`convert-2024-${arch}`)));
    const { symbols } = edits.file;
    for (let i = 1; i < (symbols?.count ?? 0); i++) {
      if (symbols?.name(i).includes("jbd2_state")) edits.setSymbol(i, { name: ".klp.sym.rela.ext4.jbd2_state.0" });
    }
    const result = link(writeElf(edits), { file: "x", symbols: kernel });
    expect(result.problems.map((p) => p.code)).toEqual(["KLP422"]);
  });
});

describe.each(architectures)("objtool, $arch", ({ arch, call, pointer, callAddend }) => {
  // struct klp_reloc {offset, sym, type} of tools/objtool/include/objtool/klp.h; finished as cmd_klp_post_link does.
  const name = `objtool-${arch}`;

  test("each entry becomes a livepatch relocation; the relocation it stands for is removed, not turned into type 0", () => {
    const output = done(name);
    expect(asText(readRelocations(output, true))).toEqual([
      `.klp.rela.ext4..data.table .data.table+8 ${pointer} .klp.sym.ext4.ext4_state,0 24`,
      `.klp.rela.vmlinux..text.patched .text.patched+0 ${call} .klp.sym.vmlinux.show_val_kb,1 ${callAddend}`,
    ]);
    expect(asText(readRelocations(output, false))).toEqual([
      `.rela.text.patched .text.patched+16 ${call} _printk ${callAddend}`,
    ]);
  });

  test("symbols: still weak, now livepatch symbols; the tombstones are gone", () => {
    const found = readSymbols(done(name), (n) => n.startsWith(".klp."));
    expect(found.map((s) => [s.name, s.shndx, s.bind]).sort()).toEqual([
      [".klp.sym.ext4.ext4_state,0", SHN_LIVEPATCH, 2],
      [".klp.sym.vmlinux.show_val_kb,1", SHN_LIVEPATCH, 2],
    ]);
  });

  test("__klp_relocs go, the tables that the module reads stay; --keep keeps both", () => {
    const names = sectionNames(done(name));
    expect(names.filter((n) => n.includes("klp_relocs"))).toEqual([]);
    expect(names).toContain(".init.klp_objects");
    const kept = done(name, { keep: true });
    expect(sectionNames(kept)).toContain("__klp_relocs.ext4");
    // As objtool itself leaves it: taken for finished, and left alone.
    const again = link(kept, { file: name });
    expect([again.producer, again.changed]).toEqual(["final", false]);
  });

  test.each(["__klp_relocs", ".klp.relocs"])("first releases: one section %s, the symbol names the object", (only) => {
    const bytes = renameSection(renameSection(fixture(name), "__klp_relocs.vmlinux", only), "__klp_relocs.ext4", only);
    const output = link(bytes, { file: name }).output;
    expect(output && asText(readRelocations(output, true)).map((line) => line.split(" ")[0])).toEqual([
      ".klp.rela.ext4..data.table",
      ".klp.rela.vmlinux..text.patched",
    ]);
  });

  test("a tombstone without its entry", () => {
    const bytes = dropRow(fixture(name), "__klp_relocs.ext4", 0);
    const result = link(bytes, { file: name });
    expect(result.output).toBeNull();
    expect(result.problems.map((p) => p.code)).toContain("KLP422");
  });
});

/** The same file with a section of another name. */
function renameSection(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const file = readElf(bytes);
  const names = file.sections.data(file.header.sectionNameIndex);
  const out = bytes.slice();
  const at = Buffer.from(names).indexOf(`${from}\0`);
  const start = file.sections.offset(file.header.sectionNameIndex) + at;
  out.set(Buffer.from(to.padEnd(from.length, "\0"), "latin1"), start);
  return out;
}

/** The same file without one relocation of a section. */
function dropRow(bytes: Uint8Array, section: string, row: number): Uint8Array {
  const edits = new ElfEdits(readElf(bytes));
  const table = edits.file.relocations.find((t) => edits.file.sections.name(t.target) === section);
  if (table === undefined) throw new Error(`no relocations for ${section}`);
  edits.removeRelocation(table, row);
  return writeElf(edits);
}

describe("damaged intermediate data are reported, with the place", () => {
  test.each([
    // Rows of .rela.kpatch.relocations, three an entry: dest, objname, ksym.
    [".kpatch.relocations", 0, "no pointer for the place to relocate", 0],
    [".kpatch.relocations", 1, "no pointer for the object", 24],
    [".kpatch.relocations", 2, "no pointer for the symbol", 32],
    // Rows of .rela.kpatch.symbols, two an entry: name, objname.
    [".kpatch.symbols", 0, "no string for the symbol's name", 24],
    [".kpatch.symbols", 1, "no string for the symbol's object", 32],
  ])("%s without row %d", (section, row, what, offset) => {
    const result = link(dropRow(fixture("kpatch-x86_64"), section, row), { file: "x" });
    expect(result.output).toBeNull();
    expect(result.problems.map((p) => [p.code, titleOf(p), p.at.offset])).toContainEqual([
      "KLP422",
      `the data of kpatch are damaged: ${what}`,
      offset,
    ]);
  });

  test.each([
    ["kpatch-x86_64", ".kpatch.relocations"],
    ["kpatch-x86_64", ".kpatch.symbols"],
    ["convert-v7-x86_64", ".klp.module_relocs.vmlinux"],
    ["objtool-x86_64", "__klp_relocs.ext4"],
  ])("%s: %s of a size that is not a multiple of its entry", (name, section) => {
    const edits = new ElfEdits(readElf(fixture(name)));
    edits.append(edits.file.sections.findByName(section) ?? 0, new Uint8Array(3), 1);
    const result = link(writeElf(edits), { file: "x", symbols: kernel });
    expect(result.problems.map((p) => titleOf(p))).toContainEqual(expect.stringContaining("no multiple of"));
    expect(result.output).toBeNull();
  });

  test.each([
    ["kpatch-x86_64", ".kpatch.relocations"],
    ["objtool-x86_64", "__klp_relocs.ext4"],
  ])("%s with --from, but without its sections", (name, section) => {
    const file = readElf(fixture("convert-2024-x86_64"));
    const result = finish(file, { file: "x", from: name.startsWith("kpatch") ? "kpatch" : "objtool" });
    expect(result.problems.map((p) => p.code)).toEqual(["KLP422"]);
    expect(titleOf(result.problems[0] as never)).toContain(section.replace(".ext4", ""));
  });
});

describe("which producer", () => {
  test.each([
    ["kpatch-x86_64", "kpatch"],
    ["convert-v7-x86_64", "klp-convert"],
    ["convert-2024-x86_64", "klp-convert"],
    ["objtool-x86_64", "objtool"],
  ])("%s: %s", (name, producer) => {
    expect(run(name, { symbols: kernel }).producer).toBe(producer);
  });

  test("a mixture names both; --from decides", () => {
    // A finished file that keeps kpatch's sections holds both; when all that they ask for is there, they are of no use any more.
    const kept = done("kpatch-x86_64", { keep: true });
    expect(link(kept, { file: "x" })).toMatchObject({ producer: "final", changed: false });
    const part = new Part(kept);
    part.edits.removeRelocation(part.table(".klp.rela.vmlinux..data.patched"), 0);
    const mixed = writeElf(part.edits);
    const result = link(mixed, { file: "x" });
    collect(mixed, result.problems);
    expect(result.output).toBeNull();
    expect(result.problems.map((p) => [p.code, titleOf(p)])).toEqual([
      [
        "KLP421",
        "a mixture: .kpatch.symbols is from kpatch, .klp.rela.vmlinux..text.patched_show is from a finished livepatch module",
      ],
    ]);
    expect(link(mixed, { file: "x", from: "final" }).changed).toBe(false);
    // Finishing it a second time puts each relocation there twice.
    expect(new Set(link(mixed, { file: "x", from: "kpatch", ...KNOWN }).problems.map((p) => p.code))).toEqual(
      new Set(["KLP435"]),
    );
  });
});

describe("references that do not fall on an entry are refused, not rounded down", () => {
  /** kpatch-x86_64.o with one relocation of an intermediate section changed. */
  const changed = (table: string, row: number, change: { addend: bigint }): Uint8Array => {
    const edits = new ElfEdits(readElf(fixture("kpatch-x86_64")));
    const found = edits.file.relocations.find((t) => edits.file.sections.name(t.target) === table);
    const old = found === undefined ? null : edits.relocation(found, row);
    if (found === undefined || old === null) throw new Error(`no row ${row} of ${table}`);
    edits.removeRelocation(found, row);
    edits.addRelocation(found.section, { ...old, ...change });
    return writeElf(edits);
  };

  // struct kpatch_symbol has 40 bytes: 52 and 79 lie in the second one, 39 in the first, 1 just behind a start.
  test.each([1n, 39n, 52n, 79n])("ksym with addend %d", (addend) => {
    const result = link(changed(".kpatch.relocations", 2, { addend }), { file: "x", ...KNOWN });
    expect(result.output).toBeNull();
    expect(result.problems.map((p) => [p.code, titleOf(p), p.at.offset])).toEqual([
      [
        "KLP422",
        `the data of kpatch are damaged: the symbol is at ${addend} of .kpatch.symbols, where no entry of 40 bytes begins`,
        32,
      ],
    ]);
  });

  test("ksym with addend 40: the second entry", () => {
    const output = link(changed(".kpatch.relocations", 2, { addend: 40n }), { file: "x" }).output;
    expect(output && asText(readRelocations(output, true))).toContain(
      ".klp.rela.vmlinux..text.patched_show .text.patched_show+16 4 .klp.sym.ext4.ext4_state,0 0",
    );
  });

  test(".kpatch.arch that names the middle of a section", () => {
    const bytes = changed(".kpatch.arch", 0, { addend: 4n });
    const result = link(bytes, { file: "x", kernelVersion: { major: 5, minor: 4 }, force: true });
    expect(result.problems.map(titleOf)).toEqual([
      "the data of kpatch are damaged: a section is named by its place 4, where it does not begin",
    ]);
  });

  test("an annotation of klp-convert that names a place beside its symbol", () => {
    const edits = new ElfEdits(readElf(fixture("convert-v7-x86_64")));
    const { sections, relocations } = edits.file;
    const table = relocations.find((t) => sections.name(t.target) === ".klp.module_relocs.vmlinux");
    const old = table === undefined ? null : edits.relocation(table, 0);
    if (table === undefined || old === null) throw new Error("no annotation");
    edits.removeRelocation(table, 0);
    edits.addRelocation(table.section, { ...old, addend: 12n });
    expect(link(writeElf(edits), { file: "x", symbols: kernel }).problems.map(titleOf)).toEqual([
      "the data of klp-convert are damaged: the annotation names a place 12 bytes from its symbol",
    ]);
  });
});

describe(".kpatch.arch of an object whose kernel is not known", () => {
  const codes = (options: Partial<LinkOptions>) => run("kpatch-x86_64", options).problems.map((p) => p.code);
  test("is said to be dropped", () => {
    expect(run("kpatch-x86_64").problems.map((p) => [p.code, p.at.section, p.data])).toEqual([
      ["KLP461", ".kpatch.arch", { entries: 3 }],
    ]);
  });
  test("nothing is said where the version is known, or where it is kept", () => {
    expect(codes({ kernelVersion: { major: 6, minor: 1 } })).toEqual([]);
    expect(codes({ keep: true })).not.toContain("KLP461");
  });
});

describe("names of objects: the kernel reads up to the first dot, 55 bytes at most", () => {
  // `%55[^.]` in klp_resolve_symbols and klp_write_section_relocs; Documentation/livepatch/module-elf-format.
  const renamed = (name: string, to: (text: string) => string): Uint8Array => {
    const edits = new ElfEdits(readElf(fixture(name)));
    const { symbols } = edits.file;
    for (let i = 1; i < (symbols?.count ?? 0); i++) {
      const text = symbols?.name(i) ?? "";
      if (text.startsWith(".klp.sym.rela.")) edits.setSymbol(i, { name: to(text) });
    }
    return writeElf(edits);
  };
  const titles = (bytes: Uint8Array, options: Partial<LinkOptions> = {}) =>
    link(bytes, { file: "x", ...options }).problems.map(titleOf);

  test.each(["ext4.ko.jbd2", "ext4.jbd2.ko", "ext4.ko.jbd2.ko"])("klp-convert of 2024: %s", (objects) => {
    const bytes = renamed("convert-2024-x86_64", (text) => text.replace("ext4.jbd2.", `${objects}.`));
    expect(link(bytes, { file: "x", symbols: kernel }).output).toBeNull();
    expect(titles(bytes, { symbols: kernel }).filter((t) => t.includes("without its ending"))).toHaveLength(2);
  });

  test.each([
    ["convert-v7-x86_64", "klp-convert", ".klp.module_relocs.ext4", ".klp.module_relocs.x.ko"],
    ["objtool-x86_64", "objtool", "__klp_relocs.ext4", "__klp_relocs.x.ko"],
  ])("%s: a section of the object x.ko", (file, producer, from, to) => {
    expect(titles(renameSection(fixture(file), from, to), { symbols: kernel })).toContain(
      `the data of ${producer} are damaged: object x.ko: a livepatch names a module without its ending, x`,
    );
  });

  test.each([
    ["a.b", "the kernel reads an object's name up to the first dot"],
    ["x".repeat(56), "the kernel reads 55 bytes of an object's name"],
  ])("kpatch: object %s", (object, what) => {
    const bytes = new Uint8Array(Buffer.from(fixture("kpatch-x86_64")));
    const file = readElf(bytes);
    const strings = file.sections.findByName(".kpatch.strings") ?? 0;
    const edits = new ElfEdits(file);
    const at = edits.append(strings, Buffer.from(`${object}\0`, "latin1"), 1);
    const table = file.relocations.find((t) => file.sections.name(t.target) === ".kpatch.relocations");
    const old = table === undefined ? null : edits.relocation(table, 1);
    if (table === undefined || old === null) throw new Error("no relocations");
    edits.removeRelocation(table, 1);
    edits.addRelocation(table.section, { ...old, addend: BigInt(at) });
    expect(titles(writeElf(edits), KNOWN)).toEqual([`the data of kpatch are damaged: object ${object}: ${what}`]);
  });
});

describe("klp-convert of 2024, third version: a number behind a dot", () => {
  const name = ".klp.sym.rela.vmlinux.vmlinux.__func__.12345";
  const bytes = (text: string): Uint8Array => {
    const edits = new ElfEdits(readElf(fixture("convert-2024-x86_64")));
    const { symbols } = edits.file;
    for (let i = 1; i < (symbols?.count ?? 0); i++) {
      const old = symbols?.name(i) ?? "";
      if (old.includes("jbd2_state")) edits.setSymbol(i, { name: text });
    }
    return writeElf(edits);
  };
  const list = (...names: string[]) =>
    parseSymbols(
      Buffer.from(
        [...names, "show_val_kb", "_printk", "__ksymtab__printk"]
          .map((n, i) => `ffffffff81${i.toString(16).padStart(6, "0")} t ${n}`)
          .join("\n"),
      ),
      "System.map",
    );
  const linked = (text: string, ...names: string[]) => {
    const result = link(bytes(text), { file: "x", symbols: list(...names) });
    const said = result.problems.filter((p) => p.code === "KLP460").map(titleOf);
    const made = result.output === null ? [] : readSymbols(result.output, (n) => n.startsWith(".klp.sym.vmlinux."));
    return { said, made: made.map((s) => s.name).filter((n) => !n.includes("show_val_kb")) };
  };

  test("the end of the name, where the kernel has that name and not so many of the shorter one", () => {
    expect(linked(name, "__func__.12345", "__func__.1")).toEqual({
      said: [],
      made: [".klp.sym.vmlinux.__func__.12345,0"],
    });
  });
  test("a position, where the kernel has as many", () => {
    expect(linked(".klp.sym.rela.vmlinux.vmlinux.helper.2", "helper", "helper")).toEqual({
      said: [],
      made: [".klp.sym.vmlinux.helper,2"],
    });
    // Names of this version could hold no dot; the kernel tells that this one does.
    expect(linked(".klp.sym.rela.vmlinux.vmlinux.helper.isra.0.1", "helper.isra.0")).toEqual({
      said: [],
      made: [".klp.sym.vmlinux.helper.isra.0,1"],
    });
  });
  test("both are possible: said", () => {
    expect(linked(".klp.sym.rela.vmlinux.vmlinux.helper.2", "helper", "helper", "helper.2")).toEqual({
      said: [".klp.sym.rela.vmlinux.vmlinux.helper.2 can be read in two ways: taken as helper,2 of vmlinux"],
      made: [".klp.sym.vmlinux.helper,2"],
    });
  });
  test("the object's symbols are not known: said", () => {
    const result = link(bytes(".klp.sym.rela.ext4.ext4.state.1"), { file: "x" });
    expect(result.problems.map(titleOf)).toContain(
      ".klp.sym.rela.ext4.ext4.state.1 can be read in two ways: taken as state,1 of ext4",
    );
  });
});

describe("a place to relocate that lies behind its section's end", () => {
  test.each([
    ["objtool-x86_64", "__klp_relocs.ext4", 0, "objtool"],
    ["kpatch-x86_64", ".kpatch.relocations", 3, "kpatch"],
  ])("%s: told as such, and nothing else", (file, section, row, producer) => {
    const edits = new ElfEdits(readElf(fixture(file)));
    const table = edits.file.relocations.find((t) => edits.file.sections.name(t.target) === section);
    const old = table === undefined ? null : edits.relocation(table, row);
    if (table === undefined || old === null) throw new Error("no relocation");
    edits.removeRelocation(table, row);
    edits.addRelocation(table.section, { ...old, addend: 4096n });
    const said = link(writeElf(edits), { file: "x", ...KNOWN }).problems.map(titleOf);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(
      new RegExp(
        `^the data of ${producer} are damaged: the place to relocate is at \\d+ of \\.\\S+, which has \\d+ bytes$`,
      ),
    );
  });
});
