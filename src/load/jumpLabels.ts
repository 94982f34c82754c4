// Jump labels: jump_label_add_module (kernel/jump_label.c of 6.1, 6.12 and 7.2). The table is sorted by key and code,
// entries in init memory get a mark, and each key of the module itself learns where its entries begin. The code changes
// only where a key of the kernel has left its initial state.

import type { Arch } from "../arch/index.ts";
import { kernelSort } from "../kernel/loader/heapsort.ts";
import { distance32, entriesOf, near32, near64 } from "./entries.ts";
import type { RewriteFacts } from "./facts.ts";
import type { LoadedMemory } from "./memory.ts";

const ENTRY = 16;
/** Low bits of the key field: which way the branch goes by default, and that the code lies in init memory. */
const BRANCH = 1n;
const INIT = 2n;
/** Offset of `entries` in struct static_key, and the bits in it that say the key's initial state. */
const KEY_ENTRIES = 8n;
const KEY_TYPE = 3n;

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

export function jumpLabels(memory: LoadedMemory, { version, running, isInit, arch }: RewriteFacts): void {
  const table = memory.table("__jump_table");
  if (table === null) return;
  const before = entriesOf(memory, { ...table, bytes: new Uint8Array(table.bytes) }, ENTRY).map((e) => {
    const key = near64(e, 8);
    return { code: near32(e, 0), target: near32(e, 4), key: key & ~KEY_TYPE, branch: key & BRANCH };
  });
  const order = kernelSort(
    before.length,
    (x, y) => {
      const a = before[x];
      const b = before[y];
      if (a === undefined || b === undefined) return 0;
      return compare(a.key, b.key) || compare(a.code, b.code);
    },
    version,
  );
  const view = memory.view(table.bytes);
  let last: bigint | null = null;
  for (const [to, from] of order.entries()) {
    const entry = before[from];
    if (entry === undefined) continue;
    const at = to * ENTRY;
    const address = table.address + BigInt(at);
    const code = memory.find(entry.code);
    const init = code !== null && isInit(code.section.index) ? INIT : 0n;
    view.setInt32(at, distance32(address, entry.code));
    view.setInt32(at + 4, distance32(address + 4n, entry.target));
    view.setBigUint64(at + 8, BigInt.asUintN(64, (entry.key | entry.branch | init) - (address + 8n)));
    const key = memory.at(entry.key, 16);
    if (key === null || running)
      memory.mark(entry.code, labelSize(arch.jumpLabel, memory, entry.code), "jump label: follows its key");
    if (key !== null && entry.key !== last) {
      const field = memory.view(key);
      const type = field.getBigUint64(Number(KEY_ENTRIES)) & KEY_TYPE;
      field.setBigUint64(Number(KEY_ENTRIES), address | type);
    }
    last = entry.key;
  }
}

/** Bytes of the instruction: the short form shows in its first two. */
function labelSize({ size, short }: Arch["jumpLabel"], memory: LoadedMemory, code: bigint): number {
  const bytes = short.length === 0 ? null : memory.at(code, 2);
  return short.some((form) => bytes !== null && form.every((byte, i) => bytes[i] === byte)) ? 2 : size;
}
