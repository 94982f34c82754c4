import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { titleOf } from "../../../src/diag/catalogue.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { readVmlinux } from "../../../src/kernel/image/vmlinux.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
import { readPatches } from "../../../src/klp/patch/tables.ts";
import { check } from "../../../src/passes/check.ts";
import { link } from "../../../src/passes/link.ts";
import { collect, keep } from "../collect.ts";
import { changeHeader } from "../header.ts";
import { Part } from "../part.ts";
import { fixture } from "../readBack.ts";

// struct klp_patch, klp_object and klp_func: pointers, ends of arrays and memory, as klp_enable_patch and the iterators of
// include/linux/livepatch.h (6.1 and 7.2) need them. One thing broken at a time in test/fixtures/klp/patch.s.

const kernelFolder = fileURLToPath(new URL("../../fixtures/kernel/", import.meta.url));
const kernelFile = (name: string): Uint8Array => new Uint8Array(readFileSync(kernelFolder + name));
const kernelOfArch = (arch: Arch): Kernel => {
  const name = arch === "x86_64" ? "demo-mod.ko" : `demo-mod-${arch}.ko`;
  const demo = new ModuleFile(readElf(kernelFile(name)), "demo-mod.ko");
  return new Kernel({ vmlinux: readVmlinux(kernelFile(`vmlinux-${arch}`), "vmlinux"), modules: [demo] });
};
const archs = ["x86_64", "ppc64le", "arm64"] as const;
type Arch = (typeof archs)[number];
const modules = new Map<Arch, Uint8Array>();
for (const arch of archs) {
  const result = link(fixture(`patch-${arch}`), { file: `${arch}.ko`, kernel: kernelOfArch(arch) });
  if (result.output === null) throw new Error(result.problems.map(titleOf).join("\n"));
  modules.set(arch, result.output);
}
const kernels = new Map([
  [62, kernelOfArch("x86_64")],
  [21, kernelOfArch("ppc64le")],
  [183, kernelOfArch("arm64")],
]);
/** The kernel of a file's e_machine. */
const kernelFor = (bytes: Uint8Array): Kernel =>
  kernels.get(Buffer.from(bytes).readUInt16LE(18)) ?? kernelOfArch("x86_64");
const good = (arch: Arch): Uint8Array => modules.get(arch) ?? new Uint8Array(0);
const told = (bytes: Uint8Array): string[] => {
  const { problems } = check(bytes, { file: "x.ko", kernel: kernelFor(bytes) });
  collect(bytes, problems);
  return problems.map((p) => `${p.code} ${titleOf(p)}`);
};
/** Without the pointer at an offset of struct klp_patch. */
const without = (arch: Arch, offset: number): Uint8Array => {
  const part = new Part(good(arch));
  const table = part.table(".rela.data.patch");
  part.edits.removeRelocation(table, part.row(table, part.at("patch") + offset));
  return writeElf(part.edits);
};
/** With the name of the section of init code in place of its own. */
const inInit = (bytes: Uint8Array, name: string): Uint8Array => {
  let init = 0;
  changeHeader(bytes, ".init.text", (view) => {
    init = view.getUint32(0, true);
  });
  return changeHeader(bytes, name, (view) => view.setUint32(0, init, true));
};

describe.each(archs)("%s", (arch) => {
  test("struct klp_patch without its module, or without its objects", () => {
    const words = "KLP440 klp_enable_patch refuses the patch:";
    expect(told(without(arch, 0))).toEqual([`${words} mod is not set in struct klp_patch`]);
    // What nothing leads to is not looked at.
    expect(told(without(arch, 8))).toEqual([`${words} objs is not set in struct klp_patch`]);
  });

  test("two objects for vmlinux", () => {
    // The second object's name, at the front of struct klp_object: without it, it is vmlinux, too.
    const part = new Part(good(arch));
    const table = part.table(".rela.data.patch");
    part.edits.removeRelocation(table, part.row(table, part.at("objs") + 168));
    if (arch === "x86_64") keep("KLP453", writeElf(part.edits));
    expect(told(writeElf(part.edits))).toContain("KLP453 the patch has two objects for vmlinux");
  });

  test("relocations of an object that the patch does not have", () => {
    const part = new Part(good(arch));
    const strings = part.section(".rodata.str1.1");
    part.edits.patch(
      strings,
      Buffer.from(part.file.sections.data(strings)).indexOf("demo_mod\0"),
      Buffer.from("demo_mud"),
    );
    const bytes = writeElf(part.edits);
    expect(told(bytes)).toContain(
      "KLP455 .klp.rela.demo_mod..data.refs waits for demo_mod, which this patch does not patch",
    );
    // Those of vmlinux are applied at load since 5.8; this patch has vmlinux in any case.
    expect(told(bytes).filter((t) => t.startsWith("KLP455"))).toHaveLength(
      readElf(bytes).relocations.filter((t) => part.file.sections.name(t.section).startsWith(".klp.rela.demo_mod."))
        .length,
    );
  });

  test("an array of functions that ends with its section", () => {
    const { problems } = check(fixture(`open-${arch}`), { file: "x.o" });
    expect(problems.map((p) => `${p.code} ${titleOf(p)}`)).toEqual([
      "KLP447 the array of functions of vmlinux has no empty entry at its end",
    ]);
  });

  test("structures in read-only memory", () => {
    // sh_flags: SHF_ALLOC alone
    const bytes = changeHeader(good(arch), ".data.patch", (view) => view.setUint8(8, 2));
    if (arch === "x86_64") keep("KLP448", bytes);
    expect(told(bytes)).toEqual(
      [
        "struct klp_patch",
        "the array of objects",
        "the array of functions of vmlinux",
        "the array of functions of demo_mod",
      ].map((what) => `KLP448 ${what} stands in .data.patch, which is read-only`),
    );
  });

  test("relocations that wait for a module, in memory that is freed after init", () => {
    const place = "KLP449 the place of .klp.sym.demo_mod.only_here,0 stands in .init.text, which is freed after init";
    expect(told(inInit(good(arch), ".data.refs")).filter((t) => t.startsWith("KLP449"))).toEqual(
      arch === "ppc64le" ? [] : [place],
    );
    // Those for vmlinux are applied at load, before init.
    expect(told(inInit(good(arch), ".text.live_show_one")).filter((t) => t.includes("KLP449 the place"))).toEqual([]);
  });

  test("structures, and a replacement, in memory that is freed after init", () => {
    const structs = told(inInit(good(arch), ".data.patch"));
    // As built: the finished module names the section of its livepatch relocations after it, too.
    const { problems } = check(inInit(fixture(`patch-${arch}`), ".text.live_show_one"), { file: "x.o" });
    if (arch === "x86_64") keep("KLP449", inInit(good(arch), ".text.live_show_one"));
    const replaced = problems.map((p) => `${p.code} ${titleOf(p)}`);
    // The loader of ppc64 keeps it.
    expect(structs).toEqual(
      arch === "ppc64le"
        ? []
        : [
            "struct klp_patch",
            "the array of objects",
            "the array of functions of vmlinux",
            "the array of functions of demo_mod",
          ].map((what) => `KLP449 ${what} stands in .init.text, which is freed after init`),
    );
    expect(replaced).toEqual(
      arch === "ppc64le" ? [] : ["KLP449 the replacement of show_one stands in .init.text, which is freed after init"],
    );
  });
});

test("the TOC of ppc64le is not a structure, whatever stands side by side in it", () => {
  // As klplink-init.c of the package has it: the module's own address, then that of read-only data with pointers in it.
  const part = new Part(good("ppc64le"));
  const { edits } = part;
  const link = edits.symbolTable().section;
  const added = (name: string, size: number) => {
    const shape = { flags: 3n, addralign: 8, entsize: 0, type: 1, link: 0, info: 0 };
    const section = edits.addSection({ ...shape, name, data: new Uint8Array(size) });
    const rela = { name: `.rela${name}`, type: 4, flags: 0x40n, addralign: 8, entsize: 24, data: new Uint8Array(0) };
    return { section, table: edits.addSection({ ...rela, link, info: section }) };
  };
  const { table } = added(".toc", 16);
  const pointer = (offset: number, symbol: string) =>
    edits.addRelocation(table, { offset, type: 38, addend: 0n, symbol: part.symbol(symbol) });
  pointer(0, "__this_module");
  pointer(8, "objs");
  // It would be a second patch: each of its functions replaced twice, by the same.
  expect(told(writeElf(edits))).toEqual(told(good("ppc64le")));
  const whole = readPatches(readElf(writeElf(edits)), readElf(writeElf(edits)).symbols as never, 38);
  expect(whole).toHaveLength(1);
});
