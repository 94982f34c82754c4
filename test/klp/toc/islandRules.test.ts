// The rules for islands, one object a rule. The objects are made by GNU as from the sources beside them
// (test/fixtures/rules/make.sh); which object breaks which rule follows from the Power ELFv2 ABI and the
// kernel's module loader as written in docs/islands.md, not from what klplink does.

import { describe, expect, test } from "vitest";
import type { Problem } from "../../../src/diag/catalogue.ts";
import { levelOf } from "../../../src/diag/catalogue.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { ElfEdits } from "../../../src/elf/writer/edits.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import { type LinkResult, link } from "../../../src/passes/link.ts";
import type { TocRestore } from "../../../src/stubs/strategies/strategy.ts";
import { load } from "../../helpers.ts";

const fixture = (name: string): Uint8Array => load(`test/fixtures/rules/${name}.o`);

interface Options {
  readonly version?: readonly [number, number];
  readonly tocRestore?: TocRestore;
}

function run(bytes: Uint8Array, { version, tocRestore = "island" }: Options = {}): LinkResult {
  const kernelVersion = version === undefined ? {} : { kernelVersion: { major: version[0], minor: version[1] } };
  return link(bytes, { file: "in.o", tocRestore, ...kernelVersion });
}

/** `CODE[rule] section+offset function+offset callee` */
function told(p: Problem): string {
  const data = p.data as Partial<Record<"rule" | "callee" | "helper" | "function" | "follower" | "where", string>>;
  const rule = data.rule === undefined ? "" : `[${data.rule}]`;
  const where = p.at.section === undefined ? "" : ` ${p.at.section}+${p.at.offset?.toString(16)}`;
  const caller = p.at.function === undefined ? "" : ` ${p.at.function.name}+${p.at.function.offset.toString(16)}`;
  return `${p.code}${rule}${where}${caller} ${data.callee ?? data.helper ?? data.follower ?? data.function ?? ""}${data.where === undefined ? "" : `, ${data.where}`}`;
}

const refusals: readonly { name: string; options?: Options; expect: readonly string[] }[] = [
  { name: "i1-absolute", expect: ["KLP303[I1] .text.f+24 f+1c ext"] },
  { name: "i3-restored", options: { version: [6, 2] }, expect: ["KLP306 .text.f+24 f+1c ext"] },
  {
    name: "i5-helpers",
    options: { tocRestore: "nop" },
    expect: ["KLP305 .text.f+18 f+10 _savegpr0_29", "KLP305 .text.f+34 f+2c _restgpr0_29"],
  },
  { name: "i6-no-toc", expect: ["KLP303[I6] .text.f+14 f+14 ext"] },
  { name: "i6-r2-scratch", expect: ["KLP303[I6] .text.f+14 f+14 ext"] },
  { name: "i7-before-local-entry", expect: ["KLP303[I7] .text.f+4 f+4 ext"] },
  { name: "i8-assembler", expect: ["KLP303[I8] .text.f+10 f+10 ext"] },
  { name: "move-assembler", expect: ["KLP304 .text+1c first+1c entry, .text+0x30"] },
  { name: "move-between", expect: ["KLP304 .text+1c first+1c last, .text+0x30"] },
  { name: "move-reach", expect: ["KLP304 .text+1c first+1c last, .text+0x30"] },
  { name: "move-table", expect: ["KLP304 .text+1c first+1c last, .rodata+0xc"] },
  { name: "i11-alternative", expect: ["KLP303[I11] __ftr_alt_97+0 ext"] },
  { name: "i11-feature", expect: ["KLP303[I11] .text.f+24 f+1c ext"] },
  { name: "i11-word", expect: ["KLP303[I11] .text.f+24 f+1c ext"] },
  { name: "i12-jump-table", expect: ["KLP303[I12] .text.f+24 f+1c ext"] },
  { name: "s5-assembler", expect: ["KLP303[S5] .text.f+8 f+8 ext"] },
  { name: "s3-resolved", expect: ["KLP303[S3] .text+14 caller+14 callee"] },
];

describe("a call that no island can serve is refused with its rule and place", () => {
  for (const { name, options, expect: expected } of refusals) {
    test(name, () => {
      const result = run(fixture(name), options);
      expect(result.problems.filter((p) => levelOf(p) === "error").map(told)).toEqual(expected);
      expect(result.output).toBeNull();
    });
  }

  test("I13: a section too large for a branch to its end", () => {
    // The function has 0x38 bytes, its island up to 16; a branch goes less than 0x2000000 bytes forward.
    const grown = (size: number): Uint8Array => {
      const file = readElf(fixture("good"));
      const edits = new ElfEdits(file);
      edits.append(file.sections.findByName(".text.f") ?? 0, new Uint8Array(size - 0x38), 4);
      return writeElf(edits);
    };
    expect(run(grown(0x200_0000 - 16)).problems.map(told)).toEqual(["KLP303[I13] .text.f+24 f+1c ext"]);
    expect(run(grown(0x200_0000 - 20)).problems).toEqual([]);
  });

  test("I20: kernels before 4.16 branch to livepatch symbols directly", () => {
    const file = readElf(fixture("good"));
    const edits = new ElfEdits(file);
    const symbols = edits.symbolTable();
    for (let i = 1; i < symbols.count; i++) {
      if (symbols.name(i) !== "ext") continue;
      edits.setSymbol(i, { name: ".klp.sym.vmlinux.ext,1", home: { kind: "reserved", index: 0xff20 } });
    }
    const bytes = writeElf(edits);
    // KLP432: the relocation still stands in an ordinary section.
    const problems = (version: readonly [number, number]) =>
      run(bytes, { version }).problems.filter((p) => p.code !== "KLP432");
    expect(problems([4, 15]).map(told)).toEqual([
      "KLP303[I20] .text.f+24 f+1c .klp.sym.vmlinux.ext,1".replace(".klp.sym.vmlinux.ext,1", "ext"),
    ]);
    expect(problems([4, 16])).toEqual([]);
  });
});

describe("a call that needs no island is left alone", () => {
  for (const { name, options } of [
    { name: "i4-mcount" },
    { name: "i14-pcrel" },
    { name: "i3-restored", options: { version: [6, 3] as const } },
  ]) {
    test(name, () => {
      const input = fixture(name);
      const result = run(input, options);
      expect(result.problems).toEqual([]);
      expect(result.changed).toBe(false);
      expect(Buffer.from(result.output ?? []).equals(input)).toBe(true);
    });
  }
});

describe("a call that gets an island, with a warning where something is to be looked at", () => {
  const accepted: readonly { name: string; islands: number; expect: readonly string[] }[] = [
    { name: "good", islands: 1, expect: [] },
    { name: "i8-no-frame", islands: 1, expect: ["KLP310 .text.f+18 f+10 ext"] },
    { name: "i15-setjmp", islands: 1, expect: ["KLP308 .text.f+24 f+1c setjmp"] },
    { name: "i16-no-profile", islands: 1, expect: ["KLP307 .text.f+1c f+14 f"] },
    { name: "i16-ipa-ra", islands: 1, expect: ["KLP307 .text.f+1c f+14 f"] },
    { name: "i16-no-ipa-ra", islands: 1, expect: [] },
    { name: "i18-noreturn", islands: 1, expect: [] },
    { name: "move-good", islands: 2, expect: [] },
    { name: "move-debug", islands: 2, expect: [] },
  ];
  for (const { name, islands, expect: expected } of accepted) {
    test(name, () => {
      const result = run(fixture(name));
      expect(result.problems.map(told)).toEqual(expected);
      expect(result.done.returnIslands).toBe(islands);
      expect(result.output).not.toBeNull();
    });
  }

  test("I16: debug information speaks for the code that it is about, and for no other", () => {
    const read = readElf(fixture("i16-no-ipa-ra"));
    const without = new ElfEdits(read);
    const table = read.relocations.find((t) => read.sections.name(t.target) === ".debug_info");
    if (table === undefined) throw new Error("no relocations");
    for (let row = 0; row < table.count; row++) without.removeRelocation(table, row);
    expect(run(writeElf(without)).problems.map(told)).toEqual(["KLP307 .text.f+1c f+14 f"]);
    // One of two compilers did not get the flag, or the other one came after it.
    for (const [from, to] of [
      ["-gdwarf-5 -gno-as-loc-support", "-g\0GNU C17 12.2.0 -O2"],
      ["-ffunction-sections -fno-ipa-ra", "-fno-ipa-ra -fipa-ra"],
    ] as const) {
      const bytes = Buffer.from(fixture("i16-no-ipa-ra"));
      const at = bytes.indexOf(from);
      expect(at).toBeGreaterThan(0);
      bytes.write(to.padEnd(from.length), at, "latin1");
      expect(run(bytes).problems.map(told)).toEqual(["KLP307 .text.f+1c f+14 f"]);
    }
  });

  test("I9: debug information that does not follow what moves is told", () => {
    const edits = new ElfEdits(readElf(fixture("move-good")));
    const section = { name: ".debug_line", type: 1, flags: 0n, link: 0, info: 0, addralign: 1, entsize: 0 };
    edits.addSection({ ...section, data: new Uint8Array(4) });
    expect(run(writeElf(edits)).problems.map(told)).toEqual(["KLP311 .debug_line+4 "]);
  });

  test("a cold part uses the frame and the TOC of the function that branches to it", () => {
    const result = run(fixture("cold"));
    // -pg puts its call into f, not into f.cold, so the built-with-profiling warning names the part.
    expect(result.problems.map(told)).toEqual(["KLP307 .text.unlikely.f+0 f.cold+0 f.cold"]);
    expect(result.done.returnIslands).toBe(1);
  });

  test("a part of a function, too", () => {
    const file = readElf(fixture("cold"));
    const edits = new ElfEdits(file);
    const symbols = edits.symbolTable();
    for (let i = 1; i < symbols.count; i++) {
      if (symbols.name(i) === "f.cold") edits.setSymbol(i, { name: "f.part.0" });
    }
    const result = run(writeElf(edits));
    expect(result.problems.map(told)).toEqual(["KLP307 .text.unlikely.f+0 f.part.0+0 f.part.0"]);
    expect(result.done.returnIslands).toBe(1);
  });

  test("I21: a module-specific relocation on a kernel that refuses its own restored word", () => {
    const file = readElf(fixture("good"));
    const edits = new ElfEdits(file);
    const text = file.sections.findByName(".text.f") ?? 0;
    const symbols = edits.symbolTable();
    const table = file.relocations.find((t) => t.target === text);
    if (table === undefined) throw new Error("no relocations");
    for (let row = 0; row < table.count; row++) {
      if (symbols.name(table.symbol(row)) !== "ext") continue;
      edits.setSymbol(table.symbol(row), { name: ".klp.sym.ext4.ext,0", home: { kind: "reserved", index: 0xff20 } });
      edits.removeRelocation(table, row);
      const section = edits.addSection({
        name: ".klp.rela.ext4..text.f",
        type: 4,
        flags: 0x0010_0042n,
        link: symbols.section,
        info: text,
        addralign: 8,
        entsize: 24,
        data: new Uint8Array(0),
      });
      edits.addRelocation(section, { offset: 0x24, symbol: table.symbol(row), type: 10, addend: 0n });
    }
    const bytes = writeElf(edits);
    expect(run(bytes, { version: [6, 2] }).problems.map((p) => p.code)).toEqual(["KLP309"]);
    const result = run(bytes, { version: [6, 3] });
    expect(result.problems).toEqual([]);
    // The relocation moved with the call, and stayed in the section of its object.
    const linked = readElf(result.output ?? new Uint8Array());
    const moved = linked.relocations.find((t) => linked.sections.name(t.section) === ".klp.rela.ext4..text.f");
    expect(moved?.offset(0)).toBe(0x38);
  });
});

describe("closure of functions that return with another TOC", () => {
  test("two branches away: only the call that needs r2 afterwards gets an island of its own", () => {
    const result = run(fixture("closure"));
    expect(result.problems).toEqual([]);
    expect(result.done).toMatchObject({ returnIslands: 0, siblingIslands: 1, localCallIslands: 1 });
    const file = readElf(result.output ?? new Uint8Array());
    const at = (name: string): DataView => {
      const data = file.sections.data(file.sections.findByName(name) ?? 0);
      return new DataView(data.buffer, data.byteOffset, data.byteLength);
    };
    // d: `bl c` at 0x24 became a branch to the island behind the function; `bl e` at 0x28 stayed.
    expect(at(".text.d").getUint32(0x24, true)).toBe(0x4800_0018);
    expect(at(".text.d").getUint32(0x28, true)).toBe(0x4800_0001);
    const island = [0x3c, 0x40, 0x44, 0x48].map((o) => at(".text.d").getUint32(o, true).toString(16));
    expect(island).toEqual(["f8410018", "48000001", "e8410018", "4bffffe0"]);
  });
});
