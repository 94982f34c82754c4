// Code that a patch leaves alone, and that goes by whether a name is defined: in the running kernel it was not, so its address there is zero.

import { findArch } from "../../arch/index.ts";
import { WorkPool } from "../../base/work.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { itemContent } from "../../diff/canon/content.ts";
import type { Target } from "../../diff/canon/targets.ts";
import { type Item, Unit } from "../../diff/canon/unit.ts";
import { STB_WEAK } from "../../elf/consts.ts";
import { ElfError } from "../../elf/error.ts";
import { readElf } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { inProportionNow } from "../input.ts";
import type { DiffResult } from "./diff.ts";

/** So many names are looked for in the bytes of a file before its symbols are. */
const FEW_NAMES = 64;

/** A name that a patch gives a definition that others see. */
interface NewName {
  /** The file with the definition. */
  readonly file: string;
  readonly isFunction: boolean;
  readonly places: { readonly file: string; readonly users: readonly string[] }[];
}

/** Gathers what refers weakly to names that some results define anew. */
export class WeakUsers {
  readonly #names = new Map<string, NewName>();
  readonly #pool: WorkPool;

  /** @param pool steps that all files share */
  constructor(results: readonly DiffResult[], pool = new WorkPool()) {
    this.#pool = pool;
    for (const { diff, patched } of results) {
      const { unit } = diff.patched;
      for (const { orig, patched: item } of [...diff.functions, ...diff.data]) {
        if (item === null || item.isLocal || item.isInit || orig?.isLocal === false) continue;
        for (const symbol of [item.symbol, ...item.aliases]) {
          const known = { file: patched.path, isFunction: item.kind === "function", places: [] };
          this.#names.set(unit.symbols.name(symbol), known);
        }
      }
    }
  }

  get isEmpty(): boolean {
    return this.#names.size === 0;
  }

  /** The names that are asked for. */
  get names(): readonly string[] {
    return [...this.#names.keys()];
  }

  /** Whether one of the names may stand in an object file; of very many names, one always may. */
  mayConcern(bytes: Uint8Array): boolean {
    if (this.#names.size > FEW_NAMES) return true;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this.names.some((name) => text.includes(`${name}\0`, 0, "latin1"));
  }

  /**
   * Looks through an object file that is not a part of the patch. @param file its name in what is said
   * @throws Unusable KLP127 if that takes work out of proportion
   */
  addObject(bytes: Uint8Array, file: string): void {
    if (!this.mayConcern(bytes)) return;
    try {
      const elf = readElf(bytes);
      const arch = findArch(elf.header.machine);
      const { symbols } = elf;
      if (arch === null || symbols === null || this.#askedOf(symbols).size === 0) return;
      inProportionNow(() => {
        const unit = new Unit(file, elf, arch, symbols, this.#pool);
        this.#add(unit, unit.items, file);
      });
    } catch (error) {
      // What cannot be read is told where it is compared.
      if (!(error instanceof ElfError)) throw error;
    }
  }

  /** Looks through what a compared pair leaves as it is. @param file its name in what is said */
  addSame({ diff }: DiffResult, file: string): void {
    const same = [...diff.functions, ...diff.data].flatMap((c) => (c.status === "same" ? (c.orig ?? []) : []));
    this.#add(diff.orig.unit, same, file);
  }

  problems(): Problem[] {
    return [...this.#names].flatMap(([name, { file, isFunction, places }]) =>
      places.length === 0 ? [] : [problem("KLP746", { file }, { name, isFunction, places })],
    );
  }

  /** The names that a file asks for weakly, by their symbols. */
  #askedOf(symbols: SymbolTable): Map<number, string> {
    const asked = new Map<number, string>();
    for (let i = 1; i < symbols.count; i++) {
      if (!symbols.isUndefined(i) || symbols.bind(i) !== STB_WEAK) continue;
      if (this.#names.has(symbols.name(i))) asked.set(i, symbols.name(i));
    }
    return asked;
  }

  #add(unit: Unit, items: readonly Item[], file: string): void {
    const asked = this.#askedOf(unit.symbols);
    if (asked.size === 0) return;
    const users = new Map<string, Set<string>>();
    for (const item of items) {
      if (item.isInit || item.name === "") continue;
      for (const { target } of itemContent(unit, item).references) {
        const name = asked.get(undefinedIn(target));
        if (name !== undefined) users.set(name, (users.get(name) ?? new Set()).add(item.name));
      }
    }
    for (const [name, found] of users) this.#names.get(name)?.places.push({ file, users: [...found].sort() });
  }
}

/** The symbol that a target is, where the object does not define it, also through the TOC; 0 for others. */
function undefinedIn(target: Target): number {
  if (target.kind === "undefined") return target.symbol;
  return target.kind === "toc" && target.slot.target !== null ? undefinedIn(target.slot.target) : 0;
}
