import { isLeftOutOfKallsyms } from "./kallsymsFilter.ts";
import { SymbolColumns } from "./symbolColumns.ts";
import { SymbolList } from "./symbolList.ts";

/** The text is not a symbol list. `line` counts from 1. */
export class SymbolListError extends Error {
  readonly line: number;
  readonly what: string;
  constructor(line: number, what: string) {
    super(`line ${line}: ${what}`);
    this.name = "SymbolListError";
    this.line = line;
    this.what = what;
  }
}

const SPACE = 0x20;
const TAB = 0x09;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Values of hexadecimal digits by character code; 16 for all others. */
const DIGITS = Uint8Array.from({ length: 256 }, (_, c) => {
  const value = Number.parseInt(String.fromCharCode(c), 16);
  return Number.isNaN(value) ? 16 : value;
});

/**
 * Reads System.map or kallsyms text: lines of `ADDRESS LETTER NAME`, with `[MODULE]` behind it in kallsyms.
 * Undefined symbols (nm: no address) are passed over, and those that kallsyms leaves out. Blank lines are allowed.
 * @throws SymbolListError at the first line of another form.
 */
export function parseSymbols(bytes: Uint8Array, source: string): SymbolList {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parser = new LineParser(text);
  for (let at = 0; at < text.length; ) {
    const behind = parser.usual(at);
    if (behind !== 0) {
      at = behind;
      continue;
    }
    let end = text.indexOf(NEWLINE, at);
    if (end < 0) end = text.length;
    const next = end + 1;
    while (end > at && (text[end - 1] === CARRIAGE_RETURN || text[end - 1] === SPACE)) end--;
    parser.line(at, end);
    at = next;
  }
  return parser.list(source);
}

/** Letters of symbols that kallsyms leaves out. */
const LEFT_OUT = new Set([..."aNnUuw"].map((letter) => letter.charCodeAt(0)));
const [LOW_K, LOW_Y, HIGH_L, HIGH_S, DOLLAR, DOT, UNDERSCORE] = [0x6b, 0x79, 0x4c, 0x53, 0x24, 0x2e, 0x5f];
/** What follows `__` in the prefixes of kallsymsFilter.ts. */
const THIRD = new Set([..."cekpA"].map((letter) => letter.charCodeAt(0)));
const OPENING = 0x5b;

/** Each has tables of its own; distributions have some thousands of modules, of which a kernel has some hundred loaded. */
const MOST_MODULES = 1 << 14;

/** Bytes of a line, as the lists of kernels have it. */
const USUAL_LINE = 40;

class LineParser {
  readonly #text: Buffer;
  readonly #vmlinux: SymbolColumns;
  readonly #modules = new Map<string, SymbolColumns>();
  #line = 0;
  #leftOut = 0;
  /** What stood behind the name in the last line of a module, and that module's symbols. */
  #moduleStart = 0;
  #moduleEnd = 0;
  #ofModule: SymbolColumns | null = null;

  constructor(text: Buffer) {
    this.#text = text;
    this.#vmlinux = new SymbolColumns(text, Math.ceil(text.length / USUAL_LINE));
  }

  /**
   * Takes the line at `at` if it is one of those that nearly all are: digits, letter, name, and the module of the line before or none.
   * @returns where the next line begins; 0: nothing was done
   */
  usual(at: number): number {
    const text = this.#text;
    let high = 0;
    let low = 0;
    let p = at;
    for (let digit = DIGITS[text[p] ?? 0] ?? 16; digit < 16; digit = DIGITS[text[p] ?? 0] ?? 16) {
      high = (high << 4) | (low >>> 28);
      low = (low << 4) | digit;
      p++;
    }
    if (p === at || p - at > 16 || text[p] !== SPACE || text[p + 2] !== SPACE) return 0;
    const start = p + 3;
    let end = start;
    let c = text[end] ?? NEWLINE;
    let hasDot = false;
    while (c > SPACE) {
      if (c === DOT) hasDot = true;
      c = text[++end] ?? NEWLINE;
    }
    if (end === start) return 0;
    const letter = text[p + 1] ?? 0;
    if (letter <= SPACE) return 0;
    if (c === NEWLINE) {
      if (LEFT_OUT.has(letter) || (this.#mayBeLeftOut(start, hasDot) && this.#isLeftOut(start, end, letter)))
        this.#leftOut++;
      else this.#vmlinux.addAt(start, end, letter, high, low);
      this.#line++;
      return end + 1;
    }
    const next = c === TAB ? this.#sameModule(end) : 0;
    if (next === 0) return 0;
    this.#ofModule?.addAt(start, end, letter, high, low);
    this.#line++;
    return next;
  }

  /** Whether {@link isLeftOutOfKallsyms} has to be asked about a name: what all of its names and prefixes begin with. */
  #mayBeLeftOut(start: number, hasDot: boolean): boolean {
    const text = this.#text;
    const c = text[start];
    if (c !== UNDERSCORE) return hasDot || c === DOLLAR || c === HIGH_L || c === LOW_K;
    const second = text[start + 1];
    // `__ksymtab_` is not among them, and most that begin so are.
    if (second !== UNDERSCORE) return hasDot || second === HIGH_S;
    return hasDot || (THIRD.has(text[start + 2] ?? 0) && text[start + 4] !== LOW_Y);
  }

  #isLeftOut(start: number, end: number, letter: number): boolean {
    return isLeftOutOfKallsyms(this.#text.toString("latin1", start, end), String.fromCharCode(letter));
  }

  /** Where the next line begins, if what stands from `at` on is what stood behind the name of a module's symbol before. */
  #sameModule(at: number): number {
    const text = this.#text;
    const length = this.#moduleEnd - this.#moduleStart;
    if (this.#ofModule === null || text[at + 1] !== OPENING) return 0;
    for (let i = 1; i < length; i++) if (text[at + i] !== text[this.#moduleStart + i]) return 0;
    const behind = text[at + length] ?? NEWLINE;
    return behind === NEWLINE ? at + length + 1 : 0;
  }

  /** The line of [at, end), without white space behind it. */
  line(at: number, end: number): void {
    this.#line++;
    if (end === at) return;
    const text = this.#text;
    let p = at;
    let high = 0;
    let low = 0;
    for (; p < end && p - at <= 16; p++) {
      const d = DIGITS[text[p] ?? 0] ?? 16;
      if (d > 15) break;
      high = ((high << 4) | (low >>> 28)) >>> 0;
      low = ((low << 4) | d) >>> 0;
    }
    const digits = p - at;
    if (digits === 0 && /^\s+[Uvw] /.test(text.toString("latin1", at, Math.min(end, at + 24)))) return;
    if (digits < 1 || digits > 16 || text[p] !== SPACE || p + 2 >= end || text[p + 2] !== SPACE) {
      if (/^[0-9a-f]+ [0-9a-f]{8,16} \w /i.test(text.toString("latin1", at, Math.min(end, at + 40))))
        throw this.#error("a list with sizes: give the output of nm without -S");
      throw this.#error("expected `ADDRESS LETTER NAME` (a line of System.map, nm or kallsyms)");
    }
    const letter = text[p + 1] ?? 0;
    const nameStart = p + 3;
    let nameEnd = nameStart;
    while (nameEnd < end && text[nameEnd] !== TAB && text[nameEnd] !== SPACE) nameEnd++;
    if (nameEnd === nameStart) throw this.#error("the symbol has no name");
    const module = nameEnd < end ? this.#module(text.toString("latin1", nameEnd, end).trim()) : null;
    if (module !== null) {
      const own = this.#columnsOf(module);
      own.addAt(nameStart, nameEnd, letter, high, low);
      this.#ofModule = own;
      this.#moduleStart = nameEnd;
      this.#moduleEnd = end;
    } else if (this.#isLeftOut(nameStart, nameEnd, letter)) this.#leftOut++;
    else this.#vmlinux.addAt(nameStart, nameEnd, letter, high, low);
  }

  /** @throws SymbolListError if no line had a symbol */
  list(source: string): SymbolList {
    const modules = this.#modules;
    if (this.#line === 0 || (this.#vmlinux.size === 0 && modules.size === 0 && this.#leftOut === 0)) {
      throw new SymbolListError(Math.max(this.#line, 1), "the file holds no symbols");
    }
    return new SymbolList(source, modules.size > 0 ? "kallsyms" : "System.map", this.#vmlinux, modules);
  }

  #error(what: string): SymbolListError {
    return new SymbolListError(this.#line, what);
  }

  /** `[MODULE]`, behind a name. */
  #module(rest: string): string {
    if (this.#line === 1 && rest.startsWith("real System.map is in")) {
      throw this.#error(`only a note that the list is elsewhere: ${rest.slice(5)}`);
    }
    if (!/^\[[^\]\s]+\]$/.test(rest))
      throw this.#error(`expected [MODULE] after the name, found \`${rest.slice(0, 40)}\``);
    return rest.slice(1, -1);
  }

  #columnsOf(module: string): SymbolColumns {
    let own = this.#modules.get(module);
    if (own === undefined) {
      if (this.#modules.size === MOST_MODULES) {
        throw new SymbolListError(this.#line, `more than ${MOST_MODULES} modules: no kernel has so many`);
      }
      own = new SymbolColumns(this.#text);
      this.#modules.set(module, own);
    }
    return own;
  }
}
