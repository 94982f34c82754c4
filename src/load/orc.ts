// unwind_module_init (arch/x86/kernel/unwind_orc.c): both tables by address; a terminator (type 0) before others of the
// same address.

import { viewOf } from "../base/bytes.ts";
import { kernelSort } from "../kernel/heapsort.ts";
import type { KernelVersion } from "../kernel/version.ts";
import type { LoadedMemory } from "./memory.ts";

export function sortOrc(memory: LoadedMemory, version: KernelVersion | null): void {
  const ips = memory.table(".orc_unwind_ip");
  const rows = memory.table(".orc_unwind");
  if (ips === null || rows === null) return;
  const count = Math.floor(ips.bytes.length / 4);
  if (rows.bytes.length < count * 6) return;
  const ip = viewOf(new Uint8Array(ips.bytes));
  const row = new Uint8Array(rows.bytes);
  const address = (i: number): number => i * 4 + ip.getInt32(i * 4, true);
  /** sp_reg 4 bits, bp_reg 4 bits, type 3 bits. */
  const isUndefined = (i: number): boolean => ((row[i * 6 + 5] ?? 0) & 7) === 0;
  const order = kernelSort(
    count,
    (x, y) => {
      const difference = address(x) - address(y);
      if (difference !== 0) return difference > 0 ? 1 : -1;
      return isUndefined(x) ? -1 : 1;
    },
    version,
  );
  const out = viewOf(ips.bytes);
  for (const [to, from] of order.entries()) {
    out.setInt32(to * 4, ip.getInt32(from * 4, true) + (from - to) * 4, true);
    rows.bytes.set(row.subarray(from * 6, from * 6 + 6), to * 6);
  }
}
