// What debug information tells of a file's types: layouts, values of enumerators, and the parameters of functions. DWARF and
// BTF both give it (dwarf/typeTable.ts, btfTypes.ts).

/** A line of the source that declares something. */
export interface Declared {
  readonly file: string;
  /** The directory in which the compiler ran; null if it is not known. */
  readonly directory: string | null;
  /** From 1. */
  readonly line: number;
}

/** What a member or a parameter holds, as far as code that uses it depends on it. */
export type TypeKind = "integer" | "pointer" | "float" | "struct" | "union" | "enum" | "array" | "void" | "unknown";

export interface TypeWord {
  readonly kind: TypeKind;
  /** Bytes; null where debug information does not tell. */
  readonly size: number | null;
  /**
   * As an ABI sees it: typedefs and qualifiers are gone, `s32`, `u8`, `f64`; `*thing` for a pointer to struct thing; the name of
   * a struct, union or enum.
   */
  readonly word: string;
  /** Key of the struct or union that it is, or that it is an array of; null: none. */
  readonly holds: string | null;
}

/** A member; those of members without a name stand beside them. */
export interface Member {
  /** `m`, `m.x` for a member of a struct without a tag. */
  readonly path: string;
  /** Bits from the start of the struct. */
  readonly at: number;
  /** Bits; null where debug information does not tell. */
  readonly bits: number | null;
  readonly isBitField: boolean;
  readonly type: TypeWord;
}

export interface Aggregate {
  /** `struct thing`, `union u`, or the name of a typedef. */
  readonly name: string;
  /** The function in which it is declared; null: the whole file. */
  readonly scope: string | null;
  /** Bytes. */
  readonly size: number;
  readonly members: readonly Member[];
  readonly declared: Declared | null;
}

export interface Enumerator {
  readonly value: number;
  /** Name of its enum; null: it has none. */
  readonly of: string | null;
  readonly declared: Declared | null;
}

export interface Signature {
  readonly result: TypeWord;
  readonly parameters: readonly TypeWord[];
  readonly isVariadic: boolean;
  readonly declared: Declared | null;
}

/** The types of one file. Keys are names with their scopes. */
export interface TypeTable {
  readonly source: "DWARF" | "BTF";
  readonly aggregates: ReadonlyMap<string, Aggregate>;
  readonly enumerators: ReadonlyMap<string, Enumerator>;
  /** By the name of a function that has code. */
  readonly signatures: ReadonlyMap<string, Signature>;
  /** Keys of the structs and unions that the parameters and variables of a function are, hold, or point to. */
  readonly uses: ReadonlyMap<string, ReadonlySet<string>>;
  /** The same of variables outside of functions, by name. */
  readonly variables: ReadonlyMap<string, ReadonlySet<string>>;
}

/** `int f(struct thing *, ...)`, in the words of an ABI. */
export function signatureText(name: string, { result, parameters, isVariadic }: Signature): string {
  const list = [...parameters.map((p) => p.word), ...(isVariadic ? ["..."] : [])];
  return `${result.word} ${name}(${list.length === 0 ? "void" : list.join(", ")})`;
}
