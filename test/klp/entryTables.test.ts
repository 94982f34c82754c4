import { describe, expect, test } from "vitest";
import { titleOf } from "../../src/diag/catalogue.ts";
import { readElf } from "../../src/elf/reader.ts";
import { writeElf } from "../../src/elf/writer.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { siteTablesOf } from "../../src/kernel/machines.ts";
import { ModuleFile } from "../../src/kernel/module/moduleFile.ts";
import { addressesOf } from "../../src/kernel/running/addresses.ts";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import type { SymbolList } from "../../src/kernel/symbols/symbolList.ts";
import { check } from "../../src/passes/check.ts";
import { image } from "../../src/passes/image/image.ts";
import { link } from "../../src/passes/link.ts";
import { load } from "../helpers.ts";
import { Part } from "./part.ts";
import { fixture, readRelocations } from "./readBack.ts";

// Sections in which compilers list places at function entries. Which of them ftrace reads: FTRACE_CALLSITE_SECTION in
// include/linux/ftrace.h of 6.1, 6.12 and 7.2. The objects are entries.c, compiled by gcc 12 as kernels are: x86_64 with
// CONFIG_CALL_PADDING, arm64 with DYNAMIC_FTRACE_WITH_CALL_OPS, ppc64le with ARCH_USING_PATCHABLE_FUNCTION_ENTRY.

const ARCHES = [
  { arch: "x86_64", machine: 62, table: "__mcount_loc", pointer: 1, text: 0xffff_ffff_8100_0000n },
  { arch: "arm64", machine: 183, table: "__patchable_function_entries", pointer: 257, text: 0xffff_8000_8000_0000n },
  { arch: "ppc64le", machine: 21, table: "__patchable_function_entries", pointer: 38, text: 0xc000_0000_0000_0000n },
] as const;
type Arch = (typeof ARCHES)[number];

/** A kernel that has what entries.c needs, as kallsyms shows it. */
function kernelList({ text }: Arch): SymbolList {
  const exported = ["exported_one", "klp_enable_patch", "__fentry__"];
  const names = [
    "T _stext",
    "T ftrace_caller",
    "t show_one",
    "T weak_one",
    ...exported.map((n) => `T ${n}`),
    ...exported.map((n) => `r __ksymtab_${n}`),
  ];
  const lines = names.map((name, i) => `${(text + BigInt(i * 32)).toString(16)} ${name}\n`);
  return parseSymbols(Buffer.from(lines.join("")), "kallsyms");
}

describe.each(ARCHES)("$arch", (row) => {
  const { arch, machine, table, pointer } = row;
  const kernel = new Kernel({ list: kernelList(row) });
  const codes = (bytes: Uint8Array): string[] =>
    check(bytes, { file: "entries.ko", kernel }).problems.map((p) => `${p.code}: ${titleOf(p)}`);
  const linked = link(fixture(`entries-${arch}`), { file: "entries.o", kernel });

  test("a livepatch compiled as its kernel was is linked, and the output has nothing to report", () => {
    expect(linked.problems.map(titleOf)).toEqual([]);
    const output = linked.output ?? new Uint8Array(0);
    expect(codes(output)).toEqual([]);
    const waiting = readRelocations(output, true).filter((r) => r.symbol.includes("show_one"));
    expect(waiting.map((r) => [r.table, r.symbol])).toEqual([
      [".klp.rela.vmlinux..text.live_show_one", ".klp.sym.vmlinux.show_one,0"],
    ]);
  });

  test(`an entry of ${table} beside its place is refused, by check and by link`, () => {
    for (const bytes of [linked.output ?? new Uint8Array(0), fixture(`entries-${arch}`)]) {
      const part = new Part(bytes);
      const rows = part.table(`.rela${table}`);
      part.edits.removeRelocation(rows, 0);
      part.edits.addRelocation(rows.section, {
        offset: rows.offset(0),
        type: pointer,
        symbol: rows.symbol(0),
        addend: rows.addend(0) + 20n,
      });
      const beside = writeElf(part.edits);
      expect(codes(beside).filter((c) => c.startsWith("KLP437"))).toHaveLength(1);
      const again = link(beside, { file: "entries.o", kernel });
      expect(again.problems.map((p) => p.code)).toContain("KLP437");
    }
  });

  test.skipIf(arch === "x86_64")("an entry that names the second of two nops", () => {
    const [part, moved] = [new Part(fixture(`entries-${arch}`)), 4n];
    const rows = part.table(`.rela${table}`);
    const [offset, symbol, addend] = [rows.offset(1), rows.symbol(1), rows.addend(1) + moved];
    part.edits.removeRelocation(rows, 1);
    part.edits.addRelocation(rows.section, { offset, type: pointer, symbol, addend });
    const problems = check(writeElf(part.edits), { file: "entries.ko", kernel }).problems;
    const found = problems.filter((p) => p.code === "KLP437");
    expect(found).toHaveLength(1);
    // ppc64le, ftrace_init_nop: both words are compared when the module loads. arm64: the first one is; the second when the function
    // is traced. With CALL_OPS the first is 8 bytes behind the entry (ftrace_call_adjust of 6.12 and 7.2).
    expect(found[0]?.data).toMatchObject({ found: { wanted: "a nop", when: arch === "arm64" ? "trace" : "load" } });
  });

  test("a size that is not a multiple of an entry counts where ftrace reads the section", () => {
    const names: readonly string[] = siteTablesOf(machine);
    expect(names).toContain(table);
    for (const name of ["__mcount_loc", "__patchable_function_entries"]) {
      const file = readElf(fixture(`entries-${arch}`));
      if (file.sections.findByName(name) === null) continue;
      const part = new Part(fixture(`entries-${arch}`));
      part.edits.append(part.section(name), new Uint8Array(3), 1);
      const found = codes(writeElf(part.edits)).filter((c) => c.startsWith("KLP436"));
      expect([name, found.length]).toEqual([name, names.includes(name) ? 1 : 0]);
    }
  });

  test("a function without a profiling call cannot be patched, whatever stands behind it", () => {
    const object = new ModuleFile(readElf(fixture(`entries-${arch}`)), "entries.o");
    const whole = new ModuleFile(readElf(load("test/fixtures/sites/x86-padding.o")), "x86-padding.o");
    for (const module of arch === "x86_64" ? [object, whole] : [object]) {
      const sites = ["hidden", "behind", "overridable", "calls"].flatMap((name) =>
        module.find(name).map((symbol) => [name, module.hasFtraceSite(symbol)]),
      );
      expect(sites.length).toBeGreaterThan(1);
      for (const [name, has] of sites) expect([name, has]).toEqual([name, name !== "hidden"]);
    }
  });

  test.each(siteTablesOf(machine))("%s is sorted when the module loads", (name) => {
    const part = new Part(linked.output ?? new Uint8Array(0));
    const rows = part.table(`.rela${table}`);
    const places = [...Array(rows.count).keys()].map((i) => ({ symbol: rows.symbol(i), addend: rows.addend(i) }));
    for (let i = places.length - 1; i >= 0; i--) part.edits.removeRelocation(rows, i);
    for (const [i, place] of places.reverse().entries()) {
      part.edits.addRelocation(rows.section, { offset: i * 8, type: pointer, ...place });
    }
    const shuffled = writeElf(part.edits);
    // The relocation section's name ends with the table's, and both share the bytes.
    const bytes = Buffer.from(shuffled);
    bytes.write(name.padEnd(table.length, "\0"), bytes.indexOf(`.rela${table}\0`) + ".rela".length, "latin1");
    const entries = (stage: "relocated" | "loaded"): bigint[] => {
      const { image: result, problems } = image(bytes, {
        file: "entries.ko",
        kernel: addressesOf(kernelList(row)),
        placement: { bases: new Map(), sections: new Map(), percpu: null },
        stage,
      });
      const data = result?.sections.find((s) => s.name === name)?.bytes;
      if (data === undefined) throw new Error(problems.map(titleOf).join("; "));
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
      return [...places.keys()].map((i) => view.getBigUint64(i * 8, true));
    };
    const sorted = [...entries("relocated")].sort((a, b) => (a < b ? -1 : 1));
    expect(entries("relocated")).not.toEqual(sorted);
    expect(entries("loaded")).toEqual(sorted);
  });
});
