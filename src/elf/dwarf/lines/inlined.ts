// Which functions a place is in: the subprogram, and the calls that were inlined into it (DWARF 5, 3.3.8).

import { Cover } from "../../../base/cover.ts";
import {
  DW_AT_abstract_origin,
  DW_AT_call_column,
  DW_AT_call_file,
  DW_AT_call_line,
  DW_AT_linkage_name,
  DW_AT_name,
  DW_AT_specification,
  DW_TAG_inlined_subroutine,
  DW_TAG_subprogram,
} from "../consts.ts";
import { Cursor } from "../cursor.ts";
import type { Attributes, DwarfUnit, Range, UnitReader } from "../units.ts";

/** A subprogram or an inlined subroutine that covers code. */
export interface FunctionNode {
  readonly isInlined: boolean;
  readonly attributes: Attributes;
  readonly ranges: readonly Range[];
  /** What was inlined into it. */
  readonly inner: FunctionNode[];
}

export interface CallSite {
  /** Number in the unit's line table. */
  readonly file: number;
  readonly line: number;
  readonly column: number;
}

/** Entries inside one another beyond this are passed through: no compiler inlines so deep. */
const DEEPEST = 1000;

/** The subprograms of a unit, with the inlined ones inside. Entries of other kinds are passed through. */
export function readFunctions(reader: UnitReader, unit: DwarfUnit): FunctionNode[] {
  const top: FunctionNode[] = [];
  const cursor = new Cursor(unit.info, reader.littleEndian, unit.firstEntry, unit.end);
  /** For each open entry with children, the list that functions below it go into. */
  const open: FunctionNode[][] = [];
  while (cursor.at < cursor.end) {
    reader.budget.spend(cursor);
    const code = cursor.uleb();
    if (code === 0) {
      open.pop();
      if (open.length === 0) break;
      continue;
    }
    const abbreviation = unit.abbreviations.get(code);
    if (abbreviation === undefined) throw cursor.error(`the unknown abbreviation ${code}`);
    let home = open.at(-1) ?? top;
    const isFunction = abbreviation.tag === DW_TAG_subprogram || abbreviation.tag === DW_TAG_inlined_subroutine;
    if (isFunction && open.length < DEEPEST) {
      const attributes = reader.attributes(cursor, abbreviation, unit);
      const ranges = reader.ranges(unit, attributes);
      if (ranges.length > 0) {
        const isInlined = abbreviation.tag === DW_TAG_inlined_subroutine;
        const node: FunctionNode = { isInlined, attributes, ranges, inner: [] };
        (isInlined ? home : top).push(node);
        home = node.inner;
      }
    } else reader.skipAttributes(cursor, abbreviation, unit);
    if (abbreviation.hasChildren) open.push(home);
    else if (open.length === 0) break;
  }
  return top;
}

/** The functions that cover `address`, the outermost (a subprogram) first; empty if none does. */
export function functionsAt(functions: readonly FunctionNode[], address: number): FunctionNode[] {
  const chain: FunctionNode[] = [];
  for (let level = functions; ; ) {
    const next = coverOf(level, chain.length > 0).at(address);
    if (next === null) return chain;
    chain.push(next);
    level = next.inner;
  }
}

const covers = new WeakMap<readonly FunctionNode[], Cover<FunctionNode>>();

/** Folded functions may share code: the one that covers least is meant. @param isInlined those of a level that count */
function coverOf(level: readonly FunctionNode[], isInlined: boolean): Cover<FunctionNode> {
  let cover = covers.get(level);
  if (cover === undefined) {
    const size = (f: FunctionNode): number => f.ranges.reduce((sum, r) => sum + r.end - r.start, 0);
    const own = level
      .filter((f) => f.isInlined === isInlined)
      .map((item) => ({ item, ranges: item.ranges, rank: size(item) }));
    cover = new Cover(own);
    covers.set(level, cover);
  }
  return cover;
}

/** Where an inlined function was called. */
export function callSite({ attributes }: FunctionNode): CallSite {
  const number = (at: number): number => attributes.get(at)?.value ?? 0;
  return { file: number(DW_AT_call_file), line: number(DW_AT_call_line), column: number(DW_AT_call_column) };
}

/** A function's name: its own, or that of its declaration or abstract instance. Null if it has none. */
export function functionName(
  reader: UnitReader,
  units: readonly DwarfUnit[],
  unit: DwarfUnit,
  attributes: Attributes,
): string | null {
  let home = unit;
  let at = attributes;
  for (let hops = 0; hops < 8; hops++) {
    const name = reader.string(home, at.get(DW_AT_name)) ?? reader.string(home, at.get(DW_AT_linkage_name));
    if (name !== null) return name;
    const reference = at.get(DW_AT_abstract_origin) ?? at.get(DW_AT_specification);
    const next = reference === undefined ? null : reader.target(units, home, reference);
    if (next === null) return null;
    home = next.unit;
    at = next.attributes;
  }
  return null;
}
