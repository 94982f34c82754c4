// What stands at a function's entry. Recognised from the code alone, so that a table can be held against it.
// Sources: the compilers' output for the flags named below; arch/*/kernel/ftrace.c of 6.12 and 7.2.

import type { CodeFile } from "./codeFile.ts";
import type { CodeFunction } from "./functions.ts";

/** A form of entry. `usable`: ftrace of a kernel with livepatch can use it. */
export const forms = {
  fentry: { usable: true, title: "call __fentry__ (-pg -mfentry)" },
  nop5: { usable: true, title: "5-byte nop (-mnop-mcount, objtool)" },
  "x86 mcount": { usable: false, title: "call mcount behind the frame (-pg)" },
  patchable: { usable: true, title: "two nops (-fpatchable-function-entry=2)" },
  "patchable before": { usable: true, title: "two nops before, two at the entry (-fpatchable-function-entry=4,2)" },
  "mov x9": { usable: true, title: "mov x9,x30 and nop or bl: patchable, as loaded" },
  "stp mov bl ldp": { usable: false, title: "stp, mov, bl, ldp (proposed 2016)" },
  "mov bl mov": { usable: false, title: "mov x9,x30; bl; mov x30,x9 (proposed 2016)" },
  "arm64 mcount": { usable: false, title: "bl _mcount behind the frame (-pg)" },
  "profile two": { usable: true, title: "mflr r0; bl (-mprofile-kernel)" },
  "profile three": { usable: true, title: "mflr r0; std r0,16(r1); bl (-mprofile-kernel, gcc 5)" },
  "ppc patchable": { usable: true, title: "two nops at the local entry (-fpatchable-function-entry=2)" },
  "out of line": { usable: true, title: "one nop at the local entry (-fpatchable-function-entry=1)" },
  "nops before the global entry": {
    usable: false,
    title:
      "nops before the global entry (-fpatchable-function-entry of gcc before 13): calls to the local entry pass them by",
  },
  "ppc mcount": { usable: false, title: "bl _mcount behind the frame (-pg)" },
} as const satisfies Record<string, { readonly usable: boolean; readonly title: string }>;
export type Form = keyof typeof forms;

/** An entry as the code shows it. Offsets are bytes in the section. */
export interface Entry {
  readonly form: Form;
  /** The instruction that is rewritten at run time: the kernel's rec->ip. */
  readonly site: number;
  /** What a table entry for it must name before the kernel adjusts it. */
  readonly tableEntry: number;
  /** The site is a call as it stands in the file. */
  readonly isCall: boolean;
}

const X86 = { endbr: 0xfa1e_0ff3, call: 0xe8 } as const;
/** 0f 1f 44 00 00: nopl 0(%rax,%rax,1) */
const NOP5 = [0x0f, 0x1f, 0x44, 0x00, 0x00] as const;

/** R_X86_64_PC32 and R_X86_64_PLT32. */
const isX86Call = (type: number): boolean => type === 2 || type === 4;

export const A64 = {
  nop: 0xd503_201f,
  movX9Lr: 0xaa1e_03e9,
  movLrX9: 0xaa09_03fe,
  stp: 0xa9bf_7bfd, // stp x29,x30,[sp,#-16]!
  movFp: 0x9100_03fd, // mov x29,sp
  ldp: 0xa8c1_7bfd, // ldp x29,x30,[sp],#16
} as const;
/** bti, bti c, bti j, bti jc: the two target bits do not matter here. */
export const isBti = (word: number | null): boolean => word !== null && (word & 0xffff_ff3f) >>> 0 === 0xd503_241f;
const isA64Bl = (word: number | null): boolean => word !== null && word >>> 26 === 0x25;

export const PPC = {
  nop: 0x6000_0000,
  mflrR0: 0x7c08_02a6,
  stdR0: 0xf801_0010, // std r0,16(r1)
} as const;
const isPpcBl = (word: number | null): boolean => word !== null && (word & 0xfc00_0003) >>> 0 === 0x4800_0001;
/** addis r2,r12,… or lis r2,…: the first word of a global entry. */
const isGlobalEntry = (word: number | null): boolean =>
  word !== null && ((word & 0xffff_0000) >>> 0 === 0x3c4c_0000 || (word & 0xffff_0000) >>> 0 === 0x3c40_0000);

/** Whether two words at `offset` are the nops of that architecture. */
const twoNops = (file: CodeFile, section: number, offset: number, nop: number): boolean =>
  file.word(section, offset) === nop && file.word(section, offset + 4) === nop;

/** A place as a key of a map. */
export const placeKey = (section: number, offset: number): string => `${section}:${offset}`;

/**
 * The entry of a function; null if nothing there can be a site.
 * @param inTable places that tables name, as {@link placeKey}: they tell nops before a function from alignment.
 * @param oneNop ppc64le: sites have one nop, so that a second one is no part of it.
 */
export function recognise(
  file: CodeFile,
  f: CodeFunction,
  inTable: ReadonlySet<string>,
  oneNop: boolean,
): Entry | null {
  switch (file.arch) {
    case "x86_64":
      return recogniseX86(file, f);
    case "arm64":
      return recogniseArm64(file, f, inTable);
    case "ppc64le":
      return recognisePpc(file, f, oneNop);
  }
}

function recogniseX86(file: CodeFile, f: CodeFunction): Entry | null {
  const { section, start } = f;
  const data = file.bytes(section);
  const at = file.word(section, start) === X86.endbr ? start + 4 : start;
  if (at + 5 > data.length) return null;
  const site = { site: at, tableEntry: at };
  if (data[at] === X86.call) {
    const callee = calledX86(file, section, at);
    if (callee === "__fentry__") return { form: "fentry", ...site, isCall: true };
  }
  if (NOP5.every((byte, i) => data[at + i] === byte)) return { form: "nop5", ...site, isCall: false };
  const inside = findCall(file, f, 1);
  if (inside !== null && data[inside] === X86.call) {
    return { form: "x86 mcount", site: inside, tableEntry: inside, isCall: true };
  }
  return null;
}

/** Name of the function that an `e8` at `offset` calls; null if it is unknown. */
function calledX86(file: CodeFile, section: number, offset: number): string | null {
  const relocation = file.relocationAt(section, offset + 1);
  if (relocation !== null) return isX86Call(relocation.type) ? relocation.symbol : null;
  if (!file.isLinked) return null;
  const displacement = file.word(section, offset + 1) ?? 0;
  return nameAt(file, file.addressOf(section, offset + 5) + BigInt(displacement | 0));
}

/** Name of the function at an address of a linked file, whichever of its names is a profiling one. */
function nameAt(file: CodeFile, address: bigint): string | null {
  const place = file.placeAt(address);
  if (place === null) return null;
  const f = file.functionAt(place.section, place.offset);
  if (f === null || (f.start !== place.offset && f.localEntry !== place.offset)) return null;
  const names = [f.name, ...f.aliases];
  // The kernel calls one place both _mcount and mcount; the linker reaches far ones through stubs named after them.
  if (names.includes("__fentry__")) return "__fentry__";
  return names.some((n) => PROFILING.has(n) || LONG_BRANCH.test(n)) ? "_mcount" : f.name;
}

const LONG_BRANCH = /^[0-9a-f]{8}\.(?:long|plt)_branch(?:_r2off)?\.?_mcount(?:\+0)?$/;

const PROFILING = new Set(["__fentry__", "mcount", "_mcount"]);

/**
 * Offset of the first call to a profiling function inside `f`, by its relocation; null if there is none.
 * @param back bytes from the instruction to the place that its relocation writes.
 */
function findCall(file: CodeFile, f: CodeFunction, back: number): number | null {
  const calls = profilingCalls(file, f.section);
  let low = 0;
  let high = calls.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((calls[middle] ?? 0) < f.start + back) low = middle + 1;
    else high = middle;
  }
  const first = calls[low];
  return first === undefined || first >= f.end ? null : first - back;
}

const callCache = new WeakMap<CodeFile, Map<number, readonly number[]>>();

/** Ascending offsets of the relocations of a section against profiling functions. */
function profilingCalls(file: CodeFile, section: number): readonly number[] {
  if (file.isLinked) return [];
  let sections = callCache.get(file);
  if (sections === undefined) {
    sections = new Map();
    callCache.set(file, sections);
  }
  let calls = sections.get(section);
  if (calls === undefined) {
    calls = [...file.relocationsOf(section)]
      .filter(([, r]) => PROFILING.has(r.symbol))
      .map(([offset]) => offset)
      .sort((a, b) => a - b);
    sections.set(section, calls);
  }
  return calls;
}

function recogniseArm64(file: CodeFile, f: CodeFunction, inTable: ReadonlySet<string>): Entry | null {
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

function recognisePpc(file: CodeFile, f: CodeFunction, oneNop: boolean): Entry | null {
  const { section, localEntry: at } = f;
  const word = (offset: number): number | null => file.word(section, offset);
  const isMcount = (offset: number): boolean => isPpcBl(word(offset)) && calledPpc(file, section, offset) === "_mcount";
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
function calledPpc(file: CodeFile, section: number, offset: number): string | null {
  const relocation = file.relocationAt(section, offset);
  if (relocation !== null) return relocation.symbol;
  if (!file.isLinked) return null;
  const word = file.word(section, offset) ?? 0;
  return nameAt(file, file.addressOf(section, offset) + BigInt(((word & 0x03ff_fffc) << 6) >> 6));
}
