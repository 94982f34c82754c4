// Types of a relocatable file, by what its .debug_info says: see ../../typeTable.ts.

import { CompressionError } from "../../containers/compressed.ts";
import type { ElfFile } from "../../reader.ts";
import type { Aggregate, Enumerator, Member, Signature, TypeTable, TypeWord } from "../../typeTable.ts";
import {
  DW_TAG_array_type,
  DW_TAG_base_type,
  DW_TAG_class_type,
  DW_TAG_const_type,
  DW_TAG_enumeration_type,
  DW_TAG_enumerator,
  DW_TAG_formal_parameter,
  DW_TAG_inlined_subroutine,
  DW_TAG_member,
  DW_TAG_pointer_type,
  DW_TAG_restrict_type,
  DW_TAG_structure_type,
  DW_TAG_subprogram,
  DW_TAG_subrange_type,
  DW_TAG_subroutine_type,
  DW_TAG_typedef,
  DW_TAG_union_type,
  DW_TAG_unspecified_parameters,
  DW_TAG_variable,
  DW_TAG_volatile_type,
} from "../consts.ts";
import { Budget, Cursor, DwarfError } from "../cursor.ts";
import { DebugSections } from "../sections.ts";
import type { UnitPlace, UnitSlices } from "../unitSlices.ts";
import { type DwarfUnit, UnitReader } from "../units.ts";
import { aliasesOf, OtherUnits } from "./otherUnits.ts";
import { readNodes, type TypeNode, type UnitNodes } from "./typeNodes.ts";

const NAMES = ["info", "abbrev", "line", "str", "line_str", "str_offsets", "addr", "ranges", "rnglists"];
/** More debug information than this is that of a linked kernel, not of a source file. Bytes. */
const MOST = 96 << 20;
const DEEPEST = 32;
const WRAPPERS = new Set([DW_TAG_typedef, DW_TAG_const_type, DW_TAG_volatile_type, DW_TAG_restrict_type]);
const VOID: TypeWord = { kind: "void", size: null, word: "void", holds: null };
const UNKNOWN: TypeWord = { kind: "unknown", size: null, word: "?", holds: null };

/** Null where the file has no debug information, too much, or none that can be read. */
export async function readDwarfTypes(file: ElfFile): Promise<TypeTable | null> {
  try {
    const sections = await DebugSections.read(file, NAMES);
    // Of several, as groups give them, offsets would mean different things.
    if (sections.all("info").length !== 1 || sections.totalSize > MOST) return null;
    const reader = new UnitReader(sections, file.littleEndian, new Budget(sections.totalSize));
    const made = new Tables();
    const units = reader.units();
    const others = new OtherUnits(
      units.map((unit) => unit.start),
      (i) => readNodes(reader, sections, units[i] as DwarfUnit, 0),
      new Budget(4 * sections.totalSize),
    );
    for (const unit of units) {
      const scope = units.length > 1 ? `${unit.name ?? ""}:` : "";
      const place = new Cursor(unit.info, file.littleEndian, unit.firstEntry, unit.end);
      const spend = (amount: number): void => others.work.spend(place, amount);
      new UnitTypes(readNodes(reader, sections, unit, 0), { prefix: scope, made, spend, others }).run();
    }
    return units.length === 0 ? null : made;
  } catch (error) {
    if (error instanceof DwarfError || error instanceof CompressionError) return null;
    throw error;
  }
}

/** The units of a linked object, for references from one to another. */
export const otherUnits = (slices: UnitSlices): OtherUnits =>
  new OtherUnits(
    slices.units.map((place) => place.start),
    (i) => {
      const place = slices.units[i] as UnitPlace;
      const unit = slices.unitOf(place);
      return unit === null ? null : readNodes(slices.newReader(), slices.sections, unit, place.start);
    },
    new Budget(4 * (slices.sections.totalSize + (slices.units.at(-1)?.end ?? 0))),
  );

/**
 * The types of one unit of a linked object, with those of other units that it refers to. Null for one without code.
 * @param prefix of all keys
 * @throws DwarfError
 */
export function tableOfUnit(
  slices: UnitSlices,
  place: UnitPlace,
  prefix: string,
  others: OtherUnits,
): TypeTable | null {
  const unit = slices.unitOf(place);
  if (unit === null) return null;
  const made = new Tables();
  const cursor = new Cursor(unit.info, slices.file.littleEndian, unit.firstEntry, unit.end);
  const spend = (amount: number): void => others.work.spend(cursor, amount);
  const nodes = readNodes(slices.newReader(), slices.sections, unit, place.start);
  new UnitTypes(nodes, { prefix, made, spend, others }).run();
  return made;
}

class Tables implements TypeTable {
  readonly source = "DWARF";
  readonly aggregates = new Map<string, Aggregate>();
  readonly enumerators = new Map<string, Enumerator>();
  readonly signatures = new Map<string, Signature>();
  readonly uses = new Map<string, Set<string>>();
  readonly variables = new Map<string, Set<string>>();
}

const isAggregate = (tag: number): boolean =>
  tag === DW_TAG_structure_type || tag === DW_TAG_union_type || tag === DW_TAG_class_type;

interface UnitContext {
  readonly prefix: string;
  readonly made: Tables;
  readonly spend: (amount: number) => void;
  readonly others: OtherUnits;
}

/**
 * One unit, with what it refers to in others: those types are its own as well, and in another build may stand in it, or in yet another
 * unit.
 */
class UnitTypes {
  readonly #nodes: UnitNodes;
  readonly #others: OtherUnits;
  /** Enums of other units. */
  readonly #enums = new Set<TypeNode>();
  readonly #prefix: string;
  readonly #made: Tables;
  /** Names that typedefs give to types without one. */
  readonly #aliases = new Map<TypeNode, string>();
  readonly #keys = new Map<TypeNode, string>();

  /** Counts steps: types refer to one another, and a few could have everything gone through over and over. @throws DwarfError */
  readonly #spend: (amount: number) => void;

  constructor(nodes: UnitNodes, { prefix, made, spend, others }: UnitContext) {
    this.#nodes = nodes;
    this.#prefix = prefix;
    this.#made = made;
    this.#spend = spend;
    this.#others = others;
  }

  run(): void {
    const { byOffset } = this.#nodes;
    for (const [node, name] of aliasesOf(byOffset, (at) => this.#at(at))) this.#aliases.set(node, name);
    const seen = new Map<string, number>();
    for (const node of byOffset.values()) {
      if (!isAggregate(node.tag) || node.isDeclaration || this.#nameOf(node) === null) continue;
      const scope = scopeOf(node);
      const plain = `${this.#prefix}${scope ?? ""}:${this.#nameOf(node)}`;
      // A second one of a name in a function stands in another block of it.
      const count = (seen.get(plain) ?? 0) + 1;
      seen.set(plain, count);
      this.#keys.set(node, count === 1 ? plain : `${plain}#${count}`);
    }
    this.#addAggregates();
    for (const node of byOffset.values()) {
      if (node.tag === DW_TAG_enumeration_type) this.#addEnumerators(node);
      else if (node.tag === DW_TAG_subprogram) this.#addFunction(node);
      else if (node.tag === DW_TAG_variable && scopeOf(node) === null) this.#addVariable(node);
    }
    // Functions and variables may have led to more types of other units.
    this.#addAggregates();
    for (const node of this.#enums) this.#addEnumerators(node);
  }

  /** All that have a key. Each leads to others: a map's entries that come while it is gone through are gone through as well. */
  #addAggregates(): void {
    for (const [node, key] of this.#keys) if (!this.#made.aggregates.has(key)) this.#addAggregate(node, key);
  }

  #at(reference: number | null): TypeNode | null {
    if (reference === null) return null;
    return this.#nodes.byOffset.get(reference) ?? this.#elsewhere(reference);
  }

  /** An entry of another unit. If it is a type with a name, it is taken for one of this unit. */
  #elsewhere(reference: number): TypeNode | null {
    const unit = this.#others.at(reference);
    const node = unit?.nodes.byOffset.get(reference) ?? null;
    if (unit === null || node === null) return null;
    const alias = unit.aliases.get(node);
    if (alias !== undefined && !this.#aliases.has(node)) this.#aliases.set(node, alias);
    if (node.tag === DW_TAG_enumeration_type) this.#enums.add(node);
    const isNamed = isAggregate(node.tag) && !node.isDeclaration && this.#nameOf(node) !== null;
    // One of this name that is there already is the same: a source file has one.
    if (isNamed && !this.#keys.has(node))
      this.#keys.set(node, `${this.#prefix}${scopeOf(node) ?? ""}:${this.#nameOf(node)}`);
    return node;
  }

  /** `struct thing`; the name of a typedef; null for one without any. */
  #nameOf(node: TypeNode): string | null {
    if (node.name !== null) return `${node.tag === DW_TAG_union_type ? "union" : "struct"} ${node.name}`;
    return this.#aliases.get(node) ?? null;
  }

  #addAggregate(node: TypeNode, key: string): void {
    const members: Member[] = [];
    this.#flatten(node, 0, "", members, 0);
    this.#made.aggregates.set(key, {
      name: this.#nameOf(node) ?? "",
      scope: scopeOf(node),
      size: node.size ?? 0,
      members,
      declared: node.declared,
    });
  }

  /** Members, and in the place of members of types without a name the members of those. @param start bits */
  #flatten(node: TypeNode, start: number, prefix: string, members: Member[], depth: number): void {
    this.#spend(node.children.length);
    for (const child of node.children) {
      if (child.tag !== DW_TAG_member || depth > DEEPEST || members.length > 65_536) continue;
      const inner = this.#strip(child.type);
      const isNameless = inner !== null && isAggregate(inner.tag) && !this.#keys.has(inner) && !inner.isDeclaration;
      const { at, bits, isBitField } = this.#placeOf(child);
      const path = child.name === null ? prefix : `${prefix}${child.name}`;
      this.#spend(path.length >> 4);
      if (isNameless) {
        this.#flatten(inner, start + at, child.name === null ? prefix : `${path}.`, members, depth + 1);
      } else if (child.name !== null)
        members.push({ path, at: start + at, bits, isBitField, type: this.word(child.type) });
    }
  }

  /** Bits from the start of its struct, and how many it has. */
  #placeOf(node: TypeNode): { at: number; bits: number | null; isBitField: boolean } {
    const size = this.#sizeOf(node.type, 0);
    if (node.bitSize === null) {
      return { at: node.location * 8, bits: size === null ? null : size * 8, isBitField: false };
    }
    const storage = (node.size ?? size ?? 0) * 8;
    const at =
      node.dataBitOffset ?? node.location * 8 + (node.bitOffset === null ? 0 : storage - node.bitOffset - node.bitSize);
    return { at, bits: node.bitSize, isBitField: true };
  }

  #strip(reference: number | null): TypeNode | null {
    let node = this.#at(reference);
    for (let depth = 0; node !== null && WRAPPERS.has(node.tag); depth++) {
      if (depth === DEEPEST) return null;
      node = this.#at(node.type);
    }
    return node;
  }

  /** Bytes; null where it is not known. */
  #sizeOf(reference: number | null, depth: number): number | null {
    const node = this.#strip(reference);
    if (node === null || depth > DEEPEST) return null;
    if (node.tag === DW_TAG_pointer_type) return node.size ?? 8;
    if (node.size !== null || node.tag !== DW_TAG_array_type) return node.size;
    const element = this.#sizeOf(node.type, depth + 1);
    this.#spend(node.children.length);
    return node.children
      .filter((c) => c.tag === DW_TAG_subrange_type)
      .reduce<number | null>((sum, c) => (sum === null ? null : sum * (c.count ?? 0)), element);
  }

  /** A type as an ABI sees it. */
  word(reference: number | null, depth = 0): TypeWord {
    if (reference === null) return VOID;
    const node = this.#strip(reference);
    if (node === null) return this.#at(reference) === null ? UNKNOWN : VOID;
    if (depth > DEEPEST) return UNKNOWN;
    const size = this.#sizeOf(reference, depth);
    const holds = this.#keys.get(node) ?? null;
    switch (node.tag) {
      case DW_TAG_pointer_type: {
        const to = node.type === null ? VOID : this.word(node.type, depth + 1);
        return { kind: "pointer", size, word: `${to.word} *`, holds: null };
      }
      case DW_TAG_structure_type:
      case DW_TAG_class_type:
      case DW_TAG_union_type: {
        const kind = node.tag === DW_TAG_union_type ? "union" : "struct";
        return { kind, size, word: this.#nameOf(node) ?? kind, holds };
      }
      case DW_TAG_enumeration_type:
        return { kind: "enum", size, word: enumWord(node, this.#aliases.get(node)), holds: null };
      case DW_TAG_array_type: {
        const of = this.word(node.type, depth + 1);
        return { kind: "array", size, word: `${of.word}[]`, holds: of.holds };
      }
      case DW_TAG_subroutine_type:
        return { kind: "unknown", size: null, word: "function", holds: null };
      case DW_TAG_base_type:
        return baseWord(node);
      default:
        return UNKNOWN;
    }
  }

  #addEnumerators(node: TypeNode): void {
    const scope = scopeOf(node);
    const of = node.name === null ? (this.#aliases.get(node) ?? null) : `enum ${node.name}`;
    for (const child of node.children) {
      if (child.tag !== DW_TAG_enumerator || child.name === null || child.constant === null) continue;
      const key = `${this.#prefix}${scope ?? ""}:${child.name}`;
      const declared = child.declared ?? node.declared;
      if (!this.#made.enumerators.has(key)) this.#made.enumerators.set(key, { value: child.constant, of, declared });
    }
  }

  /** The entry that has an attribute, of those that say the same thing. */
  #whole(node: TypeNode, has: (n: TypeNode) => boolean): TypeNode {
    let found = node;
    for (let hops = 0; !has(found) && hops < 4; hops++) {
      const next = this.#at(found.origin);
      if (next === null) break;
      found = next;
    }
    return found;
  }

  #addFunction(node: TypeNode): void {
    if (!node.hasCode && !node.isAbstract) return;
    const origin = this.#whole(node, (n) => n.name !== null);
    const { name } = origin;
    if (name === null) return;
    this.#spend(origin.children.length);
    if (!this.#made.signatures.has(name)) {
      const parameters = origin.children.filter((c) => c.tag === DW_TAG_formal_parameter);
      this.#made.signatures.set(name, {
        result: this.word(origin.type),
        parameters: parameters.map((p) => this.word(this.#whole(p, (n) => n.type !== null).type)),
        isVariadic: origin.children.some((c) => c.tag === DW_TAG_unspecified_parameters),
        declared: origin.declared ?? node.declared,
      });
    }
    if (!node.hasCode) return;
    const uses = this.#made.uses.get(name) ?? new Set<string>();
    this.#made.uses.set(name, uses);
    this.#usesIn(node, uses, 0);
    if (origin !== node) this.#usesIn(origin, uses, 0);
  }

  #usesIn(node: TypeNode, uses: Set<string>, depth: number): void {
    this.#spend(node.children.length);
    if (node.type !== null) this.#use(node.type, uses);
    for (const child of node.children) {
      if (child.tag === DW_TAG_formal_parameter || child.tag === DW_TAG_variable)
        this.#use(this.#whole(child, (n) => n.type !== null).type, uses);
      else if (depth < DEEPEST && !isAggregate(child.tag)) {
        // What was inlined has its parameters, as far as they are left, here as well.
        const origin = child.tag === DW_TAG_inlined_subroutine ? this.#at(child.origin) : null;
        this.#spend(origin?.children.length ?? 0);
        for (const p of origin?.children ?? []) if (p.tag === DW_TAG_formal_parameter) this.#use(p.type, uses);
        this.#usesIn(child, uses, depth + 1);
      }
    }
  }

  /** The struct that a type is, holds, or points to. */
  #use(reference: number | null, uses: Set<string>): void {
    let node = this.#strip(reference);
    for (let depth = 0; node !== null && depth < DEEPEST; depth++) {
      const key = this.#keys.get(node);
      if (key !== undefined) uses.add(key);
      if (node.tag !== DW_TAG_pointer_type && node.tag !== DW_TAG_array_type) return;
      node = this.#strip(node.type);
    }
  }

  #addVariable(node: TypeNode): void {
    const whole = this.#whole(node, (n) => n.name !== null && n.type !== null);
    const { name } = this.#whole(node, (n) => n.name !== null);
    if (name === null) return;
    const uses = this.#made.variables.get(name) ?? new Set<string>();
    this.#made.variables.set(name, uses);
    this.#use(whole.type, uses);
  }
}

/** The function that an entry stands in; null: none. */
function scopeOf(node: TypeNode): string | null {
  for (let at = node.parent; at !== null; at = at.parent) {
    if (at.tag === DW_TAG_subprogram) return at.name ?? "a function";
  }
  return null;
}

const enumWord = (node: TypeNode, alias: string | undefined): string =>
  node.name === null ? (alias ?? "enum") : `enum ${node.name}`;

/** DW_ATE_boolean, _float, _signed, _signed_char (DWARF 5, 7.8). */
function baseWord({ size, encoding }: TypeNode): TypeWord {
  const bits = (size ?? 0) * 8;
  if (encoding === 4) return { kind: "float", size, word: `f${bits}`, holds: null };
  const sign = encoding === 2 ? "bool" : encoding === 5 || encoding === 6 ? "s" : "u";
  return { kind: "integer", size, word: sign === "bool" ? "bool" : `${sign}${bits}`, holds: null };
}
