// Returns, indirect branches and other places that an x86_64 kernel rewrites to what its CPU needs: apply_retpolines,
// apply_returns, apply_seal_endbr, alternatives_smp_module_add (arch/x86/kernel/alternative.c of 6.1, 6.12 and 7.2).
// Which form they get is the kernel's state (facts.x86); without it the places are listed.

import { append } from "../../base/lists.ts";
import { distance32, entriesOf, near32 } from "../entries.ts";
import { CPU, type RewriteFacts } from "../facts.ts";
import type { LoadedMemory } from "../memory.ts";
import { callDepth } from "./calls.ts";
import { inLowerHalf, nopOf, RET5, registerName, returnAt, thunkRegister } from "./code.ts";

/** Places that a table of 32-bit distances names. */
function sitesOf(memory: LoadedMemory, name: string): bigint[] {
  const table = memory.table(name);
  return table === null ? [] : entriesOf(memory, table, 4).map((e) => near32(e, 0));
}

export function x86Sites(memory: LoadedMemory, facts: RewriteFacts): void {
  for (const site of sitesOf(memory, ".retpoline_sites")) indirectBranch(memory, facts, site);
  for (const site of sitesOf(memory, ".return_sites")) returnSite(memory, facts, site);
  callDepth(memory, facts, sitesOf(memory, ".call_sites"));
  for (const site of sitesOf(memory, ".ibt_endbr_seal")) seal(memory, facts, site);
  for (const site of sitesOf(memory, ".smp_locks")) {
    const prefix = memory.at(site, 1);
    if (facts.x86.locks === null) memory.mark(site, 1, "lock prefix: depends on the number of CPUs");
    // Only locks in core text are looked at.
    else if (facts.x86.locks === "up" && prefix?.[0] === 0xf0 && memory.find(site)?.section.name === ".text")
      prefix[0] = 0x3e;
  }
}

/** call, jmp or jcc to a thunk: opcode bytes before the distance, and the length. */
function decode(
  bytes: Uint8Array,
): { opcode: number; condition: number | null; prefixes: number; length: number } | null {
  let at = 0;
  while (bytes[at] === 0x2e) at++;
  const [first = 0, second = 0] = bytes.subarray(at, at + 2);
  if (first === 0xe8 || first === 0xe9) return { opcode: first, condition: null, prefixes: at, length: at + 5 };
  if (first === 0x0f && (second & 0xf0) === 0x80)
    return { opcode: 0xe9, condition: second & 0xf, prefixes: at + 1, length: at + 6 };
  return null;
}

function indirectBranch(memory: LoadedMemory, facts: RewriteFacts, site: bigint): void {
  const { x86, has, nameOf } = facts;
  if (x86.indirect === "retpoline") return;
  const head = memory.at(site, 6) ?? memory.at(site, 5);
  const insn = head === null ? null : decode(head);
  const bytes = insn === null ? null : memory.at(site, insn.length);
  if (x86.indirect === null || insn === null || bytes === null) {
    memory.mark(site, 6, `indirect branch: ${CPU}`);
    return;
  }
  const displacement = memory.view(bytes).getInt32(insn.length - 4);
  const register = thunkRegister(nameOf(BigInt.asUintN(64, site + BigInt(insn.length + displacement))) ?? "");
  if (register === null) {
    memory.mark(site, 6, `indirect branch: ${CPU}`);
    return;
  }
  const isCall = insn.opcode === 0xe8;
  if (x86.indirect === "depth") {
    const thunk = facts.kernelSymbol(`__x86_indirect_${isCall ? "call" : "jump"}_thunk_${registerName(register)}`);
    const end = site + BigInt(insn.length);
    if (thunk === null) memory.mark(end - 4n, 4, "distance to a thunk that counts calls: not known");
    else memory.view(bytes).setInt32(insn.length - 4, distance32(end, thunk));
    return;
  }
  const out: number[] = [];
  // The inverted condition jumps over what follows.
  if (insn.condition !== null) out.push(0x70 | (insn.condition ^ 1), insn.length - 2);
  if (x86.indirect === "lfence") out.push(0x0f, 0xae, 0xe8);
  if (x86.indirect === "its" && inLowerHalf(site + BigInt(out.length + (register >= 8 ? 2 : 1)))) {
    // The thunk is made for this branch; call, jmp and jcc keep their form.
    memory.mark(site + BigInt(insn.length - 4), 4, "distance to a thunk that is allocated for this branch");
    return;
  }
  const branch = [...(register >= 8 ? [0x41] : []), 0xff, (isCall ? 0xd0 : 0xe0) | (register & 7)];
  // Where the fence leaves no room the thunk stays.
  if (out.length + branch.length > insn.length) return;
  const room = insn.length - out.length - branch.length;
  if (has("x86ThunksPadded")) {
    // Prefixes before a call, traps behind a jump.
    const prefixes = isCall && room <= 3 ? room : 0;
    append(out, [...new Array<number>(prefixes).fill(0x2e), ...branch]);
    if (!isCall) append(out, new Array<number>(room).fill(0xcc));
  } else {
    append(out, branch);
    if (!isCall && room > 0) out.push(0xcc);
  }
  bytes.set([...out, ...nopOf(insn.length - out.length)]);
}

function returnSite(memory: LoadedMemory, { x86, kernelSymbol }: RewriteFacts, site: bigint): void {
  const bytes = memory.at(site, 5);
  if (x86.returns === "thunk" || bytes === null) return;
  const thunk = returnAt(site, x86.returns, kernelSymbol);
  if (bytes[0] !== 0xe9 || thunk === null) memory.mark(site, 5, `return: ${CPU}`);
  else if (thunk === "plain") bytes.set(RET5);
  else memory.view(bytes).setInt32(1, distance32(site + 5n, thunk));
}

/** A landing pad that nobody jumps to becomes another nop; with kCFI the hash before it goes, too. */
function seal(memory: LoadedMemory, { has }: RewriteFacts, site: bigint): void {
  const bytes = memory.at(site, 4);
  if (bytes === null || memory.view(bytes).getUint32(0) !== 0xfa1e_0ff3) return;
  bytes.set(has("x86SealedByPoison") ? [0x0f, 0x1f, 0x40, 0xd6] : [0x66, 0x0f, 0x1f, 0x00]);
  if (memory.table(".cfi_sites") !== null) memory.mark(site - 16n, 16, `hash of a function: ${CPU}`);
}
