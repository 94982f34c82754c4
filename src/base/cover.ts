// Which of many ranges covers a place: asked often, of ranges that may overlap in any way.

import { countUpTo } from "./search.ts";

interface Item<T> {
  readonly item: T;
  /** Half open; in any order. */
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
  /** Of items that cover the same place, the one of the lowest rank is meant; of equal ones the first. */
  readonly rank: number;
}

/** Built in n log n steps for n ranges; a question takes log n. */
export class Cover<T> {
  /** Where another item begins to be the one that is meant, ascending; and which: an index, or -1. */
  readonly #starts: number[] = [];
  readonly #winners: number[] = [];
  readonly #items: readonly Item<T>[];

  constructor(items: readonly Item<T>[]) {
    this.#items = items;
    const order = items.map((_, i) => i).sort((a, b) => (items[a]?.rank ?? 0) - (items[b]?.rank ?? 0) || a - b);
    /** Place of each item in that order. */
    const place = new Map(order.map((item, at) => [item, at]));
    const ranges = items.flatMap(({ ranges: own }, i) =>
      own.filter((r) => r.end > r.start).map(({ start, end }) => ({ start, end, at: place.get(i) ?? 0 })),
    );
    ranges.sort((a, b) => a.start - b.start);
    const open = new Heap();
    const edges = [...new Set(ranges.flatMap((r) => [r.start, r.end]))].sort((a, b) => a - b);
    let next = 0;
    for (const edge of edges) {
      for (let range = ranges[next]; range !== undefined && range.start === edge; range = ranges[++next])
        open.add(range);
      const winner = open.lowest(edge);
      const item = winner === null ? -1 : (order[winner] ?? -1);
      if (item === (this.#winners.at(-1) ?? -1)) continue;
      this.#starts.push(edge);
      this.#winners.push(item);
    }
  }

  /** The item that covers a place; null if none does. */
  at(place: number): T | null {
    return this.#items[this.#winners[countUpTo(this.#starts, place) - 1] ?? -1]?.item ?? null;
  }
}

interface Open {
  readonly end: number;
  readonly at: number;
}

/** Ranges that have begun, the lowest first. Those that are over are taken out when they come to the top. */
class Heap {
  readonly #list: Open[] = [];

  add(range: Open): void {
    const list = this.#list;
    let i = list.length;
    list.push(range);
    for (let up = (i - 1) >> 1; i > 0 && (list[up]?.at ?? 0) > range.at; up = (i - 1) >> 1) {
      list[i] = list[up] as Open;
      list[up] = range;
      i = up;
    }
  }

  /** Of the ranges that end behind `edge`. */
  lowest(edge: number): number | null {
    const list = this.#list;
    for (let top = list[0]; top !== undefined; top = list[0]) {
      if (top.end > edge) return top.at;
      const last = list.pop() as Open;
      if (list.length > 0) this.#sink(last);
    }
    return null;
  }

  #sink(range: Open): void {
    const list = this.#list;
    for (let i = 0; ; ) {
      let down = 2 * i + 1;
      if ((list[down + 1]?.at ?? Number.POSITIVE_INFINITY) < (list[down]?.at ?? 0)) down++;
      const below = list[down];
      if (below === undefined || below.at >= range.at) {
        list[i] = range;
        return;
      }
      list[i] = below;
      i = down;
    }
  }
}
