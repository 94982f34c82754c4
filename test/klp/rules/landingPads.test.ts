// Held against what objtool --ibt says of the same modules (test/fixtures/later/objtool.txt), and the kernel's words against
// exc_control_protection (arch/x86/kernel/cet.c of 6.12 and 7.2, traps.c of 6.1).

import { expect, test } from "vitest";
import { kernelOf } from "../../../src/diag/catalogue.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { keep } from "../collect.ts";
import { Part } from "../part.ts";
import { found, kernelWith, later, objtoolOn } from "./later.ts";

const IBT = kernelWith("ibt_save", "takes", "used");

test("functions whose address is taken, as objtool has them", () => {
  const problems = found(later("safe-no-endbr"), "KLP472", IBT);
  const said = objtoolOn("safe-no-endbr").map((line) => /!ENDBR: (\w+)\+0x0$/.exec(line)?.[1]);
  expect(said).toHaveLength(2);
  expect(new Set(problems.map((p) => p.data.symbol))).toEqual(new Set(said));
  expect(problems.map((p) => `${p.at.section} ${p.at.function?.name}`).sort()).toEqual([
    ".data undefined",
    ".text user",
  ]);
  expect(problems.map(kernelOf)).toContain("Missing ENDBR: called_by_pointer+0x0/SIZE [MODULE]");
});

test("nothing where objtool says nothing", () => {
  for (const name of ["safe-raw", "safe-objtool"]) {
    expect(objtoolOn(name)).toEqual([]);
    expect(found(later(name), "KLP472", IBT)).toEqual([]);
  }
});

test("only for kernels that have the CPU check it", () => {
  expect(found(later("safe-no-endbr"), "KLP472", kernelWith("takes"))).toEqual([]);
  expect(found(later("safe-no-endbr"), "KLP472")).toEqual([]);
  // Without a kernel the module tells: objtool --ibt leaves .ibt_endbr_seal.
  const part = new Part(later("safe-objtool"));
  part.edits.patch(part.section(".text"), part.at("called_by_pointer"), new Uint8Array([0x66, 0x90, 0x66, 0x90]));
  const bytes = writeElf(part.edits);
  keep("KLP472", bytes);
  expect(found(bytes, "KLP472").map((p) => p.data.symbol)).toEqual(["called_by_pointer"]);
});

test("tables that name code only are not a use of an address", () => {
  const part = new Part(later("safe-no-endbr"));
  const { edits } = part;
  const fields = { type: 1, link: 0, info: 0, addralign: 8, entsize: 0, data: new Uint8Array(8) };
  for (const name of ["__mcount_loc", "_kprobe_blacklist", ".orc_unwind_ip", ".init.klp_funcs", ".refs"]) {
    const target = edits.addSection({ name, flags: 2n, ...fields });
    const relocations = edits.addSection({
      ...{ name: `.rela${name}`, type: 4, flags: 0x40n, link: edits.symbolTable().section, info: target, addralign: 8 },
      ...{ entsize: 24, data: new Uint8Array(0) },
    });
    const symbol = part.symbol("called_directly");
    edits.addRelocation(relocations, { offset: 0, type: 1, addend: 0n, symbol });
  }
  const direct = found(writeElf(edits), "KLP472", IBT).filter((p) => p.data.symbol === "called_directly");
  expect(direct.map((p) => p.at.section)).toEqual([".refs"]);
});
