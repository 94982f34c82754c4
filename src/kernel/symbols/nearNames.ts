/** What a name that is near another can look like: a list may leave out all others. Lengths in characters. */
export interface NameShape {
  readonly shortest: number;
  readonly longest: number;
  /** Names of any length that begin with it are wanted, too. */
  readonly stem: string;
}

/** A name without what compilers put behind it: `f` for `f.isra.0.cold`. Takes one pass, however long the name is. */
function stemOf(name: string): string {
  let stem = name;
  for (;;) {
    const dot = stem.lastIndexOf(".");
    if (dot <= 0 || !/^(?:\d+|cold)$/.test(stem.slice(dot + 1))) return stem;
    const word = /\.(?:isra|constprop|part|llvm)$/.exec(stem.slice(Math.max(0, dot - 10), dot))?.[0].length ?? 0;
    if (dot === word) return stem;
    stem = stem.slice(0, dot - word);
  }
}

const limitOf = (wanted: string): number => (wanted.length < 6 ? 1 : 2);

/** The shape of all names that {@link nearNames} may find. */
export const shapeOf = (wanted: string): NameShape => ({
  shortest: wanted.length - limitOf(wanted),
  longest: wanted.length + limitOf(wanted),
  stem: stemOf(wanted),
});

/** Whether the name of Latin-1 bytes from `start` to `end` is of a shape. */
export function isLike({ shortest, longest, stem }: NameShape, text: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length >= shortest && length <= longest) return true;
  if (length < stem.length) return false;
  for (let i = 0; i < stem.length; i++) if (text[start + i] !== stem.charCodeAt(i)) return false;
  return true;
}

/**
 * Names that `wanted` may have been meant to be, best first, at most `most`:
 * compiler variants (`NAME.isra.0`, `NAME.constprop.0`, `NAME.part.0`, `NAME.cold`), other numbers of a local
 * static (`state.48011`), and names within two edits.
 */
export function nearNames(wanted: string, names: Iterable<string>, most = 3): string[] {
  const { shortest, longest, stem } = shapeOf(wanted);
  const limit = limitOf(wanted);
  const found = new Map<string, number>();
  for (const name of names) {
    if (name.startsWith("__ksymtab_") || name.startsWith("__kstrtab") || name.startsWith("__crc_")) continue;
    if (name === stem || (name.startsWith(stem) && name[stem.length] === ".")) {
      found.set(name, 0);
      continue;
    }
    if (name.length < shortest || name.length > longest) continue;
    const distance = editDistance(wanted, name, limit);
    if (distance <= limit) found.set(name, distance);
  }
  const sorted = [...found].sort(([a, one], [b, other]) => one - other || (a < b ? -1 : 1));
  return sorted.slice(0, most).map(([name]) => name);
}

/** So many names are looked for: each goes through all names of a kernel. */
const MOST_SEARCHES = 50;

/** As {@link nearNames}, for any number of names that one file asks for: of the first few only. */
export class NearSearch {
  #left = MOST_SEARCHES;

  /** @param names asked for only where there is still a search left; those of another shape may be left out */
  of(wanted: string, names: (like: NameShape) => Iterable<string>): string[] {
    if (this.#left === 0) return [];
    this.#left--;
    return nearNames(wanted, names(shapeOf(wanted)));
  }
}

/** Levenshtein distance, or more than `limit` as soon as that is certain: only what is so near the diagonal is looked at. */
function editDistance(a: string, b: string, limit: number): number {
  const far = limit + 1;
  if (Math.abs(a.length - b.length) > limit) return far;
  let before: number[] = [];
  let row: number[] = [];
  for (let j = 0; j <= Math.min(b.length, far); j++) before[j] = j;
  for (let i = 1; i <= a.length; i++) {
    const from = Math.max(1, i - limit);
    const to = Math.min(b.length, i + limit);
    row[from - 1] = from === 1 ? i : far;
    let best = from === 1 ? i : far;
    for (let j = from; j <= to; j++) {
      const change = a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1;
      const value = Math.min((before[j] ?? far) + 1, (row[j - 1] ?? far) + 1, (before[j - 1] ?? far) + change);
      row[j] = value;
      if (value < best) best = value;
    }
    // The next row looks one place further than this one went.
    row[to + 1] = far;
    if (best > limit) return best;
    [before, row] = [row, before];
  }
  return before[b.length] ?? far;
}
