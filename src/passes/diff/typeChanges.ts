// What of types is another in the patched object, gathered from one table of types a side, or from one a unit.

import type { Work } from "../../base/work.ts";
import { compareTypes, type LayoutChange, type ValueChange } from "../../diff/meaning/layouts.ts";
import { type SignatureChange, signatureChange } from "../../diff/meaning/signatures.ts";
import { readBtfTypes } from "../../elf/btfTypes.ts";
import { DwarfError } from "../../elf/dwarf/cursor.ts";
import { changedUnits, type UnitTypes } from "../../elf/dwarf/types/changedUnits.ts";
import { readDwarfTypes } from "../../elf/dwarf/types/typeTable.ts";
import { readUnitSlices } from "../../elf/dwarf/unitSlices.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { TypeTable } from "../../elf/typeTable.ts";

/** A layout, with those that use it by what debug information says. Names. */
export interface UsedLayout extends LayoutChange {
  readonly holderNames: readonly string[];
  /** Functions whose parameters and variables are of it, each with the source files that they are in; null: any. */
  readonly functions: ReadonlyMap<string, ReadonlySet<string | null>>;
  /** Variables outside of functions. */
  readonly variables: ReadonlySet<string>;
}

export interface GatheredTypes {
  readonly source: TypeTable["source"];
  readonly layouts: readonly UsedLayout[];
  readonly values: readonly ValueChange[];
  /** By the name of the function. */
  readonly signatures: ReadonlyMap<string, SignatureChange>;
}

/** Types of both files, from what both have of DWARF and BTF. Null: they do not tell. @param work on the patched file @throws TooMuchWork */
export async function typeChanges(orig: ElfFile, patched: ElfFile, work: Work): Promise<GatheredTypes | null> {
  try {
    const [one, other] = [await readUnitSlices(orig), await readUnitSlices(patched)];
    // A file of one unit is read as a whole; of a linked object only those units that differ.
    if (one !== null && other !== null && (one.units.length > 1 || other.units.length > 1))
      return gather("DWARF", changedUnits(one, other), work);
  } catch (error) {
    if (!(error instanceof DwarfError)) throw error;
    return null;
  }
  const dwarf = [await readDwarfTypes(orig), await readDwarfTypes(patched)] as const;
  if (dwarf[0] !== null && dwarf[1] !== null)
    return gather("DWARF", [{ before: dwarf[0], after: dwarf[1], source: null }], work);
  const btf = [readBtfTypes(orig), readBtfTypes(patched)] as const;
  return btf[0] === null || btf[1] === null
    ? null
    : gather("BTF", [{ before: btf[0], after: btf[1], source: null }], work);
}

interface Gathering extends UsedLayout {
  readonly holderNames: string[];
  readonly functions: Map<string, Set<string | null>>;
  readonly variables: Set<string>;
}

/** @throws DwarfError where the tables are read as they are asked for */
function gather(source: TypeTable["source"], pairs: Iterable<UnitTypes>, work: Work): GatheredTypes {
  const layouts = new Map<string, Gathering>();
  const values = new Map<string, ValueChange>();
  const signatures = new Map<string, SignatureChange>();
  for (const { before, after, source: file } of pairs) {
    const changes = compareTypes(before, after, work);
    for (const change of changes.layouts) add(layouts, change, after, file);
    // A header's enum is in each unit that includes it.
    for (const value of changes.values) {
      const key = JSON.stringify([value.of, value.values]);
      if (!values.has(key)) values.set(key, value);
    }
    for (const name of after.signatures.keys()) {
      const change = signatures.has(name) ? null : signatureChange(name, before, after);
      if (change !== null) signatures.set(name, change);
    }
  }
  return { source, layouts: [...layouts.values()], values: [...values.values()], signatures };
}

/** One struct of a header is told once, with the users of all units. */
function add(
  layouts: Map<string, Gathering>,
  change: LayoutChange,
  { aggregates, uses, variables }: TypeTable,
  file: string | null,
): void {
  const { name, scope, sizes, members, isGrowth } = change;
  const key = JSON.stringify([name, scope, sizes, members, isGrowth, scope === null ? "" : change.key]);
  const found: Gathering = layouts.get(key) ?? {
    ...change,
    holderNames: [],
    functions: new Map<string, Set<string | null>>(),
    variables: new Set<string>(),
  };
  layouts.set(key, found);
  const known = new Set(found.holderNames);
  for (const holder of change.holders) {
    const holderName = aggregates.get(holder)?.name;
    if (holderName === undefined || known.has(holderName)) continue;
    known.add(holderName);
    found.holderNames.push(holderName);
  }
  const keys = new Set([change.key, ...change.holders]);
  const has = (of: ReadonlySet<string>): boolean => {
    for (const one of of) if (keys.has(one)) return true;
    return false;
  };
  for (const [user, of] of uses) {
    if (!has(of)) continue;
    const files = found.functions.get(user) ?? new Set<string | null>();
    found.functions.set(user, files.add(file));
  }
  for (const [variable, of] of variables) if (has(of)) found.variables.add(variable);
}
