import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { firstRefusal, kernelOf, type Problem, titleOf } from "../../../src/diag/catalogue.ts";
import { type ElfFile, readElf } from "../../../src/elf/reader.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { readVmlinux } from "../../../src/kernel/image/vmlinux.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
import { check } from "../../../src/passes/check.ts";
import { link } from "../../../src/passes/link.ts";
import { collect, keep } from "../collect.ts";
import { Part, renameSection } from "../part.ts";
import { asText, fixture, readRelocations } from "../readBack.ts";

// One good livepatch module (test/fixtures/klp/patch.s, finished by klplink), and one thing broken at a time. The kernel's
// words are those of kernel/livepatch/core.c, kernel/module/main.c and version.c of 6.12 and 7.2.

const kernelFolder = fileURLToPath(new URL("../../fixtures/kernel/", import.meta.url));
const kernelFile = (name: string): Uint8Array => new Uint8Array(readFileSync(kernelFolder + name));
type Arch = "x86_64" | "ppc64le" | "arm64";
const kernelOfArch = (arch: Arch): Kernel => {
  const demo = arch === "x86_64" ? "demo-mod.ko" : `demo-mod-${arch}.ko`;
  return new Kernel({
    vmlinux: readVmlinux(kernelFile(`vmlinux-${arch}`), "vmlinux"),
    modules: [new ModuleFile(readElf(kernelFile(demo)), "demo-mod.ko")],
  });
};
/** By e_machine. */
const kernels = new Map([
  [62, kernelOfArch("x86_64")],
  [21, kernelOfArch("ppc64le")],
  [183, kernelOfArch("arm64")],
]);
const kernelFor = (bytes: Uint8Array): Kernel =>
  kernels.get(Buffer.from(bytes).readUInt16LE(18)) ?? kernelOfArch("x86_64");
const POINTER = { x86_64: 1, ppc64le: 38, arm64: 257 } as const;

const finished = new Map<Arch, Uint8Array>();
for (const arch of ["x86_64", "ppc64le", "arm64"] as const) {
  const bytes = fixture(`patch-${arch}`);
  const result = link(bytes, { file: arch, kernel: kernelFor(bytes) });
  if (result.output === null) throw new Error(result.problems.map(titleOf).join("\n"));
  finished.set(arch, result.output);
}

function broken(arch: Arch, edit: (part: Part) => void): Uint8Array {
  const part = new Part(finished.get(arch) ?? new Uint8Array(0));
  edit(part);
  return writeElf(part.edits);
}

/** The file with bytes of its own changed: section headers and names, which edits cannot reach. */
function patched(arch: Arch, change: (file: ElfFile, out: Uint8Array) => void): Uint8Array {
  const out = (finished.get(arch) ?? new Uint8Array(0)).slice();
  change(readElf(out), out);
  return out;
}

const renamed = (from: string, to: string) => (file: ElfFile, out: Uint8Array) => renameSection(file, out, from, to);

const problemsOf = (bytes: Uint8Array, options: Partial<Parameters<typeof check>[1]> = {}): readonly Problem[] => {
  const { problems } = check(bytes, { file: "x.ko", kernel: kernelFor(bytes), ...options });
  collect(bytes, problems);
  return problems;
};
const codesOf = (bytes: Uint8Array, options: Partial<Parameters<typeof check>[1]> = {}): string[] =>
  problemsOf(bytes, options).map((p) => p.code);
const wordsOf = (bytes: Uint8Array, options: Partial<Parameters<typeof check>[1]> = {}): (string | null)[] =>
  problemsOf(bytes, options).map(kernelOf);

describe.each(["x86_64", "ppc64le", "arm64"] as const)("%s: the good module", (arch) => {
  test("has nothing to report", () => {
    expect(problemsOf(finished.get(arch) ?? new Uint8Array(0)).map(titleOf)).toEqual([]);
  });

  // The table `Rules on which section a relocation goes to`: exported by vmlinux: ordinary; not exported: waits for vmlinux;
  // of a patched module, exported or not: waits for that module.
  test("each symbol went to the section of its object", () => {
    const bytes = finished.get(arch) ?? new Uint8Array(0);
    const refs = (klp: boolean): string[] =>
      asText(readRelocations(bytes, klp).filter((r) => r.target === ".data.refs"));
    expect(refs(true)).toEqual([
      `.klp.rela.demo_mod..data.refs .data.refs+16 ${POINTER[arch]} .klp.sym.demo_mod.only_here,0 0`,
      `.klp.rela.demo_mod..data.refs .data.refs+24 ${POINTER[arch]} .klp.sym.demo_mod.demo_export,0 0`,
      `.klp.rela.demo_mod..data.refs .data.refs+32 ${POINTER[arch]} .klp.sym.demo_mod.state,0 -8`,
      `.klp.rela.vmlinux..data.refs .data.refs+8 ${POINTER[arch]} .klp.sym.vmlinux.show_one,0 4`,
    ]);
    expect(refs(false)).toEqual([`.rela.data.refs .data.refs+0 ${POINTER[arch]} exported_one 0`]);
  });
});

describe("livepatch sections and symbols", () => {
  const MODULE_SECTION = ".klp.rela.demo_mod..data.refs";
  const VMLINUX_SECTION = ".klp.rela.vmlinux..text.live_show_one";
  const symbolNamed = (from: string, to: string) =>
    broken("x86_64", (p) => p.edits.setSymbol(p.symbol(from), { name: to }));

  test("a name without an object", () => {
    const bytes = patched("x86_64", renamed(VMLINUX_SECTION, ".klp.rela."));
    const words = "livepatch: section .klp.rela. has an incorrectly formatted name";
    expect(wordsOf(bytes)).toEqual([words]);
    expect(kernelOf(firstRefusal(problemsOf(bytes)) as Problem)).toBe(words);
  });

  test("a symbol that is not a livepatch symbol", () => {
    const bytes = broken("x86_64", (p) =>
      p.edits.setSymbol(p.symbol(".klp.sym.demo_mod.state,0"), {
        name: "jiffies",
        home: { kind: "reserved", index: 0xfff1 },
      }),
    );
    const table = readElf(bytes).symbols?.section;
    expect(wordsOf(bytes, { kernelVersion: { major: 7, minor: 2 } })).toEqual([
      `livepatch: symbol jiffies at rela sec ${table} idx 2 is not marked as a livepatch symbol`,
    ]);
    expect(wordsOf(bytes, { kernelVersion: { major: 6, minor: 12 } })).toEqual([
      "livepatch: symbol jiffies is not marked as a livepatch symbol",
    ]);
  });

  test.each([
    // klp_resolve_symbols: ".klp.sym.%55[^.].%511[^,],%lu"
    ".klp.sym.demo_mod.state",
    ".klp.sym.demo_mod,0",
    ".klp.sym..state,0",
    `.klp.sym.${"m".repeat(56)}.state,0`,
    `.klp.sym.demo_mod.${"s".repeat(512)},0`,
    ".klp.sym.demo_mod.state,x",
    // sscanf's %lu takes no sign (lib/vsprintf.c).
    ".klp.sym.demo_mod.state,+0",
  ])("a symbol's name of another form: %s", (name) => {
    expect(wordsOf(symbolNamed(".klp.sym.demo_mod.state,0", name))).toEqual([
      `livepatch: symbol ${name} has an incorrectly formatted name`,
    ]);
  });

  test("names of 128 bytes and more are too long before 6.1", () => {
    const bytes = symbolNamed(".klp.sym.demo_mod.state,0", `.klp.sym.other.${"s".repeat(128)},0`);
    expect(codesOf(bytes, { kernelVersion: { major: 6, minor: 1 } })).toEqual([]);
    expect(codesOf(bytes, { kernelVersion: { major: 5, minor: 10 } })).toEqual(["KLP409"]);
  });

  test("a symbol of vmlinux in a module's section, since 5.8", () => {
    const bytes = symbolNamed(".klp.sym.demo_mod.state,0", ".klp.sym.vmlinux.jiffies,0");
    expect(wordsOf(bytes)).toEqual([
      "livepatch: invalid access to vmlinux symbol 'jiffies' from module-specific livepatch relocation section",
    ]);
    expect(codesOf(bytes, { kernelVersion: { major: 5, minor: 7 } })).not.toContain("KLP413");
  });

  test.each([
    ["not_there,0", "livepatch: symbol 'not_there' not found in symbol table"],
    ["not_there,1", "livepatch: symbol 'not_there' not found in symbol table"],
    ["twin,0", "livepatch: unresolvable ambiguity for symbol 'twin' in object '(null)'"],
    ["twin,3", "livepatch: symbol position 3 for symbol 'twin' in object 'vmlinux' not found"],
    ["twin,2", null],
    ["show_one,1", null],
  ])("vmlinux: %s", (name, words) => {
    const bytes = symbolNamed(".klp.sym.vmlinux.show_one,0", `.klp.sym.vmlinux.${name}`);
    // The symbol is used in two sections; the first to be applied stops the loader.
    expect([...new Set(wordsOf(bytes))]).toEqual(words === null ? [] : [words]);
    expect(firstRefusal(problemsOf(bytes))?.at.section).toBe(words === null ? undefined : ".text.live_show_one");
  });

  test.each([
    ["not_there,0", "livepatch: symbol 'not_there' not found in symbol table"],
    ["setup,0", "livepatch: unresolvable ambiguity for symbol 'setup' in object 'demo_mod'"],
    ["setup,3", "livepatch: symbol position 3 for symbol 'setup' in object 'demo_mod' not found"],
    ["only_here,0", null],
  ])("a module: %s", (name, words) => {
    const bytes = symbolNamed(".klp.sym.demo_mod.state,0", `.klp.sym.demo_mod.${name}`);
    expect(wordsOf(bytes)).toEqual(words === null ? [] : [words]);
    // The livepatch itself loads; the fault shows when the module is there.
    expect(firstRefusal(problemsOf(bytes))).toBeNull();
  });

  test.each([
    ["setup,1", { coming: 1, live: 0, count: 1 }],
    ["setup,2", { coming: 2, live: 1, count: 1 }],
  ])("a module: %s changes its meaning once the module's init sections are gone", (name, data) => {
    const problems = problemsOf(symbolNamed(".klp.sym.demo_mod.state,0", `.klp.sym.demo_mod.${name}`));
    expect(problems.map((p) => [p.code, p.data])).toEqual([["KLP426", expect.objectContaining(data)]]);
  });

  test("a local static with another number: the near ones are offered", () => {
    const [problem] = problemsOf(symbolNamed(".klp.sym.vmlinux.show_one,0", ".klp.sym.vmlinux.helper.isra.48011,0"));
    expect(problem).toMatchObject({ code: "KLP414", data: { near: ["helper.isra.0"] } });
  });

  test("a section that is not kept in memory", () => {
    const withoutAlloc = (name: string) =>
      patched("x86_64", (file, out) => {
        out[file.sections.headerOffset(file.sections.findByName(name) ?? 0) + 8] = 0x40; // sh_flags, low byte
      });
    expect(codesOf(withoutAlloc(MODULE_SECTION))).toEqual(["KLP417"]);
    expect(codesOf(withoutAlloc(VMLINUX_SECTION))).toEqual([]);
    expect(codesOf(withoutAlloc(VMLINUX_SECTION), { kernelVersion: { major: 5, minor: 4 } })).toContain("KLP417");
  });

  test("a target that is not loaded", () => {
    const bytes = patched("x86_64", (file, out) => {
      const { sections } = file;
      out[sections.headerOffset(sections.findByName(MODULE_SECTION) ?? 0) + 44] = file.symbols?.section ?? 0;
    });
    expect(codesOf(bytes)).toEqual(["KLP418"]);
  });

  test.each([
    [".klp.rela.demo.ko..data.refs", "KLP419", "is for object `demo.ko`, but the kernel reads `demo`"],
    [".klp.rela.demo-mod..data.refs", "KLP428", "`demo-mod` is not a name that a module can have"],
    [".klp.rela.demo_mod..data.none", "KLP427", "relocates .data.refs, which its name does not say"],
  ])("an object's name that is read otherwise: %s", (name, code, title) => {
    const problems = problemsOf(patched("x86_64", renamed(MODULE_SECTION, name)));
    expect(problems.map((p) => p.code)).toEqual([code]);
    expect(titleOf(problems[0] as Problem)).toContain(title);
  });

  test("the one dot of the klp-convert of 2024 is fine", () => {
    expect(codesOf(patched("x86_64", renamed(MODULE_SECTION, ".klp.rela.demo_mod.data.refs")))).toEqual([]);
  });

  /** A livepatch relocation more, in a section of its own. */
  const addKlp = (
    part: Part,
    target: number,
    name: string,
    relocation: { offset: number; type: number; addend?: bigint; symbol: string },
  ): void => {
    const { edits } = part;
    const section = edits.addSection({
      name,
      type: 4,
      flags: 0x100042n,
      link: edits.symbolTable().section,
      info: target,
      addralign: 8,
      entsize: 24,
      data: new Uint8Array(0),
    });
    edits.addRelocation(section, {
      offset: relocation.offset,
      type: relocation.type,
      addend: relocation.addend ?? 0n,
      symbol: part.symbol(relocation.symbol),
    });
  };
  const STATE = ".klp.sym.demo_mod.state,0";

  test("an object's name of more than 55 bytes", () => {
    const long = "m".repeat(60);
    const bytes = broken("x86_64", (p) =>
      addKlp(p, p.section(".data.refs"), `.klp.rela.${long}..data.refs`, { offset: 0, type: 1, symbol: STATE }),
    );
    const problem = problemsOf(bytes).find((p) => p.code === "KLP419");
    expect(problem?.data).toMatchObject({ meant: long, read: "m".repeat(55), tooLong: true });
  });

  test("a symbol of a module in a section for vmlinux", () => {
    const bytes = symbolNamed(".klp.sym.vmlinux.show_one,0", ".klp.sym.demo_mod.only_here,0");
    expect(new Set(codesOf(bytes))).toEqual(new Set(["KLP429"]));
  });

  test.each(["__jump_table", ".static_call_sites", ".altinstructions", "__bug_table"])(
    "%s, read before a module's relocations are applied",
    (name) => {
      const bytes = broken("x86_64", (p) => {
        const fields = { type: 1, flags: 3n, link: 0, info: 0, addralign: 8, entsize: 0, data: new Uint8Array(336) };
        const target = p.edits.addSection({ name, ...fields });
        addKlp(p, target, `.klp.rela.demo_mod.${name}`, { offset: 8, type: 1, symbol: STATE });
      });
      expect(codesOf(bytes)).toEqual(["KLP430"]);
    },
  );

  test("a late write to text: only REL24 on ppc64le", () => {
    const late = (arch: Arch, offset: number, type: number, kernelVersion = { major: 7, minor: 2 }) =>
      codesOf(
        broken(arch, (p) =>
          addKlp(p, p.section(".text.live_only_here"), ".klp.rela.demo_mod..text.live_only_here", {
            offset,
            type,
            symbol: STATE,
          }),
        ),
        { kernelVersion },
      );
    expect(late("ppc64le", 8, 38)).toEqual(["KLP431"]);
    // No instruction has a pointer there, which is another matter.
    expect(late("x86_64", 8, 1)).toEqual(["KLP234"]);
    expect(late("arm64", 8, 257)).toEqual([]);
    // aarch64_insn_copy writes whole words only.
    expect(late("arm64", 9, 257)).toEqual(["KLP431"]);
    // Before, it stores directly: see lateWrites.test.ts.
    expect(late("arm64", 8, 257, { major: 6, minor: 12 })).toEqual(["KLP470"]);
  });

  test("an ordinary relocation against a livepatch symbol", () => {
    const use = (symbol: string) =>
      codesOf(
        broken("x86_64", (p) =>
          p.edits.addRelocation(p.table(".rela.data.patch").section, {
            offset: p.at("patch") + 100,
            type: 1,
            addend: 0n,
            symbol: p.symbol(symbol),
          }),
        ),
      );
    expect(use(STATE)).toEqual(["KLP432"]);
    // Livepatch sections stand behind ordinary ones: even a symbol of vmlinux has no value yet.
    expect(use(".klp.sym.vmlinux.show_one,0")).toEqual(["KLP432"]);
  });

  test("an addend cut to 32 bits", () => {
    const bytes = broken("x86_64", (p) => {
      const table = p.table(MODULE_SECTION);
      const row = p.row(table, 32);
      p.edits.removeRelocation(table, row);
      p.edits.addRelocation(table.section, { offset: 32, type: 1, symbol: table.symbol(row), addend: 0xffff_fff8n });
    });
    expect(problemsOf(bytes)).toMatchObject([{ code: "KLP433", data: { addend: "4294967288", likely: "-8" } }]);
  });

  test("a call's relocation that is off by the local entry offset", () => {
    const bytes = broken("ppc64le", (p) => {
      const table = p.table(VMLINUX_SECTION);
      p.edits.moveRelocation(table, 0, table.offset(0) + 8 + 8);
    });
    const found = problemsOf(bytes).find((p) => p.code === "KLP434");
    expect(found?.data).toEqual({ by: -8 });
  });

  test("a place that two relocations write", () => {
    const bytes = broken("x86_64", (p) =>
      p.edits.addRelocation(p.table(".rela.data.refs").section, {
        offset: 14, // the last two bytes of the pointer before
        type: 10,
        addend: 0n,
        symbol: p.symbol("patch"),
      }),
    );
    expect(codesOf(bytes)).toEqual(["KLP435", "KLP435"]);
  });

  test("no livepatch= in .modinfo", () => {
    const bytes = broken("x86_64", (p) => {
      const section = p.section(".modinfo");
      const at = Buffer.from(p.file.sections.data(section)).indexOf("livepatch=");
      p.edits.patch(section, at, Buffer.from("lovepatch="));
    });
    expect(wordsOf(bytes)).toEqual(["livepatch: module demo_patch is not marked as a livepatch module"]);
  });
});

describe("tables that the kernel reads", () => {
  test.each([
    ["x86_64", "__mcount_loc"],
    ["ppc64le", "__mcount_loc"],
    ["arm64", "__patchable_function_entries"],
  ] as const)("%s: %s of a size that is not a multiple, and an entry beside the profiling call", (arch, list) => {
    const odd = broken(arch, (p) => p.edits.append(p.section(list), new Uint8Array(3), 1));
    expect(codesOf(odd)).toEqual(["KLP436"]);
    const beside = broken(arch, (p) => {
      const table = p.table(`.rela${list}`);
      p.edits.removeRelocation(table, 0);
      p.edits.addRelocation(table.section, {
        offset: table.offset(0),
        type: POINTER[arch],
        symbol: table.symbol(0),
        addend: table.addend(0) + 8n,
      });
    });
    expect(codesOf(beside)).toEqual(["KLP437"]);
  });

  test("the second of two nops, on arm64 without nops in front of functions", () => {
    const named = (by: bigint) =>
      problemsOf(
        broken("arm64", (p) => {
          const table = p.table(".rela__patchable_function_entries");
          p.edits.removeRelocation(table, 0);
          const [offset, symbol, addend] = [table.offset(0), table.symbol(0), table.addend(0) + by];
          p.edits.addRelocation(table.section, { offset, type: 257, symbol, addend });
        }),
      );
    expect(named(0n)).toEqual([]);
    // ftrace_init_nop compares what the entry names, ftrace_make_call the word behind it.
    expect(named(4n).map((p) => [p.code, (p.data as { found?: unknown }).found])).toEqual([
      ["KLP437", { there: "live_show_one+0x8", wanted: "a nop", when: "trace" }],
    ]);
  });

  test("a symbol plus addend outside its section; the bias of a PC-relative field is taken off", () => {
    const target = (type: number, addend: bigint) =>
      codesOf(
        broken("x86_64", (p) => {
          const table = p.table(".rela.text.live_show_one");
          p.edits.removeRelocation(table, 0);
          const symbol = p.symbol("live_only_here");
          p.edits.addRelocation(table.section, { offset: table.offset(0), type, addend, symbol });
          // mov $...,%eax for a value, call for a distance
          if (type === 10) p.edits.patch(table.target, table.offset(0) - 1, new Uint8Array([0xb8]));
        }),
      );
    // .text.live_only_here has 21 bytes.
    expect(target(2, -4n)).toEqual([]);
    expect(target(2, -8n)).toEqual([]);
    expect(target(2, 17n)).toEqual([]);
    expect(target(2, 18n)).toEqual(["KLP438"]);
    expect(target(2, -9n)).toEqual(["KLP438"]);
    expect(target(10, 21n)).toEqual([]);
    expect(target(10, 22n)).toEqual(["KLP438"]);
    expect(target(10, -1n)).toEqual(["KLP438"]);
  });
});

describe("the patch's tables", () => {
  /** Removes the pointer at an offset of .data.patch. */
  const without = (table: string, offset: number) =>
    broken("x86_64", (p) => {
      const relocations = p.table(".rela.data.patch");
      p.edits.removeRelocation(relocations, p.row(relocations, p.at(table) + offset));
    });
  const withString = (from: string, to: string) =>
    broken("x86_64", (p) => {
      const section = p.section(".rodata.str1.1");
      const at = Buffer.from(p.file.sections.data(section)).indexOf(`${from}\0`);
      p.edits.patch(section, at, Buffer.from(to.padEnd(from.length, "\0")));
    });

  test.each([
    // klp_init_func, klp_init_object, klp_enable_patch: -EINVAL without a message.
    ["funcs", 0, "an entry has no old_name"],
    ["funcs", 8, "the entry of show_one has no new_func"],
    ["objs", 168 + 8, "object demo_mod has no functions"],
  ])("%s+%d: a missing pointer", (table, offset, what) => {
    const problems = problemsOf(without(table, offset));
    expect(problems.map((p) => [p.code, titleOf(p)])).toEqual([
      ["KLP440", `klp_enable_patch refuses the patch: ${what}`],
    ]);
  });

  test.each([
    ["no_such", "livepatch: symbol 'no_such' not found in symbol table"],
    ["twin", "livepatch: unresolvable ambiguity for symbol 'twin' in object '(null)'"],
    ["no_site", "livepatch: failed to find location for function 'no_site'"],
    ["weak_one", null],
  ])("old_name %s", (name, words) => {
    const bytes = withString("show_one", name);
    expect(wordsOf(bytes)).toEqual(words === null ? [] : [words]);
    if (words !== null) expect(firstRefusal(problemsOf(bytes))).not.toBeNull();
  });

  test("a position beyond the count", () => {
    const bytes = broken("x86_64", (p) =>
      p.edits.patch(p.section(".data.patch"), p.at("funcs") + 16, Uint8Array.of(2)),
    );
    expect(wordsOf(bytes)).toEqual([
      "livepatch: symbol position 2 for symbol 'show_one' in object 'vmlinux' not found",
    ]);
  });

  test("a function of a module that it does not have", () => {
    const problems = problemsOf(withString("only_here", "only_that"));
    expect(problems.map(kernelOf)).toEqual(["livepatch: symbol 'only_that' not found in symbol table"]);
    expect(firstRefusal(problems)).toBeNull();
  });

  test("an object called vmlinux, and one whose name has a dot", () => {
    expect(codesOf(withString("demo_mod", "vmlinux"))).toContain("KLP445");
    expect(codesOf(withString("demo_mod", "demo.ko"))).toContain("KLP428");
  });

  test("two entries for one function: position 0 and 1 are one folder in sysfs", () => {
    const bytes = broken("x86_64", (p) => {
      const table = p.table(".rela.data.patch");
      const second = p.at("funcs") + 152;
      for (const offset of [0, 8]) {
        const row = p.row(table, p.at("funcs") + offset);
        const copy = { type: table.type(row), symbol: table.symbol(row), addend: table.addend(row) };
        p.edits.addRelocation(table.section, { offset: second + offset, ...copy });
      }
      p.edits.patch(p.section(".data.patch"), second + 16, Uint8Array.of(1));
    });
    // The table now runs into the next one, whose function vmlinux does not have.
    expect(codesOf(bytes)).toContain("KLP441");
  });

  test("a replacement that is not code", () => {
    const bytes = broken("x86_64", (p) => {
      const table = p.table(".rela.data.patch");
      const row = p.row(table, p.at("funcs") + 8);
      p.edits.removeRelocation(table, row);
      p.edits.addRelocation(table.section, {
        offset: table.offset(row),
        type: 1,
        addend: 0n,
        symbol: p.symbol("patch"),
      });
    });
    expect(codesOf(bytes)).toEqual(["KLP443"]);
  });

  test("a named label inside a replacement", () => {
    const bytes = broken("x86_64", (p) =>
      p.edits.addSymbol({
        name: "inside",
        info: 0,
        other: 0,
        home: { kind: "section", section: p.section(".text.live_show_one") },
        value: 8n,
        size: 0,
      }),
    );
    expect(problemsOf(bytes)).toMatchObject([{ code: "KLP444", data: { size: 23, seen: 8, next: "inside" } }]);
  });
});

describe("metadata", () => {
  const withModinfo = (from: string, to: string) =>
    broken("x86_64", (p) => {
      const section = p.section(".modinfo");
      const at = Buffer.from(p.file.sections.data(section)).indexOf(from);
      if (at < 0) throw new Error(`no ${from}`);
      p.edits.patch(section, at, Buffer.from(to.padEnd(from.length, "\0")));
    });
  const VERMAGIC = "6.12.9-demo+ SMP preempt mod_unload modversions ";

  test("vermagic", () => {
    const bytes = withModinfo("preempt mod_unload modversions ", "mod_unload modversions ");
    const words = `demo_patch: version magic '${VERMAGIC.replace("preempt ", "")}' should be '${VERMAGIC}'`;
    expect(wordsOf(bytes)).toEqual([words]);
    expect(kernelOf(firstRefusal(problemsOf(bytes)) as Problem)).toBe(words);
  });

  test("no licence, or another one: symbols for the GPL only are not seen", () => {
    const words = "demo_patch: Unknown symbol klp_enable_patch (err -2)";
    expect(wordsOf(withModinfo("license=GPL", "license=XYZ"))).toEqual([words]);
    expect(wordsOf(withModinfo("license=GPL", "licence=GPL"))).toEqual([words]);
  });

  test("of two licences the first counts", () => {
    const words = "demo_patch: Unknown symbol klp_enable_patch (err -2)";
    const second = "license=GPL\0";
    const bytes = (first: string) =>
      broken("x86_64", (p) => {
        const section = p.section(".modinfo");
        const at = Buffer.from(p.file.sections.data(section)).indexOf("import_ns=DEMO_NS\0");
        p.edits.patch(section, at, Buffer.from(second.padEnd(18, "\0")));
        p.edits.patch(section, Buffer.from(p.file.sections.data(section)).indexOf("license=GPL"), Buffer.from(first));
      });
    expect(wordsOf(bytes("license=XYZ"))).toEqual([words]);
    expect(wordsOf(bytes("license=GPL"))).toEqual([]);
  });

  test("a weak reference to a symbol for the GPL only stays 0", () => {
    const bytes = broken("x86_64", (p) => {
      p.edits.setSymbol(p.symbol("exported_one"), { name: "exported_gpl", info: 0x20 });
      const section = p.section(".modinfo");
      const at = Buffer.from(p.file.sections.data(section)).indexOf("license=GPL");
      p.edits.patch(section, at, Buffer.from("license=XYZ"));
    });
    expect(wordsOf(bytes)).toEqual(["demo_patch: Unknown symbol klp_enable_patch (err -2)"]);
  });

  /** struct modversion_info: {crc u64, name[56]}. An entry that the module has is changed, by name. */
  const withVersion = (name: string, change: { crc?: number; name?: string }) =>
    broken("x86_64", (p) => {
      const section = p.section("__versions");
      const data = p.file.sections.data(section).slice();
      const at = Buffer.from(data).indexOf(`${name}\0`) - 8;
      if (change.crc !== undefined) new DataView(data.buffer).setUint32(at, change.crc, true);
      data.set(Buffer.from(change.name ?? name), at + 8);
      p.edits.patch(section, 0, data);
    });

  test("checksums", () => {
    expect(wordsOf(withVersion("exported_one", { crc: 0x11111112 }))).toEqual([
      "demo_patch: disagrees about version of symbol exported_one",
    ]);
    expect(wordsOf(withVersion("exported_one", { name: "exported_two" }))).toEqual([
      "demo_patch: no symbol version for exported_one",
    ]);
  });

  const withoutVersions = (p: Part): void => p.edits.patch(p.section("__versions"), 0, new Uint8Array(320));
  /** The section is there under another name, as if modpost had written none. */
  const unversioned = patched("x86_64", renamed("__versions", "__versionz"));

  test("no checksums at all: refused, or forced, as the kernel is configured; then the release must be the same", () => {
    expect(problemsOf(unversioned)).toMatchObject([{ code: "KLP514", data: { symbol: "exported_one" } }]);
    const other = unversioned.slice();
    other[Buffer.from(other).indexOf(VERMAGIC) + 5] = 0x38;
    expect(codesOf(other)).toEqual(["KLP502", "KLP514"]);
  });

  /** __version_ext_crcs and __version_ext_names: {crc u32} and names that end with 0, in one order (since 6.14). */
  const withExtended = (crcs: Readonly<Record<string, number>>) =>
    broken("x86_64", (p) => {
      withoutVersions(p);
      const fields = { type: 1, flags: 2n, link: 0, info: 0, addralign: 4, entsize: 0 };
      const data = new Uint8Array(new Uint32Array(Object.values(crcs)).buffer);
      p.edits.addSection({ ...fields, name: "__version_ext_crcs", data });
      const names = new Uint8Array(
        Buffer.from(
          Object.keys(crcs)
            .map((n) => `${n}\0`)
            .join(""),
        ),
      );
      p.edits.addSection({ ...fields, name: "__version_ext_names", data: names });
    });
  const at = (major: number, minor: number) => ({ kernelVersion: { major, minor } });

  test("extended checksums come before others, and may lack a name; kernels before 6.14 do not read them", () => {
    const good = withExtended({ klp_enable_patch: 0x44444444, exported_one: 0x11111111 });
    expect(codesOf(good, at(6, 14))).toEqual([]);
    expect(wordsOf(good, at(6, 13))).toEqual([
      "demo_patch: no symbol version for exported_one",
      "demo_patch: no symbol version for klp_enable_patch",
    ]);
    expect(codesOf(withExtended({ klp_enable_patch: 0x44444444 }), at(7, 2))).toEqual([]);
    const other = problemsOf(withExtended({ exported_one: 0x11111112, exported_twin: 0x11111111 }), at(7, 2));
    expect(other).toMatchObject([{ code: "KLP505", at: { section: "__version_ext_crcs" } }]);
  });

  test("with checksums the release may differ", () => {
    expect(codesOf(withModinfo("vermagic=6.12.9", "vermagic=6.12.8"))).toEqual([]);
  });

  test("a namespace that is not imported", () => {
    const bytes = (imported: boolean) =>
      broken("x86_64", (p) => {
        p.edits.setSymbol(p.symbol("exported_one"), { name: "exported_ns" });
        const section = p.section(".modinfo");
        const at = Buffer.from(p.file.sections.data(section)).indexOf("import_ns=");
        if (!imported) p.edits.patch(section, at, Buffer.from("imported_"));
      });
    expect(wordsOf(bytes(true))).toEqual([]);
    expect(wordsOf(bytes(false))).toEqual([
      "demo_patch: module uses symbol (exported_ns) from namespace DEMO_NS, but does not import it.",
    ]);
  });

  test("an export that the kernel or a module has already", () => {
    const exporting = (name: string) =>
      wordsOf(
        broken("x86_64", (p) => {
          const fields = { type: 1, flags: 2n, link: 0, info: 0, addralign: 4, entsize: 0, data: new Uint8Array(12) };
          const home = { kind: "section", section: p.edits.addSection({ name: "__ksymtab", ...fields }) } as const;
          p.edits.addSymbol({ name: `__ksymtab_${name}`, info: 0x10, other: 0, home, value: 0n, size: 0 });
        }),
      );
    expect(exporting("jiffies")).toEqual([]);
    expect(exporting("exported_gpl")).toEqual(["demo_patch: exports duplicate symbol exported_gpl (owned by kernel)"]);
    expect(exporting("demo_export")).toEqual(["demo_patch: exports duplicate symbol demo_export (owned by demo_mod)"]);
  });

  test("struct module of another size, or with its functions elsewhere, than in --reference", () => {
    const good = finished.get("x86_64") ?? new Uint8Array(0);
    const reference = (bytes: Uint8Array) => new ModuleFile(readElf(bytes), "reference.ko");
    expect(codesOf(good, { reference: reference(good) })).toEqual([]);
    const larger = broken("x86_64", (p) =>
      p.edits.append(p.section(".gnu.linkonce.this_module"), new Uint8Array(64), 1),
    );
    keep("KLP508-reference", larger);
    expect(wordsOf(good, { reference: reference(larger) })).toEqual([
      "module demo_patch: .gnu.linkonce.this_module section size must match the kernel's built struct module size at run time",
    ]);
    // 6.1 and 6.3 do not look, and say nothing.
    const before = { reference: reference(larger), kernelVersion: { major: 6, minor: 3 } };
    expect(codesOf(good, before)).toEqual(["KLP508"]);
    expect(wordsOf(good, before)).toEqual([null]);
    const moved = broken("x86_64", (p) => {
      const table = p.table(".rela.gnu.linkonce.this_module");
      p.edits.moveRelocation(table, 0, table.offset(0) + 8);
    });
    keep("KLP509-reference", moved);
    expect(codesOf(good, { reference: reference(moved) })).toEqual(["KLP509"]);
  });
});

test("a file that a producer left for a later step", () => {
  expect(codesOf(fixture("kpatch-x86_64"), {})).toContain("KLP420");
});
