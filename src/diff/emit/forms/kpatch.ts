// kpatch's form: relocations that the livepatch core resolves leave their places and stand in tables, from which `create-klp-module`
// makes livepatch relocations once the module is linked. Layouts: kpatch-build/kpatch-intermediate.h and kmod/patch/kpatch-patch.h, 0.9.11.

import { fromLatin1, OrderedView } from "../../../base/bytes.ts";
import { SHF_ALLOC, SHF_WRITE, SHT_PROGBITS } from "../../../elf/consts.ts";
import type { NewObject, NewSection, NewSymbol } from "../../../elf/writer/newObject.ts";
import { CALLBACKS } from "../../canon/annotations.ts";
import type { KlpTarget } from "../../take/refer.ts";
import type { ReplacedObject, TableForm } from "../patchTables.ts";
import { type KlpReference, klpReferences } from "./form.ts";

/** Fields of struct kpatch_patch_func, kpatch_symbol, kpatch_relocation, kpatch_arch, and of the callbacks. Bytes. */
const FUNC = { size: 56, new: 0, newSize: 8, old: 16, oldSize: 24, position: 32, name: 40, object: 48 } as const;
const SYMBOL = { size: 40, address: 0, position: 8, bind: 16, type: 17, name: 24, object: 32 } as const;
const RELOCATION = { size: 40, place: 0, type: 8, external: 12, addend: 16, object: 24, symbol: 32 } as const;
const ARCH = { size: 16, section: 0, object: 8 } as const;
const CALLBACK = { size: 16, function: 0, object: 8 } as const;
const ALLOC = BigInt(SHF_ALLOC);

/** What the tables tell beside the references: kpatch's own core used it, livepatch does not. */
interface KpatchFacts {
  /** Address of a symbol of vmlinux; 0: not known. */
  readonly addressOf: (target: Pick<KlpTarget, "owner" | "name" | "position">) => bigint;
  /** Whether a module exports a name. */
  readonly isExported: (name: string) => boolean;
  /** `.kpatch.arch` is asked for: kernels before 5.8 take tables of patched modules from sections that it leads to. */
  readonly hasArch: boolean;
  /** Tables that those kernels read late. */
  readonly lateTables: readonly string[];
}

/** Gives a new object kpatch's form. @param targets livepatch symbols that its relocations name */
export function toKpatch(
  out: NewObject,
  targets: ReadonlyMap<NewSymbol, KlpTarget>,
  objects: readonly ReplacedObject[],
  form: TableForm,
  facts: KpatchFacts,
): void {
  const references = klpReferences(out, targets);
  const tables = new KpatchTables(out, form, facts);
  for (const object of objects) tables.addObject(object);
  tables.addReferences(references);
  if (facts.hasArch) tables.addArch(objects[0]?.name ?? "vmlinux");
  const moved = new Set(references.map((r) => r.relocation));
  for (const section of new Set(references.map((r) => r.section)))
    section.changeRelocations((r) => (moved.has(r) ? null : r));
  out.dropSymbols(targets);
}

type Numbers<N> = readonly (readonly [number, N])[];

class KpatchTables {
  readonly #out: NewObject;
  readonly #form: TableForm;
  readonly #facts: KpatchFacts;
  readonly #strings: NewSection;
  readonly #funcs: NewSection;
  readonly #places = new Map<string, number>();

  constructor(out: NewObject, form: TableForm, facts: KpatchFacts) {
    this.#out = out;
    this.#form = form;
    this.#facts = facts;
    this.#strings = this.#section(".kpatch.strings", 1);
    this.#funcs = this.#section(".kpatch.funcs", FUNC.size);
  }

  #section(name: string, entsize: number, flags = ALLOC): NewSection {
    const section = this.#out.section({ name, type: SHT_PROGBITS, flags, entsize });
    // An empty one has its alignment, too: what is linked behind it is read as an array.
    section.append(new Uint8Array(0), entsize === 1 ? 1 : 8);
    return section;
  }

  #point(section: NewSection, offset: number, symbol: NewSymbol | null, addend = 0): void {
    section.relocations.push({ offset, type: this.#form.absolute, symbol, addend: BigInt(addend) });
  }

  #text(section: NewSection, offset: number, text: string): void {
    const known = this.#places.get(text) ?? this.#strings.append(fromLatin1(`${text}\0`), 1);
    this.#places.set(text, known);
    this.#point(section, offset, this.#strings.symbol, known);
  }

  /** @param longs 64-bit numbers, by their offset @param words 32-bit ones @returns the place of the entry */
  #entry(section: NewSection, size: number, longs: Numbers<bigint> = [], words: Numbers<number> = []): number {
    const bytes = new Uint8Array(size);
    const view = new OrderedView(bytes, this.#form.littleEndian);
    for (const [at, value] of longs) view.setBigUint64(at, BigInt.asUintN(64, value));
    for (const [at, value] of words) view.setUint32(at, value);
    return section.append(bytes, 8);
  }

  addObject({ name: object, functions, callbacks }: ReplacedObject): void {
    for (const { symbol, name, position, oldSize } of functions) {
      const at = this.#entry(this.#funcs, FUNC.size, [
        [FUNC.newSize, BigInt(symbol?.size ?? 0)],
        [FUNC.old, this.#facts.addressOf({ owner: object, name, position })],
        [FUNC.oldSize, BigInt(oldSize)],
        [FUNC.position, BigInt(position)],
      ]);
      this.#point(this.#funcs, at + FUNC.new, symbol);
      this.#text(this.#funcs, at + FUNC.name, name);
      this.#text(this.#funcs, at + FUNC.object, object);
    }
    for (const kind of CALLBACKS) {
      const symbol = callbacks.get(kind) ?? null;
      if (symbol === null) continue;
      const section = this.#section(`.kpatch.callbacks.${kind}`, 0, BigInt(SHF_ALLOC | SHF_WRITE));
      const at = this.#entry(section, CALLBACK.size);
      this.#point(section, at + CALLBACK.function, symbol);
      this.#text(section, at + CALLBACK.object, object);
    }
  }

  /** A symbol for each reference: create-klp-module asks for as many. */
  addReferences(references: readonly KlpReference[]): void {
    const relocations = this.#section(".kpatch.relocations", RELOCATION.size);
    const symbols = this.#section(".kpatch.symbols", SYMBOL.size);
    for (const { section, relocation, target } of references) {
      const { gate, owner, name } = target;
      const symbol = this.#symbol(symbols, target);
      this.#text(symbols, symbol + SYMBOL.name, name);
      this.#text(symbols, symbol + SYMBOL.object, owner);
      const isExternal = gate !== "vmlinux" && this.#facts.isExported(name);
      const at = this.#entry(
        relocations,
        RELOCATION.size,
        [[RELOCATION.addend, relocation.addend]],
        [
          [RELOCATION.type, relocation.type],
          [RELOCATION.external, isExternal ? 1 : 0],
        ],
      );
      this.#point(relocations, at + RELOCATION.place, section.symbol, relocation.offset);
      this.#text(relocations, at + RELOCATION.object, gate);
      this.#point(relocations, at + RELOCATION.symbol, symbols.symbol, symbol);
    }
  }

  #symbol(symbols: NewSection, target: KlpTarget): number {
    const bytes = new Uint8Array(SYMBOL.size);
    const view = new OrderedView(bytes, this.#form.littleEndian);
    view.setBigUint64(SYMBOL.address, this.#facts.addressOf(target));
    view.setBigUint64(SYMBOL.position, BigInt(target.position));
    bytes[SYMBOL.bind] = target.info >> 4;
    bytes[SYMBOL.type] = target.info & 0xf;
    return symbols.append(bytes, 8);
  }

  addArch(object: string): void {
    const found = this.#out.sections.filter((s) => this.#facts.lateTables.includes(s.form.name) && s.size > 0);
    const arch = this.#section(".kpatch.arch", ARCH.size);
    for (const section of found) {
      const at = this.#entry(arch, ARCH.size);
      this.#point(arch, at + ARCH.section, section.symbol);
      this.#text(arch, at + ARCH.object, object);
    }
  }
}
