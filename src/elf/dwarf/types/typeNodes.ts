// The entries of .debug_info that say something of types, as a tree (DWARF 5, chapters 3 to 5).

import type { Declared } from "../../typeTable.ts";
import {
  DW_AT_abstract_origin,
  DW_AT_bit_offset,
  DW_AT_bit_size,
  DW_AT_byte_size,
  DW_AT_const_value,
  DW_AT_count,
  DW_AT_data_bit_offset,
  DW_AT_data_member_location,
  DW_AT_decl_file,
  DW_AT_decl_line,
  DW_AT_declaration,
  DW_AT_encoding,
  DW_AT_inline,
  DW_AT_name,
  DW_AT_specification,
  DW_AT_type,
  DW_AT_upper_bound,
  DW_FORM_ref_addr,
} from "../consts.ts";
import { Cursor } from "../cursor.ts";
import { isUnitReference } from "../forms.ts";
import { readFileNames } from "../lines/lines.ts";
import type { DebugSections } from "../sections.ts";
import type { Attributes, AttributeValue, DwarfUnit, UnitReader } from "../units.ts";
import { memberLocation } from "./members.ts";

/** An entry. References are offsets in .debug_info; null: absent. */
export interface TypeNode {
  readonly tag: number;
  readonly parent: TypeNode | null;
  readonly children: TypeNode[];
  readonly name: string | null;
  readonly type: number | null;
  /** The abstract instance, or the declaration, that it repeats. */
  readonly origin: number | null;
  /** Bytes. */
  readonly size: number | null;
  readonly encoding: number;
  /** Bytes from the start of the struct. */
  readonly location: number;
  readonly bitSize: number | null;
  /** Bits from the start of the struct, as DWARF 4 and later have it. */
  readonly dataBitOffset: number | null;
  /** Bits from the highest bit of the storage unit, as DWARF 2 and 3 have it. */
  readonly bitOffset: number | null;
  readonly constant: number | null;
  /** Elements of a dimension; null: not stated. */
  readonly count: number | null;
  readonly isDeclaration: boolean;
  readonly hasCode: boolean;
  readonly isAbstract: boolean;
  readonly declared: Declared | null;
}

/** The entries of a unit: by offset in .debug_info, and those at its top. */
export interface UnitNodes {
  readonly byOffset: ReadonlyMap<number, TypeNode>;
  readonly top: readonly TypeNode[];
}

/** Entries inside one another beyond this are an error: no compiler nests so deep. */
const DEEPEST = 1000;

/**
 * Reads all entries of a unit.
 * @param base where `unit.info` begins in .debug_info, bytes: offsets of entries, and references, are from the start of that section
 * @throws DwarfError
 */
export function readNodes(reader: UnitReader, sections: DebugSections, unit: DwarfUnit, base: number): UnitNodes {
  const cursor = new Cursor(unit.info, reader.littleEndian, unit.firstEntry, unit.end);
  const byOffset = new Map<number, TypeNode>();
  const top: TypeNode[] = [];
  const open: TypeNode[] = [];
  const files = fileNames(reader, sections, unit);
  while (cursor.at < cursor.end) {
    const at = cursor.at;
    reader.budget.spend(cursor);
    const code = cursor.uleb();
    if (code === 0) {
      open.pop();
      if (open.length === 0) break;
      continue;
    }
    const abbreviation = unit.abbreviations.get(code);
    if (abbreviation === undefined) throw cursor.error(`the unknown abbreviation ${code}`);
    const attributes = reader.attributes(cursor, abbreviation, unit);
    const parent = open.at(-1) ?? null;
    const node = nodeOf(reader, unit, { tag: abbreviation.tag, attributes, base }, parent, files);
    byOffset.set(base + at, node);
    // The unit's own entry is nobody's parent.
    if (open.length === 1) top.push(node);
    else parent?.children.push(node);
    if (abbreviation.hasChildren) open.push(node);
    else if (open.length === 0) break;
    if (open.length > DEEPEST) throw cursor.error("entries nested out of all proportion");
  }
  return { byOffset, top };
}

type Files = readonly ({ readonly path: string } | undefined)[];

function fileNames(reader: UnitReader, sections: DebugSections, unit: DwarfUnit): Files {
  const lines = sections.find("line");
  if (lines === null || unit.lines === null) return [];
  const strings = { str: sections.find("str"), lineStr: sections.find("line_str") };
  return readFileNames(lines, unit, strings, reader.littleEndian, reader.budget);
}

function nodeOf(
  reader: UnitReader,
  unit: DwarfUnit,
  { tag, attributes, base }: { readonly tag: number; readonly attributes: Attributes; readonly base: number },
  parent: TypeNode | null,
  files: Files,
): TypeNode {
  const number = (at: number): number | null => attributes.get(at)?.value ?? null;
  const location = attributes.get(DW_AT_data_member_location);
  const file = number(DW_AT_decl_file);
  const line = number(DW_AT_decl_line);
  const path = file === null ? undefined : files[file]?.path;
  const upper = number(DW_AT_upper_bound);
  return {
    tag,
    parent,
    children: [],
    name: reader.string(unit, attributes.get(DW_AT_name)),
    type: referenceOf(unit, base, attributes.get(DW_AT_type)),
    origin: referenceOf(unit, base, attributes.get(DW_AT_abstract_origin) ?? attributes.get(DW_AT_specification)),
    size: number(DW_AT_byte_size),
    encoding: number(DW_AT_encoding) ?? 0,
    location: location === undefined ? 0 : (memberLocation(reader, unit, location) ?? Number.NaN),
    bitSize: number(DW_AT_bit_size),
    dataBitOffset: number(DW_AT_data_bit_offset),
    bitOffset: number(DW_AT_bit_offset),
    constant: number(DW_AT_const_value),
    count: number(DW_AT_count) ?? (upper === null ? null : upper + 1),
    isDeclaration: attributes.has(DW_AT_declaration),
    hasCode: reader.ranges(unit, attributes).length > 0,
    isAbstract: attributes.has(DW_AT_inline),
    declared: path === undefined || line === null ? null : { file: path, directory: unit.directory, line },
  };
}

function referenceOf(unit: DwarfUnit, base: number, value: AttributeValue | undefined): number | null {
  if (value === undefined) return null;
  if (isUnitReference(value.form)) return base + unit.start + value.value;
  // Relocated, it counts from the start of the section, whichever unit the entry is in.
  return value.form === DW_FORM_ref_addr ? value.value : null;
}
