/** A relocation type that the kernel's module loader accepts. */
export interface RelocDef {
  readonly type: number;
  /** Exactly the ABI's name. */
  readonly name: string;
  /** Bytes from r_offset that the loader reads or writes; 0: none. */
  readonly bytes: 0 | 2 | 4 | 8;
}

/** What a pass needs to know of one architecture's relocations. */
export interface RelocTable {
  readonly defs: ReadonlyMap<number, RelocDef>;
  readonly otherNames: ReadonlyMap<number, string>;
}

/** Indexes rows by type. */
export function relocTable(rows: readonly RelocDef[], otherNames: ReadonlyMap<number, string>): RelocTable {
  return { defs: new Map(rows.map((row) => [row.type, row])), otherNames };
}

/** The ABI's name of a type, or `type N`. */
export function relocName(table: RelocTable, type: number): string {
  return table.defs.get(type)?.name ?? table.otherNames.get(type) ?? `type ${type}`;
}
