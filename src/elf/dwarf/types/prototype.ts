// What debug information says of a function's parameters, as far as a calling convention needs it.

/** A parameter's type. */
export interface ParameterType {
  /** Bytes; null where the type's size is not known. */
  readonly size: number | null;
  /** Whether it is a struct, union, array or vector: passed by value in pieces. */
  readonly isAggregate: boolean;
}

export interface Prototype {
  /** False for `f()` in the manner before C89; BTF does not tell the two apart. */
  readonly isPrototyped: boolean;
  /** Whether it ends in `...`. */
  readonly isVariadic: boolean;
  readonly parameters: readonly ParameterType[];
  /** Null for void. */
  readonly result: ParameterType | null;
}

/** Function name -> prototype; null where several functions of the name differ. */
export type Prototypes = ReadonlyMap<string, Prototype | null>;

/** Whether two prototypes say the same of every parameter. */
function isSamePrototype(a: Prototype, b: Prototype): boolean {
  const same = (x: ParameterType | null, y: ParameterType | null): boolean =>
    x?.size === y?.size && x?.isAggregate === y?.isAggregate;
  return (
    a.isPrototyped === b.isPrototyped &&
    a.isVariadic === b.isVariadic &&
    a.parameters.length === b.parameters.length &&
    a.parameters.every((p, i) => same(p, b.parameters[i] ?? null)) &&
    same(a.result, b.result)
  );
}

/** More parameters than any function has. What has more tells nothing. */
const MOST_PARAMETERS = 4096;

/** Notes a function; a second one of the same name with other parameters makes the name useless. */
export function addPrototype(found: Map<string, Prototype | null>, name: string, of: Prototype | null): void {
  if (name === "") return;
  const known = found.get(name);
  const prototype = of !== null && of.parameters.length > MOST_PARAMETERS ? null : of;
  if (known === undefined) found.set(name, prototype);
  else if (known === null || prototype === null || !isSamePrototype(known, prototype)) found.set(name, null);
}
