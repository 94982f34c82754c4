import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Problem } from "../../../src/diag/catalogue.ts";
import type { Code } from "../../../src/diag/definitions.ts";
import { readElf } from "../../../src/elf/reader.ts";
import type { RelocationTable } from "../../../src/elf/views/relas.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { readVmlinux } from "../../../src/kernel/image/vmlinux.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
import { check } from "../../../src/passes/check.ts";
import { link } from "../../../src/passes/link.ts";
import { damagedAddend } from "../../../src/reloc/addend.ts";
import { arm64 } from "../../../src/reloc/arm64.ts";
import { ppc64le } from "../../../src/reloc/ppc64le.ts";
import { misplaced } from "../../../src/reloc/stand.ts";
import { x86_64 } from "../../../src/reloc/x86_64.ts";
import { load } from "../../helpers.ts";
import { collect } from "../collect.ts";
import { Part } from "../part.ts";

type Arch = "x86_64" | "ppc64le" | "arm64";
const rows = { x86_64, ppc64le, arm64 };
const defOf = (arch: Arch, name: string) => {
  const def = rows[arch].find((d) => d.name === name);
  if (def === undefined) throw new Error(name);
  return def;
};

function kernelOf(arch: Arch): Kernel {
  const fixtures = new URL("../../fixtures/kernel/", import.meta.url);
  const bytes = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, fixtures)));
  const demo = arch === "x86_64" ? "demo-mod.ko" : `demo-mod-${arch}.ko`;
  return new Kernel({
    vmlinux: readVmlinux(bytes(`vmlinux-${arch}`), "vmlinux"),
    modules: [new ModuleFile(readElf(bytes(demo)), "demo-mod.ko")],
  });
}
const kernels = { x86_64: kernelOf("x86_64"), ppc64le: kernelOf("ppc64le"), arm64: kernelOf("arm64") };

/** A finished livepatch module with one thing changed: what is found that is not found without the change. */
function problemsOf(arch: Arch, change: (part: Part) => void): Problem[] {
  const options = { file: "demo-patch.ko", kernel: kernels[arch] };
  const { output } = link(load(`test/fixtures/klp/patch-${arch}.o`), options);
  if (output === null) throw new Error("does not link");
  const part = new Part(output);
  change(part);
  const bytes = writeElf(part.edits);
  const { problems } = check(bytes, options);
  collect(bytes, problems);
  return [...problems];
}
const codesOf = (arch: Arch, change: (part: Part) => void): Code[] => problemsOf(arch, change).map((p) => p.code);

const CODE = ".rela.text.live_show_one";
/** Replaces a livepatch relocation of data by one with another type and addend. */
const data = (type: number, addend: bigint) => (p: Part) => {
  const table = p.table(".klp.rela.demo_mod..data.refs");
  const row = p.row(table, 32);
  p.edits.removeRelocation(table, row);
  p.edits.addRelocation(table.section, { offset: 32, type, symbol: table.symbol(row), addend });
};

describe("addends", () => {
  // R_X86_64_64 empty_zero_page+0x80000000 is what gcc writes for __pa_symbol: S - __START_KERNEL_map (0xffffffff80000000).
  test.each([
    ["R_X86_64_64", 0x8000_0000n],
    ["R_X86_64_64", 0x8000_0000n + 0x1000n],
    ["R_X86_64_32S", 0x8000_0000n],
    ["R_X86_64_32", 0x8000_0000n],
    ["R_X86_64_64", 0x7fff_0000_0000n],
    ["R_X86_64_PC32", -4n],
    ["R_X86_64_PC32", 0x3fff_ffffn],
  ] as const)("%s with %d is right", (name, addend) => {
    expect(damagedAddend(defOf("x86_64", name), addend)).toBeNull();
  });

  // Each is the low half of the addend that is meant, with a sign that it did not have or without the one that it had.
  test.each([
    ["x86_64", "R_X86_64_64", -0x8000_0000n, 0x8000_0000n],
    ["x86_64", "R_X86_64_64", -0x7fff_f000n, 0x8000_1000n],
    ["x86_64", "R_X86_64_32S", -0x8000_0000n, 0x8000_0000n],
    ["x86_64", "R_X86_64_64", 0xffff_fff8n, -8n],
    ["x86_64", "R_X86_64_PC32", 0xffff_fffcn, -4n],
    ["x86_64", "R_X86_64_PC64", 0xffff_fff0n, -16n],
    ["ppc64le", "R_PPC64_ADDR64", 0xffff_fff8n, -8n],
    ["ppc64le", "R_PPC64_REL32", 0xffff_fff8n, -8n],
    ["arm64", "R_AARCH64_ABS64", -0x8000_0000n, 0x8000_0000n],
    ["arm64", "R_AARCH64_PREL32", 0xffff_fff8n, -8n],
  ] as const)("%s: %s with %d went through 32 bits", (arch, name, addend, likely) => {
    expect(damagedAddend(defOf(arch, name), addend)).toEqual({ likely });
    expect(BigInt.asUintN(32, addend)).toBe(BigInt.asUintN(32, likely));
  });

  test.each([
    ["x86_64", "R_X86_64_PC32", 0x7fff_ffff_0000n],
    ["x86_64", "R_X86_64_PLT32", -0x7fff_ffff_0000n],
    ["x86_64", "R_X86_64_32S", 0x1_0000_0000n],
    ["x86_64", "R_X86_64_PC32", 0x8000_0000n],
    ["x86_64", "R_X86_64_PC32", -0x8000_0000n],
    ["ppc64le", "R_PPC64_REL24", 0x7fff_ffff_0000n],
    ["ppc64le", "R_PPC64_TOC16_HA", 0x7fff_ffff_0000n],
    ["ppc64le", "R_PPC64_PCREL34", 0x7fff_ffff_0000n],
    ["ppc64le", "R_PPC64_ADDR32", 0x7fff_ffff_0000n],
    ["arm64", "R_AARCH64_CALL26", 0x7fff_ffff_0000n],
    ["arm64", "R_AARCH64_PREL32", 0x7fff_ffff_0000n],
    ["arm64", "R_AARCH64_PREL16", 0x7fff_ffff_0000n],
    ["arm64", "R_AARCH64_ADR_PREL_PG_HI21", 0x7fff_ffff_0000n],
  ] as const)("%s: %s with %d: no symbol makes up for it", (arch, name, addend) => {
    expect(damagedAddend(defOf(arch, name), addend)).toEqual({ likely: null });
  });

  test("in a module", () => {
    expect(codesOf("x86_64", data(1, 0x8000_0000n))).toEqual([]);
    expect(problemsOf("x86_64", data(1, -0x8000_0000n))).toMatchObject([
      { code: "KLP433", data: { addend: "-2147483648", likely: "2147483648" } },
    ]);
    expect(problemsOf("x86_64", data(2, 0x7fff_ffff_0000n))).toMatchObject([
      { code: "KLP433", data: { name: "R_X86_64_PC32", likely: null } },
    ]);
    expect(codesOf("arm64", data(261, 0x7fff_ffff_0000n))).toEqual(["KLP433"]);
    expect(codesOf("ppc64le", data(26, 0x7fff_ffff_0000n))).toEqual(["KLP433"]);
    // Ordinary relocations, too.
    const ordinary = problemsOf("x86_64", (p) => {
      const table = p.table(".rela.data.patch");
      p.edits.removeRelocation(table, 0);
      p.edits.addRelocation(table.section, {
        offset: table.offset(0),
        type: 1,
        symbol: table.symbol(0),
        addend: -0x8000_0000n,
      });
    });
    expect(ordinary.map((p) => p.code)).toContain("KLP433");
  });
});

describe("places", () => {
  const code = (...words: number[]): DataView => {
    const view = new DataView(new ArrayBuffer(words.length * 4));
    for (const [i, word] of words.entries()) view.setUint32(i * 4, word, true);
    return view;
  };
  // Words as GNU as writes them for the instructions beside them.
  test.each([
    ["arm64", "R_AARCH64_CALL26", 0x9400_0000, "bl ."],
    ["arm64", "R_AARCH64_JUMP26", 0x1400_0000, "b ."],
    ["arm64", "R_AARCH64_CONDBR19", 0x5400_0001, "b.ne ."],
    ["arm64", "R_AARCH64_CONDBR19", 0xb500_0000, "cbnz x0, ."],
    ["arm64", "R_AARCH64_TSTBR14", 0x3600_0000, "tbz w0, #0, ."],
    ["arm64", "R_AARCH64_LD_PREL_LO19", 0x5800_0000, "ldr x0, ."],
    ["arm64", "R_AARCH64_ADR_PREL_LO21", 0x1000_0000, "adr x0, ."],
    ["arm64", "R_AARCH64_ADR_PREL_PG_HI21", 0x9000_0000, "adrp x0, ."],
    ["arm64", "R_AARCH64_ADD_ABS_LO12_NC", 0x9100_0000, "add x0, x0, #0"],
    ["arm64", "R_AARCH64_LDST64_ABS_LO12_NC", 0xf940_0000, "ldr x0, [x0]"],
    ["arm64", "R_AARCH64_LDST128_ABS_LO12_NC", 0x3dc0_0000, "ldr q0, [x0]"],
    ["arm64", "R_AARCH64_LDST64_ABS_LO12_NC", 0xf980_0000, "prfm pldl1keep, [x0]"],
    ["arm64", "R_AARCH64_MOVW_UABS_G1_NC", 0xf2a0_0000, "movk x0, #0, lsl #16"],
    ["ppc64le", "R_PPC64_REL24", 0x4800_0001, "bl ."],
    ["ppc64le", "R_PPC64_REL24", 0x4800_0000, "b ."],
    ["ppc64le", "R_PPC64_PCREL34", 0x0610_0000, "the prefix of pla r3, 0"],
  ] as const)("%s: %s stands at %o (%s), not at a nop, nor at an odd offset", (arch, name, word, _text) => {
    const def = defOf(arch, name);
    const nop = arch === "arm64" ? 0xd503_201f : 0x6000_0000;
    expect(misplaced(def, code(nop, word, word), 4, true)).toBeNull();
    expect(misplaced(def, code(nop, word, word), 0, true)).toContain("is not");
    expect(misplaced(def, code(word, word, word), 1, true)).toContain("multiples of 4");
  });

  test.each([
    ["call", [0xe8]],
    ["jmp", [0xe9]],
    ["jne", [0x0f, 0x85]],
    ["mov rax, [rip]", [0x48, 0x8b, 0x05]],
    ["lea rdi, [rip]", [0x48, 0x8d, 0x3d]],
    ["cmp dword [rip], imm8", [0x83, 0x3d]],
    ["jmp [rip]", [0xff, 0x25]],
  ] as const)("x86_64: PC32 stands behind %s", (_text, before) => {
    for (const name of ["R_X86_64_PC32", "R_X86_64_PLT32"]) {
      const def = defOf("x86_64", name);
      const view = new DataView(Uint8Array.from([...before, 0, 0, 0, 0, 0x90]).buffer);
      expect(misplaced(def, view, before.length, true)).toBeNull();
      // One byte on, the distance's own zero byte stands before the place.
      expect(misplaced(def, view, before.length + 1, true)).toContain("no call");
    }
  });

  test("in modules: a relocation moved beside its instruction, or an instruction replaced", () => {
    const moved = (by: number) => (p: Part) => {
      const table = p.table(CODE);
      p.edits.moveRelocation(table, 0, table.offset(0) + by);
    };
    expect(codesOf("x86_64", moved(2))).toEqual(["KLP234"]);
    expect(codesOf("arm64", moved(2))).toEqual(["KLP234"]);
    expect(codesOf("arm64", moved(4))).toEqual(["KLP234"]);
    const nop = problemsOf("arm64", (p) =>
      p.edits.patch(p.section(".text.live_show_one"), p.table(CODE).offset(0), Uint8Array.of(0x1f, 0x20, 0x03, 0xd5)),
    );
    expect(nop).toMatchObject([{ code: "KLP234", data: { name: "R_AARCH64_CALL26", symbol: "exported_one" } }]);
    expect(nop.map((p) => p.data)).toMatchObject([{ reason: "the word there, d503201f, is not b or bl" }]);
    // Calls of a local function are not the business of the audit of calls, which looks at external ones.
    const local = problemsOf("ppc64le", (p) =>
      p.edits.addRelocation(p.table(CODE).section, {
        offset: 8,
        type: 10,
        symbol: p.symbol("live_only_here"),
        addend: 0n,
      }),
    );
    expect(local).toMatchObject([{ code: "KLP234", data: { name: "R_PPC64_REL24" } }]);
  });

  // test/fixtures/later/forms.o: a function of instructions of each form, with references where gas puts them.
  test("x86_64: a value beside the field of its instruction, or in a distance's place", () => {
    const found = (change: (p: Part, table: RelocationTable) => void) => {
      const part = new Part(load("test/fixtures/later/forms.o"));
      change(part, part.table(".rela.text"));
      const { problems } = check(writeElf(part.edits), { file: "forms.o" });
      return problems.flatMap((p) =>
        p.code === "KLP234" ? [[p.data.name, p.at.function?.offset, p.data.reason]] : [],
      );
    };
    expect(found(() => {})).toEqual([]);
    const first = (table: RelocationTable, type: number): number => {
      for (let row = 0; row < table.count; row++) if (table.type(row) === type) return row;
      throw new Error(`no type ${type}`);
    };
    for (const [type, bytes] of [
      [1, 8],
      [10, 4],
      [11, 4],
    ] as const) {
      const [beside] = found((p, table) => {
        const row = first(table, type);
        p.edits.moveRelocation(table, row, table.offset(row) - 1);
      });
      expect(beside?.[2]).toContain(`no address or constant of ${bytes} bytes begins`);
    }
    // call there: R_X86_64_32S in place of R_X86_64_PLT32.
    const call = found((p, table) => {
      const symbol = table.symbol(0);
      p.edits.removeRelocation(table, 0);
      p.edits.addRelocation(table.section, { offset: 1, type: 11, symbol, addend: 0n });
    });
    expect(call).toEqual([
      ["R_X86_64_32S", 1, "no address or constant of 4 bytes begins 1 byte into the instruction there"],
    ]);
  });

  test("what another rule says is not said again", () => {
    const external = codesOf("ppc64le", (p) =>
      p.edits.addRelocation(p.table(CODE).section, {
        offset: 8,
        type: 10,
        symbol: p.symbol("exported_one"),
        addend: 0n,
      }),
    );
    expect(external).toEqual(["KLP303"]);
  });
});

describe("ppc64le: types that reach the module's own sections only", () => {
  const use = (type: number, symbol: (p: Part) => number) =>
    codesOf("ppc64le", (p) =>
      p.edits.addRelocation(p.table(CODE).section, { offset: 8, type, symbol: symbol(p), addend: 0n }),
    );
  const klp = (p: Part) => p.table(".klp.rela.vmlinux..text.live_show_one").symbol(0);
  test.each([48, 50, 63, 64, 250, 252])("type %i", (type) => {
    expect(use(type, (p) => p.symbol("exported_one"))).toEqual(["KLP235"]);
    expect(use(type, klp)).toContain("KLP235");
    expect(use(type, (p) => p.symbol("live_only_here"))).toEqual([]);
  });
});

test("a section of nothing but zeros holds no code, so that no place in it can be wrong", () => {
  const text = readElf(load("test/fixtures/klp/kpatch-x86_64.o")).sections;
  expect(text.data(text.findByName(".text.patched_show") ?? 0).every((b) => b === 0)).toBe(true);
  const { problems } = link(load("test/fixtures/klp/kpatch-x86_64.o"), {
    file: "x.o",
    kernelVersion: { major: 6, minor: 1 },
  });
  expect(problems).toEqual([]);
});
