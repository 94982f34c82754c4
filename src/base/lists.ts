// Lists of any length. A call takes its arguments on the stack, so `list.push(...items)` and `Math.max(...numbers)` end with a
// RangeError from some 120,000 items on.

/** Adds `items` at the end of `list`, as many as there may be. */
export function append<T>(list: T[], items: Iterable<T>): void {
  for (const item of items) list.push(item);
}

/** The longest of `texts` in characters; 0 if there are none. */
export function longest(texts: Iterable<string>): number {
  let most = 0;
  for (const text of texts) if (text.length > most) most = text.length;
  return most;
}

/** What `of` makes of each item, when its turn comes. */
export function* mapped<T, U>(items: Iterable<T>, of: (item: T) => U): Generator<U, void, undefined> {
  for (const item of items) yield of(item);
}

/** The items of one list after the other. */
export function* chained<T>(...lists: Iterable<T>[]): Generator<T, void, undefined> {
  for (const list of lists) yield* list;
}
