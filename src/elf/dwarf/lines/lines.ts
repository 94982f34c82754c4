// The line number program (.debug_line): DWARF 5, 6.2; DWARF 2 to 4 for the older header.

import { firstIndex } from "../../../base/search.ts";
import {
  DW_FORM_line_strp,
  DW_FORM_string,
  DW_FORM_strp,
  DW_LNCT_directory_index,
  DW_LNCT_path,
  DW_LNE_define_file,
  DW_LNE_end_sequence,
  DW_LNE_set_address,
  DW_LNS_advance_line,
  DW_LNS_advance_pc,
  DW_LNS_const_add_pc,
  DW_LNS_copy,
  DW_LNS_fixed_advance_pc,
  DW_LNS_set_column,
  DW_LNS_set_file,
} from "../consts.ts";
import { type Budget, Cursor, type DebugSection } from "../cursor.ts";
import { readForm } from "../forms.ts";
import type { DwarfUnit, Range } from "../units.ts";
import { type LineHeader, readLineHeader } from "./lineHeader.ts";

/** A file of a line table. */
export interface LineFile {
  /** As the compiler was told: relative to `directory` of the unit unless it is absolute. */
  readonly path: string;
}

/** One row of the line table. `end` marks the first address behind a sequence. */
export interface LineRow {
  readonly address: number;
  readonly file: number;
  /** 0: the compiler made the code for no line in particular. */
  readonly line: number;
  /** Bytes from the start of the line, from 1; 0: not known. */
  readonly column: number;
}

/** Rows cover up to `end`. They are made again from the program when they are asked for: there may be millions. */
interface Sequence extends Range {
  /** Its rows in order; null: those of the marks are in order. */
  readonly rows: readonly LineRow[] | null;
  /** Its marks, from the first up to the last. */
  readonly first: number;
  readonly last: number;
}

/** The line table of one unit. */
export class LineTable {
  readonly #files: readonly (LineFile | undefined)[];
  readonly #sequences: readonly Sequence[];
  readonly #program: LineProgram;

  constructor(program: LineProgram, budget: Budget) {
    this.#program = program;
    this.#sequences = program.run(budget);
    this.#files = program.files;
  }

  /** The file with this number, as rows and DW_AT_call_file use it; null if there is none. */
  file(number: number): LineFile | null {
    return this.#files[number] ?? null;
  }

  get ranges(): readonly Range[] {
    return this.#sequences;
  }

  /** The row that covers a made-up address; of several for one address the last one. Null if none does. */
  find(address: number): LineRow | null {
    const sequence = this.#sequences.find((s) => address >= s.start && address < s.end);
    if (sequence === undefined) return null;
    const { rows } = sequence;
    if (rows === null) return this.#program.findRow(sequence, address);
    const behind = firstIndex(rows.length, (i) => (rows[i]?.address ?? 0) > address);
    return rows[behind - 1] ?? null;
  }
}

/** What a header says of files. */
interface FileTables {
  readonly files: (LineFile | undefined)[];
  readonly directories: readonly string[];
}

interface Strings {
  readonly str: DebugSection | null;
  readonly lineStr: DebugSection | null;
}

/** Reads the line program of a unit. @throws DwarfError */
export function readLines(
  section: DebugSection,
  unit: DwarfUnit,
  strings: Strings,
  littleEndian: boolean,
  budget: Budget,
): LineTable {
  const cursor = new Cursor(section, littleEndian, unit.lines ?? 0);
  const header = readLineHeader(cursor, unit.addressSize);
  const tables =
    header.version >= 5 ? filesOfVersion5(cursor, header, strings, budget) : filesOfVersion4(cursor, budget);
  if (header.program > cursor.end) throw cursor.error("a line program header that is longer than its unit");
  cursor.at = header.program;
  return new LineTable(new LineProgram(cursor, header, tables), budget);
}

/** The names of the files that a unit's line program lists, by the numbers that DW_AT_decl_file uses. @throws DwarfError */
export function readFileNames(
  section: DebugSection,
  unit: DwarfUnit,
  strings: Strings,
  littleEndian: boolean,
  budget: Budget,
): readonly (LineFile | undefined)[] {
  const cursor = new Cursor(section, littleEndian, unit.lines ?? 0);
  const header = readLineHeader(cursor, unit.addressSize);
  return (header.version >= 5 ? filesOfVersion5(cursor, header, strings, budget) : filesOfVersion4(cursor, budget))
    .files;
}

/** Directory 0 is the directory of the unit, so it is not written into paths. */
function join(directories: readonly string[], directory: number, name: string): LineFile {
  const folder = directory === 0 ? "" : (directories[directory] ?? "");
  return { path: name.startsWith("/") || folder === "" ? name : `${folder.replace(/\/$/, "")}/${name}` };
}

function filesOfVersion4(cursor: Cursor, budget: Budget): FileTables {
  const directories = [""];
  for (let name = cursor.string(); name !== ""; name = cursor.string()) directories.push(name);
  const files: (LineFile | undefined)[] = [undefined];
  for (let name = cursor.string(); name !== ""; name = cursor.string()) {
    budget.spend(cursor);
    const directory = cursor.uleb();
    cursor.uleb(); // time
    cursor.uleb(); // size
    files.push(join(directories, directory, name));
  }
  return { files, directories };
}

function filesOfVersion5(cursor: Cursor, sizes: LineHeader, strings: Strings, budget: Budget): FileTables {
  const read = (): { path: string; directory: number }[] => {
    const format: { content: number; form: number }[] = [];
    for (let left = cursor.u8(); left > 0; left--) format.push({ content: cursor.uleb(), form: cursor.uleb() });
    const entries: { path: string; directory: number }[] = [];
    const count = cursor.uleb();
    // An entry takes at least a byte, so this bounds the loop; entries of no content would not end it otherwise.
    if (count > cursor.end - cursor.at || (format.length === 0 && count > 0)) throw cursor.error(`${count} file names`);
    for (let i = 0; i < count; i++) {
      budget.spend(cursor, 1 + format.length);
      let path = "";
      let directory = 0;
      for (const { content, form } of format) {
        const value = readForm(cursor, form, sizes, 0);
        if (content === DW_LNCT_path) path = text(cursor, form, value, strings);
        else if (content === DW_LNCT_directory_index) directory = value;
      }
      entries.push({ path, directory });
    }
    return entries;
  };
  const directories = read().map((d) => d.path);
  return { directories, files: read().map((f) => join(directories, f.directory, f.path)) };
}

function text(cursor: Cursor, form: number, value: number, strings: Strings): string {
  const section =
    form === DW_FORM_string
      ? cursor.section
      : form === DW_FORM_line_strp
        ? strings.lineStr
        : form === DW_FORM_strp
          ? strings.str
          : null;
  return section === null ? "" : new Cursor(section, cursor.littleEndian, value).string();
}

/** So many rows lie from one mark to the next. */
const ROWS_A_MARK = 64;
/** Registers of a mark: where the program goes on, address, file, line, column. */
const MARK = 5;
/** Rows of a sequence that goes back and forth, which are kept; compilers write none. */
const MOST_SORTED = 1 << 19;

/**
 * The state machine of DWARF 5, 6.2.2, less the registers that no line depends on. A run marks its state at every 64th row of a sequence;
 * rows are found again by going on from a mark.
 */
class LineProgram {
  readonly #cursor: Cursor;
  readonly #header: LineHeader;
  readonly #tables: FileTables;
  #marks = new Float64Array(MARK * 256);
  #markCount = 0;
  #sortedLeft = MOST_SORTED;
  /** Whether the program ran already: then files that it defines are known. */
  #isAgain = false;
  #address = 0;
  #file = 1;
  #line = 1;
  #column = 0;

  constructor(cursor: Cursor, header: LineHeader, tables: FileTables) {
    this.#cursor = cursor;
    this.#header = header;
    this.#tables = tables;
  }

  get files(): readonly (LineFile | undefined)[] {
    return this.#tables.files;
  }

  /** @throws DwarfError */
  run(budget: Budget): Sequence[] {
    const cursor = this.#cursor;
    const sequences: Sequence[] = [];
    let rows = 0;
    let first = 0;
    let isOrdered = true;
    let before = 0;
    while (cursor.at < cursor.end) {
      budget.spend(cursor);
      const did = this.#step(cursor);
      if (did === "row") {
        if (rows === 0) first = this.#markCount;
        else if (this.#address < before) isOrdered = false;
        before = this.#address;
        if (rows++ % ROWS_A_MARK === 0) this.#mark(cursor.at);
      } else if (did === "end") {
        const start = rows === 0 ? 0 : (this.#marks[first * MARK + 1] ?? 0);
        // Sequences of functions that were left out of a link begin at 0 and are of no use.
        if (start > 0 && this.#address > start) {
          const kept = isOrdered ? null : this.#sorted(first, rows, cursor);
          sequences.push({ start, end: this.#address, first, last: this.#markCount - 1, rows: kept });
        } else if (rows > 0) this.#markCount = first;
        this.#reset();
        rows = 0;
        isOrdered = true;
      }
    }
    this.#isAgain = true;
    return sequences;
  }

  /** The last row of a sequence whose address is not above this one. */
  findRow({ first, last }: Sequence, address: number): LineRow | null {
    const above = firstIndex(last + 1 - first, (i) => (this.#marks[(first + i) * MARK + 1] ?? 0) > address);
    if (above === 0) return null;
    const cursor = this.#goTo(first + above - 1);
    let found: LineRow = this.#row();
    for (let rows = 1; rows < ROWS_A_MARK && cursor.at < cursor.end; ) {
      const did = this.#step(cursor);
      if (did === "end" || this.#address > address) break;
      if (did !== "row") continue;
      found = this.#row();
      rows++;
    }
    return found;
  }

  /** Rows of a sequence by address, where the program goes back. @throws DwarfError if there are too many */
  #sorted(first: number, count: number, end: Cursor): readonly LineRow[] {
    this.#sortedLeft -= count;
    if (this.#sortedLeft < 0) throw end.error("a line program that goes back and forth");
    const [address, again] = [this.#address, this.#isAgain];
    this.#isAgain = true;
    const cursor = this.#goTo(first);
    const rows: LineRow[] = [this.#row()];
    while (rows.length < count) if (this.#step(cursor) === "row") rows.push(this.#row());
    this.#address = address;
    this.#isAgain = again;
    return rows.sort((a, b) => a.address - b.address);
  }

  #mark(at: number): void {
    const start = this.#markCount++ * MARK;
    if (start + MARK > this.#marks.length) {
      const more = new Float64Array(this.#marks.length * 2);
      more.set(this.#marks);
      this.#marks = more;
    }
    this.#marks.set([at, this.#address, this.#file, this.#line, this.#column], start);
  }

  /** Takes the registers from a mark; the cursor stands behind its row. */
  #goTo(mark: number): Cursor {
    const start = mark * MARK;
    const [at = 0, address = 0, file = 0, line = 0, column = 0] = this.#marks.subarray(start, start + MARK);
    this.#address = address;
    this.#file = file;
    this.#line = line;
    this.#column = column;
    const cursor = new Cursor(this.#cursor.section, this.#cursor.littleEndian, at);
    cursor.end = this.#cursor.end;
    return cursor;
  }

  #row(): LineRow {
    const line = this.#line;
    // An unsigned register of 32 bits; a program that leaves its range is damaged there.
    const known = line >= 0 && line <= 0xffff_ffff ? line : 0;
    return { address: this.#address, file: this.#file, line: known, column: this.#column };
  }

  #reset(): void {
    this.#address = 0;
    this.#file = 1;
    this.#line = 1;
    this.#column = 0;
  }

  /** Does one operation; what came of it. */
  #step(cursor: Cursor): "row" | "end" | null {
    const { minInstructionLength, lineBase, lineRange, opcodeBase } = this.#header;
    const opcode = cursor.u8();
    if (opcode >= opcodeBase) {
      const adjusted = opcode - opcodeBase;
      this.#address += Math.floor(adjusted / lineRange) * minInstructionLength;
      this.#line += lineBase + (adjusted % lineRange);
      return "row";
    }
    if (opcode === 0) return this.#extended(cursor) ? "end" : null;
    if (opcode === DW_LNS_copy) return "row";
    this.#standard(opcode, cursor);
    return null;
  }

  #standard(opcode: number, cursor: Cursor): void {
    const { minInstructionLength, lineRange, opcodeBase, operandCounts } = this.#header;
    switch (opcode) {
      case DW_LNS_advance_pc:
        this.#address += cursor.uleb() * minInstructionLength;
        break;
      case DW_LNS_advance_line:
        this.#line += cursor.sleb();
        break;
      case DW_LNS_set_file:
        this.#file = cursor.uleb();
        break;
      case DW_LNS_set_column:
        this.#column = cursor.uleb();
        break;
      case DW_LNS_const_add_pc:
        this.#address += Math.floor((255 - opcodeBase) / lineRange) * minInstructionLength;
        break;
      case DW_LNS_fixed_advance_pc:
        this.#address += cursor.u16();
        break;
      default:
        // Flags that no line depends on, and operations of vendors: their operands are stepped over.
        for (let i = 0; i < (operandCounts[opcode] ?? 0); i++) cursor.uleb();
    }
  }

  /** Whether the operation ends the sequence. */
  #extended(cursor: Cursor): boolean {
    const length = cursor.uleb();
    const start = cursor.at;
    if (length === 0) return false;
    if (length > cursor.end - start) throw cursor.error("an operation that is longer than the program");
    const operation = cursor.u8();
    if (operation === DW_LNE_set_address) {
      this.#address = cursor.uint(length - 1 === 4 || length - 1 === 8 ? length - 1 : this.#header.addressSize);
    } else if (operation === DW_LNE_define_file && !this.#isAgain) {
      const name = cursor.string();
      this.#tables.files.push(join(this.#tables.directories, cursor.uleb(), name));
    }
    cursor.at = start + length;
    return operation === DW_LNE_end_sequence;
  }
}
