// Writable data: what the kernel writes there while it sets a module up, and what anyone may write once it runs.

import { SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, STT_OBJECT } from "../elf/consts.ts";
import { entriesOf, pointersOf } from "./entries.ts";
import type { RewriteFacts } from "./facts.ts";
import type { ImageSection, LoadedMemory } from "./memory.ts";
import { traceEvents } from "./traceEvents.ts";

/** Writable sections that nobody writes once the module is set up. */
const CONSTANT = new Set([
  ...[".toc", ".got", "__jump_table", ".static_call_sites", "__bug_table", "_ftrace_events", "_ftrace_eval_map"],
  ...["__tracepoints_ptrs", "__bpf_raw_tp_map", ".gnu.linkonce.this_module"],
]);

/** What changes in data before init. */
export function setUpData(memory: LoadedMemory, facts: RewriteFacts): void {
  traceEvents(memory, facts);
  for (const address of pointersOf(memory, "___srcu_struct_ptrs")) {
    // In newer kernels most of it is allocated.
    const size = facts.has("srcuAllocated") ? SRCU : sizeAt(memory, facts.file, address);
    memory.mark(address, size, "SRCU: set up at load");
  }
}
/** Bytes of struct srcu_struct that module load writes: pointers at its start. */
const SRCU = 32;

/** Bytes of the variable at an address; 0 if no symbol tells. */
function sizeAt(memory: LoadedMemory, { symbols }: RewriteFacts["file"], address: bigint): number {
  const spot = memory.find(address);
  for (let i = 1; spot !== null && symbols !== null && i < symbols.count; i++) {
    if (symbols.sectionOf(i) !== spot.section.index || symbols.type(i) !== STT_OBJECT) continue;
    if (symbols.offset(i) === spot.offset) return symbols.size(i);
  }
  return 0;
}

/** What may change while the module runs. */
export function runningData(memory: LoadedMemory, facts: RewriteFacts): void {
  for (const section of memory.sections) {
    const isWritable = (section.flags & (SHF_WRITE | SHF_ALLOC)) === (SHF_WRITE | SHF_ALLOC);
    if (isWritable && !CONSTANT.has(section.name)) memory.markAll(section, "data: written while the module runs");
  }
  bugFlags(memory, facts);
}

/** Each entry of the bug table ends with flags, one of which says that it was reported once. */
function bugFlags(memory: LoadedMemory, { file }: RewriteFacts): void {
  const table = memory.table("__bug_table");
  if (table === null) return;
  const size = bugEntrySize(table, file);
  if (size === null) memory.markAll(table, "marks what was reported once");
  else
    for (const e of entriesOf(memory, table, size))
      memory.mark(e.address + BigInt(size - 2), 2, "marks what was reported once");
}

/** Bytes of an entry: its first field leads to code, and so does no other field. */
function bugEntrySize(table: ImageSection, file: RewriteFacts["file"]): number | null {
  const { symbols, sections } = file;
  const own = file.relocations.find((r) => r.target === table.index);
  if (own === undefined || symbols === null) return null;
  let count = 0;
  for (let row = 0; row < own.count; row++) {
    const section = symbols.sectionOf(own.symbol(row));
    if (section !== null && sections.hasFlags(section, SHF_EXECINSTR)) count++;
  }
  const size = count === 0 ? 0 : table.bytes.length / count;
  return Number.isInteger(size) && size >= 8 && size <= 24 ? size : null;
}
