// The exception table, which the loader sorts as soon as relocations are applied: sort_extable in lib/extable.c.

import { viewOf } from "../../base/bytes.ts";
import type { KernelVersion } from "../version.ts";
import { kernelSort } from "./heapsort.ts";

/**
 * Sorts entries in place by the address of the instruction. The first two words of an entry (instruction and fixup)
 * are relative to themselves and are corrected when the entry moves.
 * @param entrySize bytes: 8 on ppc64, 12 on arm64 and x86_64
 */
export function sortExtable(bytes: Uint8Array, entrySize: number, version: KernelVersion | null): void {
  const count = Math.floor(bytes.length / entrySize);
  if (count < 2) return;
  const before = viewOf(new Uint8Array(bytes));
  const insn = (i: number): number => i * entrySize + before.getInt32(i * entrySize, true);
  const order = kernelSort(count, (x, y) => Math.sign(insn(x) - insn(y)), version);
  const after = viewOf(bytes);
  for (const [to, from] of order.entries()) {
    for (let at = 0; at < entrySize; at += 4) {
      let word = before.getInt32(from * entrySize + at, true);
      if (at < 8) word += (from - to) * entrySize;
      after.setInt32(to * entrySize + at, word | 0, true);
    }
  }
}
