// Instructions beside diagnostics, against objdump; and damaged files, which must not end the search for them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { problem } from "../../src/diag/catalogue.ts";
import { openDisassembler } from "../../src/diag/render/disassemble.ts";
import { PLAIN, renderText, wrap } from "../../src/diag/render/text.ts";
import { annotate } from "../../src/passes/annotate.ts";
import { check } from "../../src/passes/check.ts";
import { Unusable } from "../../src/passes/input.ts";
import { root } from "../helpers.ts";

const load = (name: string): Uint8Array => new Uint8Array(readFileSync(join(root, "test/fixtures", name)));

/** The listing around a place. */
async function listing(file: string, section: string, offset: number): Promise<string[]> {
  const at = { file, section, offset };
  const { problems } = await annotate(load(file), [problem("KLP308", at, { callee: "x" })], openDisassembler);
  return (problems[0]?.instructions ?? []).map((i) => {
    const relocations = i.relocations.map((r) => ` ${r.name} ${r.symbol}`).join("");
    const text = i.text.replace(/\s+/g, " ");
    return `${i.marked ? ">" : " "} ${i.offset.toString(16)} ${Buffer.from(i.bytes).toString("hex")} ${text}${relocations}`;
  });
}

describe("instructions as objdump -dr (GNU binutils 2.40) has them, branch targets by name", () => {
  test("ppc64le", async () => {
    expect(await listing("diag/meminfo-debug.o", ".text.meminfo_proc_show", 0x7c)).toEqual([
      "  74 78fbe37f mr r3,r31",
      "  78 0000a038 li r5,0",
      "> 7c 01000048 bl show_val_kb R_PPC64_REL24 show_val_kb",
      "  80 0000bee8 ld r5,0(r30)",
      "  84 0000823c addis r4,r2,0 R_PPC64_TOC16_HA .toc",
    ]);
    // A function's last instructions: nothing of what stands behind it. Its first: nothing of what stands before it.
    expect(await listing("diag/modinfo.o", ".text.f", 0x38)).toEqual([
      "  30 100001e8 ld r0,16(r1)",
      "  34 a603087c mtlr r0",
      "> 38 2000804e blr",
    ]);
    expect((await listing("diag/modinfo.o", ".text.f", 0x8))[0]).toBe("> 8 f8ff4ce8 ld r2,-8(r12)");
  });

  test("arm64", async () => {
    expect(await listing("dwarf/clang-arm64-5.o", ".text", 0x60)).toEqual([
      "  58 f7b2999a csel x23,x23,x25,lt",
      "  5c e10317aa mov x1,x23",
      "> 60 00000094 bl trace R_AARCH64_CALL26 trace",
      "  64 d700f8b7 tbnz x23,0x3f,sum+0x7c",
      "  68 730a178b add x19,x19,x23,lsl 2",
    ]);
  });

  test("x86_64: instructions of several sizes, relocations inside them", async () => {
    // The relocation stands at 28, one byte into the call.
    expect(await listing("dwarf/gcc-x86_64-5.o", ".text", 0x28)).toEqual([
      "  1d bf00000000 movl $0,%edi R_X86_64_32 .rodata.str1.1",
      "  22 bd00100000 movl $0x1000,%ebp",
      "> 27 e800000000 callq trace R_X86_64_PLT32 trace",
      "  2c 4839eb cmpq %rbp,%rbx",
      "  2f bf00000000 movl $0,%edi R_X86_64_32 .rodata.str1.1",
    ]);
    expect((await listing("dwarf/gcc-x86_64-5.o", ".text", 0x1b)).find((l) => l.startsWith(">"))).toBe(
      "> 1b 7844 js report+0x61",
    );
  });

  test("data: no listing", async () => {
    expect(await listing("diag/meminfo-debug.o", ".toc", 0)).toEqual([]);
    expect(await listing("diag/meminfo-debug.o", ".text.meminfo_proc_show", 1 << 20)).toEqual([]);
  });
});

test("damaged modules: whatever can be shown is shown, and nothing throws (seed 7)", async () => {
  let state = 7;
  const pick = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let shown = 0;
  for (const name of ["diag/meminfo-debug.o", "diag/got-x86_64.o", "diag/got-arm64.o"]) {
    const bytes = load(name);
    for (let round = 0; round < 60; round++) {
      const copy = bytes.slice();
      for (let edits = 1 + pick(5); edits > 0; edits--)
        copy[pick(copy.length)] = [0, 1, 0x7f, 0x80, 0xff][pick(5)] ?? 0;
      try {
        const { problems } = await annotate(copy, check(copy, { file: "in.o" }).problems, openDisassembler);
        if (renderText(problems, { width: 80, palette: PLAIN }).length > 0) shown++;
      } catch (error) {
        if (!(error instanceof Unusable)) throw error;
      }
    }
  }
  expect(shown).toBeGreaterThan(20);
});

test("wrapping keeps commands whole and columns wide", () => {
  expect(wrap("say `klplink a.ko -k b` to fix it", 12)).toEqual(["say", "`klplink a.ko -k b`", "to fix it"]);
  expect(wrap("a.c:1   f+0x10  call", 80)).toEqual(["a.c:1   f+0x10  call"]);
  expect(wrap("", 80)).toEqual([""]);
});
