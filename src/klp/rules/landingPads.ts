// Functions that an indirect branch may reach, without the instruction that the CPU wants there (x86: ENDBR, IBT). objtool looks for
// the same when it is run with --ibt (validate_ibt, tools/objtool/check.c of 6.1, 6.12 and 7.2), and knows of exceptions by notes
// that are gone from a finished module.

import { printable } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { SHF_ALLOC, SHF_EXECINSTR, STT_FUNC } from "../../elf/consts.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import type { Patch } from "../patch/tables.ts";
import { placeIn } from "../place.ts";
import type { RuleContext } from "./context.ts";

/** Sections that name code for another purpose than to branch there: those of validate_ibt that stay in a module. */
const NAMES_ONLY =
  /^(?:\.altinstructions|\.ibt_endbr_seal|\.kcfi_traps|\.orc_unwind_ip|\.parainstructions|\.retpoline_sites|\.return_sites|\.call_sites|\.cfi_sites|\.smp_locks|\.static_call_sites|_error_injection_whitelist|_kprobe_blacklist|__bug_table|__ex_table|__jump_table|__mcount_loc|__tracepoints|__patchable_function_entries|\.init\.klp_funcs|\.llvm\.\w.*|\.discard.*|\.debug.*)$/;
/** Trampolines of static calls are called directly, though static_call_update names them. */
const TRAMPOLINES = ".static_call.text";

/** What the kernel at hand enforces; null: that is not known, or it does not. */
function padOf({ arch, kernel, file }: RuleContext): Uint8Array | null {
  const pad = arch.objtool?.landingPad ?? null;
  if (pad === null) return null;
  const isEnforced =
    kernel?.hasSymbols === true
      ? pad.kernelSymbols.some((name) => kernel.find(name).length > 0)
      : file.sections.findByName(".ibt_endbr_seal") !== null;
  return isEnforced ? pad.bytes : null;
}

/** Pointers to replacements: a patched function is left for one by a return, not by an indirect branch. */
function replacementsOf(patches: readonly Patch[]): Set<string> {
  const places = new Set<string>();
  for (const patch of patches)
    for (const { functions } of patch.objects)
      for (const { at } of functions) for (const field of [0, 8]) places.add(`${at.section}+${at.offset + field}`);
  return places;
}

/** Such functions, each with the first place that takes its address. */
export function checkLandingPads(context: RuleContext, patches: readonly Patch[]): Problem[] {
  const pad = padOf(context);
  if (pad === null) return [];
  const left = replacementsOf(patches);
  const { file, symbols, functions } = context;
  const { sections } = file;
  const problems: Problem[] = [];
  const said = new Set<string>();
  for (const table of file.relocations) {
    if (!sections.hasFlags(table.target, SHF_ALLOC) || !table.hasAddends) continue;
    if (NAMES_ONLY.test(sections.name(table.target))) continue;
    const code = sections.hasFlags(table.target, SHF_EXECINSTR) ? sections.data(table.target) : null;
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      const section = symbols.sectionOf(symbol);
      if (section === null || !sections.hasFlags(section, SHF_EXECINSTR)) continue;
      const bias = code === null ? 0 : biasIn(context, code, table, row);
      if (bias === null) continue;
      const start = symbols.offset(symbol) + table.addendNumber(row) + bias;
      const callee = functions.at(section, start);
      if (callee?.start !== start || callee.type !== STT_FUNC || sections.name(section) === TRAMPOLINES) continue;
      const bytes = sections.data(section);
      if (pad.every((byte, i) => bytes[start + i] === byte)) continue;
      const offset = table.offset(row);
      if (left.has(`${table.target}+${offset}`)) continue;
      const user = code === null ? null : functions.at(table.target, offset);
      const key = `${section}+${start}`;
      if (said.has(key) || (user !== null && user.section === section && user.start === start)) continue;
      said.add(key);
      const at = placeIn(context, table.target, offset);
      problems.push(problem("KLP472", at, { symbol: printable(callee.name) }));
    }
  }
  return problems;
}

/** What is to be added to a relocation's addend in code to get the address that is meant; null if it is a direct branch's. */
function biasIn({ arch }: RuleContext, code: Uint8Array, table: RelocationTable, row: number): number | null {
  const at = table.offset(row);
  const before = code[at - 1] ?? 0;
  if (arch.relocs.defs.get(table.type(row))?.value !== "S+A-P") return 0;
  const isBranch = before === 0xe8 || before === 0xe9 || ((before & 0xf0) === 0x80 && code[at - 2] === 0x0f);
  return isBranch ? null : 4;
}
