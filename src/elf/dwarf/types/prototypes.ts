// The parameters of functions, and the places of members in structs, as .debug_info tells them (DWARF 5, 3.3 and 5).

import { CompressionError } from "../../containers/compressed.ts";
import type { ElfFile } from "../../reader.ts";
import {
  DW_AT_abstract_origin,
  DW_AT_byte_size,
  DW_AT_count,
  DW_AT_data_member_location,
  DW_AT_declaration,
  DW_AT_GNU_vector,
  DW_AT_inline,
  DW_AT_name,
  DW_AT_prototyped,
  DW_AT_specification,
  DW_AT_type,
  DW_AT_upper_bound,
  DW_TAG_array_type,
  DW_TAG_class_type,
  DW_TAG_const_type,
  DW_TAG_formal_parameter,
  DW_TAG_member,
  DW_TAG_pointer_type,
  DW_TAG_restrict_type,
  DW_TAG_structure_type,
  DW_TAG_subprogram,
  DW_TAG_subrange_type,
  DW_TAG_typedef,
  DW_TAG_union_type,
  DW_TAG_unspecified_parameters,
  DW_TAG_volatile_type,
} from "../consts.ts";
import { Budget, Cursor, DwarfError } from "../cursor.ts";
import { functionName } from "../lines/inlined.ts";
import { DebugSections } from "../sections.ts";
import { type Attributes, type AttributeValue, type DwarfUnit, UnitReader } from "../units.ts";
import { memberLocation } from "./members.ts";
import { addPrototype, type ParameterType, type Prototype } from "./prototype.ts";

const NAMES = ["info", "abbrev", "str", "line_str", "str_offsets", "addr", "ranges", "rnglists"];
const WRAPPERS = new Set([DW_TAG_typedef, DW_TAG_const_type, DW_TAG_volatile_type, DW_TAG_restrict_type]);
const AGGREGATES = new Set([DW_TAG_structure_type, DW_TAG_union_type, DW_TAG_class_type, DW_TAG_array_type]);
const MAX_DEPTH = 64;
const NO_TYPE: ParameterType = { size: null, isAggregate: false };

/** What the debug information of one file tells. */
export interface TypeFacts {
  /** Functions that have code in the file, and those that were inlined. */
  readonly prototypes: ReadonlyMap<string, Prototype | null>;
  /** `STRUCT.MEMBER` -> bytes from the struct's start, for the members asked for. */
  readonly members: ReadonlyMap<string, number>;
}

/**
 * Reads the parameters of all functions with code, and the places of `members` (`STRUCT.MEMBER`). Never throws for what
 * is wrong with debug information: what was found before it counts.
 */
export async function readTypeFacts(file: ElfFile, members: readonly string[]): Promise<TypeFacts> {
  const prototypes = new Map<string, Prototype | null>();
  const places = new Map<string, number>();
  try {
    const sections = await DebugSections.read(file, NAMES);
    const reader = new UnitReader(sections, file.littleEndian, new Budget(sections.totalSize));
    const units = reader.units();
    const search = { prototypes, members, places };
    for (const unit of units) new Walk(reader, units, unit, search).run();
  } catch (error) {
    if (!(error instanceof DwarfError || error instanceof CompressionError)) throw error;
  }
  return { prototypes, members: places };
}

interface OpenFunction {
  readonly name: string | null;
  readonly isPrototyped: boolean;
  isVariadic: boolean;
  readonly parameters: ParameterType[];
  readonly result: ParameterType | null;
}

interface Entry {
  readonly function: OpenFunction | null;
  /** Name of the struct whose members follow. */
  readonly struct: string | null;
}

/** What is looked for, and what was found. */
interface Search {
  /** By name: the functions that are wanted. */
  readonly prototypes: Map<string, Prototype | null>;
  /** `STRUCT.MEMBER`. */
  readonly members: readonly string[];
  readonly places: Map<string, number>;
}

/** One pass through a unit's entries. */
class Walk {
  readonly #reader: UnitReader;
  readonly #units: readonly DwarfUnit[];
  readonly #unit: DwarfUnit;
  readonly #prototypes: Map<string, Prototype | null>;
  readonly #wanted: ReadonlySet<string>;
  readonly #structs: ReadonlySet<string>;
  readonly #places: Map<string, number>;

  constructor(
    reader: UnitReader,
    units: readonly DwarfUnit[],
    unit: DwarfUnit,
    { prototypes, members, places }: Search,
  ) {
    this.#reader = reader;
    this.#units = units;
    this.#unit = unit;
    this.#prototypes = prototypes;
    this.#wanted = new Set(members);
    this.#structs = new Set(members.map((m) => m.slice(0, m.indexOf("."))));
    this.#places = places;
  }

  run(): void {
    const reader = this.#reader;
    const unit = this.#unit;
    const cursor = new Cursor(unit.info, reader.littleEndian, unit.firstEntry, unit.end);
    const open: Entry[] = [];
    while (cursor.at < cursor.end) {
      reader.budget.spend(cursor);
      const code = cursor.uleb();
      if (code === 0) {
        this.#close(open.pop());
        if (open.length === 0) break;
        continue;
      }
      const abbreviation = unit.abbreviations.get(code);
      if (abbreviation === undefined) throw cursor.error(`the unknown abbreviation ${code}`);
      const attributes = reader.attributes(cursor, abbreviation, unit);
      const entry = this.#enter(abbreviation.tag, attributes, open.at(-1));
      if (abbreviation.hasChildren) open.push(entry);
      else {
        this.#close(entry);
        if (open.length === 0) break;
      }
    }
    for (const entry of open) this.#close(entry);
  }

  #enter(tag: number, attributes: Attributes, parent: Entry | undefined): Entry {
    const none = { function: null, struct: null };
    const inside = parent?.function ?? null;
    switch (tag) {
      case DW_TAG_subprogram: {
        // An abstract instance has no code, but must say the same as the functions made from it.
        const hasCode = this.#reader.ranges(this.#unit, attributes).length > 0;
        if (!hasCode && !attributes.has(DW_AT_inline)) return none;
        const name = functionName(this.#reader, this.#units, this.#unit, attributes);
        const from = this.#whole(attributes);
        const type = from.get(DW_AT_type);
        return {
          struct: null,
          function: {
            name,
            isPrototyped: from.get(DW_AT_prototyped)?.value === 1,
            isVariadic: false,
            parameters: [],
            result: type === undefined ? null : this.#type(this.#unit, type),
          },
        };
      }
      case DW_TAG_formal_parameter: {
        const type = this.#whole(attributes).get(DW_AT_type);
        inside?.parameters.push(type === undefined ? NO_TYPE : this.#type(this.#unit, type));
        return none;
      }
      case DW_TAG_unspecified_parameters:
        if (inside !== null) inside.isVariadic = true;
        return none;
      case DW_TAG_structure_type: {
        const name = attributes.has(DW_AT_declaration)
          ? null
          : this.#reader.string(this.#unit, attributes.get(DW_AT_name));
        return { function: null, struct: name !== null && this.#structs.has(name) ? name : null };
      }
      case DW_TAG_member:
        if (parent?.struct != null) this.#member(parent.struct, attributes);
        return none;
      default:
        return none;
    }
  }

  /** Attributes of an entry together with those of its abstract instance or declaration in the same unit. */
  #whole(attributes: Attributes): Attributes {
    const all = new Map(attributes);
    let at: Attributes = attributes;
    let home = this.#unit;
    for (let hops = 0; hops < 4; hops++) {
      const reference = at.get(DW_AT_abstract_origin) ?? at.get(DW_AT_specification);
      const next = reference === undefined ? null : this.#reader.target(this.#units, home, reference);
      if (next === null || next.unit !== this.#unit) break;
      for (const [number, value] of next.attributes) if (!all.has(number)) all.set(number, value);
      at = next.attributes;
      home = next.unit;
    }
    return all;
  }

  #member(struct: string, attributes: Attributes): void {
    const name = this.#reader.string(this.#unit, attributes.get(DW_AT_name));
    const key = `${struct}.${name}`;
    if (name === null || !this.#wanted.has(key)) return;
    const location = attributes.get(DW_AT_data_member_location);
    const at = location === undefined ? 0 : memberLocation(this.#reader, this.#unit, location);
    if (at !== null && !this.#places.has(key)) this.#places.set(key, at);
  }

  #type(home: DwarfUnit, reference: AttributeValue): ParameterType {
    let unit = home;
    let at = reference;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      const target = this.#reader.entry(this.#units, unit, at);
      if (target === null) return NO_TYPE;
      const { tag, attributes } = target;
      const size = attributes.get(DW_AT_byte_size)?.value ?? null;
      if (tag === DW_TAG_pointer_type) return { size: size ?? unit.addressSize, isAggregate: false };
      if (attributes.has(DW_AT_GNU_vector)) return { size: size ?? this.#vectorSize(target), isAggregate: true };
      if (!WRAPPERS.has(tag)) return { size, isAggregate: AGGREGATES.has(tag) };
      const next = attributes.get(DW_AT_type);
      if (next === undefined) return NO_TYPE;
      unit = target.unit;
      at = next;
    }
    return NO_TYPE;
  }

  /** Elements times their size (GCC states no size of its own); null if either is not known. */
  #vectorSize(vector: NonNullable<ReturnType<UnitReader["entry"]>>): number | null {
    const { unit, attributes, hasChildren, next } = vector;
    const element = attributes.get(DW_AT_type);
    if (!hasChildren || element === undefined) return null;
    const cursor = new Cursor(unit.info, this.#reader.littleEndian, next, unit.end);
    const abbreviation = unit.abbreviations.get(cursor.uleb());
    if (abbreviation?.tag !== DW_TAG_subrange_type) return null;
    const range = this.#reader.attributes(cursor, abbreviation, unit);
    const last = range.get(DW_AT_upper_bound)?.value;
    const count = range.get(DW_AT_count)?.value ?? (last === undefined ? null : last + 1);
    const base = this.#reader.entry(this.#units, unit, element)?.attributes.get(DW_AT_byte_size)?.value;
    return count === null || base === undefined ? null : count * base;
  }

  #close(entry: Entry | undefined): void {
    const found = entry?.function;
    if (found == null || found.name === null) return;
    const { name, isPrototyped, isVariadic, parameters, result } = found;
    addPrototype(this.#prototypes, name, { isPrototyped, isVariadic, parameters, result });
  }
}
