// What an object exports, as the compiler leaves it: before kbuild makes tables of it.

import { viewOf } from "../../base/bytes.ts";
import { SHN_ABS } from "../../elf/consts.ts";
import type { Unit } from "../canon/unit.ts";

/** An export; a checksum where the object has one: those of kernels before 5.19, and linked modules. */
export interface ObjectExport {
  readonly name: string;
  readonly checksum: number | null;
  readonly section: string;
}

/** `__export_symbol_NAME` in .export_symbol since 6.4, `__ksymtab_NAME` before and in linked modules (include/linux/export.h). */
const MARK = /^__(?:export_symbol|ksymtab)_(.+)$/;

/** By name. */
export function exportsOf(unit: Unit): Map<string, ObjectExport> {
  const { symbols } = unit;
  const found = new Map<string, ObjectExport>();
  const checksums = new Map<string, number>();
  for (let i = 1; i < symbols.count; i++) {
    const name = symbols.name(i);
    if (!name.startsWith("__")) continue;
    if (name.startsWith("__crc_")) {
      const value = checksumAt(unit, i);
      if (value !== null) checksums.set(name.slice(6), value);
      continue;
    }
    const exported = MARK.exec(name)?.[1];
    const section = symbols.sectionOf(i);
    if (exported === undefined || section === null) continue;
    found.set(exported, { name: exported, checksum: null, section: unit.file.sections.name(section) });
  }
  for (const [name, checksum] of checksums) {
    const known = found.get(name);
    if (known !== undefined) found.set(name, { ...known, checksum });
  }
  return found;
}

/** The value of a `__crc_` symbol: its own, or what stands where it is. */
function checksumAt({ symbols, file }: Unit, symbol: number): number | null {
  if (symbols.rawShndx(symbol) === SHN_ABS) return Number(BigInt.asUintN(32, symbols.value(symbol)));
  const section = symbols.sectionOf(symbol);
  if (section === null) return null;
  const data = file.sections.data(section);
  const at = symbols.offset(symbol);
  return at >= 0 && at + 4 <= data.length ? viewOf(data).getUint32(at, file.littleEndian) : null;
}

export interface ExportChange {
  readonly name: string;
  readonly what: "new" | "gone" | "checksum";
  readonly checksums: readonly [string, string] | null;
  readonly section: string;
}

/** How the exports of two objects differ. */
export function compareExports(orig: Unit, patched: Unit): ExportChange[] {
  const [before, after] = [exportsOf(orig), exportsOf(patched)];
  const found: ExportChange[] = [];
  const hexOf = (n: number): string => `0x${n.toString(16).padStart(8, "0")}`;
  for (const [name, one] of before) {
    const other = after.get(name);
    if (other === undefined) found.push({ name, what: "gone", checksums: null, section: one.section });
    else if (one.checksum !== null && other.checksum !== null && one.checksum !== other.checksum) {
      const checksums = [hexOf(one.checksum), hexOf(other.checksum)] as const;
      found.push({ name, what: "checksum", checksums, section: other.section });
    }
  }
  for (const [name, { section }] of after)
    if (!before.has(name)) found.push({ name, what: "new", checksums: null, section });
  return found;
}
