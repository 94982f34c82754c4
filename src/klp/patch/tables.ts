// Which functions a livepatch module replaces: struct klp_patch and its arrays (include/linux/livepatch.h), kpatch's
// .kpatch.funcs, and the external tables of klp-build (include/linux/livepatch_external.h, 7.2).

import { viewOf } from "../../base/bytes.ts";
import { SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { type Pointer, Pointers } from "../producers/pointers.ts";

/** A place in a section of the file. */
export interface SectionPlace {
  readonly section: number;
  readonly offset: number;
}

/** One entry of a function table. */
export interface PatchedFunction {
  readonly at: SectionPlace;
  /** `vmlinux`, or a module's name as it stands in the table. */
  readonly object: string;
  /** Null: the pointer is missing or leads nowhere. */
  readonly oldName: string | null;
  /** 0: the name must be unique. */
  readonly position: number;
  /** Where the replacement is: a place in this file, or a symbol that it does not define; null: no pointer. */
  readonly replacement: SectionPlace | { readonly undefined: number } | null;
}

/** One object (vmlinux or a module) of a patch. */
export interface PatchedObject {
  readonly at: SectionPlace;
  /** `vmlinux` for the kernel itself, else as it stands in the table. */
  readonly name: string;
  /** Whether the table has a name for it: without one it is vmlinux. */
  readonly isNamed: boolean;
  /** Whether its pointer to functions is set: klp_enable_patch refuses a patch otherwise. */
  readonly hasFunctions: boolean;
  readonly functions: readonly PatchedFunction[];
  /** Where its array of functions stands; null: it has none, or not in a table of that form. */
  readonly array?: SectionPlace | null;
  /** Whether the array of functions ends with its section, in place of an empty entry. */
  readonly isOpen?: boolean;
}

export type PatchKind = "klp_patch" | "kpatch" | "klp-build";

export interface Patch {
  readonly kind: PatchKind;
  readonly at: SectionPlace;
  readonly objects: readonly PatchedObject[];
  /** The pointer of struct klp_patch that is not set. */
  readonly lacks?: "mod" | "objs";
  /** Where its array of objects stands. */
  readonly array?: SectionPlace;
  /** Whether the array of objects ends with its section, in place of an empty entry. */
  readonly isOpen?: boolean;
}

/**
 * Names of all objects that the module patches; null if its tables do not tell: those that become objects at run time leave
 * out objects that have callbacks only.
 */
export function objectsOf(patches: readonly Patch[]): ReadonlySet<string> | null {
  if (patches.length === 0 || patches.some((p) => p.kind !== "klp_patch" || p.lacks === "objs")) return null;
  return new Set(patches.flatMap((p) => p.objects.map((o) => o.name)));
}

/** Offsets and sizes in bytes: 64-bit kernels from 4.15 on, without lock debugging. A patch has 200 bytes, and fewer without SMP. */
const PATCH = { least: 128, mod: 0, objects: 8 } as const;
const OBJECT = { size: 168, name: 0, functions: 8 } as const;
const FUNC = { size: 152, oldName: 0, newFunc: 8, position: 16 } as const;
const KPATCH_FUNC = { size: 56, newFunc: 0, position: 32, name: 40, object: 48 } as const;
const EXTERNAL_OBJECT = { size: 64, name: 0, functions: 8, count: 56 } as const;
const EXTERNAL_FUNC = { size: 24, oldName: 0, newFunc: 8, position: 16 } as const;

/** Entries of one array that are looked at: more than any patch has, few enough for a damaged file. */
const MOST = 65_536;

/** All patches that the file describes. */
export function readPatches(file: ElfFile, symbols: SymbolTable, absolute: number): Patch[] {
  return new TableReader(file, symbols, absolute).read();
}

/** Whether what was read as objects are such: the first has an entry with a name and a replacement. */
const areCredible = ([object]: readonly PatchedObject[]): boolean =>
  object?.functions.some((f) => f.oldName !== null && /^[\w.$]+$/.test(f.oldName) && f.replacement !== null) === true;

class TableReader {
  readonly #file: ElfFile;
  readonly #symbols: SymbolTable;
  readonly #absolute: number;
  readonly #pointers = new Map<number, Pointers>();
  #sizes: Map<string, number> | null = null;

  constructor(file: ElfFile, symbols: SymbolTable, absolute: number) {
    this.#file = file;
    this.#symbols = symbols;
    this.#absolute = absolute;
  }

  read(): Patch[] {
    const { sections } = this.#file;
    const found: Patch[] = [];
    for (let i = 1; i < sections.count; i++) {
      const name = sections.name(i);
      if (!sections.hasFlags(i, SHF_ALLOC) || !sections.hasBytes(i)) continue;
      if (name === ".kpatch.funcs") found.push(this.#readKpatch(i));
      else if (name === ".init.klp_objects" || name === "__klp_objects") found.push(this.#readExternal(i));
    }
    return [...found, ...this.#readStructs()];
  }

  #pointer(section: number, offset: number): Pointer | null {
    let pointers = this.#pointers.get(section);
    if (pointers === undefined) {
      pointers = new Pointers(this.#file, section, this.#absolute);
      this.#pointers.set(section, pointers);
    }
    return pointers.at(offset);
  }

  #place(pointer: Pointer | null): SectionPlace | null {
    if (pointer === null) return null;
    const section = this.#symbols.sectionOf(pointer.symbol);
    if (section === null) return null;
    const offset = this.#symbols.value(pointer.symbol) + pointer.addend;
    return offset < 0n || offset > BigInt(this.#file.sections.size(section))
      ? null
      : { section, offset: Number(offset) };
  }

  #string(pointer: Pointer | null): string | null {
    const place = this.#place(pointer);
    if (place === null) return null;
    const data = this.#file.sections.data(place.section);
    const end = place.offset < data.length ? data.indexOf(0, place.offset) : -1;
    return end < 0 ? null : Buffer.from(data.subarray(place.offset, end)).toString("latin1");
  }

  #replacement(pointer: Pointer | null): PatchedFunction["replacement"] {
    if (pointer === null) return null;
    return this.#place(pointer) ?? { undefined: pointer.symbol };
  }

  #u64(section: number, offset: number): number {
    const data = this.#file.sections.data(section);
    if (offset + 8 > data.length) return 0;
    return Number(viewOf(data).getBigUint64(offset, this.#file.littleEndian));
  }

  /** Patches that klp_enable_patch is called with: a pointer to the module itself, then one to the objects. */
  #readStructs(): Patch[] {
    const { relocations } = this.#file;
    // Nearly all modules have nothing of a livepatch, and no symbol with this: the other searches for one end here, too.
    if (!this.#symbols.names.holds("klp")) return [];
    if (!this.#calls("klp_enable_patch") && !this.#calls("klp_register_patch")) return [];
    const found: Patch[] = [];
    const withoutObjects: Patch[] = [];
    for (const table of relocations) {
      const section = table.target;
      if (!this.#isData(section) || this.#isAddresses(section)) continue;
      for (let row = 0; row < table.count; row++) {
        if (!this.#isThisModule(table.symbol(row)) || table.addend(row) !== 0n) continue;
        const at = { section, offset: table.offset(row) - PATCH.mod };
        const patch = this.#readPatch(at);
        if (patch !== null) found.push(patch);
        else if (this.#isBare(at)) withoutObjects.push({ kind: "klp_patch", at, objects: [], lacks: "objs" });
      }
    }
    // A patch that lacks a pointer is looked for only where there is no whole one: other structures look much the same.
    if (found.length > 0) return found;
    const withoutModule = this.#patchesWithoutModule();
    return withoutModule.length > 0 ? withoutModule : withoutObjects;
  }

  /** A loaded section that is not code. */
  #isData(section: number): boolean {
    const { sections } = this.#file;
    return sections.hasFlags(section, SHF_ALLOC) && !sections.hasFlags(section, SHF_EXECINSTR);
  }

  /** ppc64le's table of addresses: __this_module and one of data may stand there side by side, and are not a structure. */
  #isAddresses(section: number): boolean {
    return this.#file.sections.name(section) === ".toc";
  }

  /** The patch whose pointer to objects leads to data; null if it does not. */
  #readPatch(at: SectionPlace): Patch | null {
    const objects = this.#place(this.#pointer(at.section, at.offset + PATCH.objects));
    if (objects === null || !this.#isData(objects.section)) return null;
    const read = this.#readObjects(objects);
    const { sections } = this.#file;
    const isWritable = sections.hasFlags(at.section, SHF_WRITE) && sections.hasFlags(objects.section, SHF_WRITE);
    // Read-only data is not a place for a patch: it must look like one, to be taken for one that stands there by mistake.
    if (!isWritable && !areCredible(read.objects)) return null;
    return { kind: "klp_patch", at, objects: read.objects, array: objects, isOpen: read.isOpen };
  }

  /** Whether a variable as large as a patch stands there, with nothing in it but the pointer to the module. */
  #isBare(at: SectionPlace): boolean {
    const size = this.#sizeAt(at);
    if (size < PATCH.least) return false;
    const data = this.#file.sections.data(at.section).subarray(at.offset, at.offset + size);
    // `replace` and `states` may be set.
    return this.#isNull(at.section, at.offset + PATCH.objects) && data.subarray(32).every((byte) => byte === 0);
  }

  /** Whether a pointer is null: no relocation, and no bytes. */
  #isNull(section: number, offset: number): boolean {
    return this.#pointer(section, offset) === null && this.#u64(section, offset) === 0;
  }

  /** Patches whose pointer to the module is null: what they point to tells them. */
  #patchesWithoutModule(): Patch[] {
    const found: Patch[] = [];
    for (const table of this.#file.relocations) {
      const section = table.target;
      if (!this.#isData(section) || this.#isAddresses(section)) continue;
      for (let row = 0; row < table.count; row++) {
        const at = { section, offset: table.offset(row) - PATCH.objects };
        if (at.offset < 0 || this.#sizeAt(at) < PATCH.least || !this.#isNull(section, at.offset)) continue;
        const patch = this.#readPatch(at);
        if (patch !== null && areCredible(patch.objects)) found.push({ ...patch, lacks: "mod" });
      }
    }
    return found;
  }

  #calls(name: string): boolean {
    return this.#symbols.called(name).some((i) => this.#symbols.isUndefined(i));
  }

  #isThisModule(symbol: number): boolean {
    if (this.#symbols.nameIs(symbol, "__this_module")) return true;
    const section = this.#symbols.sectionOf(symbol);
    return section !== null && this.#file.sections.name(section) === ".gnu.linkonce.this_module";
  }

  /** Bytes of the variable that stands at a place; 0 if none begins there. */
  #sizeAt(place: SectionPlace): number {
    if (this.#sizes === null) {
      this.#sizes = new Map();
      for (let i = 1; i < this.#symbols.count; i++) {
        const section = this.#symbols.sectionOf(i);
        if (section !== null && this.#symbols.size(i) > 0) {
          this.#sizes.set(`${section}:${this.#symbols.offset(i)}`, this.#symbols.size(i));
        }
      }
    }
    return this.#sizes.get(`${place.section}:${place.offset}`) ?? 0;
  }

  /**
   * Bytes from one entry of an array to the next. Debugging options make kobject and with it the entries larger; an
   * array's own size then is not a multiple of the usual one.
   */
  #stride(place: SectionPlace, usual: number): number {
    const size = this.#sizeAt(place);
    if (size === 0 || size % usual === 0) return usual;
    for (let larger = usual + 8; larger <= usual * 3; larger += 8) {
      if (size % larger === 0 && this.#pointer(place.section, place.offset + larger) !== null) return larger;
    }
    return usual;
  }

  #readObjects(start: SectionPlace): { readonly objects: PatchedObject[]; readonly isOpen: boolean } {
    const { section } = start;
    const objects: PatchedObject[] = [];
    const stride = this.#stride(start, OBJECT.size);
    const end = this.#file.sections.size(section);
    for (let at = start.offset; objects.length < MOST; at += stride) {
      if (at + 16 > end) return { objects, isOpen: true };
      const namePointer = this.#pointer(section, at + OBJECT.name);
      const functions = this.#pointer(section, at + OBJECT.functions);
      if (namePointer === null && functions === null) break;
      const name = namePointer === null ? "vmlinux" : (this.#string(namePointer) ?? "");
      const target = this.#place(functions);
      const array = target !== null && this.#isData(target.section) ? target : null;
      const read = array === null ? { functions: [], isOpen: false } : this.#readFunctions(array, name);
      objects.push({
        at: { section, offset: at },
        name,
        isNamed: namePointer !== null,
        hasFunctions: functions !== null,
        array,
        ...read,
      });
    }
    return { objects, isOpen: false };
  }

  #readFunctions(
    start: SectionPlace,
    object: string,
  ): { readonly functions: PatchedFunction[]; readonly isOpen: boolean } {
    const { section } = start;
    const functions: PatchedFunction[] = [];
    const stride = this.#stride(start, FUNC.size);
    const end = this.#file.sections.size(section);
    for (let at = start.offset; functions.length < MOST; at += stride) {
      if (at + 24 > end) return { functions, isOpen: true };
      const oldName = this.#pointer(section, at + FUNC.oldName);
      const newFunc = this.#pointer(section, at + FUNC.newFunc);
      const position = this.#u64(section, at + FUNC.position);
      if (oldName === null && newFunc === null && position === 0) break;
      functions.push({
        at: { section, offset: at },
        object,
        oldName: this.#string(oldName),
        position,
        replacement: this.#replacement(newFunc),
      });
    }
    return { functions, isOpen: false };
  }

  #readKpatch(section: number): Patch {
    const objects = new Map<string, { at: SectionPlace; functions: PatchedFunction[] }>();
    const size = this.#file.sections.size(section);
    for (let at = 0, n = 0; at + KPATCH_FUNC.size <= size && n < MOST; at += KPATCH_FUNC.size, n++) {
      const object = this.#string(this.#pointer(section, at + KPATCH_FUNC.object)) ?? "vmlinux";
      let known = objects.get(object);
      if (known === undefined) {
        known = { at: { section, offset: at }, functions: [] };
        objects.set(object, known);
      }
      known.functions.push({
        at: { section, offset: at },
        object,
        oldName: this.#string(this.#pointer(section, at + KPATCH_FUNC.name)),
        position: this.#u64(section, at + KPATCH_FUNC.position),
        replacement: this.#replacement(this.#pointer(section, at + KPATCH_FUNC.newFunc)),
      });
    }
    return {
      kind: "kpatch",
      at: { section, offset: 0 },
      objects: [...objects].map(([name, { at, functions }]) => ({
        at,
        name,
        isNamed: false,
        hasFunctions: true,
        functions,
      })),
    };
  }

  #readExternal(section: number): Patch {
    const objects: PatchedObject[] = [];
    const size = this.#file.sections.size(section);
    for (let at = 0; at + EXTERNAL_OBJECT.size <= size && objects.length < MOST; at += EXTERNAL_OBJECT.size) {
      const namePointer = this.#pointer(section, at + EXTERNAL_OBJECT.name);
      const functions = this.#place(this.#pointer(section, at + EXTERNAL_OBJECT.functions));
      const data = this.#file.sections.data(section);
      const count = viewOf(data).getUint32(at + EXTERNAL_OBJECT.count, this.#file.littleEndian);
      if (namePointer === null && functions === null) continue;
      const name = namePointer === null ? "vmlinux" : (this.#string(namePointer) ?? "");
      const entries: PatchedFunction[] = [];
      for (let k = 0; functions !== null && k < Math.min(count, MOST); k++) {
        const offset = functions.offset + k * EXTERNAL_FUNC.size;
        if (offset + EXTERNAL_FUNC.size > this.#file.sections.size(functions.section)) break;
        entries.push({
          at: { section: functions.section, offset },
          object: name,
          oldName: this.#string(this.#pointer(functions.section, offset + EXTERNAL_FUNC.oldName)),
          position: this.#u64(functions.section, offset + EXTERNAL_FUNC.position),
          replacement: this.#replacement(this.#pointer(functions.section, offset + EXTERNAL_FUNC.newFunc)),
        });
      }
      objects.push({
        at: { section, offset: at },
        name,
        isNamed: namePointer !== null,
        // The module's init code makes an array of the kernel's own of them, be it empty.
        hasFunctions: functions !== null || count === 0,
        functions: entries,
      });
    }
    return { kind: "klp-build", at: { section, offset: 0 }, objects };
  }
}
