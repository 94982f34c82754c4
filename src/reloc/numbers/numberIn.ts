import type { RelocDef } from "../def.ts";

/** Looks numbers up by name in an architecture's table. What is returned throws Error if the table has no such name. */
export function numberIn(rows: readonly RelocDef[], others: ReadonlyMap<number, string>): (name: string) => number {
  const numbers = new Map<string, number>();
  for (const [type, name] of others) numbers.set(name, type);
  for (const { name, type } of rows) numbers.set(name, type);
  return (name) => {
    const type = numbers.get(name);
    if (type === undefined) throw new Error(`${name} is not in its architecture's table`);
    return type;
  };
}
