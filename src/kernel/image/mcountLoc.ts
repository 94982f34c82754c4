// The table of places that ftrace patches, in the kernel itself.

import { viewOf } from "../../base/bytes.ts";
import { distanceToFunction } from "./ftraceEntry.ts";
import type { ImageMemory } from "./memory.ts";

/** Bytes that tell where an entry lies: two words in front, a bti, two words. */
const LONGEST_ENTRY = 20;

/** What of a kernel decides how its tables are read. */
export interface ImageForm {
  readonly machine: number;
  readonly littleEndian: boolean;
}

/**
 * The addresses in `__mcount_loc`, moved into their functions, ascending; null if the file has none.
 * @param boundOf address of a mark of the linker script
 * @param fill reads the table where the place itself holds zeros: from dynamic relocations
 */
export function readFtraceSites(
  { machine, littleEndian }: ImageForm,
  memory: ImageMemory,
  boundOf: (name: string) => bigint | undefined,
  fill: (start: bigint, stop: bigint, sites: BigUint64Array) => void,
): BigUint64Array | null {
  const start = boundOf("__start_mcount_loc");
  const stop = boundOf("__stop_mcount_loc");
  if (start === undefined || stop === undefined || stop <= start || (stop - start) % 8n !== 0n) return null;
  const held = memory.at(start);
  const count = Number((stop - start) / 8n);
  if (held === null || held.bytes.length < count * 8) return null;
  const view = viewOf(held.bytes);
  const sites = new BigUint64Array(count);
  let isFilled = false;
  for (let k = 0; k < count; k++) {
    sites[k] = view.getBigUint64(k * 8, littleEndian);
    if (sites[k] !== 0n) isFilled = true;
  }
  // A relocatable kernel may keep the addresses in its dynamic relocations only.
  if (!isFilled) fill(start, stop, sites);
  sites.sort();
  let code: ReturnType<ImageMemory["at"]> = null;
  for (const [k, site] of sites.entries()) {
    if (code === null || site < code.start || site >= code.end) code = memory.at(site);
    if (code === null) continue;
    const from = Number(site - code.start);
    sites[k] =
      site + BigInt(distanceToFunction(machine, code.whole.subarray(from, from + LONGEST_ENTRY), littleEndian));
  }
  return sites;
}
