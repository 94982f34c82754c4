// Which record the livepatch core finds for a function of vmlinux: ftrace_location in kernel/trace/ftrace.c, alike in 6.1, 6.12
// and 7.2. A record at the function's first byte is taken; otherwise any record up to the next symbol, whichever a binary
// search meets first. Behind a function may stand the code of a weak function that another one overrides: it has no name any
// more, but a record, and the search may take that one for the function's own. The patch is then accepted without effect.

import { firstIndex } from "../../base/search.ts";
import type { KernelMachine } from "../machines.ts";

/** The records of vmlinux. Addresses are those of the sites, or of another place in the same function before them. */
export interface FtraceRecords {
  /** Ascending. Entries of 0 have no record, but have room in the table. */
  readonly sites: BigUint64Array;
  /** Those of them that lie behind the end of the function symbol before them, ascending: overridden weak code. */
  readonly orphans: BigUint64Array;
  /** Memory that is freed after boot, records and all. */
  readonly init: { readonly start: bigint; readonly end: bigint } | null;
  readonly machine: KernelMachine;
}

export type FoundRecord =
  /** `failed to find location for function`. */
  | { readonly kind: "none" }
  | { readonly kind: "own" }
  /** Another function's: nothing that is called. */
  | { readonly kind: "orphan"; readonly address: bigint }
  /** One or the other, as the kernel's page size and configuration make it. */
  | { readonly kind: "unclear"; readonly address: bigint };

/**
 * The record for a function.
 * @param start address of its symbol; @param end address of the next symbol.
 */
export function findFtraceRecord(records: FtraceRecords, start: bigint, end: bigint): FoundRecord {
  const { sites, machine } = records;
  const size = BigInt(machine.siteSize);
  const from = firstAtLeast(sites, start - size + 1n);
  const to = firstAtLeast(sites, end);
  if (from === to) return { kind: "none" };
  // Where the entry's first byte is covered there is no choice.
  const last = (sites[from] ?? 0n) <= start ? from + 1 : to;
  const candidates = [...sites.subarray(from, last)];
  const orphans = candidates.filter((site) => isOrphan(records, site));
  const [orphan] = orphans;
  if (orphan === undefined) return { kind: "own" };
  if (orphans.length === candidates.length) return { kind: "orphan", address: orphan };
  const taken = new Set(machine.sitePages.map((l) => search(records, l, start, end, size)));
  const wrong = [...taken].filter((site) => site !== null && isOrphan(records, site));
  if (wrong.length === 0) return { kind: "own" };
  return { kind: wrong.length === taken.size ? "orphan" : "unclear", address: wrong[0] ?? orphan };
}

function isOrphan({ orphans }: FtraceRecords, site: bigint): boolean {
  return orphans[firstAtLeast(orphans, site)] === site;
}

/** Index of the first value that is not below `wanted`. */
function firstAtLeast(values: BigUint64Array, wanted: bigint): number {
  return firstIndex(values.length, (i) => (values[i] ?? 0n) >= wanted);
}

/** lookup_rec: the groups of pages that ftrace_allocate_records filled, in order, and lib/bsearch.c in each. */
function search(
  { sites, init }: FtraceRecords,
  { page, record }: { readonly page: number; readonly record: number },
  start: bigint,
  end: bigint,
  size: bigint,
): bigint | null {
  // An entry of 0 takes room when the pages are allocated, and none when they are filled.
  let at = firstAtLeast(sites, 1n);
  for (let left = sites.length; left > 0 && at < sites.length; ) {
    const pages = Math.ceil(left / Math.floor(page / record));
    const room = Math.min(left, Math.floor((page * 2 ** (31 - Math.clz32(pages))) / record));
    const group = [...sites.subarray(at, at + room)].filter(
      (site) => init === null || site < init.start || site >= init.end,
    );
    left -= room;
    at += room;
    let base = 0;
    for (let count = group.length; count > 0; count >>= 1) {
      const pivot = base + (count >> 1);
      const site = group[pivot] ?? 0n;
      if (end - 1n < site) continue;
      if (start < site + size) return site;
      base = pivot + 1;
      count--;
    }
  }
  return null;
}
