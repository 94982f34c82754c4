// How functions of ppc64le begin: mflr r0 and bl _mcount at the local entry, or nops there.

import { decodeBranch } from "../stubs/insn.ts";
import type { CodeFile, CodePlace } from "./codeFile.ts";
import { type Entry, findCall, nameAt, type SiteRules, twoNops } from "./forms.ts";
import type { CodeFunction } from "./functions.ts";

export const PPC = {
  nop: 0x6000_0000,
  mflrR0: 0x7c08_02a6,
  stdR0: 0xf801_0010, // std r0,16(r1)
} as const;
const isPpcBl = (word: number | null): boolean => word !== null && (word & 0xfc00_0003) >>> 0 === 0x4800_0001;
/** addis r2,r12,… or lis r2,…: the first word of a global entry. */
const isGlobalEntry = (word: number | null): boolean =>
  word !== null && ((word & 0xffff_0000) >>> 0 === 0x3c4c_0000 || (word & 0xffff_0000) >>> 0 === 0x3c40_0000);

function recognise(file: CodeFile, f: CodeFunction, oneNop: boolean): Entry | null {
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

export const ppc64leSites: SiteRules = {
  build: (file, entries) => ({
    callOps: false,
    outOfLine: entries.some(
      ({ place }) => place !== null && !isTwoNops(file, place) && file.word(place.section, place.offset) === PPC.nop,
    ),
  }),
  recognise: (file, f, _inTable, { outOfLine }) => recognise(file, f, outOfLine),
  // Two nops: the second one is the site. One: it is the site itself, and a `bl` is one in any case.
  adjust: (file, _record, place, { outOfLine }) =>
    !outOfLine && isTwoNops(file, place) ? { section: place.section, offset: place.offset + 4 } : place,
  nop: PPC.nop,
  canBeListed: (_code, at, word, table, isCalled) =>
    word === PPC.nop ? table === "__patchable_function_entries" : decodeBranch(word)?.links === true && isCalled(at),
  elsewhere: (file, { section, offset }, named) => {
    const site = { site: offset, tableEntry: named };
    if (file.word(section, offset) === PPC.nop)
      return { form: named < offset ? "ppc patchable" : "out of line", ...site, isCall: false };
    return file.word(section, offset - 4) === PPC.mflrR0 ? { form: "profile two", ...site, isCall: true } : null;
  },
  callOffset: (form, size) => (form === "ppc mcount" ? 0 : size - 4),
  callOpcode: null,
};
