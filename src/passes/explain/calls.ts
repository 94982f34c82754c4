// Which calls a line about a missing nop can be about: by the word that it prints, and by the address.

import { hexWord } from "../../base/bytes.ts";
import type { Call } from "../../klp/toc/calls.ts";
import type { Analysis } from "../analysis.ts";
import type { Fit, ValueFits } from "./values.ts";

/** Score from which the line itself names the place. */
export const EXACT = 100;

/** `name+0x10/0x40 [module]`, as %pS prints an address that has a symbol. */
export const SYMBOLIC = /^([^\s+]+)\+0x([0-9a-f]+)(?:\/0x[0-9a-f]+)?(?: \[(\w+)\])?$/;

/** What speaks for a call without a nop; null if the line cannot be about it. @param address as printed, or null */
export function fitOfCall(
  analysis: Analysis,
  values: ValueFits,
  call: Call,
  word: number,
  address: string | null,
): Fit | null {
  const byWord = fitOfWord(analysis, call, word);
  if (byWord === null || address === null) return byWord;
  const byAddress = fitOfAddress(analysis, call, address, values);
  if (byAddress === null) return null;
  const because = byAddress.because === "" ? byWord.because : `${byAddress.because}; ${byWord.because}`;
  return { score: byWord.score + byAddress.score, because };
}

/**
 * Whether `word` can be what the loader saw behind the call: the word of the file, or, where that has a relocation of
 * its own, what it becomes. Which of the two depends on the order in which the loader sorted the relocations.
 */
function fitOfWord(analysis: Analysis, call: Call, word: number): Fit | null {
  if (call.next === null)
    return { score: 1, because: "the call is the last word of its section, so any word may stand behind it" };
  const printed = hexWord(word);
  const seen = analysis.loadOrder.wordSeenAt(call.section, call.offset + 4, call.table, call.row);
  const relocated = relocatedMask(analysis, call.section, call.offset + 4);
  const fits = (mask: number): boolean => ((word ^ (call.next ?? 0)) & mask) === 0;
  const expectRelocated = seen !== null && seen.mask !== 0xffff_ffff;
  if (!expectRelocated && word === call.next) return { score: 4, because: `${printed} stands behind it` };
  if (expectRelocated && seen !== null && fits(seen.mask) && word !== call.next) {
    return { score: 3, because: `${printed} is the word behind it with its own relocation applied` };
  }
  if (word === call.next) {
    return { score: 2, because: `${printed} stands behind it, if the loader had not relocated that word yet` };
  }
  if (relocated !== 0xffff_ffff && fits(relocated)) {
    return { score: 2, because: `${printed} is the word behind it, if the loader had relocated that word already` };
  }
  return null;
}

/** The bits of a word that no relocation changes. */
function relocatedMask(analysis: Analysis, section: number, offset: number): number {
  const kept = keptWidths.get(analysis) ?? new Map<number, ReadonlyMap<number, number>>();
  keptWidths.set(analysis, kept);
  const widths = kept.get(section) ?? widthsOf(analysis, section);
  kept.set(section, widths);
  let mask = 0xffff_ffff;
  for (let at = offset - WIDEST + 1; at < offset + 4; at++) {
    const bytes = widths.get(at) ?? 0;
    for (let byte = Math.max(at, offset); byte < Math.min(at + bytes, offset + 4); byte++) {
      mask &= ~(0xff << ((byte - offset) * 8));
    }
  }
  return mask >>> 0;
}

/** No relocation writes more bytes. */
const WIDEST = 8;
const keptWidths = new WeakMap<Analysis, Map<number, ReadonlyMap<number, number>>>();

/** By offset in a section: how many bytes the widest relocation there writes. */
function widthsOf({ file, arch }: Analysis, section: number): Map<number, number> {
  const widths = new Map<number, number>();
  for (const table of file.relocations) {
    if (table.target !== section) continue;
    for (let row = 0; row < table.count; row++) {
      const bytes = arch.relocs.defs.get(table.type(row))?.bytes ?? 0;
      const at = table.offset(row);
      if (bytes > (widths.get(at) ?? 0)) widths.set(at, bytes);
    }
  }
  return widths;
}

function fitOfAddress(analysis: Analysis, call: Call, address: string, values: ValueFits): Fit | null {
  const symbolic = SYMBOLIC.exec(address);
  if (symbolic !== null) {
    const offset = Number.parseInt(symbolic[2] ?? "", 16);
    const names = call.caller === null ? [] : analysis.functions.aliases(call.caller).map((s) => s.name);
    const isThere = names.includes(symbolic[1] ?? "") && call.offset + 4 - (call.caller?.start ?? 0) === offset;
    return isThere ? { score: EXACT, because: `${symbolic[1]}+0x${symbolic[2]} is the word behind it` } : null;
  }
  const number = /^(?:0x)?([0-9a-f]{4,16})$/.exec(address)?.[1];
  const there = values.addressOf(call.section, call.offset + 4);
  if (number === undefined || there === null) return { score: 0, because: "" };
  // Modules begin on a page; how pages follow each other is not known, but the place within one is.
  if (((BigInt(`0x${number}`) ^ there.value) & 0xfffn) !== 0n) return null;
  return { score: 10, because: `0x${number} is the word behind it, by its place in a page` };
}
