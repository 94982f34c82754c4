// Where taken code's references out of it go: which symbols of the target they name, and as what.

import { STB_GLOBAL } from "../../elf/consts.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { KLP_CONVERT_SYMBOL_PREFIX } from "../../klp/producers/producer.ts";
import type { Item, Unit } from "../canon/unit.ts";
import { Namesakes, type Told } from "./namesakes.ts";

/** A symbol that the livepatch core resolves. */
export interface KlpTarget {
  /** The object whose loading the relocations wait for. */
  readonly gate: string;
  /** The object that has it. */
  readonly owner: string;
  readonly name: string;
  /** Among the symbols of its name, from 1; 0: it is the only one. */
  readonly position: number;
  /** st_info as the original object has it. */
  readonly info: number;
}

/** An undefined symbol of the diff object. */
export interface OutsideSymbol {
  readonly name: string;
  /** Nothing need define it before the module is loaded: the livepatch core resolves it, or it stays zero. */
  readonly isWeak: boolean;
  /** Null: the module loader resolves it. */
  readonly klp: KlpTarget | null;
}

export type Found =
  | { readonly ok: true; readonly symbol: OutsideSymbol }
  | {
      readonly ok: false;
      readonly why: "missing" | "ambiguous" | "many";
      readonly name: string;
      readonly object: string;
      readonly count: number;
    };

/**
 * Names that compilers and the build put into code and that every module has, or gets from the loader: profiling calls, thunks,
 * the stack protector, register save routines, the TOC.
 */
const ALWAYS_PLAIN =
  /^(?:\.TOC\.|_GLOBAL_OFFSET_TABLE_|__fentry__|_mcount|__stack_chk_fail|__stack_chk_guard|__x86_(?:indirect|return)_thunk\w*|_(?:save|rest)[gfv]p?r\w*|klplink_patch)$/;

/** The target: a kernel, and the object of it that the code belongs to. */
export class TargetObject {
  readonly kernel: Kernel;
  /** `vmlinux`, or a module's name. */
  readonly object: string;
  readonly #positions: ReadonlyMap<string, number>;
  readonly #namesakesOf = new Map<Unit, Namesakes | null>();
  /** Positions that were found out, by name. */
  readonly told = new Map<string, Told>();

  readonly #isPartial: boolean;

  /**
   * @param positions positions that were stated, by `NAME` or `OBJECT:NAME`
   * @param isPartial what is in no kernel may be defined by another object of the patch, which is linked later
   */
  constructor(kernel: Kernel, object: string, positions: ReadonlyMap<string, number>, isPartial = false) {
    this.kernel = kernel;
    this.object = object;
    this.#positions = positions;
    this.#isPartial = isPartial;
  }

  get isVmlinux(): boolean {
    return this.object === "vmlinux";
  }

  /** A symbol that is defined in the original object, so in the object of the target. */
  own(unit: Unit, item: Item): Found {
    const exported = [item.symbol, ...item.aliases]
      .map((s) => unit.symbols.name(s))
      .find((n) => this.isVmlinux && this.#isPlainExport(n));
    if (exported !== undefined) return plain(exported);
    const info = unit.symbols.info(item.symbol);
    return this.klp(this.object, item.name, this.object, this.positionOf(unit, item), info);
  }

  /** The position of a symbol that the original object defines; null where it is not known. */
  positionOf(unit: Unit, item: Item): number | null {
    const plain = this.position(this.object, item.name);
    if (plain !== null || this.#namesakes(this.object, item.name) === 0) return plain;
    let known = this.#namesakesOf.get(unit);
    if (known === undefined) {
      const placed = this.kernel.placedSymbols(this.object);
      known = placed === null ? null : new Namesakes(placed, unit, this.isVmlinux ? this.kernel.linkedIds() : null);
      this.#namesakesOf.set(unit, known);
    }
    const told = known?.positionOf(item, item.name) ?? null;
    if (told !== null) this.told.set(item.name, told);
    return told?.position ?? null;
  }

  /** Of several symbols of a name that the original only uses, the one that is global: others cannot be used by it. */
  #globalOf(object: string, name: string): number | null {
    const all = this.kernel.placedSymbols(object)?.find(name) ?? [];
    const globals = all.filter((s) => s.isGlobal);
    const [only] = globals;
    if (only === undefined || globals.length > 1) return null;
    const position = all.indexOf(only) + 1;
    this.told.set(name, { position, how: "binding" });
    return position;
  }

  /** A symbol that the original object does not define. */
  foreign(name: string): Found {
    if (ALWAYS_PLAIN.test(name)) return plain(name);
    if (name === "__this_module" && !this.isVmlinux) return this.#klpName(this.object, this.object, name, 0, FOREIGN);
    if (this.#isPlainExport(name)) return plain(name);
    if (!this.isVmlinux && this.#namesakes(this.object, name) > 0) return this.klp(this.object, name);
    if (this.kernel.find(name).length > 0) return this.klp("vmlinux", name, "vmlinux");
    const owners = this.kernel.modulesWith(name);
    const exporters = owners.filter((o) => o.exported);
    const [owner, more] = exporters.length > 0 ? exporters : owners;
    if (owner === undefined && this.#isPartial) return plain(name);
    if (owner === undefined) return { ok: false, why: "missing", name, object: this.object, count: 0 };
    if (more !== undefined) return { ok: false, why: "many", name, object: this.object, count: owners.length };
    return this.klp(owner.module, name, this.isVmlinux ? owner.module : this.object);
  }

  /** A symbol of an object that is known; it is there when both that one and this one are. */
  of({ object, name, position }: { object: string; name: string; position: number | null }): Found {
    return this.klp(object, name, this.isVmlinux || object === "vmlinux" ? object : this.object, position);
  }

  /** Exported to all modules; an export for named modules is none for a livepatch. */
  #isPlainExport(name: string): boolean {
    if (!this.kernel.exports(name)) return false;
    return this.kernel.exportOf(name)?.namespace?.startsWith("module:") !== true;
  }

  /** The namespace of an export that is used; null if it has none. */
  namespaceOf(name: string): string | null {
    const found = this.kernel.exportOf(name);
    return found?.owner === "vmlinux" ? (found.namespace ?? null) : null;
  }

  #namesakes(object: string, name: string): number {
    if (object === "vmlinux") return this.kernel.find(name).length;
    return this.kernel.modules.get(object)?.find(name).length ?? this.kernel.findIn(object, name).length;
  }

  /** The position of a symbol in an object: 0 where its name is the only one. */
  position(object: string, name: string): number | null {
    const stated = this.#positions.get(`${object}:${name}`) ?? this.#positions.get(name);
    const count = this.#namesakes(object, name);
    if (stated !== undefined && stated >= 1 && stated <= count) return count === 1 ? 0 : stated;
    return count === 1 ? 0 : null;
  }

  /** @param known its position, where that was looked for otherwise than by its name; null: in vain */
  klp(object: string, name: string, gate = object, known?: number | null, info = FOREIGN): Found {
    const position = known !== undefined ? known : (this.position(object, name) ?? this.#globalOf(object, name));
    const count = this.#namesakes(object, name);
    if (position !== null) return this.#klpName(gate, object, name, position, info);
    return { ok: false, why: count === 0 ? "missing" : "ambiguous", name, object, count };
  }

  #klpName(gate: string, owner: string, name: string, position: number, info: number): Found {
    const symbol = `${KLP_CONVERT_SYMBOL_PREFIX}${gate}.${owner}.${name},${position}`;
    return { ok: true, symbol: { name: symbol, isWeak: true, klp: { gate, owner, name, position, info } } };
  }
}

/** st_info of a symbol that the original object only uses: global, of no type. */
const FOREIGN = STB_GLOBAL << 4;

const plain = (name: string): Found => ({ ok: true, symbol: { name, isWeak: false, klp: null } });
