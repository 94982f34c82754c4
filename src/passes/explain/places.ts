// The places of a module that a line of dmesg can be about, by each of the things that lines tell.

import { printable } from "../../base/bytes.ts";
import { LOADING } from "../../base/loadOrder.ts";
import type { Place } from "../../diag/define.ts";
import type { Recognised } from "../../diag/messages/define.ts";
import { SHF_ALLOC, SHN_COMMON, SHN_LIVEPATCH } from "../../elf/consts.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { namedPlaceIn } from "../../klp/place.ts";
import { parseKlpSymbol } from "../../klp/symbols/names.ts";
import type { Analysis } from "../analysis.ts";
import { EXACT, fitOfCall, SYMBOLIC } from "./calls.ts";
import { type Fit, printedValue, type ValueFits } from "./values.ts";

/** A place that fits a line, before it is ranked. */
export interface Match {
  readonly at: Place;
  readonly section: number;
  readonly score: number;
  readonly because: string;
  readonly order: readonly number[] | null;
  /** The line is not about this place, but about a symbol that is used here. */
  readonly isUse?: boolean;
}

/** The places of a module that fit a line, in no order; null if the line tells nothing to look for them by. */
export function matchesOf(line: Recognised, analysis: Analysis, values: ValueFits, path: string): Match[] | null {
  const { fields, message } = line;
  if (message.arch !== undefined && message.arch !== analysis.arch.name) return [];
  if (message.codes?.includes("KLP301") === true && fields.word !== undefined) {
    return matchCalls(analysis, values, path, Number.parseInt(fields.word, 16) >>> 0, fields.address ?? null);
  }
  if (fields.sectionIndex !== undefined && fields.row !== undefined && fields.type !== undefined) {
    return matchRow(analysis, path, Number(fields.sectionIndex), Number(fields.row), Number(fields.type));
  }
  if (message.by === "relocation" && printedValue(line) !== null) return matchValue(line, analysis, values, path);
  if (fields.type !== undefined) return matchType(analysis, path, Number(fields.type));
  if (fields.section !== undefined) return matchSection(analysis, path, fields.section, fields.sectionIndex ?? null);
  if (/-fno-common$/.test(line.form)) return matchCommon(analysis, path);
  if (/exports duplicate symbol/.test(line.form)) return matchDefinition(analysis, path, fields.symbol ?? "");
  if (message.by === "livepatch") {
    const name = fields.symbol ?? fields.name;
    if (name === undefined) return null;
    const uses = matchSymbol(analysis, path, name);
    return uses.length > 0 ? uses : matchText(analysis, path, name);
  }
  if (fields.symbol !== undefined) return matchSymbol(analysis, path, fields.symbol, isLookup(line));
  return fields.address === undefined ? null : matchAddress(analysis, path, fields.address);
}

const placeAt = ({ file, functions }: Analysis, path: string, section: number, offset: number): Place =>
  namedPlaceIn({ file, functions, path }, section, offset);

/** Calls whose following word is the printed one. */
function matchCalls(
  analysis: Analysis,
  values: ValueFits,
  path: string,
  word: number,
  address: string | null,
): Match[] {
  const matches: Match[] = [];
  for (const call of analysis.calls) {
    if (call.verdict !== "no-nop" && call.verdict !== "restored") continue;
    const order = analysis.loadOrder.of(call.table, call.row);
    const fit = fitOfCall(analysis, values, call, word, address);
    if (fit === null) continue;
    matches.push({
      at: placeAt(analysis, path, call.section, call.offset),
      section: call.section,
      order,
      ...fit,
    });
  }
  return matches;
}

function relocationMatch(analysis: Analysis, path: string, table: RelocationTable, row: number, fit: Fit): Match {
  const offset = table.offset(row);
  const order = analysis.arch.hasToc ? analysis.loadOrder.of(table, row) : LOADING.relocation(table.section, row);
  return { at: placeAt(analysis, path, table.target, offset), section: table.target, order, ...fit };
}

/** The very row that x86 kernels of 7.x name. */
function matchRow(analysis: Analysis, path: string, section: number, row: number, type: number): Match[] {
  const table = analysis.file.relocations.find((t) => t.section === section);
  if (table === undefined || row >= table.count || table.type(row) !== type) return [];
  const because = `the line names entry ${row} of relocation section ${section}`;
  return [relocationMatch(analysis, path, table, row, { score: EXACT, because })];
}

function* loadedRelocations({ file }: Analysis): Generator<{ table: RelocationTable; row: number }> {
  for (const table of file.relocations) {
    if (!file.sections.hasFlags(table.target, SHF_ALLOC)) continue;
    for (let row = 0; row < table.count; row++) yield { table, row };
  }
}

function matchType(analysis: Analysis, path: string, type: number): Match[] {
  const matches: Match[] = [];
  for (const { table, row } of loadedRelocations(analysis)) {
    if (table.type(row) !== type) continue;
    matches.push(
      relocationMatch(analysis, path, table, row, { score: 1, because: `it has a relocation of type ${type}` }),
    );
  }
  return matches;
}

/**
 * Relocations that can have given the number that the line prints. If none can, those of the line's type: the file may be
 * another build of the module.
 */
function matchValue(line: Recognised, analysis: Analysis, values: ValueFits, path: string): Match[] {
  const isNonzero = /nonzero/.test(line.form);
  const writers = new Writers();
  const matches: Match[] = [];
  for (const { table, row } of loadedRelocations(analysis)) {
    const fit = values.fit(line, table, row);
    if (fit === null) continue;
    const written = isNonzero ? writtenBefore(analysis, table, row, writers) : null;
    // What the file itself shows is certain; that the kernel's struct module is another one it cannot show.
    const filled = isNonzero && isStructModule(analysis, table) ? FILLED : null;
    const before = written ?? filled;
    if (isNonzero && before === null) continue;
    const { score, because } = fit;
    const more = written !== null ? 50 : 25;
    const both = before === null ? fit : { score: score + more, because: `${before}; ${because}` };
    matches.push(relocationMatch(analysis, path, table, row, both));
  }
  if (matches.length > 0 || line.fields.type === undefined) return matches;
  return matchType(analysis, path, Number(line.fields.type)).map((m) => ({
    ...m,
    score: 0,
    because: `${m.because}, but in this file its value is another one`,
  }));
}

const FILLED =
  "it stands in struct module, the one section that the kernel fills before it relocates: where the kernel's has other offsets, this place is filled already";

const isStructModule = ({ file }: Analysis, table: RelocationTable): boolean =>
  file.sections.name(table.target) === ".gnu.linkonce.this_module";

/** Which entry of a table is the first to write at an offset. */
class Writers {
  readonly #firsts = new Map<RelocationTable, Map<number, number>>();

  first(table: RelocationTable, offset: number): number {
    let firsts = this.#firsts.get(table);
    if (firsts === undefined) {
      firsts = new Map();
      for (let row = table.count - 1; row >= 0; row--) firsts.set(table.offset(row), row);
      this.#firsts.set(table, firsts);
    }
    return firsts.get(offset) ?? 0;
  }
}

/** Why the bytes at a relocation's place are not zero when the loader comes to it; null if they are. */
function writtenBefore(analysis: Analysis, table: RelocationTable, row: number, writers: Writers): string | null {
  const bytes = analysis.arch.relocs.defs.get(table.type(row))?.bytes ?? 0;
  const offset = table.offset(row);
  const { sections } = analysis.file;
  if (offset + bytes <= sections.size(table.target)) {
    const data = sections.data(table.target).subarray(offset, offset + bytes);
    if (data.some((b) => b !== 0)) return "the bytes there are not zero in the file";
  }
  const other = writers.first(table, offset);
  return other < row ? `entry ${other} of the same table writes there before it` : null;
}

/** The loader prints the line of a symbol that it looks up among the exported ones. */
const isLookup = ({ message, form }: Recognised): boolean =>
  message.by === "module loader" && /Unknown symbol|of symbol|symbol version|uses symbols? /.test(form);

/** Of the symbols without a place in the file: those that the loader looks up by a name, and others that stand for it. */
function named({ symbols }: Analysis, name: string): { readonly lookedUp: number[]; readonly others: number[] } {
  const found = { lookedUp: [] as number[], others: [] as number[] };
  for (let i = 1; i < symbols.count; i++) {
    if (symbols.sectionOf(i) !== null) continue;
    const own = symbols.name(i);
    // ppc64 prints a name without its leading dot.
    const isNamed = own === name || own === `.${name}`;
    if (!isNamed && parseKlpSymbol(own)?.name !== name) continue;
    found[isNamed && symbols.rawShndx(i) !== SHN_LIVEPATCH ? "lookedUp" : "others"].push(i);
  }
  return found;
}

/** The livepatch symbol that a file has in place of the one that a line says was looked up; null if it is not so. */
export function livepatchOnly(line: Recognised, analysis: Analysis): string | null {
  const { symbol } = line.fields;
  if (symbol === undefined || !isLookup(line)) return null;
  const { lookedUp, others } = named(analysis, symbol);
  const [first] = others;
  return lookedUp.length > 0 || first === undefined ? null : analysis.symbols.name(first);
}

/** Uses of a symbol by its name, or by the name that a livepatch symbol stands for. */
function matchSymbol(analysis: Analysis, path: string, name: string, isLookup = false): Match[] {
  const { lookedUp, others } = named(analysis, name);
  const wanted = isLookup && lookedUp.length > 0 ? lookedUp : [...lookedUp, ...others];
  return usesOf(analysis, path, new Map(wanted.map((i) => [i, `it refers to ${name}`])));
}

/** Uses of symbols, each with what speaks for it. */
function usesOf(analysis: Analysis, path: string, wanted: ReadonlyMap<number, string>): Match[] {
  const matches: Match[] = [];
  if (wanted.size === 0) return matches;
  for (const { table, row } of loadedRelocations(analysis)) {
    const because = wanted.get(table.symbol(row));
    if (because === undefined) continue;
    matches.push({
      ...relocationMatch(analysis, path, table, row, { score: 1, because }),
      order: null,
      isUse: true,
    });
  }
  return matches;
}

/** Uses of common symbols, tentative definitions that have no place of their own; the file alone for one that is not used. */
function matchCommon(analysis: Analysis, path: string): Match[] {
  const { symbols } = analysis;
  const wanted = new Map<number, string>();
  for (let i = 1; i < symbols.count; i++) {
    if (symbols.rawShndx(i) === SHN_COMMON) {
      wanted.set(i, `${printable(symbols.name(i))} is a common symbol of ${symbols.size(i)} bytes`);
    }
  }
  const uses = usesOf(analysis, path, wanted);
  if (uses.length > 0) return uses;
  return [...wanted.values()].map((because) => ({ at: { file: path }, section: 0, score: 1, because, order: null }));
}

function matchDefinition(analysis: Analysis, path: string, name: string): Match[] {
  const { symbols } = analysis;
  const matches: Match[] = [];
  for (let i = 1; i < symbols.count; i++) {
    const section = symbols.sectionOf(i);
    if (section === null || symbols.name(i) !== name) continue;
    const at = placeAt(analysis, path, section, symbols.offset(i));
    matches.push({ at, section, score: 1, because: `${printable(name)} is defined here`, order: null });
  }
  return matches;
}

function matchSection({ file }: Analysis, path: string, name: string, index: string | null): Match[] {
  const { sections } = file;
  const section = index === null ? sections.findByName(name) : Number(index);
  if (section === null || section >= sections.count || sections.name(section) !== name) return [];
  const at = { file: path, section: printable(name) };
  const because = index === null ? "the line names the section" : `section ${index} is ${printable(name)}`;
  return [{ at, section, score: EXACT, because, order: null }];
}

/** A name among the module's strings: the livepatch core has those of a patch's tables from there. */
function matchText({ file }: Analysis, path: string, name: string): Match[] {
  const { sections } = file;
  const text = Buffer.from(`${name}\0`, "utf8");
  for (let section = 1; section < sections.count; section++) {
    if (!sections.hasFlags(section, SHF_ALLOC) || !sections.hasBytes(section)) continue;
    const data = Buffer.from(sections.data(section).buffer, sections.data(section).byteOffset, sections.size(section));
    for (let offset = data.indexOf(text); offset >= 0; offset = data.indexOf(text, offset + 1)) {
      if (offset > 0 && data[offset - 1] !== 0) continue;
      const at = { file: path, section: printable(sections.name(section)), offset };
      const because = "the name stands there, as text for the tables of the patch";
      return [{ at, section, score: 1, because, order: null }];
    }
  }
  return [];
}

function matchAddress(analysis: Analysis, path: string, address: string): Match[] {
  const symbolic = SYMBOLIC.exec(address);
  if (symbolic === null) return [];
  const owner = analysis.functions.named(symbolic[1] ?? "");
  const offset = Number.parseInt(symbolic[2] ?? "", 16);
  if (owner === null || owner.start + offset >= analysis.file.sections.size(owner.section)) return [];
  const at = placeAt(analysis, path, owner.section, owner.start + offset);
  return [{ at, section: owner.section, score: EXACT, because: "the line names it", order: null }];
}
