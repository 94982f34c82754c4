// Static calls on x86_64: static_call_add_module (kernel/static_call_inline.c) and arch_static_call_transform
// (arch/x86/kernel/static_call.c of 6.1, 6.12 and 7.2). Sites are sorted by key and call the key's function directly.
// A module that may not change a key of the kernel names its trampoline; the kernel puts the key in its place.

import { kernelSort } from "../../kernel/loader/heapsort.ts";
import { distance32, entriesOf, near32 } from "../entries.ts";
import type { RewriteFacts } from "../facts.ts";
import type { LoadedMemory } from "../memory.ts";
import { countedTarget } from "./calls.ts";
import { NOP5, RET5, returnAt } from "./code.ts";

const ENTRY = 8;
/** Low bits of the key field: the call is a tail call, and it lies in init memory. */
const TAIL = 1n;
const INIT = 2n;
const FLAGS = 3n;
/** cs cs cs xorl %eax,%eax: a call of the function that returns 0. */
const XOR5 = [0x2e, 0x2e, 0x2e, 0x31, 0xc0];
const TRAMPOLINE = "__SCT__";
const KEY = "__SCK__";

/** Bytes of a trampoline in .static_call.text: a jump, and a mark. */
const TRAMPOLINE_SIZE = 8;

export function staticCalls(memory: LoadedMemory, facts: RewriteFacts): void {
  const own = memory.table(".static_call.text");
  if (facts.running && own !== null) {
    for (const e of entriesOf(memory, own, TRAMPOLINE_SIZE))
      memory.mark(e.address, 5, "static call trampoline: follows its key");
  }
  const table = memory.table(".static_call_sites");
  if (table === null) return;
  const { version, isInit, running, kernelSymbol, nameOf } = facts;
  const before = entriesOf(memory, { ...table, bytes: new Uint8Array(table.bytes) }, ENTRY).map((e) => {
    const site = near32(e, 0);
    const raw = near32(e, 4);
    const named = raw & ~FLAGS;
    const isOwn = memory.find(named) !== null;
    const name = isOwn ? null : nameOf(named);
    const key = name?.startsWith(TRAMPOLINE) === true ? kernelSymbol(KEY + name.slice(TRAMPOLINE.length)) : named;
    const code = memory.find(site);
    const init = code !== null && isInit(code.section.index) ? INIT : 0n;
    return { site, key, flags: (raw & FLAGS) | init, isOwn };
  });
  for (const { site, key, flags, isOwn } of before) {
    if (!isOwn || running) memory.mark(site, siteSize(memory, site), "static call: follows its key");
    if (!isOwn || key === null) continue;
    memory.mark(key + 8n, 8, "static call: the list of a key's sites is allocated");
    if (!running) transform(memory, facts, site, memory.pointer(key) ?? 0n, (flags & TAIL) !== 0n);
  }
  if (before.some((e) => e.key === null)) {
    memory.markAll(
      table,
      "sorted by the addresses of static call keys that are not known: give /proc/kallsyms with -k",
    );
    return;
  }
  const order = kernelSort(
    before.length,
    (x, y) => {
      const a = before[x]?.key ?? 0n;
      const b = before[y]?.key ?? 0n;
      return a < b ? -1 : a > b ? 1 : 0;
    },
    version,
  );
  const view = memory.view(table.bytes);
  for (const [to, from] of order.entries()) {
    const entry = before[from];
    if (entry === undefined) continue;
    const at = to * ENTRY;
    const address = table.address + BigInt(at);
    view.setInt32(at, distance32(address, entry.site));
    view.setInt32(at + 4, distance32(address + 4n, (entry.key ?? 0n) | entry.flags));
  }
}

const isJcc = (bytes: Uint8Array): boolean => bytes[0] === 0x0f && ((bytes[1] ?? 0) & 0xf0) === 0x80;

function siteSize(memory: LoadedMemory, site: bigint): number {
  const bytes = memory.at(site, 2);
  return bytes !== null && isJcc(bytes) ? 6 : 5;
}

/** Writes the call that the site becomes. */
function transform(memory: LoadedMemory, facts: RewriteFacts, site: bigint, func: bigint, isTail: boolean): void {
  const size = siteSize(memory, site);
  const bytes = memory.at(site, size);
  if (bytes === null) return;
  const branch = (opcode: readonly number[], target: bigint): void => {
    bytes.set(opcode);
    const end = opcode.length + 4;
    memory.view(bytes).setInt32(opcode.length, distance32(site + BigInt(end), target));
  };
  if (!isTail) {
    if (func === 0n) bytes.set(NOP5);
    else if (func === facts.kernelSymbol("__static_call_return0")) bytes.set(XOR5);
    else {
      const target = countedTarget(memory, facts, func);
      if (target === null) memory.mark(site, size, "static call: depends on the counting of calls");
      else branch([0xe8], target);
    }
  } else if (func === 0n) {
    const thunk = size === 5 ? returnAt(site, facts.x86.returns, facts.kernelSymbol) : null;
    if (thunk === null) memory.mark(site, size, "static call that returns: depends on the return thunk");
    else if (thunk === "plain") bytes.set(RET5);
    else branch([0xe9], thunk);
  } else if (size === 6) branch([0x0f, bytes[1] ?? 0], func);
  else branch([0xe9], func);
}
