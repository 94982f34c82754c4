// Which lines of a log can be messages at all: told from their bytes, so that the many others are never made into strings.

import type { Need } from "./forms.ts";
import { needsOfLines } from "./recognise.ts";

/** What a byte is to the walk. */
const OTHER = 0;
const LETTER = 1;
const NEWLINE = 2;
/** After it, words may be written in another way: escapes of terminals and of JSON. */
const ESCAPE = 3;
/** The second of two bytes that a form without words has. */
const SECOND = 4;

/** Of the table of words: a power of two, mostly empty. */
const SLOTS = 1 << 13;

/** A hash of a word, byte by byte; 0 before the first. */
const step = (hash: number, byte: number): number => (Math.imul(hash, 0x0100_0193) + byte) | 0;
const slotOf = (hash: number): number => (hash ^ (hash >>> 15)) & (SLOTS - 1);

interface Wanted {
  readonly words: readonly number[];
  readonly piece: Buffer;
}

/**
 * Keeps the lines that have all own words of some message, or cannot be told without reading them; a line that it leaves
 * out is not a message (recognise.ts).
 */
export class Sieve {
  readonly #classes = new Uint8Array(256);
  /** Pairs of bytes of forms without words, as first << 8 | second. */
  readonly #pairs = new Set<number>();
  readonly #hashes = new Int32Array(SLOTS);
  /** 1 + number of the word whose hash stands in the slot. */
  readonly #words = new Uint16Array(SLOTS);
  /** By the number of its longest word. */
  readonly #forms: (readonly Wanted[])[] = [];
  /** By word: 1 if it is the longest of a form. */
  readonly #isKey: Uint8Array;
  /** By word: the line that it was last seen in. */
  readonly #seen: Int32Array;
  #line = 0;

  constructor(needs: readonly Need[] = needsOfLines()) {
    const numbers = new Map<string, number>();
    const byKey = new Map<number, Wanted[]>();
    this.#classify(needs);
    for (const { words, piece } of needs) {
      const all = words.map((word) => this.#number(word, numbers));
      const key = all[longestOf(words)];
      if (key === undefined) continue;
      byKey.set(key, [...(byKey.get(key) ?? []), { words: all, piece: Buffer.from(piece) }]);
    }
    for (let i = 0; i < numbers.size; i++) this.#forms.push(byKey.get(i) ?? []);
    this.#seen = new Int32Array(numbers.size);
    this.#isKey = Uint8Array.from(this.#forms, (forms) => (forms.length === 0 ? 0 : 1));
  }

  #classify(needs: readonly Need[]): void {
    const classes = this.#classes;
    for (let letter = 0; letter < 26; letter++) classes[65 + letter] = classes[97 + letter] = LETTER;
    classes[0x0a] = classes[0x0d] = NEWLINE;
    classes[0x1b] = classes[0x5c] = ESCAPE;
    for (const { words, piece } of needs) {
      if (words.length > 0) continue;
      const at = [...piece].findIndex((c, i) => i > 0 && classes[c.charCodeAt(0)] === OTHER);
      if (at < 0) throw new Error(`the form with "${piece}" has nothing to be known by`);
      classes[piece.charCodeAt(at)] = SECOND;
      this.#pairs.add((piece.charCodeAt(at - 1) << 8) | piece.charCodeAt(at));
    }
  }

  /** The number of a word, by its hash: two words of one hash count as one. */
  #number(word: string, numbers: Map<string, number>): number {
    const known = numbers.get(word);
    if (known !== undefined) return known;
    let hash = 0;
    for (const c of word) hash = step(hash, c.charCodeAt(0));
    let slot = slotOf(hash);
    while (this.#words[slot] !== 0 && this.#hashes[slot] !== hash) slot = (slot + 1) & (SLOTS - 1);
    const number = this.#words[slot] === 0 ? numbers.size : (this.#words[slot] ?? 0) - 1;
    numbers.set(word, number);
    this.#hashes[slot] = hash;
    this.#words[slot] = number + 1;
    return number;
  }

  /**
   * Calls `take` with the bounds of each line that may be a message, without its end, in order.
   * @param block whole lines in UTF-8 or another superset of ASCII
   */
  walk(block: Uint8Array, take: (start: number, end: number) => void): void {
    const [classes, seen, isKey, hashes, words] = [this.#classes, this.#seen, this.#isKey, this.#hashes, this.#words];
    const end = block.length;
    let start = 0;
    let isTaken = false;
    let keys: number[] = [];
    let line = this.#nextLine();
    for (let i = 0; i <= end; i++) {
      let byte = i < end ? (block[i] as number) : 0x0a;
      let kind = classes[byte];
      if (kind === LETTER) {
        let hash = 0;
        do {
          hash = step(hash, byte);
          i++;
          byte = i < end ? (block[i] as number) : 0x0a;
          kind = classes[byte];
        } while (kind === LETTER);
        let slot = slotOf(hash);
        while (words[slot] !== 0 && hashes[slot] !== hash) slot = (slot + 1) & (SLOTS - 1);
        const word = (words[slot] as number) - 1;
        if (word >= 0) {
          seen[word] = line;
          if (isKey[word] === 1) keys.push(word);
        }
      }
      if (kind === OTHER) continue;
      if (kind === NEWLINE) {
        if (isTaken || (keys.length > 0 && this.#hasForm(keys, block.subarray(start, i)))) take(start, i);
        start = i + 1;
        isTaken = false;
        if (keys.length > 0) keys = [];
        line = this.#nextLine();
      } else if (kind === ESCAPE) isTaken = true;
      else if (i > start && this.#pairs.has(((block[i - 1] as number) << 8) | byte)) isTaken = true;
    }
  }

  #nextLine(): number {
    this.#line = (this.#line + 1) | 0;
    return this.#line;
  }

  #hasForm(keys: readonly number[], line: Uint8Array): boolean {
    const text = Buffer.from(line.buffer, line.byteOffset, line.length);
    return keys.some((key) =>
      this.#forms[key]?.some(
        ({ words, piece }) => words.every((w) => this.#seen[w] === this.#line) && text.includes(piece),
      ),
    );
  }
}

/** Where the longest word stands: logs are full of short ones. */
function longestOf(words: readonly string[]): number {
  return words.reduce((best, word, i) => (word.length > (words[best]?.length ?? 0) ? i : best), 0);
}
