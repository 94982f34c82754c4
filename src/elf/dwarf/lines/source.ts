// From a place in a section to a line of the source. What DWARF 2 to 5 say of it, and nothing of kernels.

import { CompressionError } from "../../containers/compressed.ts";
import type { ElfFile } from "../../reader.ts";
import { Budget, Cursor, DwarfError } from "../cursor.ts";
import { DebugSections } from "../sections.ts";
import { readUnitSlices, type UnitPlace, type UnitSlices } from "../unitSlices.ts";
import { type DwarfUnit, UnitReader } from "../units.ts";
import { callSite, type FunctionNode, functionName, functionsAt, readFunctions } from "./inlined.ts";
import { type LineTable, readLines } from "./lines.ts";

/** A place in the source. */
export interface SourceFrame {
  /** Path as the compiler was given it: relative to `directory` unless absolute. */
  readonly file: string;
  /** The directory in which the compiler ran; null if it is not known. */
  readonly directory: string | null;
  /** From 1; 0: code that belongs to no line. */
  readonly line: number;
  /** From 1, in bytes; 0: not known. */
  readonly column: number;
  /** The function that the line stands in; null if it is not known. */
  readonly function: string | null;
}

/** More debug information than this is that of a linked kernel. Bytes. */
const MOST_AT_ONCE = 96 << 20;
/** So many lines are told of one place. */
const MOST_FRAMES = 64;
const NAMES = ["info", "abbrev", "line", "str", "line_str", "str_offsets", "addr", "ranges", "rnglists"];

function sizeOfInfo({ sections }: ElfFile): number {
  let size = 0;
  for (let i = 1; i < sections.count; i++) if (/^\.z?debug_info$/.test(sections.name(i))) size += sections.size(i);
  return size;
}

/** The debug information of one relocatable file. Units are read when they are first needed. */
export class SourceIndex {
  /** Why there are no lines, or not all: `none`, or the first thing that is wrong. Null while all is well. */
  fault: string | null = null;
  /** Whether the file has line information at all. */
  readonly hasLines: boolean;
  readonly #file: ElfFile;
  readonly #sections: DebugSections | null;
  readonly #reader: UnitReader | null = null;
  #units: readonly DwarfUnit[] = [];
  /** Very many places, each looked for in very many units. */
  readonly #lookUps: Budget;
  readonly #tables = new Map<DwarfUnit, LineTable | null>();
  readonly #functions = new Map<DwarfUnit, readonly FunctionNode[]>();

  /** Of a linked kernel: units are read when a place of them is first asked for. */
  readonly #slices: UnitSlices | null;
  readonly #read = new Set<UnitPlace>();

  private constructor(file: ElfFile, sections: DebugSections | null, slices: UnitSlices | null = null) {
    this.#file = file;
    this.#sections = sections;
    this.#slices = slices;
    this.#lookUps = new Budget((1 << 24) + (sections?.totalSize ?? 0));
    this.hasLines = sections?.find("line") != null && (slices !== null || sections.find("info") !== null);
    if (sections === null || !this.hasLines) return;
    this.#reader = slices?.newReader() ?? new UnitReader(sections, file.littleEndian, new Budget(sections.totalSize));
    if (slices === null) this.#units = this.#guard(() => this.#reader?.units()) ?? [];
  }

  /**
   * Never throws for what is wrong with debug information: `fault` says it then.
   * @param most bytes of .debug_info in the file beyond which its units are read one by one
   */
  static async read(file: ElfFile, most = MOST_AT_ONCE): Promise<SourceIndex> {
    try {
      const slices = sizeOfInfo(file) > most ? await readUnitSlices(file) : null;
      if (slices !== null) return new SourceIndex(file, slices.sections, slices);
      return new SourceIndex(file, await DebugSections.read(file, NAMES));
    } catch (error) {
      if (!(error instanceof CompressionError)) throw error;
      const index = new SourceIndex(file, null);
      index.fault = error.message;
      return index;
    }
  }

  #guard<T>(work: () => T): T | null {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof DwarfError)) throw error;
      this.fault ??= error.message;
      return null;
    }
  }

  /**
   * The line at `offset` of section `section` and, where the compiler inlined functions, the lines of the calls: the
   * innermost first. Null if the debug information does not cover the place.
   */
  find(section: number, offset: number): readonly SourceFrame[] | null {
    if (this.#sections === null || !(offset >= 0 && offset < this.#file.sections.size(section))) return null;
    const base = this.#sections.addresses.baseOf(section);
    if (base === 0) return null;
    return this.#guard(() => {
      this.#readUnits(section);
      return this.#lookUp(base + offset);
    });
  }

  /** Those of a section, where units are read one by one. */
  #readUnits(section: number): void {
    for (const place of this.#slices?.about(section) ?? []) {
      if (this.#read.has(place)) continue;
      this.#read.add(place);
      const unit = this.#slices?.unitOf(place) ?? null;
      if (unit !== null) this.#units = [...this.#units, unit];
    }
  }

  #lookUp(address: number): readonly SourceFrame[] | null {
    for (const unit of this.#units) {
      if (unit.lines === null) continue;
      this.#lookUps.spend(
        new Cursor(unit.info, this.#file.littleEndian, unit.firstEntry, unit.end),
        1 + unit.ranges.length,
      );
      if (unit.ranges.length > 0 && !unit.ranges.some((r) => address >= r.start && address < r.end)) continue;
      const row = this.#table(unit)?.find(address) ?? null;
      if (row !== null) return this.#frames(unit, row, address);
    }
    return null;
  }

  #table(unit: DwarfUnit): LineTable | null {
    const known = this.#tables.get(unit);
    if (known !== undefined) return known;
    const reader = this.#reader;
    const section = this.#sections?.find("line");
    if (reader === null || section == null || this.#sections === null) return null;
    // Remembered before it is read: a table that cannot be read is not tried again.
    this.#tables.set(unit, null);
    const strings = { str: this.#sections.find("str"), lineStr: this.#sections.find("line_str") };
    const table = readLines(section, unit, strings, this.#file.littleEndian, reader.budget);
    this.#tables.set(unit, table);
    return table;
  }

  #frames(unit: DwarfUnit, row: { file: number; line: number; column: number }, address: number): SourceFrame[] {
    const reader = this.#reader;
    const table = this.#tables.get(unit);
    if (reader === null || table == null) return [];
    let functions = this.#functions.get(unit);
    if (functions === undefined) {
      functions = this.#guard(() => readFunctions(reader, unit)) ?? [];
      this.#functions.set(unit, functions);
    }
    const chain = functionsAt(functions, address).reverse();
    const frames: SourceFrame[] = [];
    let place: { file: number; line: number; column: number } = row;
    const frame = (name: string | null): SourceFrame => ({
      file: table.file(place.file)?.path ?? unit.name ?? "",
      directory: unit.directory,
      line: place.line,
      column: place.column,
      function: name,
    });
    for (const [i, node] of chain.entries()) {
      // Of very many calls the innermost, and the function that the code is in.
      if (i >= MOST_FRAMES - 1 && i < chain.length - 1) {
        place = callSite(node);
        continue;
      }
      frames.push(frame(this.#guard(() => functionName(reader, this.#units, unit, node.attributes))));
      place = callSite(node);
    }
    return frames.length > 0 ? frames : [frame(null)];
  }
}
