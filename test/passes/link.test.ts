import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { levelOf, type Problem, titleOf } from "../../src/diag/catalogue.ts";
import { readElf } from "../../src/elf/reader.ts";
import { writeElf } from "../../src/elf/writer.ts";
import { readVmlinux } from "../../src/kernel/image/vmlinux.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { ModuleFile } from "../../src/kernel/module/moduleFile.ts";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import { check } from "../../src/passes/check.ts";
import { Unusable } from "../../src/passes/input.ts";
import { type LinkOptions, link } from "../../src/passes/link.ts";
import { objects } from "../everyFixture.ts";
import { load } from "../helpers.ts";
import { Part } from "../klp/part.ts";

// What a link has written, it stands by: `check` finds no error in it that the link did not report, and a second link changes
// nothing.

const fixtures = new URL("../fixtures/kernel/", import.meta.url);
const kernelFile = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, fixtures)));
const kernelOf = (arch: string, demo: string): Kernel =>
  new Kernel({
    vmlinux: readVmlinux(kernelFile(`vmlinux-${arch}`), "vmlinux"),
    modules: [new ModuleFile(readElf(kernelFile(demo)), "demo-mod.ko")],
  });
const kernels = new Map([
  [62, kernelOf("x86_64", "demo-mod.ko")],
  [21, kernelOf("ppc64le", "demo-mod-ppc64le.ko")],
  [183, kernelOf("arm64", "demo-mod-arm64.ko")],
]);
/** A kernel in which each name is there once, so that every import becomes a livepatch symbol. */
function anyKernel(bytes: Uint8Array): Kernel {
  const { symbols } = readElf(bytes);
  const names = new Set<string>();
  for (let i = 1; i < (symbols?.count ?? 0); i++) if (symbols?.isUndefined(i)) names.add(symbols.name(i));
  const lines = [...names]
    .filter((n) => /^\w+$/.test(n))
    .map((n, k) => `${(0xc000_0000_0000_1000n + BigInt(k * 16)).toString(16)} t ${n}`);
  return new Kernel({
    list: parseSymbols(Buffer.from([...lines, "c000000000000000 r __ksymtab_x"].join("\n")), "System.map"),
  });
}

const errors = (problems: readonly Problem[]): string[] =>
  problems.filter((p) => levelOf(p) === "error").map((p) => `${p.code} ${p.at.section}+${p.at.offset}: ${titleOf(p)}`);
let linked = 0;
let changed = 0;

function hold(bytes: Uint8Array, options: LinkOptions): void {
  let result: ReturnType<typeof link>;
  try {
    result = link(bytes, options);
  } catch (error) {
    if (error instanceof Unusable) return;
    throw error;
  }
  if (result.output === null || errors(result.problems).length > 0) return;
  linked++;
  if (result.changed) changed++;
  expect(errors(check(result.output, options).problems)).toEqual([]);
  const again = link(result.output, options);
  expect(errors(again.problems)).toEqual([]);
  expect(again.changed).toBe(false);
}

describe("every fixture", () => {
  test.each([...objects().keys()])("%s", (path) => {
    const bytes = objects().get(path) ?? new Uint8Array(0);
    const kernel = kernels.get(readElf(bytes).header.machine);
    const file = path.replace(/.*\//, "");
    hold(bytes, { file });
    if (kernel === undefined) return;
    hold(bytes, { file, kernel });
    hold(bytes, { file, kernel, keep: true });
    hold(bytes, { file, kernel: anyKernel(bytes) });
    if (path.includes("ppc64le") || path.includes("/rules/")) {
      for (const tocRestore of ["epilogue", "mini-frame", "nop"] as const) hold(bytes, { file, kernel, tocRestore });
    }
  });
  test("many of them link", () => {
    expect(linked).toBeGreaterThan(300);
    expect(changed).toBeGreaterThan(100);
  });
});

describe("an import that becomes a livepatch symbol makes the file a livepatch, with the rules of one", () => {
  const KERNEL = kernels.get(62) as Kernel;
  /** patch-x86_64.o without its table of patches: nothing says yet that it is a livepatch. */
  function plain(edit: (part: Part) => void): { link: string[]; check: string[]; output: Uint8Array | null } {
    const part = new Part(load("test/fixtures/klp/patch-x86_64.o"));
    const tables = part.table(".rela.data.patch");
    for (let row = 0; row < tables.count; row++) part.edits.removeRelocation(tables, row);
    edit(part);
    const bytes = writeElf(part.edits);
    const options = { file: "x.o", kernel: KERNEL };
    const result = link(bytes, options);
    const codes = (problems: readonly Problem[]) =>
      problems.filter((p) => levelOf(p) === "error" && p.code !== "KLP410").map((p) => p.code as string);
    return { link: codes(result.problems), check: codes(check(bytes, options).problems), output: result.output };
  }
  const again = (table: string, row: number, change: { offset?: number; addend?: bigint }) => (p: Part) => {
    const t = p.table(table);
    p.edits.removeRelocation(t, row);
    const relocation = { offset: t.offset(row), type: t.type(row), symbol: t.symbol(row), addend: t.addend(row) };
    p.edits.addRelocation(t.section, { ...relocation, ...change });
  };

  test("as it is, it links", () => {
    expect(plain(() => undefined)).toMatchObject({ link: [], check: [], output: expect.any(Uint8Array) });
  });
  test.each([
    ["KLP433", again(".rela.data.refs", 1, { addend: -0x8000_0000n })],
    ["KLP436", (p: Part) => p.edits.append(p.section("__mcount_loc"), new Uint8Array(3), 1)],
    ["KLP437", again(".rela__mcount_loc", 1, { addend: 3n })],
    // Its place has bytes in common with that of exported_one, which stays an ordinary relocation.
    ["KLP435", again(".rela.data.refs", 1, { offset: 4 })],
  ])("%s is said before anything is written", (code, edit) => {
    const found = plain(edit);
    expect(found.output).toBeNull();
    expect(found.link).toContain(code);
    expect(found.check).toContain(code);
  });
});

describe("--keep", () => {
  test.each(["kpatch", "convert-v7", "convert-2024", "objtool"])("a kept %s file is a finished one", (name) => {
    for (const arch of ["x86_64", "ppc64le", "arm64"]) {
      const options = { file: "x.o", keep: true };
      const { output } = link(load(`test/fixtures/klp/${name}-${arch}.o`), options);
      if (output === null) throw new Error(arch);
      const again = link(output, options);
      expect(again.producer).toBe("final");
      expect(again.changed).toBe(false);
      expect(again.problems.map((p) => p.code)).not.toContain("KLP421");
    }
  });
});

describe("a kernel without CONFIG_LIVEPATCH", () => {
  // System.map of Debian's linux-image-6.12 for ppc64el has 0 symbols that begin with klp_, and these.
  const LOADER = ["c000000000200000 t load_module", "c000000000201000 T __se_sys_finit_module"];
  const list = (...more: string[]) => {
    const all = [
      "c000000000100000 t show_val_kb",
      "c000000000300000 r __ksymtab__mcount",
      "c000000000400000 T _mcount",
    ];
    return parseSymbols(Buffer.from([...all, ...more].join("\n")), "System.map");
  };
  const bytes = load("test/fixtures/diag/modinfo.o");
  const both = (...more: string[]) => {
    const options = { file: "x.o", kernel: new Kernel({ list: list(...more) }) };
    const result = link(bytes, options);
    return {
      check: check(bytes, options).problems.map((p) => p.code),
      link: result.problems.map((p) => p.code),
      output: result.output,
    };
  };

  test("neither links nor checks a livepatch without a word", () => {
    const found = both(...LOADER);
    expect(found.check).toContain("KLP456");
    expect(found.link).toContain("KLP456");
    expect(found.output).toBeNull();
  });
  test("one with it, or a list that may have left it out, is not a reason", () => {
    for (const more of [[...LOADER, "c000000000500000 T klp_enable_patch"], []]) {
      const found = both(...more);
      expect(found.check).not.toContain("KLP456");
      expect(found.output).not.toBeNull();
    }
  });
  test("a module without livepatch relocations is for any kernel", () => {
    const plain = load("test/fixtures/diag/modinfo.o");
    const exported = list(...LOADER, "c000000000300010 r __ksymtab_show_val_kb");
    expect(check(plain, { file: "x.o", symbols: exported }).problems.map((p) => p.code)).not.toContain("KLP456");
  });
});
