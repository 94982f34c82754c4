/** The fields that have a value: for options that may be left out, but may not be undefined. */
export function defined<T extends Readonly<Record<string, unknown>>>(
  fields: T,
): { -readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    -readonly [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
