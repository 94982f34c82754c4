// All rows of a symbol table at once.

import { LOW_HALF, viewOf, wordsOf } from "../../base/bytes.ts";
import { SHN_LIVEPATCH, SHN_LORESERVE, SHN_UNDEF } from "../consts.ts";
import { SYM } from "./layout.ts";
import { SYMBOL_WORDS, type SymbolTable } from "./symbols.ts";

/** Puts final values into the rows of a symbol table, but for the null symbol. */
export function putValues(rows: Uint8Array, values: BigUint64Array, littleEndian: boolean): void {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  const out = littleEndian ? wordsOf(rows) : null;
  if (out !== null) {
    const signed = new Int32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 2, at: number = SYMBOL_WORDS.count + SYMBOL_WORDS.valueLow; i < words.length; i += 2) {
      signed[at] = words[i + LOW_HALF] ?? 0;
      signed[at + 1] = words[i + 1 - LOW_HALF] ?? 0;
      at += SYMBOL_WORDS.count;
    }
    return;
  }
  const view = viewOf(rows);
  const [low, high] = littleEndian ? [SYM.value, SYM.value + 4] : [SYM.value + 4, SYM.value];
  for (let i = 1, at: number = SYM.size; i < values.length; i++, at += SYM.size) {
    view.setInt32(at + low, words[i * 2 + LOW_HALF] ?? 0, littleEndian);
    view.setInt32(at + high, words[i * 2 + 1 - LOW_HALF] ?? 0, littleEndian);
  }
}

/** The symbols, with their sections, that lie in others than those whose `isKnown` is 1. */
export function symbolsOutside(
  symbols: SymbolTable,
  isKnown: Uint8Array,
): (readonly [symbol: number, section: number])[] {
  const words = symbols.words();
  const found: (readonly [number, number])[] = [];
  for (let i = 1, at: number = SYMBOL_WORDS.count; i < symbols.count; i++, at += SYMBOL_WORDS.count) {
    const raw = (words[at + SYMBOL_WORDS.mixed] ?? 0) >>> 16;
    const section = raw < SHN_LORESERVE ? raw : (symbols.sectionOf(i) ?? SHN_UNDEF);
    if (section !== SHN_UNDEF && isKnown[section] !== 1) found.push([i, section]);
  }
  return found;
}

/** The symbols that are to be resolved by the livepatch core, ascending. */
export function livepatchSymbols(symbols: SymbolTable): number[] {
  const words = symbols.words();
  const found: number[] = [];
  for (let i = 0, at: number = SYMBOL_WORDS.mixed; i < symbols.count; i++, at += SYMBOL_WORDS.count)
    if ((words[at] ?? 0) >>> 16 === SHN_LIVEPATCH) found.push(i);
  return found;
}
