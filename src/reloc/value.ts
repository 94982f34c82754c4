// Which value a relocation has, whether the loader accepts it, and how it gets into the place.

import { unreachable } from "../base/brand.ts";
import type { OrderedView } from "../base/bytes.ts";
import type { Overflow, RelocDef, ValueExpr } from "./def.ts";
import { insert } from "./field.ts";

const page = (v: bigint): bigint => v & ~0xfffn;

/** The value of an expression, as a signed 64-bit number (arithmetic wraps as in the kernel). */
export function evaluate(expr: ValueExpr, S: bigint, A: bigint, P: bigint, TOC: bigint): bigint {
  switch (expr) {
    case "none":
      return 0n;
    case "S+A":
      return BigInt.asIntN(64, S + A);
    case "S+A-P":
      return BigInt.asIntN(64, S + A - P);
    case "S+A-TOC":
      return BigInt.asIntN(64, S + A - TOC);
    case "TOC":
      return BigInt.asIntN(64, TOC);
    case "page(S+A)-page(P)":
      return BigInt.asIntN(64, page(BigInt.asUintN(64, S + A)) - page(P));
    default:
      return unreachable(expr);
  }
}

/** Whether a value keeps a rule. */
export function fits(rule: Overflow, value: bigint): boolean {
  // Number() rounds, but never across a power of two: comparing with one stays exact.
  const n = Number(value);
  switch (rule.check) {
    case "none":
      return true;
    case "signed":
      return n >= -(2 ** (rule.bits - 1)) && n < 2 ** (rule.bits - 1);
    case "unsigned":
      return n >= 0 && n < 2 ** rule.bits;
    default:
      return unreachable(rule);
  }
}

/** What the loader says to a value: null if it is good. */
export function verdict(def: RelocDef, value: bigint): "overflow" | "misaligned" | null {
  if (!fits(def.overflow, value)) return "overflow";
  if (def.align !== 1 && (value & BigInt(def.align - 1)) !== 0n) return "misaligned";
  return null;
}

/**
 * Writes the value into the place, whether it fits or not: bits that do not fit are cut off.
 * @param at offset of the place in `view`, bytes; the place must lie in it.
 */
export function store(def: RelocDef, view: OrderedView, at: number, value: bigint): void {
  const { field } = def;
  if (field.bytes === 0) return;
  if (field.bytes === 8 && field.slices.length === 0) {
    view.setBigUint64(at, BigInt.asUintN(64, value));
    return;
  }
  let v = value + BigInt(field.bias ?? 0);
  const form = field.signForm;
  if (form !== undefined && v < 0n) v = ~v;
  const lo = Number(BigInt.asIntN(32, v));
  const hi = Number(BigInt.asIntN(32, v >> 32n));
  if (field.bytes === 2) {
    view.setUint16(at, insert(field, view.getUint16(at), lo, hi));
    return;
  }
  for (let i = 0; i < field.bytes / 4; i++) {
    let word = view.getUint32(at + i * 4);
    if (form !== undefined) word = ((word & ~form.mask) | (value < 0n ? form.negative : form.positive)) >>> 0;
    if (word !== field.frozen) word = insert(field, word, lo, hi, i);
    view.setUint32(at + i * 4, word);
  }
}
