// The one loop that applies relocations. What a row cannot say is a hook of the architecture's loader.

import { OrderedView } from "../base/bytes.ts";
import type { LoaderFault } from "../diag/codes/relocations.ts";
import type { RelocationTable } from "../elf/views/relas.ts";
import type { HasFact, VersionFact } from "../kernel/versionFacts.ts";
import {
  type Fault,
  type Feature,
  type HookName,
  otherBuild,
  type RelocDef,
  type RelocTable,
  unknownBefore,
} from "./def.ts";
import { Halves, type Plan, planOf } from "./halves.ts";
import { evaluate, fits, store, verdict } from "./value.ts";
import { Wholes, wholeForm } from "./wholes.ts";

/** The memory that a module is loaded into, by section index. */
export interface Space {
  /** Address of each section (for the per-CPU template and sections that are not loaded: a stand-in). */
  readonly addresses: readonly bigint[];
  /** The bytes in memory; an empty array for sections that are not loaded. */
  readonly bytes: readonly Uint8Array[];
  /** Final st_value of each symbol, unsigned. */
  readonly values: BigUint64Array;
  readonly littleEndian: boolean;
}

/** The relocation at hand; one object, used again for the next. */
export interface Site {
  readonly table: RelocationTable;
  /** Entry in the file. */
  row: number;
  def: RelocDef;
  symbol: number;
  /** Bytes of the target section, and the place in it. */
  readonly bytes: Uint8Array;
  readonly view: OrderedView;
  at: number;
  P: bigint;
  /** S+A, unsigned; a hook that goes round puts the address of its code here. */
  target: bigint;
  /** What goes into the field, signed. */
  value: bigint;
}

/** What is wrong with one relocation, or with what its hook had to make. */
export type Finding =
  /** `before`: loaders that have this know the type. */
  | { readonly kind: "unknown"; readonly type: number; readonly before: VersionFact | null }
  | { readonly kind: "rel" }
  | { readonly kind: "outside"; readonly def: RelocDef; readonly size: number }
  | { readonly kind: "fault"; readonly def: RelocDef; readonly fault: Fault }
  /** The kernel cuts the value off without a word. */
  | { readonly kind: "cut"; readonly def: RelocDef; readonly value: bigint }
  /** The word behind a call is not a nop; null if it lies outside the section. */
  | { readonly kind: "no-nop"; readonly word: number | null; readonly address: bigint }
  /** Something else that ends the load. */
  | { readonly kind: "refused"; readonly why: LoaderFault };

export type Report = (finding: Finding, table: RelocationTable, row: number) => void;

/** Does what the row cannot say. May change target and value; true: nothing is left to do. */
export type Hook = (site: Site, report: (finding: Finding) => void) => boolean;

/** An architecture's part in the loop. */
export interface RelocMachine {
  readonly relocs: RelocTable;
  readonly hooks: Readonly<Partial<Record<HookName, Hook>>>;
  readonly features: ReadonlySet<Feature>;
  /** TOC base; 0 where there is none. */
  readonly TOC: bigint;
  /** x86: bytes that are not zero are taken for a place that was relocated before. */
  readonly placeMustBeZero: boolean;
  readonly module: string;
  readonly has: HasFact;
}

/** What a loader makes of a type. */
interface Known {
  /** Null: it does not know the type. */
  readonly def: RelocDef | null;
  /** Loaders that have this know it. */
  readonly before: VersionFact | null;
  readonly plan: Plan | null;
}

/** The types of a table: most relocations have the type of the one before. */
class Types {
  readonly #machine: RelocMachine;
  readonly #known = new Map<number, Known>();
  #type = -1;
  #last: Known = { def: null, before: null, plan: null };

  constructor(machine: RelocMachine) {
    this.#machine = machine;
  }

  of(type: number): Known {
    if (type !== this.#type) {
      this.#last = this.#known.get(type) ?? this.#find(type);
      this.#type = type;
    }
    return this.#last;
  }

  #find(type: number): Known {
    const { relocs, has, features } = this.#machine;
    const row = relocs.defs.get(type);
    const before = row === undefined ? null : unknownBefore(row, has);
    const def = row === undefined || before !== null || otherBuild(row, features) !== null ? null : row;
    const known = { def, before, plan: def === null ? null : planOf(def) };
    this.#known.set(type, known);
    return known;
  }
}

/** Rows that are written by one call: V8 compiles a function that is called often, and a loop that runs long once more. */
const AT_ONCE = 1 << 10;

/** Rows of a table from which on it is worth to make forms of all types. */
const MANY = 64;

/**
 * Applies one relocation section to the target's bytes in memory. Goes on after an error, so that all are reported.
 * @param order rows in the order in which the loader meets them; null: as in the file
 */
export function relocate(
  table: RelocationTable,
  order: Uint32Array | null,
  space: Space,
  machine: RelocMachine,
  report: Report,
): void {
  if (!table.hasAddends) {
    report({ kind: "rel" }, table, 0);
    return;
  }
  const one = oneByOne(table, space, machine, report);
  if (order !== null || table.count < MANY) {
    for (let i = 0; i < table.count; i++) one(order === null ? i : (order[i] ?? 0), i);
    return;
  }
  const wholes = new Wholes(formsOf(machine), {
    bytes: space.bytes[table.target] ?? new Uint8Array(0),
    base: space.addresses[table.target] ?? 0n,
    littleEndian: space.littleEndian,
    values: space.values,
    zeros: machine.placeMustBeZero,
  });
  for (const { first, count, words } of table.words()) {
    const signed = new Int32Array(words.buffer, words.byteOffset, words.length);
    for (let row = 0; row < count; ) {
      const end = Math.min(row + AT_ONCE, count);
      row = wholes.write(signed, row, end);
      if (row === end) continue;
      one(first + row, first + row);
      row++;
    }
  }
}

/** The form of each type that the loader knows. */
function formsOf(machine: RelocMachine): Uint8Array {
  const types = new Types(machine);
  const defs = machine.relocs.defs.values();
  // By type, ascending.
  const forms = new Uint8Array((defs.at(-1)?.type ?? 0) + 1);
  for (const { type } of defs) {
    const { def } = types.of(type);
    forms[type] = def === null ? 0 : wholeForm(def);
  }
  return forms;
}

/** Applies a row of a table, the `position`-th that the loader meets. */
function oneByOne(
  table: RelocationTable,
  space: Space,
  machine: RelocMachine,
  report: Report,
): (row: number, position: number) => void {
  const bytes = space.bytes[table.target] ?? new Uint8Array(0);
  const view = new OrderedView(bytes, space.littleEndian);
  const base = space.addresses[table.target] ?? 0n;
  let site: Site | null = null;
  const { littleEndian, values } = space;
  const halves = new Halves(table, { bytes, base, littleEndian }, values, machine.TOC, machine.placeMustBeZero);
  const types = new Types(machine);
  return (row, position) => {
    const type = table.type(row);
    const { def, plan, before } = types.of(type);
    if (def === null) {
      report({ kind: "unknown", type, before }, table, row);
      return;
    }
    if (def.bytes === 0) return;
    const at = table.offset(row);
    if (at + def.bytes > bytes.length) {
      report({ kind: "outside", def, size: bytes.length }, table, row);
      return;
    }
    if (plan !== null && halves.write(plan, row, at)) return;
    const symbol = table.symbol(row);
    const S = space.values[symbol] ?? 0n;
    const A = table.addend(row);
    const P = BigInt.asUintN(64, base + BigInt(at));
    const value = evaluate(def.value, S, A, P, machine.TOC);
    const target = BigInt.asUintN(64, S + A);
    if (site === null) site = { table, row, def, symbol, bytes, view, at, P, target, value };
    else {
      site.row = row;
      site.def = def;
      site.symbol = symbol;
      site.at = at;
      site.P = P;
      site.target = target;
      site.value = value;
    }
    if (def.hook !== undefined) {
      const hook = machine.hooks[def.hook];
      if (hook?.(site, (finding) => report(finding, table, row)) === true) return;
    }
    applyOne(site, position, machine, report);
  };
}

function applyOne(site: Site, position: number, machine: RelocMachine, report: Report): void {
  const { def, table, row, value } = site;
  let kind: Fault["kind"] | null = verdict(def, value);
  if (kind === null && machine.placeMustBeZero && !isZero(site.bytes, site.at, def.bytes)) kind = "nonzero";
  if (kind === null) {
    store(def, site.view, site.at, value);
    if (def.holds !== undefined && !fits(def.holds, value)) report({ kind: "cut", def, value }, table, row);
    return;
  }
  const { module, has } = machine;
  const fault: Fault = {
    kind,
    module,
    type: def.type,
    value,
    target: site.target,
    place: site.P,
    section: table.section,
    row: position,
    has,
  };
  report({ kind: "fault", def, fault }, table, row);
}

function isZero(bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) if (bytes[i] !== 0) return false;
  return true;
}
