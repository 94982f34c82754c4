// The first conversion. Inputs are the samples' objects (made by gcc and GNU as) with symbol lists written here;
// what must come out is the module ELF format of the kernel's Documentation/livepatch/module-elf-format.

import { describe, expect, test } from "vitest";
import { levelOf, titleOf } from "../../../src/diag/catalogue.ts";
import { type ElfFile, readElf } from "../../../src/elf/reader.ts";
import { ElfEdits } from "../../../src/elf/writer/edits.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { parseSymbols } from "../../../src/kernel/symbols/parseSymbols.ts";
import { check } from "../../../src/passes/check.ts";
import { type LinkOptions, type LinkResult, link } from "../../../src/passes/link.ts";
import { load } from "../../helpers.ts";

const SHN_LIVEPATCH = 0xff20;
const object = load("samples/x86_64/convert/convert.o");
/** What samples/x86_64/convert/convert.o leaves undefined, by `nm -u`. */
const UNDEFINED = ["__fentry__", "commit_limit_cache", "jiffies", "ktime_get_seconds", "vm_commit_limit_of"];

const map = (lines: readonly string[]) => parseSymbols(Buffer.from(`${lines.join("\n")}\n`, "latin1"), "System.map");
const exported = (name: string, address: string) => [`${address} T ${name}`, `ffffffff82000000 r __ksymtab_${name}`];
const base = [
  ...exported("__fentry__", "ffffffff81000000"),
  ...exported("ktime_get_seconds", "ffffffff81000100"),
  ...exported("jiffies", "ffffffff82800000"),
];

function run(lines: readonly string[], options: Partial<LinkOptions> = {}): LinkResult {
  return link(object, { file: "convert.o", symbols: map(lines), ...options });
}

function symbolsOf(file: ElfFile): { name: string; shndx: number; other: number }[] {
  const table = file.symbols;
  if (table === null) throw new Error("no symbols");
  return Array.from({ length: table.count }, (_, i) => ({
    name: table.name(i),
    shndx: table.rawShndx(i),
    other: table.other(i),
  }));
}

/** `TARGET+offset type symbol+addend`, the set of relocations of the loaded sections. */
function relocationSet(file: ElfFile): string[] {
  const { sections, symbols } = file;
  if (symbols === null) throw new Error("no symbols");
  return file.relocations
    .flatMap((t) =>
      Array.from({ length: t.count }, (_, r) => {
        const name = symbols.name(t.symbol(r)).replace(/^\.klp\.sym\.vmlinux\.(.*),\d+$/, "$1");
        return `${sections.name(t.target)}+${t.offset(r)} ${t.type(r)} ${name}+${t.addend(r)}`;
      }),
    )
    .sort();
}

describe("undefined symbols", () => {
  test("the object leaves undefined what this test expects", () => {
    const file = readElf(object);
    const names = symbolsOf(file).filter((s, i) => i > 0 && s.shndx === 0 && s.name !== "");
    expect(names.map((s) => s.name).sort()).toEqual(UNDEFINED);
  });

  test("exported ones stay, others become livepatch symbols with their relocations", () => {
    const result = run([...base, "ffffffff81000200 t vm_commit_limit_of", "ffffffff83000000 b commit_limit_cache"]);
    expect(result.problems).toEqual([]);
    const file = readElf(result.output ?? new Uint8Array());
    const names = symbolsOf(file);
    expect(names.filter((s) => s.shndx === SHN_LIVEPATCH)).toEqual([
      expect.objectContaining({ name: ".klp.sym.vmlinux.commit_limit_cache,0", other: 0 }),
      expect.objectContaining({ name: ".klp.sym.vmlinux.vm_commit_limit_of,0", other: 0 }),
    ]);
    for (const name of ["__fentry__", "jiffies", "ktime_get_seconds"]) {
      expect(names.find((s) => s.name === name)?.shndx).toBe(0);
    }
    // Every relocation is there once, against the same symbol; those against livepatch symbols in their sections.
    expect(relocationSet(file)).toEqual(relocationSet(readElf(object)));
    for (const table of file.relocations) {
      const name = file.sections.name(table.section);
      const isKlp = name.startsWith(".klp.rela.vmlinux.");
      for (let r = 0; r < table.count; r++) {
        expect(file.symbols?.rawShndx(table.symbol(r)) === SHN_LIVEPATCH, `${name} ${r}`).toBe(isKlp);
      }
      if (!isKlp) continue;
      expect(name).toBe(`.klp.rela.vmlinux.${file.sections.name(table.target)}`);
      // SHF_ALLOC | SHF_INFO_LINK | SHF_RELA_LIVEPATCH; sh_link the symbol table; rows of 24 bytes.
      expect(file.sections.flags(table.section)).toBe(0x10_0042n);
      expect(file.sections.link(table.section)).toBe(file.symbols?.section);
      expect(file.sections.entsize(table.section)).toBe(24);
      expect(file.sections.addralign(table.section)).toBe(8);
      expect(file.sections.type(table.section)).toBe(4);
    }
  });

  test("without a symbol list nothing is converted", () => {
    const result = link(object, { file: "convert.o" });
    expect(result.changed).toBe(false);
    expect(result.problems).toEqual([]);
  });

  test("an unknown symbol is an error that offers near names", () => {
    const result = run([
      ...base,
      "ffffffff81000200 t vm_commit_limit_of.isra.0",
      "ffffffff83000000 b commit_limit_cache",
    ]);
    expect(result.output).toBeNull();
    expect(result.problems.map((p) => [p.code, p.data])).toEqual([
      [
        "KLP401",
        {
          module: "convert",
          symbol: "vm_commit_limit_of",
          source: "System.map",
          near: ["vm_commit_limit_of.isra.0"],
          searched: [],
          missing: [],
        },
      ],
    ]);
  });

  const twice = [
    ...base,
    "ffffffff81000300 t vm_commit_limit_of",
    "ffffffff81000200 t vm_commit_limit_of",
    "ffffffff83000000 b commit_limit_cache",
  ];
  const klpName = (result: LinkResult): string | undefined =>
    symbolsOf(readElf(result.output ?? new Uint8Array())).find((s) => s.name.includes("vm_commit_limit_of"))?.name;

  test("a name that occurs twice is not guessed", () => {
    const result = run(twice);
    expect(result.output).toBeNull();
    expect(result.problems.map((p) => [p.code, p.data])).toEqual([
      [
        "KLP402",
        {
          module: "convert",
          symbol: "vm_commit_limit_of",
          source: "System.map",
          object: "vmlinux",
          candidates: [
            { position: 1, place: "ffffffff81000200", letter: "t" },
            { position: 2, place: "ffffffff81000300", letter: "t" },
          ],
        },
      ],
    ]);
  });

  test("a position that is given is taken; positions count by address", () => {
    for (const position of [1, 2]) {
      const result = run(twice, { positions: new Map([["vm_commit_limit_of", position]]) });
      expect(result.problems).toEqual([]);
      expect(klpName(result)).toBe(`.klp.sym.vmlinux.vm_commit_limit_of,${position}`);
    }
    for (const position of [0, 3]) {
      const result = run(twice, { positions: new Map([["vm_commit_limit_of", position]]) });
      expect(result.problems.map((p) => p.code)).toEqual(["KLP406"]);
      expect(result.output).toBeNull();
    }
  });

  test("the only global one of several is taken, with a warning", () => {
    const result = run(twice.map((l) => l.replace("81000300 t", "81000300 T")));
    expect(result.problems.map((p) => p.code)).toEqual(["KLP405"]);
    expect(klpName(result)).toBe(".klp.sym.vmlinux.vm_commit_limit_of,2");
  });

  test("a list without exports cannot tell what to convert", () => {
    const result = run(["ffffffff81000200 t vm_commit_limit_of"]);
    expect(result.problems.map((p) => p.code)).toEqual(["KLP404"]);
    expect(result.output).toBeNull();
  });

  test("a symbol of a module that does not export it", () => {
    const result = run([
      ...base,
      "ffffffffc0000000 t vm_commit_limit_of\t[ext4]",
      "ffffffffc0000010 b commit_limit_cache\t[ext4]",
      "ffffffffc0000020 r __ksymtab_commit_limit_cache\t[ext4]",
    ]);
    expect(result.problems.map((p) => [p.code, titleOf(p)])).toEqual([
      ["KLP403", "vm_commit_limit_of is not in vmlinux, but in module ext4, which does not export it"],
    ]);
  });

  test("a weak symbol that is nowhere stays weak; one that the kernel has is converted", () => {
    const edits = new ElfEdits(readElf(object));
    const table = edits.symbolTable();
    for (let i = 1; i < table.count; i++) {
      if (table.name(i) === "vm_commit_limit_of") edits.setSymbol(i, { info: 0x20 });
    }
    const weak = writeElf(edits);
    const lines = [...base, "ffffffff83000000 b commit_limit_cache"];
    const without = link(weak, { file: "convert.o", symbols: map(lines) });
    expect(without.problems).toEqual([]);
    expect(without.done.convertedSymbols).toBe(1);
    const withIt = link(weak, { file: "convert.o", symbols: map([...lines, "ffffffff81000200 t vm_commit_limit_of"]) });
    expect(withIt.done.convertedSymbols).toBe(2);
  });

  test("a name too long for the kernel is refused, by version", () => {
    const long = "x".repeat(200);
    const edits = new ElfEdits(readElf(object));
    const table = edits.symbolTable();
    for (let i = 1; i < table.count; i++)
      if (table.name(i) === "vm_commit_limit_of") edits.setSymbol(i, { name: long });
    const bytes = writeElf(edits);
    const symbols = map([...base, `ffffffff81000200 t ${long}`, "ffffffff83000000 b commit_limit_cache"]);
    const at = (major: number, minor: number) =>
      link(bytes, { file: "convert.o", symbols, kernelVersion: { major, minor } }).problems.map((p) => p.code);
    expect(at(5, 19)).toEqual(["KLP407"]);
    expect(at(6, 1)).toEqual([]);
  });
});

describe("livepatch symbols that are there already", () => {
  const renamed = (name: string, index: number): Uint8Array => {
    const edits = new ElfEdits(readElf(object));
    const table = edits.symbolTable();
    for (let i = 1; i < table.count; i++) {
      if (table.name(i) === "vm_commit_limit_of") edits.setSymbol(i, { name, home: { kind: "reserved", index } });
    }
    return writeElf(edits);
  };

  test("one that is not marked is told", () => {
    const problems = check(renamed(".klp.sym.vmlinux.f,1", 0), { file: "convert.o" }).problems;
    expect(problems.map((p) => [p.code, levelOf(p)])).toEqual([["KLP408", "error"]]);
  });

  for (const name of [
    ".klp.sym.vmlinux.f",
    ".klp.sym.vmlinux.f,",
    ".klp.sym..f,1",
    `.klp.sym.${"o".repeat(56)}.f,1`,
    ".klp.sym.v",
  ]) {
    test(`the name ${name.slice(0, 30)} is told`, () => {
      const problems = check(renamed(name, SHN_LIVEPATCH), { file: "convert.o" }).problems;
      expect(problems.map((p) => p.code)).toEqual(["KLP409"]);
    });
  }

  test("names with dots, and 55 bytes of object name, are well formed", () => {
    for (const name of [".klp.sym.vmlinux.f.isra.0,12", `.klp.sym.${"o".repeat(55)}.f,1`]) {
      // KLP432: their relocations still stand in ordinary sections.
      const problems = check(renamed(name, SHN_LIVEPATCH), { file: "convert.o" }).problems;
      expect(new Set(problems.map((p) => p.code))).toEqual(new Set(["KLP432"]));
    }
  });
});

describe("signature and module information", () => {
  const trailer = Buffer.concat([
    Buffer.alloc(20, 0x30), // the PKCS#7 message
    Buffer.from([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 20]), // struct module_signature: id_type PKCS#7, length 20
    Buffer.from("~Module signature appended~\n", "latin1"),
  ]);
  const signed = new Uint8Array(Buffer.concat([object, trailer]));

  test("kept when nothing changes", () => {
    const result = link(signed, { file: "convert.ko" });
    expect(result.problems).toEqual([]);
    expect(Buffer.from(result.output ?? []).equals(signed)).toBe(true);
  });

  test("dropped with a warning when something does", () => {
    const lines = [...base, "ffffffff81000200 t vm_commit_limit_of", "ffffffff83000000 b commit_limit_cache"];
    const plain = run(lines);
    const result = link(signed, { file: "convert.o", symbols: map(lines) });
    expect(result.problems.map((p) => [p.code, p.at.fileOffset])).toEqual([["KLP108", object.length]]);
    expect(Buffer.from(result.output ?? []).equals(plain.output ?? new Uint8Array())).toBe(true);
  });
});
