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

/** Value of a hexadecimal digit's character code, or -1. */
function digit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  if (c >= 0x61 && c <= 0x66) return c - 0x57;
  if (c >= 0x41 && c <= 0x46) return c - 0x37;
  return -1;
}

/**
 * Reads System.map or kallsyms text: lines of `ADDRESS LETTER NAME`, with `[MODULE]` behind it in kallsyms.
 * Undefined symbols (nm: no address) are passed over, and those that kallsyms leaves out. Blank lines are allowed.
 * @throws SymbolListError at the first line of another form.
 */
export function parseSymbols(bytes: Uint8Array, source: string): SymbolList {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parser = new LineParser(text);
  for (let at = 0; at < text.length; ) {
    let end = text.indexOf(NEWLINE, at);
    if (end < 0) end = text.length;
    const next = end + 1;
    while (end > at && (text[end - 1] === CARRIAGE_RETURN || text[end - 1] === SPACE)) end--;
    parser.line(at, end);
    at = next;
  }
  return parser.list(source);
}

class LineParser {
  readonly #text: Buffer;
  readonly #vmlinux = new SymbolColumns();
  readonly #modules = new Map<string, SymbolColumns>();
  #line = 0;
  #leftOut = 0;

  constructor(text: Buffer) {
    this.#text = text;
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
      const d = digit(text[p] ?? 0);
      if (d < 0) break;
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
    const name = text.toString("latin1", nameStart, nameEnd);
    if (module !== null) this.#columnsOf(module).add(name, letter, high, low);
    else if (isLeftOutOfKallsyms(name, String.fromCharCode(letter))) this.#leftOut++;
    else this.#vmlinux.add(name, letter, high, low);
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
      own = new SymbolColumns();
      this.#modules.set(module, own);
    }
    return own;
  }
}
