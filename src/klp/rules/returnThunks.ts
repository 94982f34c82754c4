// Returns of x86 kernels with return thunks: the compiler writes a jump to __x86_return_thunk in place of each, objtool lists these
// jumps in .return_sites, and the kernel puts in their place what its CPU needs (apply_returns, arch/x86/kernel/alternative.c of 6.1,
// 6.12 and 7.2). A jump that is not listed stays.

import { type Problem, problem } from "../../diag/catalogue.ts";
import { SHF_ALLOC, SHF_EXECINSTR, STT_FUNC } from "../../elf/consts.ts";
import { isFinishedModule } from "../../kernel/module/formRules.ts";
import { hasFact } from "../../kernel/versionFacts.ts";
import { decodeInsn, isNearReturn, lengthOf } from "../../reloc/x86Insn.ts";
import { placeIn } from "../place.ts";
import type { InstructionStarts } from "../sieve/starts.ts";
import { wish } from "../sieve/wish.ts";
import type { RuleContext } from "./context.ts";

const LIST = ".return_sites";
const JUMP = 0xe9;
const RETURN = 0xc3;
/** Their jumps are listed, too, and dealt with as static calls (__static_call_fixup). */
const TRAMPOLINES = ".static_call.text";

/** Relocations of code against the thunk. */
const TO_THUNK = wish({
  tables: ["code", "bytes"],
  symbols: ({ symbols, arch }) => (arch.objtool === null ? [] : symbols.called(arch.objtool.returnThunk).slice(0, 1)),
  types: () => (def) => def?.value === "S+A-P",
});

/** Jumps that are not listed, entries that name something else, and returns that are not jumps. */
export function checkReturnThunks(context: RuleContext): Problem[] {
  const thunk = context.arch.objtool?.returnThunk ?? null;
  if (thunk === null) return [];
  const count = jumpsAllListed(context);
  // CONFIG_RETHUNK, from 6.9 on CONFIG_MITIGATION_RETHUNK, guards the thunk in retpoline.S and its global symbol. A kernel without has a copy of
  // the header's empty function of that name, since bugs.c takes its address: a local one (6.1, 6.12, 7.2).
  const isKernels =
    context.kernel?.hasSymbols === true && context.kernel.find(thunk).some(({ letter }) => letter === "T");
  if (count !== null) return isKernels || count > 0 ? plainReturns(context) : [];
  const jumps = jumpsTo(context);
  const listed = listedPlaces(context);
  return [
    // objtool comes last, in kernels with IBT when the module is linked already.
    ...(isFinishedModule(context.file, context.path) ? unlisted(context, jumps, listed) : []),
    ...strangers(context, jumps, listed),
    ...(isKernels || jumps.size > 0 ? plainReturns(context) : []),
  ];
}

interface CodePlace {
  readonly section: number;
  readonly at: number;
}

/** What an entry of the list names, and where it stands. */
interface Entry extends CodePlace {
  readonly entry: number;
}

/** Of a place in code that lies where one can: a number, since there are very many. */
const keyOf = (section: number, at: number): number | string =>
  at >= 0 && at < 2 ** 32 ? section * 2 ** 32 + at : `${section}:${at}`;

/** First bytes of jumps to the thunk. */
function jumpsTo(context: RuleContext): Map<number | string, CodePlace> {
  const found = new Map<number | string, CodePlace>();
  eachJump(context, (section, at) => void found.set(keyOf(section, at), { section, at }));
  return found;
}

function eachJump({ file, rows }: RuleContext, take: (section: number, at: number) => void): void {
  const { sections } = file;
  for (const table of file.relocations) {
    const left = rows.of(table, TO_THUNK);
    if (left.length === 0) continue;
    const code = sections.data(table.target);
    for (const row of left) {
      const at = table.offset(row) - 1;
      if (code[at] === JUMP) take(table.target, at);
    }
  }
}

/** What the entries of the list name, with the entries' own places. */
function listedPlaces(context: RuleContext): Map<number | string, Entry> {
  const found = new Map<number | string, Entry>();
  eachListed(context, (section, at, entry) => void found.set(keyOf(section, at), { section, at, entry }));
  return found;
}

function eachListed({ file, symbols }: RuleContext, take: (section: number, at: number, entry: number) => void): void {
  const { sections } = file;
  for (const table of file.relocations) {
    if (sections.name(table.target) !== LIST || !table.hasAddends) continue;
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      const section = symbols.sectionOf(symbol);
      if (section !== null) take(section, symbols.offset(symbol) + table.addendNumber(row), table.offset(row));
    }
  }
}

/**
 * The number of jumps if each of them is listed and each entry names one, or a place among {@link TRAMPOLINES}, as in nearly all
 * modules; null otherwise.
 */
function jumpsAllListed(context: RuleContext): number | null {
  const { sections } = context.file;
  const jumps = new PlaceBits(sections);
  const listed = new PlaceBits(sections);
  eachJump(context, (section, at) => jumps.add(section, at));
  let areRight = true;
  let shared = 0;
  eachListed(context, (section, at) => {
    if (!jumps.has(section, at)) areRight &&= sections.name(section) === TRAMPOLINES;
    else if (listed.add(section, at)) shared++;
  });
  return areRight && shared === jumps.count ? shared : null;
}

/** Places in sections that have bytes. */
class PlaceBits {
  readonly #sections: RuleContext["file"]["sections"];
  readonly #bits = new Map<number, Uint8Array>();
  count = 0;

  constructor(sections: RuleContext["file"]["sections"]) {
    this.#sections = sections;
  }

  has(section: number, at: number): boolean {
    const bits = this.#bits.get(section);
    // A place outside has none.
    return bits !== undefined && ((bits[Math.floor(at / 8)] ?? 0) & (1 << (at & 7))) !== 0;
  }

  /** False if it was there already. @param at of a byte that the section has */
  add(section: number, at: number): boolean {
    if (this.has(section, at)) return false;
    let bits = this.#bits.get(section);
    if (bits === undefined) {
      bits = new Uint8Array((this.#sections.data(section).length >>> 3) + 1);
      this.#bits.set(section, bits);
    }
    bits[at >>> 3] = (bits[at >>> 3] ?? 0) | (1 << (at & 7));
    this.count++;
    return true;
  }
}

/** One for all: where one is missing, objtool has not run, and all are. */
function unlisted(
  context: RuleContext,
  jumps: ReadonlyMap<number | string, CodePlace>,
  listed: ReadonlyMap<number | string, unknown>,
): Problem[] {
  const missing = [...jumps].filter(([key]) => !listed.has(key)).map(([, place]) => place);
  const [first] = missing;
  if (first === undefined) return [];
  const { kernel, version } = context;
  const warns =
    kernel?.hasSymbols === true ? kernel.find("__warn_thunk").length > 0 : hasFact(version, "x86WarnsThunk");
  return [
    problem("KLP474", placeIn(context, first.section, first.at), { count: missing.length, of: jumps.size, warns }),
  ];
}

function strangers(
  context: RuleContext,
  jumps: ReadonlyMap<number | string, unknown>,
  listed: ReadonlyMap<number | string, Entry>,
): Problem[] {
  const { sections } = context.file;
  const problems: Problem[] = [];
  for (const [key, place] of listed) {
    if (jumps.has(key) || sections.name(place.section) === TRAMPOLINES) continue;
    const isInside = place.at >= 0 && place.at < sections.size(place.section);
    const at = isInside
      ? placeIn(context, place.section, place.at)
      : { file: context.path, section: LIST, offset: place.entry };
    problems.push(problem("KLP475", at, { entry: place.entry }));
  }
  return problems;
}

/** Functions with a `ret` of their own, in a module for a kernel with thunks. */
function plainReturns(context: RuleContext): Problem[] {
  const { file, functions, rows } = context;
  const { sections } = file;
  let first: CodePlace | null = null;
  let count = 0;
  for (let section = 1; section < sections.count; section++) {
    if (!sections.hasFlags(section, SHF_ALLOC | SHF_EXECINSTR) || !sections.hasBytes(section)) continue;
    const code = sections.data(section);
    /** The first byte of a return, or one like it, that is not before the function. */
    let byte = nextReturn(code, 0);
    if (byte === Infinity) continue;
    const starts = rows.starts(section, code);
    const { starts: places, symbols } = functions.places(section);
    let next = 0;
    for (let place = 0; place < places.length; place = next) {
      // Other names at the same place.
      const start = places[place] ?? 0;
      for (next = place + 1; places[next] === start; ) next++;
      const symbol = symbols[place] ?? 0;
      if (context.symbols.type(symbol) !== STT_FUNC) continue;
      const end = start + context.symbols.size(symbol);
      const isNested = (places[next] ?? Infinity) < end;
      if (byte < start) byte = nextReturn(code, start);
      if (byte >= end) continue;
      const at = isNested ? returnIn(code.subarray(start, end), start) : returnAmong(code, starts, byte, end);
      if (at === null) continue;
      count++;
      first ??= { section, at };
    }
  }
  return first === null ? [] : [problem("KLP476", placeIn(context, first.section, first.at), { count })];
}

/** Infinity if there is none. */
function nextReturn(code: Uint8Array, from: number): number {
  const found = code.indexOf(RETURN, from);
  return found < 0 ? Infinity : found;
}

/**
 * The first `ret` from `first` to `end`, as far as instructions are known: of a function that holds no other symbol.
 * @param first its first byte like one
 */
function returnAmong(code: Uint8Array, starts: InstructionStarts, first: number, end: number): number | null {
  for (let byte = first; byte < end; byte = nextReturn(code, byte + 1)) {
    const at = starts.at(byte);
    if (at < 0) return null;
    const insn = decodeInsn(code, at);
    if (isNearReturn(insn) && at + lengthOf(insn) === byte + 1) return at;
  }
  return null;
}

/** As {@link returnAmong}, of a function with symbols in it: its instructions go on behind them. @param start where `body` begins */
function returnIn(body: Uint8Array, start: number): number | null {
  const last = body.lastIndexOf(RETURN);
  for (let at = 0, length = 0; at <= last; at += length) {
    const insn = decodeInsn(body, at);
    length = lengthOf(insn);
    if (length === 0) return null;
    if (isNearReturn(insn)) return start + at;
  }
  return null;
}
