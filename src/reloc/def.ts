import type { HasFact, VersionFact } from "../kernel/versionFacts.ts";
import { type Field, NOTHING } from "./field.ts";
import type { Stand } from "./stand.ts";

/**
 * Which value goes into the field, in the letters of the ABIs: S the symbol's value, A the addend, P the address of
 * the place, TOC the module's TOC base, page(x) x with its low 12 bits cleared.
 */
export type ValueExpr = "none" | "S+A" | "S+A-P" | "S+A-TOC" | "TOC" | "page(S+A)-page(P)";

/** Which values the loader accepts; `bits` is the width that the value must fit in. */
export type Overflow = { readonly check: "none" } | { readonly check: "signed" | "unsigned"; readonly bits: number };

/** What a relocation needs that no field can say; the loader of its architecture has the code. */
export type HookName = "branch" | "entry" | "adrp" | "far data" | "got entry";

/** How a kernel is built: the loader does not know the type without it. */
export type Feature = "toc" | "pcrel";
export const NO_FEATURES: ReadonlySet<Feature> = new Set();

/** What went wrong at one relocation, with everything that a kernel message mentions. */
export interface Fault {
  readonly kind: "overflow" | "misaligned" | "nonzero";
  readonly module: string;
  readonly type: number;
  /** The value that should go into the field. */
  readonly value: bigint;
  /** S+A, unsigned. */
  readonly target: bigint;
  /** Address of the place, unsigned. */
  readonly place: bigint;
  /** Index of the relocation section, and of the entry in it, as the loader counts. */
  readonly section: number;
  readonly row: number;
  /** Whether the kernel is at least major.minor; the newest form if the version is not known. */
  readonly has: HasFact;
}

/** A relocation type that the kernel's module loader accepts. */
export interface RelocDef {
  readonly type: number;
  /** Exactly the ABI's name. */
  readonly name: string;
  /** Bytes from r_offset that the loader reads or writes; 0: none. */
  readonly bytes: 0 | 2 | 4 | 8;
  /** Which value. */
  readonly value: ValueExpr;
  /** Which bits. */
  readonly field: Field;
  /** What the kernel checks; written down also where it checks nothing. */
  readonly overflow: Overflow;
  /** The value must be a multiple of this, or the kernel refuses it; 1: not checked. */
  readonly align: 1 | 4;
  /** What the field can hold, where the kernel cuts a larger value off without a word. */
  readonly holds?: Overflow;
  readonly hook?: HookName;
  /** What it may stand at in code; absent: anything. The loader does not look. */
  readonly stand?: Stand;
  /** The field reaches the module's own sections only: modules lie too far from the kernel for any other symbol. */
  readonly reach?: "module";
  readonly feature?: Feature;
  /** The loader knows the type only since then; absent: in all kernels from 4.15 on. */
  readonly since?: VersionFact;
  /** What the kernel prints for a fault: one or more lines, as dmesg shows them. */
  readonly message: (fault: Fault) => string;
}

/** The rows of an architecture by their types. Each rule asks for each relocation: types are small numbers, which a list finds at once. */
class RelocDefs {
  readonly #byType: (RelocDef | undefined)[] = [];

  constructor(rows: readonly RelocDef[]) {
    for (const row of rows) {
      while (this.#byType.length <= row.type) this.#byType.push(undefined);
      this.#byType[row.type] = row;
    }
  }

  get(type: number): RelocDef | undefined {
    return type < this.#byType.length ? this.#byType[type] : undefined;
  }
  values(): RelocDef[] {
    return this.#byType.filter((row) => row !== undefined);
  }
}

/** What a pass needs to know of one architecture's relocations. */
export interface RelocTable {
  readonly defs: RelocDefs;
  readonly otherNames: ReadonlyMap<number, string>;
}

export const signed = (bits: number): Overflow => ({ check: "signed", bits });
export const unsigned = (bits: number): Overflow => ({ check: "unsigned", bits });
export const UNCHECKED: Overflow = { check: "none" };

/** Columns of a type that the loader accepts and does nothing for. */
export const IGNORED = {
  bytes: 0,
  value: "none",
  field: NOTHING,
  overflow: UNCHECKED,
  align: 1,
  message: () => "",
} as const;

/** The build that a kernel lacks for a type that its loader would know otherwise; null if it has it, or needs none. */
export function otherBuild(def: RelocDef | undefined, features: ReadonlySet<Feature>): Feature | null {
  return def?.feature === undefined || features.has(def.feature) ? null : def.feature;
}

/** Indexes rows by type. */
export function relocTable(rows: readonly RelocDef[], otherNames: ReadonlyMap<number, string>): RelocTable {
  return { defs: new RelocDefs(rows), otherNames };
}

/**
 * Whether a loader knows the type of a row, by its version.
 * @returns null if it does, otherwise what older loaders lack
 */
export function unknownBefore(def: RelocDef, has: HasFact): VersionFact | null {
  return def.since === undefined || has(def.since) ? null : def.since;
}

/** The ABI's name of a type, or `type N`. */
export function relocName(table: RelocTable, type: number): string {
  return table.defs.get(type)?.name ?? table.otherNames.get(type) ?? `type ${type}`;
}
