// Trace events of a module, as trace_module_add_events and trace_event_eval_update leave them
// (kernel/trace/{trace_events,trace_output}.c of 6.1, 6.12 and 7.2): linked into lists and numbered, with functions that
// they lack, and with numbers in place of the names of constants in their formats.

import { pointersOf } from "./entries.ts";
import type { RewriteFacts } from "./facts.ts";
import type { LoadedMemory } from "./memory.ts";

/** Offsets in struct trace_event_call: of `event`, its number, its functions, the format and what the kernel sets. */
function callOffsets(has: RewriteFacts["has"]) {
  // In older kernels events of a kind are in a list of their own.
  const list = has("traceEventsInOneList") ? 0n : 16n;
  return { list: 0n, class: 16n, event: 32n, functions: 56n + list, format: 64n + list, filter: 72n + list };
}
/** Bytes from `filter` to the flags: 7.2 and late releases of 6.12 have no filter, so what follows lies 8 bytes earlier. */
const SET_AT_LOAD = 28;

/** Offsets in struct trace_event_class: the system, an array of fields, and the list that is made of it. */
const CLASS = { system: 0n, array: 32n, list: 48n } as const;
/** Bytes of an entry of that array where fields are checked, and where one of its flags is set when the event is checked. */
const FIELD = { size: 40n, flags: 24n } as const;

/** The name of a constant and its number: struct trace_eval_map. */
interface Constant {
  readonly system: bigint;
  readonly name: string;
  readonly value: bigint;
}

const LISTED = "trace event: linked and numbered when it is registered";
const CHECKED = "trace event: checked when it is registered";

export function traceEvents(memory: LoadedMemory, { has, kernelSymbol }: RewriteFacts): void {
  const constants = readConstants(memory);
  const CALL = callOffsets(has);
  for (const event of pointersOf(memory, "_ftrace_events")) {
    memory.mark(event + CALL.list, 16, LISTED);
    memory.mark(event + CALL.event, Number(CALL.functions - CALL.event) - 4, LISTED);
    memory.mark(event + CALL.filter, SET_AT_LOAD, LISTED);
    const owner = memory.pointer(event + CALL.class);
    if (owner !== null) {
      memory.mark(owner + CLASS.list, 16, LISTED);
      if (has("traceFieldsChecked")) checkedFields(memory, memory.pointer(owner + CLASS.array));
    }
    missingFunctions(memory, memory.pointer(event + CALL.functions), kernelSymbol("trace_nop_print"));
    const system = owner === null ? null : memory.pointer(owner + CLASS.system);
    const format = stringAt(memory, memory.pointer(event + CALL.format));
    if (format === null) continue;
    for (const constant of constants) if (constant.system === system) replaceNames(format, constant);
  }
}

function readConstants(memory: LoadedMemory): Constant[] {
  return pointersOf(memory, "_ftrace_eval_map").flatMap((map) => {
    const system = memory.pointer(map);
    const name = stringAt(memory, memory.pointer(map + 8n));
    const value = memory.pointer(map + 16n);
    if (system === null || name === null || value === null) return [];
    return [{ system, name: Buffer.from(name).toString("latin1"), value: BigInt.asIntN(64, value) }];
  });
}

/** Fields whose strings the kernel will test each time get a mark. The array ends with an entry without a type. */
function checkedFields(memory: LoadedMemory, array: bigint | null): void {
  for (let at = array ?? 0n; (memory.pointer(at) ?? 0n) !== 0n; at += FIELD.size)
    memory.mark(at + FIELD.flags, 4, CHECKED);
}

/** register_trace_event: four functions, and one of the kernel's where the module gives none. */
function missingFunctions(memory: LoadedMemory, functions: bigint | null, none: bigint | null): void {
  const bytes = functions === null ? null : memory.at(functions, 32);
  if (functions === null || bytes === null) return;
  const view = memory.view(bytes);
  for (let at = 0; at < 32; at += 8) {
    if (view.getBigUint64(at) !== 0n) continue;
    if (none !== null) view.setBigUint64(at, none);
    else memory.mark(functions + BigInt(at), 8, "trace event: the kernel's function in place of a missing one");
  }
}

/** The string at an address, without its end, to read and to write; null if there is none in the module. */
function stringAt(memory: LoadedMemory, address: bigint | null): Uint8Array | null {
  const spot = address === null ? null : memory.find(address);
  if (spot === null) return null;
  const end = spot.section.bytes.indexOf(0, spot.offset);
  return end < 0 ? null : spot.section.bytes.subarray(spot.offset, end);
}

const isDigit = (c: number): boolean => c >= 0x30 && c <= 0x39;
const isLetter = (c: number): boolean => (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a);
const isName = (c: number): boolean => isLetter(c) || isDigit(c) || c === 0x5f;

/**
 * Puts a number where the constant is named outside quotes, and moves the rest of the format up (update_event_printk,
 * eval_replace). Members of structures keep their names. What is behind the new end stays as it was.
 */
function replaceNames(format: Uint8Array, { name, value }: Constant): void {
  const number = Buffer.from(value.toString());
  let end = format.indexOf(0);
  if (end < 0) end = format.length;
  const at = (i: number): number => (i < end ? (format[i] ?? 0) : 0);
  const isHere = (i: number): boolean => {
    for (let k = 0; k < name.length; k++) if (at(i + k) !== name.charCodeAt(k)) return false;
    return !isName(at(i + name.length));
  };
  let quoted = false;
  for (let i = 0; i < end; i++) {
    const c = at(i);
    if (c === 0x5c) i++;
    else if (c === 0x22) quoted = !quoted;
    else if (quoted) continue;
    else if (isDigit(c)) {
      do i++;
      while (isLetter(at(i)) || isDigit(at(i)));
    } else if (isLetter(c) || c === 0x5f) {
      if (isHere(i)) {
        if (number.length > name.length) return;
        format.set(number, i);
        format.copyWithin(i + number.length, i + name.length, end);
        end -= name.length - number.length;
        if (end < format.length) format[end] = 0;
        i += number.length;
        continue;
      }
      for (;;) {
        do i++;
        while (isName(at(i)));
        if (at(i) === 0x2e) i++;
        else if (at(i) === 0x2d && at(i + 1) === 0x3e) i += 2;
        else break;
        if (i >= end) break;
      }
    }
  }
}
