// The symbol table of an image's ELF file: rows of the module's own, with final values and the sections that the image has.

import { fromLatin1, LOW_HALF } from "../../base/bytes.ts";
import {
  SHN_ABS,
  SHN_LIVEPATCH,
  SHN_LORESERVE,
  SHN_UNDEF,
  SHN_XINDEX,
  STB_LOCAL,
  STT_FILE,
  STT_FUNC,
} from "../../elf/consts.ts";
import { SYMBOL_WORDS, type SymbolTable } from "../../elf/views/symbols.ts";
import type { OutputSymbols } from "../../elf/writer/image.ts";
import type { StubRow } from "../../stubs/loader.ts";
import type { ModuleImage } from "./image.ts";

const { count: STRIDE, name: NAME, mixed: MIXED, valueLow, valueHigh, sizeLow, sizeHigh } = SYMBOL_WORDS;

/** In the place of a section's index: the image does not have it, and so not its symbols. */
const NOT_THERE = 0x1_0000;

/** Name of the symbol that a stub was made for. */
export function stubTarget(image: ModuleImage, stub: StubRow): string {
  return typeof stub.symbol === "string" ? stub.symbol : image.symbols.name(stub.symbol);
}

/** @param newIndex where sections of the module stand among those of the image's file, without its null section */
export function outputSymbols(image: ModuleImage, newIndex: ReadonlyMap<number, number>): OutputSymbols {
  const { symbols: table, values, stubs } = image;
  const homes = new Uint32Array(image.file.sections.count).fill(NOT_THERE);
  for (const [section, at] of newIndex) homes[section] = (at + 1) & 0xffff;
  const given: Given = {
    table,
    values: new Int32Array(values.buffer, values.byteOffset, values.length * 2),
    homes,
    rows: new Int32Array((table.count + stubs.length + 1) * STRIDE),
  };
  const local = copyRows(given, 1, true);
  // Stubs are local functions.
  const { firstGlobal, names } =
    stubs.length === 0 ? { firstGlobal: local, names: null } : addStubs(image, given, local);
  const end = copyRows(given, firstGlobal, false);
  return { rows: given.rows.subarray(0, end * STRIDE), firstGlobal, names: names ?? table.names.bytes };
}

interface Given {
  readonly table: SymbolTable;
  /** Halves of each symbol's final value. */
  readonly values: Int32Array;
  /** The new index of each section, or NOT_THERE. */
  readonly homes: Uint32Array;
  /** Where the new rows go. */
  readonly rows: Int32Array;
}

/**
 * Copies the rows of all local symbols, or of all others.
 * @param next number of the first new row @returns number of the row behind the last one
 */
function copyRows({ table, values, homes, rows }: Given, next: number, wantsLocal: boolean): number {
  const words = table.words();
  let to = next * STRIDE;
  for (let i = 1, from = STRIDE; i < table.count; i++, from += STRIDE) {
    const mixed = words[from + MIXED] ?? 0;
    if (((mixed & 0xf0) === STB_LOCAL << 4) !== wantsLocal) continue;
    let low = values[i * 2 + LOW_HALF] ?? 0;
    let high = values[i * 2 + 1 - LOW_HALF] ?? 0;
    const raw = mixed >>> 16;
    let home = raw;
    if (raw > SHN_UNDEF && raw < SHN_LORESERVE) home = homes[raw] ?? NOT_THERE;
    else if (raw === SHN_XINDEX) home = homeOf(table.sectionOf(i), homes);
    // Symbols from outside are absolute now; what stayed unresolved (weak) keeps its index.
    else if (raw === SHN_LIVEPATCH || (raw === SHN_UNDEF && (low | high) !== 0)) home = SHN_ABS;
    if (home === NOT_THERE) continue;
    if ((mixed & 0xf) === STT_FILE) {
      low = 0;
      high = 0;
    }
    rows[to + NAME] = words[from + NAME] ?? 0;
    rows[to + MIXED] = (mixed & 0xffff) | (home << 16);
    rows[to + valueLow] = low;
    rows[to + valueHigh] = high;
    rows[to + sizeLow] = words[from + sizeLow] ?? 0;
    rows[to + sizeHigh] = words[from + sizeHigh] ?? 0;
    to += STRIDE;
  }
  return to / STRIDE;
}

/** Of a symbol whose section's index stands elsewhere; null: in no section. */
const homeOf = (section: number | null, homes: Uint32Array): number =>
  section === null ? SHN_XINDEX : (homes[section] ?? NOT_THERE);

/** Rows of stubs, whose names are put behind the symbols' own. */
function addStubs(image: ModuleImage, { table, homes, rows }: Given, next: number) {
  const names = [table.names.bytes];
  let nameAt = table.names.size;
  let firstGlobal = next;
  for (const stub of image.stubs) {
    const home = image.sections.find((s) => s.index === stub.section);
    const shndx = homes[stub.section] ?? NOT_THERE;
    if (home === undefined || shndx === NOT_THERE) continue;
    const value = BigInt.asUintN(64, home.address + BigInt(stub.offset));
    const at = firstGlobal++ * STRIDE;
    rows[at + NAME] = nameAt;
    rows[at + MIXED] = STT_FUNC | (shndx << 16);
    rows[at + valueLow] = Number(value & 0xffff_ffffn);
    rows[at + valueHigh] = Number(value >> 32n);
    rows[at + sizeLow] = stub.size;
    const name = fromLatin1(`${stubTarget(image, stub)}@stub\0`);
    names.push(name);
    nameAt += name.length;
  }
  return { firstGlobal, names: Buffer.concat(names) };
}
