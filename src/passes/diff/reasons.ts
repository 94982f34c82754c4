// Why a livepatch replaces each of its functions, and what it takes along for them, in short.

import { itemContent } from "../../diff/canon/content.ts";
import { itemIn } from "../../diff/canon/targets.ts";
import type { Item, Unit } from "../../diff/canon/unit.ts";
import type { Change } from "../../diff/diff.ts";
import { reasonText, type TakenPart } from "../../diff/extract.ts";
import type { DiffResult } from "./diff.ts";

/** Where a function differs first. */
export interface ShortDifference {
  readonly what: string;
  /** In words, where the bytes do not tell; else empty. */
  readonly detail: string;
  /** Bytes from the function's symbol in the patched object, or in the original where only that has something there; null: in a part of it, or in a table. */
  readonly offset: number | null;
  /** Its source line; null: without debug information. */
  readonly source: { readonly file: string; readonly line: number } | null;
}

/** Why a function is replaced. */
export interface ReplacedReason {
  /** `changed`, or `caller`: it calls a function that changed and has no patch site. */
  readonly kind: "changed" | "caller";
  /** That function. */
  readonly calls: string | null;
  readonly difference: ShortDifference | null;
  /** The function that was inlined where the first difference is; null: it is in the function's own lines. */
  readonly inlined: string | null;
  /** Clones of a function that it calls, where the compiler made others: `f.constprop.0` became `f`. */
  readonly clones: readonly { readonly orig: string; readonly patched: string }[];
}

/** Something that goes along with a replaced function. */
export interface TakenAlong {
  readonly name: string;
  readonly kind: "function" | "data";
  /** In words: `new`, `used by f`. */
  readonly why: string;
  /** The replaced function that it is for; null: none, others of the patch use it. */
  readonly for: string | null;
}

/** @param patched the function in the patched object @param tree folder of the source: paths of its files are told from there */
export async function replacedReason(
  { diff, orig: before, patched: after }: DiffResult,
  { inclusion }: TakenPart,
  patched: Item,
  tree: string,
): Promise<ReplacedReason> {
  const change = diff.functions.find((c) => c.patched === patched) ?? null;
  const reason = inclusion.items.get(patched);
  const calls = reason?.kind === "caller" ? reason.of.name : null;
  const kind = calls === null ? "changed" : "caller";
  const { difference = null } = change ?? {};
  if (change === null || difference === null) return { kind, calls, difference: null, inlined: null, clones: [] };
  const side = difference.patched === null ? "orig" : "patched";
  const place = difference[side];
  const item = change.part?.[side] ?? change[side];
  const frames =
    place === null ? null : (await (side === "orig" ? before : after).source()).find(place.section, place.offset);
  const [line] = frames ?? [];
  const isInIt = change.part === null && place !== null && place.section === item?.section;
  return {
    kind,
    calls,
    difference: {
      what: difference.what,
      detail: difference.detail,
      offset: isInIt ? place.offset - item.entry : null,
      source: line === undefined || line.line === 0 ? null : { file: below(line.file, tree), line: line.line },
    },
    inlined: frames !== null && frames.length > 1 ? (line?.function ?? null) : null,
    clones: clonesOf(change, diff.orig.unit, diff.patched.unit),
  };
}

const below = (file: string, folder: string): string =>
  file.startsWith(`${folder}/`) ? file.slice(folder.length + 1) : file;

/** The name of a function without what compilers put behind those of its clones. */
const baseOf = (name: string): string => name.replace(/\..*$/, "");

/** Functions that are called by another name of the same function than before. */
function clonesOf({ orig, patched }: Change, before: Unit, after: Unit): ReplacedReason["clones"] {
  if (orig === null || patched === null) return [];
  const [old, now] = [calledBy(orig, before), calledBy(patched, after)];
  const found: { readonly orig: string; readonly patched: string }[] = [];
  for (const name of old) {
    if (now.has(name)) continue;
    const other = [...now].find((n) => baseOf(n) === baseOf(name) && !old.has(n));
    if (other !== undefined) found.push({ orig: name, patched: other });
  }
  return found;
}

/** Names of the functions of its own object that one calls. */
function calledBy(item: Item, unit: Unit): ReadonlySet<string> {
  const names = new Set<string>();
  for (const r of itemContent(unit, item).references) {
    const target = r.isBranch ? itemIn(r.target) : null;
    if (target !== null && target !== item && target.kind === "function") names.add(target.name);
  }
  return names;
}

/** What is taken of a pair beside the functions that are replaced, and their parts. */
export function takenAlong({ inclusion }: TakenPart): TakenAlong[] {
  const replaced = new Set(inclusion.replaced.map((r) => r.patched));
  const rows: TakenAlong[] = [];
  for (const [item, reason] of inclusion.items) {
    if (item.name === "" || replaced.has(item) || reason.kind === "part") continue;
    let root: Item | null = item;
    const seen = new Set<Item>();
    while (root !== null && !replaced.has(root) && !seen.has(root)) {
      seen.add(root);
      const why = inclusion.items.get(root);
      root = why?.kind === "used" ? why.by : why?.kind === "caller" || why?.kind === "part" ? why.of : null;
    }
    const isFor = root !== null && replaced.has(root) ? root.name : null;
    const kind = item.kind === "function" ? "function" : "data";
    rows.push({ name: item.name, kind, why: reasonText(reason), for: isFor });
  }
  return rows;
}
