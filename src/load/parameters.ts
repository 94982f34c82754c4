// Module parameters that are given when the module is loaded: parse_args and the operations of kernel/params.c (6.1, 6.12 and
// 7.2 agree) write them into the module's data before its init function runs.

import { SHF_ALLOC, SHF_WRITE } from "../elf/consts.ts";
import type { ElfFile } from "../elf/reader.ts";
import { type DistanceEntry, entriesOf } from "./entries.ts";
import type { ParameterFault, RewriteFacts } from "./facts.ts";
import type { LoadedMemory } from "./memory.ts";

/** struct kernel_param: offsets and size, bytes. */
const PARAM = { size: 40, name: 0, ops: 16, arg: 32 } as const;
/** struct kparam_string, struct kparam_array. */
const STRING = { max: 0, buffer: 8 } as const;
const ARRAY = { max: 0, elementSize: 4, count: 8, ops: 16, elements: 24 } as const;

/** Integers by the kernel's name of their operations. */
const INTEGERS: Readonly<Record<string, { readonly bytes: 1 | 2 | 4 | 8; readonly signed: boolean }>> = {
  byte: { bytes: 1, signed: false },
  short: { bytes: 2, signed: true },
  ushort: { bytes: 2, signed: false },
  int: { bytes: 4, signed: true },
  uint: { bytes: 4, signed: false },
  hexint: { bytes: 4, signed: false },
  long: { bytes: 8, signed: true },
  ulong: { bytes: 8, signed: false },
  ullong: { bytes: 8, signed: false },
};
/** strlen of a charp at most. */
const LONGEST = 1024;

const WHY = "module parameter: it may have been given when the module was loaded (--param)";
const OWN = "data: a parameter's own function may write it (--param none if no parameter was given)";
const ALLOCATED = "module parameter: a copy of the text is allocated";

/** Writes the parameters that were given, or lists the places of all if it is not known which. */
export function parameters(memory: LoadedMemory, { file, parameters: given, refused }: RewriteFacts): void {
  const table = memory.table("__param");
  const entries = table === null ? [] : entriesOf(memory, table, PARAM.size);
  const names = new References(memory, file);
  if (given === null) {
    for (const e of entries) listPlaces(memory, names, e);
    return;
  }
  const setter = new Setter(memory, names);
  for (const { name, value } of given) {
    // Dynamic debugging and asynchronous probing are not in the module's table.
    if (name === "async_probe") continue;
    if (name === "dyndbg") {
      const descriptors = memory.table("__dyndbg");
      if (descriptors !== null) memory.markAll(descriptors, "dynamic debugging: dyndbg was given");
      continue;
    }
    const entry = entries.find((e) => isSame(text(memory, e.view.getBigUint64(e.at + PARAM.name)), name));
    const ops = entry === undefined ? null : names.at(entry.address + BigInt(PARAM.ops));
    const arg = entry?.view.getBigUint64(entry.at + PARAM.arg) ?? 0n;
    const kind = entry === undefined ? "unknown" : setter.set(ops, arg, value);
    if (kind !== null) refused({ name, value, kind });
  }
}

/** parameq: dashes and underscores are the same. */
const isSame = (a: string, b: string): boolean => a.replaceAll("-", "_") === b.replaceAll("-", "_");

function listPlaces(memory: LoadedMemory, names: References, e: DistanceEntry): void {
  const arg = e.view.getBigUint64(e.at + PARAM.arg);
  const ops = names.at(e.address + BigInt(PARAM.ops)) ?? "";
  const kind = kindOf(ops);
  if (kind === "string") {
    memory.mark(memory.pointer(arg + BigInt(STRING.buffer)) ?? 0n, u32(memory, arg + BigInt(STRING.max)), WHY);
  } else if (kind === "array") {
    const size = u32(memory, arg + BigInt(ARRAY.elementSize)) * u32(memory, arg + BigInt(ARRAY.max));
    memory.mark(memory.pointer(arg + BigInt(ARRAY.elements)) ?? 0n, size, WHY);
    memory.mark(memory.pointer(arg + BigInt(ARRAY.count)) ?? 0n, 4, WHY);
    if (kindOf(names.at(arg + BigInt(ARRAY.ops)) ?? "") === null) ownFunction(memory);
  } else if (kind !== null) memory.mark(arg, sizeOf(kind), WHY);
  else ownFunction(memory);
}

type Kind = keyof typeof INTEGERS | "bool" | "invbool" | "bint" | "charp" | "string" | "array";

/** From the name of struct kernel_param_ops; null: operations that are not the kernel's usual ones. */
function kindOf(ops: string): Kind | null {
  if (ops === "param_array_ops") return "array";
  const name = /^param_ops_(\w+)$/.exec(ops)?.[1] ?? "";
  if (name === "bool_enable_only") return "bool";
  return name in INTEGERS || /^(?:bool|invbool|bint|charp|string)$/.test(name) ? (name as Kind) : null;
}

function sizeOf(kind: Kind): number {
  return INTEGERS[kind]?.bytes ?? (kind === "charp" ? 8 : kind === "bint" ? 4 : 1);
}

function ownFunction(memory: LoadedMemory): void {
  for (const section of memory.sections)
    if ((section.flags & (SHF_WRITE | SHF_ALLOC)) === (SHF_WRITE | SHF_ALLOC) && /^\.(?:data|bss)/.test(section.name))
      memory.markAll(section, OWN);
}

class Setter {
  readonly #memory: LoadedMemory;
  readonly #names: References;
  constructor(memory: LoadedMemory, names: References) {
    this.#memory = memory;
    this.#names = names;
  }

  /** @param arg address of the variable, or of the structure that describes it */
  set(ops: string | null, arg: bigint, value: string | null): ParameterFault["kind"] | null {
    const kind = kindOf(ops ?? "");
    if (kind === null) {
      ownFunction(this.#memory);
      return null;
    }
    if (kind === "bool" || kind === "invbool" || kind === "bint") return this.#bool(kind, arg, value);
    if (value === null) return "invalid";
    if (kind === "charp") {
      if (value.length > LONGEST) return "too large";
      this.#memory.mark(arg, 8, ALLOCATED);
      return null;
    }
    if (kind === "string") return this.#string(arg, value);
    if (kind === "array") return this.#array(arg, value);
    const integer = INTEGERS[kind];
    const number = integer === undefined ? null : parseInteger(value, integer.signed);
    if (integer === undefined || number === null || !fits(number, integer)) return "invalid";
    this.#write(arg, integer.bytes, number);
    return null;
  }

  #bool(kind: Kind, arg: bigint, value: string | null): ParameterFault["kind"] | null {
    const said = value === null ? true : parseBool(value);
    if (said === null) return "invalid";
    this.#write(arg, kind === "bint" ? 4 : 1, said !== (kind === "invbool") ? 1n : 0n);
    return null;
  }

  #string(arg: bigint, value: string): ParameterFault["kind"] | null {
    const max = u32(this.#memory, arg + BigInt(STRING.max));
    if (value.length + 1 > max) return "too large";
    const bytes = this.#memory.at(this.#memory.pointer(arg + BigInt(STRING.buffer)) ?? 0n, value.length + 1);
    bytes?.set(Buffer.from(`${value}\0`, "latin1"));
    return null;
  }

  /** Values with commas between them; the first that is refused ends it, with what came before written. */
  #array(arg: bigint, value: string): ParameterFault["kind"] | null {
    const memory = this.#memory;
    const values = value.split(",");
    const elements = memory.pointer(arg + BigInt(ARRAY.elements)) ?? 0n;
    const size = u32(memory, arg + BigInt(ARRAY.elementSize));
    const ops = this.#names.at(arg + BigInt(ARRAY.ops));
    const max = u32(memory, arg + BigInt(ARRAY.max));
    for (const [i, one] of values.entries()) {
      if (i >= max) return "invalid";
      const fault = this.set(ops, elements + BigInt(i * size), one);
      if (fault !== null) return fault;
    }
    const count = memory.pointer(arg + BigInt(ARRAY.count)) ?? 0n;
    if (count !== 0n) this.#write(count, 4, BigInt(values.length));
    return null;
  }

  #write(address: bigint, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    const to = this.#memory.at(address, bytes);
    for (let i = 0; to !== null && i < bytes; i++) to[i] = Number((BigInt.asUintN(64, value) >> BigInt(8 * i)) & 0xffn);
  }
}

/** kstrtoull and kstrtoll with base 0; null: not a number. */
function parseInteger(text: string, signed: boolean): bigint | null {
  const match = /^(?:\+|(-))?(?:0x([0-9a-f]+)|0([0-7]*)|([1-9][0-9]*))\n?$/i.exec(text);
  if (match === null || (match[1] !== undefined && !signed)) return null;
  const [, minus, hex, octal, decimal] = match;
  const value =
    hex !== undefined ? BigInt(`0x${hex}`) : octal !== undefined ? BigInt(`0o${octal || "0"}`) : BigInt(decimal ?? 0);
  return minus === undefined ? value : -value;
}

const fits = (value: bigint, { bytes, signed }: { readonly bytes: number; readonly signed: boolean }): boolean =>
  signed ? BigInt.asIntN(bytes * 8, value) === value : BigInt.asUintN(bytes * 8, value) === value;

/** kstrtobool: the first letter counts, of `on` and `off` the second; null: neither. `t` and `f` are newer than the rest. */
function parseBool(text: string): boolean | null {
  const letters = text.toLowerCase();
  if (/^[yt1]/.test(letters) || letters.startsWith("on")) return true;
  return /^[nf0]/.test(letters) || letters.startsWith("of") ? false : null;
}

/** Symbols that relocations of the module's data name, by address. */
class References {
  readonly #memory: LoadedMemory;
  readonly #file: ElfFile;
  readonly #sections = new Map<number, Map<number, string>>();
  constructor(memory: LoadedMemory, file: ElfFile) {
    this.#memory = memory;
    this.#file = file;
  }

  /** The symbol that the pointer at an address was relocated against; null if there is none. */
  at(address: bigint): string | null {
    const spot = this.#memory.find(address);
    if (spot === null) return null;
    const { index } = spot.section;
    let known = this.#sections.get(index);
    if (known === undefined) {
      known = new Map();
      const { relocations, symbols } = this.#file;
      for (const table of relocations) {
        if (table.target !== index || symbols === null) continue;
        for (let row = 0; row < table.count; row++)
          if (table.symbol(row) < symbols.count) known.set(table.offset(row), symbols.name(table.symbol(row)));
      }
      this.#sections.set(index, known);
    }
    return known.get(spot.offset) ?? null;
  }
}

const u32 = (memory: LoadedMemory, address: bigint): number => {
  const bytes = memory.at(address, 4);
  return bytes === null ? 0 : memory.view(bytes).getUint32(0);
};

/** The string at an address; empty if it is not the module's. */
function text(memory: LoadedMemory, address: bigint): string {
  const spot = memory.find(address);
  if (spot === null) return "";
  const { bytes } = spot.section;
  const end = bytes.indexOf(0, spot.offset);
  return Buffer.from(bytes.subarray(spot.offset, end < 0 ? bytes.length : end)).toString("latin1");
}
