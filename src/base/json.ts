// JSON of any size, piece by piece: one string has at most 512 MB.

type Plain = (key: string, value: unknown) => unknown;

/** Lists and objects as deep as this are opened; what is deeper is small. */
const DEEPEST = 5;

const isList = (value: unknown): value is Iterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.iterator in value;

const isOpened = (value: unknown, depth: number): value is object =>
  typeof value === "object" && value !== null && depth < DEEPEST;

/**
 * The text of `JSON.stringify(value, plain, 2)` in pieces. Any iterable stands for an array, and is run when its turn comes.
 * @param value without `toJSON`
 * @param plain what stands for a value that JSON does not have; lists and objects stay as they are
 */
export function* jsonPieces(value: unknown, plain?: Plain, depth = 0): Generator<string, void, undefined> {
  if (!isOpened(value, depth)) {
    yield leaf(value, plain, depth);
    return;
  }
  const pad = "  ".repeat(depth + 1);
  const close = `\n${"  ".repeat(depth)}`;
  let isFirst = true;
  if (isList(value)) {
    for (const item of value) {
      yield `${isFirst ? "[" : ","}\n${pad}`;
      isFirst = false;
      yield* jsonPieces(item === undefined ? null : item, plain, depth + 1);
    }
    yield isFirst ? "[]" : `${close}]`;
    return;
  }
  const entries = Object.entries(value);
  if (!entries.some(([, v]) => isOpened(v, depth + 1))) {
    yield leaf(value, plain, depth);
    return;
  }
  for (const [key, item] of entries) {
    if (item === undefined) continue;
    yield `${isFirst ? "{" : ","}\n${pad}${JSON.stringify(key)}: `;
    isFirst = false;
    yield* jsonPieces(item, plain, depth + 1);
  }
  yield isFirst ? "{}" : `${close}}`;
}

/** The text of a value that is not opened, its lines set in. */
function leaf(value: unknown, plain: Plain | undefined, depth: number): string {
  const text = JSON.stringify(value, plain, 2) ?? "null";
  return depth === 0 ? text : text.replaceAll("\n", `\n${"  ".repeat(depth)}`);
}
