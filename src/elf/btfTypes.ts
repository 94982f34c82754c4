// Types of an object file, by what its .BTF says (gcc -gbtf, pahole): see typeTable.ts.

import { Btf, BtfError, type BtfRow } from "./btf.ts";
import type { ElfFile } from "./reader.ts";
import type { Aggregate, Enumerator, Member, Signature, TypeTable, TypeWord } from "./typeTable.ts";

// Documentation/bpf/btf.rst
const INT = 1;
const PTR = 2;
const ARRAY = 3;
const STRUCT = 4;
const UNION = 5;
const ENUM = 6;
const TYPEDEF = 8;
const FUNC = 12;
const FUNC_PROTO = 13;
const VAR = 14;
const FLOAT = 16;
const ENUM64 = 19;
const WRAPPERS = new Set([TYPEDEF, 9, 10, 11, 18]);
const SIGNED = 1;
const BOOLEAN = 4;

const DEEPEST = 32;
const MOST_MEMBERS = 65_536;
const VOID: TypeWord = { kind: "void", size: null, word: "void", holds: null };
const UNKNOWN: TypeWord = { kind: "unknown", size: null, word: "?", holds: null };

/** Null where the file has no .BTF, one that cannot be read, or one that rests on another file's (a module's on vmlinux's). */
export function readBtfTypes({ sections, littleEndian }: Pick<ElfFile, "sections" | "littleEndian">): TypeTable | null {
  for (let i = 1; i < sections.count; i++) {
    if (sections.name(i) !== ".BTF") continue;
    try {
      return btfTypesOf(new Btf(sections.data(i), littleEndian));
    } catch (error) {
      if (error instanceof BtfError) return null;
      throw error;
    }
  }
  return null;
}

/** Null where the types rest on another file's. @throws BtfError */
export function btfTypesOf(btf: Btf): TypeTable | null {
  const made = new BtfTypes(btf.rows());
  return made.isWhole ? made : null;
}

const isAggregate = (row: BtfRow | null): row is BtfRow => row !== null && (row.kind === STRUCT || row.kind === UNION);

class BtfTypes implements TypeTable {
  readonly source = "BTF";
  readonly aggregates = new Map<string, Aggregate>();
  readonly enumerators = new Map<string, Enumerator>();
  readonly signatures = new Map<string, Signature>();
  readonly uses = new Map<string, ReadonlySet<string>>();
  readonly variables = new Map<string, ReadonlySet<string>>();
  /** Whether all types that are referred to are in the table. */
  isWhole = true;
  readonly #rows: readonly BtfRow[];
  readonly #keys = new Map<BtfRow, string>();
  /** Names that typedefs give to types without one. */
  readonly #aliases = new Map<BtfRow, string>();
  #members = 0;

  constructor(rows: readonly BtfRow[]) {
    this.#rows = rows;
    for (const row of rows) {
      const target = row.kind === TYPEDEF ? this.#at(row.value) : null;
      if (target !== null && target.name === "" && !this.#aliases.has(target)) this.#aliases.set(target, row.name);
    }
    const seen = new Map<string, number>();
    for (const row of rows) {
      const name = isAggregate(row) ? this.#nameOf(row) : null;
      if (name === null) continue;
      const count = (seen.get(name) ?? 0) + 1;
      seen.set(name, count);
      this.#keys.set(row, count === 1 ? `:${name}` : `:${name}#${count}`);
    }
    for (const [row, key] of this.#keys) {
      const members: Member[] = [];
      this.#flatten(row, 0, "", members, 0);
      this.aggregates.set(key, {
        name: this.#nameOf(row) ?? "",
        scope: null,
        size: row.value,
        members,
        declared: null,
      });
    }
    for (const row of rows) this.#addOther(row);
  }

  #addOther(row: BtfRow): void {
    if (row.kind === ENUM || row.kind === ENUM64) this.#addEnumerators(row);
    else if (row.kind === FUNC) this.#addFunction(row);
    else if (row.kind === VAR) {
      const uses = new Set<string>();
      this.#use(row.value, uses);
      this.variables.set(row.name, uses);
    }
  }

  #at(type: number): BtfRow | null {
    const found = type === 0 ? null : (this.#rows[type - 1] ?? null);
    if (type !== 0 && found === null) this.isWhole = false;
    return found;
  }

  #strip(type: number): BtfRow | null {
    let row = this.#at(type);
    for (let depth = 0; row !== null && WRAPPERS.has(row.kind); depth++) {
      if (depth === DEEPEST) return null;
      row = this.#at(row.value);
    }
    return row;
  }

  /** `struct thing`; the name of a typedef; null for one without any. */
  #nameOf(row: BtfRow): string | null {
    if (row.name !== "") return `${row.kind === UNION ? "union" : "struct"} ${row.name}`;
    return this.#aliases.get(row) ?? null;
  }

  /** Members, and in the place of members of types without a name the members of those. @param start bits */
  #flatten(row: BtfRow, start: number, prefix: string, members: Member[], depth: number): void {
    for (const { name, second, offset, bits } of row.entries) {
      if (depth > DEEPEST || this.#members++ > MOST_MEMBERS * 16 || members.length > MOST_MEMBERS) return;
      const inner = this.#strip(second);
      const path = name === "" ? prefix : `${prefix}${name}`;
      if (isAggregate(inner) && !this.#keys.has(inner)) {
        this.#flatten(inner, start + offset, name === "" ? prefix : `${path}.`, members, depth + 1);
      } else if (name !== "") {
        const size = this.#sizeOf(second, 0);
        const own = bits > 0 ? bits : size === null ? null : size * 8;
        members.push({ path, at: start + offset, bits: own, isBitField: bits > 0, type: this.#word(second, 0) });
      }
    }
  }

  /** Bytes; null where it is not known. */
  #sizeOf(type: number, depth: number): number | null {
    const row = this.#strip(type);
    if (row === null || depth > DEEPEST) return null;
    if (row.kind === PTR) return 8;
    if (row.kind === ARRAY) {
      const element = this.#sizeOf(row.info[0], depth + 1);
      return element === null ? null : element * row.info[2];
    }
    return [INT, STRUCT, UNION, ENUM, ENUM64, FLOAT].includes(row.kind) ? row.value : null;
  }

  /** A type as an ABI sees it. */
  #word(type: number, depth: number): TypeWord {
    if (type === 0) return VOID;
    const row = this.#strip(type);
    if (row === null) return VOID;
    if (depth > DEEPEST) return UNKNOWN;
    const size = this.#sizeOf(type, 0);
    switch (row.kind) {
      case PTR:
        return { kind: "pointer", size, word: `${this.#word(row.value, depth + 1).word} *`, holds: null };
      case STRUCT:
      case UNION: {
        const kind = row.kind === UNION ? "union" : "struct";
        return { kind, size, word: this.#nameOf(row) ?? kind, holds: this.#keys.get(row) ?? null };
      }
      case ENUM:
      case ENUM64: {
        const word = row.name === "" ? (this.#aliases.get(row) ?? "enum") : `enum ${row.name}`;
        return { kind: "enum", size, word, holds: null };
      }
      case ARRAY: {
        const of = this.#word(row.info[0], depth + 1);
        return { kind: "array", size, word: `${of.word}[]`, holds: of.holds };
      }
      case FUNC_PROTO:
        return { kind: "unknown", size: null, word: "function", holds: null };
      case FLOAT:
        return { kind: "float", size, word: `f${row.value * 8}`, holds: null };
      case INT: {
        const encoding = (row.info[0] >>> 24) & 15;
        const word = (encoding & BOOLEAN) !== 0 ? "bool" : `${(encoding & SIGNED) !== 0 ? "s" : "u"}${row.value * 8}`;
        return { kind: "integer", size, word, holds: null };
      }
      default:
        return UNKNOWN;
    }
  }

  #addEnumerators(row: BtfRow): void {
    const of = row.name === "" ? (this.#aliases.get(row) ?? null) : `enum ${row.name}`;
    for (const { name, second, offset } of row.entries) {
      // The words of a 64-bit value: low, then high.
      const value = row.kind === ENUM64 ? second + (offset | 0) * 2 ** 32 : row.hasFlag ? second | 0 : second;
      if (!this.enumerators.has(`:${name}`)) this.enumerators.set(`:${name}`, { value, of, declared: null });
    }
  }

  #addFunction(row: BtfRow): void {
    const proto = this.#at(row.value);
    if (proto?.kind !== FUNC_PROTO || this.signatures.has(row.name)) return;
    const { entries } = proto;
    // The last parameter without a type stands for `...`.
    const isVariadic = entries.length > 0 && entries[entries.length - 1]?.second === 0;
    const parameters = isVariadic ? entries.slice(0, -1) : entries;
    const uses = new Set<string>();
    for (const type of [proto.value, ...parameters.map((p) => p.second)]) this.#use(type, uses);
    this.uses.set(row.name, uses);
    this.signatures.set(row.name, {
      result: this.#word(proto.value, 0),
      parameters: parameters.map((p) => this.#word(p.second, 0)),
      isVariadic,
      declared: null,
    });
  }

  /** The struct that a type is, holds, or points to. */
  #use(type: number, uses: Set<string>): void {
    let row = this.#strip(type);
    for (let depth = 0; row !== null && depth < DEEPEST; depth++) {
      const key = this.#keys.get(row);
      if (key !== undefined) uses.add(key);
      if (row.kind !== PTR && row.kind !== ARRAY) return;
      row = this.#strip(row.kind === ARRAY ? row.info[0] : row.value);
    }
  }
}
