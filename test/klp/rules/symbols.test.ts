import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  helpOf,
  kernelOf,
  levelOf,
  type Problem,
  printedRefusals,
  titleOf,
  whyOf,
} from "../../../src/diag/catalogue.ts";
import { renderText } from "../../../src/diag/render/text.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { readVmlinux } from "../../../src/kernel/image/vmlinux.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
import { parseSymbols } from "../../../src/kernel/symbols/parseSymbols.ts";
import { parseSymvers } from "../../../src/kernel/symbols/symvers.ts";
import { check } from "../../../src/passes/check.ts";
import { link } from "../../../src/passes/link.ts";
import { collect } from "../collect.ts";
import { Part } from "../part.ts";
import { fixture } from "../readBack.ts";

// Undefined symbols of a module, and what the files that were given do and do not tell of them. The order and the words are those
// of simplify_symbols, kernel/module/main.c of 6.1, 6.12 and 7.2, which prints a line for every symbol that it does not find.

const kernelFolder = fileURLToPath(new URL("../../fixtures/kernel/", import.meta.url));
const kernelFile = (name: string): Uint8Array => new Uint8Array(readFileSync(kernelFolder + name));
const vmlinux = readVmlinux(kernelFile("vmlinux-x86_64"), "vmlinux");
const demo = new ModuleFile(readElf(kernelFile("demo-mod.ko")), "demo-mod.ko");
const kernel = new Kernel({ vmlinux, modules: [demo] });
const linked = link(fixture("patch-x86_64"), { file: "x.ko", kernel }).output ?? new Uint8Array(0);
const edited = (bytes: Uint8Array, edit: (part: Part) => void): Uint8Array => {
  const part = new Part(bytes);
  edit(part);
  return writeElf(part.edits);
};
/** Symbols of other names. */
const renamed = (names: Readonly<Record<string, string>>, bytes = linked): Uint8Array =>
  edited(bytes, (p) => {
    for (const [from, name] of Object.entries(names)) p.edits.setSymbol(p.symbol(from), { name });
  });
/** With depends= in place of name=, which is as long. */
const depending = (bytes: Uint8Array): Uint8Array =>
  edited(bytes, (p) => {
    const section = p.section(".modinfo");
    const at = Buffer.from(p.file.sections.data(section)).indexOf("name=demo_patch");
    p.edits.patch(section, at, Buffer.from("depends=helpers"));
  });
const checked = (bytes: Uint8Array, known: Kernel | null = kernel): readonly Problem[] => {
  const { problems } = check(bytes, { file: "x.ko", ...(known === null ? {} : { kernel: known }) });
  collect(bytes, problems);
  return problems;
};
const only = (problems: readonly Problem[]): Problem => {
  expect(problems.map((p) => p.code)).toHaveLength(1);
  return problems[0] as Problem;
};

describe("a symbol that none of the files has", () => {
  test("of a module in depends= that was not given: one warning, and which files to give", () => {
    const bytes = depending(renamed({ exported_one: "helper_one", klp_enable_patch: "helper_two" }));
    const problem = only(checked(bytes));
    expect(problem.code).toBe("KLP450");
    expect(levelOf(problem)).toBe("warning");
    expect(titleOf(problem)).toMatch(/^2 symbols were not looked up/);
    expect(helpOf(problem)).toBe("give `-m helpers.ko`");
  });

  test("of a module in depends= that was given: it is missing there, and that is said", () => {
    const helpers = new ModuleFile(readElf(kernelFile("demo-mod.ko")), "helpers.ko", "helpers");
    const known = new Kernel({ vmlinux, modules: [demo, helpers] });
    const problem = only(checked(depending(renamed({ exported_one: "helper_one" })), known));
    expect(problem.code).toBe("KLP401");
    expect(titleOf(problem)).toBe("helper_one is not in vmlinux, nor in demo-mod.ko, helpers.ko");
    expect(kernelOf(problem)).toBe("demo_patch: Unknown symbol helper_one (err -2)");
  });

  test("where a patched module was not given: no word of the kernel is promised", () => {
    const problems = checked(renamed({ exported_one: "helper_one" }), new Kernel({ vmlinux }));
    const problem = only(problems);
    expect(problem.code).toBe("KLP401");
    expect(kernelOf(problem)).toBeNull();
    expect(whyOf(problem)).toContain("the livepatch patches demo_mod, which was not given");
    expect(helpOf(problem)).toBe("give the module: `-m demo_mod.ko`");
    expect(printedRefusals(problems)).toEqual([]);
  });
});

describe("what is in dmesg", () => {
  test("each symbol that the loader does not find, and nothing that comes after", () => {
    const bytes = edited(renamed({ exported_one: "no_such_one", klp_enable_patch: "no_such_two" }), (p) => {
      const table = p.table(".rela.data.refs");
      p.edits.removeRelocation(table, 0);
      // A type that the loader does not know: it does not come so far.
      p.edits.addRelocation(table.section, { offset: table.offset(0), type: 9, addend: 0n, symbol: table.symbol(0) });
    });
    const problems = checked(bytes);
    expect(problems.map((p) => p.code)).toContain("KLP201");
    const printed = printedRefusals(problems);
    expect(printed.map(kernelOf).sort()).toEqual(
      ["no_such_one", "no_such_two"].map((name) => `demo_patch: Unknown symbol ${name} (err -2)`),
    );
    const text = renderText(problems, { width: 80, palette: same(), folder: "/" } as never);
    expect(text).toContain("the loader prints such a line for each symbol at fault, then stops");
    expect(text).not.toContain("this is the line in dmesg");
  });
});

function same(): Record<string, (text: string) => string> {
  const keep = (text: string): string => text;
  return { error: keep, warning: keep, strong: keep, dim: keep, mark: keep, help: keep };
}

test("an ambiguous name of an object that is not linked: an undefined symbol for the kernel", () => {
  const problems = checked(renamed({ exported_one: "twin" }));
  const found = problems.find((p) => p.code === "KLP402");
  expect(found === undefined ? null : kernelOf(found)).toBe("demo_patch: Unknown symbol twin (err -2)");
});

describe("Module.symvers alone", () => {
  const symvers = (text: string): Kernel =>
    new Kernel({ symvers: { exports: parseSymvers(Buffer.from(text)), source: "Module.symvers" } } as never);
  const line = (name: string, owner: string): string => `0x00000000\t${name}\t${owner}\tEXPORT_SYMBOL\t\n`;

  test("what it does not list is not exported", () => {
    const known = symvers(line("klp_enable_patch", "vmlinux"));
    const problem = only(checked(linked, known));
    expect(problem.code).toBe("KLP451");
    expect(kernelOf(problem)).toBe("demo_patch: Unknown symbol exported_one (err -2)");
    // A link says it, too, and writes nothing.
    expect(link(linked, { file: "x.ko", kernel: known }).output).toBeNull();
  });

  test("one that lists no export of vmlinux tells nothing", () => {
    expect(checked(linked, symvers(line("other", "demo_mod")))).toEqual([]);
  });
});

describe("a livepatch symbol's name on an undefined symbol", () => {
  const object = fixture("patch-x86_64");
  const told = (name: string): Problem => {
    const found = check(renamed({ show_one: name }, object), { file: "x.ko" }).problems;
    return only(found);
  };

  test("written by hand: what the source should say", () => {
    const problem = told(".klp.sym.demo_mod.only_here,2");
    expect(problem.code).toBe("KLP408");
    expect(helpOf(problem)).toBe(
      "use the name `only_here` in the source: klplink with `-k vmlinux -m demo_mod.ko` and `--sympos demo_mod:only_here=2` names and marks the symbol, and moves its relocations",
    );
    expect(helpOf(told(".klp.sym.vmlinux.show_one,0"))).toContain("klplink with `-k vmlinux` names and marks");
  });

  test("and badly formed", () => {
    expect(titleOf(told(".klp.sym.vmlinux.show_one"))).toContain("has an incorrectly formatted name");
  });

  test("of a module that was finished: what ld -r leaves", () => {
    const bytes = edited(linked, (p) =>
      p.edits.setSymbol(p.symbol(".klp.sym.vmlinux.show_one,0"), { home: { kind: "reserved", index: 0 } }),
    );
    const problem = check(bytes, { file: "x.ko" }).problems.find((p) => p.code === "KLP408");
    expect(problem === undefined ? null : helpOf(problem)).toContain("run klplink after the last `ld -r`");
  });

  test("klp-convert's annotation: said once, with the command that fixes it", () => {
    const problem = told(".klp.sym.rela.vmlinux.vmlinux.show_one,0");
    expect(problem.code).toBe("KLP420");
    expect(renderText([problem], { width: 80, palette: same(), folder: "/" } as never)).toContain(
      "`klplink x.ko` fixes it",
    );
  });
});

describe("--sympos", () => {
  const object = fixture("patch-x86_64");
  const orphans = (bytes: Uint8Array, ...asked: [string, number][]) =>
    check(bytes, { file: "x.ko", kernel, positions: new Map(asked) })
      .problems.filter((p) => p.code === "KLP452")
      .map((p) => p.data);

  test("of a symbol that the file has, with or without its object, finished or not: nothing to say", () => {
    for (const key of ["show_one", "vmlinux:show_one", "only_here", "demo_mod:only_here"]) {
      expect(orphans(object, [key, 1])).toEqual([]);
      // As it was linked, without a position.
      expect(orphans(linked, [key, 0])).toEqual([]);
    }
  });

  test("of a livepatch symbol that has another position: it keeps it, and that is said", () => {
    expect(orphans(linked, ["show_one", 2])).toEqual([
      {
        asked: "show_one=2",
        symbol: "show_one",
        object: "vmlinux",
        near: ["show_one"],
        has: ".klp.sym.vmlinux.show_one,0",
      },
    ]);
  });

  test("of another object, or of none: that is said", () => {
    expect(orphans(object, ["show_on", 1], ["vmlinux:only_here", 1], ["demo_mod:show_one", 2])).toEqual([
      { asked: "show_on=1", symbol: "show_on", object: null, near: ["show_one"], has: null },
      { asked: "vmlinux:only_here=1", symbol: "only_here", object: "demo_mod", near: ["only_here"], has: null },
      { asked: "demo_mod:show_one=2", symbol: "show_one", object: "vmlinux", near: ["show_one"], has: null },
    ]);
  });

  test("`vmlinux:` asks as the name alone does", () => {
    const twin = renamed({ show_one: "twin" }, object);
    const names = (key: string) => {
      const { output } = link(twin, { file: "x.o", kernel, positions: new Map([[key, 2]]) });
      const { symbols } = readElf(output ?? new Uint8Array(0));
      return Array.from({ length: symbols?.count ?? 0 }, (_, i) => symbols?.name(i) ?? "");
    };
    expect(names("vmlinux:twin")).toContain(".klp.sym.vmlinux.twin,2");
    expect(names("vmlinux:twin")).toEqual(names("twin"));
  });
});

describe("what was not looked at", () => {
  const parts = (bytes: Uint8Array, known: Kernel | null, reference?: ModuleFile): readonly string[] =>
    check(bytes, {
      file: "x.ko",
      ...(known === null ? {} : { kernel: known }),
      ...(reference === undefined ? {} : { reference }),
    }).unchecked;
  const unchecked = (known: Kernel | null): readonly string[] => parts(linked, known);
  const STRUCT = "struct module (--reference)";
  const VERMAGIC = "vermagic (-k vmlinux, --reference)";

  test("is told, with the file that is missing", () => {
    expect(unchecked(null)).toEqual(["the kernel's symbols (-k)", VERMAGIC, STRUCT]);
    expect(unchecked(new Kernel({ vmlinux }))).toEqual([
      STRUCT,
      "functions and livepatch symbols of demo_mod (-m demo_mod.ko)",
    ]);
    expect(unchecked(kernel)).toEqual([STRUCT]);
  });

  test("a module of the target kernel tells both", () => {
    const reference = new ModuleFile(readElf(linked), "reference.ko");
    expect(parts(linked, null, reference)).toEqual(["the kernel's symbols (-k)"]);
    expect(parts(linked, kernel, reference)).toEqual([]);
    // An object has no struct module to compare with.
    expect(parts(linked, kernel, demo)).toEqual([STRUCT]);
  });

  test("Module.symvers alone does not tell unexported symbols from wrong names", () => {
    const exports = parseSymvers(Buffer.from("0x1\tklp_enable_patch\tvmlinux\tEXPORT_SYMBOL_GPL\t\n"));
    expect(unchecked(new Kernel({ symvers: { source: "Module.symvers", exports } }))).toContain(
      "whether the kernel has what it does not export (-k vmlinux, -k System.map)",
    );
    expect(unchecked(kernel).filter((part) => part.startsWith("whether"))).toEqual([]);
  });

  test("modules alone tell nothing of the kernel", () => {
    expect(unchecked(new Kernel({ modules: [demo] }))).toContain("the kernel's symbols (-k)");
  });

  test("System.map has names only", () => {
    const text = "ffffffff81000000 T klp_enable_patch\nffffffff82000000 r __ksymtab_klp_enable_patch\n";
    const list = parseSymbols(Buffer.from(text), "System.map");
    expect(unchecked(new Kernel({ list }))).toContain(
      "checksums, licences and namespaces of exports (-k Module.symvers)",
    );
    expect(unchecked(kernel).filter((part) => part.includes("of exports"))).toEqual([]);
  });
});

describe("a list of exports that has none of the module's undefined symbols", () => {
  const symvers = (text: string) =>
    new Kernel({ symvers: { source: "Module.symvers", exports: parseSymvers(Buffer.from(text)) } });

  test("is more likely that of another kernel", () => {
    const problem = only(checked(linked, symvers("0x1\tother\tvmlinux\tEXPORT_SYMBOL\t\n")));
    expect(problem.code).toBe("KLP464");
    expect(titleOf(problem)).toMatch(/^Module\.symvers has none of the module's \d+ undefined symbols \(/);
    expect(whyOf(problem)).toContain("more likely that of another kernel");
  });

  test("one name that is found is enough; a list without vmlinux's exports says nothing", () => {
    const codes = (text: string) => checked(linked, symvers(text)).map((p) => p.code);
    expect(codes("0x0\tklp_enable_patch\tvmlinux\tEXPORT_SYMBOL_GPL\t\n")).not.toContain("KLP464");
    expect(codes("0x1\tother\tdrivers/other\tEXPORT_SYMBOL\t\n")).not.toContain("KLP464");
  });
});

describe("vermagic", () => {
  const another = (): ModuleFile => {
    const bytes = kernelFile("demo-mod.ko").slice();
    const at = Buffer.from(bytes).indexOf("vermagic=6.12.9-demo+ SMP preempt");
    bytes.set(Buffer.from("vermagic=6.12.9-demo+ UP  preempt"), at);
    return new ModuleFile(readElf(bytes), "reference.ko");
  };
  const against = (reference: ModuleFile, known: Kernel | null = null) =>
    check(linked, { file: "x.ko", reference, ...(known === null ? {} : { kernel: known }) }).problems.filter(
      (p) => p.code === "KLP502",
    );

  test("is compared with that of --reference", () => {
    expect(against(demo)).toEqual([]);
    // same_magic, kernel/module/main.c: what stands behind the release must be equal.
    expect(against(another()).map(kernelOf)).toEqual([
      "demo_patch: version magic '6.12.9-demo+ SMP preempt mod_unload modversions ' should be '6.12.9-demo+ UP  preempt mod_unload modversions '",
    ]);
  });
  test("that of the kernel itself goes first", () => {
    expect(against(another(), kernel)).toEqual([]);
  });
});
