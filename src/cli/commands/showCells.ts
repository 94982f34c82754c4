// What large tables of text consist of, as bytes: a module has hundreds of thousands of rows, and strings for each would cost more than all
// else that is done for it. Rows are written by copying whole words of 32 bits; what has no simple form is written as a string.

import { visible } from "../../base/visible.ts";

const SPACE = 0x20;
const SPACES = 0x2020_2020;
const LAST_ASCII = 0x7e;
const ZERO = 0x30;
const X = 0x78;
const DIGITS = Uint8Array.from("0123456789abcdef", (c) => c.charCodeAt(0));

/** Bytes that may be read and written behind what is copied. */
const SLACK = 4;

/** Bytes that go out at once, but for the last. */
export const PIECE = 1 << 18;

/** Blanks in front of a line and behind each of its cells. */
export const GAP = 2;

/** Rows that a loop looks at before it is entered anew: V8 compiles what stands behind it only once it was there. */
export const ROWS_AT_ONCE = 1 << 10;

/** Texts in UTF-8, free of hidden characters, each known by a number and followed by blanks. The first is the empty one. */
export class Cells {
  #bytes: Uint8Array;
  #view: DataView;
  /** Where each begins. */
  #starts: Int32Array;
  /** Bytes. */
  #sizes: Int32Array;
  /** Characters, as strings count them. */
  #lengths: Int32Array;
  #count = 0;
  /** Where the next one begins. */
  #end = 0;
  readonly #known = new Map<string, number>();

  /** @param cells how many there will be @param bytes how long they will be together; there is room for more */
  constructor(cells = 64, bytes = 1024) {
    this.#bytes = new Uint8Array(bytes + cells * SLACK);
    this.#view = new DataView(this.#bytes.buffer);
    this.#starts = new Int32Array(cells + 1);
    this.#sizes = new Int32Array(cells + 1);
    this.#lengths = new Int32Array(cells + 1);
    this.add("");
  }

  /** To be read from, as long as none is added. */
  get view(): DataView {
    return this.#view;
  }
  get starts(): Int32Array {
    return this.#starts;
  }
  get sizes(): Int32Array {
    return this.#sizes;
  }
  get lengths(): Int32Array {
    return this.#lengths;
  }

  text(cell: number): string {
    return Buffer.from(this.#bytes.buffer, this.#starts[cell], this.#sizes[cell]).toString();
  }

  /** The most characters that one of these has. */
  longest(list: Int32Array): number {
    const lengths = this.#lengths;
    let most = 0;
    for (let i = 0; i < list.length; i++) {
      const length = lengths[list[i] ?? 0] ?? 0;
      if (length > most) most = length;
    }
    return most;
  }

  /** A text, the same number for the same one; hidden characters in it are replaced. */
  add(text: string): number {
    let cell = this.#known.get(text);
    if (cell === undefined) {
      const shown = visible(text);
      const bytes = Buffer.from(shown);
      this.#reserve(bytes.length);
      this.#bytes.set(bytes, this.#end);
      cell = this.#put(bytes.length, shown.length);
      this.#known.set(text, cell);
    }
    return cell;
  }

  /** A name that ends with NUL. @returns -1 where it has others than printable characters of ASCII, or is empty */
  addName(from: Uint8Array, start: number): number {
    let end = start;
    for (; end < from.length && from[end] !== 0; end++)
      if ((from[end] ?? 0) < SPACE || (from[end] ?? 0) > LAST_ASCII) return -1;
    const size = end - start;
    if (size <= 0) return -1;
    this.#reserve(size);
    const bytes = this.#bytes;
    for (let at = start, to = this.#end; at < end; at++, to++) bytes[to] = from[at] ?? 0;
    return this.#put(size, size);
  }

  #reserve(size: number): void {
    if (this.#end + size + SLACK > this.#bytes.length) {
      const larger = new Uint8Array((this.#end + size + SLACK) * 2);
      larger.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    if (this.#count < this.#starts.length) return;
    this.#starts = doubled(this.#starts);
    this.#sizes = doubled(this.#sizes);
    this.#lengths = doubled(this.#lengths);
  }

  /** The bytes of the next one are there. @returns its number */
  #put(size: number, length: number): number {
    const cell = this.#count++;
    this.#starts[cell] = this.#end;
    this.#sizes[cell] = size;
    this.#lengths[cell] = length;
    this.#end += size;
    this.#view.setInt32(this.#end, SPACES);
    this.#end += SLACK;
    return cell;
  }
}

function doubled(list: Int32Array): Int32Array {
  const larger = new Int32Array(list.length * 2);
  larger.set(list);
  return larger;
}

const NUMBER = /^(?:-?0x[0-9a-f]+|\d*)$/;

/** What a column looks like: as wide as its longest entry, numbers to the right, left out if it has no entry at all. */
export class Column {
  readonly name: string;
  width: number;
  isNumber = true;
  isThere = false;

  constructor(name: string) {
    this.name = name;
    this.width = name.length;
  }

  see(entry: string): void {
    this.seeLength(entry.length);
    if (this.isNumber && !NUMBER.test(entry)) this.isNumber = false;
  }

  /** As {@link see}, of an entry of that length which is a number, or where another one is none. */
  seeLength(length: number): void {
    if (length > 0) this.isThere = true;
    if (length > this.width) this.width = length;
  }

  /** As {@link see}, of cells. */
  seeCells(cells: Cells, list: Int32Array): void {
    let i = 0;
    for (; this.isNumber && i < list.length; i++) this.see(cells.text(list[i] ?? 0));
    for (; i < list.length; i += ROWS_AT_ONCE) this.seeLength(cells.longest(list.subarray(i, i + ROWS_AT_ONCE)));
  }

  /** An entry and the gap behind it; nothing where the column is left out. */
  cell(entry: string): string {
    if (!this.isThere) return "";
    return `${this.isNumber ? entry.padStart(this.width) : entry.padEnd(this.width)}  `;
  }
}

/** A row's line: its cells, each with its gap. */
export const lineOf = (cells: string): string => `  ${cells}`.trimEnd().concat("\n");

/** Where lines are put together, one behind the other. */
export class Lines {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the next line begins. */
  at = 0;

  /** @param columns of its lines: room for one that is all of characters of three bytes, behind a piece */
  constructor(columns: readonly Column[]) {
    const longest = columns.reduce((sum, { width }) => sum + width * 3 + 2, 3);
    const { buffer } = Buffer.allocUnsafeSlow(PIECE + longest + SLACK);
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }

  /** Adds a line of any form. @returns where the next one begins */
  add(line: string): number {
    this.at += Buffer.from(this.bytes.buffer).write(line, this.at);
    return this.at;
  }

  /** What was put together, good until more is. */
  taken(): Uint8Array {
    const piece = this.bytes.subarray(0, this.at);
    this.at = 0;
    return piece;
  }
}

/** Copies whole words: up to three bytes more than were asked for. */
export function putWords(out: DataView, at: number, from: DataView, start: number, size: number): void {
  for (let i = 0; i < size; i += 4) out.setInt32(at + i, from.getInt32(start + i));
}

/** Writes a number of 32 bits in hexadecimal, with 0x, so that it ends before `end`. @returns where it begins */
export function putHex(out: Uint8Array, end: number, number: number): number {
  let at = end;
  let rest = number;
  do {
    out[--at] = DIGITS[rest & 15] ?? 0;
    rest >>>= 4;
  } while (rest !== 0);
  out[--at] = X;
  out[--at] = ZERO;
  return at;
}

/** Writes a number from 0 to 2^31 - 1 in decimal, so that it ends before `end`. */
export function putDecimal(out: Uint8Array, end: number, number: number): void {
  let at = end;
  let rest = number;
  do {
    const tenth = (rest / 10) | 0;
    out[--at] = ZERO + rest - tenth * 10;
    rest = tenth;
  } while (rest !== 0);
}

/** How long an unsigned number of two halves is in hexadecimal, with 0x. */
export const hexLength = (high: number, low: number): number =>
  2 + (high === 0 ? Math.max(1, (35 - Math.clz32(low)) >> 2) : 8 + ((35 - Math.clz32(high)) >> 2));
