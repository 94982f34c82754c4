// The source files of linked objects: which STT_FILE symbol of one build is which of the other.

/** Cells of a table that is filled at most; beyond that files are paired by name and number alone. */
const MOST_CELLS = 1 << 26;

/**
 * Pairs the files of two linked objects by name, in order: the longest common subsequence. Many files of a kernel share a name (core.c), so
 * their order is what tells them apart.
 * @returns by number (from 1, as items have it) of the original's file, the number of the patched one's
 */
export function matchFiles(orig: readonly string[], patched: readonly string[]): ReadonlyMap<number, number> {
  const found = inOrder(orig, patched);
  const counted = (list: readonly string[]): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const name of list) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  };
  const counts = [counted(orig), counted(patched)] as const;
  const names = new Set([...orig, ...patched]);
  const open = new Set(
    orig.length === patched.length ? [] : [...names].filter((n) => counts[0].get(n) !== counts[1].get(n)),
  );
  if (open.size === 0) return found;
  // One of several files of a name that came or went: only files beside it tell which the others are.
  const isCertain = (i: number, j: number): boolean =>
    (i === 0 && j === 0) ||
    (i === orig.length + 1 && j === patched.length + 1) ||
    (found.get(i) === j && !open.has(orig[i - 1] ?? ""));
  return new Map(
    [...found].filter(([i, j]) => !open.has(orig[i - 1] ?? "") || (isCertain(i - 1, j - 1) && isCertain(i + 1, j + 1))),
  );
}

function inOrder(orig: readonly string[], patched: readonly string[]): Map<number, number> {
  const found = new Map<number, number>();
  let start = 0;
  while (start < orig.length && start < patched.length && orig[start] === patched[start]) {
    start++;
    found.set(start, start);
  }
  let [a, b] = [orig.length, patched.length];
  while (a > start && b > start && orig[a - 1] === patched[b - 1]) found.set(a--, b--);
  const width = b - start + 1;
  if ((a - start + 1) * width > MOST_CELLS) return found;
  const lengths = new Uint16Array((a - start + 1) * width);
  const at = (i: number, j: number): number => lengths[(i - start) * width + j - start] ?? 0;
  for (let i = a - 1; i >= start; i--) {
    for (let j = b - 1; j >= start; j--) {
      lengths[(i - start) * width + j - start] =
        orig[i] === patched[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  for (let i = start, j = start; i < a && j < b; ) {
    if (orig[i] === patched[j]) found.set(++i, ++j);
    else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  return found;
}
