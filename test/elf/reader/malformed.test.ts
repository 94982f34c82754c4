import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { runLink } from "../../../src/cli/commands/link.ts";
import { packingOf } from "../../../src/elf/containers/packed.ts";
import { ElfError } from "../../../src/elf/error.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { captured, klplink } from "../../cli/run.ts";
import { type BuiltSection, buildElf } from "../build.ts";
import { ehdr, Raw } from "../raw.ts";

// Every way in which a file can be wrong that the reader looks for: the error's kind and the file offset of the wrong
// field. The fields' places are those of the gABI (raw.ts). The same inputs go through the command line.

const root = fileURLToPath(new URL("../../../", import.meta.url));
const load = (path: string): Uint8Array => readFileSync(root + path);
const meminfo = load("samples/ppc64le/meminfo/meminfo.o");
const groups = load("test/fixtures/elf/groups.o");
const livepatch = load("test/fixtures/elf/livepatch.o");
const bigendian = load("test/fixtures/elf/bigendian.o");
const rel = load("test/fixtures/elf/rel.o");

const SYMTAB = 2;
const RELA = 4;
const REL = 9;
const GROUP = 17;
const SHNDX = 18;

interface Case {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly kind: ElfError["kind"];
  readonly offset: number;
  readonly what: RegExp;
}

const cases: Case[] = [];

/** Breaks a copy of `source`; `at` is the file offset of the field that is then wrong. */
function broken(name: string, source: Uint8Array, what: RegExp, change: (raw: Raw) => number): void {
  const raw = new Raw(source);
  const offset = change(raw);
  cases.push({ name, bytes: raw.bytes, kind: "malformed", offset, what });
}

function foreign(
  name: string,
  bytes: Uint8Array | string,
  what: RegExp,
  kind: ElfError["kind"] = "not-elf",
  offset = 0,
): void {
  cases.push({ name, bytes: typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes, kind, offset, what });
}

/** A small file with an SHT_SYMTAB_SHNDX that it does not need. */
function extendedFile(more: readonly BuiltSection[] = []): Uint8Array {
  return buildElf({
    extended: true,
    sections: [
      { name: ".text", type: 1, flags: 6, align: 16, data: new Uint8Array(32) },
      {
        name: ".rela.text",
        type: RELA,
        flags: 0x40,
        link: ".symtab",
        info: ".text",
        align: 8,
        entsize: 24,
        relocations: [{ offset: 4, symbol: 2, type: 2 }],
      },
      ...more,
    ],
    symbols: [
      { name: "local", type: 2, home: ".text" },
      { name: "global", bind: 1, type: 2, home: ".text", value: 16n },
    ],
  });
}

// Other kinds of files

foreign("empty file", "", /the file is empty/);
foreign("archive", "!<arch>\nx.o/            0           0     0     644     4         `\nabcd", /an archive \(\.a\)/);
foreign("thin archive", "!<thin>\n", /a thin archive/);
foreign(".xz", Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 4), /an \.xz file/);
foreign(".zst", Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 4, 0), /a \.zst file/);
foreign(".gz", gzipSync(meminfo), /a \.gz file/);
foreign("LLVM bitcode", Uint8Array.of(0x42, 0x43, 0xc0, 0xde, 0x35, 0x14), /LLVM bitcode/);
foreign("LLVM bitcode with a wrapper", Uint8Array.of(0xde, 0xc0, 0x17, 0x0b, 0, 0, 0, 0), /LLVM bitcode/);
foreign("PE/COFF", "MZ\x90\0\x03\0", /PE\/COFF/);
foreign("text", "hello\n", /a text file/);
foreign("System.map", load("samples/ppc64le/meminfo/System.map"), /a symbol list .*-k/);
foreign(
  "unknown bytes",
  Uint8Array.from({ length: 100 }, (_, i) => (i * 151 + 7) & 0xff),
  /an unknown kind of file/,
);
foreign("three bytes of the magic number", "\x7fEL", /not an ELF file/);
foreign("ELF32", load("test/fixtures/elf/refused/elf32-i386.o"), /ELF32/, "unsupported", 4);
foreign("executable", load("test/fixtures/elf/refused/executable"), /ET_EXEC/, "unsupported", 16);
foreign("shared object", load("test/fixtures/elf/refused/shared-object"), /ET_DYN/, "unsupported", 16);
foreign("core dump", new Raw(meminfo).set16(ehdr.e_type, 4).bytes, /ET_CORE/, "unsupported", 16);
foreign("e_type 0", new Raw(meminfo).set16(ehdr.e_type, 0).bytes, /ET_NONE/, "unsupported", 16);
foreign("e_type 0xfe00", new Raw(meminfo).set16(ehdr.e_type, 0xfe00).bytes, /unknown type 65024/, "unsupported", 16);
foreign("program headers", new Raw(meminfo).set16(ehdr.e_phnum, 2).bytes, /2 program headers/, "unsupported", 56);

// The ELF header

for (const value of [0, 3, 255]) {
  broken(`EI_CLASS ${value}`, meminfo, /EI_CLASS/, (raw) => {
    raw.bytes[4] = value;
    return 4;
  });
  broken(`EI_DATA ${value}`, meminfo, /EI_DATA/, (raw) => {
    raw.bytes[5] = value;
    return 5;
  });
  broken(`EI_VERSION ${value}`, meminfo, /EI_VERSION/, (raw) => {
    raw.bytes[6] = value;
    return 6;
  });
}
for (const source of [meminfo, bigendian]) {
  const order = source === meminfo ? "" : ", big-endian";
  broken(`e_version 0${order}`, source, /e_version is 0/, (raw) => {
    raw.set32(ehdr.e_version, 0);
    return 20;
  });
  broken(`e_ehsize 52${order}`, source, /e_ehsize is 52/, (raw) => {
    raw.set16(ehdr.e_ehsize, 52);
    return 52;
  });
  for (const size of [0, 40, 63, 65, 0xffff]) {
    broken(`e_shentsize ${size}${order}`, source, /e_shentsize/, (raw) => {
      raw.set16(ehdr.e_shentsize, size);
      return 58;
    });
  }
  broken(`e_shoff 0${order}`, source, /e_shoff is 0/, (raw) => {
    raw.set64(ehdr.e_shoff, 0n);
    return 40;
  });
  for (const shoff of [
    1n,
    63n,
    BigInt(source.length - 63),
    BigInt(source.length),
    1n << 32n,
    1n << 63n,
    (1n << 64n) - 1n,
  ]) {
    broken(`e_shoff ${shoff}${order}`, source, new RegExp(`e_shoff is 0x${shoff.toString(16)}, `), (raw) => {
      raw.set64(ehdr.e_shoff, shoff);
      return 40;
    });
  }
  broken(`e_shnum one too many${order}`, source, /section headers at .* do not fit/, (raw) => {
    raw.set16(ehdr.e_shnum, Math.floor((source.length - raw.shoff) / 64) + 1);
    return 60;
  });
  broken(`e_shnum 0xff00${order}`, source, /a reserved section index/, (raw) => {
    raw.set16(ehdr.e_shnum, 0xff00);
    return 60;
  });
  for (const count of [3_000_000_000n, 1n << 48n, 1n << 58n, (1n << 64n) - 1n]) {
    broken(`e_shnum 0, ${count} sections in section 0${order}`, source, /section headers at .* do not fit/, (raw) => {
      raw.set16(ehdr.e_shnum, 0).set(0, "sh_size", count);
      return raw.shoff + 32;
    });
  }
  broken(`e_shnum 0, none in section 0${order}`, source, /no section headers/, (raw) => {
    raw.set16(ehdr.e_shnum, 0);
    return raw.shoff + 32;
  });
  broken(`e_shstrndx past the end${order}`, source, /section name table's index/, (raw) => {
    raw.set16(ehdr.e_shstrndx, raw.shnum);
    return 62;
  });
  broken(
    `e_shstrndx SHN_XINDEX, index past the end${order}`,
    source,
    /section name table's index 4294967295/,
    (raw) => {
      raw.set16(ehdr.e_shstrndx, 0xffff).set(0, "sh_link", 0xffff_ffff);
      return raw.shoff + 40;
    },
  );
  broken(`e_shstrndx names no string table${order}`, source, /not SHT_STRTAB/, (raw) => {
    const text = raw.ofType(1);
    raw.set16(ehdr.e_shstrndx, text);
    return raw.at(text, "sh_type");
  });
}
broken("no section headers at all", meminfo, /no section headers/, (raw) => {
  raw.set64(ehdr.e_shoff, 0n).set16(ehdr.e_shnum, 0);
  return 40;
});

// Section headers

broken("section 0 is not SHT_NULL", meminfo, /section 0 has type 1/, (raw) => {
  raw.set(0, "sh_type", 1);
  return raw.at(0, "sh_type");
});
for (const offset of [BigInt(meminfo.length + 1), 1n << 53n, (1n << 64n) - 1n]) {
  broken(`sh_offset ${offset}`, meminfo, /past the file's end/, (raw) =>
    raw.set(1, "sh_offset", offset).at(1, "sh_offset"),
  );
}
for (const size of [BigInt(meminfo.length), 1n << 32n, (1n << 64n) - 1n, (1n << 64n) - 64n]) {
  broken(`sh_size ${size}`, meminfo, /but the file ends at/, (raw) => {
    const text = raw.find(".symtab");
    raw.set(text, "sh_size", size);
    return raw.at(text, "sh_size");
  });
}
broken("SHT_NOBITS of 2^64 - 1 bytes", groups, /SHT_NOBITS/, (raw) => {
  const bss = raw.ofType(8);
  return raw.set(bss, "sh_size", (1n << 64n) - 1n).at(bss, "sh_size");
});
for (const align of [3n, 6n, 0x4000_0001n, 0x8000_0000n, 1n << 33n, (1n << 32n) + 1n, 1n << 63n, (1n << 64n) - 1n]) {
  broken(`sh_addralign ${align}`, meminfo, /no power of two/, (raw) =>
    raw.set(1, "sh_addralign", align).at(1, "sh_addralign"),
  );
}
broken("sh_link past the end", meminfo, /sh_link/, (raw) => raw.set(1, "sh_link", raw.shnum).at(1, "sh_link"));
broken("sh_name past the end", meminfo, /has its name at/, (raw) => {
  raw.set(1, "sh_name", raw.get(raw.shstrndx, "sh_size"));
  return raw.at(1, "sh_name");
});
broken("sh_name without a name table", meminfo, /has its name at/, (raw) => {
  raw.set16(ehdr.e_shstrndx, 0);
  return raw.at(1, "sh_name");
});
broken("section names not terminated", meminfo, /does not end with NUL/, (raw) => {
  const last = raw.within(raw.shstrndx, raw.get(raw.shstrndx, "sh_size") - 1);
  raw.bytes[last] = 0x78;
  return last;
});

// Overlaps: the offset is where the second of the two begins.

broken("two sections over the same bytes", meminfo, /overlap/, (raw) => {
  const text = raw.find(".text");
  const strings = raw.find(".strtab");
  raw.set(strings, "sh_offset", raw.get(text, "sh_offset")).set(text, "sh_size", 16);
  return raw.get(text, "sh_offset");
});
broken("a section over the ELF header", meminfo, /the ELF header and section/, (raw) => {
  raw.set(raw.find(".comment"), "sh_offset", 60);
  return 60;
});
broken(
  "a section over the section headers",
  meminfo,
  /the section header table and section|and the section header table/,
  (raw) => {
    raw.set(raw.find(".comment"), "sh_offset", raw.shoff + 8);
    return raw.shoff + 8;
  },
);
{
  // Were this not refused, the symbols would be read 5,000 times: 5 * 10^8 of them from a file of 3 MB.
  const tables = 5000;
  const many = new Raw(
    buildElf({
      sections: Array.from({ length: tables }, (_, i) => ({
        name: `t${i}`,
        type: SYMTAB,
        link: ".strtab",
        entsize: 24,
        align: 8,
      })),
      symbols: Array.from({ length: 100_000 }, () => ({ name: "" })),
    }),
  );
  const symtab = many.find(".symtab");
  for (let i = 1; i <= tables; i++) {
    many.set(i, "sh_offset", many.get(symtab, "sh_offset")).set(i, "sh_size", many.get(symtab, "sh_size"));
  }
  cases.push({
    name: "5,000 symbol tables over one",
    bytes: many.bytes,
    kind: "malformed",
    offset: many.within(symtab, 0),
    what: /overlap/,
  });
  const relocations = new Raw(many.bytes);
  for (let i = 1; i <= tables; i++) relocations.set(i, "sh_type", RELA).set(i, "sh_link", symtab);
  cases.push({
    name: "5,000 relocation tables over one symbol table",
    bytes: relocations.bytes,
    kind: "malformed",
    offset: many.within(symtab, 0),
    what: /overlap/,
  });
}

// Tables with rows

const rowTables: readonly (readonly [string, Uint8Array, number])[] = [
  ["symbol table", meminfo, SYMTAB],
  ["relocation section", meminfo, RELA],
  ["SHT_REL section", rel, REL],
  ["section group", groups, GROUP],
  ["extended section indices", extendedFile(), SHNDX],
];
for (const [name, source, type] of rowTables) {
  for (const entsize of [0n, 1n, 12n, 25n, 1n << 32n, (1n << 64n) - 1n]) {
    broken(`${name}: sh_entsize ${entsize}`, source, /sh_entsize/, (raw) => {
      const table = raw.ofType(type);
      return raw.set(table, "sh_entsize", entsize).at(table, "sh_entsize");
    });
  }
  broken(`${name}: no whole number of rows`, source, /no multiple of/, (raw) => {
    const table = raw.ofType(type);
    return raw.set(table, "sh_size", raw.get(table, "sh_size") - 1).at(table, "sh_size");
  });
  for (const [what, target] of [
    ["itself", (_: Raw, table: number) => table],
    ["section 0", () => 0],
    ["a section of another type", (raw: Raw) => raw.ofType(1)],
  ] as const) {
    broken(
      `${name}: sh_link to ${what}`,
      source,
      /SHT_STRTAB|names no string table|(?:no|not a) symbol table|but there are 1 symbols/,
      (raw) => {
        const table = raw.ofType(type);
        const link = target(raw, table);
        raw.set(table, "sh_link", link);
        // A symbol table blames what it takes for its string table; relocations without a symbol table may not name symbols.
        if (type === SYMTAB && link !== 0) return raw.at(link, "sh_type");
        if ((type === RELA || type === REL) && link === 0) return raw.within(table, 8);
        return raw.at(table, "sh_link");
      },
    );
  }
}

broken("sh_link in a circle: symbols -> extended indices -> symbols", extendedFile(), /not SHT_STRTAB/, (raw) => {
  raw.set(raw.ofType(SYMTAB), "sh_link", raw.ofType(SHNDX));
  return raw.at(raw.ofType(SHNDX), "sh_type");
});
broken("symbol table: sh_info above the count", meminfo, /sh_info/, (raw) => {
  const table = raw.ofType(SYMTAB);
  return raw.set(table, "sh_info", raw.get(table, "sh_size") / 24 + 1).at(table, "sh_info");
});
for (const source of [meminfo, bigendian]) {
  const order = source === meminfo ? "" : ", big-endian";
  broken(`st_name past the end${order}`, source, /symbol 3 has its name at/, (raw) => {
    const table = raw.ofType(SYMTAB);
    const at = raw.within(table, 3 * 24);
    raw.set32(at, raw.get(raw.get(table, "sh_link"), "sh_size"));
    return at;
  });
  broken(`st_name 0xffffffff${order}`, source, /symbol 2 has its name at/, (raw) => {
    const at = raw.within(raw.ofType(SYMTAB), 2 * 24);
    raw.set32(at, 0xffff_ffff);
    return at;
  });
  broken(`st_shndx past the end${order}`, source, /symbol 1 is defined in section/, (raw) => {
    const at = raw.within(raw.ofType(SYMTAB), 24 + 6);
    raw.set16(at, raw.shnum);
    return at;
  });
  broken(`st_shndx 0xfeff${order}`, source, /symbol 1 is defined in section 65279/, (raw) => {
    const at = raw.within(raw.ofType(SYMTAB), 24 + 6);
    raw.set16(at, 0xfeff);
    return at;
  });
  broken(`SHN_XINDEX without SHT_SYMTAB_SHNDX${order}`, source, /no extended section indices/, (raw) => {
    const at = raw.within(raw.ofType(SYMTAB), 24 + 6);
    raw.set16(at, 0xffff);
    return at;
  });
  broken(`a symbol that does not exist${order}`, source, /relocation 1 .* is against symbol/, (raw) => {
    const table = raw.ofType(RELA);
    const at = raw.within(table, 24 + 8);
    raw.set32(at + (raw.littleEndian ? 4 : 0), raw.get(raw.ofType(SYMTAB), "sh_size") / 24);
    return at;
  });
}
broken("symbol names not terminated", meminfo, /does not end with NUL/, (raw) => {
  const strings = raw.get(raw.ofType(SYMTAB), "sh_link");
  const last = raw.within(strings, raw.get(strings, "sh_size") - 1);
  raw.bytes[last] = 0x78;
  return last;
});
broken("extended section index past the end", extendedFile(), /symbol 1 is defined in section 4294967295/, (raw) => {
  raw.set16(raw.within(raw.ofType(SYMTAB), 24 + 6), 0xffff);
  const at = raw.within(raw.ofType(SHNDX), 4);
  raw.set32(at, 0xffff_ffff);
  return at;
});
broken("extended section indices for too few symbols", extendedFile(), /for 3 symbols/, (raw) => {
  const table = raw.ofType(SHNDX);
  return raw.set(table, "sh_size", 8).at(table, "sh_size");
});
broken(
  "two sets of extended section indices",
  extendedFile([{ name: ".second", type: SHNDX, link: ".symtab", align: 4, entsize: 4, data: new Uint8Array(12) }]),
  /two sets of extended section indices/,
  (raw) => raw.at(raw.find(".symtab_shndx"), "sh_name"),
);
broken("relocation section for a section past the end", meminfo, /but there are/, (raw) => {
  const table = raw.ofType(RELA);
  return raw.set(table, "sh_info", raw.shnum).at(table, "sh_info");
});
broken("relocation section for itself", meminfo, /for itself/, (raw) => {
  const table = raw.ofType(RELA);
  return raw.set(table, "sh_info", table).at(table, "sh_info");
});
broken("relocation against symbol 2^32 - 1", livepatch, /symbol 4294967295/, (raw) => {
  const at = raw.within(raw.find(".klp.rela.vmlinux..data"), 8);
  raw.set32(at + 4, 0xffff_ffff);
  return at;
});
for (const [name, member] of [
  ["section 0", () => 0],
  ["a section past the end", (raw: Raw) => raw.shnum],
  ["section 2^32 - 1", () => 0xffff_ffff],
  ["itself", (raw: Raw) => raw.ofType(GROUP)],
] as const) {
  broken(`group with ${name} as a member`, groups, /as a member/, (raw) => {
    const at = raw.within(raw.ofType(GROUP), 8);
    raw.set32(at, member(raw));
    return at;
  });
}
broken("group without a flag word", groups, /no flag word/, (raw) => {
  const group = raw.ofType(GROUP);
  return raw.set(group, "sh_size", 0).at(group, "sh_size");
});
broken("group signed by a symbol that does not exist", groups, /is signed by symbol/, (raw) => {
  const group = raw.ofType(GROUP);
  return raw.set(group, "sh_info", 1000).at(group, "sh_info");
});

{
  // One long name, and thousands that begin inside it: 20 MB of names a symbol table from a file of 0.4 MB.
  const long = "x".repeat(4000);
  const source = buildElf({
    sections: [],
    symbols: [{ name: long }, ...Array.from({ length: 6000 }, () => ({ name: "" }))],
  });
  broken(
    "names of symbols that add up to far more than the file",
    source,
    /names up to symbol \d+ add up to/,
    (raw) => {
      const table = raw.find(".symtab");
      const start = raw.u32(raw.within(table, 24));
      const limit = 16 * source.length + 0x10_0000;
      let sum = 0;
      let failing = 0;
      for (let s = 1; s <= 6001; s++) {
        raw.set32(raw.within(table, s * 24), start + (s % 100));
        sum += 4000 - (s % 100);
        if (sum > limit && failing === 0) failing = s;
      }
      return raw.within(table, failing * 24);
    },
  );
  const sections = buildElf({
    sections: [{ name: long.repeat(3), type: 1 }, ...Array.from({ length: 3000 }, () => ({ name: "", type: 1 }))],
  });
  broken(
    "names of sections that add up to far more than the file",
    sections,
    /names up to section \d+ add up to/,
    (raw) => {
      const start = raw.get(1, "sh_name");
      const limit = 16 * sections.length + 0x10_0000;
      let sum = 0;
      let failing = 0;
      for (let i = 1; i <= 3001; i++) {
        raw.set(i, "sh_name", start);
        sum += 12_000;
        if (sum > limit && failing === 0) failing = i;
      }
      return raw.at(failing, "sh_name");
    },
  );
}

// Truncation: wherever the file is cut, the error names the first thing that does not fit.

const truncations = [meminfo, groups, bigendian, load("test/fixtures/elf/clang.o")];

describe("reader", () => {
  test.each(cases)("$name", ({ bytes, kind, offset, what }) => {
    let thrown: unknown = null;
    try {
      readElf(bytes);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ElfError);
    const error = thrown as ElfError;
    expect({ kind: error.kind, offset: error.offset }).toEqual({ kind, offset });
    expect(error.what).toMatch(what);
    expect(error.message).toContain(`0x${offset.toString(16)}`);
  });

  test("each case differs from a good file", () => {
    for (const good of [meminfo, groups, livepatch, bigendian, rel, extendedFile()]) readElf(good);
    expect(new Set(cases.map((c) => c.name)).size).toBe(cases.length);
  });

  test("cut at every byte of the ELF header", () => {
    for (let length = 0; length < 64; length++) {
      const cut = (): unknown => readElf(meminfo.subarray(0, length));
      expect(cut, String(length)).toThrow(ElfError);
      if (length >= 4) expect(cut).toThrow(expect.objectContaining({ kind: "malformed", offset: length }));
    }
  });

  test("cut at every byte: an error, and the offset lies in the file as it was", () => {
    for (const source of truncations) {
      for (let length = 64; length < source.length; length++) {
        try {
          readElf(source.subarray(0, length));
        } catch (error) {
          expect(error).toBeInstanceOf(ElfError);
          expect((error as ElfError).kind).toBe("malformed");
          expect((error as ElfError).offset).toBeLessThan(source.length);
          continue;
        }
        throw new Error(`a file of ${source.length} bytes, cut to ${length}, was read`);
      }
    }
  });

  test("cut before the section headers: the error is at e_shoff; among them: at e_shnum", () => {
    const shoff = new Raw(meminfo).shoff;
    for (const length of [64, 65, shoff - 1, shoff, shoff + 63]) {
      expect(() => readElf(meminfo.subarray(0, length))).toThrow(expect.objectContaining({ offset: 40 }));
    }
    for (const length of [shoff + 64, shoff + 65, meminfo.length - 1]) {
      expect(() => readElf(meminfo.subarray(0, length))).toThrow(expect.objectContaining({ offset: 60 }));
    }
  });

  test("cut sections, section headers first: the error is at the sh_size or sh_offset that leads past the end", () => {
    const source = buildElf({
      headersFirst: true,
      sections: [
        { name: ".a", type: 1, data: new Uint8Array(10).fill(1) },
        { name: ".b", type: 1, data: new Uint8Array(10).fill(2) },
      ],
      symbols: [{ name: "x", home: ".b" }],
    });
    const raw = new Raw(source);
    const spans = Array.from({ length: raw.shnum - 1 }, (_, k) => ({
      section: k + 1,
      start: raw.get(k + 1, "sh_offset"),
      end: raw.get(k + 1, "sh_offset") + raw.get(k + 1, "sh_size"),
    }));
    for (let length = raw.shoff + raw.shnum * 64; length < source.length; length++) {
      const first = spans.find((s) => s.end > length);
      if (first === undefined) throw new Error("nothing cut");
      const field = first.start > length ? "sh_offset" : "sh_size";
      expect(() => readElf(source.subarray(0, length))).toThrow(
        expect.objectContaining({ offset: raw.at(first.section, field) }),
      );
    }
  });

  test("a slice of a larger buffer is read like a file of its own", () => {
    const padded = new Uint8Array(meminfo.length + 13);
    padded.set(meminfo, 13);
    expect(readElf(padded.subarray(13)).header).toEqual(readElf(meminfo).header);
  });

  test("65,413 sections: counts and indices that do not fit in 16 bits, broken", () => {
    const many = gunzipSync(load("test/fixtures/elf/many.o.gz"));
    const raw = new Raw(many);
    const symtab = raw.ofType(SYMTAB);
    const extended = raw.ofType(SHNDX);
    const fails = (change: (r: Raw) => number): void => {
      const copy = new Raw(many);
      const offset = change(copy);
      expect(() => readElf(copy.bytes)).toThrow(expect.objectContaining({ name: "ElfError", offset }));
    };
    fails((r) => {
      r.set(0, "sh_size", r.shnum + 1);
      return r.shoff + 32;
    });
    fails((r) => {
      r.set(0, "sh_link", r.shnum);
      return r.shoff + 40;
    });
    fails((r) => r.set(extended, "sh_size", r.get(extended, "sh_size") - 4).at(extended, "sh_size"));
    for (let s = 1; s < raw.get(symtab, "sh_size") / 24; s++) {
      if (raw.u16(raw.within(symtab, s * 24 + 6)) !== 0xffff) continue;
      fails((r) => {
        const at = r.within(extended, s * 4);
        r.set32(at, r.shnum);
        return at;
      });
    }
  });
});

describe("command line", () => {
  const folder = mkdtempSync(join(tmpdir(), "klplink-malformed-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const inputs = join(folder, "in");
  mkdirSync(inputs);
  // Packed files are unpacked before they are read: a test of their own.
  const [packed, loose] = [true, false].map((isPacked) =>
    cases.filter((c) => (packingOf(c.bytes) !== null) === isPacked),
  );
  const files = (loose ?? []).map((c, i) => ({ ...c, path: join(inputs, `${String(i).padStart(3, "0")}.o`) }));
  for (const { path, bytes } of files) writeFileSync(path, bytes);

  const codeOf = (kind: ElfError["kind"]): string => (kind === "malformed" ? "KLP102" : "KLP101");

  test("check: exit status 3 and one diagnostic for each file", async () => {
    const { status, stdout } = await klplink(["check", "--format", "json", inputs]);
    expect(status).toBe(3);
    const report = JSON.parse(stdout) as {
      files: { file: string; problems: { code: string; fileOffset: number }[] }[];
    };
    expect(
      report.files.map((f) => ({ file: f.file, problems: f.problems.map((p) => [p.code, p.fileOffset]) })),
    ).toEqual(files.map(({ path, kind, offset }) => ({ file: path, problems: [[codeOf(kind), offset]] })));
  });

  test("a damaged packed file: exit status 3, one diagnostic, nothing written", async () => {
    const damaged = (packed ?? []).filter((c) => packingOf(c.bytes) !== "gzip");
    expect(damaged.map((c) => packingOf(c.bytes))).toEqual(["xz", "zstd"]);
    const path = join(folder, "damaged.ko");
    for (const { bytes } of [...damaged, { bytes: gzipSync(meminfo).subarray(0, 200) }]) {
      writeFileSync(path, bytes);
      for (const args of [[path], ["check", path]]) {
        const { status, stderr } = await klplink(args);
        expect(status).toBe(3);
        expect(stderr.match(/^error\[\w+\]/gm)).toEqual(["error[KLP104]"]);
        expect(stderr).toContain(`the ${packingOf(bytes)} data are damaged or cut off`);
      }
    }
    expect(readdirSync(folder).sort()).toEqual(["damaged.ko", "in"]);
  });

  test("link: exit status 3, one diagnostic, nothing written", async () => {
    // A process takes its time: one for every fourth message, and all of them without one below.
    const each = [...new Map(files.map((f) => [String(f.what), f])).values()];
    const some = each.filter((_, i) => i % 4 === 0);
    expect(some.length).toBeGreaterThan(10);
    for (let at = 0; at < some.length; at += 4) {
      await Promise.all(
        some.slice(at, at + 4).map(async ({ path, kind, name, what }) => {
          const { status, stdout, stderr } = await klplink([path]);
          expect({ name, status, stdout }).toEqual({ name, status: 3, stdout: "" });
          expect(stderr.match(/^(?:error|warning)\[/gm), stderr).toEqual(["error["]);
          expect(stderr).toContain(`error[${codeOf(kind)}]`);
          expect(stderr.replace(/\n\s*/g, " ")).toMatch(what);
        }),
      );
    }
    const { context } = captured();
    const options = {
      format: "text",
      color: "never",
      tocRestore: "island",
      siblings: "auto",
      root: "/",
      force: true,
    } as const;
    for (const { path, kind, offset } of files) {
      const expected = {
        problem: expect.objectContaining({
          code: codeOf(kind),
          at: expect.objectContaining({ file: path, fileOffset: offset }),
        }),
      };
      await expect(runLink(path, options, context)).rejects.toThrow(expect.objectContaining(expected));
      await expect(runLink(path, { ...options, inPlace: true }, context)).rejects.toThrow(
        expect.objectContaining(expected),
      );
    }
    expect(readdirSync(inputs)).toHaveLength(files.length);
    for (const { path, bytes } of files) expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  test("show: exit status 3, one diagnostic", async () => {
    for (const { path, kind } of [files[0], files.find((f) => f.kind === "malformed")].filter((f) => f !== undefined)) {
      const { status, stdout, stderr } = await klplink(["show", path]);
      expect({ status, stdout }).toEqual({ status: 3, stdout: "" });
      expect(stderr.match(/^error\[\w+\]/gm)).toEqual([`error[${codeOf(kind)}]`]);
    }
  });
});
