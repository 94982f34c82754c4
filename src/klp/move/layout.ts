// The new layout of a section in which room is made: what moves, and by how much.

import { alignUp } from "../../base/bytes.ts";
import { countUpTo } from "../../base/search.ts";
import type { ElfFile } from "../../elf/reader.ts";

/** Room to make in a section, in bytes; what begins at `at` or behind it moves. */
export interface Gap {
  readonly at: number;
  readonly size: number;
}

/** The new layout of one section. */
export class SectionMove {
  readonly section: number;
  /** By offset. */
  readonly gaps: readonly Gap[];
  readonly #places: readonly number[];
  /** Sizes of the first n gaps together. */
  readonly #sums: readonly number[];

  constructor(section: number, gaps: readonly Gap[]) {
    this.section = section;
    this.gaps = [...gaps].sort((a, b) => a.at - b.at);
    this.#places = this.gaps.map((gap) => gap.at);
    const sums = [0];
    for (const gap of this.gaps) sums.push((sums.at(-1) ?? 0) + gap.size);
    this.#sums = sums;
  }

  /** Bytes by which what stands at `offset` moves. */
  shift(offset: number): number {
    return this.#sums[countUpTo(this.#places, offset)] ?? 0;
  }

  /** New offset of what stood at `offset`. */
  to(offset: number): number {
    return offset + this.shift(offset);
  }

  /** New offset of the first byte of the room made at `at`. */
  roomAt(at: number): number {
    return at + this.shift(at - 1);
  }
}

/** Why a section cannot be moved: the word or symbol that may count from the old layout. */
export interface Obstacle {
  readonly section: number;
  readonly offset: number;
  readonly reason: string;
}

/** Size of the room for `bytes` of code in a section: a multiple of its alignment, so that alignments behind it stay. */
export function roomFor(file: ElfFile, section: number, bytes: number): number {
  return alignUp(bytes, Math.max(4, file.sections.addralign(section)));
}
