// What the source of a patch says to klplink (glue/klplink.h), to kpatch, and to 7.2's klp-build.

import type { Problem } from "../../diag/catalogue.ts";
import { problem } from "../../diag/catalogue.ts";
import { targetOf } from "./targets.ts";
import type { Item, Unit } from "./unit.ts";

/** In the order of the pointers in struct klp_object_ext. */
export const CALLBACKS = ["pre_patch", "post_patch", "pre_unpatch", "post_unpatch"] as const;
export type CallbackKind = (typeof CALLBACKS)[number];

export interface Annotations {
  /** Names of variables of the original and of the patched object that belong together. */
  readonly pairs: readonly (readonly [string, string])[];
  /** What counts as unchanged. */
  readonly ignored: {
    readonly functions: ReadonlySet<string>;
    readonly data: ReadonlySet<string>;
    readonly sections: ReadonlySet<string>;
  };
  readonly callbacks: ReadonlyMap<CallbackKind, Item>;
  /** Entries of 16 bytes: {u64 id, u32 version, u32 0}. */
  readonly states: Uint8Array;
  readonly problems: readonly Problem[];
}

/** Reads the annotations of a patched object. */
export function readAnnotations(unit: Unit): Annotations {
  const reader = new Reader(unit);
  const { sections } = unit.file;
  for (let section = 1; section < sections.count; section++) reader.read(section, sections.name(section));
  return reader;
}

class Reader implements Annotations {
  readonly pairs: (readonly [string, string])[] = [];
  readonly ignored = { functions: new Set<string>(), data: new Set<string>(), sections: new Set<string>() };
  readonly callbacks = new Map<CallbackKind, Item>();
  states: Uint8Array = new Uint8Array(0);
  readonly problems: Problem[] = [];
  readonly #unit: Unit;

  constructor(unit: Unit) {
    this.#unit = unit;
  }

  read(section: number, name: string): void {
    const callback = CALLBACKS.find((kind) => name === `.kpatch.callbacks.${kind}`);
    if (callback !== undefined) for (const item of this.#pointers(section, 16)) this.#callback(section, callback, item);
    else if (name === ".discard.klp_callback_ptrs") this.#klpCallbacks(section);
    else if (name === ".discard.klplink.pairs") for (const text of this.#texts(section)) this.#pair(section, text);
    else if (name === ".discard.klplink.ignore") for (const text of this.#texts(section)) this.#ignore(section, text);
    else if (name === ".discard.klplink.states") this.states = this.#unit.file.sections.data(section).slice();
    else if (name === ".kpatch.ignore.functions") {
      for (const item of this.#pointers(section, 8)) if (item !== null) this.ignored.functions.add(item.name);
    } else if (name === ".kpatch.ignore.sections") this.#ignoreSections(section);
    else if (
      /^(?:\.kpatch\.(?!strings)|\.discard\.klplink\.|\.klplink\.)/.test(name) &&
      this.#unit.file.sections.size(section) > 0
    ) {
      const what = name === ".kpatch.force" ? "livepatch checks the stack for every function" : "it is not known";
      this.#wrong(section, 0, what);
    }
  }

  #wrong(section: number, offset: number, why: string): void {
    const name = this.#unit.file.sections.name(section);
    this.problems.push(problem("KLP716", { file: this.#unit.path, section: name, offset }, { section: name, why }));
  }

  /** What the first pointer of each entry leads to; null where that is nothing with a name. */
  #pointers(section: number, size: number): (Item | null)[] {
    const found: (Item | null)[] = [];
    for (let at = 0; at < this.#unit.file.sections.size(section); at += size) {
      const [relocation] = this.#unit.relocations.range(section, at, at + 8);
      const target = relocation === undefined ? null : targetOf(this.#unit, relocation, 0);
      found.push(target?.kind === "item" && target.distance === 0 && target.item.symbol !== 0 ? target.item : null);
    }
    return found;
  }

  #callback(section: number, kind: CallbackKind, item: Item | null): void {
    if (item === null || item.kind !== "function") this.#wrong(section, 0, "it does not name a function");
    else if (this.callbacks.has(kind)) this.#wrong(section, 0, `there is a second ${kind} callback`);
    else this.callbacks.set(kind, item);
  }

  /** 7.2: the name of the pointer tells which callback it is. */
  #klpCallbacks(section: number): void {
    const { symbols } = this.#unit;
    const items = this.#pointers(section, 8);
    for (const [i, item] of items.entries()) {
      const names = [...Array(symbols.count).keys()]
        .filter((s) => symbols.sectionOf(s) === section && symbols.offset(s) === i * 8)
        .map((s) => /^__klp_((?:pre|post)_(?:un)?patch)_callback_/.exec(symbols.name(s))?.[1]);
      const kind = CALLBACKS.find((k) => names.includes(k));
      if (kind === undefined) this.#wrong(section, i * 8, "the pointer's name is not that of a callback");
      else this.#callback(section, kind, item);
    }
  }

  #texts(section: number): string[] {
    const text = Buffer.from(this.#unit.file.sections.data(section)).toString("latin1");
    return text.split("\0").filter((part) => part !== "");
  }

  #pair(section: number, text: string): void {
    const match = /^(?:[^:=]+:)?([^:=]+)=(?:[^:=]+:)?([^:=]*)$/.exec(text);
    if (match === null) this.#wrong(section, 0, `${JSON.stringify(text)} is not ORIG=PATCHED`);
    else this.pairs.push([match[1] ?? "", match[2] ?? ""]);
  }

  #ignore(section: number, text: string): void {
    const [, kind, name = ""] = /^(function|data|section):(.+)$/.exec(text) ?? [];
    if (kind === "function") this.ignored.functions.add(name);
    else if (kind === "data") this.ignored.data.add(name);
    else if (kind === "section") this.ignored.sections.add(name);
    else this.#wrong(section, 0, `${JSON.stringify(text)} is not function:NAME, data:NAME or section:NAME`);
  }

  #ignoreSections(section: number): void {
    const unit = this.#unit;
    for (const relocation of unit.relocations.range(section, 0, unit.file.sections.size(section))) {
      const home = unit.symbols.sectionOf(relocation.symbol);
      const data = home === null ? new Uint8Array(0) : unit.file.sections.data(home);
      const start = unit.symbols.offset(relocation.symbol) + relocation.addend;
      const end = data.indexOf(0, start);
      if (end < 0) this.#wrong(section, relocation.offset, "it does not name a string");
      else this.ignored.sections.add(Buffer.from(data.subarray(start, end)).toString("latin1"));
    }
  }
}
