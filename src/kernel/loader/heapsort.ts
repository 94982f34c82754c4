import type { KernelVersion } from "../version.ts";
import { hasFact } from "../versionFacts.ts";

/**
 * The order in which the kernel's sort() (lib/sort.c) leaves `count` elements. It is a heapsort and not stable,
 * so equal elements come out in an order that only the same steps give.
 * Up to 6.10 the root is taken out one at a time; later kernels take the two largest at once (seen in 6.12 and
 * 7.2). Kernels before 5.2 sifted in another way; there the order of equal elements is not exact.
 *
 * @param compare gets element numbers; positive if the first belongs behind the second.
 * @param version the newest form if it is not known.
 * @returns element numbers in sorted order.
 */
export function kernelSort(
  count: number,
  compare: (x: number, y: number) => number,
  version: KernelVersion | null,
): Uint32Array {
  const heap = Uint32Array.from({ length: count }, (_, i) => i);
  const takesTwo = hasFact(version, "sortTakesTwo");
  const cmp = (i: number, j: number): number => compare(heap[i] ?? 0, heap[j] ?? 0);
  const swap = (i: number, j: number): void => {
    const x = heap[i] ?? 0;
    heap[i] = heap[j] ?? 0;
    heap[j] = x;
  };
  const parentOf = (i: number): number => (i - 1) >> 1;

  let end = count;
  let start = count >> 1;
  if (start === 0) return heap;
  // Set when the second largest already sits below the root: the next sift begins at one of its children.
  let shift = 0;
  for (;;) {
    if (start > 0) start -= 1 << shift;
    else if (!takesTwo) {
      end -= 1;
      if (end === 0) return heap;
      swap(0, end);
    } else if (end > 3) {
      end -= 1;
      swap(0, end);
      shift = cmp(1, 2) <= 0 ? 1 : 0;
      start = 1 << shift;
      end -= 1;
      swap(start, end);
    } else break;

    // Down to a leaf along the larger children, then back up to where the element belongs.
    let at = start;
    let right = 2 * at + 2;
    while (right < end) {
      const left = right - 1;
      const order = cmp(left, right);
      at = (takesTwo ? order > 0 : order >= 0) ? left : right;
      right = 2 * at + 2;
    }
    if (right === end) at = right - 1;
    while (at !== start && cmp(start, at) >= 0) at = parentOf(at);
    const place = at;
    while (at !== start) {
      at = parentOf(at);
      swap(at, place);
    }
  }
  end -= 1;
  swap(0, end);
  if (end === 2 && cmp(0, 1) > 0) swap(0, 1);
  return heap;
}
