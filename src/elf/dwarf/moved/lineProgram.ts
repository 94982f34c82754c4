// A line program for code that was moved apart (DWARF 5, 6.2.5). Rows keep all that they say and get their new
// addresses; the room between functions belongs to no line.

import { append } from "../../../base/lists.ts";
import {
  DW_LNE_end_sequence,
  DW_LNE_set_address,
  DW_LNS_advance_line,
  DW_LNS_advance_pc,
  DW_LNS_const_add_pc,
  DW_LNS_copy,
  DW_LNS_fixed_advance_pc,
  DW_LNS_negate_stmt,
} from "../consts.ts";
import type { Budget, Cursor } from "../cursor.ts";
import { encodeSleb128, encodeUleb128 } from "../leb128.ts";
import { type LineHeader, readLineHeader } from "../lines/lineHeader.ts";
import type { AddedRoom, AddressMove } from "./addresses.ts";
import type { Draft } from "./draft.ts";

/** Operands of the standard operations 1 to 9, as every version of DWARF has them. */
const STANDARD_OPERANDS = [0, 0, 1, 1, 1, 1, 0, 0, 0, 1];
/** Bytes of a row that belongs to no line, and of the way there and back, at most; for the budget. */
const ROOM_COST = 8;

/** An operation that changes the address, between two rows. `line`: what a special opcode adds to the line. */
interface Step {
  readonly at: number;
  readonly length: number;
  readonly line: number | null;
}

/** The rows of one sequence, one after the other. */
interface State {
  address: number;
  line: number;
  isStmt: boolean;
  /** The row before: its address, and its registers as they are until an operation changes them. */
  last: { readonly address: number; readonly line: number; readonly isStmt: boolean } | null;
  /** Offset behind the operation that made it. */
  runStart: number;
  steps: Step[];
  /** DW_LNE_set_address since the row before: the address, and where it stands. */
  set: { readonly address: number; readonly operand: number } | null;
}

/**
 * Drafts the changes of the program that the cursor stands at, with its unit_length.
 * @throws DwarfError if it is not understood.
 */
export function moveLineProgram(cursor: Cursor, move: AddressMove, budget: Budget, draft: Draft): void {
  const start = cursor.at;
  const header = readLineHeader(cursor, 8);
  if (header.program > cursor.end) throw cursor.error("a line program header that is longer than its unit");
  for (let i = 1; i < STANDARD_OPERANDS.length && i < header.opcodeBase; i++) {
    if (header.operandCounts[i] !== STANDARD_OPERANDS[i]) throw cursor.error(`operation ${i} is not the standard one`);
  }
  if (header.operationsPerInstruction > 1) throw cursor.error("a line program for several operations an instruction");
  cursor.at = header.program;
  new Program(cursor, header, move, budget, draft).run();
  if (draft.growth === 0) return;
  const { offsetSize } = header;
  const at = offsetSize === 8 ? start + 4 : start;
  draft.number(cursor, at, offsetSize, header.end - at - offsetSize + draft.growth);
}

class Program {
  readonly #cursor: Cursor;
  readonly #header: LineHeader;
  readonly #move: AddressMove;
  readonly #budget: Budget;
  readonly #draft: Draft;
  #state: State;

  constructor(cursor: Cursor, header: LineHeader, move: AddressMove, budget: Budget, draft: Draft) {
    this.#cursor = cursor;
    this.#header = header;
    this.#move = move;
    this.#budget = budget;
    this.#draft = draft;
    this.#state = this.#fresh();
  }

  #fresh(): State {
    const isStmt = this.#header.defaultIsStmt;
    return { address: 0, line: 1, isStmt, last: null, runStart: this.#cursor.at, steps: [], set: null };
  }

  run(): void {
    const cursor = this.#cursor;
    const { opcodeBase, lineBase, lineRange, minInstructionLength, operandCounts } = this.#header;
    while (cursor.at < cursor.end) {
      this.#budget.spend(cursor);
      const at = cursor.at;
      const opcode = cursor.u8();
      const state = this.#state;
      const step = (bytes: number): void => {
        state.address += bytes;
        state.steps.push({ at, length: cursor.at - at, line: null });
      };
      if (opcode >= opcodeBase) {
        const adjusted = opcode - opcodeBase;
        const line = lineBase + (adjusted % lineRange);
        state.address += Math.floor(adjusted / lineRange) * minInstructionLength;
        state.steps.push({ at, length: 1, line });
        state.line += line;
        this.#row(at, false);
        continue;
      }
      switch (opcode) {
        case 0:
          this.#extended(at);
          break;
        case DW_LNS_copy:
          this.#row(at, false);
          break;
        case DW_LNS_advance_pc:
          step(cursor.uleb() * minInstructionLength);
          break;
        case DW_LNS_advance_line:
          state.line += cursor.sleb();
          break;
        case DW_LNS_negate_stmt:
          state.isStmt = !state.isStmt;
          break;
        case DW_LNS_const_add_pc:
          step(Math.floor((255 - opcodeBase) / lineRange) * minInstructionLength);
          break;
        case DW_LNS_fixed_advance_pc:
          step(cursor.u16());
          break;
        default:
          for (let i = 0; i < (operandCounts[opcode] ?? 0); i++) cursor.uleb();
      }
    }
  }

  #extended(at: number): void {
    const cursor = this.#cursor;
    const length = cursor.uleb();
    const start = cursor.at;
    if (length === 0) return;
    if (length > cursor.end - start) throw cursor.error("an operation that is longer than the program");
    const operation = cursor.u8();
    if (operation === DW_LNE_end_sequence) {
      this.#row(at, true);
      cursor.at = start + length;
      this.#state = this.#fresh();
      return;
    }
    if (operation === DW_LNE_set_address) {
      const operand = cursor.at;
      const address = cursor.uint(length - 1);
      this.#state.address = address;
      this.#state.set = { address, operand };
      this.#state.steps = [];
    }
    cursor.at = start + length;
  }

  /** A row, made by the operation at `at`; `isEnd`: it ends the sequence. */
  #row(at: number, isEnd: boolean): void {
    const state = this.#state;
    const { address, last, set } = state;
    const cursor = this.#cursor;
    const from = set?.address ?? last?.address ?? 0;
    if (!this.#move.isWhole(last?.address ?? from, address) || !this.#move.isWhole(from, address)) {
      throw cursor.error("rows of a sequence that are not in one section, in rising order");
    }
    // The end of a sequence belongs to what stands before it.
    const reach = isEnd ? Math.max(last?.address ?? from, address - 1) : address;
    const rooms = last === null ? [] : this.#move.roomsIn(last.address, reach);
    if (set !== null) {
      let start = this.#move.shift(from);
      if (isEnd && address === from && last !== null) {
        start = this.#move.shift(reach);
        this.#draft.end(cursor.section, set.operand, start);
      }
      this.#insert(at, this.#advance(this.#move.shift(reach) - start));
      if (rooms.length > 0) this.#insert(state.runStart, this.#emptyRows(rooms, reach).bytes);
    } else if (rooms.length > 0) {
      this.#across(at, this.#emptyRows(rooms, address));
    }
    state.last = { address, line: state.line, isStmt: state.isStmt };
    state.runStart = cursor.at;
    state.steps = [];
    state.set = null;
  }

  /** Writes the operations between two rows anew: empty rows first, and the rest of the way just before the row. */
  #across(at: number, empty: { readonly bytes: readonly number[]; readonly reached: number }): void {
    const { steps, address, runStart } = this.#state;
    const edits = new Map<number, { readonly length: number; readonly bytes: readonly number[] }>();
    for (const step of steps) edits.set(step.at, { length: step.length, bytes: [] });
    const rest = this.#advance(address - empty.reached);
    const line = steps.find((s) => s.at === at)?.line ?? null;
    if (line === null) edits.set(at, { length: 0, bytes: rest });
    else edits.set(at, { length: 1, bytes: [...rest, ...advanceLine(line), DW_LNS_copy] });
    const first = edits.get(runStart) ?? { length: 0, bytes: [] };
    edits.set(runStart, { length: first.length, bytes: [...empty.bytes, ...first.bytes] });
    for (const [place, { length, bytes }] of edits) {
      if (length > 0 || bytes.length > 0) this.#draft.replace(this.#cursor, place, length, bytes);
    }
  }

  #insert(at: number, bytes: readonly number[]): void {
    if (bytes.length > 0) this.#draft.replace(this.#cursor, at, 0, bytes);
  }

  /**
   * From the row before: for each room a row of no line, and behind it one of the line before, if that line goes on
   * there. `reached`: the old address that the address register then stands for.
   */
  #emptyRows(rooms: readonly AddedRoom[], next: number): { bytes: number[]; reached: number } {
    const { last } = this.#state;
    const bytes: number[] = [];
    let reached = last?.address ?? 0;
    if (last === null) return { bytes, reached };
    const { line, isStmt } = last;
    if (line < 0 || line > 0x7fff_ffff) throw this.#cursor.error(`line ${line}`);
    // A debugger may stop at the start of each statement: neither row is one.
    if (isStmt) bytes.push(DW_LNS_negate_stmt);
    rooms.forEach(({ at, size }, i) => {
      this.#budget.spend(this.#cursor, ROOM_COST);
      append(bytes, [...this.#advance(at - reached), ...advanceLine(-line), DW_LNS_copy]);
      append(bytes, [...this.#advance(size), ...advanceLine(line)]);
      if (at < (rooms[i + 1]?.at ?? next)) bytes.push(DW_LNS_copy);
      reached = at;
    });
    if (isStmt) bytes.push(DW_LNS_negate_stmt);
    return { bytes, reached };
  }

  /** Operations that add to the address. */
  #advance(by: number): number[] {
    const least = this.#header.minInstructionLength;
    if (by === 0) return [];
    if (by < 0) throw this.#cursor.error("an address that goes back");
    if (least > 0 && by % least === 0) return [DW_LNS_advance_pc, ...encodeUleb128(by / least)];
    if (this.#header.opcodeBase <= DW_LNS_fixed_advance_pc) throw this.#cursor.error("no operation for this distance");
    const bytes: number[] = [];
    for (let left = by; left > 0; left -= 0xffff) {
      const part = Math.min(left, 0xffff);
      const halves = [part & 0xff, part >> 8];
      append(bytes, [DW_LNS_fixed_advance_pc, ...(this.#cursor.littleEndian ? halves : halves.reverse())]);
    }
    return bytes;
  }
}

const advanceLine = (by: number): number[] => (by === 0 ? [] : [DW_LNS_advance_line, ...encodeSleb128(by)]);
