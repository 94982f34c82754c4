// The audit of a ppc64le module's calls: what the kernel's restore_r2 (arch/powerpc/kernel/module_64.c,
// seen in 6.1, 6.12 and 7.2) will make of each R_PPC64_REL24.

import { viewOf } from "../../base/bytes.ts";
import { SHF_ALLOC, SHF_RELA_LIVEPATCH, SHN_LIVEPATCH, SHN_UNDEF } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { R_PPC64_REL24, R_PPC64_REL24_NOTOC } from "../../reloc/numbers.ts";
import { decodeBranch, LD_R2_24_R1, NOP } from "../../stubs/insn.ts";
import type { CodeSymbol, FunctionIndex } from "../functions.ts";
import { parseKlpSectionObject, shortName } from "../symbols/names.ts";

/**
 * - `local`: the callee is in the module; the loader branches to its local entry and touches nothing else.
 * - `nop`: a call through a stub with the nop that the loader needs.
 * - `no-nop`: a call through a stub without it: the module is refused.
 * - `restored`: the word is already `ld r2,24(r1)`; kernels before 6.3 refuse it.
 * - `sibling`: a branch through a stub that will overwrite the TOC of the caller's caller.
 * - `exempt`: a profiling call, which the loader and ftrace treat by name.
 * - `helper`: a register save or restore helper, which must not be reached through a stub.
 * - `pcrel`: the module belongs to a kernel without a TOC; nothing to restore.
 * - `not-a-call`: the word under the relocation is not a relative I-form branch.
 */
export type CallVerdict =
  | "local"
  | "nop"
  | "no-nop"
  | "restored"
  | "sibling"
  | "exempt"
  | "helper"
  | "pcrel"
  | "not-a-call";

/** One REL24 or REL24_NOTOC relocation of loaded code. Offsets are bytes in the section. */
export interface Call {
  readonly table: RelocationTable;
  readonly row: number;
  readonly section: number;
  readonly offset: number;
  readonly symbol: number;
  readonly callee: string;
  readonly addend: bigint;
  readonly word: number;
  /** The word behind the call; null at the section's end. */
  readonly next: number | null;
  readonly verdict: CallVerdict;
  /** The function that the call is charged to. */
  readonly caller: CodeSymbol | null;
  /** Object of the `.klp.rela.` section that holds the relocation; null for ordinary ones. */
  readonly klpObject: string | null;
}

/** Names that the loader exempts from the rule (is_mprofile_ftrace_call). */
const PROFILING = new Set(["_mcount", "ftrace_caller", "ftrace_regs_caller"]);

/** Power ABI register save and restore routines (ELFv2 ABI 2.3.3, "Register Save and Restore Functions"). */
const SAVE_RESTORE = /^\.?_(?:save|rest)(?:gpr[01]|fpr|vr)_\d+$/;

/** Whether the loader reaches the symbol through a stub: undefined, or a livepatch symbol. */
export function isExternal(symbols: SymbolTable, symbol: number): boolean {
  const raw = symbols.rawShndx(symbol);
  return raw === SHN_UNDEF || raw === SHN_LIVEPATCH;
}

/**
 * All REL24 and REL24_NOTOC relocations whose target section is loaded (SHF_ALLOC), in section and row order.
 * @param isPcrel the kernel is one without a TOC
 */
export function auditCalls(file: ElfFile, symbols: SymbolTable, functions: FunctionIndex, isPcrel: boolean): Call[] {
  const { sections } = file;
  const loaded = file.relocations.filter((t) => sections.hasFlags(t.target, SHF_ALLOC) && t.hasAddends);
  const calls: Call[] = [];
  for (const table of loaded) {
    const data = sections.data(table.target);
    const view = viewOf(data);
    const klpObject = sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)
      ? parseKlpSectionObject(sections.name(table.section))
      : null;
    for (let row = 0; row < table.count; row++) {
      const type = table.type(row);
      if (type !== R_PPC64_REL24 && type !== R_PPC64_REL24_NOTOC) continue;
      const noToc = isPcrel || type === R_PPC64_REL24_NOTOC;
      const offset = table.offset(row);
      if (offset + 4 > data.length) continue; // reported as KLP202
      const symbol = table.symbol(row);
      const callee = symbols.name(symbol);
      const word = view.getUint32(offset, file.littleEndian);
      const next = offset + 8 <= data.length ? view.getUint32(offset + 4, file.littleEndian) : null;
      calls.push({
        table,
        row,
        section: table.target,
        offset,
        symbol,
        callee,
        addend: table.addend(row),
        word,
        next,
        verdict: judge(isExternal(symbols, symbol), shortName(callee), word, next, noToc),
        caller: functions.at(table.target, offset),
        klpObject,
      });
    }
  }
  return calls;
}

function judge(external: boolean, name: string, word: number, next: number | null, noToc: boolean): CallVerdict {
  if (!external) return "local";
  if (PROFILING.has(name)) return "exempt";
  if (noToc) return "pcrel";
  const branch = decodeBranch(word);
  if (branch === null || branch.absolute || branch.conditional) return "not-a-call";
  if (SAVE_RESTORE.test(name)) return "helper";
  if (!branch.links) return "sibling";
  if (next === NOP) return "nop";
  return next === LD_R2_24_R1 ? "restored" : "no-nop";
}
