// A running kernel's symbols, filled up from a file of the same kernel: System.map and vmlinux list all symbols, at the
// addresses of the link; the running kernel's list may leave data out, and shows where KASLR has put what it has.

import { addr } from "../../base/brand.ts";
import type { ShiftFault } from "../../diag/codes/image.ts";
import type { KernelSymbol } from "../symbols/symbolColumns.ts";
import type { SymbolList } from "../symbols/symbolList.ts";
import type { SymbolSource } from "./addresses.ts";

/** The two lists are of different kernels. */
export class ShiftError extends Error {
  readonly fault: ShiftFault;
  constructor(fault: ShiftFault) {
    super(fault.fault);
    this.name = "ShiftError";
    this.fault = fault;
  }
}

/** Addresses below are absolute: per-CPU offsets, sizes. KASLR leaves them as they are. */
const KERNEL_HALF = 1n << 63n;
/** Fewer symbols in common tell nothing. */
const ENOUGH = 2;

/**
 * How far the running kernel lies from its file, bytes: the one distance of all symbols that both lists have.
 * @throws ShiftError if there are none, or two symbols disagree.
 */
export function shiftOf(live: SymbolList, file: SymbolList): bigint {
  let shift: bigint | null = null;
  let first = "";
  let common = 0;
  for (const name of live.names()) {
    const here = live.find(name);
    const there = file.find(name);
    // Of several with one name, one list may leave some out.
    if (there.length !== here.length) continue;
    for (const [i, symbol] of here.entries()) {
      const linked = there[i]?.address ?? 0n;
      if (linked < KERNEL_HALF || symbol.address < KERNEL_HALF || symbol.letter === "A") continue;
      const distance = symbol.address - linked;
      common++;
      if (shift === null) {
        shift = distance;
        first = name;
      } else if (distance !== shift) {
        const moved = [
          { name: first, by: shift },
          { name, by: distance },
        ] as const;
        throw new ShiftError({ fault: "two distances", file: file.source, live: live.source, moved });
      }
    }
  }
  if (shift === null || common < ENOUGH) {
    throw new ShiftError({ fault: "nothing in common", file: file.source, live: live.source });
  }
  return shift;
}

/**
 * The running kernel's list with all that the file has beside it, where the kernel was moved to.
 * @throws ShiftError if the file is of another kernel
 */
export function filledUp(live: SymbolList, file: SymbolList): SymbolSource {
  const shift = shiftOf(live, file);
  const move = (symbol: KernelSymbol): KernelSymbol =>
    symbol.address < KERNEL_HALF || shift === 0n ? symbol : { ...symbol, address: addr(symbol.address + shift) };
  return {
    source: `${live.source} and ${file.source}`,
    find: (name) => {
      const there = file.find(name);
      return there.length > 0 ? there.map(move) : live.find(name);
    },
    exports: (name) => file.exports(name) || live.exports(name),
    hasExports: file.hasExports || live.hasExports,
    modulesWith: (name) => live.modulesWith(name),
    findIn: (module, name) => live.findIn(module, name),
    *names() {
      yield* live.names();
      for (const name of file.names()) if (live.find(name).length === 0) yield name;
    },
  };
}
