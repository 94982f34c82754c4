// The exception table, which the loader sorts as soon as relocations are applied: sort_extable in lib/extable.c.

import { OrderedView } from "../../base/bytes.ts";
import type { KernelVersion } from "../version.ts";
import { kernelSort } from "./heapsort.ts";

/**
 * Sorts entries in place by the address of the instruction. The first two words of an entry (instruction and fixup)
 * are relative to themselves and are corrected when the entry moves.
 * @param entrySize bytes: 8 on ppc64, 12 on arm64 and x86_64
 */
export function sortExtable(after: OrderedView, entrySize: number, version: KernelVersion | null): void {
  const count = Math.floor(after.byteLength / entrySize);
  if (count < 2) return;
  const copy = new Uint8Array(after.byteLength);
  copy.set(new Uint8Array(after.buffer, after.byteOffset, after.byteLength));
  const before = new OrderedView(copy, after.littleEndian);
  const insn = (i: number): number => i * entrySize + before.getInt32(i * entrySize);
  const order = kernelSort(count, (x, y) => Math.sign(insn(x) - insn(y)), version);
  for (const [to, from] of order.entries()) {
    for (let at = 0; at < entrySize; at += 4) {
      let word = before.getInt32(from * entrySize + at);
      if (at < 8) word += (from - to) * entrySize;
      after.setInt32(to * entrySize + at, word | 0);
    }
  }
}
