// Livepatch symbols as the livepatch core resolves them, just before the section that uses them is applied:
// klp_resolve_symbols in kernel/livepatch/core.c.

import { SHN_LIVEPATCH } from "../../elf/consts.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { KernelAddresses } from "../../kernel/running/addresses.ts";
import type { HasFact } from "../../kernel/versionFacts.ts";
import { parseKlpSymbol } from "./names.ts";

export interface KlpFault {
  readonly row: number;
  readonly symbol: number;
  readonly name: string;
  readonly message: string;
}

/** Where a section's symbols are looked up. */
export interface KlpSearch {
  /** The section's object; a section for a module must not name symbols of vmlinux. */
  readonly object: string;
  readonly kernel: KernelAddresses | null;
  readonly has: HasFact;
}

/**
 * Puts the addresses of a section's symbols into `values`.
 * @param order rows in the order in which they stand in memory
 */
export function resolveKlpSymbols(
  table: RelocationTable,
  order: Uint32Array | null,
  symbols: SymbolTable,
  { object, kernel, has }: KlpSearch,
  values: BigUint64Array,
): KlpFault[] {
  const faults: KlpFault[] = [];
  const seen = new Set<number>();
  for (let i = 0; i < table.count; i++) {
    const row = order === null ? i : (order[i] ?? 0);
    const symbol = table.symbol(row);
    if (seen.has(symbol)) continue;
    seen.add(symbol);
    const name = symbols.name(symbol);
    const fault = (message: string): void => {
      faults.push({ row, symbol, name, message: `livepatch: ${message}` });
    };
    if (symbols.rawShndx(symbol) !== SHN_LIVEPATCH) {
      const where = has("symbolIndexInMessage") ? ` at rela sec ${symbols.section} idx ${i}` : "";
      fault(`symbol ${name}${where} is not marked as a livepatch symbol`);
      continue;
    }
    const parsed = parseKlpSymbol(name);
    if (parsed === null) {
      fault(`symbol ${name} has an incorrectly formatted name`);
      continue;
    }
    if (object !== "vmlinux" && parsed.object === "vmlinux" && has("vmlinuxAtLoad")) {
      fault(`invalid access to vmlinux symbol '${parsed.name}' from module-specific livepatch relocation section`);
      continue;
    }
    const all = kernel?.inObject(parsed.object, parsed.name) ?? [];
    // vmlinux is NULL to the function that prints this; one of its two messages looks at that.
    const shown = parsed.object === "vmlinux" ? "(null)" : parsed.object;
    if (parsed.position === 0 && all.length > 1) {
      fault(`unresolvable ambiguity for symbol '${parsed.name}' in object '${shown}'`);
      continue;
    }
    const address = all[parsed.position === 0 ? 0 : parsed.position - 1];
    if (address !== undefined) values[symbol] = address;
    else if (all.length === 0) fault(`symbol '${parsed.name}' not found in symbol table`);
    else fault(`symbol position ${parsed.position} for symbol '${parsed.name}' in object '${parsed.object}' not found`);
  }
  return faults;
}
