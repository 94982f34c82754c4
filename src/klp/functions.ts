import { STT_FILE, STT_FUNC, STT_NOTYPE, STT_SECTION } from "../elf/consts.ts";
import type { ElfFile } from "../elf/reader.ts";
import { localEntryCode, localEntryOffset, type SymbolTable } from "../elf/views/symbols.ts";

/** A function, or another named piece of code, in a section. Offsets and sizes are bytes. */
export interface CodeSymbol {
  /** Symbol index. */
  readonly symbol: number;
  readonly name: string;
  readonly section: number;
  readonly start: number;
  readonly size: number;
  readonly type: number;
  /** ELFv2 local entry code, 0 to 7; 0 on other architectures. */
  readonly localEntryCode: number;
  /** Offset in the section of the local entry point. */
  readonly localEntry: number;
}

/** A file with its symbols, and what they name. */
export interface SymbolizedFile {
  readonly file: ElfFile;
  readonly symbols: SymbolTable;
  readonly functions: FunctionIndex;
}

/** Whether kallsyms and the livepatch core ignore a name (kernel/module/kallsyms.c: empty or a mapping symbol). */
function isNamelessToKernel(name: string): boolean {
  return name === "" || name.startsWith(".L") || name.startsWith("L0") || name.startsWith("$");
}

/** The named symbols of each section, by offset: what the kernel charges an address to. */
export class FunctionIndex {
  readonly #bySection = new Map<number, CodeSymbol[]>();

  constructor(file: ElfFile, symbols: SymbolTable) {
    for (let i = 1; i < symbols.count; i++) {
      const type = symbols.type(i);
      if (type === STT_SECTION || type === STT_FILE) continue;
      const section = symbols.sectionOf(i);
      if (section === null || symbols.offset(i) > file.sections.size(section)) continue;
      const name = symbols.name(i);
      if (isNamelessToKernel(name)) continue;
      const start = symbols.offset(i);
      const other = symbols.other(i);
      const entry: CodeSymbol = {
        symbol: i,
        name,
        section,
        start,
        size: symbols.size(i),
        type,
        localEntryCode: localEntryCode(other),
        localEntry: start + localEntryOffset(other),
      };
      const list = this.#bySection.get(section);
      if (list === undefined) this.#bySection.set(section, [entry]);
      else list.push(entry);
    }
    for (const list of this.#bySection.values()) {
      // Of several names at one place, a sized function is the best to report.
      list.sort((a, b) => a.start - b.start || rank(a) - rank(b) || a.symbol - b.symbol);
    }
  }

  /** All named symbols of a section, by offset. */
  inSection(section: number): readonly CodeSymbol[] {
    return this.#bySection.get(section) ?? [];
  }

  /** The symbol that the kernel would charge `offset` to: the nearest at or before it. Null if there is none. */
  at(section: number, offset: number): CodeSymbol | null {
    const list = this.inSection(section);
    const last = list[firstBehind(list, offset) - 1];
    // The first of several at the same place.
    return last === undefined ? null : (list[firstBehind(list, last.start - 1)] ?? null);
  }

  /** The next named symbol behind `symbol` in its section, at a higher offset; null if it is the last. */
  after(symbol: CodeSymbol): CodeSymbol | null {
    const list = this.inSection(symbol.section);
    return list[firstBehind(list, symbol.start)] ?? null;
  }

  /** All symbols at the same place as `symbol`, itself included: its aliases. */
  aliases(symbol: CodeSymbol): readonly CodeSymbol[] {
    const list = this.inSection(symbol.section);
    return list.slice(firstBehind(list, symbol.start - 1), firstBehind(list, symbol.start));
  }

  /** The function called `name`; null if there is none or several. */
  named(name: string): CodeSymbol | null {
    const found = [...this.#bySection.values()].flat().filter((s) => s.name === name && s.type === STT_FUNC);
    return found.length === 1 ? (found[0] ?? null) : null;
  }
}

/** Index of the first symbol that begins at a higher offset than `offset`. */
function firstBehind(list: readonly CodeSymbol[], offset: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle]?.start ?? 0) > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

function rank(s: CodeSymbol): number {
  return s.type === STT_FUNC ? (s.size > 0 ? 0 : 1) : s.type === STT_NOTYPE ? 2 : 3;
}
