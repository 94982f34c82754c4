// The first difference of a changed function for people: the instruction on either side, with what it refers to and its line.

import { hex, printable } from "../../base/bytes.ts";
import type { Disassembler } from "../../diag/define.ts";
import { instructionAt, itemContent } from "../../diff/canon/content.ts";
import { describeTarget } from "../../diff/canon/targets.ts";
import type { Item } from "../../diff/canon/unit.ts";
import type { Side } from "../../diff/compare/compare.ts";
import type { Change } from "../../diff/diff.ts";
import { relocName } from "../../reloc/def.ts";
import type { Subject } from "../open.ts";

/** One side of a difference. */
export interface DifferenceSide {
  /** Name of the item, and of the part that the difference is in. */
  readonly name: string;
  /** Bytes from the symbol. */
  readonly offset: number;
  /** The bytes of the instruction, or of the data. */
  readonly bytes: string;
  /** The instruction; null for data, and without a disassembler. */
  readonly text: string | null;
  /** The relocation there and what it refers to; null: none. */
  readonly reference: { readonly relocation: string | null; readonly target: string } | null;
  readonly source: { readonly file: string; readonly line: number } | null;
}

/** What stands on either side where a function differs first; null for a side that has nothing there. */
export async function firstDifference(
  change: Change,
  sides: readonly [Side, Side],
  subjects: readonly [Subject, Subject],
  disassemble: Disassembler | null,
): Promise<readonly [DifferenceSide | null, DifferenceSide | null]> {
  const { difference } = change;
  const [orig, patched] =
    change.part === null ? [change.orig, change.patched] : [change.part.orig, change.part.patched];
  const one = await sideOf(orig, difference?.orig ?? null, sides[0], subjects[0], disassemble);
  const other = await sideOf(patched, difference?.patched ?? null, sides[1], subjects[1], disassemble);
  return [one, other];
}

/** Bytes shown of data. */
const SHOWN = 8;

async function sideOf(
  item: Item | null,
  place: { readonly section: number; readonly offset: number } | null,
  side: Side,
  subject: Subject,
  disassemble: Disassembler | null,
): Promise<DifferenceSide | null> {
  if (item === null || place === null || place.section !== item.section) return null;
  const { unit } = side;
  const content = itemContent(unit, item);
  const within = place.offset - item.start;
  const found = instructionAt(content.instructions, within);
  const at = found?.at ?? within;
  const size = found?.size ?? SHOWN;
  const raw = unit.file.sections.data(item.section).subarray(item.start + at, item.start + at + size);
  const offset = item.start + at - item.entry;
  const reference = content.references.find((r) => r.at >= at && r.at < at + size) ?? null;
  const frames = (await subject.source()).find(item.section, item.start + at);
  const line = frames?.[0];
  return {
    name: printable(item.name),
    offset,
    bytes: [...raw].map((b) => b.toString(16).padStart(2, "0")).join(" "),
    text: found === null || disassemble === null ? null : printable(disassemble(raw, Math.max(0, offset)).text),
    reference:
      reference === null
        ? null
        : {
            relocation: reference.type === null ? null : relocName(unit.arch.relocs, reference.type),
            target: printable(describeTarget(reference.target, unit)),
          },
    source: line === undefined || line.line === 0 ? null : { file: printable(line.file), line: line.line },
  };
}

/** `f+0x14: b8 05 00 00 00  movl   $5,%eax  (f.c:12)` */
export function sideText(side: DifferenceSide | null): string {
  if (side === null) return "(nothing)";
  const sign = side.offset < 0 ? `-${hex(-side.offset)}` : `+${hex(side.offset)}`;
  const parts = [`${side.name}${sign}:`, side.bytes, side.text ?? ""];
  if (side.reference !== null) parts.push(`-> ${side.reference.target}`);
  if (side.source !== null) parts.push(`(${side.source.file}:${side.source.line})`);
  return parts.filter((p) => p !== "").join("  ");
}
