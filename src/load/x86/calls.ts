// Calls under call depth tracking (retbleed=stuff): patch_call and patch_dest (arch/x86/kernel/callthunks.c of 6.12 and
// 7.2). Each direct call goes to nine bytes before its callee, where one instruction counts it; the compiler left nops.

import { STT_FUNC } from "../../elf/consts.ts";
import { distance32 } from "../entries.ts";
import { CPU, type RewriteFacts } from "../facts.ts";
import type { LoadedMemory } from "../memory.ts";

/** sarq $5, %gs:variable(%rip), without the four bytes of the distance. */
const COUNT = { before: [0x65, 0x48, 0xc1, 0x3d], after: 0x05 } as const;
const PAD = 9;
const NOP = 0x90;

/** Functions of the kernel that count by themselves, or run where nothing may be counted (skip_addr). */
const NOT_COUNTED = new Set([
  ...["error_entry", "paranoid_entry", "xen_error_entry", "__switch_to_asm", "ret_from_fork", "soft_restart_cpu"],
  ...["__fentry__", "relocate_kernel"],
]);

/** Rewrites the calls that the build listed, in their order. */
export function callDepth(memory: LoadedMemory, facts: RewriteFacts, sites: readonly bigint[]): void {
  if (facts.x86.calls === "plain") return;
  for (const site of sites) {
    // Calls of init code stay, and so do calls of it.
    if (facts.x86.calls === null) memory.mark(site, 5, `call: ${CPU}`);
    else if (isCoreText(memory, facts, site)) countCall(memory, facts, site);
  }
  if (facts.x86.calls !== null && facts.running) otherPads(memory, facts);
}

function isCoreText(memory: LoadedMemory, facts: RewriteFacts, address: bigint): boolean {
  const spot = memory.find(address);
  return spot !== null && !facts.isInit(spot.section.index);
}

function countCall(memory: LoadedMemory, facts: RewriteFacts, site: bigint): void {
  const bytes = memory.at(site, 5);
  if (bytes?.[0] !== 0xe8) return;
  const callee = BigInt.asUintN(64, site + 5n + BigInt(memory.view(bytes).getInt32(1)));
  const target = countedTarget(memory, facts, callee);
  if (target === null) memory.mark(site, 5, `call: ${CPU}`);
  else memory.view(bytes).setInt32(1, distance32(site + 5n, target));
}

/**
 * Where a call of a function goes: the code that counts it, which is written if the function is the module's own, or the
 * function itself where nothing is counted. Null: not known.
 */
export function countedTarget(memory: LoadedMemory, facts: RewriteFacts, callee: bigint): bigint | null {
  if (facts.x86.calls === "plain") return callee;
  if (facts.x86.calls === null || !facts.has("x86CallsCountedByOne")) return null;
  if (memory.find(callee) === null) return NOT_COUNTED.has(facts.nameOf(callee) ?? "") ? callee : callee - BigInt(PAD);
  if (!isCoreText(memory, facts, callee)) return callee;
  return writePad(memory, facts, callee) ? callee - BigInt(PAD) : callee;
}

/** Whether the nine bytes before a function of the module count its calls, now or already. */
function writePad(memory: LoadedMemory, { kernelSymbol }: RewriteFacts, callee: bigint): boolean {
  const address = callee - BigInt(PAD);
  const pad = memory.at(address, PAD);
  if (pad === null) return false;
  if (COUNT.before.every((byte, i) => pad[i] === byte) && pad[PAD - 1] === COUNT.after) return true;
  if (!pad.every((byte) => byte === NOP)) return false;
  pad.set(COUNT.before);
  pad[PAD - 1] = COUNT.after;
  const hot = kernelSymbol("pcpu_hot");
  // In pcpu_hot it stands behind the current task, the preemption count and the CPU's number.
  const variable = kernelSymbol("__x86_call_depth") ?? (hot === null ? null : hot + 16n);
  if (variable === null) memory.mark(address + 4n, 4, "distance to the counter of calls: not known");
  else memory.view(pad).setInt32(4, distance32(callee, variable));
  return true;
}

/** Whoever calls a function later, from another module or through a static call, lets its calls be counted. */
function otherPads(memory: LoadedMemory, { file }: RewriteFacts): void {
  const { symbols } = file;
  if (symbols === null) return;
  const starts = new Map(memory.sections.map((s) => [s.index, s]));
  for (let i = 1; i < symbols.count; i++) {
    const section = symbols.type(i) === STT_FUNC ? symbols.sectionOf(i) : null;
    const home = section === null ? undefined : starts.get(section);
    if (home === undefined) continue;
    const address = home.address + symbols.value(i) - BigInt(PAD);
    if (memory.at(address, PAD)?.every((byte) => byte === NOP) === true)
      memory.mark(address, PAD, "nops before a function: calls from elsewhere are counted there");
  }
}
