// Symbol tables as readelf lists them tell what the files tell themselves.

import { expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import { listedVmlinux } from "../../../src/kernel/image/listedVmlinux.ts";
import { readVmlinux } from "../../../src/kernel/image/vmlinux.ts";
import { listedModule } from "../../../src/kernel/module/listedModule.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
import { parseReadelf } from "../../../src/kernel/symbols/readelfText.ts";
import { load } from "../../helpers.ts";

const folder = "test/fixtures/diff/namesakes";
const text = (lines: string): Uint8Array => new TextEncoder().encode(lines);

test.each(["x86_64", "arm64", "ppc64le"])("vmlinux, %s", (arch) => {
  const file = readVmlinux(load(`${folder}/vmlinux.${arch}`), "vmlinux");
  const listed = listedVmlinux(parseReadelf(load(`${folder}/vmlinux.${arch}.readelf`)), "symtab", file.machine);
  const names = [...file.list.names()].sort();
  expect([...listed.list.names()].sort()).toEqual(names);
  const isText = (letter: string): boolean => /t/i.test(letter);
  for (const name of names) {
    const [own, other] = [listed.list.find(name), file.list.find(name)];
    expect(own.map((s) => s.address)).toEqual(other.map((s) => s.address));
    expect(own.map((s) => isText(s.letter))).toEqual(other.map((s) => isText(s.letter)));
    expect(own.map((s) => s.letter === s.letter.toUpperCase())).toEqual(
      other.map((s) => s.letter === s.letter.toUpperCase()),
    );
  }
  expect(listed.sourceFiles()?.names).toEqual(file.sourceFiles()?.names);
  for (const [key, number] of listed.sourceFiles()?.of ?? []) expect(file.sourceFiles()?.of.get(key)).toBe(number);
});

test.each(["x86_64", "arm64", "ppc64le"])("a module, %s", (arch) => {
  const file = readElf(load(`${folder}/mod.${arch}.o`));
  const own = new ModuleFile(file, "mod.ko", "mod");
  const symbols = parseReadelf(load(`${folder}/mod.${arch}.readelf`));
  const listed = listedModule(symbols, "mod", "symtab", file.header.machine);
  expect(listed.name).toBe("mod");
  for (const name of own.names()) {
    // Mapping symbols and TOC pointers have no place that counts.
    if (name.startsWith("$") || file.symbols === null) continue;
    const places = (m: ModuleFile) => m.find(name).map((s) => [s.offset, s.isGlobal, s.file]);
    expect([name, places(listed)]).toEqual([name, places(own)]);
  }
});

test("names with blanks, the tables of others, what is none", () => {
  const listing = `
Symbol table '.dynsym' contains 1 entry:
     0: 0000000000000001     0 FUNC    GLOBAL DEFAULT    1 other
Symbol table '.symtab' contains 2 entries:
   Num:    Value          Size Type    Bind   Vis      Ndx Name
     1: 00000000000000a0 0x20000 OBJECT  LOCAL  DEFAULT    4 a big one
     2: 00000000000000c0     8 FUNC    GLOBAL DEFAULT [<localentry>: 8]     1 entry
     3: 00000000000000c8     0 NOTYPE  LOCAL  DEFAULT  UND 
`;
  expect(parseReadelf(text(listing)).map((s) => [s.name, s.section, Number(s.size)])).toEqual([
    ["a big one", "4", 0x20000],
    ["entry", "1", 8],
    ["", "UND", 0],
  ]);
  expect(() => parseReadelf(text("ffffffff81000000 T _text\n"))).toThrow("readelf --symbols --wide");
  expect(() => parseReadelf(text("   1: zz 0 FUNC LOCAL DEFAULT 1 f\n"))).toThrow("line 1");
});
