// Relocations that wait for a module are applied when the livepatch's text and constants are read-only: what the loader can write
// then, by architecture (its row) and version.

import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Place } from "../../diag/define.ts";
import { SHF_WRITE, SHN_LIVEPATCH } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { CodeFile } from "../../ftrace/codeFile.ts";
import { buildOf } from "../../ftrace/sites.ts";
import { hasFact, versionFacts } from "../../kernel/versionFacts.ts";
import { relocName } from "../../reloc/def.ts";
import type { PlaceOf } from "../place.ts";
import type { RuleContext } from "./context.ts";

/** Whether the memory of a section is read-only once its module is loaded. */
const isReadOnly = ({ sections }: ElfFile, section: number): boolean =>
  !sections.hasFlags(section, SHF_WRITE) || sections.name(section) === ".data..ro_after_init";

/** @param object a module, whose livepatch relocations stand in `table`. Null: the row can be written. */
export function lateWrite(
  { file, version, arch }: RuleContext,
  table: RelocationTable,
  row: number,
  object: string,
  at: PlaceOf,
): Problem | null {
  const late = arch.lateWrites;
  const type = table.type(row);
  if (late === null || !hasFact(version, "vmlinuxAtLoad") || (arch.relocs.defs.get(type)?.bytes ?? 0) === 0)
    return null;
  const isHeld =
    isReadOnly(file, table.target) && (late.readOnlySince === null || hasFact(version, late.readOnlySince));
  const data = () => ({ name: relocName(arch.relocs, type), target: file.sections.name(table.target), object });
  if (isHeld && late.types?.has(type) === false)
    return problem("KLP431", at(), { ...data(), how: "oops", message: late.oops });
  if (!hasFact(version, late.since)) {
    const since = versionFacts[late.since].since.join(".");
    return isHeld ? problem("KLP470", at(), { ...data(), since, message: late.oops }) : null;
  }
  const isWritten = table.offset(row) % late.align === 0;
  return isWritten ? null : problem("KLP431", at(), { ...data(), how: "skip", message: null });
}

/**
 * A late call needs a stub. Loaders that look for a free entry by its empty address (stub_for_addr) find one among the out-of-line
 * halves of ftrace sites, which were put there when the livepatch was loaded (setup_ftrace_ool_stubs): of their 40 bytes, the
 * second entry's address lies in the fourth site's pointer, which is empty, or behind the last site. One site fills one entry only.
 */
export function overwrittenHalves(
  { file, symbols, version, arch }: RuleContext,
  table: RelocationTable,
  object: string,
  at: Place,
): Problem | null {
  if (hasFact(version, "ppcOutOfLineKept")) return null;
  const list = file.sections.findByName("__patchable_function_entries");
  const sites = list === null ? 0 : Math.floor(file.sections.size(list) / 8);
  const calls = arch.branches?.types ?? null;
  if (sites < 2 || calls === null) return null;
  if (!hasCall(table, calls, (symbol) => symbols.rawShndx(symbol) === SHN_LIVEPATCH)) return null;
  if (!isOutOfLine(file, arch)) return null;
  return problem("KLP471", at, { object, sites, since: versionFacts.ppcOutOfLineKept.since.join(".") });
}

const outOfLine = new WeakMap<ElfFile, boolean>();

/** Whether sites are patched out of line. Asked for each section, and the same for all of a file. */
function isOutOfLine(file: ElfFile, arch: RuleContext["arch"]): boolean {
  const known = outOfLine.get(file) ?? buildOf(new CodeFile(file, arch.name), arch.sites).outOfLine;
  outOfLine.set(file, known);
  return known;
}

function hasCall(table: RelocationTable, calls: ReadonlySet<number>, isFar: (symbol: number) => boolean): boolean {
  for (let row = 0; row < table.count; row++) {
    if (calls.has(table.type(row)) && isFar(table.symbol(row))) return true;
  }
  return false;
}
