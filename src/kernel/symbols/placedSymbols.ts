// The symbols of vmlinux, or of a module, by where they lie and by the source file that they come from.

import type { KernelSymbol } from "./symbolColumns.ts";

/** A symbol with its place. */
export interface PlacedSymbol {
  readonly name: string;
  /** Symbols of one area lie in one order: a section of a module; vmlinux is one. */
  readonly area: string;
  /** Address, or offset in the area. Bytes. */
  readonly at: bigint;
  readonly isText: boolean;
  readonly isGlobal: boolean;
  /** Which STT_FILE symbol it stands behind, from 0: locals of linked files only; null: not known. */
  readonly file: number | null;
}

/** The locals of a linked file, by the STT_FILE symbols that they stand behind. */
export interface SourceFiles {
  /** Names of the STT_FILE symbols, in order. */
  readonly names: readonly string[];
  /** `NAME@ADDRESS` -> number of the file. */
  readonly of: ReadonlyMap<string, number>;
}

export const fileKey = (name: string, at: bigint): string => `${name}@${at.toString(16)}`;

/** All symbols of an object that is patched. */
export class PlacedSymbols {
  /** By area, then by place. */
  readonly sorted: readonly PlacedSymbol[];
  /** Names of the source files, in order; empty: not known. */
  readonly files: readonly string[];
  readonly #byName = new Map<string, PlacedSymbol[]>();
  readonly #index = new Map<PlacedSymbol, number>();

  /** @param listed in the order in which positions count */
  constructor(listed: Iterable<PlacedSymbol>, files: readonly string[]) {
    const all: PlacedSymbol[] = [];
    for (const symbol of listed) {
      all.push(symbol);
      const known = this.#byName.get(symbol.name);
      if (known === undefined) this.#byName.set(symbol.name, [symbol]);
      else known.push(symbol);
    }
    this.sorted = all.sort((a, b) =>
      a.area < b.area ? -1 : a.area > b.area ? 1 : a.at < b.at ? -1 : a.at > b.at ? 1 : 0,
    );
    for (const [i, symbol] of this.sorted.entries()) this.#index.set(symbol, i);
    this.files = files;
  }

  /** Symbols of a name; the n-th has position n (1-based). */
  find(name: string): readonly PlacedSymbol[] {
    return this.#byName.get(name) ?? [];
  }

  /** Where a symbol stands in {@link sorted}. */
  indexOf(symbol: PlacedSymbol): number {
    return this.#index.get(symbol) ?? -1;
  }
}

/** Those of vmlinux: positions count by address, equal ones as listed. */
export function placedOfKernel(symbols: Iterable<KernelSymbol>, files: SourceFiles | null): PlacedSymbols {
  const listed: PlacedSymbol[] = [];
  for (const { name, address, letter } of symbols) {
    listed.push({
      name,
      area: "",
      at: address,
      isText: /^[tTwWi]$/.test(letter),
      isGlobal: letter !== letter.toLowerCase(),
      file: files?.of.get(fileKey(name, address)) ?? null,
    });
  }
  listed.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  return new PlacedSymbols(listed, files?.names ?? []);
}
