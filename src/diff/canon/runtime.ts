// Constants that the kernel writes into its own code when it starts, and into no module's (include/asm/runtime-const.h, 6.11 on).

import type { LoadedConstant } from "../../arch/code/code.ts";
import type { Relocation } from "./relocations.ts";
import { runtimeSection } from "./sections.ts";
import { type Target, targetOf } from "./targets.ts";
import type { Unit } from "./unit.ts";

/** Code that holds such a constant. */
interface Place {
  /** Offset in the section of what {@link load} takes the place of; without one, of the code that the constant is in. Bytes. */
  readonly at: number;
  /** The variable that the kernel takes the constant from. */
  readonly name: string;
  /** Code without a constant that does the same; null: there is none. */
  readonly load: LoadedConstant | null;
}

/** What code that was put in the place of a constant refers to. */
export interface Loaded {
  /** Offset of the field in the code that was given. Bytes. */
  readonly at: number;
  /** Relocation type; null: there is no other code for the constant, which stands where it stood. */
  readonly type: number | null;
  readonly target: Target;
  readonly relocation: Relocation | null;
  /** Bytes from the field to what the CPU counts from. */
  readonly bias: number;
}

/** Bytes of an entry: the distance from it to the place. */
const ENTRY = 4;

const known = new WeakMap<Unit, RuntimeConstants>();

/** The constants of an object. */
export function runtimeConstants(unit: Unit): RuntimeConstants {
  const found = known.get(unit) ?? new RuntimeConstants(unit);
  known.set(unit, found);
  return found;
}

class RuntimeConstants {
  readonly #unit: Unit;
  readonly #bySection = new Map<number, Place[]>();
  readonly #symbols = new Map<string, number>();

  constructor(unit: Unit) {
    this.#unit = unit;
    const { sections } = unit.file;
    for (let table = 1; table < sections.count; table++) {
      const listed = runtimeSection(sections.name(table));
      if (listed !== null) this.#read(unit, table, listed.isPointer, listed.variable);
    }
    for (const list of this.#bySection.values()) list.sort((a, b) => a.at - b.at);
    if (this.#bySection.size === 0) return;
    for (let i = 1; i < unit.symbols.count; i++) this.#symbols.set(unit.symbols.name(i), i);
  }

  #read(unit: Unit, table: number, isPointer: boolean, name: string): void {
    const { symbols, file, arch } = unit;
    for (const r of unit.relocations.range(table, 0, file.sections.size(table))) {
      const section = r.offset % ENTRY === 0 ? symbols.sectionOf(r.symbol) : null;
      if (section === null) continue;
      const place = symbols.offset(r.symbol) + r.addend;
      if (!Number.isSafeInteger(place)) continue;
      const load = isPointer ? (arch.code.runtimePointer?.(file.sections.data(section), place) ?? null) : null;
      const list = this.#bySection.get(section) ?? [];
      list.push({ at: load?.start ?? place, name, load });
      this.#bySection.set(section, list);
    }
  }

  /** Whether there are any in the code of a section. */
  isIn(section: number): boolean {
    return this.#bySection.has(section);
  }

  /**
   * Puts loads in the place of constants.
   * @param code the bytes of a section from `start` on, which are changed
   * @returns what the new code refers to, and the constants that there is no other code for
   */
  replace(section: number, start: number, code: Uint8Array): Loaded[] {
    const unit = this.#unit;
    const found: Loaded[] = [];
    const list = this.#bySection.get(section) ?? [];
    for (let i = firstFrom(list, start); i < list.length; i++) {
      const { at, name, load } = list[i] as Place;
      if (at + (load?.code.length ?? 1) > start + code.length) break;
      if (load === null) {
        const target: Target = { kind: "undefined", symbol: 0, name, distance: 0 };
        found.push({ at: at - start, type: null, target, relocation: null, bias: 0 });
        continue;
      }
      code.set(load.code, at - start);
      for (const { at: field, type, addend } of load.fields) {
        const symbol = this.#symbols.get(name) ?? 0;
        const relocation = { offset: at + field, type, symbol, addend };
        const target: Target =
          symbol === 0 ? { kind: "undefined", symbol, name, distance: addend } : targetOf(unit, relocation, -addend);
        found.push({ at: at - start + field, type, target, relocation, bias: -addend });
      }
    }
    return found;
  }
}

/** The index of the first place at `start` or behind it. */
function firstFrom(list: readonly Place[], start: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.at ?? 0) < start) low = middle + 1;
    else high = middle;
  }
  return low;
}
