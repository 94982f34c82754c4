import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { kernelOf, titleOf } from "../../src/diag/catalogue.ts";
import { readElf } from "../../src/elf/reader.ts";
import { ElfEdits } from "../../src/elf/writer/edits.ts";
import { writeElf } from "../../src/elf/writer.ts";
import { readVmlinux } from "../../src/kernel/image/vmlinux.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { ModuleFile } from "../../src/kernel/module/moduleFile.ts";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import { parseSymvers } from "../../src/kernel/symbols/symvers.ts";
import { parseKernelVersion } from "../../src/kernel/version.ts";
import { hasFact, isKnownVersion, versionFacts } from "../../src/kernel/versionFacts.ts";
import { check } from "../../src/passes/check.ts";
import { type LinkResult, link } from "../../src/passes/link.ts";
import { asText, fixture, readRelocations } from "../klp/readBack.ts";

// Undefined symbols of a plain object that belong to modules. Files: test/fixtures/kernel and test/fixtures/klp.

const folder = fileURLToPath(new URL("../fixtures/kernel/", import.meta.url));
const file = (name: string): Uint8Array => new Uint8Array(readFileSync(folder + name));
const vmlinux = readVmlinux(file("vmlinux-x86_64"), "vmlinux");
const demo = new ModuleFile(readElf(file("demo-mod.ko")), "demo-mod.ko");
/** Has a local function first_unlikely and a global one patched_show; demo_mod depends on it by name. */
const other = new ModuleFile(readElf(fixture("kpatch-x86_64")), "other.ko", "other-mod");

/** The livepatch module of patch.s, which patches vmlinux and demo_mod, with one symbol of another name. */
function using(name: string, weak = false): Uint8Array {
  const edits = new ElfEdits(readElf(fixture("patch-x86_64")));
  const { symbols } = edits.file;
  for (let i = 1; i < (symbols?.count ?? 0); i++) {
    if (symbols?.name(i) === "state") edits.setSymbol(i, { name, ...(weak ? { info: 0x20 } : {}) });
  }
  return writeElf(edits);
}
const run = (bytes: Uint8Array, kernel: Kernel, positions: Readonly<Record<string, number>> = {}): LinkResult =>
  link(bytes, { file: "x.ko", kernel, positions: new Map(Object.entries(positions)) });
const place = (result: LinkResult): string | undefined =>
  result.output === null
    ? undefined
    : [...asText(readRelocations(result.output, true)), ...asText(readRelocations(result.output, false))]
        .find((line) => line.includes(" .data.refs+32 "))
        ?.replace(" .data.refs+32 1", "");
const codes = (result: LinkResult): string[] => result.problems.map((p) => p.code);

describe("a symbol of a module", () => {
  const both = new Kernel({ vmlinux, modules: [demo, other] });

  test("of the patched module: its own section", () => {
    expect(place(run(using("only_here"), both))).toBe(".klp.rela.demo_mod..data.refs .klp.sym.demo_mod.only_here,0 -8");
  });

  test("in a table that the kernel reads before it applies them: neither linked nor passed (KLP430)", () => {
    const named = using("only_here");
    const table = named.slice();
    // Both names have ten bytes; that of the relocation section ends in it, too.
    table.set(Buffer.from(".smp_locks"), Buffer.from(table).indexOf(".data.refs\0"));
    const options = { file: "x.ko", kernel: both };
    expect(codes(run(named, both))).toEqual([]);
    expect(check(named, options).problems.map((p) => p.code)).not.toContain("KLP430");
    const result = run(table, both);
    expect([result.output, codes(result)]).toEqual([null, ["KLP430"]]);
    // The first of the section: another relocation at 16 waits for the module, too.
    const said = check(table, options).problems.filter((p) => p.code === "KLP430");
    expect(said.map((p) => [p.at.section, p.at.offset])).toEqual([[".smp_locks", 16]]);
    expect(link(table, { ...options, force: true }).output).not.toBe(null);
  });

  test("of a module that the patched one depends on: section and symbol name different objects", () => {
    expect(place(run(using("first_unlikely"), both))).toBe(
      ".klp.rela.demo_mod..data.refs .klp.sym.other_mod.first_unlikely,0 -8",
    );
  });

  test("of a module that nothing patched needs", () => {
    const stranger = new ModuleFile(readElf(fixture("kpatch-x86_64")), "stranger.ko", "stranger");
    const result = run(using("first_unlikely"), new Kernel({ vmlinux, modules: [demo, stranger] }));
    expect(codes(result)).toEqual(["KLP425"]);
    expect(titleOf(result.problems[0] as never)).toBe(
      "first_unlikely is in module stranger, which this patch does not patch",
    );
  });

  test("in two modules", () => {
    const twin = new ModuleFile(readElf(fixture("kpatch-x86_64")), "third.ko", "third");
    expect(codes(run(using("first_unlikely"), new Kernel({ vmlinux, modules: [demo, other, twin] })))).toEqual([
      "KLP424",
    ]);
  });

  test("that only a list names: the module itself is needed", () => {
    const symvers = {
      source: "Module.symvers",
      exports: parseSymvers(Buffer.from("0x00000000\tfar_away\tfar/mod\tEXPORT_SYMBOL\t\n")),
    };
    const result = run(using("far_away"), new Kernel({ vmlinux, modules: [demo], symvers }));
    // Exported by a module that is not patched: an ordinary import.
    expect(codes(result)).toEqual([]);
    expect(place(result)).toBe(".rela.data.refs far_away -8");
  });

  test("weak and nowhere: left alone", () => {
    const result = run(using("nowhere", true), both);
    expect(codes(result)).toEqual([]);
    expect(place(result)).toBe(".rela.data.refs nowhere -8");
    expect(codes(run(using("nowhere"), both))).toEqual(["KLP401"]);
  });

  test("several of one name: a position, counted in symbol table order", () => {
    const result = run(using("setup"), both);
    expect(codes(result)).toEqual(["KLP402"]);
    expect(result.problems[0]?.data).toMatchObject({
      object: "demo_mod",
      candidates: [
        { position: 1, place: ".init.text+0x0" },
        { position: 2, place: ".text+0x10" },
      ],
    });
    // COMING counts both, LIVE only the one in .text: no position is right for both.
    const chosen = run(using("setup"), both, { "demo_mod:setup": 2 });
    expect(codes(chosen)).toEqual(["KLP426"]);
    expect(chosen.problems[0]?.data).toMatchObject({ coming: 2, live: 1, count: 1 });
    expect(place(chosen)).toBe(".klp.rela.demo_mod..data.refs .klp.sym.demo_mod.setup,2 -8");
    const gone = run(using("setup"), both, { setup: 1 });
    expect(gone.problems[0]?.data).toMatchObject({ coming: 1, live: 0 });
    expect(codes(run(using("setup"), both, { "demo_mod:setup": 3 }))).toEqual(["KLP406"]);
  });
});

describe("exports for some modules only (module: namespaces)", () => {
  const kernelWith = (namespace: string): Kernel =>
    new Kernel({
      list: vmlinux.list,
      symvers: {
        source: "y",
        exports: parseSymvers(Buffer.from(`0x0\tshow_one\tvmlinux\tEXPORT_SYMBOL\t${namespace}\n`)),
      },
      modules: [demo],
    });
  test.each([
    ["module:kvm", ".klp.rela.vmlinux..data.refs .klp.sym.vmlinux.show_one,0 -8"],
    ["module:kvm,demo-*", ".rela.data.refs show_one -8"],
    ["module:demo_patch", ".rela.data.refs show_one -8"],
  ])("%s", (namespace, expected) => {
    expect(place(run(using("show_one"), kernelWith(namespace)))).toBe(expected);
  });

  // verify_namespace_is_imported (kernel/module/main.c, 6.16 on): such an export of another module cannot be imported either.
  test.each([
    ["module:kvm", ["KLP504"]],
    ["module:kvm,demo-*", []],
    ["module:demo_patch", []],
  ] as const)("%s, of a module", (namespace, expected) => {
    const line = `0x0\tfar_away\tfar\tEXPORT_SYMBOL\t${namespace}\n`;
    const symvers = { source: "y", exports: parseSymvers(Buffer.from(line)) };
    const kernel = new Kernel({ list: vmlinux.list, symvers, modules: [demo] });
    const { problems } = check(using("far_away"), { file: "user.ko", kernel });
    const said = problems.filter((p) => p.code === "KLP504");
    expect(said.map((p) => p.code)).toEqual(expected);
    for (const p of said)
      expect(kernelOf(p)).toBe(
        "demo_patch: module uses symbol (far_away) from namespace module:kvm, but does not import it.",
      );
  });
});

// Compiled from sites.c, where hidden has no site; the other functions have one each (test/fixtures/sites/make.sh).
const sites = fileURLToPath(new URL("../fixtures/sites/", import.meta.url));
test.each([
  "arm64-entry4",
  "arm64-entry4-bti",
  "arm64-clang-entry4-bti",
  "arm64-entry2",
  "arm64-entry2-bti",
  "x86-fentry",
])("functions of a module that ftrace can patch: %s", (name) => {
  const module = new ModuleFile(readElf(new Uint8Array(readFileSync(`${sites}${name}.o`))), name);
  const has = (symbol: string): boolean | null | undefined =>
    module.find(symbol).map((s) => module.hasFtraceSite(s))[0];
  expect(["local_one", "plain", "calls", "at_init", "overridable"].map(has)).toEqual([true, true, true, true, true]);
  // The entry of the function behind it stands in front of that function's first byte.
  expect(has("hidden")).toBe(false);
});

test("a fact that stable releases have, too: by the release's third number, where it is told", () => {
  const has = (release: string): boolean => hasFact(parseKernelVersion(release), "ppcLateCalls");
  expect(
    ["5.15.10", "5.15.11", "5.15.11-rt4", "5.15.0-91-generic", "5.15", "5.14.21", "5.16", "5.16.0"].map(has),
  ).toEqual([...[false, true, true, false, false, false, true, true]]);
  expect(hasFact(null, "ppcLateCalls")).toBe(true);
});

test("the table of version differences lies in the supported range, and is sorted out by release", () => {
  for (const [name, { since }] of Object.entries(versionFacts)) {
    expect(isKnownVersion({ major: since[0], minor: since[1] }), name).toBe(true);
  }
  expect(isKnownVersion({ major: 4, minor: 14 })).toBe(false);
  expect(isKnownVersion({ major: 7, minor: 3 })).toBe(false);
});

test("where nothing is known of vmlinux, a module's unexported namesake says nothing", () => {
  // macb uses phy_exit of vmlinux, and libphy, which it needs, has a static function of that name (Debian's arm64 kernels).
  const { problems } = check(using("first_unlikely"), { file: "user.ko", kernel: new Kernel({ modules: [other] }) });
  expect(problems.map((p) => p.code).filter((code) => /^KLP4(?:0|10|24|25)/.test(code))).toEqual([]);
});

describe("a kernel whose list has functions only (a bootable kernel without CONFIG_KALLSYMS_ALL)", () => {
  const text = [...vmlinux.list.names()]
    .flatMap((name) => vmlinux.list.find(name).map((s) => ({ ...s, name })))
    .filter((s) => /t/i.test(s.letter))
    .map((s) => `${s.address.toString(16).padStart(16, "0")} ${s.letter} ${s.name}`);
  const list = parseSymbols(Buffer.from(`${text.join("\n")}\n`), "vmlinuz");
  const kernel = new Kernel({ vmlinux: { ...vmlinux, list } });

  test("its own table tells exports", () => {
    expect(list.hasExports).toBe(false);
    expect(kernel.hasExports).toBe(true);
    expect(kernel.exports("exported_one")).toBe(true);
    const bytes = using("exported_one");
    expect(check(bytes, { file: "user.o", kernel }).problems.map((p) => p.code)).not.toContain("KLP404");
    expect(check(bytes, { file: "user.o", kernel: new Kernel({ list }) }).problems.map((p) => p.code)).toContain(
      "KLP404",
    );
  });
});

test("what is known of the kernel itself is found out once, however many modules are added", () => {
  const names = vi.spyOn(vmlinux.list, "hasNameWith");
  const kernel = new Kernel({ vmlinux });
  const first = kernel.withModules([demo]);
  expect(first.hasLivepatch).toBe(kernel.withModules([other]).hasLivepatch);
  expect(kernel.hasLivepatch).toBe(first.hasLivepatch);
  expect(names).toHaveBeenCalledTimes(1);
  expect(first.placedSymbols("vmlinux")).toBe(kernel.placedSymbols("vmlinux"));
  names.mockRestore();
});
