// How functions of arm64 begin: two nops, behind a bti or not, and two more in front of the function where the kernel keeps a
// pointer there.

import type { CodeFile } from "./codeFile.ts";
import { type FunctionEntry, findCall, placeKey, type SiteRules, twoNops, unlessWord } from "./forms.ts";
import type { CodeFunction } from "./functions.ts";
import type { SiteTableEntry } from "./tables.ts";

export const A64 = {
  nop: 0xd503_201f,
  movX9Lr: 0xaa1e_03e9,
  movLrX9: 0xaa09_03fe,
  stp: 0xa9bf_7bfd, // stp x29,x30,[sp,#-16]!
  movFp: 0x9100_03fd, // mov x29,sp
  ldp: 0xa8c1_7bfd, // ldp x29,x30,[sp],#16
} as const;
/** bti, bti c, bti j, bti jc: the two target bits do not matter here. */
const isBti = (word: number | null): boolean => word !== null && (word & 0xffff_ff3f) >>> 0 === 0xd503_241f;
const isA64Bl = (word: number | null): boolean => word !== null && word >>> 26 === 0x25;

function recognise(file: CodeFile, f: CodeFunction, inTable: ReadonlySet<string>): FunctionEntry | null {
  const { section, start } = f;
  const word = (offset: number): number | null => file.word(section, offset);
  const at = isBti(word(start)) ? start + 4 : start;
  if (twoNops(file, section, at, A64.nop)) {
    // Alignment between functions is nops, too: only a table tells which form it is.
    const isBefore = start >= 8 && twoNops(file, section, start - 8, A64.nop);
    return isBefore && inTable.has(placeKey(section, start - 8))
      ? { form: "patchable before", site: at + 4, tableEntry: start - 8, isCall: false }
      : { form: "patchable", site: at + 4, tableEntry: at, isCall: false };
  }
  if (word(at) === A64.movX9Lr && (word(at + 4) === A64.nop || isA64Bl(word(at + 4)))) {
    if (word(at + 8) === A64.movLrX9)
      return { form: "mov bl mov", site: at + 4, tableEntry: at + 4, isCall: isA64Bl(word(at + 4)) };
    return { form: "mov x9", site: at + 4, tableEntry: at, isCall: isA64Bl(word(at + 4)) };
  }
  if (word(at) === A64.stp && word(at + 4) === A64.movFp && word(at + 12) === A64.ldp) {
    if (isA64Bl(word(at + 8)) || word(at + 8) === A64.nop) {
      return { form: "stp mov bl ldp", site: at + 8, tableEntry: at + 8, isCall: isA64Bl(word(at + 8)) };
    }
  }
  const inside = findCall(file, f, 0);
  if (inside !== null && isA64Bl(word(inside)))
    return { form: "arm64 mcount", site: inside, tableEntry: inside, isCall: true };
  return null;
}

/**
 * Whether a file is built with DYNAMIC_FTRACE_WITH_CALL_OPS, for all of its functions: then the table's entries
 * lie 8 bytes before them. A label may stand on the nops there (the linker's `_stext`), so functions alone count.
 */
function hasCallOps(file: CodeFile, entries: readonly SiteTableEntry[]): boolean {
  const starts = new Set(file.functions.filter((f) => f.isFunction).map((f) => placeKey(f.section, f.start)));
  let before = 0;
  for (const { place } of entries) {
    if (place === null) continue;
    const { section, offset } = place;
    const isBefore = starts.has(placeKey(section, offset + 8));
    const isAt = starts.has(placeKey(section, offset)) || starts.has(placeKey(section, offset - 4));
    if (isBefore !== isAt) before += isBefore ? 1 : -1;
  }
  return before > 0;
}

export const arm64Sites: SiteRules = {
  build: (file, entries) => ({ callOps: hasCallOps(file, entries), outOfLine: false }),
  recognise,
  adjust: (file, record, place, { callOps }) => {
    const { section, offset } = place;
    if (record.table === "__mcount_loc") return place;
    if (!callOps) return { section, offset: offset + 4 };
    return { section, offset: offset + 8 + (isBti(file.word(section, offset + 8)) ? 4 : 0) + 4 };
  },
  nop: A64.nop,
  faultAt: (file, { section, offset }, table, isCalled, { callOps }) => {
    if (isCalled(offset)) return null;
    if (table !== "__patchable_function_entries")
      return unlessWord(file, { section, offset }, A64.nop, "a nop", "load");
    // The first nop becomes mov x9,x30 when the module loads, the second one a bl when the function is traced.
    const first = callOps ? offset + 8 + (isBti(file.word(section, offset + 8)) ? 4 : 0) : offset;
    return (
      unlessWord(file, { section, offset: first }, A64.nop, "a nop", "load") ??
      unlessWord(file, { section, offset: first + 4 }, A64.nop, "a nop", "trace")
    );
  },
  elsewhere: (file, { section, offset }, named) => {
    if (!twoNops(file, section, offset - 4, A64.nop)) return null;
    return {
      form: named === offset - 4 ? "patchable" : "patchable before",
      site: offset,
      tableEntry: named,
      isCall: false,
    };
  },
  callOffset: (_form, size) => size - 4,
  callOpcode: null,
};
