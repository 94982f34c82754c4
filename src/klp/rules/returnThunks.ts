// Returns of x86 kernels with return thunks: the compiler writes a jump to __x86_return_thunk in place of each, objtool lists these
// jumps in .return_sites, and the kernel puts in their place what its CPU needs (apply_returns, arch/x86/kernel/alternative.c of 6.1,
// 6.12 and 7.2). A jump that is not listed stays.

import { type Problem, problem } from "../../diag/catalogue.ts";
import { SHF_ALLOC, SHF_EXECINSTR, STT_FUNC } from "../../elf/consts.ts";
import { isFinishedModule } from "../../kernel/module/formRules.ts";
import { hasFact } from "../../kernel/versionFacts.ts";
import { decodeInto, emptyInsn } from "../../reloc/x86Insn.ts";
import { placeIn } from "../place.ts";
import { wish } from "../sieve/wish.ts";
import type { RuleContext } from "./context.ts";

const LIST = ".return_sites";
const JUMP = 0xe9;
const RETURN = 0xc3;
/** Their jumps are listed, too, and dealt with as static calls (__static_call_fixup). */
const TRAMPOLINES = ".static_call.text";

/** Relocations of code against the thunk. */
const TO_THUNK = wish({
  tables: ({ file: { sections }, arch }, { target }) =>
    arch.objtool !== null && sections.hasFlags(target, SHF_ALLOC | SHF_EXECINSTR) && sections.hasBytes(target),
  symbols: ({ symbols, arch }) => (arch.objtool === null ? [] : symbols.called(arch.objtool.returnThunk).slice(0, 1)),
  types: () => (def) => def?.value === "S+A-P",
});

/** Jumps that are not listed, entries that name something else, and returns that are not jumps. */
export function checkReturnThunks(context: RuleContext): Problem[] {
  const thunk = context.arch.objtool?.returnThunk ?? null;
  if (thunk === null) return [];
  const jumps = jumpsTo(context);
  const listed = listedPlaces(context);
  // CONFIG_RETHUNK, from 6.9 on CONFIG_MITIGATION_RETHUNK, guards the thunk in retpoline.S and its global symbol. A kernel without has a copy of
  // the header's empty function of that name, since bugs.c takes its address: a local one (6.1, 6.12, 7.2).
  const isKernels =
    context.kernel?.hasSymbols === true && context.kernel.find(thunk).some(({ letter }) => letter === "T");
  if (jumps.size === 0 && listed.size === 0 && !isKernels) return [];
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
function jumpsTo({ file, rows }: RuleContext): Map<number | string, CodePlace> {
  const { sections } = file;
  const found = new Map<number | string, CodePlace>();
  for (const table of file.relocations) {
    const left = rows.of(table, TO_THUNK);
    if (left.length === 0) continue;
    const code = sections.data(table.target);
    for (const row of left) {
      const at = table.offset(row) - 1;
      if (code[at] === JUMP) found.set(keyOf(table.target, at), { section: table.target, at });
    }
  }
  return found;
}

/** What the entries of the list name, with the entries' own places. */
function listedPlaces({ file, symbols }: RuleContext): Map<number | string, Entry> {
  const { sections } = file;
  const found = new Map<number | string, Entry>();
  for (const table of file.relocations) {
    if (sections.name(table.target) !== LIST || !table.hasAddends) continue;
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      const section = symbols.sectionOf(symbol);
      if (section === null) continue;
      const at = symbols.offset(symbol) + table.addendNumber(row);
      found.set(keyOf(section, at), { section, at, entry: table.offset(row) });
    }
  }
  return found;
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
  const { file, functions } = context;
  const { sections } = file;
  let first: CodePlace | null = null;
  let count = 0;
  for (let section = 1; section < sections.count; section++) {
    if (!sections.hasFlags(section, SHF_ALLOC | SHF_EXECINSTR) || !sections.hasBytes(section)) continue;
    const code = sections.data(section);
    if (!code.includes(RETURN)) continue;
    let last = -1;
    for (const { start, size, type } of functions.inSection(section)) {
      if (start === last) continue; // another name
      last = start;
      const at = type === STT_FUNC ? returnIn(code.subarray(start, start + size)) : null;
      if (at === null) continue;
      count++;
      first ??= { section, at: start + at };
    }
  }
  return first === null ? [] : [problem("KLP476", placeIn(context, first.section, first.at), { count })];
}

/** The first `ret` of a function, as far as its instructions are known. */
function returnIn(body: Uint8Array): number | null {
  const last = body.lastIndexOf(RETURN);
  const insn = emptyInsn();
  for (let at = 0; at <= last; at += insn.length) {
    if (!decodeInto(insn, body, at)) return null;
    if (insn.map === 0 && insn.opcode === RETURN) return at;
  }
  return null;
}
