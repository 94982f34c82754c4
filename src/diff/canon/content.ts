// The content of an item as it is compared: bytes without the fields that are filled in, and references.

import type { CodeInstruction } from "../../arch/code/code.ts";
import { viewOf } from "../../base/bytes.ts";
import { firstIndex } from "../../base/search.ts";
import { SHF_EXECINSTR } from "../../elf/consts.ts";
import { type Field, insert } from "../../reloc/field.ts";
import type { Relocation } from "./relocations.ts";
import { runtimeConstants } from "./runtime.ts";
import { type Target, targetOf } from "./targets.ts";
import type { Item, Unit } from "./unit.ts";

export interface Reference {
  /** Offset of the field from the start of the range. Bytes. */
  readonly at: number;
  /** Relocation type; null: the assembler resolved it, so it is told by the instruction. */
  readonly type: number | null;
  readonly isBranch: boolean;
  readonly target: Target;
  readonly relocation: Relocation | null;
  /** Bytes from the field to what the CPU counts from: a target's distance has them, an addend does not. */
  readonly bias: number;
  /** A constant that the kernel writes into this place, and into no module's code. */
  readonly isConstant?: boolean;
}

export interface Content {
  /** All fields of relocations are zero. Empty for sections without bytes. */
  readonly bytes: Uint8Array;
  readonly references: readonly Reference[];
  /** For code: the instructions, as far as they can be read; empty for data. */
  readonly instructions: readonly PlacedInstruction[];
}

export interface PlacedInstruction extends CodeInstruction {
  /** Offset from the start of the range. */
  readonly at: number;
}

/** Instructions, up to where bytes are none. */
function instructionsIn(unit: Unit, code: Uint8Array): PlacedInstruction[] {
  const found: PlacedInstruction[] = [];
  for (let at = 0; at < code.length; ) {
    const one = unit.arch.code.decode(code, at);
    if (one === null) break;
    found.push({ ...one, at });
    at += one.size;
  }
  return found;
}

/** The content of a range of a section. */
export function contentOf(unit: Unit, section: number, start: number, end: number, isCode: boolean): Content {
  const { arch, file } = unit;
  const bytes = file.sections.data(section).slice(start, end);
  const references: Reference[] = isCode
    ? runtimeConstants(unit)
        .replace(section, start, bytes)
        .map((r) => ({ ...r, isBranch: false, isConstant: r.type === null }))
    : [];
  const hasConstants = references.length > 0;
  const instructions = isCode ? instructionsIn(unit, bytes) : [];
  for (const relocation of unit.relocations.range(section, start, end)) {
    const at = relocation.offset - start;
    const toEnd = bytesToEnd(unit, relocation.type, at, isCode, instructions);
    references.push({
      at,
      type: relocation.type,
      isBranch: isBranch(unit, relocation.type, at, instructions),
      target: targetOf(unit, relocation, toEnd),
      relocation,
      bias: toEnd ?? 0,
    });
    clear(bytes, at, arch.relocs.defs.get(relocation.type)?.field ?? null, file.littleEndian);
  }
  const content = { bytes, references, instructions };
  if (isCode) resolveInPlace(unit, section, start, content);
  if (hasConstants) references.sort((a, b) => a.at - b.at);
  return content;
}

/** The instruction that holds an offset; null if there is none. */
export function instructionAt(list: readonly PlacedInstruction[], at: number): PlacedInstruction | null {
  const behind = firstIndex(list.length, (i) => (list[i]?.at ?? 0) > at);
  const found = list[behind - 1];
  return found !== undefined && at < found.at + found.size ? found : null;
}

/** Bytes from a relative field to the end of its instruction, which the CPU counts from; 0 where it counts from the field. */
function bytesToEnd(
  unit: Unit,
  type: number,
  at: number,
  isCode: boolean,
  instructions: readonly PlacedInstruction[],
): number | null {
  const { code } = unit.arch;
  if (!code.countsFromField || !isCode || !code.relativeTypes.has(type)) return 0;
  const found = instructionAt(instructions, at);
  if (found === null || found.relative?.field !== at) return null;
  return found.at + found.size - at;
}

function isBranch(unit: Unit, type: number, at: number, instructions: readonly PlacedInstruction[]): boolean {
  const { code } = unit.arch;
  if (code.branchTypes.has(type)) return true;
  if (!code.sameOnBranches.has(type)) return false;
  const found = instructionAt(instructions, at);
  return found?.relative?.field === at && found.relative.isBranch;
}

/** Sets the bits that a relocation fills in to zero. */
function clear(bytes: Uint8Array, at: number, field: Field | null, little: boolean): void {
  if (field === null || at + field.bytes > bytes.length) return;
  const view = viewOf(bytes);
  if (field.bytes === 8 && field.slices.length === 0) bytes.fill(0, at, at + 8);
  else if (field.bytes === 8) {
    view.setUint32(at, insert(field, view.getUint32(at, little), 0, 0, 0), little);
    view.setUint32(at + 4, insert(field, view.getUint32(at + 4, little), 0, 0, 1), little);
  } else if (field.bytes === 4) view.setUint32(at, insert(field, view.getUint32(at, little), 0, 0), little);
  else if (field.bytes === 2) view.setUint16(at, insert(field, view.getUint16(at, little), 0, 0), little);
}

/** Operands that the assembler resolved itself and that lead out of the range become references: a layout may change. */
function resolveInPlace(
  unit: Unit,
  section: number,
  start: number,
  { bytes, references, instructions }: Content & { readonly references: Reference[] },
): void {
  const relocated = new Set(references.map((r) => r.at));
  const added: Reference[] = [];
  for (const { relative } of instructions) {
    if (relative === null || relocated.has(relative.field)) continue;
    if (relative.to >= 0 && relative.to < bytes.length) continue;
    const to = relative.to + start;
    const size = unit.file.sections.size(section);
    const item = to >= 0 && to < size ? unit.itemAt(section, to) : null;
    if (item === null) continue; // Not code: a number that looks like it, compared as it stands.
    const { field, mask } = relative;
    const target: Target = { kind: "item", item, distance: to - item.entry };
    added.push({ at: field, type: null, isBranch: relative.isBranch, target, relocation: null, bias: 0 });
    for (let i = 0; i < 4; i++) {
      const byte = (mask >>> (8 * i)) & 0xff;
      if (byte !== 0) bytes[field + i] = (bytes[field + i] ?? 0) & ~byte;
    }
  }
  if (added.length === 0) return;
  for (const r of added) references.push(r);
  references.sort((a, b) => a.at - b.at);
}

/** The content of an item. Fill behind what its symbol covers is left out. */
export function itemContent(unit: Unit, item: Item): Content {
  const isCode = unit.file.sections.hasFlags(item.section, SHF_EXECINSTR);
  const whole = contentOf(unit, item.section, item.start, item.end, isCode);
  const covered = item.symbolEnd - item.start;
  if (covered >= whole.bytes.length || item.kind === "anonymous") return whole;
  const last = whole.references[whole.references.length - 1];
  const from = Math.max(covered, last === undefined ? 0 : last.at + 4);
  const end = isCode ? trimmedEnd(unit, whole.bytes, from) : trimmedZeros(whole.bytes, from);
  return {
    ...whole,
    bytes: whole.bytes.subarray(0, end),
    instructions: whole.instructions.filter((i) => i.at < end),
  };
}

/** Where fill that reaches to the end of `bytes` begins, at `from` or behind it. */
function trimmedEnd(unit: Unit, bytes: Uint8Array, from: number): number {
  let end = from;
  for (let at = from; at < bytes.length; ) {
    const fill = unit.arch.code.fillAt(bytes, at, bytes.length);
    if (fill > 0) at += fill;
    else {
      at += unit.arch.code.decode(bytes, at)?.size ?? 1;
      end = Math.min(at, bytes.length);
    }
  }
  return end;
}

function trimmedZeros(bytes: Uint8Array, from: number): number {
  let end = bytes.length;
  while (end > from && bytes[end - 1] === 0) end--;
  return end;
}
