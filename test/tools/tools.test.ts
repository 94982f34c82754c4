import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { ElfEdits } from "../../src/elf/writer/edits.ts";
import { writeElf } from "../../src/elf/writer.ts";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import { link } from "../../src/passes/link.ts";
import { Raw } from "../elf/raw.ts";

// What klplink writes is accepted by GNU readelf, llvm-readelf and objdump, without a warning. A tool that is not there
// is a failure that names its Debian package.

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "klplink-tools-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Tool {
  /** The first that is installed is taken. */
  readonly commands: readonly string[];
  readonly args: readonly string[];
  readonly debian: string;
}

const readelf: Tool = { commands: ["readelf"], args: ["-aW"], debian: "binutils" };
const llvmReadelf: Tool = { commands: ["llvm-readelf", "llvm-readelf-14"], args: ["-a"], debian: "llvm" };
const objdump = (commands: readonly string[], debian: string): Tool => ({ commands, args: ["-dr"], debian });
const PPC64 = objdump(["powerpc64le-linux-gnu-objdump"], "binutils-powerpc64le-linux-gnu");
const objdumps: ReadonlyMap<number, Tool> = new Map([
  [21, PPC64],
  [62, objdump(["x86_64-linux-gnu-objdump"], "binutils-x86-64-linux-gnu")],
  [183, objdump(["aarch64-linux-gnu-objdump"], "binutils-aarch64-linux-gnu")],
  // GNU binutils for BPF are a package of their own; LLVM is needed anyway.
  [247, objdump(["llvm-objdump", "llvm-objdump-14"], "llvm")],
]);

const found = new Map<Tool, string>();
function commandOf(tool: Tool): string {
  const known = found.get(tool);
  if (known !== undefined) return known;
  for (const command of tool.commands) {
    if (spawnSync(command, ["--version"]).error !== undefined) continue;
    found.set(tool, command);
    return command;
  }
  throw new Error(`${tool.commands.join(" or ")} not found: apt-get install ${tool.debian}`);
}

/** What a tool complains about; empty when it accepts the file. */
function complaints(tool: Tool, path: string): string[] {
  const { status, stdout, stderr } = spawnSync(commandOf(tool), [...tool.args, path], {
    encoding: "latin1",
    maxBuffer: 1 << 30,
    env: { ...process.env, LC_ALL: "C" },
  });
  const said = `${stderr}\n${stdout
    .split("\n")
    .filter((line) => /\bwarning: |\berror: /i.test(line))
    .join("\n")}`;
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  return status === 0 ? lines : [`exit status ${String(status)}`, ...lines];
}

let next = 0;
function allComplaints(bytes: Uint8Array): string[] {
  const path = join(folder, `${next++}.o`);
  writeFileSync(path, bytes);
  const dump = objdumps.get(readElf(bytes).header.machine);
  if (dump === undefined) throw new Error("no objdump for this machine");
  const all = [readelf, llvmReadelf, dump].flatMap((tool) =>
    complaints(tool, path).map((l) => `${tool.commands[0]}: ${l.replaceAll(path, "FILE")}`),
  );
  rmSync(path);
  return all;
}

// Inputs: the samples, and every fixture.

const folders = ["test/fixtures/elf/"];
for (const arch of ["ppc64le", "arm64", "x86_64"]) {
  for (const name of readdirSync(`${root}samples/${arch}`)) folders.push(`samples/${arch}/${name}/`);
}
const inputs = folders
  .flatMap((at) => readdirSync(root + at).map((entry) => at + entry))
  .filter((path) => /\.o(\.gz)?$/.test(path) && !path.endsWith(".klp.o"))
  .map((path) => {
    const bytes = readFileSync(root + path);
    return { path, bytes: new Uint8Array(path.endsWith(".gz") ? gunzipSync(bytes) : bytes) };
  });

/** rel.o has a relocation section without a symbol table on purpose; GNU readelf says so of the input, too. */
const expected = (path: string): string[] =>
  path.endsWith("/rel.o")
    ? [expect.stringMatching(/Warning: \[ *\d+\]: Link field \(0\) should index a symtab section/) as string]
    : [];

/** Representative edits. Null: the file has nothing of the kind. */
const edits: readonly (readonly [string, (e: ElfEdits) => boolean])[] = [
  [
    "a local symbol more",
    (e) => {
      e.addSymbol({
        name: "added_local",
        info: 0x02,
        other: 0,
        home: { kind: "section", section: firstWithBytes(e) },
        value: 0n,
        size: 1,
      });
      return true;
    },
  ],
  [
    "a global symbol more",
    (e) => {
      e.addSymbol({
        name: "added_global",
        info: 0x12,
        other: 0,
        home: { kind: "section", section: firstWithBytes(e) },
        value: 0n,
        size: 1,
      });
      return true;
    },
  ],
  [
    "a section more, with relocations",
    (e) => {
      const data = e.addSection({
        name: ".added",
        type: 1,
        flags: 3n,
        link: 0,
        info: 0,
        addralign: 8,
        entsize: 0,
        data: new Uint8Array(16),
      });
      const rela = e.addSection({
        name: ".rela.added",
        type: 4,
        flags: 0x40n,
        link: e.symbolTable().section,
        info: data,
        addralign: 8,
        entsize: 24,
        data: new Uint8Array(0),
      });
      const symbol = e.addSymbol({
        name: "added_data",
        info: 0x11,
        other: 0,
        home: { kind: "section", section: data },
        value: 0n,
        size: 16,
      });
      const absolute =
        new Map([
          [21, 38],
          [62, 1],
          [183, 257],
          [247, 2],
        ]).get(e.file.header.machine) ?? 1;
      e.addRelocation(rela, { offset: 8, symbol, type: absolute, addend: 0n });
      return true;
    },
  ],
  [
    "a section that grows",
    (e) => {
      e.append(firstWithBytes(e), new Uint8Array(100), 4);
      return true;
    },
  ],
  [
    "a section less",
    (e) => {
      const { sections, relocations, symbols } = e.file;
      const used = new Set<number>();
      for (let i = 1; i < sections.count; i++) used.add(sections.link(i));
      for (const table of relocations) used.add(table.target);
      for (let s = 0; s < (symbols?.count ?? 0); s++) used.add(symbols?.sectionOf(s) ?? 0);
      for (let i = 1; i < sections.count; i++) {
        if (sections.type(i) !== 1 || used.has(i)) continue;
        e.removeSection(i);
        return true;
      }
      return false;
    },
  ],
  [
    "livepatch symbols, and their relocations in a section of their own",
    (e) => {
      const { sections, relocations } = e.file;
      const symbols = e.symbolTable();
      const table = relocations.find(
        (t) => t.hasAddends && sections.link(t.section) === symbols.section && sections.hasFlags(t.target, 2),
      );
      if (table === undefined) return false;
      let moved = 0;
      for (let row = 0; row < table.count; row++) {
        const symbol = table.symbol(row);
        const relocation = e.relocation(table, row);
        if (relocation === null || symbol === 0 || symbols.rawShndx(symbol) !== 0) continue;
        if (moved === 0) {
          const name = `.klp.rela.vmlinux.${sections.name(table.target)}`;
          e.addSection({
            name,
            type: 4,
            flags: 0x10_0042n,
            link: symbols.section,
            info: table.target,
            addralign: 8,
            entsize: 24,
            data: new Uint8Array(0),
          });
        }
        e.setSymbol(symbol, {
          name: `.klp.sym.vmlinux.${symbols.name(symbol)},0`,
          home: { kind: "reserved", index: 0xff20 },
        });
        e.removeRelocation(table, row);
        e.addRelocation(sections.count, relocation);
        moved++;
      }
      return moved > 0;
    },
  ],
];

function firstWithBytes(e: ElfEdits): number {
  const { sections } = e.file;
  for (const flags of [2, 0]) {
    for (let i = 1; i < sections.count; i++) if (sections.type(i) === 1 && sections.hasFlags(i, flags)) return i;
  }
  throw new Error("no section with bytes");
}

beforeAll(() => {
  for (const tool of [readelf, llvmReadelf, ...objdumps.values()]) commandOf(tool);
});

describe.each(inputs)("$path", ({ path, bytes }) => {
  test("the input itself", () => {
    expect(allComplaints(bytes)).toEqual(expected(path));
  });

  const file = readElf(bytes);
  const hasSymbols = file.symbols !== null;
  if (!hasSymbols) test("has no symbol table on purpose", () => expect(path).toMatch(/\/(?:stripped|empty)\.o$/));
  for (const [name, change] of hasSymbols ? edits : edits.filter(([edit]) => edit === "a section that grows")) {
    test(name, ({ annotate }) => {
      const e = new ElfEdits(file);
      if (!change(e)) return annotate("nothing of the kind in this file");
      const output = writeElf(e);
      expect(Buffer.from(output).equals(bytes)).toBe(false);
      expect(allComplaints(output)).toEqual(expected(path));
      return undefined;
    });
  }
});

test("each edit was possible in many inputs", () => {
  for (const [name, change] of edits) {
    const possible = inputs.filter(({ bytes }) => {
      const e = new ElfEdits(readElf(bytes));
      return e.file.symbols !== null && change(e);
    });
    expect(possible.length, name).toBeGreaterThanOrEqual(4);
  }
});

describe("linked samples", () => {
  const samples = inputs.filter(({ path }) => path.startsWith("samples/"));
  test.each(samples)("$path", ({ path, bytes }) => {
    const map = path.replace(/[^/]*$/, "System.map");
    const result = link(bytes, { file: path, symbols: parseSymbols(readFileSync(root + map), map) });
    if (result.output === null) throw new Error(`not linked: ${result.problems.map((p) => p.code).join(" ")}`);
    expect(result.changed).toBe(!path.includes("/clean/"));
    expect(allComplaints(result.output)).toEqual([]);
  });
});

describe("the check can fail: broken files get a complaint", () => {
  const sample = inputs.find(({ path }) => path.endsWith("/meminfo.o"));
  if (sample === undefined) throw new Error("no sample");
  const path = join(folder, "broken.o");
  test.each<readonly [string, (raw: Raw) => unknown, readonly Tool[]]>([
    ["sh_info of the symbol table", (raw) => raw.set(raw.find(".symtab"), "sh_info", 1), [readelf]],
    ["sh_link of the symbol table", (raw) => raw.set(raw.find(".symtab"), "sh_link", 1), [llvmReadelf]],
    ["a relocation's symbol", (raw) => raw.set32(raw.within(raw.ofType(4), 12), 0x7fff), [readelf, llvmReadelf]],
    ["a symbol's name", (raw) => raw.set32(raw.within(raw.find(".symtab"), 24 * 5), 0xffff), [llvmReadelf]],
    ["sh_size past the end", (raw) => raw.set(raw.find(".symtab"), "sh_size", 1 << 20), [readelf, llvmReadelf, PPC64]],
  ])("%s", (_, spoil, tools) => {
    const raw = new Raw(sample.bytes);
    spoil(raw);
    writeFileSync(path, raw.bytes);
    for (const tool of tools) expect(complaints(tool, path), tool.commands[0]).not.toEqual([]);
  });

  test("a missing tool is a failure that names its package", () => {
    const tool: Tool = { commands: ["no-such-objdump"], args: [], debian: "binutils-none" };
    expect(() => complaints(tool, path)).toThrow("no-such-objdump not found: apt-get install binutils-none");
  });
});
