// Room for what is added to functions: behind each, and before the entry of some. Where others follow in the section,
// they move.

import { alignUp, printable } from "../../base/bytes.ts";
import type { ZstdUnpacker } from "../../elf/containers/compressed.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { CodeSymbol, FunctionIndex } from "../functions.ts";
import { type Gap, type Obstacle, roomFor } from "./layout.ts";
import { type Move, planMove } from "./move.ts";

/** Bytes wanted for one function; several wishes add up. */
export interface Wish {
  readonly function: CodeSymbol;
  readonly behind: number;
  readonly before: number;
  /** Bytes before the function's start that belong to it; what comes before it comes before them, too. */
  readonly lead: number;
}

/** Why there is no room for a function. */
export interface NoRoom {
  /** What would have to move: the next symbol, or the function itself. */
  readonly follower: CodeSymbol;
  readonly obstacle: Obstacle;
}

export interface Room {
  readonly move: Move;
  /** Null if there is room. */
  readonly refusal: (f: CodeSymbol) => NoRoom | null;
}

/** Offset where what is added begins, if others follow the function: its end, or that of its longest alias. */
export function endOfCode(functions: FunctionIndex, f: CodeSymbol): number {
  let end = f.start;
  for (const alias of functions.aliases(f)) end = Math.max(end, alias.start + alias.size);
  return alignUp(end, 4);
}

/** Plans room for all wishes. A section in which something must move and cannot is left as it is: see `refusal`. `unzstd`: as for {@link planMove}. */
export function planRoom(
  file: ElfFile,
  symbols: SymbolTable,
  functions: FunctionIndex,
  wishes: readonly Wish[],
  unzstd: ZstdUnpacker | null,
): Room {
  const behind = new Map<CodeSymbol, number>();
  const before = new Map<CodeSymbol, { bytes: number; lead: number }>();
  const followers = new Map<CodeSymbol, CodeSymbol>();
  const blocked = new Map<CodeSymbol, Obstacle>();
  for (const wish of wishes) {
    const f = wish.function;
    const follower = wish.before > 0 ? f : functions.after(f);
    if (follower === null) continue;
    if (!followers.has(f)) followers.set(f, follower);
    const end = endOfCode(functions, f);
    const next = functions.after(f);
    const { section } = f;
    if (f.size === 0) {
      blocked.set(f, { section, offset: f.start, reason: `${printable(f.name)} has no size` });
    } else if (next !== null && next.start < end) {
      blocked.set(f, { section, offset: next.start, reason: "it is a name inside the function" });
    } else {
      if (next !== null) behind.set(f, (behind.get(f) ?? 0) + wish.behind);
      const known = before.get(f) ?? { bytes: 0, lead: 0 };
      before.set(f, { bytes: known.bytes + wish.before, lead: Math.max(known.lead, wish.lead) });
    }
  }
  const gaps = new Map<number, Gap[]>();
  const add = (section: number, at: number, bytes: number): void => {
    if (bytes === 0) return;
    const list = gaps.get(section);
    const gap = { at, size: roomFor(file, section, bytes) };
    if (list === undefined) gaps.set(section, [gap]);
    else list.push(gap);
  };
  // Behind first: where both stand at one place, what follows a function comes before the next one's entry.
  for (const [f, size] of behind) add(f.section, endOfCode(functions, f), size);
  for (const [f, { bytes, lead }] of before) add(f.section, f.start - lead, bytes);
  const move = planMove(file, symbols, functions, gaps, unzstd);
  const refusal = (f: CodeSymbol): NoRoom | null => {
    const follower = followers.get(f);
    const obstacle = blocked.get(f) ?? move.obstacles.get(f.section);
    return follower === undefined || obstacle === undefined ? null : { follower, obstacle };
  };
  return { move, refusal };
}
