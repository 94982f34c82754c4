// Register save and restore routines (ELFv2 ABI 2.3.3): each saves or restores the registers from its own number up to
// 31, below the frame that r1 (or r12) points to. The routines of one kind run into one another: the one for a low
// number goes on with the next.

import { append } from "../base/lists.ts";

/** One kind of routines, by the beginning of their names. */
type HelperKind =
  | "_savegpr0_"
  | "_restgpr0_"
  | "_savegpr1_"
  | "_restgpr1_"
  | "_savefpr_"
  | "_restfpr_"
  | "_savevr_"
  | "_restvr_";

/** Routines that share one end, in the order in which a linker lays them out. */
interface Group {
  readonly kind: HelperKind;
  readonly first: number;
  readonly last: number;
}

/**
 * A restoring routine that also fetches LR does so at 29, before the last two registers, so that LR is there in time;
 * the routines for 30 and 31 have an end of their own.
 */
const GROUPS: readonly Group[] = [
  { kind: "_savegpr0_", first: 14, last: 31 },
  { kind: "_restgpr0_", first: 14, last: 29 },
  { kind: "_restgpr0_", first: 30, last: 31 },
  { kind: "_savegpr1_", first: 14, last: 31 },
  { kind: "_restgpr1_", first: 14, last: 31 },
  { kind: "_savefpr_", first: 14, last: 31 },
  { kind: "_restfpr_", first: 14, last: 29 },
  { kind: "_restfpr_", first: 30, last: 31 },
  { kind: "_savevr_", first: 20, last: 31 },
  { kind: "_restvr_", first: 20, last: 31 },
];

const STD_LR = 0xf801_0010; // std r0,16(r1)
const LD_LR = 0xe801_0010; // ld r0,16(r1)
const MTLR = 0x7c08_03a6; // mtlr r0
const BLR = 0x4e80_0020;

/** The routine that `name` names; null for all other names. */
function parseHelper(name: string): { readonly kind: string; readonly register: number } | null {
  const match = /^(_(?:save|rest)(?:gpr[01]|fpr|vr)_)(\d\d)$/.exec(name);
  return match === null ? null : { kind: match[1] ?? "", register: Number(match[2]) };
}

/** Whether there is a routine of this name. */
export function isHelper(name: string): boolean {
  const helper = parseHelper(name);
  return GROUPS.some((g) => isIn(g, helper));
}

const isIn = (group: Group, helper: { readonly kind: string; readonly register: number } | null): boolean =>
  helper !== null && helper.kind === group.kind && helper.register >= group.first && helper.register <= group.last;

export interface HelperCode {
  readonly words: readonly number[];
  /** Name -> bytes from the start to its routine, for every routine in the code. */
  readonly entries: ReadonlyMap<string, number>;
}

/** Code with the routines called `names`: in each group from the lowest number that is needed to the group's end. */
export function helperCode(names: readonly string[]): HelperCode {
  const words: number[] = [];
  const entries = new Map<string, number>();
  const helpers = names.map(parseHelper);
  for (const group of GROUPS) {
    const registers = helpers.filter((h) => isIn(group, h)).map((h) => h?.register ?? group.last);
    if (registers.length === 0) continue;
    const first = registers.reduce((a, b) => Math.min(a, b));
    for (let n = first; n <= group.last; n++) {
      entries.set(`${group.kind}${n}`, words.length * 4);
      append(words, n === group.last ? end(group) : access(group.kind, n));
    }
  }
  return { words, entries };
}

/** The group's last routine, with the way back. */
function end({ kind, last }: Group): number[] {
  switch (kind) {
    case "_savegpr0_":
    case "_savefpr_":
      return [...access(kind, last), STD_LR, BLR];
    case "_restgpr0_":
    case "_restfpr_": {
      const rest = last === 29 ? [...access(kind, 30), ...access(kind, 31)] : [];
      return [LD_LR, ...access(kind, last), MTLR, ...rest, BLR];
    }
    default:
      return [...access(kind, last), BLR];
  }
}

/** The words that save or restore one register. */
function access(kind: HelperKind, n: number): number[] {
  const below = (-8 * (32 - n)) & 0xffff;
  const rt = n << 21;
  switch (kind) {
    case "_savegpr0_":
      return [(0xf801_0000 | rt | below) >>> 0]; // std rN,-X(r1)
    case "_restgpr0_":
      return [(0xe801_0000 | rt | below) >>> 0]; // ld rN,-X(r1)
    case "_savegpr1_":
      return [(0xf80c_0000 | rt | below) >>> 0]; // std rN,-X(r12)
    case "_restgpr1_":
      return [(0xe80c_0000 | rt | below) >>> 0]; // ld rN,-X(r12)
    case "_savefpr_":
      return [(0xd801_0000 | rt | below) >>> 0]; // stfd fN,-X(r1)
    case "_restfpr_":
      return [(0xc801_0000 | rt | below) >>> 0]; // lfd fN,-X(r1)
    case "_savevr_": // li r12,-X; stvx vN,r12,r0
      return [(0x3980_0000 | ((-16 * (32 - n)) & 0xffff)) >>> 0, (0x7c0c_01ce | rt) >>> 0];
    case "_restvr_": // li r12,-X; lvx vN,r12,r0
      return [(0x3980_0000 | ((-16 * (32 - n)) & 0xffff)) >>> 0, (0x7c0c_00ce | rt) >>> 0];
  }
}
