// What the diff object says to the code that enables the patch: which functions of which object are replaced (the layout of
// include/linux/livepatch_external.h, 7.2), and a note of what was taken and why.

import { alignUp, fromLatin1, viewOf } from "../../base/bytes.ts";
import { SHF_ALLOC, SHF_WRITE, SHT_NOTE, SHT_PROGBITS, STB_GLOBAL, STB_LOCAL, STT_NOTYPE } from "../../elf/consts.ts";
import type { NewObject, NewSection, NewSymbol } from "../../elf/writer/newObject.ts";
import { CALLBACKS, type CallbackKind } from "../canon/annotations.ts";
import type { Item } from "../canon/unit.ts";

/** A function that the kernel is told to replace. */
export interface Replacement {
  readonly patched: Item;
  /** Its name in the target. */
  readonly name: string;
  readonly position: number;
  /** Bytes of the original. */
  readonly oldSize: number;
}

const FUNC = { size: 24, name: 0, newFunc: 8, position: 16 } as const;
const OBJECT = { size: 64, name: 0, funcs: 8, callbacks: 16, count: 56 } as const;
const HIDDEN = 2;
const DATA = BigInt(SHF_ALLOC | SHF_WRITE);
/** SHF_ALLOC, SHF_MERGE, SHF_STRINGS. */
const STRINGS = BigInt(SHF_ALLOC | 0x30);

/** What a patch does to one object. */
export interface ReplacedObject {
  /** `vmlinux`, or a module's name. */
  readonly name: string;
  readonly functions: readonly {
    readonly symbol: NewSymbol | null;
    readonly name: string;
    readonly position: number;
    readonly oldSize: number;
  }[];
  readonly callbacks: ReadonlyMap<CallbackKind, NewSymbol | null>;
}

/** What the tables need to know of the files that they are made for. */
export interface TableForm {
  readonly littleEndian: boolean;
  /** Type of a relocation that fills in an address. */
  readonly absolute: number;
}

/** Adds the tables of a patch, as klplink's glue reads them. @param states bytes of all states */
export function addGlueTables(
  out: NewObject,
  objects: readonly ReplacedObject[],
  states: Uint8Array,
  form: TableForm,
): void {
  const table = addPatchTables(out, objects, form);
  bound(out, table, "__klplink_objects", 0);
  bound(out, table, "__klplink_objects_end", table.size);
  if (states.length === 0) return;
  const listed = out.section({ name: ".klplink.states", type: SHT_PROGBITS, flags: BigInt(SHF_ALLOC), entsize: 0 });
  listed.append(states, 8);
  bound(out, listed, "__klplink_states", 0);
  bound(out, listed, "__klplink_states_end", listed.size);
}

/** Adds the tables of a patch; returns that of objects. */
export function addPatchTables(
  out: NewObject,
  objects: readonly ReplacedObject[],
  { littleEndian, absolute }: TableForm,
): NewSection {
  const strings = out.section({ name: ".rodata.klp.str1.1", type: SHT_PROGBITS, flags: STRINGS, entsize: 1 });
  const text = (section: NewSection, offset: number, name: string): void => {
    const value = BigInt(strings.append(fromLatin1(`${name}\0`), 1));
    const symbol = out.symbol({
      ...{ name: `.Lklp_${value}`, section: strings, value, size: 0, type: STT_NOTYPE, bind: STB_LOCAL, other: 0 },
    });
    section.relocations.push({ offset, type: absolute, symbol, addend: 0n });
  };
  const funcs = out.section({ name: ".init.klp_funcs", type: SHT_PROGBITS, flags: DATA, entsize: 0 });
  const table = out.section({ name: ".init.klp_objects", type: SHT_PROGBITS, flags: DATA, entsize: 0 });
  for (const object of objects) {
    const first = funcs.size;
    for (const { symbol, name, position } of object.functions) {
      const entry = new Uint8Array(FUNC.size);
      viewOf(entry).setBigUint64(FUNC.position, BigInt(position), littleEndian);
      const at = funcs.append(entry, 8);
      text(funcs, at + FUNC.name, name);
      funcs.relocations.push({ offset: at + FUNC.newFunc, type: absolute, symbol, addend: 0n });
    }
    const entry = new Uint8Array(OBJECT.size);
    viewOf(entry).setUint32(OBJECT.count, object.functions.length, littleEndian);
    const at = table.append(entry, 8);
    const point = (offset: number, symbol: NewSymbol | null, addend: number): void => {
      table.relocations.push({ offset: at + offset, type: absolute, symbol, addend: BigInt(addend) });
    };
    if (object.name !== "vmlinux") text(table, at + OBJECT.name, object.name);
    if (object.functions.length > 0) point(OBJECT.funcs, funcs.symbol, first);
    for (const [i, kind] of CALLBACKS.entries()) {
      const symbol = object.callbacks.get(kind) ?? null;
      if (symbol !== null) point(OBJECT.callbacks + 8 * i, symbol, 0);
    }
  }
  return table;
}

function bound(out: NewObject, section: NewSection, name: string, at: number): NewSymbol {
  return out.symbol({ name, section, value: BigInt(at), size: 0, type: STT_NOTYPE, bind: STB_GLOBAL, other: HIDDEN });
}

/** `import_ns=` of the exports with a namespace that taken code uses. */
export function addNamespaces(out: NewObject, namespaces: ReadonlySet<string>): void {
  if (namespaces.size === 0) return;
  const section = out.section({ name: ".modinfo", type: SHT_PROGBITS, flags: BigInt(SHF_ALLOC), entsize: 0 });
  for (const namespace of [...namespaces].sort()) section.append(fromLatin1(`import_ns=${namespace}\0`), 1);
}

/** The note `.klplink.diff`: what was taken, and why, as JSON. */
export function addNote(out: NewObject, littleEndian: boolean, document: unknown): void {
  const name = fromLatin1("klplink\0");
  const text = new TextEncoder().encode(JSON.stringify(document));
  const note = new Uint8Array(12 + name.length + alignUp(text.length, 4));
  const view = viewOf(note);
  view.setUint32(0, name.length, littleEndian);
  view.setUint32(4, text.length, littleEndian);
  view.setUint32(8, 1, littleEndian);
  note.set(name, 12);
  note.set(text, 12 + name.length);
  out.section({ name: ".klplink.diff", type: SHT_NOTE, flags: 0n, entsize: 0 }).append(note, 4);
}
