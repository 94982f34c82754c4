import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { firstRefusal, kernelOf, titleOf } from "../../../src/diag/catalogue.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { readVmlinux } from "../../../src/kernel/image/vmlinux.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
import { parseSymbols } from "../../../src/kernel/symbols/parseSymbols.ts";
import { check } from "../../../src/passes/check.ts";
import { image } from "../../../src/passes/image/image.ts";
import { link } from "../../../src/passes/link.ts";
import { collect } from "../../klp/collect.ts";
import { changeHeader } from "../../klp/header.ts";
import { Part } from "../../klp/part.ts";
import { fixture } from "../../klp/readBack.ts";

// What the loader refuses in a finished module before it looks at symbols, and what the check said nothing of: one thing broken
// at a time in test/fixtures/klp/patch.s. The kernel's words are those of kernel/module/main.c and strict_rwx.c,
// arch/powerpc/kernel/module_64.c and arch/arm64/kernel/module-plts.c of 6.1, 6.12 and 7.2.

const kernelFolder = fileURLToPath(new URL("../../fixtures/kernel/", import.meta.url));
const kernelFile = (name: string): Uint8Array => new Uint8Array(readFileSync(kernelFolder + name));
const kernelOfArch = (arch: Arch): Kernel => {
  const name = arch === "x86_64" ? "demo-mod.ko" : `demo-mod-${arch}.ko`;
  const demo = new ModuleFile(readElf(kernelFile(name)), "demo-mod.ko");
  return new Kernel({ vmlinux: readVmlinux(kernelFile(`vmlinux-${arch}`), "vmlinux"), modules: [demo] });
};
type Arch = "x86_64" | "ppc64le" | "arm64";
const modules = new Map<Arch, Uint8Array>();
for (const arch of ["x86_64", "ppc64le", "arm64"] as const) {
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
/** The section loses the first letter of its name. */
const renamed = (bytes: Uint8Array, name: string): Uint8Array =>
  changeHeader(bytes, name, (view) => view.setUint32(0, view.getUint32(0, true) + 1, true));
const edited = (arch: Arch, edit: (part: Part) => void): Uint8Array => {
  const part = new Part(good(arch));
  edit(part);
  return writeElf(part.edits);
};
const added = (arch: Arch, name: string, flags: bigint, data = new Uint8Array(4)): Uint8Array =>
  edited(arch, (p) => p.edits.addSection({ name, type: 1, flags, link: 0, info: 0, addralign: 1, entsize: 0, data }));
const version = (text: string) => ({
  kernelVersion: { major: Number(text.split(".")[0]), minor: Number(text.split(".")[1]) },
});
type Options = Partial<Parameters<typeof check>[1]>;
const checked = (bytes: Uint8Array, options: Options = {}) =>
  check(bytes, { file: "x.ko", kernel: kernelFor(bytes), ...options }).problems;
const told = (bytes: Uint8Array, options: Options = {}): (string | null)[][] => {
  const problems = checked(bytes, options);
  collect(bytes, problems);
  return problems.map((p) => [p.code, kernelOf(p)]);
};
/** What the image pass says, which takes the same rules. */
const imaged = (bytes: Uint8Array): (string | null)[][] =>
  image(bytes, {
    file: "x.ko",
    kernel: null,
    placement: { bases: new Map(), sections: new Map(), percpu: null },
    stage: "relocated",
  })
    .problems.filter((p) => p.code !== "KLP210")
    .map((p) => [p.code, kernelOf(p)]);

const ALLOC = 2n;
const WRITE = 1n;
const EXEC = 4n;

describe("sections that the architecture's loader needs", () => {
  test.each([
    ["ppc64le", ".stubs", "module_64: demo_patch: doesn't contain .stubs."],
    ["arm64", ".plt", "demo_patch: module PLT section(s) missing"],
    ["arm64", ".init.plt", "demo_patch: module PLT section(s) missing"],
  ] as const)("%s without %s", (arch, section, words) => {
    const bytes = renamed(good(arch), section);
    expect(told(bytes)).toEqual([["KLP206", words]]);
    expect(imaged(bytes)).toContainEqual(["KLP206", words]);
    // Before its last link an object has none of them.
    const object = renamed(bytes, ".gnu.linkonce.this_module");
    expect(told(object).map(([code]) => code)).not.toContain("KLP206");
  });

  test("arm64 without .text.ftrace_trampoline: module_init_ftrace_plt says nothing", () => {
    const bytes = renamed(good("arm64"), ".text.ftrace_trampoline");
    const { problems } = check(bytes, { file: "x.ko" });
    expect(problems.map((p) => [p.code, kernelOf(p)])).toEqual([["KLP206", null]]);
    expect(imaged(bytes)).toContainEqual(["KLP206", null]);
    // This kernel has no ftrace_caller, so no ftrace.
    expect(checked(bytes)).toEqual([]);
  });

  test("without them, but alone: NAME.mod.o is linked into the module later", () => {
    expect(checked(renamed(good("ppc64le"), ".stubs"), { file: "patch.mod.o" })).toEqual([]);
  });
});

test("a section that is writable and executable", () => {
  const bytes = added("x86_64", ".wx", ALLOC | WRITE | EXEC);
  const index = readElf(bytes).sections.findByName(".wx");
  const words = `demo_patch: section .wx (index ${index}) has invalid WRITE|EXEC flags`;
  expect(told(bytes)).toEqual([["KLP230", words]]);
  expect(imaged(bytes)).toContainEqual(["KLP230", words]);
  expect(checked(bytes, version("5.7"))).toEqual([]);
  // One that is not loaded, too.
  expect(told(added("x86_64", ".wx", WRITE | EXEC)).map(([code]) => code)).toEqual(["KLP230"]);
});

test("ppc64le: another ABI than 2 in e_flags, since 6.2", () => {
  const bytes = good("ppc64le").slice();
  bytes[48] = 1;
  const words = "Invalid module architecture in ELF header: 21";
  expect(told(bytes)).toEqual([["KLP231", words]]);
  expect(imaged(bytes)).toContainEqual(["KLP231", words]);
  expect(checked(bytes, version("6.1"))).toEqual([]);
  expect(checked(good("x86_64"))).toEqual([]);
});

describe("what the loader reads of headers and strings", () => {
  test("section header 0 with a size", () => {
    const bytes = good("x86_64").slice();
    bytes[readElf(bytes).header.sectionHeaderOffset + 32] = 5;
    const words = "ELF Spec violation: section 0 type(0)!=SH_NULL or non-zero len or addr";
    expect(told(bytes)).toEqual([["KLP233", words]]);
    expect(imaged(bytes)).toContainEqual(["KLP233", words]);
  });

  // e_shnum is 0 then, and e_shstrndx 65535: elf_validity_check of 6.1 looks at the one first, 7.2 at section 0.
  test("65,280 sections", () => {
    const many = edited("x86_64", (p) => {
      const fields = { type: 1, flags: 0n, link: 0, info: 0, addralign: 1, entsize: 0, data: new Uint8Array(0) };
      // One more stands there in the end: the writer's own for indices of symbols, or for names.
      for (let i = p.file.sections.count; i < 0xff00; i++) p.edits.addSection({ name: ".many", ...fields });
    });
    expect(readElf(many).sections.count).toBeGreaterThanOrEqual(0xff00);
    const nullHeader = "ELF Spec violation: section 0 type(0)!=SH_NULL or non-zero len or addr";
    expect(told(many, version("7.2"))).toEqual([["KLP233", nullHeader]]);
    const [code, words] = told(many, version("6.1"))[0] ?? [];
    expect(code).toBe("KLP233");
    expect(words).toMatch(/^Invalid ELF section name index: (\d+) \|\| e_shstrndx \(\1\) >= e_shnum \(0\)$/);
  });

  test("a symbol string table without a zero byte at an end, since 6.13", () => {
    const changed = (at: "first" | "last") => {
      const bytes = good("x86_64").slice();
      const { sections, symbols } = readElf(bytes);
      const table = sections.link(symbols?.section ?? 0);
      bytes[sections.offset(table) + (at === "first" ? 0 : sections.size(table) - 1)] = 0x41;
      return bytes;
    };
    expect(told(changed("first"), version("6.13"))).toEqual([["KLP233", "symbol string table missing leading NUL"]]);
    expect(told(changed("first"), version("6.12"))).toEqual([]);
    expect(() => readElf(changed("last"))).toThrow("symbol string table");
  });
});

test("a module called vmlinux, since 5.8", () => {
  const bytes = edited("x86_64", (p) => {
    const info = p.section(".modinfo");
    const at = Buffer.from(p.file.sections.data(info)).indexOf("name=demo_patch\0");
    p.edits.patch(info, at, Buffer.from("name=vmlinux\0\0\0"));
    p.edits.patch(p.section(".gnu.linkonce.this_module"), 24, Buffer.from("vmlinux\0\0\0"));
  });
  expect(told(bytes)).toEqual([["KLP454", "livepatch: vmlinux.ko: invalid module name"]]);
  expect(told(bytes, version("5.7")).map(([code]) => code)).not.toContain("KLP454");
});

test("a module without .modinfo is one with an empty one", () => {
  const codes = told(renamed(good("x86_64"), ".modinfo")).map(([code]) => code);
  expect(codes).toEqual(expect.arrayContaining(["KLP503", "KLP510", "KLP511"]));
  // Before the last link nothing is missing.
  const object = renamed(renamed(good("x86_64"), ".modinfo"), ".gnu.linkonce.this_module");
  expect(told(object).map(([code]) => code)).not.toContain("KLP511");
});

describe("what the loader wants once", () => {
  test("two .modinfo", () => {
    expect(told(added("x86_64", ".modinfo", ALLOC))).toEqual([["KLP232", "Only one .modinfo section must exist."]]);
    expect(checked(added("x86_64", ".modinfo", ALLOC), version("6.1"))).toEqual([]);
  });

  test("two struct modules", () => {
    const bytes = added("x86_64", ".gnu.linkonce.this_module", ALLOC | WRITE, new Uint8Array(443));
    const words = "module demo_patch: Exactly one .gnu.linkonce.this_module section must exist.";
    expect(told(bytes, version("7.2"))).toEqual([["KLP232", words]]);
    expect(told(bytes, version("6.12"))).toEqual([["KLP232", words.replace("Exactly", "Only")]]);
  });

  test("a struct module that is not loaded", () => {
    // sh_flags without SHF_ALLOC
    const bytes = changeHeader(good("x86_64"), ".gnu.linkonce.this_module", (view) => view.setUint8(8, 1));
    const words = "module demo_patch: .gnu.linkonce.this_module must occupy memory during process execution";
    expect(told(bytes)[0]).toEqual(["KLP232", words]);
  });

  test("checksums of the extended form without names, 6.14 and later", () => {
    const bytes = added("x86_64", "__version_ext_crcs", ALLOC);
    const words = "extended version crc+name presence does not match";
    expect(told(bytes, version("7.2"))).toContainEqual(["KLP232", words]);
    expect(checked(bytes, version("6.12")).filter((p) => p.code === "KLP232")).toEqual([]);
  });
});

test("a common symbol, and a section index that is none", () => {
  const symbol = (index: number) =>
    edited("x86_64", (p) => p.edits.setSymbol(p.symbol("__this_module"), { home: { kind: "reserved", index } }));
  const common = symbol(0xfff2);
  expect(told(common)).toContainEqual(["KLP207", "demo_patch: please compile with -fno-common"]);
  const odd = symbol(0xff40);
  const most = readElf(odd).sections.count - 1;
  const words = `demo_patch: Symbol __this_module has an invalid section index 65344 (max ${most})`;
  expect(told(odd)).toContainEqual(["KLP207", words]);
});

describe(".modinfo", () => {
  const without = (text: string) =>
    edited("x86_64", (p) => {
      const section = p.section(".modinfo");
      const at = Buffer.from(p.file.sections.data(section)).indexOf(text);
      p.edits.patch(section, at, Buffer.from("x"));
    });

  test("no vermagic", () => {
    expect(told(without("vermagic="))).toEqual([["KLP511", null]]);
    // A kernel that may be forced goes on: nothing is promised of its first line.
    expect(firstRefusal(checked(without("vermagic=")))).toBeNull();
  });

  test("a livepatch for a kernel that has no livepatching", () => {
    const list = parseSymbols(Buffer.from("ffffffff81000000 T _text\nffffffff81000100 r __ksymtab_x\n"), "map");
    const problems = check(good("x86_64"), { file: "x.ko", kernel: new Kernel({ list }) }).problems;
    const first = firstRefusal(problems);
    expect(first?.code).toBe("KLP512");
    expect(first === null ? "" : kernelOf(first)).toBe(
      "demo_patch: module is marked as livepatch module, but livepatch support is disabled",
    );
  });

  test("a namespace that cannot be imported, 6.16 and later", () => {
    const bytes = edited("x86_64", (p) => {
      const section = p.section(".modinfo");
      const at = Buffer.from(p.file.sections.data(section)).indexOf("import_ns=DEMO_NS");
      p.edits.patch(section, at, Buffer.from("import_ns=module:"));
    });
    const words = "demo_patch: module tries to import module namespace: module:";
    expect(told(bytes, version("7.2"))).toContainEqual(["KLP513", words]);
    expect(told(bytes, version("6.12")).map(([code]) => code)).not.toContain("KLP513");
  });

  test("exports without flags, 7.0 and later", () => {
    const bytes = added("x86_64", "__ksymtab", ALLOC, new Uint8Array(12));
    expect(told(bytes, version("7.0"))).toEqual([["KLP513", "demo_patch: no flags for exported symbols"]]);
    expect(checked(bytes, version("6.12"))).toEqual([]);
  });
});
