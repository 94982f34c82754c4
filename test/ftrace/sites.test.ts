// Patch sites of small objects (test/fixtures/sites, made by make.sh there). Counts come from objdump and readelf
// (counts.txt), bytes of calls from the assembler and the linker (calls.txt), all others from the ABIs and the kernel.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Arch, findArchByName } from "../../src/arch/index.ts";
import { readElf } from "../../src/elf/reader.ts";
import { SiteBytesError, siteBytes } from "../../src/ftrace/bytes.ts";
import { CodeFile } from "../../src/ftrace/codeFile.ts";
import type { Form, FunctionEntry } from "../../src/ftrace/forms.ts";
import { buildOf, findRecord } from "../../src/ftrace/sites.ts";
import { readTables } from "../../src/ftrace/tables.ts";
import { sites } from "../../src/passes/sites.ts";
import { mutate } from "../fuzz/mutate.ts";
import { load, root } from "../helpers.ts";

const folder = "test/fixtures/sites";
const open = (name: string) => sites(load(`${folder}/${name}`), name);
const lines = (name: string): string[][] =>
  readFileSync(join(root, folder, name), "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(" "));

/** Functions of sites.c that the compiler instruments. */
const INSTRUMENTED = ["at_init", "calls", "local_one", "overridable", "plain"];

const WITH_TABLE: Readonly<Record<string, Form>> = {
  "x86-fentry.o": "fentry",
  "x86-fentry-ibt.o": "fentry",
  "x86-padding.o": "fentry",
  "x86-nop.o": "nop5",
  "x86-vmlinux": "fentry",
  "arm64-entry2.o": "patchable",
  "arm64-entry2-bti.o": "patchable",
  "arm64-entry4.o": "patchable before",
  "arm64-entry4-bti.o": "patchable before",
  "arm64-clang-entry2.o": "patchable",
  "arm64-clang-entry4-bti.o": "patchable before",
  "ppc64le-profile.o": "profile two",
};

describe("objects with a table", () => {
  test.each(Object.entries(WITH_TABLE))("%s: %s", (name, form) => {
    const { report } = open(name);
    const usable = report.functions.filter((s) => s.reason === null);
    expect(usable.map((s) => s.function.name).sort()).toEqual(INSTRUMENTED);
    expect(new Set(usable.map((s) => s.entry?.form))).toEqual(new Set([form]));
    expect(report.disagreements).toEqual([]);
    expect(report.functions.find((s) => s.function.name === "hidden")?.reason).toBe("none");
    // On ppc64le the loader knows no init sections: seen in available_filter_functions of a 6.12 kernel with modules.
    const init = name.startsWith("ppc64le") ? [] : ["at_init"];
    expect(usable.filter((s) => s.isInit).map((s) => s.function.name)).toEqual(init);
    for (const s of usable) expect(s.record).not.toBeNull();
  });
});

// ftrace_init_nop of each architecture, 6.1 to 7.2: what is compared at the place that an entry names.
test.each<[string, Arch["name"], number, (string | null)[]]>([
  ["x86-fentry.o", "x86_64", 0, [null]],
  ["x86-fentry.o", "x86_64", 1, ["call __fentry__"]],
  ["x86-nop.o", "x86_64", 0, [null]],
  ["arm64-entry2.o", "arm64", 0, [null]],
  ["arm64-entry2-bti.o", "arm64", 0, [null]],
  ["arm64-entry4.o", "arm64", 0, [null]],
  ["arm64-entry4-bti.o", "arm64", 0, [null]],
  ["arm64-entry2.o", "arm64", 4, ["a nop"]],
  ["arm64-entry4.o", "arm64", 4, ["a nop"]],
  ["ppc64le-profile.o", "ppc64le", 0, [null]],
  ["ppc64le-mcount-table.o", "ppc64le", 0, ["mflr r0"]], // behind the frame
  ["ppc64le-one-nop.o", "ppc64le", 0, [null]],
  ["ppc64le-one-nop.o", "ppc64le", 4, ["a nop", null]], // one function begins with a nop of its own
])("%s, entries moved by %3$i: what ftrace finds wrong", (name, arch, by, expected) => {
  const code = new CodeFile(readElf(load(`${folder}/${name}`)), arch);
  const rules = findArchByName(arch)?.sites;
  if (rules === undefined) throw new Error(arch);
  const build = buildOf(code, rules);
  const { entries } = readTables(code);
  expect(entries.length).toBeGreaterThan(1);
  const found = entries.map(({ place, table }) => {
    if (place === null) throw new Error("nowhere");
    const calls = code.relocationsOf(place.section);
    const isCalled = (at: number) => /mcount|__fentry__/.test(calls.get(at)?.symbol ?? "");
    const moved = { section: place.section, offset: place.offset + by };
    return rules.faultAt(code, moved, table, isCalled, build)?.expected ?? null;
  });
  expect([...new Set(found)]).toEqual(expected);
});

/** rec->ip relative to the function, as the architectures' ftrace_call_adjust gives it. */
test.each<[string, string, number]>([
  ["x86-fentry.o", "plain", 0],
  ["x86-fentry-ibt.o", "plain", 4],
  ["x86-fentry-ibt.o", "local_one", 0], // static and not called through a pointer: no endbr64
  ["arm64-entry2.o", "plain", 4],
  ["arm64-entry2-bti.o", "plain", 8],
  ["arm64-entry4.o", "plain", 4],
  ["arm64-entry4-bti.o", "plain", 8],
  ["arm64-entry4-bti.o", "local_one", 4],
  ["ppc64le-profile.o", "calls", 12],
  ["ppc64le-profile.o", "plain", 4], // a leaf without TOC use has one entry point
])("%s: the site of %s is at +%i", (name, of, offset) => {
  const { file, report } = open(name);
  const s = report.functions.find((f) => f.function.name === of);
  expect((s?.entry?.site ?? Number.NaN) - (s?.function.start ?? 0)).toBe(offset);
  const found = s === undefined ? null : findRecord(file, report, s.function);
  expect(found).toEqual({ section: s?.function.section, offset: s?.entry?.site });
});

describe("objects without a usable table", () => {
  test.each<[string, Form, string]>([
    ["x86-clang-fentry.o", "fentry", "no table"],
    ["x86-mcount.o", "x86 mcount", "form"],
    ["x86-clang-mcount.o", "x86 mcount", "form"],
    ["arm64-mcount.o", "arm64 mcount", "form"],
    ["ppc64le-profile-raw.o", "profile two", "no table"],
    ["ppc64le-mcount.o", "ppc mcount", "form"],
    ["ppc64le-clang-mcount.o", "ppc mcount", "form"],
    ["ppc64le-mcount-table.o", "ppc mcount", "form"],
    ["ppc64le-entry2.o", "nops before the global entry", "form"],
  ])("%s: %s, %s", (name, form, reason) => {
    const { report } = open(name);
    const instrumented = report.functions.filter((s) => s.entry !== null && INSTRUMENTED.includes(s.function.name));
    const odd = name === "ppc64le-entry2.o" ? ["plain"] : [];
    expect(instrumented.map((s) => s.function.name).sort()).toEqual(INSTRUMENTED);
    for (const s of instrumented.filter((f) => !odd.includes(f.function.name))) {
      expect([s.function.name, s.entry?.form, s.reason]).toEqual([s.function.name, form, reason]);
    }
    expect(report.disagreements).toEqual([]);
  });
});

test("counts are those of objdump and readelf", () => {
  const counted = lines("counts.txt");
  expect(counted.map(([name]) => name).sort()).toEqual(
    readdirSync(join(root, folder))
      .filter((n) => n.endsWith(".o"))
      .sort(),
  );
  for (const [name = "", calls, relocations] of counted) {
    const { report } = open(name);
    const { entries } = report.tables;
    // On x86 the padding in front of functions has a table that is not one of sites.
    const padding = name === "x86-padding.o" ? 5 : 0;
    expect([name, entries.filter((e) => !e.isZero).length + padding]).toEqual([name, Number(relocations)]);
    // One call in x86-odd.o belongs to no function.
    const nameless = name === "x86-odd.o" ? 1 : 0;
    const found = report.functions.filter((s) => s.entry?.isCall).length + nameless;
    expect([name, found]).toEqual([name, Number(calls)]);
  }
});

// Sorted and unsorted, in place and in dynamic relocations: readelf -rW shows R_AARCH64_RELATIVE with the place itself zero,
// R_PPC64_RELATIVE with the address in place too, and x86 addresses in place only.
test.each<[string, boolean, readonly string[]]>([
  ["arm64-vmlinux", true, ["inlined_and_kept", "user"]],
  ["ppc64le-vmlinux", false, INSTRUMENTED],
  ["x86-vmlinux", false, INSTRUMENTED],
])("%s: the table of a linked file, ascending: %s", (name, isSorted, functions) => {
  const { report } = open(name);
  expect(report.tables).toMatchObject({ names: ["__start_mcount_loc"], isSorted });
  expect(report.tables.entries).toHaveLength(functions.length);
  expect(report.disagreements).toEqual([]);
  const usable = report.functions.filter((s) => s.reason === null).map((s) => s.function.name);
  expect(usable.sort()).toEqual([...functions].sort());
});

test("a linker's label on the nops in front of a function is not a function with a site", () => {
  const { report } = open("arm64-vmlinux");
  expect(report.functions.filter((s) => s.record !== null).map((s) => s.entry?.form)).toEqual([
    "patchable before",
    "patchable before",
  ]);
});

test("forms that no compiler at hand writes", () => {
  const formsOf = (name: string) =>
    Object.fromEntries(open(name).report.functions.map((s) => [s.function.name, [s.entry?.form ?? null, s.reason]]));
  expect(formsOf("ppc64le-forms.o")).toEqual({
    three: ["profile three", null],
    two_nops: ["ppc patchable", null],
    label_nop: ["out of line", "nops"],
    assembler_label: [null, "label"],
  });
  expect(formsOf("ppc64le-one-nop.o")).toEqual({
    one_nop: ["out of line", null],
    own_nop: ["out of line", null],
  });
  expect(formsOf("arm64-forms.o")).toEqual({
    candidate_a: ["stp mov bl ldp", "form"],
    candidate_b: ["mov bl mov", "form"],
    loaded: ["mov x9", null],
  });
});

test("tables and code that contradict each other", () => {
  const { report } = open("x86-odd.o");
  expect(report.disagreements.map((d) => [d.kind, "record" in d ? d.record.index : d.function.name])).toEqual([
    ["twice", 3],
    ["nowhere", 5],
    ["overridden", 0],
    ["no site", 1],
    ["no record", "unlisted"],
  ]);
  expect(report.tables.isSorted).toBe(false);
  expect(Object.fromEntries(report.functions.map((s) => [s.function.name, s.reason]))).toEqual({
    good: null,
    unlisted: "table",
    wrong: "code",
    jump_label: "nops",
    "good.cold": "cold",
    assembler_label: "label",
    quiet: "section",
  });
});

describe("nops in front of a function", () => {
  const told = (name: string) =>
    open(name).report.disagreements.map((d) => [
      d.kind,
      "record" in d ? d.record.index : null,
      "near" in d ? (d.near?.name ?? null) : null,
    ]);
  const reasonsOf = (name: string) =>
    Object.fromEntries(open(name).report.functions.map((s) => [s.function.name, s.reason]));

  test("ppc64le, -fpatchable-function-entry=2,2: behind alignment, and at the beginning of a section", () => {
    expect(told("ppc64le-entry2-before.o")).toEqual([
      ["before", 0, "local_one"],
      ["before", 1, "plain"],
      ["before", 2, "calls"],
      ["before", 3, "at_init"],
      ["before", 4, "overridable"],
    ]);
    const expected = Object.fromEntries(INSTRUMENTED.map((n) => [n, "before"]));
    expect(reasonsOf("ppc64le-entry2-before.o")).toEqual({ ...expected, hidden: "none" });
  });
  test("beside code without a name, and a function's own nops", () => {
    expect(told("arm64-before.o")).toEqual([
      ["before", 0, "first"],
      ["before", 2, "five_two"],
      ["overridden", 3, "five_two"],
      ["no site", 5, "own"],
    ]);
    expect(reasonsOf("arm64-before.o")).toEqual({
      label: "label",
      first: "before",
      plain: null,
      five_two: "before",
      other: null,
      own: "code",
      last: null,
    });
  });
});

test("the kernel takes any record up to the next symbol, and none behind it", () => {
  const { file, report } = open("x86-odd.o");
  const found = (name: string) => {
    const s = report.functions.find((f) => f.function.name === name);
    return s === undefined ? undefined : (findRecord(file, report, s.function)?.offset ?? null);
  };
  // `wrong` gets the record inside it; `unlisted` and `jump_label` have none; a record of 5 bytes covers its own only.
  expect([found("good"), found("unlisted"), found("wrong"), found("jump_label")]).toEqual([0, null, 13, null]);
});

describe("bytes that the kernel writes", () => {
  const entry = (form: Form): FunctionEntry => ({ form, site: 0, tableEntry: 0, isCall: false });
  const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");
  const FORM: Readonly<Record<string, Form>> = { call: "fentry", bl: "profile two", b: "out of line" };

  test.each(lines("calls.txt"))(
    "%s %s at %s to %s",
    (arch = "", instruction = "", site = "", target = "", bytes = "") => {
      const form = arch === "arm64" ? "patchable" : (FORM[instruction] as Form);
      const at = { site: BigInt(site), target: BigInt(target) };
      const [written, ...more] = siteBytes(arch as "arm64", entry(form), "call", at, null);
      expect(more).toEqual([]);
      // arm64: mov x9,x30 stands before the call.
      expect(hex(written?.bytes)).toBe(arch === "arm64" ? `e9031eaa${bytes}` : bytes);
      expect(written?.offset).toBe(arch === "arm64" ? -4 : 0);
    },
  );
  // The words are those of the kernel's tables: nop 0f1f440000, d503201f, 60000000; mov x9,x30 aa1e03e9; mflr r0 7c0802a6.
  test.each<[Form, number, string]>([
    ["fentry", 0, "0f1f440000"],
    ["nop5", 0, "0f1f440000"],
    ["patchable", -4, "e9031eaa1f2003d5"],
    ["patchable before", -4, "e9031eaa1f2003d5"],
    ["arm64 mcount", 0, "1f2003d5"],
    ["profile two", 0, "00000060"],
    ["profile three", 0, "00000060"],
    ["ppc patchable", -4, "a602087c00000060"],
    ["out of line", 0, "00000060"],
    ["ppc mcount", 0, "08000048180041e8"],
  ])("%s as nop", (form, offset, bytes) => {
    const [written] = siteBytes("x86_64", entry(form), "nop", null, { major: 6, minor: 12 });
    expect([written?.offset, hex(written?.bytes)]).toEqual([offset, bytes]);
  });
  test("gcc 5's store is taken out by 7.2, and stays in 6.12", () => {
    const [written] = siteBytes("ppc64le", entry("profile three"), "nop", null, { major: 7, minor: 2 });
    expect([written?.offset, hex(written?.bytes)]).toEqual([-4, "0000006000000060"]);
  });
  test.each<[Form, bigint, boolean]>([
    ["fentry", 0x8000_0004n, true],
    ["fentry", 0x8000_0005n, false],
    ["fentry", -0x7fff_fffbn, true],
    ["fentry", -0x7fff_fffcn, false],
    ["patchable", 0x7ff_fffcn, true],
    ["patchable", 0x800_0000n, false],
    ["patchable", -0x800_0000n, true],
    ["patchable", -0x800_0004n, false],
    ["patchable", 2n, false],
    ["profile two", 0x1ff_fffcn, true],
    ["profile two", 0x200_0000n, false],
    ["profile two", -0x200_0000n, true],
    ["profile two", -0x200_0004n, false],
  ])("%s over %i: reach", (form, distance, reaches) => {
    const site = 0x1_0000_0000n;
    const write = () => siteBytes("x86_64", entry(form), "call", { site, target: site + distance }, null);
    if (reaches) expect(write).not.toThrow();
    else expect(write).toThrow(SiteBytesError);
  });
  test("a call needs addresses", () => {
    expect(() => siteBytes("x86_64", entry("fentry"), "call", null, null)).toThrow(SiteBytesError);
    expect(() => siteBytes("arm64", entry("mov bl mov"), "nop", null, null)).toThrow(SiteBytesError);
  });
});

test("any bytes are safe input", () => {
  for (const name of ["x86-odd.o", "arm64-entry4-bti.o", "ppc64le-forms.o", "x86-vmlinux", "arm64-vmlinux"]) {
    const sample = load(`${folder}/${name}`);
    for (let seed = 0; seed < 400; seed++) {
      try {
        const { report, file } = sites(mutate(sample, seed), name);
        for (const s of report.functions) findRecord(file, report, s.function);
      } catch (error) {
        if ((error as Error).name !== "Unusable") throw new Error(`${name}, seed ${seed}`, { cause: error });
      }
    }
  }
});
