// Seeded mutations of object files. The same sample and seed give the same bytes on any host.

import { Raw, shdr } from "../elf/raw.ts";

/** A linear congruential generator: `next(n)` is in [0, n). */
export function generator(seed: number): (n: number) => number {
  let state = seed >>> 0;
  // Neighbouring seeds must not begin alike.
  for (let i = 0; i < 3; i++) state = (Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + 0x9e37_79b9) >>> 0;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** Bytes anywhere, half of them in the ELF header, and cuts. */
function mutateBytes(source: Uint8Array, next: (n: number) => number): Uint8Array {
  const out = source.slice(0, next(8) === 0 ? next(source.length) : source.length);
  for (let edits = 1 + next(4); edits > 0 && out.length > 0; edits--) {
    const reach = next(2) === 0 ? Math.min(64, out.length) : out.length;
    out[next(reach)] = next(3) === 0 ? next(256) : ([0, 1, 0x7f, 0x80, 0xff][next(5)] ?? 0);
  }
  return out;
}

const interesting = [
  0n,
  1n,
  2n,
  3n,
  7n,
  8n,
  16n,
  24n,
  0x7fff_ffffn,
  0xffff_ffffn,
  1n << 32n,
  1n << 53n,
  1n << 63n,
  -1n,
];
const fields = Object.keys(shdr) as (keyof typeof shdr)[];
const types = [0, 1, 2, 3, 4, 7, 8, 9, 11, 14, 17, 18, 0x6fff_4c02, 0x6fff_4c03, 0x6000_1234];
const aligns = [0, 1, 2, 8, 256, 4096, 0x10000, 0x4000_0000];

/** Fields that stay plausible: they get past the reader, into the passes and the writer. */
function mutateFields(source: Uint8Array, next: (n: number) => number): Uint8Array {
  const raw = new Raw(source);
  const count = raw.shnum;
  for (let edits = 1 + next(5); edits > 0; edits--) {
    try {
      mutateField(raw, next(count), count, next);
    } catch (error) {
      // An edit before this one led a table past the end.
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return raw.bytes;
}

function mutateField(raw: Raw, section: number, count: number, next: (n: number) => number): void {
  const rows = Math.floor(raw.get(section, "sh_size") / 24);
  const type = raw.get(section, "sh_type");
  switch (next(9)) {
    case 0: {
      const field = fields[next(fields.length)] ?? "sh_size";
      raw.set(
        section,
        field,
        BigInt.asUintN(field === "sh_name" ? 32 : 64, interesting[next(interesting.length)] ?? 0n),
      );
      break;
    }
    case 1: // an index or number of another section, or one past them all
      raw.set(section, next(2) === 0 ? "sh_link" : "sh_info", next(count + 1));
      break;
    case 2:
      raw.set(section, "sh_type", types[next(types.length)] ?? 1);
      break;
    case 3:
      raw.set(section, "sh_addralign", aligns[next(aligns.length)] ?? 1);
      break;
    case 4:
      raw.set(section, "sh_flags", BigInt(raw.get(section, "sh_flags")) ^ (1n << BigInt(next(24))));
      break;
    case 5: // smaller, or taking the bytes up to the next part
      raw.set(
        section,
        "sh_size",
        next(2) === 0 ? next(raw.get(section, "sh_size") + 1) : raw.get(section, "sh_size") + next(16),
      );
      break;
    case 6: {
      const other = next(count);
      const field = fields[next(fields.length)] ?? "sh_name";
      const value = raw.get(section, field);
      raw.set(section, field, raw.get(other, field)).set(other, field, value);
      break;
    }
    default: {
      // A row of a table: symbols, relocations, words of a group or of anything else.
      if (rows === 0 || type === 0 || type === 8 || raw.within(section, rows * 24) > raw.bytes.length) break;
      const at = raw.within(section, next(rows) * 24);
      const small = next(24);
      const wild = BigInt.asUintN(64, interesting[next(interesting.length)] ?? 0n);
      const pick = next(5);
      if (type === 2) {
        const homes = [0, 1, next(count), 0xff00, 0xff20, 0xfff1, 0xfff2, 0xffff];
        if (pick < 2) raw.set16(at + 6, homes[next(homes.length)] ?? 0);
        else if (pick === 2) raw.set64(at + 8 + 8 * next(2), wild);
        else if (pick === 3) raw.bytes[at + 4 + next(2)] = next(256);
        else raw.set32(at, next(64));
      } else if (type === 4) {
        const relocations = [1, 10, 38, 50, 51, 109, 116, 248, 283, next(300)];
        if (pick === 0) raw.set64(at, BigInt(next(64)));
        else if (pick === 1) raw.set64(at, wild);
        else if (pick === 2) raw.set32(at + 8 + (raw.littleEndian ? 4 : 0), small);
        else if (pick === 3) raw.set32(at + 8 + (raw.littleEndian ? 0 : 4), relocations[next(relocations.length)] ?? 0);
        else raw.set64(at + 16, wild);
      } else {
        // Code words: nop, bl, b, blr, ld r2,24(r1), stdu r1,-32(r1); or small numbers.
        const word = [
          0x6000_0000,
          0x4800_0001,
          0x4800_0000,
          0x4e80_0020,
          0xe841_0018,
          0xf821_ffe1,
          small,
          next(2 ** 32),
        ][next(8)];
        raw.set32(at + next(6) * 4, word ?? 0);
      }
    }
  }
}

export function mutate(sample: Uint8Array, seed: number): Uint8Array {
  const next = generator(seed);
  // ELF32 and what is not an object have no fields to find.
  const plain = sample[4] !== 2 || (sample[16] !== 1 && sample[17] !== 1);
  return plain || next(4) === 0 ? mutateBytes(sample, next) : mutateFields(sample, next);
}
