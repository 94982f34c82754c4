// Symbol values as the loader computes them before it relocates: simplify_symbols in kernel/module/main.c.

import { LOW_HALF } from "../../base/bytes.ts";
import { SHN_ABS, SHN_COMMON, SHN_LIVEPATCH, SHN_LORESERVE, SHN_UNDEF, STB_WEAK } from "../../elf/consts.ts";
import { SYMBOL_WORDS, type SymbolTable } from "../../elf/views/symbols.ts";
import type { KernelAddresses } from "../running/addresses.ts";

/** A symbol that the loader refuses. */
export interface SymbolFault {
  readonly symbol: number;
  readonly name: string;
  readonly kind: "common" | "unknown" | "section";
}

export interface SimplifyOptions {
  /** Final address of each section; per-CPU symbols count from the module's per-CPU area. */
  readonly addresses: readonly bigint[];
  readonly kernel: KernelAddresses | null;
  /** Undefined symbols lose a leading dot first, and `TOC.` counts as absolute (ppc64). */
  readonly dedots: boolean;
  readonly ignoredSymbol: string | null;
}

export interface Simplified {
  /** st_value of each symbol, unsigned. Livepatch symbols keep the value of the file. */
  readonly values: BigUint64Array;
  /** ppc64: the symbol that gets the TOC base. */
  readonly tocSymbol: number | null;
  readonly faults: readonly SymbolFault[];
}

/** Whether a symbol's section index is one that the loader refuses: common, or reserved and not known to it. */
export function sectionIndexFault(symbols: SymbolTable, symbol: number): "common" | "section" | null {
  const raw = symbols.rawShndx(symbol);
  if (raw === SHN_COMMON) return symbols.name(symbol).startsWith("__gnu_lto") ? null : "common";
  return raw >= SHN_LORESERVE && raw !== SHN_ABS && raw !== SHN_LIVEPATCH ? "section" : null;
}

/** Resolves every symbol; goes on after a fault, as the loader does. */
export function simplifySymbols(symbols: SymbolTable, options: SimplifyOptions): Simplified {
  const { addresses, kernel, dedots, ignoredSymbol } = options;
  const values = new BigUint64Array(symbols.count);
  const faults: SymbolFault[] = [];
  let tocSymbol: number | null = null;
  for (const i of addAddresses(symbols, BigUint64Array.from(addresses), values)) {
    const raw = symbols.rawShndx(i);
    if (raw === SHN_ABS || raw === SHN_LIVEPATCH) continue;
    const fault = sectionIndexFault(symbols, i);
    if (fault !== null) faults.push({ symbol: i, name: symbols.name(i), kind: fault });
    if (raw !== SHN_UNDEF) continue;
    let name = symbols.name(i);
    if (dedots && name.startsWith(".")) {
      name = name.slice(1);
      if (name === "TOC.") {
        tocSymbol ??= i;
        continue;
      }
    }
    const found = kernel?.exported(name) ?? null;
    if (found !== null) values[i] = found;
    else if (symbols.bind(i) !== STB_WEAK && name !== ignoredSymbol) faults.push({ symbol: i, name, kind: "unknown" });
  }
  return { values, tocSymbol, faults };
}

/**
 * Puts into `values` what the file says, with the section's address added where a symbol has one.
 * @returns the other symbols, from 1 on
 */
function addAddresses(symbols: SymbolTable, addresses: BigUint64Array, values: BigUint64Array): number[] {
  const { count: stride, mixed, valueLow, valueHigh } = SYMBOL_WORDS;
  const words = symbols.words();
  const [from, to] = [wordsIn(addresses), wordsIn(values)];
  const others: number[] = [];
  for (let i = 1, at: number = stride; i < symbols.count; i++, at += stride) {
    const section = (words[at + mixed] ?? 0) >>> 16;
    const valueWord = words[at + valueLow] ?? 0;
    let low = valueWord;
    let high = words[at + valueHigh] ?? 0;
    if (section === SHN_UNDEF || section >= SHN_LORESERVE) others.push(i);
    else {
      low = (low + (from[section * 2 + LOW_HALF] ?? 0)) | 0;
      high += (from[section * 2 + 1 - LOW_HALF] ?? 0) + ((low ^ TOP) < (valueWord ^ TOP) ? 1 : 0);
    }
    to[i * 2 + LOW_HALF] = low;
    to[i * 2 + 1 - LOW_HALF] = high;
  }
  return others;
}

/** The top bit of a word: with it changed, signed words are in the order of unsigned ones. */
const TOP = -(2 ** 31);

const wordsIn = ({ buffer, byteOffset, length }: BigUint64Array): Int32Array =>
  new Int32Array(buffer, byteOffset, length * 2);
