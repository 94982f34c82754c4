// Places of members in structs of a linked program, vmlinux foremost, or of a module. Its debug information may have hundreds of
// megabytes, most of it the same types again in each unit: a unit that names a struct is found by where the name stands in
// .debug_str, and only such units are read, until one has the definition.

import { fromLatin1, viewOf } from "../../../base/bytes.ts";
import { countUpTo } from "../../../base/search.ts";
import { CompressionError } from "../../containers/compressed.ts";
import type { ElfExecutable } from "../../executable.ts";
import type { ElfFile } from "../../reader.ts";
import {
  DW_AT_byte_size,
  DW_AT_data_member_location,
  DW_AT_declaration,
  DW_AT_name,
  DW_FORM_block,
  DW_FORM_block1,
  DW_FORM_block2,
  DW_FORM_block4,
  DW_FORM_exprloc,
  DW_TAG_member,
  DW_TAG_structure_type,
} from "../consts.ts";
import { Budget, Cursor, type DebugSection, DwarfError } from "../cursor.ts";
import { DebugSections, type DebugSource } from "../sections.ts";
import { type Attributes, type AttributeValue, type DwarfUnit, UnitReader } from "../units.ts";

// The first entry of a unit says what the unit covers.
const NAMES = ["info", "abbrev", "str", "str_offsets", "addr", "ranges", "rnglists"];
const DW_OP_plus_uconst = 0x23;
const BLOCKS = new Set([DW_FORM_block, DW_FORM_block1, DW_FORM_block2, DW_FORM_block4, DW_FORM_exprloc]);

/** A struct: bytes, and where its members begin. */
export interface StructLayout {
  readonly size: number;
  readonly members: ReadonlyMap<string, number>;
}

/**
 * Structs of a program or module by name, those that its debug information tells. Never throws for what is wrong with that.
 * The first definition of a struct counts.
 */
export async function findStructs(
  file: ElfFile | ElfExecutable,
  names: readonly string[],
): Promise<ReadonlyMap<string, StructLayout>> {
  const found = new Map<string, StructLayout>();
  const places = new Map<string, number>();
  const sizes = new Map<string, number>();
  await search(
    "header" in file ? file : sourceOf(file),
    names.map((n) => `${n}.${ALL}`),
    places,
    sizes,
  );
  for (const [name, size] of sizes) {
    const prefix = `${name}.`;
    const own = [...places].filter(([key]) => key.startsWith(prefix));
    found.set(name, { size, members: new Map(own.map(([key, at]) => [key.slice(prefix.length), at])) });
  }
  return found;
}

/** In place of a member: all of them. */
const ALL = "*";

/**
 * Reads `STRUCT.MEMBER` -> bytes from the struct's start, for the members asked for; those that the file does not tell are
 * left out. The first definition of a struct counts. Never throws for what is wrong with debug information.
 */
export async function findMembers(
  file: ElfExecutable,
  members: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const places = new Map<string, number>();
  await search(sourceOf(file), members, places, new Map());
  return places;
}

const sourceOf = ({ sections, littleEndian, machine }: ElfExecutable): DebugSource => ({
  sections,
  littleEndian,
  header: { machine },
  relocations: [],
  symbolTables: new Map(),
});

async function search(
  source: DebugSource,
  members: readonly string[],
  places: Map<string, number>,
  sizes: Map<string, number>,
): Promise<void> {
  try {
    const debug = await DebugSections.read(source, NAMES);
    const reader = new UnitReader(debug, source.littleEndian, new Budget(debug.totalSize));
    new MemberSearch(reader, members, places, sizes).run();
  } catch (error) {
    if (!(error instanceof DwarfError || error instanceof CompressionError)) throw error;
  }
}

class MemberSearch {
  readonly #reader: UnitReader;
  readonly #wanted: ReadonlySet<string>;
  /** Structs whose definition was not seen yet. */
  readonly #open: Set<string>;
  readonly #places: Map<string, number>;
  readonly #sizes: Map<string, number>;

  constructor(reader: UnitReader, members: readonly string[], places: Map<string, number>, sizes: Map<string, number>) {
    this.#reader = reader;
    this.#wanted = new Set(members);
    this.#open = new Set(members.map((m) => m.slice(0, m.indexOf("."))));
    this.#places = places;
    this.#sizes = sizes;
  }

  run(): void {
    const read = new Set<number>();
    for (const info of this.#reader.sections.all("info")) {
      const starts = this.#unitStarts(info);
      read.clear();
      for (const struct of [...this.#open]) {
        for (const at of this.#mentions(info, struct)) {
          if (!this.#open.has(struct)) break;
          const start = starts[countUpTo(starts, at) - 1];
          if (start === undefined || read.has(start)) continue;
          read.add(start);
          this.#readUnit(info, start);
        }
      }
    }
  }

  #unitStarts(info: DebugSection): number[] {
    const starts: number[] = [];
    const cursor = new Cursor(info, this.#reader.littleEndian, 0);
    while (cursor.at < cursor.end) {
      starts.push(cursor.at);
      const { length } = cursor.unitLength();
      cursor.skip(length);
    }
    return starts;
  }

  /** Offsets in .debug_info at which something stands that may name `struct`; where indices name strings, all units. */
  *#mentions(info: DebugSection, struct: string): Generator<number> {
    const { sections, littleEndian } = this.#reader;
    const name = fromLatin1(`${struct}\0`);
    yield* occurrences(info.bytes, name);
    const offsets: Uint8Array[] = [];
    for (const at of occurrences(sections.find("str")?.bytes ?? new Uint8Array(), name)) {
      const bytes = new Uint8Array(4);
      viewOf(bytes).setUint32(0, at, littleEndian);
      offsets.push(bytes);
    }
    for (const offset of offsets) yield* occurrences(info.bytes, offset);
    const indexed = sections.find("str_offsets")?.bytes ?? new Uint8Array();
    if (offsets.some((offset) => !occurrences(indexed, offset).next().done)) yield* this.#unitStarts(info);
  }

  #readUnit(info: DebugSection, start: number): void {
    const reader = this.#reader;
    const { unit } = reader.unitAt(info, start);
    if (unit === null) return;
    const cursor = new Cursor(info, reader.littleEndian, unit.firstEntry, unit.end);
    let depth = 0;
    /** The struct whose members follow, and the depth at which they stand. */
    let struct: { readonly name: string; readonly depth: number } | null = null;
    while (cursor.at < cursor.end && this.#open.size > 0) {
      reader.budget.spend(cursor);
      const code = cursor.uleb();
      if (code === 0) {
        if (struct !== null && depth === struct.depth) {
          this.#open.delete(struct.name);
          struct = null;
        }
        if (--depth <= 0) break;
        continue;
      }
      const abbreviation = unit.abbreviations.get(code);
      if (abbreviation === undefined) throw cursor.error(`the unknown abbreviation ${code}`);
      const { tag, hasChildren } = abbreviation;
      if (tag === DW_TAG_structure_type && hasChildren && struct === null) {
        const attributes = reader.attributes(cursor, abbreviation, unit);
        const name = attributes.has(DW_AT_declaration) ? null : reader.string(unit, attributes.get(DW_AT_name));
        if (name !== null && this.#open.has(name)) {
          struct = { name, depth: depth + 1 };
          this.#sizes.set(name, attributes.get(DW_AT_byte_size)?.value ?? 0);
        }
      } else if (tag === DW_TAG_member && struct !== null && depth === struct.depth) {
        this.#member(unit, struct.name, reader.attributes(cursor, abbreviation, unit));
      } else reader.skipAttributes(cursor, abbreviation, unit);
      if (hasChildren) depth++;
      else if (depth === 0) break;
    }
  }

  #member(unit: DwarfUnit, struct: string, attributes: Attributes): void {
    const key = `${struct}.${this.#reader.string(unit, attributes.get(DW_AT_name))}`;
    if (!this.#wanted.has(key) && !this.#wanted.has(`${struct}.${ALL}`)) return;
    const location = attributes.get(DW_AT_data_member_location);
    const at = location === undefined ? 0 : memberLocation(this.#reader, unit, location);
    if (at !== null) this.#places.set(key, at);
  }
}

/** DW_AT_data_member_location: a constant, or in DWARF 2 a block `DW_OP_plus_uconst N`; null for any other expression. */
export function memberLocation(reader: UnitReader, unit: DwarfUnit, value: AttributeValue): number | null {
  if (!BLOCKS.has(value.form)) return value.value;
  const cursor = new Cursor(unit.info, reader.littleEndian, value.value, unit.end);
  return cursor.u8() === DW_OP_plus_uconst ? cursor.uleb() : null;
}

/** Offsets at which `pattern` stands in `bytes`, ascending. */
function* occurrences(bytes: Uint8Array, pattern: Uint8Array): Generator<number> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = buffer.indexOf(pattern); at >= 0; at = buffer.indexOf(pattern, at + 1)) yield at;
}
