// Finds the kallsyms tables of a kernel by their content: their order and widths changed between versions, and were carried back to
// stable kernels, so the version tells nothing. Each table proves itself: the token index repeats the token table, the markers repeat
// the names. Source: scripts/kallsyms.c (write_src) and kernel/kallsyms.c of Linux 4.19, 6.1, 6.12 and 7.2.

import { latin1, viewOf } from "../../../base/bytes.ts";

/** The tables that names are made from, as offsets in the bytes. */
export interface NameTables {
  /** Number of symbols. */
  readonly count: number;
  /** Offset of kallsyms_num_syms. */
  readonly countAt: number;
  /** Offset of the first record of kallsyms_names. */
  readonly names: number;
  /** Whether a length byte with bit 7 set goes on in the next byte (Linux 6.1). */
  readonly hasLongNames: boolean;
  /** The text of each of the 256 tokens. */
  readonly tokens: readonly string[];
  /** Offset behind kallsyms_token_index. */
  readonly indexEnd: number;
  readonly records: NameRecords;
}

/** Where the tokens of each name stand, from and to. */
interface NameRecords {
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  /** Characters of all names together, and of the longest one, with their letters. */
  readonly size: number;
  readonly longest: number;
}

/** Symbols that are taken for possible: twenty times what a distribution's kernel has. */
const MOST_SYMBOLS = 2 ** 22;
/** A marker for each so many names. */
const PER_MARKER = 256;
/** A name takes at least its length and its letter, and at most two bytes of length and 512 tokens. */
const LEAST_STEP = 2 * PER_MARKER;
const MOST_STEP = 520 * PER_MARKER;
/** The longest name, characters (KSYM_NAME_LEN), with its letter. */
const LONGEST_TOKEN = 520;
/** Characters of all names together: forty times what a distribution's kernel has. */
const MOST_TEXT = 2 ** 28;

const up = (at: number, to: number): number => Math.ceil(at / to) * to;

/** The name tables; null if there are none. @param littleEndian byte order of the kernel */
export function findNames(bytes: Uint8Array, littleEndian: boolean): NameTables | null {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Each digit stands for itself, one token behind the other from number 0x30 on.
  const digits = Buffer.from("0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0", "latin1");
  for (let at = text.indexOf(digits); at >= 0; at = text.indexOf(digits, at + 1)) {
    const table = tokensAround(text, at, littleEndian);
    const found = table === null ? null : namesBefore(bytes, table, littleEndian);
    if (found !== null) return found;
  }
  return null;
}

interface TokenTable {
  /** Offset of token 0. */
  readonly start: number;
  readonly tokens: readonly string[];
  readonly indexEnd: number;
}

/** The token table whose token 0x30 is at `digit`, if the index behind it says the same of every token. */
function tokensAround(text: Buffer, digit: number, littleEndian: boolean): TokenTable | null {
  let end = digit;
  for (let token = 0x30; token < 256; token++) {
    const nul = text.indexOf(0, end);
    if (nul < 0 || nul - end > LONGEST_TOKEN) return null;
    end = nul + 1;
  }
  const view = viewOf(text);
  for (const alignment of [4, 8, 256]) {
    const index = up(end, alignment);
    if (index + 512 > text.length) return null;
    const offsetOf = (token: number): number => view.getUint16(index + 2 * token, littleEndian);
    const start = digit - offsetOf(0x30);
    if (offsetOf(0) !== 0 || start < 0) continue;
    const tokens: string[] = [];
    for (let token = 0; token < 256; token++) {
      const from = start + offsetOf(token);
      const to = token === 255 ? end : start + offsetOf(token + 1);
      if (to <= from || to > end || text.indexOf(0, from) !== to - 1) break;
      tokens.push(latin1(text, from, to - 1));
    }
    if (tokens.length === 256) return { start, tokens, indexEnd: index + 512 };
  }
  return null;
}

/** The markers and names that stand before the token table, perhaps with kallsyms_seqs_of_names between. */
function namesBefore(bytes: Uint8Array, table: TokenTable, littleEndian: boolean): NameTables | null {
  for (const markers of markersBefore(bytes, table.start, littleEndian)) {
    for (const hasLongNames of [true, false]) {
      const found = namesOf(bytes, markers, hasLongNames, littleEndian);
      if (found === null) continue;
      const records = recordsOf(bytes, { ...found, hasLongNames }, lengthsOf(table.tokens));
      // No name is longer than a kernel can have it, nor are all together more than memory should hold.
      if (records.longest > LONGEST_TOKEN || records.size > MOST_TEXT) continue;
      return { ...found, hasLongNames, tokens: table.tokens, indexEnd: table.indexEnd, records };
    }
  }
  return null;
}

interface Markers {
  /** Offset of marker 0. */
  readonly start: number;
  /** Each: offset of a name within the names. */
  readonly values: readonly number[];
}

function* markersBefore(bytes: Uint8Array, tokenTable: number, littleEndian: boolean): Generator<Markers> {
  const farthest = Math.max(0, tokenTable - 3 * MOST_SYMBOLS - 16);
  for (const width of [4, 8]) {
    for (let end = tokenTable - (tokenTable % 4); end > farthest; end -= 4) {
      const found = markersUpTo(bytes, end, width, littleEndian);
      if (found === null) continue;
      const between = tokenTable - end;
      const blocks = found.values.length;
      // kallsyms_seqs_of_names has three bytes a symbol; else there is nothing but padding.
      const isBeside = between < 256;
      const isSeqs = between >= 3 * (PER_MARKER * (blocks - 1) + 1) && between <= 3 * PER_MARKER * blocks + 16;
      if (isBeside || isSeqs) yield found;
    }
  }
}

/** The markers whose last one ends at `end`: rising by what 256 names can take, from 0 on. */
function markersUpTo(bytes: Uint8Array, end: number, width: number, littleEndian: boolean): Markers | null {
  const view = viewOf(bytes);
  const low = width === 8 && !littleEndian ? 4 : 0;
  const values: number[] = [];
  for (let at = end - width, above = 0; at >= 0; at -= width) {
    const value = view.getUint32(at + low, littleEndian);
    if (width === 8 && view.getUint32(at + 4 - low, littleEndian) !== 0) return null;
    if (values.length > 0 && (above - value < LEAST_STEP || above - value > MOST_STEP)) return null;
    values.push(value);
    if (value === 0) return values.length < 2 ? null : { start: at, values: values.reverse() };
    above = value;
  }
  return null;
}

/** The names that the markers belong to: found from their last part backwards, and proved by every marker. */
function namesOf(
  bytes: Uint8Array,
  { start, values }: Markers,
  hasLongNames: boolean,
  littleEndian: boolean,
): Pick<NameTables, "count" | "countAt" | "names"> | null {
  const view = viewOf(bytes);
  const blocks = values.length;
  const last = values[blocks - 1] ?? 0;
  const nearest = start - last - ((start - last) % 4);
  for (let names = nearest; names >= 4 && nearest - names <= MOST_STEP; names -= 4) {
    for (const before of [4, 8, 256]) {
      const countAt = names - before;
      if (countAt < 0) break;
      const count = view.getUint32(countAt, littleEndian);
      if (count <= PER_MARKER * (blocks - 1) || count > PER_MARKER * blocks) continue;
      if (!isZero(bytes, countAt + 4, names)) continue;
      const end = agrees(bytes, names, count, values, hasLongNames);
      if (end !== null && end <= start && start - end < 256 && isZero(bytes, end, start))
        return { count, countAt, names };
    }
  }
  return null;
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Where the names end, if each 256th begins where its marker says; null if not. */
function agrees(
  bytes: Uint8Array,
  names: number,
  count: number,
  markers: readonly number[],
  hasLongNames: boolean,
): number | null {
  let at = names;
  for (let i = 0; i < count; i++) {
    if (i % PER_MARKER === 0 && at - names !== markers[i / PER_MARKER]) return null;
    const first = bytes[at] ?? 0;
    if (first === 0) return null;
    const isLong = hasLongNames && first > 0x7f;
    at += isLong ? 2 + ((first & 0x7f) | ((bytes[at + 1] ?? 0) << 7)) : 1 + first;
    if (at > bytes.length) return null;
  }
  return at;
}

/** Names with their letters in front, one behind the other, in the order of the table. */
export interface NameTexts {
  /** Latin-1. */
  readonly text: Uint8Array;
  /** Where each begins; one more: where the last one ends. */
  readonly starts: Uint32Array;
}

/** All names of the tables. */
export function textsOf(bytes: Uint8Array, tables: NameTables): NameTexts {
  const { records } = tables;
  const lengths = lengthsOf(tables.tokens);
  const tokens = Buffer.from(tables.tokens.join(""), "latin1");
  const offsets = new Uint32Array(257);
  for (let i = 0; i < 256; i++) offsets[i + 1] = (offsets[i] ?? 0) + (lengths[i] ?? 0);
  const starts = new Uint32Array(tables.count + 1);
  const text = new Uint8Array(records.size);
  let to = 0;
  for (let i = 0; i < tables.count; i++) {
    starts[i] = to;
    for (let at = records.starts[i] ?? 0, end = records.ends[i] ?? 0; at < end; at++) {
      const token = bytes[at] ?? 0;
      for (let from = offsets[token] ?? 0, last = offsets[token + 1] ?? 0; from < last; from++)
        text[to++] = tokens[from] ?? 0;
    }
  }
  starts[tables.count] = to;
  return { text, starts };
}

const lengthsOf = (tokens: readonly string[]): Uint16Array => Uint16Array.from(tokens, ({ length }) => length);

function recordsOf(
  bytes: Uint8Array,
  { names, count, hasLongNames }: Pick<NameTables, "names" | "count" | "hasLongNames">,
  lengths: Uint16Array,
): NameRecords {
  const starts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  let size = 0;
  let longest = 0;
  let at = names;
  for (let i = 0; i < count; i++) {
    let length = bytes[at++] ?? 0;
    if (hasLongNames && length > 0x7f) length = (length & 0x7f) | ((bytes[at++] ?? 0) << 7);
    starts[i] = at;
    let characters = 0;
    for (const end = at + length; at < end; at++) characters += lengths[bytes[at] ?? 0] ?? 0;
    ends[i] = at;
    size += characters;
    if (characters > longest) longest = characters;
  }
  return { starts, ends, size, longest };
}
