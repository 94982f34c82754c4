// What the diff object says to the code that enables the patch: which functions of which object are replaced (the layout of
// include/linux/livepatch_external.h, 7.2), and a note of what was taken and why.

import { alignUp, fromLatin1, viewOf } from "../base/bytes.ts";
import { SHF_ALLOC, SHF_WRITE, SHT_NOTE, SHT_PROGBITS, STB_GLOBAL, STB_LOCAL, STT_NOTYPE } from "../elf/consts.ts";
import type { NewSection, NewSymbol } from "../elf/writer/newObject.ts";
import { type Annotations, CALLBACKS } from "./annotations.ts";
import type { Emitter } from "./emit.ts";
import type { Item } from "./unit.ts";

/** A function that the kernel is told to replace. */
export interface Replacement {
  readonly patched: Item;
  /** Its name in the target. */
  readonly name: string;
  readonly position: number;
}

const FUNC = { size: 24, name: 0, newFunc: 8, position: 16 } as const;
const OBJECT = { size: 64, name: 0, funcs: 8, callbacks: 16, count: 56 } as const;
const HIDDEN = 2;
const DATA = BigInt(SHF_ALLOC | SHF_WRITE);
/** SHF_ALLOC, SHF_MERGE, SHF_STRINGS. */
const STRINGS = BigInt(SHF_ALLOC | 0x30);

/** Adds the tables for one object. */
export function addPatchTables(
  emitter: Emitter,
  object: string,
  functions: readonly Replacement[],
  { callbacks, states }: Annotations,
): void {
  const { out, side } = emitter;
  const { littleEndian } = side.unit.file;
  const { absolute } = side.unit.arch;
  const strings = out.section({ name: ".rodata.klp.str1.1", type: SHT_PROGBITS, flags: STRINGS, entsize: 1 });
  const text = (section: NewSection, offset: number, name: string): void => {
    const value = BigInt(strings.append(fromLatin1(`${name}\0`), 1));
    const symbol = out.symbol({
      ...{ name: `.Lklp_${value}`, section: strings, value, size: 0, type: STT_NOTYPE, bind: STB_LOCAL, other: 0 },
    });
    section.relocations.push({ offset, type: absolute, symbol, addend: 0n });
  };
  const funcs = out.section({ name: ".init.klp_funcs", type: SHT_PROGBITS, flags: DATA, entsize: 0 });
  for (const { patched, name, position } of functions) {
    const entry = new Uint8Array(FUNC.size);
    viewOf(entry).setBigUint64(FUNC.position, BigInt(position), littleEndian);
    const at = funcs.append(entry, 8);
    text(funcs, at + FUNC.name, name);
    const symbol = emitter.placeOf(patched)?.symbol ?? null;
    funcs.relocations.push({ offset: at + FUNC.newFunc, type: absolute, symbol, addend: 0n });
  }
  const objects = out.section({ name: ".init.klp_objects", type: SHT_PROGBITS, flags: DATA, entsize: 0 });
  const entry = new Uint8Array(OBJECT.size);
  viewOf(entry).setUint32(OBJECT.count, functions.length, littleEndian);
  objects.append(entry, 8);
  if (object !== "vmlinux") text(objects, OBJECT.name, object);
  if (functions.length > 0)
    objects.relocations.push({ offset: OBJECT.funcs, type: absolute, symbol: funcs.symbol, addend: 0n });
  for (const [i, kind] of CALLBACKS.entries()) {
    const callback = callbacks.get(kind);
    const symbol = callback === undefined ? null : (emitter.placeOf(callback)?.symbol ?? null);
    if (symbol !== null)
      objects.relocations.push({ offset: OBJECT.callbacks + 8 * i, type: absolute, symbol, addend: 0n });
  }
  bound(emitter, objects, "__klplink_objects", 0);
  bound(emitter, objects, "__klplink_objects_end", objects.size);
  if (states.length === 0) return;
  const listed = out.section({ name: ".klplink.states", type: SHT_PROGBITS, flags: BigInt(SHF_ALLOC), entsize: 0 });
  listed.append(states, 8);
  bound(emitter, listed, "__klplink_states", 0);
  bound(emitter, listed, "__klplink_states_end", listed.size);
}

function bound({ out }: Emitter, section: NewSection, name: string, at: number): NewSymbol {
  return out.symbol({ name, section, value: BigInt(at), size: 0, type: STT_NOTYPE, bind: STB_GLOBAL, other: HIDDEN });
}

/** `import_ns=` of the exports with a namespace that taken code uses. */
export function addNamespaces({ out, namespaces }: Emitter): void {
  if (namespaces.size === 0) return;
  const section = out.section({ name: ".modinfo", type: SHT_PROGBITS, flags: BigInt(SHF_ALLOC), entsize: 0 });
  for (const namespace of [...namespaces].sort()) section.append(fromLatin1(`import_ns=${namespace}\0`), 1);
}

/** The note `.klplink.diff`: what was taken, and why, as JSON. */
export function addNote({ out, side }: Emitter, document: unknown): void {
  const name = fromLatin1("klplink\0");
  const text = new TextEncoder().encode(JSON.stringify(document));
  const note = new Uint8Array(12 + name.length + alignUp(text.length, 4));
  const view = viewOf(note);
  const { littleEndian } = side.unit.file;
  view.setUint32(0, name.length, littleEndian);
  view.setUint32(4, text.length, littleEndian);
  view.setUint32(8, 1, littleEndian);
  note.set(name, 12);
  note.set(text, 12 + name.length);
  out.section({ name: ".klplink.diff", type: SHT_NOTE, flags: 0n, entsize: 0 }).append(note, 4);
}
