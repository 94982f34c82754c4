// Symbol values as the loader computes them before it relocates: simplify_symbols in kernel/module/main.c.

import { SHN_ABS, SHN_COMMON, SHN_LIVEPATCH, SHN_LORESERVE, SHN_UNDEF, STB_WEAK } from "../../elf/consts.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
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
  for (let i = 1; i < symbols.count; i++) {
    const raw = symbols.rawShndx(i);
    const value = symbols.value(i);
    values[i] = value;
    if (raw === SHN_ABS || raw === SHN_LIVEPATCH) continue;
    const fault = sectionIndexFault(symbols, i);
    if (fault !== null) faults.push({ symbol: i, name: symbols.name(i), kind: fault });
    if (raw === SHN_COMMON || fault !== null) continue;
    if (raw === SHN_UNDEF) {
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
      else if (symbols.bind(i) !== STB_WEAK && name !== ignoredSymbol)
        faults.push({ symbol: i, name, kind: "unknown" });
      continue;
    }
    values[i] = BigInt.asUintN(64, value + (addresses[raw] ?? 0n));
  }
  return { values, tocSymbol, faults };
}
