import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ElfError } from "../../src/elf/error.ts";
import { type ElfFile, readElf } from "../../src/elf/reader.ts";
import { ElfEdits, type SectionFields } from "../../src/elf/writer/edits.ts";
import type { SymbolFields } from "../../src/elf/writer/symbolEdits.ts";
import { writeElf } from "../../src/elf/writer.ts";
import { type Built, type BuiltSection, buildElf, signatureTrailer, words } from "./build.ts";
import { checkedWrite, fieldsOf } from "./checked.ts";
import { ehdr, Raw } from "./raw.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

// Files to edit: all that compilers and assemblers made here, and shapes that they do not make.

const RELA = 4;
const REL = 9;

const callGraph = (from: number, to: number, littleEndian = true): Uint8Array => words([from, to, 7, 0], littleEndian);

const rich = (more: Partial<Built> = {}): Uint8Array => {
  const le = more.littleEndian ?? true;
  const sections: BuiltSection[] = [
    {
      name: ".group",
      type: 17,
      link: ".symtab",
      info: 4,
      align: 4,
      entsize: 4,
      members: [".text.one", ".rela.text.one"],
    },
    { name: ".text", type: 1, flags: 6, align: 16, data: new Uint8Array(40).fill(0x90) },
    {
      name: ".rela.text",
      type: RELA,
      flags: 0x40,
      link: ".symtab",
      info: ".text",
      align: 8,
      entsize: 24,
      relocations: [
        { offset: 4, symbol: 5, type: 2, addend: -4n },
        { offset: 12, symbol: 1, type: 1, addend: 8n },
        { offset: 20, symbol: 0, type: 0 },
      ],
    },
    {
      name: ".rel.data",
      type: REL,
      flags: 0x40,
      link: ".symtab",
      info: ".data",
      align: 8,
      entsize: 16,
      relocations: [
        { offset: 0, symbol: 3, type: 1 },
        { offset: 8, symbol: 6, type: 1 },
      ],
    },
    { name: ".data", type: 1, flags: 3, align: 8, data: new Uint8Array(24).fill(0xda) },
    { name: ".bss", type: 8, flags: 3, align: 32, size: 100 },
    { name: ".text.one", type: 1, flags: 0x206, align: 4, data: new Uint8Array(12).fill(1) },
    {
      name: ".rela.text.one",
      type: RELA,
      flags: 0x240,
      link: ".symtab",
      info: ".text.one",
      align: 8,
      entsize: 24,
      relocations: [{ offset: 0, symbol: 6, type: 2 }],
    },
    { name: ".order", type: 1, flags: 0x82, link: ".text", align: 1, data: Uint8Array.of(1, 2, 3) },
    { name: ".llvm_addrsig", type: 0x6fff_4c03, flags: 0x8000_0000, link: ".symtab", data: Uint8Array.of(4, 2, 0, 5) },
    {
      name: ".llvm.call-graph-profile",
      type: 0x6fff_4c02,
      flags: 0x8000_0000,
      link: ".symtab",
      entsize: 16,
      align: 8,
      data: callGraph(4, 5, le),
    },
  ];
  return buildElf({
    sections,
    symbols: [
      { name: "", type: 3, home: ".text" },
      { name: "local", type: 2, home: ".text", size: 8 },
      { name: "here", type: 1, home: ".data", value: 8n, size: 4 },
      { name: "one", bind: 2, type: 2, home: ".text.one", size: 12 },
      { name: "callee", bind: 1 },
      { name: "klp", bind: 1, home: 0xff20 },
      { name: "absolute", bind: 1, home: 0xfff1, value: 77n },
    ],
    ...more,
  });
};

const folders = [
  "test/fixtures/elf/",
  ...["ppc64le", "arm64", "x86_64"].flatMap((arch) =>
    readdirSync(`${root}samples/${arch}`).map((name) => `samples/${arch}/${name}/`),
  ),
];
const bases: readonly (readonly [string, Uint8Array])[] = [
  ["built", rich()],
  ["built, big-endian", rich({ littleEndian: false, machine: 21 })],
  ["built, one string table", rich({ oneStringTable: true })],
  ["built, section headers first", rich({ headersFirst: true })],
  ["built, with SHT_SYMTAB_SHNDX", rich({ extended: true })],
  ["built, signed", rich({ trailer: signatureTrailer(300) })],
  ["built, bytes behind the end", rich({ trailer: Uint8Array.of(1, 2, 3) })],
  ...folders.flatMap((folder) =>
    readdirSync(root + folder)
      .filter((entry) => entry.endsWith(".o") && !entry.endsWith(".klp.o"))
      .map((entry) => [folder + entry, new Uint8Array(readFileSync(root + folder + entry))] as const),
  ),
];

const section = (fields: Partial<SectionFields> = {}): SectionFields => ({
  name: ".added",
  type: 1,
  flags: 2n,
  link: 0,
  info: 0,
  addralign: 8,
  entsize: 0,
  data: Uint8Array.of(1, 2, 3, 4, 5),
  ...fields,
});

const symbol = (fields: Partial<SymbolFields> = {}): SymbolFields => ({
  name: "added",
  info: 0,
  other: 0,
  home: { kind: "reserved", index: 0xfff1 },
  value: 1n,
  size: 2,
  ...fields,
});

const local = (name: string): SymbolFields => symbol({ name, info: 0x01 });
const global = (name: string): SymbolFields => symbol({ name, info: 0x11 });

/** Removes a section with all that refers to it, as a caller has to; false if something else needs it. */
/** The sections that added symbols are in. */
function addedHomes({ file, symbols }: ElfEdits): number[] {
  const first = file.symbols?.count ?? 0;
  return Array.from({ length: symbols.added }, (_, k) => symbols.section(first + k)).filter((home) => home !== null);
}

function removeWithUsers(edits: ElfEdits, target: number): boolean {
  const { file } = edits;
  const { sections } = file;
  if (target === file.header.sectionNameIndex || file.symbols?.section === target || sections.type(target) === 0)
    return false;
  const gone = new Set([target, ...file.relocations.filter((t) => t.target === target).map((t) => t.section)]);
  for (let i = 1; i < sections.count; i++) if (!gone.has(i) && gone.has(sections.link(i))) return false;
  for (const f of edits.addedSections) if (gone.has(f.link) || (f.type === RELA && gone.has(f.info))) return false;
  const dead = new Set<number>();
  for (let s = 1; s < (file.symbols?.count ?? 0); s++) {
    const home = fieldsOf(edits, s).home;
    const at = home === undefined ? file.symbols?.sectionOf(s) : home.kind === "section" ? home.section : null;
    if (at !== null && at !== undefined && gone.has(at)) dead.add(s);
  }
  if (addedHomes(edits).some((home) => gone.has(home))) return false;
  for (const s of dead) if (!removeSymbolWithUsers(edits, s, gone)) return false;
  for (const g of gone) edits.removeSection(g);
  return true;
}

function removeSymbolWithUsers(edits: ElfEdits, s: number, gone: ReadonlySet<number> = new Set()): boolean {
  const { file } = edits;
  const hasSymbol = (at: number): boolean =>
    Array.from({ length: file.symbols?.count ?? 0 }, (_, i) => file.symbols?.sectionOf(i)).includes(at);
  for (const g of file.groups) {
    const goes = gone.has(g.section) || (g.members.every((m) => gone.has(m)) && !hasSymbol(g.section));
    if (g.signature === s && !goes) return false;
  }
  for (const changes of edits.relocationEdits.values())
    if ([...changes.added].some((r) => r.symbol === s)) return false;
  for (const t of file.relocations) {
    if (file.sections.link(t.section) !== file.symbols?.section) continue;
    for (let r = 0; r < t.count; r++) if (t.symbol(r) === s) edits.removeRelocation(t, r);
  }
  edits.removeSymbol(s);
  return true;
}

/** One random edit; a, b, c choose among what the file has. */
function edit(edits: ElfEdits, kind: number, a: number, b: number, c: number): void {
  const { file } = edits;
  const { sections } = file;
  const at = 1 + (a % Math.max(1, sections.count - 1));
  const plain = [1, 7, 14, 15].includes(sections.count > 1 ? sections.type(at) : 0) && !edits.removedSections.has(at);
  const name = `n${a % 5}\xe9${b % 3}`;
  if (kind === 0 && plain)
    edits.append(
      at,
      Uint8Array.from({ length: b % 40 }, (_, i) => i),
      [1, 4, 8, 256][c % 4] ?? 1,
    );
  if (kind === 1 && plain && edits.data(at).length > 0) edits.patch(at, b % edits.data(at).length, Uint8Array.of(c));
  if (file.header.sectionNameIndex === 0) return;
  if (kind === 2)
    edits.addSection(
      section({ name: `.${name}`, addralign: [0, 1, 8, 256][b % 4] ?? 1, data: new Uint8Array(c % 50).fill(9) }),
    );
  if (kind === 3 && plain && file.symbols !== null) {
    const inGroup = file.groups.some((g) => g.members.includes(at));
    const made = edits.addSection(
      section({
        name: `.klp${name}`,
        type: RELA,
        flags: inGroup ? 0x240n : 0x40n,
        link: file.symbols.section,
        info: at,
        entsize: 24,
        data: new Uint8Array(0),
      }),
    );
    const target = b % file.symbols.count;
    if (!edits.removedSymbols.has(target))
      edits.addRelocation(made, { offset: c, symbol: target, type: 1, addend: BigInt(-c) });
  }
  if (file.symbols === null || file.symbols.count === 0) return;
  const s = 1 + (a % Math.max(1, file.symbols.count - 1));
  const known = s < file.symbols.count && !edits.removedSymbols.has(s);
  if (kind === 4) {
    const inSection = c % 2 === 0 && sections.count > 1 && sections.type(at) !== 0 && !edits.removedSections.has(at);
    const home = inSection
      ? ({ kind: "section", section: at } as const)
      : ({ kind: "reserved", index: [0, 0xff20, 0xfff1][b % 3] ?? 0 } as const);
    const made = edits.addSymbol(
      symbol({ name, info: [0, 1, 0x12, 0x22][b % 4] ?? 0, home, value: BigInt(c) << 40n, size: a }),
    );
    const rows = file.relocations.filter(
      (t) =>
        t.hasAddends && !edits.removedSections.has(t.section) && sections.link(t.section) === file.symbols?.section,
    );
    const table = rows[b % Math.max(1, rows.length)];
    if (table !== undefined) edits.addRelocation(table.section, { offset: b, symbol: made, type: c, addend: 5n });
  }
  if (kind === 5 && known) edits.setSymbol(s, { name, other: b & 0xff, value: BigInt(c), size: b });
  if (kind === 6 && known && file.symbols.type(s) !== 3)
    edits.setSymbol(s, { info: ((b % 3) << 4) | file.symbols.type(s), home: { kind: "reserved", index: 0xff20 } });
  if (kind === 7 && known) removeSymbolWithUsers(edits, s);
  if (kind === 8 && sections.count > 1 && sections.type(at) === 1 && !edits.removedSections.has(at))
    removeWithUsers(edits, at);
  const table = file.relocations[a % Math.max(1, file.relocations.length)];
  if (table === undefined || table.count === 0 || edits.removedSections.has(table.section)) return;
  const row = b % table.count;
  if (kind === 9 && edits.relocation(table, row) !== null) edits.moveRelocation(table, row, c);
  if (kind === 10) edits.removeRelocation(table, row);
}

const anyEdits = fc.array(fc.tuple(fc.nat(10), fc.nat(1000), fc.nat(1000), fc.nat(255)), {
  minLength: 1,
  maxLength: 12,
});

/** A failure half-way through removeWithUsers leaves edits that contradict each other; those are not edits. */
function contradict(edits: ElfEdits): boolean {
  const { file } = edits;
  const homeless = [...Array(file.symbols?.count ?? 0).keys()].some((s) => {
    const home = fieldsOf(edits, s).home;
    const at = home === undefined ? file.symbols?.sectionOf(s) : home.kind === "section" ? home.section : null;
    return at !== null && at !== undefined && edits.removedSections.has(at) && !edits.removedSymbols.has(s);
  });
  const lost = addedHomes(edits).some((home) => edits.removedSections.has(home));
  return homeless || lost;
}

describe.each(bases)("%s", (_, bytes) => {
  test("no edit: the input itself", () => {
    const file = readElf(bytes);
    expect(writeElf(new ElfEdits(file))).toBe(bytes);
    checkedWrite(new ElfEdits(file));
  });

  test("any edits: they are in the output, everything else is as it was, every index follows", () => {
    const file = readElf(bytes);
    let written = 0;
    fc.assert(
      fc.property(anyEdits, (list) => {
        const edits = new ElfEdits(file);
        for (const [kind, a, b, c] of list) edit(edits, kind, a, b, c);
        if (contradict(edits)) return;
        let out: Uint8Array;
        try {
          out = checkedWrite(edits);
        } catch (error) {
          // A section of a type that may list symbols (.odd of sections.o) does not let them be renumbered.
          if (error instanceof ElfError && error.kind === "edit") return;
          throw error;
        }
        if (!edits.isEmpty) written++;
        // The output is a file like any other: no edit, no change.
        expect(writeElf(new ElfEdits(readElf(out)))).toBe(out);
      }),
      { numRuns: 120, seed: 20_240_601 },
    );
    expect(written).toBeGreaterThan(20);
  });

  test("what was added and taken away again leaves no trace in sections and symbols", () => {
    const file = readElf(bytes);
    if (file.symbols === null || file.header.sectionNameIndex === 0) return;
    const edits = new ElfEdits(file);
    edits.addSection(section());
    edits.addSymbol(local("a local"));
    edits.addSymbol(global("a global"));
    const grown = readElf(checkedWrite(edits));
    const back = new ElfEdits(grown);
    back.removeSection(file.sections.count);
    back.removeSymbol(file.sections.info(file.symbols.section));
    back.removeSymbol((grown.symbols?.count ?? 0) - 1);
    const again = readElf(checkedWrite(back));
    const names = (f: ElfFile): string[] => [...Array(f.sections.count).keys()].map((i) => f.sections.name(i));
    expect(names(again)).toEqual(names(file));
    for (let i = 1; i < file.sections.count; i++) {
      if (file.sections.type(i) === 3) continue;
      const now = {
        link: again.sections.link(i),
        info: again.sections.info(i),
        data: Buffer.from(again.sections.data(i)),
      };
      const before = {
        link: file.sections.link(i),
        info: file.sections.info(i),
        data: Buffer.from(file.sections.data(i)),
      };
      expect(now, file.sections.name(i)).toEqual(before);
    }
  });
});

describe("what is not edited stays where it is", () => {
  const bytes = rich();
  const file = readElf(bytes);
  const text = file.sections.findByName(".text") ?? 0;

  test("a patch changes these bytes and no others", () => {
    const edits = new ElfEdits(file);
    edits.patchWord(text, 8, 0x1234_5678);
    const expected = bytes.slice();
    new DataView(expected.buffer).setUint32(file.sections.offset(text) + 8, 0x1234_5678, true);
    expect(Buffer.from(checkedWrite(edits)).equals(expected)).toBe(true);
  });

  test("sections before one that grows keep their offsets", () => {
    const data = file.sections.findByName(".data") ?? 0;
    const edits = new ElfEdits(file);
    edits.append(data, new Uint8Array(100), 8);
    const out = readElf(checkedWrite(edits));
    for (let i = 1; i <= data; i++) expect(out.sections.offset(i)).toBe(file.sections.offset(i));
    expect(out.sections.offset(data + 2)).toBeGreaterThan(file.sections.offset(data + 2));
  });

  test("a new symbol of a known name shares nothing, one of an added name shares the added one", () => {
    const edits = new ElfEdits(file);
    edits.addSymbol(local("twice"));
    edits.addSymbol(global("twice"));
    const out = readElf(checkedWrite(edits));
    const strings = out.sections.findByName(".strtab") ?? 0;
    expect(out.sections.size(strings)).toBe(file.sections.size(strings) + "twice".length + 1);
  });

  test("big-endian words are written big-endian", () => {
    const big = readElf(rich({ littleEndian: false }));
    const edits = new ElfEdits(big);
    edits.patchWord(big.sections.findByName(".text") ?? 0, 0, 0x0102_0304);
    const out = readElf(checkedWrite(edits));
    expect([...out.sections.data(2).subarray(0, 4)]).toEqual([1, 2, 3, 4]);
  });
});

describe("contradictions are not written", () => {
  const file = readElf(rich());
  const at = (name: string): number => file.sections.findByName(name) ?? 0;
  const contradictions: readonly (readonly [string, (edits: ElfEdits) => void, RegExp])[] = [
    ["a section with symbols is removed", (e) => e.removeSection(at(".bss") + 1), /is removed/],
    ["a section with relocations is removed", (e) => e.removeSection(at(".data")), /but not its relocation section/],
    ["a symbol with relocations is removed", (e) => e.removeSymbol(5), /removed/],
    ["a group's signature is removed", (e) => e.removeSymbol(4), /removed/],
    [
      "a new relocation is against a removed symbol",
      (e) => {
        e.removeSymbol(7);
        e.addRelocation(at(".rela.text"), { offset: 0, symbol: 7, type: 1, addend: 0n });
      },
      /removed/,
    ],
    [
      "a new SHF_GROUP section belongs to no group",
      (e) => e.addSection(section({ flags: 0x200n, info: at(".data") })),
      /in no group/,
    ],
  ];
  test.each(contradictions)("%s", (_, change, what) => {
    const edits = new ElfEdits(file);
    change(edits);
    expect(() => writeElf(edits)).toThrow(what);
  });

  test("a removed last section with a symbol in it", () => {
    const last = buildElf({
      sections: [{ name: ".a", type: 1, data: Uint8Array.of(1) }],
      symbols: [{ name: "x", home: 4 }],
    });
    const edits = new ElfEdits(readElf(last));
    // .a, .symtab, .strtab, .shstrtab: nothing but the symbol refers to .strtab's follower once names are elsewhere.
    edits.removeSection(4);
    expect(() => writeElf(edits)).toThrow(/removed/);
  });

  test("a section that may list symbols in an unknown way", () => {
    const unknown = readElf(
      buildElf({
        sections: [{ name: ".odd", type: 0x6000_1234, link: ".symtab", data: Uint8Array.of(1, 2) }],
        symbols: [{ name: "x", bind: 1 }],
      }),
    );
    const raw = new Raw(unknown.bytes);
    const edits = new ElfEdits(unknown);
    edits.addSymbol(local("before x"));
    expect(() => writeElf(edits)).toThrow(expect.objectContaining({ kind: "edit", offset: raw.at(1, "sh_name") }));
    const behind = new ElfEdits(unknown);
    behind.addSymbol(global("behind x"));
    checkedWrite(behind);
  });

  test.each([
    [".llvm_addrsig", Uint8Array.of(0x80), 0],
    [".llvm_addrsig", Uint8Array.of(1, 9), 1],
    [".llvm_addrsig", new Uint8Array(200).fill(0xff), 0],
  ])("%s that lists what does not exist", (name, data, offset) => {
    const bad = readElf(
      buildElf({ sections: [{ name, type: 0x6fff_4c03, link: ".symtab", data }], symbols: [{ name: "x", bind: 1 }] }),
    );
    const edits = new ElfEdits(bad);
    edits.addSymbol(local("y"));
    expect(() => writeElf(edits)).toThrow(
      expect.objectContaining({ kind: "malformed", offset: bad.sections.offset(1) + offset }),
    );
  });
});

describe("signature", () => {
  test("stays without edits, goes with any; other bytes behind the end stay", () => {
    const unsigned = rich();
    const signed = rich({ trailer: signatureTrailer(300) });
    const file = readElf(signed);
    expect(file.signature).toEqual({ start: unsigned.length, messageSize: 300 });
    expect(writeElf(new ElfEdits(file))).toBe(signed);
    const change = (bytes: Uint8Array): Uint8Array => {
      const edits = new ElfEdits(readElf(bytes));
      edits.patch(2, 0, Uint8Array.of(1));
      edits.append(5, new Uint8Array(30), 1);
      edits.addSymbol(local("l"));
      return checkedWrite(edits);
    };
    expect(Buffer.from(change(signed)).equals(change(unsigned))).toBe(true);
    const trailing = Buffer.from(change(rich({ trailer: Uint8Array.of(7, 8, 9) })));
    expect(trailing.equals(Buffer.concat([change(unsigned), Uint8Array.of(7, 8, 9)]))).toBe(true);
  });

  test("a length that cannot be right takes nothing of the file with it", () => {
    const file = readElf(rich({ trailer: signatureTrailer(20, 0xffff_ffff) }));
    expect(file.signature?.messageSize).toBe(0);
    const edits = new ElfEdits(file);
    edits.patch(2, 0, Uint8Array.of(1));
    checkedWrite(edits);
  });
});

describe("odd places", () => {
  test("an alignment of a gigabyte does not make the output large", () => {
    const raw = new Raw(rich());
    for (const name of [".text", ".data", ".symtab"]) raw.set(raw.find(name), "sh_addralign", 0x4000_0000);
    const edits = new ElfEdits(readElf(raw.bytes));
    edits.addSymbol(local("l"));
    edits.append(raw.find(".text"), new Uint8Array(8), 8);
    expect(writeElf(edits).length).toBeLessThan(2 * raw.bytes.length);
  });

  test("an alignment that the input keeps in the file is kept", () => {
    const source = buildElf({
      sections: [
        { name: ".first", type: 1, data: new Uint8Array(8) },
        { name: ".page", type: 1, align: 0x10000, data: new Uint8Array(8) },
      ],
    });
    const edits = new ElfEdits(readElf(source));
    edits.append(1, new Uint8Array(0x10000), 1);
    expect(readElf(checkedWrite(edits)).sections.offset(2)).toBe(0x20000);
  });

  test.each([1n << 40n, (1n << 63n) + 1n, (1n << 64n) - 1n])("SHT_NOBITS at offset %d", (offset) => {
    const raw = new Raw(rich({ trailer: Uint8Array.of(1, 2, 3) }));
    raw.set(raw.find(".bss"), "sh_offset", offset);
    const edits = new ElfEdits(readElf(raw.bytes));
    edits.patch(2, 0, Uint8Array.of(1));
    const out = checkedWrite(edits);
    expect(out.length).toBe(raw.bytes.length);
    const now = new Raw(out);
    expect(now.view.getBigUint64(now.at(now.find(".bss"), "sh_offset"), true)).toBe(offset);
    expect([...out.subarray(-3)]).toEqual([1, 2, 3]);
  });

  test("symbols of a second symbol table follow their sections", () => {
    const table = buildElf({ sections: [{ name: ".b", type: 1 }], symbols: [{ name: "x", home: 3 }] });
    const rows = readElf(table).sections.data(2);
    const source = buildElf({
      sections: [
        { name: ".a", type: 1, data: Uint8Array.of(1) },
        { name: ".dynsym", type: 11, link: ".strtab", info: 1, align: 8, entsize: 24, data: rows },
        { name: ".b", type: 1, data: Uint8Array.of(2) },
      ],
      symbols: [{ name: "x", home: ".b" }],
    });
    const file = readElf(source);
    const edits = new ElfEdits(file);
    edits.removeSection(1);
    const out = readElf(checkedWrite(edits));
    expect(out.symbolTables.get(1)?.sectionOf(1)).toBe(2);
    expect(out.sections.name(2)).toBe(".b");
  });

  test("a file without a section name table takes no new section", () => {
    const raw = new Raw(buildElf({ sections: [{ name: "", type: 1, data: Uint8Array.of(1) }] }));
    raw.set(2, "sh_name", 0).set16(ehdr.e_shstrndx, 0);
    const edits = new ElfEdits(readElf(raw.bytes));
    edits.addSection(section());
    expect(() => writeElf(edits)).toThrow(expect.objectContaining({ kind: "edit", offset: 62 }));
  });

  test("an empty symbol table takes no new symbol", () => {
    const raw = new Raw(rich());
    const empty = new Raw(buildElf({ sections: [], symbols: [] }));
    empty.set(empty.find(".symtab"), "sh_size", 0).set(empty.find(".symtab"), "sh_info", 0);
    const edits = new ElfEdits(readElf(empty.bytes));
    edits.addSymbol(global("x"));
    expect(() => writeElf(edits)).toThrow(expect.objectContaining({ kind: "edit" }));
    expect(raw.bytes.length).toBeGreaterThan(empty.bytes.length);
  });
});

describe("65,280 sections", () => {
  const LIMIT = 0xff00;
  /** `.symtab`, `.strtab`, `.shstrtab` and section 0 are four more; symbols in the first and the last of `count`. */
  const large = (count: number, more: Partial<Built> = {}): Uint8Array =>
    buildElf({
      sections: Array.from({ length: count }, (_, i) => ({
        name: `s${i}`,
        type: 1,
        data: i % 1000 === 0 ? Uint8Array.of(i & 0xff) : new Uint8Array(0),
      })),
      symbols: [
        { name: "first", home: "s0" },
        { name: "last", home: `s${count - 1}` },
        { name: "abs", bind: 1, home: 0xfff1 },
      ],
      ...more,
    });

  const shape = (bytes: Uint8Array): readonly number[] => {
    const raw = new Raw(bytes);
    return [raw.u16(ehdr.e_shnum), raw.get(0, "sh_size"), raw.u16(ehdr.e_shstrndx), raw.get(0, "sh_link")];
  };

  test("grown past the limit: SHT_SYMTAB_SHNDX is made, e_shnum becomes 0", () => {
    const file = readElf(large(LIMIT - 4 - 3));
    expect(file.sections.count).toBe(LIMIT - 3);
    for (const extra of [2, 3, 4]) {
      const edits = new ElfEdits(file);
      let added = 0;
      for (let i = 0; i < extra; i++) added = edits.addSection(section({ name: `.added${i}`, data: Uint8Array.of(i) }));
      edits.addSymbol(symbol({ name: "in the last", home: { kind: "section", section: added } }));
      const out = checkedWrite(edits);
      const count = LIMIT - 3 + extra;
      const made = count >= LIMIT ? 1 : 0;
      expect(shape(out).slice(0, 2)).toEqual(made ? [0, count + made] : [count, 0]);
      const again = readElf(out);
      expect(again.symbols?.sectionOf(3)).toBe(count - 1);
      const raw = new Raw(out);
      const row = raw.within(raw.find(".symtab"), 3 * 24 + 6);
      // The last added section is the first to need SHN_XINDEX when its index is 0xff00.
      expect(raw.u16(row)).toBe(count - 1 >= LIMIT ? 0xffff : count - 1);
    }
  });

  test("e_shstrndx past the limit becomes SHN_XINDEX, and back", () => {
    const above = large(LIMIT);
    expect(shape(above)).toEqual([0, LIMIT + 5, 0xffff, LIMIT + 4]);
    const file = readElf(above);
    expect(file.symbols?.sectionOf(2)).toBe(LIMIT);
    const edits = new ElfEdits(file);
    // Neither has a symbol: s1 to s10.
    for (let i = 2; i <= 11; i++) edits.removeSection(i);
    const out = checkedWrite(edits);
    expect(shape(out)).toEqual([LIMIT - 5, 0, LIMIT - 6, 0]);
    expect(readElf(out).symbols?.sectionOf(2)).toBe(LIMIT - 10);
    // The extended indices stay, all zero.
    const kept = readElf(out);
    const extended = kept.sections.findByName(".symtab_shndx") ?? 0;
    expect(kept.sections.data(extended).every((b) => b === 0)).toBe(true);
    // And past the limit again.
    const back = new ElfEdits(kept);
    for (let i = 0; i < 20; i++) back.addSection(section({ name: `.again${i}` }));
    expect(shape(checkedWrite(back)).slice(0, 2)).toEqual([0, LIMIT + 15]);
  });

  test("65,413 sections from GNU as: edits, and every index follows", () => {
    const file = readElf(new Uint8Array(gunzipSync(readFileSync(`${root}test/fixtures/elf/many.o.gz`))));
    const edits = new ElfEdits(file);
    const low = file.sections.findByName("s3") ?? 0;
    edits.append(low, new Uint8Array(8), 8);
    edits.addSymbol(local("l"));
    edits.addSymbol(symbol({ name: "g", info: 0x11, home: { kind: "section", section: file.sections.count - 1 } }));
    edits.addSection(section());
    checkedWrite(edits);
  });
});

describe("the checks can fail", () => {
  const file = readElf(rich());
  const edited = (): { edits: ElfEdits; raw: Raw } => {
    const edits = new ElfEdits(file);
    edits.addSymbol(local("l"));
    return { edits, raw: new Raw(writeElf(edits)) };
  };
  test.each<readonly [string, (raw: Raw) => unknown]>([
    ["sh_link", (raw) => raw.set(raw.find(".rela.text"), "sh_link", 1)],
    ["sh_info of the symbol table", (raw) => raw.set(raw.find(".symtab"), "sh_info", 2)],
    ["a relocation's symbol", (raw) => raw.set32(raw.within(raw.find(".rela.text"), 12), 2)],
    ["a group's member", (raw) => raw.set32(raw.within(raw.find(".group"), 4), 2)],
    ["a group's signature", (raw) => raw.set(raw.find(".group"), "sh_info", 2)],
    ["a symbol's section", (raw) => raw.set16(raw.within(raw.find(".symtab"), 2 * 24 + 6), 5)],
    [".llvm_addrsig", (raw) => raw.bytes.set([1], raw.within(raw.find(".llvm_addrsig"), 0))],
    ["the call graph", (raw) => raw.set32(raw.within(raw.find(".llvm.call-graph-profile"), 0), 1)],
    ["a byte of .text", (raw) => raw.bytes.set([1], raw.within(raw.find(".text"), 3))],
    ["SHF_LINK_ORDER's section", (raw) => raw.set(raw.find(".order"), "sh_link", 5)],
    ["the section name table", (raw) => raw.set16(ehdr.e_shstrndx, raw.find(".strtab"))],
  ])("%s", async (_, spoil) => {
    const { edits, raw } = edited();
    spoil(raw);
    const { checkLayout, checkContent } = await import("./checked.ts");
    expect(() => {
      checkLayout(raw.bytes, new Raw(file.bytes));
      checkContent(edits, readElf(raw.bytes));
    }).toThrow();
  });
});
