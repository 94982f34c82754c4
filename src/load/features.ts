// Code with several forms, of which the kernel picks one when it loads the module: feature sections of ppc64le,
// alternatives of arm64 and x86_64. Which one depends on the CPU, so the places are listed.

import type { ArchName } from "../base/archName.ts";
import type { HasFact } from "../kernel/versionFacts.ts";
import { type DistanceEntry, entriesOf, near32, near64 } from "./entries.ts";
import { CPU, type RewriteFacts } from "./facts.ts";
import type { LoadedMemory } from "./memory.ts";

interface FeatureTable {
  readonly name: string;
  /** Bytes of an entry. */
  readonly entry: number;
  readonly place: (e: DistanceEntry) => { readonly start: bigint; readonly size: number };
  readonly reason: string;
}

/** Six numbers: mask, value, start and end of the code, start and end of the other form; offsets from the entry. */
const feature = (name: string): FeatureTable => ({
  name,
  entry: 48,
  place: (e) => {
    const start = e.view.getBigInt64(e.at + 16);
    const end = e.view.getBigInt64(e.at + 24);
    return { start: BigInt.asUintN(64, e.address + start), size: Number(BigInt.asIntN(64, end - start)) };
  },
  reason: `feature section: ${CPU}`,
});
const barrier = (name: string): FeatureTable => ({
  name,
  entry: 8,
  place: (e) => ({ start: near64(e, 0), size: 4 }),
  reason: `barrier: ${CPU}`,
});
const alternative = (entry: number, length: number): FeatureTable => ({
  name: ".altinstructions",
  entry,
  place: (e) => ({ start: near32(e, 0), size: e.view.getUint8(e.at + length) }),
  reason: `alternative: ${CPU}`,
});

/** 6.12 writes the longest length of a group back into the table. */
const groupLength: FeatureTable = {
  name: ".altinstructions",
  entry: 14,
  place: (e) => ({ start: e.address + 12n, size: 1 }),
  reason: "length of a group of alternatives",
};
/** Calls of a hypervisor's operations, until they became alternatives: address, kind, length. */
const paravirt: FeatureTable = {
  name: ".parainstructions",
  entry: 16,
  place: (e) => ({ start: e.view.getBigUint64(e.at), size: e.view.getUint8(e.at + 9) }),
  reason: `paravirtual operation: ${CPU}`,
};

/** The tables that kernels of each architecture read. */
const tables: Readonly<Record<ArchName, (has: HasFact) => readonly FeatureTable[]>> = {
  ppc64le: () => [
    ...["__ftr_fixup", "__mmu_ftr_fixup", "__fw_ftr_fixup"].map(feature),
    ...["__lwsync_fixup", "__spec_barrier_fixup"].map(barrier),
  ],
  arm64: () => [alternative(12, 10)],
  x86_64: (has) => [
    ...(has("x86AltFlags") ? [alternative(14, 12), groupLength] : [alternative(12, 10)]),
    ...(has("x86ParavirtAlternatives") ? [] : [paravirt]),
  ],
};

export function featureCode(memory: LoadedMemory, { arch, has }: RewriteFacts): void {
  for (const { name, entry, place, reason } of tables[arch.name](has)) {
    const table = memory.table(name);
    if (table === null) continue;
    for (const e of entriesOf(memory, table, entry)) {
      const { start, size } = place(e);
      memory.mark(start, size, reason);
    }
  }
}
