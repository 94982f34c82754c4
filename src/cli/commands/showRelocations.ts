// The relocations that `klplink show` lists. A large module has half a million: nothing is kept of a row, and each symbol and each
// section is put into words once.

import { findArch } from "../../arch/index.ts";
import { printable } from "../../base/bytes.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { type RelocTable, relocName } from "../../reloc/def.ts";

export type RelocationRow = {
  readonly in: string;
  readonly target: string;
  readonly offset: string;
  readonly type: string | number;
  readonly symbol: string;
  readonly addend: string | null;
};

const hexNumber = (value: number | bigint): string => `0x${value.toString(16)}`;

/** r_addend, exactly. @returns null where the table has no addends */
function addendText(table: RelocationTable, row: number): string | null {
  if (!table.hasAddends) return null;
  const rounded = table.addendNumber(row);
  const addend = Math.abs(rounded) < 2 ** 53 ? rounded : table.addend(row);
  return addend < 0 ? `-${hexNumber(-addend)}` : hexNumber(addend);
}

/** What a text table has in its rows for one relocation section, in words. */
class Words {
  readonly in: string;
  readonly target: string;
  readonly #relocs: RelocTable | undefined;
  readonly #file: ElfFile;
  readonly #symbols: SymbolTable | undefined;
  readonly #types = new Map<number, string | number>();
  readonly #labels = new Map<number, string>();

  constructor(file: ElfFile, table: RelocationTable) {
    this.in = printable(file.sections.name(table.section));
    this.target = printable(file.sections.name(table.target));
    this.#relocs = findArch(file.header.machine)?.relocs;
    this.#file = file;
    this.#symbols = file.symbolTables.get(file.sections.link(table.section));
  }

  type(type: number): string | number {
    let name = this.#types.get(type);
    if (name === undefined) {
      name = this.#relocs === undefined ? type : relocName(this.#relocs, type);
      this.#types.set(type, name);
    }
    return name;
  }

  symbol(symbol: number): string {
    if (this.#symbols === undefined || symbol === 0) return "";
    let label = this.#labels.get(symbol);
    if (label === undefined) {
      label = symbolLabel(this.#file, this.#symbols, symbol);
      this.#labels.set(symbol, label);
    }
    return label;
  }
}

/** A symbol's name; of a section's symbol without one, the section's. */
function symbolLabel({ sections }: ElfFile, symbols: SymbolTable, symbol: number): string {
  const name = symbols.name(symbol);
  if (name !== "") return printable(name);
  const section = symbols.sectionOf(symbol);
  return section === null ? "" : printable(sections.name(section));
}

/** The rows, made when their turn comes; again for each time that they are gone through. */
export const relocationRows = (file: ElfFile): Iterable<RelocationRow> => ({
  *[Symbol.iterator]() {
    for (const table of file.relocations) {
      const words = new Words(file, table);
      for (let row = 0; row < table.count; row++) {
        yield {
          in: words.in,
          target: words.target,
          offset: hexNumber(table.offset(row)),
          type: words.type(table.type(row)),
          symbol: words.symbol(table.symbol(row)),
          addend: addendText(table, row),
        };
      }
    }
  },
});

/** What a column looks like: as wide as its longest entry, numbers to the right, left out if it has no entry at all. */
class Column {
  width: number;
  isNumber = true;
  isThere = false;

  constructor(name: string) {
    this.width = name.length;
  }

  see(entry: string): void {
    if (entry !== "") this.isThere = true;
    if (entry.length > this.width) this.width = entry.length;
    if (this.isNumber && !/^(?:-?0x[0-9a-f]+|\d*)$/.test(entry)) this.isNumber = false;
  }

  pad(entry: string): string {
    return this.isNumber ? entry.padStart(this.width) : entry.padEnd(this.width);
  }
}

const NAMES = ["in", "target", "offset", "type", "symbol", "addend"] as const;

/** So many characters are given out at once. */
const PIECE = 1 << 14;

/** The text table without its title, in pieces of whole lines. */
export function* relocationText(file: ElfFile): Generator<string, void, undefined> {
  const tables = file.relocations
    .filter((table) => table.count > 0)
    .map((table) => ({ table, words: new Words(file, table) }));
  const columns = Object.fromEntries(NAMES.map((name) => [name, new Column(name)])) as Record<
    (typeof NAMES)[number],
    Column
  >;
  for (const { table, words } of tables) measure(table, words, columns);
  const shown = NAMES.filter((name) => columns[name].isThere);
  yield `  ${shown.map((name) => columns[name].pad(name)).join("  ")}`.trimEnd().concat("\n");
  for (const { table, words } of tables) yield* linesOf(table, words, columns);
}

/** Entries that occur again and again are looked at once; of numbers, those that are longest. */
function measure(table: RelocationTable, words: Words, columns: Record<(typeof NAMES)[number], Column>): void {
  columns.in.see(words.in);
  columns.target.see(words.target);
  const [types, symbols] = [new Set<number>(), new Set<number>()];
  let [farthest, least, most] = [0, 0, 0];
  for (let row = 0; row < table.count; row++) {
    types.add(table.type(row));
    symbols.add(table.symbol(row));
    farthest = Math.max(farthest, table.offset(row));
    const addend = table.addendNumber(row);
    if (Math.abs(addend) >= 2 ** 53) columns.addend.see(addendText(table, row) ?? "");
    else if (addend < least) least = addend;
    else if (addend > most) most = addend;
  }
  columns.offset.see(hexNumber(farthest));
  for (const type of types) columns.type.see(String(words.type(type)));
  for (const symbol of symbols) columns.symbol.see(words.symbol(symbol));
  if (!table.hasAddends) return;
  columns.addend.see(hexNumber(most));
  if (least < 0) columns.addend.see(`-${hexNumber(-least)}`);
}

function* linesOf(
  table: RelocationTable,
  words: Words,
  columns: Record<(typeof NAMES)[number], Column>,
): Generator<string, void, undefined> {
  const gap = (name: (typeof NAMES)[number], entry: string): string =>
    columns[name].isThere ? `${columns[name].pad(entry)}  ` : "";
  const places = gap("in", words.in) + gap("target", words.target);
  const { isThere, width } = columns.addend;
  const offsets = columns.offset.width;
  let text = "";
  const [types, symbols] = [new Map<number, string>(), new Map<number, string>()];
  for (let row = 0; row < table.count; row++) {
    const type = table.type(row);
    let kind = types.get(type);
    if (kind === undefined) {
      kind = gap("type", String(words.type(type)));
      types.set(type, kind);
    }
    const symbol = table.symbol(row);
    let label = symbols.get(symbol);
    if (label === undefined) {
      label = gap("symbol", words.symbol(symbol));
      symbols.set(symbol, label);
    }
    const offset = hexNumber(table.offset(row)).padStart(offsets);
    const addend = isThere ? (addendText(table, row) ?? "").padStart(width) : "";
    const line = `  ${places}${offset}  ${kind}${label}${addend}`;
    text += `${addend === "" || addend.endsWith(" ") ? line.trimEnd() : line}\n`;
    if (text.length < PIECE) continue;
    yield text;
    text = "";
  }
  yield text;
}
