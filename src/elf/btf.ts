// BTF, the BPF type format (Documentation/bpf/btf.rst): structs with their members, functions with their parameters.
// Every read is checked; a table that contradicts itself ends the reading with a BtfError.

import { latin1, viewOf } from "../base/bytes.ts";
import type { StructLayout } from "./dwarf/types/members.ts";
import { addPrototype, type ParameterType, type Prototype } from "./dwarf/types/prototype.ts";

const MAGIC = 0xeb9f;
const HEADER_SIZE = 24;
const TYPE_SIZE = 12;

const PTR = 2;
const ARRAY = 3;
const STRUCT = 4;
const UNION = 5;
const TYPEDEF = 8;
const VOLATILE = 9;
const CONST = 10;
const RESTRICT = 11;
const FUNC = 12;
const FUNC_PROTO = 13;
const TYPE_TAG = 18;
/** Kind -> bytes behind the common part: a fixed number, and one for each of the type's `vlen` entries. */
const EXTRA: readonly (readonly [fixed: number, each: number])[] = [
  [0, 0], // void
  [4, 0], // INT
  [0, 0], // PTR
  [12, 0], // ARRAY
  [0, 12], // STRUCT
  [0, 12], // UNION
  [0, 8], // ENUM
  [0, 0], // FWD
  [0, 0], // TYPEDEF
  [0, 0], // VOLATILE
  [0, 0], // CONST
  [0, 0], // RESTRICT
  [0, 0], // FUNC
  [0, 8], // FUNC_PROTO
  [4, 0], // VAR
  [0, 12], // DATASEC
  [0, 0], // FLOAT
  [4, 0], // DECL_TAG
  [0, 0], // TYPE_TAG
  [0, 12], // ENUM64
];
/** Kinds that only add something to another type. */
const WRAPPERS = new Set([TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG]);
/** How many types may wrap one another; a ring of them is not a type. */
const MAX_DEPTH = 64;
/** Bytes of a name. The kernel takes those of up to 512 (btf_name_valid_identifier, KSYM_NAME_LEN); of longer ones the beginning counts. */
const LONGEST_NAME = 4096;

const sameLayout = (a: StructLayout, b: StructLayout): boolean =>
  a.size === b.size &&
  a.members.size === b.members.size &&
  [...a.members].every(([name, offset]) => b.members.get(name) === offset);

/** The table cannot be read. `offset` is bytes from its start. */
export class BtfError extends Error {
  readonly offset: number;
  constructor(offset: number, what: string) {
    super(`BTF+0x${offset.toString(16)}: ${what}`);
    this.name = "BtfError";
    this.offset = offset;
  }
}

/** The byte order of types without a file around them, as their first bytes tell it. */
export const isLittleEndianBtf = (bytes: Uint8Array): boolean => bytes[0] === (MAGIC & 0xff);

/** Types that a walk through members without a name has come to: those that hold one another would never end, or twice as late each. */
class Seen {
  readonly #types = new Map<Btf, Set<number>>();
  isNew(table: Btf, at: number): boolean {
    const own = this.#types.get(table) ?? new Set();
    this.#types.set(table, own);
    return own.size < own.add(at).size;
  }
}

/** A type as the table has it. */
export interface BtfRow {
  readonly kind: number;
  readonly name: string;
  /** kind_flag. */
  readonly hasFlag: boolean;
  /** Its size in bytes, or the number of the type that it is about. */
  readonly value: number;
  /** The words behind the common part. */
  readonly info: readonly [number, number, number];
  /** Members, enumerators, parameters: a name, the second word (a type, or a value), and for members bits from the start and of a bit-field. */
  readonly entries: readonly {
    readonly name: string;
    readonly second: number;
    readonly offset: number;
    readonly bits: number;
  }[];
}

/** A table of types, on its own or on top of a base (vmlinux's, for a module). */
export class Btf {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  readonly #base: Btf | null;
  /** Offset of each type in the bytes, from the first of this table on. */
  readonly #types: number[] = [];
  readonly #firstType: number;
  readonly #strings: number;
  readonly #stringsLength: number;

  /** @throws BtfError if the bytes are not BTF, or damaged. */
  constructor(bytes: Uint8Array, littleEndian: boolean, base: Btf | null = null) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#littleEndian = littleEndian;
    this.#base = base;
    this.#firstType = base === null ? 1 : base.#firstType + base.#types.length;
    if (bytes.length < HEADER_SIZE || this.#view.getUint16(0, littleEndian) !== MAGIC) {
      throw new BtfError(0, "no BTF header");
    }
    const header = this.#u32(4);
    const types = { at: header + this.#u32(8), length: this.#u32(12) };
    this.#strings = header + this.#u32(16);
    this.#stringsLength = this.#u32(20);
    if (types.at + types.length > bytes.length || this.#strings + this.#stringsLength > bytes.length) {
      throw new BtfError(8, "its parts reach beyond its end");
    }
    const end = types.at + types.length;
    for (let at = types.at; at < end; ) {
      if (at + TYPE_SIZE > end) throw new BtfError(at, "half a type");
      const extra = EXTRA[this.#kindAt(at)];
      if (extra === undefined) throw new BtfError(at, `the unknown kind ${this.#kindAt(at)}`);
      this.#types.push(at);
      at += TYPE_SIZE + extra[0] + extra[1] * this.#vlenAt(at);
      if (at > end) throw new BtfError(at, "a type that reaches beyond the table");
    }
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, this.#littleEndian);
  }
  #kindAt(at: number): number {
    return (this.#u32(at + 4) >>> 24) & 31;
  }
  #vlenAt(at: number): number {
    return this.#u32(at + 4) & 0xffff;
  }

  /** The table that holds a type, and where; null for void and for numbers out of range. */
  #find(type: number): { readonly table: Btf; readonly at: number } | null {
    if (this.#base !== null && type < this.#firstType) return this.#base.#find(type);
    const at = this.#types[type - this.#firstType];
    return at === undefined ? null : { table: this, at };
  }

  #string(offset: number): string {
    const before = this.#base === null ? 0 : this.#base.#stringsEnd;
    if (this.#base !== null && offset < before) return this.#base.#string(offset);
    const at = offset - before;
    if (at >= this.#stringsLength) return "";
    const start = this.#strings + at;
    const limit = Math.min(this.#strings + this.#stringsLength, start + LONGEST_NAME);
    const length = this.#bytes.subarray(start, limit).indexOf(0);
    return latin1(this.#bytes, start, length < 0 ? limit : start + length);
  }

  /** String offsets below this belong to this table or its base. */
  get #stringsEnd(): number {
    return (this.#base === null ? 0 : this.#base.#stringsEnd) + this.#stringsLength;
  }

  /** The type behind typedefs and qualifiers; null for void and for rings. */
  #strip(type: number): { readonly table: Btf; readonly at: number } | null {
    let found = this.#find(type);
    for (let depth = 0; found !== null && WRAPPERS.has(found.table.#kindAt(found.at)); depth++) {
      if (depth === MAX_DEPTH) return null;
      found = this.#find(found.table.#u32(found.at + 8));
    }
    return found;
  }

  /**
   * Bytes from the start of `struct NAME` to `member`, through members without a name. Null if there is no such struct
   * or member, or the member is a bit-field, or several structs of the name disagree.
   */
  memberOffset(name: string, member: string): number | null {
    let result: number | null = null;
    for (const at of this.#types) {
      if (this.#kindAt(at) !== STRUCT || this.#string(this.#u32(at)) !== name || this.#vlenAt(at) === 0) continue;
      const found = this.#memberBits(at, member, new Seen());
      if (found === null || found % 8 !== 0 || (result !== null && result !== found / 8)) return null;
      result = found / 8;
    }
    return result ?? this.#base?.memberOffset(name, member) ?? null;
  }

  /**
   * Size of `struct NAME` and the places of its members, those of members without a name among them; bit-fields are left
   * out. Null if there is no such struct, or several of the name disagree.
   */
  structLayout(name: string): StructLayout | null {
    let found: StructLayout | null = null;
    for (const at of this.#types) {
      if (this.#kindAt(at) !== STRUCT || this.#string(this.#u32(at)) !== name || this.#vlenAt(at) === 0) continue;
      const members = new Map<string, number>();
      this.#addMembers(at, 0, members, new Seen());
      const one = { size: this.#u32(at + 8), members };
      if (found !== null && !sameLayout(found, one)) return null;
      found ??= one;
    }
    return found ?? this.#base?.structLayout(name) ?? null;
  }

  #addMembers(struct: number, start: number, members: Map<string, number>, seen: Seen): void {
    const hasBitfields = this.#u32(struct + 4) >>> 31 !== 0;
    for (let k = 0; k < this.#vlenAt(struct); k++) {
      const at = struct + TYPE_SIZE + k * 12;
      const name = this.#string(this.#u32(at));
      const raw = this.#u32(at + 8);
      const bits = start * 8 + (hasBitfields ? raw & 0xff_ffff : raw);
      if (name !== "" && !(hasBitfields && raw >>> 24 !== 0)) members.set(name, bits / 8);
      const inner = name === "" ? this.#inner(this.#u32(at + 4), seen) : null;
      if (inner !== null) inner.table.#addMembers(inner.at, bits / 8, members, seen);
    }
  }

  /** The struct or union of a member without a name, which stands in one place only; null if it is none, or has been seen. */
  #inner(type: number, seen: Seen): { readonly table: Btf; readonly at: number } | null {
    const inner = this.#strip(type);
    if (inner === null || ![STRUCT, UNION].includes(inner.table.#kindAt(inner.at))) return null;
    return seen.isNew(inner.table, inner.at) ? inner : null;
  }

  #memberBits(struct: number, member: string, seen: Seen): number | null {
    const hasBitfields = this.#u32(struct + 4) >>> 31 !== 0;
    for (let k = 0; k < this.#vlenAt(struct); k++) {
      const at = struct + TYPE_SIZE + k * 12;
      const name = this.#string(this.#u32(at));
      const raw = this.#u32(at + 8);
      // With kind_flag the upper byte is the width of a bit-field, 0 for others.
      const bits = hasBitfields ? raw & 0xff_ffff : raw;
      if (name === member) return hasBitfields && raw >>> 24 !== 0 ? null : bits;
      const inner = name === "" ? this.#inner(this.#u32(at + 4), seen) : null;
      const found = inner === null ? null : inner.table.#memberBits(inner.at, member, seen);
      if (found !== null) return bits + found;
    }
    return null;
  }

  /** All types of this table (not of its base), in order: the first has the number 1 in a table without a base. */
  rows(): BtfRow[] {
    return this.#types.map((at) => {
      const hasBits = this.#u32(at + 4) >>> 31 !== 0;
      const kind = this.#kindAt(at);
      const [fixed, each] = EXTRA[kind] ?? [0, 0];
      const from = at + TYPE_SIZE + fixed;
      const entries = Array.from({ length: each === 0 ? 0 : this.#vlenAt(at) }, (_, k) => {
        const [name, second] = [this.#u32(from + k * each), this.#u32(from + k * each + 4)];
        const third = each === 12 ? this.#u32(from + k * each + 8) : 0;
        const bits = kind === STRUCT || kind === UNION ? (hasBits ? third >>> 24 : 0) : 0;
        const offset = hasBits && (kind === STRUCT || kind === UNION) ? third & 0xff_ffff : third;
        return { name: this.#string(name), second, offset, bits };
      });
      const info = [0, 4, 8].map((k) => (k < fixed ? this.#u32(at + TYPE_SIZE + k) : 0)) as [number, number, number];
      return { kind, name: this.#string(this.#u32(at)), hasFlag: hasBits, value: this.#u32(at + 8), info, entries };
    });
  }

  /** The functions of this table (not of its base) with their parameters. */
  prototypes(): Map<string, Prototype | null> {
    const found = new Map<string, Prototype | null>();
    // Functions share their prototypes.
    const known = new Map<number, Prototype | null>();
    for (const at of this.#types) {
      if (this.#kindAt(at) !== FUNC) continue;
      const type = this.#u32(at + 8);
      let prototype = known.get(type);
      if (prototype === undefined) {
        prototype = this.#prototype(type);
        known.set(type, prototype);
      }
      addPrototype(found, this.#string(this.#u32(at)), prototype);
    }
    return found;
  }

  #prototype(type: number): Prototype | null {
    const found = this.#find(type);
    if (found === null || found.table.#kindAt(found.at) !== FUNC_PROTO) return null;
    const { table, at } = found;
    const count = table.#vlenAt(at);
    const parameters: ParameterType[] = [];
    let isVariadic = false;
    for (let k = 0; k < count; k++) {
      const type_ = table.#u32(at + TYPE_SIZE + k * 8 + 4);
      // The last parameter without a type stands for `...`.
      if (type_ === 0 && k === count - 1) isVariadic = true;
      else parameters.push(this.#parameter(type_));
    }
    const result = table.#u32(at + 8);
    return { isPrototyped: true, isVariadic, parameters, result: result === 0 ? null : this.#parameter(result) };
  }

  #parameter(type: number): ParameterType {
    const found = this.#strip(type);
    if (found === null) return { size: null, isAggregate: false };
    const kind = found.table.#kindAt(found.at);
    if (kind === PTR) return { size: 8, isAggregate: false };
    // INT, STRUCT, UNION, ENUM, FLOAT and ENUM64 state their size; arrays and functions are not parameters.
    const hasSize = kind === 1 || (kind >= STRUCT && kind <= 6) || kind === 16 || kind === 19;
    return {
      size: hasSize ? found.table.#u32(found.at + 8) : null,
      isAggregate: kind === STRUCT || kind === UNION || kind === ARRAY,
    };
  }
}
