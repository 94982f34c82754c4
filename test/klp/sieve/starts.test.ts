// Where instructions begin, once for all rules: held against decoding each function from its beginning for each place anew.

import { expect, test } from "vitest";
import { SHF_EXECINSTR, STT_FUNC } from "../../../src/elf/consts.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { FunctionIndex } from "../../../src/klp/functions.ts";
import { InstructionStarts } from "../../../src/klp/sieve/starts.ts";
import { decodeInsn, lengthOf } from "../../../src/reloc/x86Insn.ts";
import { objects } from "../../everyFixture.ts";

const EM_X86_64 = 62;
/** Bytes of a row of a symbol table. */
const SYMBOL = 24;

/** -1: not known. */
function startOf(functions: FunctionIndex, section: number, code: Uint8Array, offset: number): number {
  const owner = functions.at(section, offset);
  if (owner === null || owner.type !== STT_FUNC || offset >= owner.start + owner.size) return -1;
  for (let at = owner.start; at < code.length; ) {
    const length = lengthOf(decodeInsn(code, at));
    if (length === 0) return -1;
    if (at + length > offset) return at;
    at += length;
  }
  return -1;
}

const files = [...objects()].filter(
  ([, bytes]) => bytes.length < 60_000 && readElf(bytes).header.machine === EM_X86_64,
);

/** The same file with functions that reach into the next ones, every other one of which begins within an instruction. */
function overlapping(bytes: Uint8Array): Uint8Array {
  const made = bytes.slice();
  const { symbols, sections } = readElf(bytes);
  for (let i = 1; i < (symbols?.count ?? 0); i++) {
    if (symbols === null || symbols.type(i) !== STT_FUNC) continue;
    const row = sections.offset(symbols.section) + i * SYMBOL;
    const view = new DataView(made.buffer, row, SYMBOL);
    view.setBigUint64(8, symbols.value(i) + BigInt(i % 2), true);
    view.setBigUint64(16, BigInt(symbols.size(i) + 64), true);
  }
  return made;
}

test("the same as function by function, in any order of places", () => {
  let known = 0;
  let unknown = 0;
  const all = files.flatMap(([path, bytes]) => [
    [path, bytes] as const,
    [`${path}, overlapping`, overlapping(bytes)] as const,
  ]);
  for (const [path, bytes] of all) {
    const file = readElf(bytes);
    if (file.symbols === null) continue;
    const functions = new FunctionIndex(file, file.symbols);
    for (let section = 1; section < file.sections.count; section++) {
      if (!file.sections.hasFlags(section, SHF_EXECINSTR) || !file.sections.hasBytes(section)) continue;
      // What is no instruction is there, too.
      for (const code of [
        file.sections.data(section),
        file.sections.data(section).map((b, i) => (i % 37 === 5 ? 6 : b)),
      ]) {
        const starts = new InstructionStarts({ file, symbols: file.symbols, functions }, section, code);
        const places = Array.from(
          { length: Math.min(code.length + 2, 3000) },
          (_, i) => (i * 1009) % (code.length + 2),
        );
        const found = places.map((at) => starts.at(at));
        expect(found, `${path}, section ${section}`).toEqual(places.map((at) => startOf(functions, section, code, at)));
        known += found.filter((at) => at >= 0).length;
        unknown += found.filter((at) => at < 0).length;
      }
    }
  }
  expect(known).toBeGreaterThan(1000);
  expect(unknown).toBeGreaterThan(1000);
});
