// What a reference of taken code names in the diff object: a copy, a shared part, or a symbol of the target.

import type { Problem } from "../../diag/catalogue.ts";
import { problem } from "../../diag/catalogue.ts";
import { SHF_TLS, STB_WEAK, STT_TLS } from "../../elf/consts.ts";
import type { NewSection, NewSymbol } from "../../elf/writer/newObject.ts";
import type { Reference } from "../canon/content.ts";
import { constantAt, describeTarget, stringAt, type Target, type TocSlot } from "../canon/targets.ts";
import type { Item, Unit } from "../canon/unit.ts";
import type { OwnedEntry, OwnedTables } from "../compare/ownedTables.ts";
import type { Diff } from "../diff.ts";
import type { Found, TargetObject } from "../take/refer.ts";
import type { Named, SharedParts } from "./sharedParts.ts";

/** Where in the input a reference stands, for messages. */
export interface From {
  readonly section: number;
  readonly offset: number;
  /** The taken item that it belongs to. */
  readonly item: Item;
  /** The entry of a table that it stands in; null: in the item itself. */
  readonly entry: OwnedEntry | null;
}

/** A copy in the new object. */
export interface Copy {
  readonly section: NewSection;
  /** Offset in the new section of its start. */
  readonly at: number;
}

/** The copy of an item. */
export interface ItemCopy extends Copy {
  readonly symbol: NewSymbol | null;
}

/**
 * Where a name leads that an object does not define, where another pair of objects of the same patch does: to a copy, which works
 * once the module `waitsFor` is there, or to a symbol of the target that was not visible to others before. Null: nowhere.
 */
export type Elsewhere = (
  name: string,
) =>
  | { readonly kind: "copy"; readonly symbol: NewSymbol; readonly waitsFor: string | null }
  | { readonly kind: "target"; readonly object: string; readonly name: string; readonly position: number | null }
  | null;

type Piece = NonNullable<OwnedEntry["piece"]>;

/** What was copied, and to where. */
export class Copies {
  readonly items = new Map<Item, ItemCopy>();
  readonly entries = new Map<OwnedEntry, Copy>();
  readonly #pieces = new Map<string, Copy>();

  /** The copy of the code of table entries; undefined where it is not taken. */
  ofPiece({ section, start }: Piece): Copy | undefined {
    return this.#pieces.get(`${section}+${start}`);
  }

  addPiece({ section, start }: Piece, copy: Copy): void {
    this.#pieces.set(`${section}+${start}`, copy);
  }
}

function waits(unit: Unit, { section, offset, item }: From, name: string, module: string): Problem {
  const at = { file: unit.path, section: unit.file.sections.name(section), offset };
  return problem("KLP722", at, { name, module, user: item.name });
}

const PER_THREAD = "a variable of each thread, which kernels do not have";

/** Finds names for targets; what has none is a problem. */
export class Resolver {
  readonly problems: Problem[] = [];
  /** Namespaces of the exports that were named. */
  readonly namespaces = new Set<string>();
  readonly #diff: Diff;
  readonly #unit: Unit;
  readonly #tables: OwnedTables;
  readonly #target: TargetObject;
  readonly #parts: SharedParts;
  readonly #copies: Copies;
  readonly #elsewhere: Elsewhere;

  constructor(diff: Diff, target: TargetObject, parts: SharedParts, copies: Copies, elsewhere: Elsewhere) {
    this.#elsewhere = elsewhere;
    this.#diff = diff;
    this.#unit = diff.patched.unit;
    this.#tables = diff.patched.tables;
    this.#target = target;
    this.#parts = parts;
    this.#copies = copies;
  }

  /** A name for a place in the new file; null after a problem was reported. */
  resolve(target: Target, bias: number, r: Reference, from: From): Named | null {
    switch (target.kind) {
      case "item":
        return this.#resolveItem(target, bias, r, from);
      case "undefined":
        return this.#unit.symbols.type(target.symbol) === STT_TLS
          ? this.refuse(from, target, PER_THREAD)
          : this.#resolveUndefined(target, r, from);
      case "string": {
        const bytes = stringAt(this.#unit, target.section, target.at);
        return {
          symbol: this.#parts.constant(this.#unit, target.section, bytes, true),
          addend: target.distance - bias,
        };
      }
      case "constant": {
        const { bytes, within } = constantAt(this.#unit, target.section, target.at);
        if (this.#unit.relocations.has(target.section))
          return this.refuse(from, target, "a constant that holds an address");
        return {
          symbol: this.#parts.constant(this.#unit, target.section, bytes, false),
          addend: target.distance + within - bias,
        };
      }
      case "toc": {
        const at = this.#slot(target.slot, r, from);
        return at === null ? null : { symbol: this.#parts.toc(this.#unit).symbol, addend: at + target.distance };
      }
      case "table": {
        const entry = this.#tables.entryAt(target.section, target.at);
        const placed = entry === null ? undefined : this.#copies.entries.get(entry);
        if (entry === null || placed === undefined)
          return this.refuse(from, target, "an entry of a table that is not taken");
        return { symbol: placed.section.symbol, addend: placed.at + target.at - entry.at - bias };
      }
      case "absolute": {
        if (target.value === 0n) return { symbol: null, addend: target.distance };
        return { symbol: this.#parts.absolute(target.value), addend: target.distance };
      }
      case "common":
        return this.refuse(from, target, "a common symbol: compile with -fno-common");
      case "elsewhere":
        return this.refuse(from, target, `a place in ${target.section}, which is not taken`);
      case "unknown":
        return this.refuse(from, target, target.why);
    }
  }

  /** What another pair of objects defines anew, or defines for others now; else a symbol of the target. */
  #resolveUndefined(
    { name, symbol, distance }: Target & { kind: "undefined" },
    r: Reference,
    from: From,
  ): Named | null {
    const elsewhere = this.#elsewhere(name);
    if (elsewhere?.kind === "copy") {
      if (elsewhere.waitsFor !== null) this.problems.push(waits(this.#unit, from, name, elsewhere.waitsFor));
      return { symbol: elsewhere.symbol, addend: distance };
    }
    const found = elsewhere === null ? this.#target.foreign(name) : this.#target.of(elsewhere);
    const weak = this.#unit.symbols.bind(symbol) === STB_WEAK ? name : null;
    if (!r.isBranch) this.#checkSealed(found, from);
    return this.#outsideOr(found, distance, from, weak);
  }

  #resolveItem(target: Target & { kind: "item" }, bias: number, r: Reference, from: From): Named | null {
    const { item, distance } = target;
    const unit = this.#unit;
    if (unit.kinds[item.section] === "pieces") return this.#resolvePiece(target, bias, from);
    if (unit.file.sections.hasFlags(item.section, SHF_TLS)) return this.refuse(from, target, PER_THREAD);
    const twin = this.#diff.correlation.back.get(item) ?? null;
    const placed = this.#copies.items.get(item);
    const isPointer = item.kind === "function" && twin !== null && distance === 0 && !r.isBranch && from.entry === null;
    if (placed !== undefined && !isPointer) {
      if (placed.symbol !== null) return { symbol: placed.symbol, addend: distance - bias };
      return { symbol: placed.section.symbol, addend: placed.at + item.entry - item.start + distance - bias };
    }
    if (isPointer && twin !== null) this.#checkLanding(twin, from);
    if (item.isInit) return this.refuse(from, target, "init code or data, which is gone from a running kernel");
    if (twin === null) return this.refuse(from, target, "something that is not taken");
    if (item.kind === "function" && distance !== 0)
      return this.refuse(from, target, "the middle of a function whose layout is that of another build");
    const found = this.#target.own(this.#diff.orig.unit, twin);
    if (item.kind === "function" && !r.isBranch) this.#checkSealed(found, from);
    return this.#outsideOr(found, distance - bias, from, null);
  }

  /** An address of the original is called in the kernel, where indirect calls may have to arrive at an instruction for that. */
  #checkLanding(twin: Item, from: From): void {
    const { orig } = this.#diff;
    const why = orig.tables.of(twin).some((e) => e.table.section === ".ibt_endbr_seal")
      ? "it is sealed, because nothing took its address"
      : landsNowhere(orig.unit, twin)
        ? "it does not begin with the instruction at which indirect calls may arrive"
        : null;
    if (why !== null) this.#landless(twin.name, why, from);
  }

  /** Nothing in vmlinux, or in its module, took the address of a sealed function; the first that does is the livepatch. */
  #checkSealed(found: Found, from: From): void {
    if (!found.ok || from.entry !== null) return;
    const { klp, name: plain } = found.symbol;
    const { name, position, owner } = klp ?? { name: plain, position: 0, owner: "vmlinux" };
    if (this.#target.kernel.isSealed(name, position, owner) !== true) return;
    const when = owner === "vmlinux" ? "it starts" : `it loads ${owner}`;
    this.#landless(name, `the kernel seals it when ${when}, because nothing takes its address`, from);
  }

  #landless(name: string, why: string, from: From): void {
    const at = { file: this.#unit.path, section: this.#unit.file.sections.name(from.section), offset: from.offset };
    if (this.problems.some((p) => p.code === "KLP733" && p.data.name === name && p.data.by === from.item.name)) return;
    this.problems.push(problem("KLP733", at, { name, by: from.item.name, why }));
  }

  /** Code of table entries: a place in the copy; what no module runs leads to the function itself. */
  #resolvePiece(target: Target & { kind: "item" }, bias: number, from: From): Named | null {
    const at = target.item.entry + target.distance;
    const found = this.#tables.pieceAt(target.item.section, at);
    const placed = found === null ? undefined : this.#copies.ofPiece(found.piece);
    if (found !== null && placed !== undefined) {
      return { symbol: placed.section.symbol, addend: placed.at + at - found.piece.start - bias };
    }
    const entry = from.entry;
    const isMeaningless = entry !== null && entry.piece === null && entry.table.piece !== undefined;
    const owner = this.#copies.items.get(from.item);
    if ((isMeaningless || this.#unit.sectionName(target.item) === ".altinstr_aux") && owner?.symbol != null) {
      return { symbol: owner.symbol, addend: -bias };
    }
    if (entry?.piece != null && entry.piece.section === target.item.section && at === entry.piece.end) {
      const own = this.#copies.ofPiece(entry.piece);
      if (own !== undefined) return { symbol: own.section.symbol, addend: own.at + at - entry.piece.start - bias };
    }
    return this.refuse(from, target, "code of a table that no entry of it names");
  }

  #outsideOr(found: Found, addend: number, from: From, weak: string | null): Named | null {
    const unit = this.#unit;
    const at = { file: unit.path, section: unit.file.sections.name(from.section), offset: from.offset };
    if (!found.ok) {
      // A weak symbol that nothing defines is zero, there as here.
      if (weak !== null && found.why === "missing")
        return { symbol: this.#parts.outside({ name: weak, isWeak: true, klp: null }), addend };
      const { name, object, count } = found;
      this.problems.push(
        found.why === "missing"
          ? problem("KLP709", at, { name, object })
          : problem("KLP708", at, { name, object, count, inModules: found.why === "many" }),
      );
      return null;
    }
    const { symbol } = found;
    const { klp } = symbol;
    if (klp !== null && klp.gate !== "vmlinux" && from.entry !== null) {
      const { section } = from.entry.table;
      this.problems.push(
        problem("KLP713", at, { section, name: klp.name, object: klp.gate, function: from.item.name }),
      );
      return null;
    }
    if (klp === null) {
      const namespace = this.#target.namespaceOf(symbol.name);
      if (namespace !== null && namespace !== "") this.namespaces.add(namespace);
    }
    return { symbol: this.#parts.outside(symbol), addend };
  }

  /** The offset of a TOC entry in the new file; null after a problem was reported. */
  #slot(slot: TocSlot, r: Reference, from: From): number | null {
    if (slot.target === null) return this.#parts.slot(this.#unit, slot, null);
    const address = this.resolve(slot.target, 0, { ...r, isBranch: false }, from);
    if (address === null) return null;
    if (!Number.isSafeInteger(address.addend)) return this.tooFar(from, slot.target);
    return this.#parts.slot(this.#unit, slot, address);
  }

  tooFar(from: From, target: Target): null {
    return this.refuse(from, target, "a place farther away than any module has");
  }

  /** Reports that a reference cannot be kept. */
  refuse(from: From, target: Target, why: string): null {
    const unit = this.#unit;
    const at = { file: unit.path, section: unit.file.sections.name(from.section), offset: from.offset };
    this.problems.push(problem("KLP711", at, { name: from.item.name, target: describeTarget(target, unit), why }));
    return null;
  }
}

/** Whether a function lacks what others of its object begin with because they are called indirectly. */
function landsNowhere(unit: Unit, item: Item): boolean {
  const { landingPads } = unit.arch.code;
  const beginsWith = (i: Item, pads: readonly Uint8Array[]): boolean => {
    const data = unit.file.sections.data(i.section);
    return pads.some((pad) => Buffer.compare(data.subarray(i.entry, i.entry + pad.length), pad) === 0);
  };
  // The first is for nothing else: where some function has it, the object was built for that.
  const isBuiltForIt = unit.items.some((i) => i.kind === "function" && beginsWith(i, landingPads.slice(0, 1)));
  return isBuiltForIt && !beginsWith(item, landingPads);
}
