// How functions of ppc64le begin: mflr r0 and bl _mcount at the local entry, or nops there.

import { decodeBranch } from "../stubs/insn.ts";
import type { CodeFile, CodePlace } from "./codeFile.ts";
import {
  type Build,
  type FunctionEntry,
  findCall,
  nameAt,
  type SiteFault,
  type SiteRules,
  twoNops,
  unlessWord,
} from "./forms.ts";
import type { CodeFunction } from "./functions.ts";
import type { SiteTableEntry, TableName } from "./tables.ts";

export const PPC = {
  nop: 0x6000_0000,
  mflrR0: 0x7c08_02a6,
  stdR0: 0xf801_0010, // std r0,16(r1)
} as const;
const isPpcBl = (word: number | null): boolean => word !== null && (word & 0xfc00_0003) >>> 0 === 0x4800_0001;
/** addis r2,r12,… or lis r2,…: the first word of a global entry. */
const isGlobalEntry = (word: number | null): boolean =>
  word !== null && ((word & 0xffff_0000) >>> 0 === 0x3c4c_0000 || (word & 0xffff_0000) >>> 0 === 0x3c40_0000);

function recognise(file: CodeFile, f: CodeFunction, oneNop: boolean): FunctionEntry | null {
  const { section, localEntry: at } = f;
  const word = (offset: number): number | null => file.word(section, offset);
  const isMcount = (offset: number): boolean => isPpcBl(word(offset)) && calledAt(file, section, offset) === "_mcount";
  if (word(at) === PPC.mflrR0) {
    if (isMcount(at + 4)) return { form: "profile two", site: at + 4, tableEntry: at + 4, isCall: true };
    if (word(at + 4) === PPC.stdR0 && isMcount(at + 8)) {
      return { form: "profile three", site: at + 8, tableEntry: at + 8, isCall: true };
    }
  }
  if (!oneNop && twoNops(file, section, at, PPC.nop)) {
    return { form: "ppc patchable", site: at + 4, tableEntry: at, isCall: false };
  }
  if (word(at) === PPC.nop) {
    return { form: "out of line", site: at, tableEntry: at, isCall: false };
  }
  if (at > f.start && word(f.start) === PPC.nop) {
    let global = f.start;
    while (global < at && word(global) === PPC.nop) global += 4;
    if (isGlobalEntry(word(global))) {
      const site = twoNops(file, section, f.start, PPC.nop) ? f.start + 4 : f.start;
      return { form: "nops before the global entry", site, tableEntry: f.start, isCall: false };
    }
  }
  const inside = findCall(file, f, 0);
  if (inside !== null && isPpcBl(word(inside)))
    return { form: "ppc mcount", site: inside, tableEntry: inside, isCall: true };
  return null;
}

/** Name of the function that a `bl` calls; null if it is unknown. */
function calledAt(file: CodeFile, section: number, offset: number): string | null {
  const relocation = file.relocationAt(section, offset);
  if (relocation !== null) return relocation.symbol;
  if (!file.isLinked) return null;
  const word = file.word(section, offset) ?? 0;
  return nameAt(file, file.addressOf(section, offset) + BigInt(((word & 0x03ff_fffc) << 6) >> 6));
}

const isTwoNops = (file: CodeFile, { section, offset }: CodePlace): boolean => twoNops(file, section, offset, PPC.nop);

/**
 * Whether a file's sites are one nop each. An entry that names a later nop than the first says nothing of it, so those at a
 * function's entry count. A function may begin with a nop of its own, so one nop weighs as much as two.
 */
function hasOneNop(file: CodeFile, entries: readonly SiteTableEntry[]): boolean {
  let one = 0;
  let two = 0;
  for (const { place } of entries) {
    if (place === null || file.word(place.section, place.offset) !== PPC.nop) continue;
    const f = file.functionAt(place.section, place.offset);
    if (f?.localEntry !== place.offset && f?.start !== place.offset) continue;
    if (isTwoNops(file, place)) two++;
    else one++;
  }
  return one > 0 && one >= two;
}

/** ld r2,-8(r12); add r2,r2,r12: clang lists the global entry, and the kernel knows (7.2). */
const CLANG_ENTRY = [0xe84c_fff8, 0x7c42_6214];

function faultAt(
  file: CodeFile,
  { section, offset }: CodePlace,
  table: TableName,
  isCalled: (at: number) => boolean,
  { outOfLine }: Build,
): SiteFault | null {
  const nopAt = (at: number): SiteFault | null => unlessWord(file, { section, offset: at }, PPC.nop, "a nop", "load");
  if (table === "__patchable_function_entries") {
    if (!outOfLine) return nopAt(offset) ?? nopAt(offset + 4);
    const isClangs = CLANG_ENTRY.every((word, i) => file.word(section, offset + 4 * i) === word);
    return nopAt(isClangs ? offset + 8 : offset);
  }
  if (decodeBranch(file.word(section, offset) ?? 0)?.links !== true || !isCalled(offset))
    return { at: offset, expected: "bl _mcount", when: "load" };
  // Assembler may begin with the call; whether ftrace can use that is told by `sites`.
  if (file.functionAt(section, offset)?.start === offset) return null;
  const before = file.word(section, offset - 4) === PPC.stdR0 ? offset - 8 : offset - 4;
  return unlessWord(file, { section, offset: before }, PPC.mflrR0, "mflr r0", "load");
}

export const ppc64leSites: SiteRules = {
  build: (file, entries) => ({ callOps: false, outOfLine: hasOneNop(file, entries) }),
  recognise: (file, f, _inTable, { outOfLine }) => recognise(file, f, outOfLine),
  // Two nops: the second one is the site. One: it is the site itself, and a `bl` is one in any case.
  adjust: (file, _record, place, { outOfLine }) =>
    !outOfLine && isTwoNops(file, place) ? { section: place.section, offset: place.offset + 4 } : place,
  nop: PPC.nop,
  faultAt,
  elsewhere: (file, { section, offset }, named) => {
    const site = { site: offset, tableEntry: named };
    if (file.word(section, offset) === PPC.nop)
      return { form: named < offset ? "ppc patchable" : "out of line", ...site, isCall: false };
    return file.word(section, offset - 4) === PPC.mflrR0 ? { form: "profile two", ...site, isCall: true } : null;
  },
  callOffset: (form, size) => (form === "ppc mcount" ? 0 : size - 4),
  callOpcode: null,
};
