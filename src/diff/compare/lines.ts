// Line numbers in code: what `__LINE__` leaves in an argument of a call that only reports where it is.

import type { CodeTraits } from "../../arch/code/code.ts";
import { latin1 } from "../../base/bytes.ts";
import { type Content, instructionAt, type PlacedInstruction } from "../canon/content.ts";
import { calledName, stringAt, type Target } from "../canon/targets.ts";
import type { Item, Unit } from "../canon/unit.ts";

/** The line of the source that an instruction belongs to; 0: none in particular; null: not known. Offset in the section. */
export type LineOf = (section: number, offset: number) => number | null;

/**
 * Functions of the kernel that take `__LINE__` only to report it, and the position of that argument, from 0
 * (include/linux/kernel.h, asm-generic/bug.h, linux/rcupdate.h, fs/btrfs/messages.h, transaction.h; 6.1, 6.12, 7.2).
 */
const REPORTERS: ReadonlyMap<string, number> = new Map([
  ["__might_sleep", 1],
  ["___might_sleep", 1],
  ["__might_resched", 1],
  ["__might_fault", 1],
  ["__cant_sleep", 1],
  ["__cant_migrate", 1],
  ["warn_slowpath_fmt", 1],
  ["warn_slowpath_null", 1],
  ["lockdep_rcu_suspicious", 1],
  ["__btrfs_abort_transaction", 2],
  ["__btrfs_handle_fs_error", 2],
  ["__btrfs_panic", 2],
]);

export interface LineSide {
  readonly content: Content;
  readonly item: Item;
  readonly lineOf: LineOf | null;
  readonly code: CodeTraits;
}

/** A difference in a line number only. Offsets are bytes from the start of the item. */
export interface LineFound {
  readonly at: number;
  /** Behind all instructions that make the number. */
  readonly behind: number;
  readonly orig: number;
  readonly patched: number;
  readonly callee: string;
}

/**
 * Whether two functions differ at `at` only in the line number that a call reports. All of these must hold: the instructions are
 * loads of a constant into the same register; the next call, with no jump between, goes to one of {@link REPORTERS} on both
 * sides, and the register is the argument that it takes the line in; the numbers are the lines that the line table gives for the
 * load or for the call. Without a line table that cannot be known, and the answer is no.
 */
export function isLineOnly(a: LineSide, b: LineSide, at: number): LineFound | null {
  const [one, other] = [numberAt(a, at), numberAt(b, at)];
  if (one === null || other === null || one.register !== other.register || one.behind !== other.behind) return null;
  if (one.start !== other.start || one.value === other.value) return null;
  const [c, d] = [callBehind(a, one), callBehind(b, other)];
  if (c === null || d === null || c.at !== d.at || c.callee !== d.callee) return null;
  const position = REPORTERS.get(c.callee);
  if (position === undefined || a.code.arguments[position] !== one.register) return null;
  if (!isLine(a, one.start, c.at, one.value) || !isLine(b, other.start, d.at, other.value)) return null;
  return { at: one.start, behind: one.behind, orig: one.value, patched: other.value, callee: c.callee };
}

interface LoadedNumber {
  readonly register: number;
  readonly value: number;
  readonly start: number;
  readonly behind: number;
}

/** The number that the instruction at `at`, with those beside it for larger ones, puts into a register. */
function numberAt({ content }: LineSide, at: number): LoadedNumber | null {
  const list = content.instructions;
  const found = instructionAt(list, at);
  if (found === null || found.constant === null) return null;
  let first = list.indexOf(found);
  if (found.constant.form === "part") first--;
  const whole = list[first];
  if (whole?.constant?.form !== "whole" || whole.constant.register !== found.constant.register) return null;
  let { value } = whole.constant;
  let behind = whole.at + whole.size;
  const next = list[first + 1];
  if (next?.constant?.form === "part" && next.constant.register === whole.constant.register) {
    value += next.constant.value;
    behind = next.at + next.size;
  }
  return { register: whole.constant.register, value, start: whole.at, behind };
}

/** The next call, with no jump between, and what it calls by name; null if there is none. */
function callBehind({ content }: LineSide, number: LoadedNumber): { at: number; callee: string } | null {
  const isTarget = branchTargets(content);
  for (const one of content.instructions) {
    if (one.at < number.behind) continue;
    if (isTarget.has(one.at) || one.isJump || one.constant?.register === number.register) return null;
    if (!one.isCall) {
      if (one.relative?.isBranch === true) return null;
      continue;
    }
    const reference = content.references.find((r) => r.at >= one.at && r.at < one.at + one.size && r.isBranch);
    const callee = reference === undefined ? null : calledName(reference.target);
    const isWhole =
      reference?.target.kind === "item" || (reference?.target.kind === "undefined" && reference.target.distance <= 0);
    return callee !== null && isWhole ? { at: one.at, callee } : null;
  }
  return null;
}

const targetsOf = new WeakMap<readonly PlacedInstruction[], ReadonlySet<number>>();

/** Places of an item that its own branches lead to. */
function branchTargets({ instructions, references }: Content): ReadonlySet<number> {
  let found = targetsOf.get(instructions);
  if (found === undefined) {
    // A relocation says where a branch leads, whatever its field holds.
    const relocated = new Set(references.map((r) => r.at));
    found = new Set(
      instructions.flatMap(({ relative }) =>
        relative?.isBranch === true && !relocated.has(relative.field) ? [relative.to] : [],
      ),
    );
    targetsOf.set(instructions, found);
  }
  return found;
}

function isLine({ item, lineOf }: LineSide, load: number, call: number, value: number): boolean {
  if (lineOf === null) return false;
  return [load, call].some((at) => lineOf(item.section, item.start + at) === value);
}

/** A string that ends with a place in a source file, as FILE_LINE of include/linux/fortify-string.h (6.12) makes it. */
export function placeInString(unit: Unit, target: Target): { readonly file: string; readonly line: number } | null {
  if (target.kind === "toc") return target.slot.target === null ? null : placeInString(unit, target.slot.target);
  if (target.kind !== "string" || target.distance !== 0) return null;
  const bytes = stringAt(unit, target.section, target.at);
  const [, file, line] = /^(.*\.[chS]):(\d{1,7})$/s.exec(latin1(bytes, 0, bytes.length)) ?? [];
  return file === undefined ? null : { file, line: Number(line) };
}
