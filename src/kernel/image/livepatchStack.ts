// Where a ppc64le kernel keeps a thread's livepatch stack: records of 24 bytes (the caller's TOC, its return address, a
// mark), pushed and popped by livepatch_handler (arch/powerpc/kernel/trace/ftrace_entry.S in 6.12, ftrace_mprofile.S in
// 6.1). The places depend on the kernel's configuration.

import { OrderedView } from "../../base/bytes.ts";
import type { Btf } from "../../elf/btf.ts";
import type { SymbolList } from "../symbols/symbolList.ts";
import type { ImageMemory } from "./memory.ts";

export interface LivepatchStack {
  /** Offset in the paca (r13) of the pointer to the current thread_info. Bytes. */
  readonly threadInfo: number;
  /** Offset in thread_info of the livepatch stack pointer. Bytes. */
  readonly stackPointer: number;
}

/** A file that tells the places, for messages. */
export interface LivepatchStackSource extends LivepatchStack {
  readonly source: string;
}

/** Members that tell the same in debug information: `STRUCT.MEMBER`. */
export const STACK_MEMBERS = ["paca_struct.__current", "task_struct.thread_info", "thread_info.livepatch_sp"] as const;

/** From offsets of {@link STACK_MEMBERS}; null if one is missing. */
export function stackFromMembers(offsetOf: (member: string) => number | null): LivepatchStack | null {
  const [current, inTask, stackPointer] = STACK_MEMBERS.map(offsetOf);
  if (current == null || stackPointer == null) return null;
  // Since 5.1 thread_info lies in task_struct (CONFIG_THREAD_INFO_IN_TASK), at its start.
  return { threadInfo: current, stackPointer: stackPointer + (inTask ?? 0) };
}

/** From the types of vmlinux; null if it has no livepatch stack. */
export function stackFromBtf(btf: Btf): LivepatchStack | null {
  return stackFromMembers((member) => {
    const dot = member.indexOf(".");
    return btf.memberOffset(member.slice(0, dot), member.slice(dot + 1));
  });
}

/** Instructions of livepatch_handler that are looked at; it has about 30. */
const LENGTH = 40;

/**
 * Decodes livepatch_handler's first steps: `ld r12,A(r13)`, `ld r11,B(r12)`, `addi r11,r11,24`, `std r11,B(r12)`.
 * Null if they are not there.
 */
export function decodeStack(code: OrderedView): LivepatchStack | null {
  const count = Math.min(LENGTH, Math.floor(code.byteLength / 4));
  for (let i = 0; i + 3 < count; i++) {
    const [load, sp, add, store] = [0, 1, 2, 3].map((k) => code.getUint32((i + k) * 4)) as [
      number,
      number,
      number,
      number,
    ];
    if (load >>> 16 !== 0xe98d || sp >>> 16 !== 0xe96c || add !== 0x396b_0018 || store >>> 16 !== 0xf96c) continue;
    // DS-form: the two lowest bits are not part of the displacement, and 0 in ld and std.
    if ((load & 3) !== 0 || (sp & 3) !== 0 || (sp & 0xffff) !== (store & 0xffff)) continue;
    return { threadInfo: ((load & 0xffff) << 16) >> 16, stackPointer: ((sp & 0xffff) << 16) >> 16 };
  }
  return null;
}

/** The same from the kernel's own code; null if it has no livepatch_handler (only ppc64le has one), or one of another form. */
export function livepatchStackOf(list: SymbolList, memory: ImageMemory, littleEndian: boolean): LivepatchStack | null {
  const handler = list.find("livepatch_handler")[0];
  const code = handler === undefined ? null : memory.at(handler.address);
  return code === null ? null : decodeStack(new OrderedView(code.bytes, littleEndian));
}
