// Which functions the compiler inlined wherever they are called, so that none of them is left (DWARF 5, 3.3.8), and which
// code comes from assembler sources.

import { Cover } from "../../../base/cover.ts";
import { CompressionError } from "../../containers/compressed.ts";
import type { ElfFile } from "../../reader.ts";
import {
  DW_AT_abstract_origin,
  DW_AT_inline,
  DW_AT_name,
  DW_LANG_Mips_Assembler,
  DW_TAG_subprogram,
} from "../consts.ts";
import { Budget, Cursor, DwarfError } from "../cursor.ts";
import { isUnitReference } from "../forms.ts";
import { DebugSections } from "../sections.ts";
import { type DwarfUnit, type Range, UnitReader } from "../units.ts";

/** DW_INL_inlined, DW_INL_declared_inlined */
const isInlinedCode = (value: number): boolean => value === 1 || value === 3;

export interface Subprograms {
  /** Names of functions that were inlined, and of which no code of their own is left. */
  readonly inlinedEverywhere: ReadonlySet<string>;
  /** Whether a place in a section is code of a unit in assembler; null if no unit covers it. */
  readonly isAssembler: (section: number, offset: number) => boolean | null;
}

/** Null if the file has no debug information, or none that can be read. */
export async function readSubprograms(file: ElfFile): Promise<Subprograms | null> {
  try {
    const sections = await DebugSections.read(file, [
      "info",
      "abbrev",
      "str",
      "line_str",
      "str_offsets",
      "addr",
      "ranges",
      "rnglists",
    ]);
    // Of several, as groups give them, offsets would mean different things.
    if (sections.all("info").length !== 1) return null;
    const reader = new UnitReader(sections, file.littleEndian, new Budget(sections.totalSize));
    return gather(reader, sections);
  } catch (error) {
    if (error instanceof DwarfError || error instanceof CompressionError) return null;
    throw error;
  }
}

function gather(reader: UnitReader, sections: DebugSections): Subprograms {
  const units = reader.units();
  /** Offset of an abstract instance -> its name. */
  const abstract = new Map<number, string>();
  const concrete = new Set<number>();
  const defined = new Set<string>();
  const code: { readonly item: boolean; readonly ranges: readonly Range[]; readonly rank: number }[] = [];
  for (const unit of units) {
    const assembler = unit.language === DW_LANG_Mips_Assembler;
    code.push({ item: assembler, ranges: unit.ranges, rank: code.length });
    if (!assembler) readUnit(reader, unit, abstract, concrete, defined);
  }
  const inlined = new Set<string>();
  for (const [at, name] of abstract) if (!concrete.has(at)) inlined.add(name);
  // A function of the same name elsewhere has code.
  for (const [at, name] of abstract) if (concrete.has(at)) inlined.delete(name);
  for (const name of defined) inlined.delete(name);
  const isAssemblerAt = new Cover(code);
  return {
    inlinedEverywhere: inlined,
    isAssembler: (section, offset) => {
      const base = sections.addresses.baseOf(section);
      if (base === 0) return null;
      return isAssemblerAt.at(base + offset);
    },
  };
}

/** Abstract instances (inlined), the out-of-line instances that refer to them, and plain functions with code. */
function readUnit(
  reader: UnitReader,
  unit: DwarfUnit,
  abstract: Map<number, string>,
  concrete: Set<number>,
  defined: Set<string>,
): void {
  const cursor = new Cursor(unit.info, reader.littleEndian, unit.firstEntry, unit.end);
  for (let depth = 0; cursor.at < cursor.end; ) {
    reader.budget.spend(cursor);
    const at = cursor.at;
    const code = cursor.uleb();
    if (code === 0) {
      if (--depth <= 0) break;
      continue;
    }
    const abbreviation = unit.abbreviations.get(code);
    if (abbreviation === undefined) throw cursor.error(`the unknown abbreviation ${code}`);
    if (abbreviation.tag === DW_TAG_subprogram) {
      const attributes = reader.attributes(cursor, abbreviation, unit);
      const name = reader.string(unit, attributes.get(DW_AT_name));
      if (isInlinedCode(attributes.get(DW_AT_inline)?.value ?? 0)) {
        if (name !== null) abstract.set(at, name);
      } else if (reader.ranges(unit, attributes).length > 0) {
        const origin = attributes.get(DW_AT_abstract_origin);
        if (origin !== undefined) concrete.add(isUnitReference(origin.form) ? unit.start + origin.value : origin.value);
        else if (name !== null) defined.add(name);
      }
    } else reader.skipAttributes(cursor, abbreviation, unit);
    if (abbreviation.hasChildren) depth++;
    else if (depth === 0) break;
  }
}
