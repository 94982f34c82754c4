/**
 * Binary search: the first of `count` indices for which `isReached` holds, as it must for all behind it; `count` if it holds
 * for none.
 */
export function firstIndex(count: number, isReached: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isReached(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** How many of the ascending `list` are at most `value`. */
export const countUpTo = (list: readonly number[], value: number): number =>
  firstIndex(list.length, (i) => (list[i] ?? 0) > value);
