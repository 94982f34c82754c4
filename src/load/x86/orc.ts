// unwind_module_init (arch/x86/kernel/unwind_orc.c): both tables by address; a terminator (type 0) before others of the
// same address.

import { kernelSort } from "../../kernel/loader/heapsort.ts";
import type { RewriteFacts } from "../facts.ts";
import type { LoadedMemory } from "../memory.ts";

/** Up to 6.3: the last bit of an entry says that the stack ends there. */
const END = 4;

export function sortOrc(memory: LoadedMemory, { version, has }: RewriteFacts): void {
  const ips = memory.table(".orc_unwind_ip");
  const rows = memory.table(".orc_unwind");
  if (ips === null || rows === null) return;
  const count = Math.floor(ips.bytes.length / 4);
  if (rows.bytes.length < count * 6) return;
  const ip = memory.view(new Uint8Array(ips.bytes));
  const row = new Uint8Array(rows.bytes);
  const address = (i: number): number => i * 4 + ip.getInt32(i * 4);
  // 16 bits: sp_reg 4, bp_reg 4, type 3. In older kernels a terminator was an sp_reg of 0 without the end mark.
  const isUndefined = has("orcUndefinedType")
    ? (i: number): boolean => ((row[i * 6 + 5] ?? 0) & 7) === 0
    : (i: number): boolean => ((row[i * 6 + 4] ?? 0) & 15) === 0 && ((row[i * 6 + 5] ?? 0) & END) === 0;
  const order = kernelSort(
    count,
    (x, y) => {
      const difference = address(x) - address(y);
      if (difference !== 0) return difference > 0 ? 1 : -1;
      return isUndefined(x) ? -1 : 1;
    },
    version,
  );
  const out = memory.view(ips.bytes);
  for (const [to, from] of order.entries()) {
    out.setInt32(to * 4, ip.getInt32(from * 4) + (from - to) * 4);
    rows.bytes.set(row.subarray(from * 6, from * 6 + 6), to * 6);
  }
}
