// One row a producer: what in a file tells that it comes from there, and how it is finished.

import { SHF_RELA_LIVEPATCH, SHN_LIVEPATCH, SHT_RELA } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { KLP_SECTION_PREFIX } from "../symbols/names.ts";
import type { Finish } from "./intermediate.ts";
import { finishKlpConvert } from "./klpConvert.ts";
import { finishKlplink, firstAnnotatedSymbol, hasKlplinkTables } from "./klplink.ts";
import { finishKpatch } from "./kpatch.ts";
import { finishObjtool } from "./objtool.ts";
import {
  KLP_CONVERT_SECTION_PREFIX,
  KLPLINK_NOTE,
  KPATCH_RELOCATION_SIZE,
  KPATCH_RELOCATIONS,
  KPATCH_SYMBOLS,
  objtoolSectionObject,
  PRODUCERS,
  type Producer,
  type Trace,
} from "./producer.ts";

/** Where a trace was found: section indices, then symbol indices behind them, decide which is named first. */
interface Found {
  readonly what: string;
  readonly rank: number;
}

interface ProducerRow {
  /** The first section or symbol that tells; null: nothing does. */
  readonly trace: (file: ElfFile, symbols: SymbolTable) => Found | null;
  /**
   * Turns what the tool left into livepatch symbols and relocations; null: there is nothing to finish.
   * @param keep keeps the tool's own sections
   * @param path the file's name, for messages
   */
  readonly finish: ((work: Finish, keep: boolean, path: string) => void) | null;
}

/** The first section, other than a relocation section, whose name fits. */
function sectionTrace({ sections }: ElfFile, fits: (name: string) => boolean): Found | null {
  for (let i = 1; i < sections.count; i++) {
    if (sections.type(i) !== SHT_RELA && fits(sections.name(i))) return { what: sections.name(i), rank: i };
  }
  return null;
}

function klpConvertTrace(file: ElfFile, symbols: SymbolTable): Found | null {
  const isOwn = (name: string): boolean => name.startsWith(KLP_CONVERT_SECTION_PREFIX);
  const section = sectionTrace(file, isOwn);
  if (section !== null && !isPostLinked(file, symbols, isOwn)) return section;
  return isKlplinks(file, symbols) ? null : annotatedSymbol(file, symbols);
}

function annotatedSymbol({ sections }: ElfFile, symbols: SymbolTable): Found | null {
  const first = firstAnnotatedSymbol(symbols);
  return first === null ? null : { what: symbols.name(first), rank: sections.count };
}

/** klplink's own form shares its names with the klp-convert of 2024; its note or its tables tell it from that. */
const isKlplinks = ({ sections }: ElfFile, symbols: SymbolTable): boolean =>
  sections.findByName(KLPLINK_NOTE) !== null || hasKlplinkTables(symbols);

/** A finished file that kept the note has nothing left to finish. */
function klplinkTrace(file: ElfFile, symbols: SymbolTable): Found | null {
  if (!isKlplinks(file, symbols)) return null;
  const note = finalTrace(file) === null ? sectionTrace(file, (name) => name === KLPLINK_NOTE) : null;
  return annotatedSymbol(file, symbols) ?? note;
}

function finalTrace({ sections }: ElfFile): Found | null {
  for (let i = 1; i < sections.count; i++) {
    if (sections.type(i) !== SHT_RELA) continue;
    const name = sections.name(i);
    if (name.startsWith(KLP_SECTION_PREFIX) || sections.hasFlags(i, SHF_RELA_LIVEPATCH)) return { what: name, rank: i };
  }
  return null;
}

/**
 * Whether the symbols that a tool's own sections name are livepatch symbols: the file is finished, by klplink with --keep or by
 * objtool, which leaves its own sections there.
 */
function isPostLinked(file: ElfFile, symbols: SymbolTable, isOwn: (name: string) => boolean): boolean {
  const { sections } = file;
  if (finalTrace(file) === null) return false;
  return file.relocations.every((table) => {
    if (sections.type(table.target) === SHT_RELA || !isOwn(sections.name(table.target))) return true;
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      if (symbols.isUndefined(symbol) && symbol !== 0 && symbols.rawShndx(symbol) !== SHN_LIVEPATCH) return false;
    }
    return true;
  });
}

/** kpatch's relocations name places, not symbols: with --keep each of those has its livepatch relocation. */
function kpatchTrace(file: ElfFile, symbols: SymbolTable): Found | null {
  const found = sectionTrace(file, (name) => name === KPATCH_RELOCATIONS || name === KPATCH_SYMBOLS);
  return found === null || (finalTrace(file) !== null && isCarriedOut(file, symbols)) ? null : found;
}

function isCarriedOut(file: ElfFile, symbols: SymbolTable): boolean {
  const { sections } = file;
  const own = sections.findByName(KPATCH_RELOCATIONS);
  if (own === null) return false;
  const done = new Set<string>();
  for (const table of file.relocations) {
    if (!sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)) continue;
    for (let row = 0; row < table.count; row++) done.add(`${table.target}+${table.offset(row)}`);
  }
  let left = Math.ceil(sections.size(own) / KPATCH_RELOCATION_SIZE);
  for (const table of file.relocations) {
    if (table.target !== own) continue;
    for (let row = 0; row < table.count; row++) {
      if (table.offset(row) % KPATCH_RELOCATION_SIZE !== 0) continue;
      const symbol = table.symbol(row);
      const place = symbols.offset(symbol) + Number(table.addend(row));
      if (done.has(`${symbols.sectionOf(symbol)}+${place}`)) left--;
    }
  }
  return left === 0;
}

function objtoolTrace(file: ElfFile, symbols: SymbolTable): Found | null {
  const { sections } = file;
  const isOwn = (name: string): boolean => objtoolSectionObject(name) !== null;
  const first = sectionTrace(file, isOwn);
  if (first === null) return null;
  return isPostLinked(file, symbols, isOwn) ? null : { what: first.what, rank: sections.count + 1 };
}

const rows: Readonly<Record<Producer, ProducerRow>> = {
  plain: { trace: () => null, finish: null },
  kpatch: {
    trace: kpatchTrace,
    finish: finishKpatch,
  },
  "klp-convert": { trace: klpConvertTrace, finish: finishKlpConvert },
  objtool: { trace: objtoolTrace, finish: finishObjtool },
  klplink: { trace: klplinkTrace, finish: finishKlplink },
  final: { trace: finalTrace, finish: null },
};

/** Whether a tool left its sections without an entry: there is nothing to finish in the file, with them or without. */
export function asksForNothing({ sections, symbols }: ElfFile, producer: Producer): boolean {
  if (producer === "klplink") return symbols !== null && firstAnnotatedSymbol(symbols) === null;
  const own = producer === "kpatch" ? sections.findByName(KPATCH_RELOCATIONS) : null;
  return own !== null && sections.size(own) === 0;
}

/** How the files of a producer are finished; null: they are not. */
export const finisherOf = (producer: Producer): ProducerRow["finish"] => rows[producer].finish;

/**
 * What a file holds of each producer, one trace each. None: a plain object. More than one (a mixture) cannot be
 * finished by any of the tools.
 */
export function findTraces(file: ElfFile, symbols: SymbolTable): Trace[] {
  return PRODUCERS.map((producer) => ({ producer, found: rows[producer].trace(file, symbols) }))
    .flatMap(({ producer, found }) => (found === null ? [] : [{ producer, ...found }]))
    .sort((a, b) => a.rank - b.rank)
    .map(({ producer, what }) => ({ producer, what }));
}
