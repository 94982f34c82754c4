// One object as items: functions, objects, and pieces without a name. Every byte that counts belongs to one.

import type { Arch } from "../../arch/index.ts";
import { firstIndex } from "../../base/search.ts";
import { Work, type WorkPool } from "../../base/work.ts";
import {
  SHF_EXECINSTR,
  STB_GLOBAL,
  STB_LOCAL,
  STB_WEAK,
  STT_FILE,
  STT_FUNC,
  STT_NOTYPE,
  STT_SECTION,
} from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { canonicalName, isBookkeeping, isNumbered, isSpecialStatic } from "./names.ts";
import { Relocations } from "./relocations.ts";
import { bundledName, isInitSection, type SectionKind, sectionKinds } from "./sections.ts";

export interface Item {
  /** Index in {@link Unit.items}. */
  readonly id: number;
  readonly kind: "function" | "object" | "anonymous";
  /** Empty for a piece without a name. */
  readonly name: string;
  readonly canonical: string;
  /** Symbol index; 0 for a piece without a name. */
  readonly symbol: number;
  /** Other symbols at the same place. */
  readonly aliases: readonly number[];
  readonly section: number;
  /** Offset in the section where it begins, with what stands before the entry. Bytes. */
  readonly start: number;
  /** Offset that the symbol has. */
  readonly entry: number;
  /** Offset behind what the symbol's size covers. */
  readonly symbolEnd: number;
  /** Offset where the next item, or the end of the section, is. */
  readonly end: number;
  readonly isLocal: boolean;
  /** Taken from the patched object always, and compared by content: what macros make. */
  readonly isSpecial: boolean;
  /** Two builds may give its name to different things. */
  readonly isNumbered: boolean;
  readonly isInit: boolean;
  /** Nothing names it: only its content counts. */
  readonly isByContent: boolean;
  /** For locals: the number of the STT_FILE symbol that it stands behind. */
  readonly file: number;
}

/** A symbol that may begin an item. */
interface Candidate {
  readonly symbol: number;
  readonly name: string;
  readonly at: number;
  readonly size: number;
  readonly type: number;
  readonly bind: number;
  readonly file: number;
}

/** An object file as the comparison sees it. */
export class Unit {
  readonly path: string;
  readonly file: ElfFile;
  readonly arch: Arch;
  readonly symbols: SymbolTable;
  readonly kinds: readonly SectionKind[];
  readonly items: readonly Item[];
  readonly relocations: Relocations;
  /** What is compared with one another is counted. */
  readonly work: Work;
  /** Names of the STT_FILE symbols, in order. */
  readonly files: readonly string[];
  readonly #bySection = new Map<number, Item[]>();
  readonly #bySymbol = new Map<number, Item>();

  /** @param pool steps that it shares with other files of a run */
  constructor(path: string, file: ElfFile, arch: Arch, symbols: SymbolTable, pool?: WorkPool) {
    this.path = path;
    this.file = file;
    this.arch = arch;
    this.symbols = symbols;
    this.work = new Work(path, file.bytes.length, pool);
    this.kinds = sectionKinds(file.sections, arch.code);
    this.relocations = new Relocations(file, arch.code.noneTypes);
    const { candidates, files, dataMarks } = this.#candidates();
    this.files = files;
    const items: Item[] = [];
    for (let section = 1; section < file.sections.count; section++) {
      if (!this.#hasItems(section)) continue;
      const list = this.#itemsOf(
        section,
        candidates.get(section) ?? [],
        items.length,
        dataMarks.get(section) ?? NO_MARKS,
      );
      this.#bySection.set(section, list);
      for (const item of list) items.push(item);
    }
    this.items = items;
    for (const item of items) {
      if (item.symbol === 0) continue;
      this.#bySymbol.set(item.symbol, item);
      for (const alias of item.aliases) this.#bySymbol.set(alias, item);
    }
  }

  #hasItems(section: number): boolean {
    const kind = this.kinds[section];
    return kind === "text" || kind === "data" || kind === "pieces";
  }

  #candidates(): { candidates: Map<number, Candidate[]>; files: string[]; dataMarks: Map<number, Set<number>> } {
    const { symbols } = this;
    const candidates = new Map<number, Candidate[]>();
    const dataMarks = new Map<number, Set<number>>();
    const files: string[] = [];
    for (let i = 1; i < symbols.count; i++) {
      const type = symbols.type(i);
      if (type === STT_FILE) files.push(symbols.name(i));
      const section = symbols.sectionOf(i);
      if (section === null || type === STT_FILE || type === STT_SECTION || !this.#hasItems(section)) continue;
      const name = symbols.name(i);
      const bind = symbols.bind(i);
      if (this.kinds[section] === "text" && isDataMark(name, type, bind)) {
        const marks = dataMarks.get(section) ?? new Set<number>();
        dataMarks.set(section, marks.add(symbols.offset(i)));
      }
      if (name === "" || isLabel(name, type, bind)) continue;
      if (isBookkeeping(name) && isInitSection(this.file.sections.name(section))) continue;
      const at = symbols.offset(i);
      if (!(at <= this.file.sections.size(section))) continue;
      const entry = { symbol: i, name, at, size: symbols.size(i), type, bind, file: files.length };
      const list = candidates.get(section);
      if (list === undefined) candidates.set(section, [entry]);
      else list.push(entry);
    }
    return { candidates, files, dataMarks };
  }

  #itemsOf(section: number, all: Candidate[], firstId: number, dataMarks: ReadonlySet<number>): Item[] {
    const { sections } = this.file;
    const sectionName = sections.name(section);
    const size = sections.size(section);
    const suffix = bundledName(sectionName);
    const isText = sections.hasFlags(section, SHF_EXECINSTR);
    const prefixes = prefixesOf(all);
    const starts = startsOf(all.filter((c) => !prefixes.has(c.name.slice(PREFIX_LENGTH)) || !isPrefix(c.name)));
    const items: Item[] = [];
    const isInit = isInitSection(sectionName);
    const isBundled = starts.length === 1 && suffix !== null;
    let covered = 0;
    const groups = starts.map((group) => {
      const [at, before] = [group[0]?.at ?? 0, covered];
      for (const c of group) covered = Math.max(covered, c.at + c.size);
      const start = this.#prefixStart(section, group, prefixes, isText);
      // A type's hash has no symbol on arm64; it lies behind what the function in front covers.
      const hasHash = start === at && at - TYPE_HASH >= before && dataMarks.has(at - TYPE_HASH);
      return { group, start: hasHash ? at - TYPE_HASH : start };
    });
    const firstStart = groups[0]?.start ?? size;
    if (!isBundled && firstStart > 0) items.push(nameless(firstId, section, firstStart, isInit));
    else if (starts.length === 0 && size === 0) return items;
    for (const [i, { group, start }] of groups.entries()) {
      const [named, ...aliases] = chooseName(group, suffix);
      if (named === undefined) continue;
      const end = groups[i + 1]?.start ?? size;
      const longest = group.reduce((most, c) => Math.max(most, c.size), 0);
      const symbolEnd = longest === 0 ? end : Math.min(named.at + longest, end);
      const isLocal = named.bind === STB_LOCAL;
      const isSpecial = !isText && isLocal && isSpecialStatic(named.name, sectionName);
      items.push({
        id: firstId + items.length,
        kind: isText ? "function" : "object",
        name: named.name,
        canonical: canonicalName(named.name),
        symbol: named.symbol,
        aliases: aliases.length === 0 ? NO_ALIASES : aliases.map((a) => a.symbol),
        section,
        start: isBundled ? 0 : start,
        entry: named.at,
        symbolEnd: Math.max(symbolEnd, named.at),
        end,
        isLocal,
        isSpecial,
        isNumbered: isLocal && isNumbered(named.name),
        isInit,
        isByContent: isSpecial || /^\.L|^CSWTCH/.test(named.name),
        file: isLocal ? named.file : 0,
      });
    }
    return items;
  }

  /** Where what belongs to an item begins: a prefix symbol's place, or the TOC pointer of a ppc64le function. */
  #prefixStart(section: number, group: readonly Candidate[], prefixes: Prefixes, isText: boolean): number {
    const at = group[0]?.at ?? 0;
    let start = at;
    for (const { name } of group) {
      // Several functions of one name may lie in a section: each has its own.
      const own = prefixes.get(name) ?? [];
      this.work.take(own.length, "telling what stands before functions");
      for (const p of own) if (p < at && at - p <= MOST_BEFORE_ENTRY) start = Math.min(start, p);
    }
    // .quad .TOC. - f, which stands directly before a function of the large code model.
    if (isText && this.arch.hasToc && at >= 8) {
      const before = this.relocations.range(section, at - 8, at);
      if (before.length === 1 && this.symbols.name(before[0]?.symbol ?? 0) === ".TOC.") start = Math.min(start, at - 8);
    }
    return start;
  }

  /** The items of a section, in order. */
  inSection(section: number): readonly Item[] {
    return this.#bySection.get(section) ?? [];
  }

  /** The item that a symbol names; null for others. */
  ofSymbol(symbol: number): Item | null {
    return this.#bySymbol.get(symbol) ?? null;
  }

  /**
   * The item that holds an offset of its section. Outside of all: the nearest. In a section of one item it is that one.
   * Null for a section without items.
   */
  itemAt(section: number, offset: number): Item | null {
    const list = this.inSection(section);
    if (list.length < 2) return list[0] ?? null;
    // An offset that is not known (NaN) is before all.
    const behind = firstIndex(list.length, (i) => !((list[i]?.start ?? 0) <= offset));
    return list[Math.max(0, behind - 1)] ?? null;
  }

  /** Bytes of an item in its section: with what stands before it, to the next one. Empty where the section has no bytes. */
  bytesOf(item: Item): Uint8Array {
    return this.file.sections.data(item.section).subarray(item.start, item.end);
  }

  sectionName(item: Item): string {
    return this.file.sections.name(item.section);
  }
}

const NO_ALIASES: readonly number[] = [];
const NO_MARKS: ReadonlySet<number> = new Set();

/** Bytes of the hash that kCFI (clang's -fsanitize=kcfi) puts before functions which may be called indirectly. */
const TYPE_HASH = 4;

/** What stands before the first symbol of a section, or a section without symbols. */
function nameless(id: number, section: number, end: number, isInit: boolean): Item {
  return {
    id,
    kind: "anonymous",
    name: "",
    canonical: "",
    symbol: 0,
    aliases: NO_ALIASES,
    section,
    start: 0,
    entry: 0,
    symbolEnd: end,
    end,
    isLocal: true,
    isSpecial: false,
    isNumbered: false,
    isInit,
    isByContent: true,
    file: 0,
  };
}

/** Labels of assembler code and mapping symbols: no items of their own. */
function isLabel(name: string, type: number, bind: number): boolean {
  return name.startsWith(".L") || (type === STT_NOTYPE && bind === STB_LOCAL && name.startsWith("$"));
}

/** A mapping symbol that says that data begin (ELF for the Arm 64-bit architecture, 5.5.4). */
const isDataMark = (name: string, type: number, bind: number): boolean =>
  type === STT_NOTYPE && bind === STB_LOCAL && /^\$d(?:\.|$)/.test(name);

const isPrefix = (name: string): boolean => name.startsWith("__cfi_") || name.startsWith("__pfx_");
const PREFIX_LENGTH = "__cfi_".length;

/** Offsets of prefix symbols by the name of the function that they stand before. */
type Prefixes = ReadonlyMap<string, readonly number[]>;

/** More than any compiler puts before a function's entry, bytes. */
const MOST_BEFORE_ENTRY = 256;

function prefixesOf(all: readonly Candidate[]): Prefixes {
  const found = new Map<string, number[]>();
  const names = new Set(all.map((c) => c.name));
  for (const { name, at } of all) {
    const own = name.slice(PREFIX_LENGTH);
    // A kernel's function may be called so: it stands before none.
    if (!isPrefix(name) || !names.has(own)) continue;
    const list = found.get(own);
    if (list === undefined) found.set(own, [at]);
    else list.push(at);
  }
  return found;
}

/** Groups of symbols that begin items, by offset. Labels, and symbols without a size inside another one, begin none. */
function startsOf(all: readonly Candidate[]): Candidate[][] {
  const sorted = [...all].sort((a, b) => a.at - b.at || b.size - a.size || a.symbol - b.symbol);
  const groups: Candidate[][] = [];
  let covered = -1;
  for (const c of sorted) {
    const group = groups[groups.length - 1];
    if (group !== undefined && group[0]?.at === c.at) {
      group.push(c);
    } else if (c.at < covered && (c.size === 0 || (c.type === STT_NOTYPE && c.bind === STB_LOCAL))) {
      continue;
    } else {
      groups.push([c]);
    }
    covered = Math.max(covered, c.at + c.size);
  }
  return groups;
}

/** The symbol that names an item first, then its aliases: the one of the section's name, else global, weak, local. */
function chooseName(group: readonly Candidate[], suffix: string | null): Candidate[] {
  const rank = (c: Candidate): number => {
    const kind = c.type === STT_FUNC ? 0 : 10;
    if (c.name === suffix) return -1;
    return kind + (c.bind === STB_GLOBAL ? 0 : c.bind === STB_WEAK ? 1 : 2);
  };
  return [...group].sort((a, b) => rank(a) - rank(b) || a.symbol - b.symbol);
}
