import type { RelocDef } from "../../reloc/def.ts";

/** Finds relocation types by their names in an architecture's tables. @throws Error for a name that is in neither */
export function typesNamed(
  rows: readonly RelocDef[],
  others: ReadonlyMap<number, string>,
): (...names: readonly string[]) => ReadonlySet<number> {
  const numbers = new Map<string, number>();
  for (const [type, name] of others) numbers.set(name, type);
  for (const { name, type } of rows) numbers.set(name, type);
  return (...names) =>
    new Set(
      names.map((name) => {
        const type = numbers.get(name);
        if (type === undefined) throw new Error(`${name} is not in its architecture's table`);
        return type;
      }),
    );
}

/** The relocation type of a name. @throws Error for a name that is not in the table */
export function typeNamed(rows: readonly RelocDef[], name: string): number {
  const [type] = typesNamed(rows, new Map())(name);
  if (type === undefined) throw new Error(`${name} is not in its architecture's table`);
  return type;
}
