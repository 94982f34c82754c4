import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { ElfError } from "../../src/elf/error.ts";
import { type ElfFile, readElf } from "../../src/elf/reader.ts";
import { localEntryCode, localEntryOffset, type SymbolTable } from "../../src/elf/views/symbols.ts";
import { type Dump, parseDump } from "../golden/readelf/parse.ts";

// Everything that GNU readelf 2.40 prints about an object (test/golden/readelf/NAME.txt) equals what klplink reads.

const root = fileURLToPath(new URL("../../", import.meta.url));
const goldenFolder = `${root}test/golden/readelf/`;
const fixtureFolder = `${root}test/fixtures/elf/`;

/** The object that a dump describes: a fixture, packed or not, or samples/ARCH/CASE/CASE.o for ARCH-CASE. */
function objectOf(name: string): Uint8Array {
  const fixture = `${fixtureFolder}${name}.o`;
  if (existsSync(fixture)) return readFileSync(fixture);
  if (existsSync(`${fixture}.gz`)) return gunzipSync(readFileSync(`${fixture}.gz`));
  const sample = /^([^-]+)-(.+)$/.exec(name);
  return readFileSync(`${root}samples/${sample?.[1]}/${sample?.[2]}/${sample?.[2]}.o`);
}

const names = readdirSync(goldenFolder)
  .filter((file) => file.endsWith(".txt"))
  .map((file) => file.slice(0, -4));

// From the gABI and the processor supplements, as readelf spells them.
const sectionTypes: Readonly<Record<string, number>> = {
  NULL: 0,
  PROGBITS: 1,
  SYMTAB: 2,
  STRTAB: 3,
  RELA: 4,
  NOTE: 7,
  NOBITS: 8,
  REL: 9,
  INIT_ARRAY: 14,
  FINI_ARRAY: 15,
  PREINIT_ARRAY: 16,
  GROUP: 17,
  "SYMTAB SECTION INDICES": 18,
};
const symbolTypes = ["NOTYPE", "OBJECT", "FUNC", "SECTION", "FILE", "COMMON", "TLS"];
const visibilities = ["DEFAULT", "INTERNAL", "HIDDEN", "PROTECTED"];
const machines: Readonly<Record<string, number>> = {
  PowerPC64: 21,
  "Advanced Micro Devices X86-64": 62,
  AArch64: 183,
  "Linux BPF": 247,
};

/** As readelf prints it: a control character as ^ and a letter. */
const shown = (name: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced
  name.replace(/[\x00-\x1f\x7f]/g, (c) => `^${String.fromCharCode(c.charCodeAt(0) + 0x40)}`);

/** readelf shows a section's name with a byte above 0x7f as <FC>. */
const shownSection = (name: string): string =>
  shown(name).replace(/[\x80-\xff]/g, (c) => `<${c.charCodeAt(0).toString(16).toUpperCase()}>`);

const sectionType = (text: string): number | undefined => {
  const relative = /^LOOS\+0x([0-9a-f]+)$/.exec(text);
  return relative === null ? sectionTypes[text] : 0x6000_0000 + Number.parseInt(relative[1] ?? "", 16);
};

const symbolType = (type: number): string | undefined => (type === 10 ? "IFUNC" : symbolTypes[type]);
const binding = (bind: number): string | undefined => (bind === 10 ? "UNIQUE" : ["LOCAL", "GLOBAL", "WEAK"][bind]);

function sectionIndex(symbols: SymbolTable, i: number): string {
  const section = symbols.sectionOf(i);
  if (section !== null) return String(section);
  const raw = symbols.rawShndx(i);
  if (raw === 0) return "UND";
  if (raw === 0xfff1) return "ABS";
  if (raw === 0xfff2) return "COM";
  return `${raw < 0xff20 ? "PRC" : raw < 0xff40 ? "OS " : "RSV"}[0x${raw.toString(16)}]`;
}

/** readelf shows a section's name for its section symbol, which has no name of its own. */
function symbolName(file: ElfFile, symbols: SymbolTable, i: number): string {
  const section = symbols.sectionOf(i);
  const own = symbols.name(i);
  return shown(own === "" && symbols.type(i) === 3 && section !== null ? file.sections.name(section) : own);
}

/** readelf 2.40 knows the codes 1 to 6 and shows any other bits of st_other as a number. */
function localEntry(other: number): string {
  const code = localEntryCode(other);
  if (code === 0 || code === 7 || (other & 0x1c) !== 0) return otherBits(other);
  return `<localentry>: ${code === 1 ? 1 : localEntryOffset(other)}`;
}

const otherBits = (other: number): string => (other < 4 ? "" : `<other>: ${(other & ~3).toString(16)}`);

describe.each(names)("%s", (name) => {
  const dump: Dump = parseDump(readFileSync(`${goldenFolder}${name}.txt`, "latin1"));
  const file = readElf(objectOf(name));
  const isPpc64 = file.header.machine === 21;

  test("header", () => {
    const field = (key: string): string => dump.header.get(key) ?? "";
    // "0 (65412)": the header field, and in brackets the number that stands in section 0.
    const extended = (key: string): number => Number(/\((\d+)\)/.exec(field(key))?.[1] ?? field(key));
    expect(field("Class")).toBe("ELF64");
    expect(field("Type")).toBe("REL (Relocatable file)");
    expect(file.littleEndian).toBe(field("Data") === "2's complement, little endian");
    expect(file.header).toEqual({
      type: 1,
      machine: machines[field("Machine")],
      flags: Number.parseInt(field("Flags"), 16),
      sectionHeaderOffset: Number.parseInt(field("Start of section headers"), 10),
      sectionCount: extended("Number of section headers"),
      sectionNameIndex: extended("Section header string table index"),
    });
    expect(file.sections.count).toBe(file.header.sectionCount);
  });

  test("sections", () => {
    const { sections } = file;
    const read = dump.sections.map(({ index: i }) => ({
      index: i,
      name: shownSection(sections.name(i)),
      type: sections.type(i),
      addr: sections.addr(i),
      offset: sections.offset(i),
      size: sections.size(i),
      entsize: sections.entsize(i),
      link: sections.link(i),
      info: sections.info(i),
      addralign: sections.addralign(i),
      flags: sections.flags(i),
    }));
    expect(read).toEqual(dump.sections.map((s) => ({ ...s, type: sectionType(s.type) })));
    if (name !== "many") expect(dump.sections.length).toBe(sections.count);
  });

  test("symbols", () => {
    const { symbols } = file;
    if (symbols === null) {
      expect(dump.symbols).toEqual([]);
      return;
    }
    const read = Array.from({ length: symbols.count }, (_, i) => ({
      index: i,
      value: symbols.value(i),
      size: symbols.size(i),
      type: symbolType(symbols.type(i)),
      bind: binding(symbols.bind(i)),
      visibility: visibilities[symbols.visibility(i)],
      other: isPpc64 ? localEntry(symbols.other(i)) : otherBits(symbols.other(i)),
      section: sectionIndex(symbols, i),
      name: symbolName(file, symbols, i),
    }));
    // A size is a number here and rounded above 2^53.
    expect(read).toEqual(dump.symbols.map((s) => ({ ...s, size: Number(s.size) })));
  });

  test("relocations", () => {
    const read = file.relocations
      .filter((table) => table.count > 0)
      .map((table) => {
        const symbols = file.symbolTables.get(file.sections.link(table.section));
        const rows = Array.from({ length: table.count }, (_, r) => {
          const i = table.symbol(r);
          const named = symbols !== undefined && i !== 0;
          const indirect = named && symbols.type(i) === 10;
          expect((BigInt(i) << 32n) | BigInt(table.type(r))).toBe(table.info(r));
          return {
            offset: table.offset(r),
            info: table.info(r),
            value: named && !indirect ? symbols.value(i) : null,
            name: named ? symbolName(file, symbols, i) : "",
            addend: table.hasAddends ? table.addend(r) : null,
          };
        });
        return { at: file.sections.offset(table.section), rows };
      });
    const expected = dump.relocations.map(({ at, rows }) => ({
      at,
      // An offset is a number here and rounded above 2^53.
      rows: rows.map(({ type: _, ...row }) => ({ ...row, offset: Number(row.offset) })),
    }));
    expect(read).toEqual(expected);
  });

  test("section groups", () => {
    const read = file.groups.map((group) => {
      const symbols = file.symbolTables.get(group.symbolTable) as SymbolTable;
      return {
        comdat: group.flags === 1,
        section: group.section,
        signature: symbolName(file, symbols, group.signature),
        members: group.members.map((index) => ({ index, name: shownSection(file.sections.name(index)) })),
      };
    });
    expect(read).toEqual(dump.groups);
  });
});

test("every fixture and sample object has a dump", () => {
  const objects = readdirSync(fixtureFolder)
    .filter((entry) => /\.o(\.gz)?$/.test(entry))
    .map((entry) => entry.replace(/\.o(\.gz)?$/, ""));
  for (const arch of ["ppc64le", "arm64", "x86_64"]) {
    for (const folder of readdirSync(`${root}samples/${arch}`, { withFileTypes: true })) {
      if (folder.isDirectory()) objects.push(`${arch}-${folder.name}`);
    }
  }
  expect(names.toSorted()).toEqual(objects.toSorted());
});

test("names keep their bytes", () => {
  const { symbols, sections } = readElf(objectOf("names"));
  const all = Array.from({ length: symbols?.count ?? 0 }, (_, i) => symbols?.name(i));
  // The bytes that test/fixtures/elf/names.sh gives to the assembler.
  expect(all).toContain("latin_\xe9\xff");
  expect(all).toContain("outside_\xfe");
  expect(all).toContain("utf8_\xc3\xa9\xe2\x82\xac");
  expect(all).toContain("control\x01\x1b[1m\x7f");
  expect(all).toContain("tab\there");
  expect(all).toContain("x".repeat(3000));
  expect(sections.findByName(".data.\xfcber")).not.toBeNull();
});

test("all eight local entry encodings", () => {
  const { symbols } = readElf(objectOf("localentry"));
  if (symbols === null) throw new Error("no symbols");
  const offsets = new Map<string, number>();
  for (let i = 0; i < symbols.count; i++) {
    if (symbols.name(i).startsWith("code_")) offsets.set(symbols.name(i), localEntryOffset(symbols.other(i)));
  }
  // ELFv2 ABI 3.4.1; 7 is reserved there, 128 is what the kernel's formula gives.
  expect([...offsets]).toEqual([0, 0, 4, 8, 16, 32, 64, 128].map((offset, code) => [`code_${code}`, offset]));
});

test.each([
  ["elf32-i386.o", /ELF32/],
  ["elf32-ppc.o", /ELF32/],
  ["executable", /ET_EXEC/],
  ["shared-object", /ET_DYN/],
])("%s is refused by name", (entry, what) => {
  const read = (): ElfFile => readElf(readFileSync(`${fixtureFolder}refused/${entry}`));
  expect(read).toThrow(ElfError);
  expect(read).toThrow(what);
});
