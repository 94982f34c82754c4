// arm64: whether the CPUs authenticate pointers decides which of two forms stays at a function's ends.

import { SHF_EXECINSTR } from "../elf/consts.ts";
import { CPU } from "./facts.ts";
import type { LoadedMemory } from "./memory.ts";

/** paciasp and autiasp, which become shadow-call-stack code on CPUs without pointer authentication. */
const PAC_WORDS = new Set([0xd503_233f, 0xd503_23bf]);

export function shadowCallStack(memory: LoadedMemory): void {
  if (memory.table(".init.eh_frame") === null) return;
  for (const section of memory.sections) {
    if ((section.flags & SHF_EXECINSTR) === 0) continue;
    const view = memory.view(section.bytes);
    for (let at = 0; at + 4 <= section.bytes.length; at += 4) {
      if (!PAC_WORDS.has(view.getUint32(at))) continue;
      memory.unknown.push({ section: section.index, start: at, end: at + 4, reason: `shadow call stack: ${CPU}` });
    }
  }
}
