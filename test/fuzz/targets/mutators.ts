// Edits beside those of mutate.ts: within chosen sections, of text, and of bytes with the numbers that formats stumble over.

import { ElfError } from "../../../src/elf/error.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { generator, mutate } from "../mutate.ts";

type Next = (n: number) => number;

const NUMBERS = [0, 1, 2, 3, 7, 8, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/** Changes a few bytes, words and runs of [start, end) in place. */
export function editBytes(out: Uint8Array, start: number, end: number, next: Next): void {
  const size = end - start;
  if (size <= 0) return;
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  for (let edits = 1 + next(4); edits > 0; edits--) {
    const at = start + next(size);
    const kind = next(6);
    if (kind === 0) out[at] = next(256);
    else if (kind === 1) out[at] = (out[at] ?? 0) ^ (1 << next(8));
    else if (kind === 2 && at + 4 <= end) view.setUint32(at & ~3, NUMBERS[next(NUMBERS.length)] ?? 0, next(8) > 0);
    else if (kind === 3 && at + 8 <= end)
      view.setBigUint64(at & ~7, BigInt(NUMBERS[next(NUMBERS.length)] ?? 0) << BigInt(8 * next(5)), true);
    else if (kind === 4) out.copyWithin(at, start + next(size), start + next(size));
    else out.fill(next(2) * 0xff, at, Math.min(end, at + 1 + next(16)));
  }
}

/** Any bytes: edits, and at times a cut, a part of another sample, or some bytes more. */
export function editAny(sample: Uint8Array, seed: number, others: readonly Uint8Array[]): Uint8Array {
  const next = generator(seed);
  let out: Uint8Array = sample.slice();
  if (next(6) === 0) out = out.slice(0, next(out.length + 1));
  if (next(8) === 0) {
    const other = others[next(others.length)] ?? out;
    const from = next(other.length + 1);
    out = new Uint8Array(
      Buffer.concat([out.subarray(0, next(out.length + 1)), other.subarray(from, from + next(4096))]),
    );
  }
  // Headers are short and full of meaning.
  editBytes(out, 0, next(2) === 0 ? Math.min(out.length, 128) : out.length, next);
  return out;
}

/** Edits within sections whose names match; now and then of the file's structure too. */
export const editSections =
  (pattern: RegExp) =>
  (sample: Uint8Array, seed: number): Uint8Array => {
    const next = generator(seed);
    if (next(4) === 0) return mutate(sample, seed);
    const out = sample.slice();
    try {
      const { sections } = readElf(sample);
      const wanted: number[] = [];
      for (let i = 1; i < sections.count; i++) {
        if (pattern.test(sections.name(i)) && sections.data(i).length > 0) wanted.push(i);
      }
      if (wanted.length === 0) return mutate(sample, seed);
      for (let k = 1 + next(2); k > 0; k--) {
        const i = wanted[next(wanted.length)] as number;
        editBytes(out, sections.offset(i), sections.offset(i) + sections.data(i).length, next);
      }
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      return mutate(sample, seed);
    }
    return out;
  };

const PIECES = [
  "",
  " ",
  "\t",
  "\0",
  "\n",
  "\r\n",
  "[",
  "]",
  "(",
  "'",
  "`",
  "%",
  "\x1b[2J",
  "\xe2\x80\xae",
  "0x",
  "-1",
  "ffffffffffffffff",
  "99999999999999999999",
  "a".repeat(5000),
];

/** Text: letters, numbers and whole lines replaced, doubled, swapped, cut. */
export function editText(sample: Uint8Array, seed: number, others: readonly Uint8Array[]): Uint8Array {
  const next = generator(seed);
  const lines = Buffer.from(sample).toString("latin1").split("\n");
  const start = next(Math.max(1, lines.length - 40));
  const taken = lines.slice(start, start + 1 + next(40));
  for (let edits = 1 + next(5); edits > 0; edits--) {
    const i = next(taken.length);
    const line = taken[i] ?? "";
    const at = next(line.length + 1);
    const piece = PIECES[next(PIECES.length)] ?? "";
    const kind = next(5);
    if (kind === 0) taken[i] = line.slice(0, at) + piece + line.slice(at);
    else if (kind === 1) taken[i] = line.slice(0, at) + piece + line.slice(at + 1 + next(8));
    else if (kind === 2) taken[i] = line.replace(/0x[0-9a-f]+|\d+/i, () => String(NUMBERS[next(NUMBERS.length)]));
    else if (kind === 3) taken.splice(i, 0, ...taken.slice(next(taken.length), next(taken.length)).slice(0, 50));
    else
      taken[i] =
        Buffer.from(others[next(others.length)] ?? [])
          .toString("latin1", 0, 200)
          .split("\n")[0] ?? "";
  }
  return Buffer.from(taken.join("\n"), "latin1");
}
