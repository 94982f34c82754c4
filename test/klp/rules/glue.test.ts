import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { titleOf } from "../../../src/diag/catalogue.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { readVmlinux } from "../../../src/kernel/image/vmlinux.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
import { check } from "../../../src/passes/check.ts";
import { link } from "../../../src/passes/link.ts";
import { collect } from "../collect.ts";
import { Part } from "../part.ts";
import { fixture } from "../readBack.ts";

// A finished module (test/fixtures/klp/patch.s) with tables of klp-build's and kpatch's form added to it.

const kernelFile = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../fixtures/kernel/${name}`, import.meta.url)));
const kernel = new Kernel({
  vmlinux: readVmlinux(kernelFile("vmlinux-x86_64"), "vmlinux"),
  modules: [new ModuleFile(readElf(kernelFile("demo-mod.ko")), "demo-mod.ko")],
});
const good = link(fixture("patch-x86_64"), { file: "x.ko", kernel }).output ?? new Uint8Array(0);
/** The module with a change; what check says of it. */
const told = (change: (p: Part) => void, path = "x.ko"): string[] => {
  const part = new Part(good);
  change(part);
  const bytes = writeElf(part.edits);
  const { problems } = check(bytes, { file: path, kernel });
  collect(bytes, problems);
  return problems.map((p) => `${p.code} ${titleOf(p)}`);
};
const table = (name: string, size: number) => (p: Part) =>
  p.edits.addSection({
    ...{ name, type: 1, flags: 3n, link: 0, info: 0, addralign: 8, entsize: 0 },
    data: new Uint8Array(size),
  });
const unused = (p: Part) => p.edits.setSymbol(p.symbol("klp_enable_patch"), { name: "exported_one" });

test.each([
  [".init.klp_objects", 64, []],
  // An entry of zeros names no function.
  [".kpatch.funcs", 56, ["KLP440 klp_enable_patch refuses the patch: an entry has no old_name"]],
] as const)("%s, and no code of the module that reads it", (section, size, others) => {
  const words = `KLP458 nothing in the module enables the patch that ${section} describes`;
  const found = told((p) => {
    table(section, size)(p);
    unused(p);
  });
  expect(found).toEqual([...others, words]);
  expect(told(table(section, size))).not.toContain(words);
});

test("an object that is to be linked with that code is asked for nothing", () => {
  const bytes = readFileSync(new URL("../../fixtures/klplink/diff-x86_64.o", import.meta.url));
  const { output } = link(bytes, { file: "diff.o" });
  expect(check(output ?? bytes, { file: "diff.o" }).problems).toEqual([]);
});

test("KPATCH_FORCE_UNSAFE: named, with the functions; the empty section that kpatch's linker script leaves is not", () => {
  expect(told(table(".kpatch.force", 8))).toEqual([]);
  const found = told((p) => {
    const target = table(".kpatch.force", 16)(p);
    const section = p.edits.addSection({
      ...{ name: ".rela.kpatch.force", type: 4, flags: 0x40n, addralign: 8, entsize: 24, data: new Uint8Array(0) },
      ...{ link: p.edits.symbolTable().section, info: target },
    });
    p.edits.addRelocation(section, { offset: 0, type: 1, addend: 0n, symbol: p.symbol("live_show_one") });
  });
  expect(found).toEqual([
    "KLP457 KPATCH_FORCE_UNSAFE of live_show_one has no effect: livepatch checks the stack for every function",
  ]);
});

test.each([
  [0, []],
  [1, ["KLP440 klp_enable_patch refuses the patch: object demo_mod has no functions"]],
])("an object of .init.klp_objects without a pointer to functions, which counts %i", (count, expected) => {
  const found = told((p) => {
    const data = new Uint8Array(64);
    data[56] = count;
    const entry = { type: 1, flags: 3n, link: 0, info: 0, addralign: 8, entsize: 0 };
    const name = p.edits.addSection({ ...entry, name: ".rodata.name", data: new TextEncoder().encode("demo_mod\0") });
    const target = p.edits.addSection({ ...entry, name: ".init.klp_objects", data });
    const section = p.edits.addSection({
      ...{ name: ".rela.init.klp_objects", type: 4, flags: 0x40n, addralign: 8, entsize: 24, data: new Uint8Array(0) },
      ...{ link: p.edits.symbolTable().section, info: target },
    });
    const symbol = p.edits.addSymbol({
      name: "demo_name",
      info: 0x10,
      other: 0,
      home: { kind: "section", section: name },
      value: 0n,
      size: 0,
    });
    p.edits.addRelocation(section, { offset: 0, type: 1, addend: 0n, symbol });
  });
  expect(found).toEqual(expected);
});
