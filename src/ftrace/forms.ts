// The forms of a function's entry, and what tells them apart: rules of one architecture, each in a file beside this one.
// Sources: the compilers' output for the flags named below; arch/*/kernel/ftrace.c of 6.12 and 7.2.

import { firstIndex } from "../base/search.ts";
import type { CodeFile, CodePlace } from "./codeFile.ts";
import type { CodeFunction } from "./functions.ts";
import type { SiteTableEntry, TableName } from "./tables.ts";

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
export interface FunctionEntry {
  readonly form: Form;
  /** The instruction that is rewritten at run time: the kernel's rec->ip. */
  readonly site: number;
  /** What a table entry for it must name before the kernel adjusts it. */
  readonly tableEntry: number;
  /** The site is a call as it stands in the file. */
  readonly isCall: boolean;
}

/** A place as a key of a map. */
export const placeKey = (section: number, offset: number): string => `${section}:${offset}`;

/** Whether two words at `offset` are the nops of that architecture. */
export const twoNops = (file: CodeFile, section: number, offset: number, nop: number): boolean =>
  file.word(section, offset) === nop && file.word(section, offset + 4) === nop;

/** What holds for all sites of a file, since it is one kernel's configuration. */
export interface Build {
  /** Nops in front of functions, that tables name (DYNAMIC_FTRACE_WITH_CALL_OPS). */
  readonly callOps: boolean;
  /** One nop at the entry; the one behind it is the function's own then (PPC_FTRACE_OUT_OF_LINE). */
  readonly outOfLine: boolean;
}

/** Another instruction than ftrace wants to change. */
export interface SiteFault {
  /** Offset of the instruction in its section. */
  readonly at: number;
  /** What has to stand there. */
  readonly expected: string;
  /** Whether ftrace compares it when the module loads, or only when the function is traced or patched. */
  readonly when: "load" | "trace";
}

/** The fault of a word that is not the one expected; null if it is. */
export const unlessWord = (
  file: CodeFile,
  { section, offset }: CodePlace,
  word: number,
  expected: string,
  when: SiteFault["when"],
): SiteFault | null => (file.word(section, offset) === word ? null : { at: offset, expected, when });

/** How one architecture's functions begin, and what its kernels make of that. */
export interface SiteRules {
  /** What the tables tell of the configuration. */
  readonly build: (file: CodeFile, entries: readonly SiteTableEntry[]) => Build;
  /**
   * The entry of a function, from the code alone, so that a table can be held against it; null if nothing there can be a site.
   * @param inTable places that tables name, as {@link placeKey}: they tell nops before a function from alignment.
   */
  readonly recognise: (
    file: CodeFile,
    f: CodeFunction,
    inTable: ReadonlySet<string>,
    build: Build,
  ) => FunctionEntry | null;
  /** rec->ip for the place that a table entry names: ftrace_call_adjust. */
  readonly adjust: (file: CodeFile, record: SiteTableEntry, place: CodePlace, build: Build) => CodePlace;
  /** The nop that -fpatchable-function-entry=N,M puts in front of functions; null: those places are not known by words. */
  readonly nop: number | null;
  /**
   * What ftrace finds wrong at a place in code that a table names (ftrace_init_nop, ftrace_make_call); null: nothing.
   * @param isCalled whether a profiling call's relocation writes at an offset of that section
   */
  readonly faultAt: (
    file: CodeFile,
    place: CodePlace,
    table: TableName,
    isCalled: (at: number) => boolean,
    build: Build,
  ) => SiteFault | null;
  /**
   * A site that no function begins with: assembler, or a weak function that another one overrides, of which only the code is left.
   * @param place rec->ip
   * @param named offset of what the table names
   * @param bytes the section in memory
   */
  readonly elsewhere: (file: CodeFile, place: CodePlace, named: number, bytes: Uint8Array) => FunctionEntry | null;
  /** Bytes from the first one that is written at a site to its call. */
  readonly callOffset: (form: Form, size: number) => number;
  /** The first byte of a call whose target is not known; null: all of it depends on the target. */
  readonly callOpcode: number | null;
}

/** Name of the function at an address of a linked file, whichever of its names is a profiling one. */
export function nameAt(file: CodeFile, address: bigint): string | null {
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
export function findCall(file: CodeFile, f: CodeFunction, back: number): number | null {
  const calls = profilingCalls(file, f.section);
  const first = calls[firstIndex(calls.length, (i) => (calls[i] ?? 0) >= f.start + back)];
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
