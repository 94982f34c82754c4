// Moves the functions of an object apart, for the tests of what its debug information says then.

import { loadZstd } from "../../../../src/elf/containers/compressed.ts";
import type { LeftBehind } from "../../../../src/elf/dwarf/moved/debug.ts";
import { readElf } from "../../../../src/elf/reader.ts";
import { ElfEdits } from "../../../../src/elf/writer/edits.ts";
import { writeElf } from "../../../../src/elf/writer.ts";
import { FunctionIndex } from "../../../../src/klp/functions.ts";
import { roomFor } from "../../../../src/klp/move/layout.ts";
import { applyMove, planMove } from "../../../../src/klp/move/move.ts";

export interface Moved {
  readonly bytes: Uint8Array;
  readonly left: readonly LeftBehind[];
  /** Why a section could not be moved. */
  readonly obstacles: readonly string[];
}

/** @param size bytes of room behind the n-th function of a section, before they are rounded up to its alignment */
export async function movedApart(input: Uint8Array, size: (n: number) => number): Promise<Moved> {
  const file = readElf(input);
  const { sections, symbols } = file;
  if (symbols === null) throw new Error("no symbols");
  const functions = new FunctionIndex(file, symbols);
  const gaps = new Map<number, { at: number; size: number }[]>();
  for (let section = 1; section < sections.count; section++) {
    if (!sections.name(section).startsWith(".text")) continue;
    const list = functions
      .inSection(section)
      .map((f, n) => ({ at: f.start + f.size, size: roomFor(file, section, size(n)) }));
    gaps.set(section, list.slice(0, -1));
  }
  const move = planMove(file, symbols, functions, gaps, await loadZstd());
  const edits = new ElfEdits(file);
  applyMove(edits, symbols, move);
  return {
    bytes: writeElf(edits),
    left: move.debug().left,
    obstacles: [...move.obstacles.values()].map((o) => o.reason),
  };
}

/** Functions with code, by name. */
export function functionsOf(bytes: Uint8Array): Map<string, { section: number; start: number; size: number }> {
  const { symbols } = readElf(bytes);
  const found = new Map<string, { section: number; start: number; size: number }>();
  for (let i = 1; symbols !== null && i < symbols.count; i++) {
    const section = symbols.sectionOf(i);
    if (section === null || symbols.type(i) !== 2) continue;
    found.set(symbols.name(i), { section, start: symbols.offset(i), size: Number(symbols.size(i)) });
  }
  return found;
}

/** Rooms of many sizes: some that fit the space of an old LEB128 number, some that do not, and none at all. */
export const ROOMS: readonly (readonly [string, (n: number) => number])[] = [
  ["a little behind each", () => 16],
  ["other room behind each, and none behind some", (n) => 4 * ((n * 7) % 23)],
  ["much room", (n) => 4000 * (n + 1)],
  ["room behind the first only", (n) => (n === 0 ? 64 : 0)],
];
