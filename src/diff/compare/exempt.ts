// Bytes that only reports show: lines of the source, in data that code does not read.

import { latin1 } from "../../base/bytes.ts";
import { stringAt, type Target } from "../canon/targets.ts";
import { passedToUbsan } from "../canon/ubsan.ts";
import type { Item, Unit } from "../canon/unit.ts";

/** Bytes of anonymous data that only reports show: gcc's descriptions of places for UBSAN begin with {file, line, column}. */
export function exemptBytes(unit: Unit, item: Item | null): (at: number) => boolean {
  if (item === null) return () => false;
  const section = unit.sectionName(item);
  if (/\.Lubsan_data\d*$/.test(section) || /^\.Lubsan_data/.test(item.name)) {
    return (at) => at >= item.entry - item.start + 8 && at < item.entry - item.start + 16;
  }
  // clang's have no name of their own: what a handler is called with, and begins with the name of a file.
  if (/^\.data\.\.L__unnamed_\d+$/.test(section) && passedToUbsan(unit).has(item)) return (at) => at >= 8 && at < 16;
  // struct _ddebug: 18 bits of a word behind four pointers are the line (include/linux/dynamic_debug.h).
  if (section === "__dyndbg") return (at) => at >= 32 && at < 34;
  return () => false;
}

/** The name of a source file, with a condition before it or not (CONFIG_DEBUG_BUGVERBOSE_DETAILED). */
export function isSourceName(unit: Unit, target: Target): boolean {
  if (target.kind !== "string") return false;
  const bytes = stringAt(unit, target.section, target.at);
  return /^(?:\[.*\] )?[^\s%]+\.\w{1,4}$/s.test(latin1(bytes, 0, bytes.length));
}
