// The bytes that relocations write: by more than one of them, or not zero where x86_64 wants zeros.

import { printable } from "../../base/bytes.ts";
import { isBefore } from "../../base/loadOrder.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { ProblemList } from "../../diag/problemList.ts";
import { SHF_ALLOC, SHF_RELA_LIVEPATCH, STB_WEAK } from "../../elf/consts.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { type HasFact, hasFact } from "../../kernel/versionFacts.ts";
import { type RelocTable, relocName } from "../../reloc/def.ts";
import { placeIn } from "../place.ts";
import { isIntermediate } from "../producers/producer.ts";
import { wish } from "../sieve/wish.ts";
import type { RuleContext } from "./context.ts";

interface Write {
  readonly start: number;
  readonly end: number;
  readonly table: RelocationTable;
  readonly row: number;
  readonly isKlp: boolean;
}

/** Places that a livepatch relocation and another one both write. */
export function checkSharedPlaces(context: RuleContext): Problem[] {
  const { file, symbols } = context;
  const { relocs } = context.arch;
  const { sections } = file;
  const byTarget = new Map<number, RelocationTable[]>();
  for (const table of file.relocations) {
    if (!sections.hasFlags(table.target, SHF_ALLOC)) continue;
    const tables = byTarget.get(table.target);
    if (tables === undefined) byTarget.set(table.target, [table]);
    else tables.push(table);
  }
  const problems = new ProblemList();
  for (const [target, tables] of byTarget) {
    if (!tables.some((t) => sections.hasFlags(t.section, SHF_RELA_LIVEPATCH))) continue;
    if (areApart(tables, relocs)) continue;
    const writes: Write[] = [];
    for (const table of tables) {
      const isKlp = sections.hasFlags(table.section, SHF_RELA_LIVEPATCH);
      for (let row = 0; row < table.count; row++) {
        const bytes = relocs.defs.get(table.type(row))?.bytes ?? 0;
        if (bytes > 0) writes.push({ start: table.offset(row), end: table.offset(row) + bytes, table, row, isKlp });
      }
    }
    writes.sort((a, b) => a.start - b.start || a.end - b.end);
    for (let k = 1; k < writes.length; k++) {
      const before = writes[k - 1];
      const after = writes[k];
      if (before === undefined || after === undefined || after.start >= before.end) continue;
      if (!before.isKlp && !after.isKlp) continue;
      const at = placeIn(context, target, after.start);
      const label = (w: Write): string =>
        `${relocName(relocs, w.table.type(w.row))} ${printable(symbols.name(w.table.symbol(w.row)))}`;
      const data = { first: label(before), second: label(after) };
      const refusal = context.arch.wantsZeros ? secondWrite(context, before, after) : null;
      problems.push(
        refusal === null
          ? problem("KLP435", at, { ...data, message: null })
          : problem("KLP435", at, { ...data, message: refusal.message }, refusal.more),
      );
    }
  }
  return problems.all();
}

/** So many bytes at most are at a place, and one more. */
const PLACE = 16;

/** Whether no two relocations write the same byte: found out of numbers alone, since that is how nearly all files are. */
function areApart(tables: readonly RelocationTable[], { defs }: RelocTable): boolean {
  const places = new Float64Array(tables.reduce((sum, { count }) => sum + count, 0));
  let count = 0;
  let last = 0;
  let rises = true;
  for (const table of tables) {
    for (let row = 0; row < table.count; row++) {
      const bytes = defs.get(table.type(row))?.bytes ?? 0;
      const start = table.offset(row);
      if (start >= 2 ** 48) return false;
      const place = start * PLACE + bytes;
      if (bytes === 0) continue;
      rises &&= place >= last;
      last = place;
      places[count++] = place;
    }
  }
  const written = places.subarray(0, count);
  if (!rises) written.sort();
  let end = 0;
  for (const place of written) {
    const bytes = place % PLACE;
    const start = (place - bytes) / PLACE;
    if (start < end) return false;
    end = start + bytes;
  }
  return true;
}

/** Two ordinary relocations of one place on x86_64: the later one meets what the earlier one wrote. */
export function checkWrittenTwice(context: RuleContext): Problem[] {
  const { file, loadOrder } = context;
  const { relocs } = context.arch;
  if (!context.arch.wantsZeros) return [];
  const { sections } = file;
  const problems = new ProblemList();
  const writes = (type: number): boolean => (relocs.defs.get(type)?.bytes ?? 0) > 0;
  for (const table of file.relocations) {
    if (!sections.hasFlags(table.target, SHF_ALLOC) || sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) continue;
    if (isIntermediate(sections.name(table.target))) continue;
    for (const { first, row } of repeated(table, writes)) {
      if (mayWriteZero(context, table, first)) continue;
      const order = loadOrder.of(table, row);
      const at = placeIn(context, table.target, table.offset(row));
      const data = { reloc: relocName(relocs, table.type(row)), message: nonzeroMessage(context, table, row) };
      problems.push(problem("KLP204", at, data, order === null ? {} : { loadOrder: order }));
    }
  }
  return problems.all();
}

/** Rows whose place a row before them has. Assemblers write rows in ascending order, where it is the neighbour. */
function* repeated(
  table: RelocationTable,
  writes: (type: number) => boolean,
): Generator<{ readonly first: number; readonly row: number }> {
  let rises = true;
  for (let row = 1; row < table.count && rises; row++) rises = table.offset(row) >= table.offset(row - 1);
  const rowAt = new Map<number, number>();
  let last = -1;
  for (let row = 0; row < table.count; row++) {
    if (!writes(table.type(row))) continue;
    const place = table.offset(row);
    const first = rises ? (last >= 0 && table.offset(last) === place ? last : undefined) : rowAt.get(place);
    if (first !== undefined) {
      yield { first, row };
      continue;
    }
    last = row;
    if (!rises) rowAt.set(place, row);
  }
}

/** Whether a relocation can come to nothing: against a weak symbol that nobody defines. */
function mayWriteZero({ symbols }: RuleContext, table: RelocationTable, row: number): boolean {
  const symbol = table.symbol(row);
  return symbols.isUndefined(symbol) && symbols.bind(symbol) === STB_WEAK;
}

/** x86_64 refuses the later of two: the earlier has left a value there. Which is later, the loader's order says. */
function secondWrite(
  context: RuleContext,
  a: Write,
  b: Write,
): { readonly message: string; readonly more: { readonly loadOrder?: readonly number[] } } {
  const [first, second] = [context.loadOrder.of(a.table, a.row), context.loadOrder.of(b.table, b.row)];
  // What waits for a module comes last, and its fault shows when that module is there.
  const late = second === null ? b : first === null ? a : isBefore(first, second) ? b : a;
  const order = context.loadOrder.of(late.table, late.row);
  return { message: nonzeroMessage(context, late.table, late.row), more: order === null ? {} : { loadOrder: order } };
}

/** The kernel's words, with placeholders for the address of the place and the value. */
function nonzeroMessage({ arch, module, version }: RuleContext, table: RelocationTable, row: number): string {
  const type = table.type(row);
  const has: HasFact = (fact) => hasFact(version, fact);
  const fault = { kind: "nonzero", module, type, value: 0n, target: 0n, place: 0n, section: table.section, row, has };
  const text = arch.relocs.defs.get(type)?.message({ ...fault, kind: "nonzero" }) ?? "";
  return text.replace(/loc \w+, val \w+$/, "loc ADDRESS, val VALUE");
}

const NOT_ZERO = wish({
  tables: ["read", "bytes"],
  types:
    ({ arch }) =>
    () =>
      arch.wantsZeros,
  places: "nonzero",
});

/** Places that are not zero in the file: the loader of x86_64 takes them for relocated already. */
export function checkZeroPlaces(context: RuleContext): Problem[] {
  const { file, loadOrder } = context;
  const { relocs } = context.arch;
  const problems = new ProblemList();
  for (const table of file.relocations) {
    for (const row of context.rows.of(table, NOT_ZERO)) {
      const offset = table.offset(row);
      const at = placeIn(context, table.target, offset);
      const order = loadOrder.of(table, row);
      const reloc = relocName(relocs, table.type(row));
      const more = order === null ? {} : { loadOrder: order };
      problems.push(problem("KLP204", at, { reloc, message: nonzeroMessage(context, table, row) }, more));
    }
  }
  return problems.all();
}
