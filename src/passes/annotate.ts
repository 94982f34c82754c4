// What a reader needs beside a diagnostic: the source line, and the instructions around the place.

import type { ArchName } from "../base/archName.ts";
import { printable } from "../base/bytes.ts";
import { firstIndex } from "../base/search.ts";
import type { Problem } from "../diag/catalogue.ts";
import type { Disassembler, FunctionPlace, Instruction, Place } from "../diag/define.ts";
import { SHF_EXECINSTR, SHT_NOBITS } from "../elf/consts.ts";
import type { SourceIndex } from "../elf/dwarf/lines/source.ts";
import type { CodeSymbol } from "../klp/functions.ts";
import { shortName } from "../klp/symbols/names.ts";
import { relocName } from "../reloc/def.ts";
import { Unusable } from "./input.ts";
import { openModule, type Subject } from "./open.ts";

/** Instructions shown before and behind the one at fault. */
const AROUND = 2;
/** Where instructions differ in size, decoding begins at the function's start, but not farther back than this, bytes. */
const FARTHEST_START = 0x1_0000;

export interface Annotated {
  readonly problems: readonly Problem[];
  /** Why places in code have no source line: null if they all have one, or if there are none. */
  readonly noSource: string | null;
}

/** Problems with their source lines and instructions. Without a disassembler the instructions are left out. */
export async function annotate(
  bytes: Uint8Array,
  problems: readonly Problem[],
  openDisassembler: (arch: ArchName) => Promise<Disassembler | null>,
): Promise<Annotated> {
  let subject: Subject;
  try {
    subject = openModule(bytes, problems[0]?.at.file ?? "");
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    return { problems, noSource: null };
  }
  return annotateSubject(subject, problems, openDisassembler);
}

/** As {@link annotate}, of an opened module. */
export async function annotateSubject(
  subject: Subject,
  problems: readonly Problem[],
  openDisassembler: (arch: ArchName) => Promise<Disassembler | null>,
): Promise<Annotated> {
  if (!problems.some((p) => p.at.section !== undefined && p.at.offset !== undefined))
    return { problems, noSource: null };
  const lookup = await PlaceLookup.open(subject, openDisassembler);
  const annotated = problems.map((p) => lookup.annotate(p));
  const inCode = annotated.filter((p) => lookup.codeSection(p.at) !== null);
  const isMissing = inCode.some((p) => p.at.source === undefined);
  return { problems: annotated, noSource: isMissing ? lookup.noSourceReason() : null };
}

/** One file, opened for looking up places in its code. */
export class PlaceLookup {
  readonly #subject: Subject;
  readonly #source: SourceIndex;
  readonly #disassemble: Disassembler | null;
  /** By section. */
  readonly #relocations = new Map<number, Rows>();
  /** Sections of code, by name. */
  #code: ReadonlyMap<string, readonly number[]> | null = null;
  /** Where instructions of any size begin, as far as they were looked at. */
  #begins: { readonly section: number; end: number; readonly starts: number[] } | null = null;

  private constructor(subject: Subject, source: SourceIndex, disassemble: Disassembler | null) {
    this.#subject = subject;
    this.#source = source;
    this.#disassemble = disassemble;
  }

  static async open(
    subject: Subject,
    openDisassembler: (arch: ArchName) => Promise<Disassembler | null>,
  ): Promise<PlaceLookup> {
    const disassemble = await openDisassembler(subject.arch.name);
    return new PlaceLookup(subject, await subject.source(), disassemble);
  }

  noSourceReason(): string {
    if (this.#source.fault !== null) return `the debug information cannot be read: ${this.#source.fault}`;
    return this.#source.hasLines
      ? "the debug information does not cover all places"
      : "the file was built without debug information";
  }

  /** Index of the section of a place, if it holds code and the place lies in it. */
  codeSection(at: Place): number | null {
    if (at.section === undefined || at.offset === undefined) return null;
    const { offset } = at;
    const { sections } = this.#subject.file;
    this.#code ??= this.#codeByName();
    return this.#code.get(at.section)?.find((i) => offset >= 0 && offset < sections.size(i)) ?? null;
  }

  #codeByName(): Map<string, number[]> {
    const { sections } = this.#subject.file;
    const found = new Map<string, number[]>();
    for (let i = 1; i < sections.count; i++) {
      if (!sections.hasFlags(i, SHF_EXECINSTR) || sections.type(i) === SHT_NOBITS) continue;
      const known = found.get(sections.name(i));
      if (known === undefined) found.set(sections.name(i), [i]);
      else known.push(i);
    }
    return found;
  }

  annotate(p: Problem): Problem {
    const section = this.codeSection(p.at);
    if (section === null || p.at.offset === undefined) return p;
    const notes = new Map((p.context ?? []).flatMap((l) => (l.note === null ? [] : [[l.offset, l.note] as const])));
    const instructions = this.instructions(section, p.at.offset, notes);
    const marked = instructions.find((i) => i.marked);
    const source = this.#source.find(section, marked?.offset ?? p.at.offset);
    const named = this.functionPlace(section, p.at.offset);
    return {
      ...p,
      at: { ...p.at, ...(named === null ? {} : { function: named }), ...(source === null ? {} : { source }) },
      ...(instructions.length === 0 ? {} : { instructions }),
    } as Problem;
  }

  /** A place as the kernel's %pS names it; null if no symbol stands before it. */
  functionPlace(section: number, offset: number): FunctionPlace | null {
    const owner = this.#subject.functions.at(section, offset);
    if (owner === null) return null;
    const size = this.#endOf(owner) - owner.start;
    return { name: printable(owner.name), offset: offset - owner.start, size, module: printable(this.#subject.module) };
  }

  /** Where the kernel takes a symbol to end: at the next one, or with its section. */
  #endOf(owner: CodeSymbol): number {
    return this.#subject.functions.after(owner)?.start ?? this.#subject.file.sections.size(owner.section);
  }

  /** The source lines of a place, innermost first; null if they are not known. */
  source(section: number, offset: number): Place["source"] | null {
    return this.#source.find(section, offset);
  }

  /** The instruction at `offset` and those around it, within its function. Empty without a disassembler. */
  instructions(section: number, offset: number, notes: ReadonlyMap<number, string> = new Map()): Instruction[] {
    const disassemble = this.#disassemble;
    if (disassemble === null) return [];
    const data = this.#subject.file.sections.data(section);
    if (!(offset >= 0 && offset < data.length)) return [];
    const owner = this.#subject.functions.at(section, offset);
    const next = owner === null ? null : this.#subject.functions.after(owner);
    const start = owner?.start ?? 0;
    const sized = owner !== null && offset < owner.start + owner.size ? owner.start + owner.size : data.length;
    const end = Math.min(data.length, next?.start ?? data.length, sized);
    const fixed = this.#subject.arch.instructionBytes;
    let at =
      fixed !== null
        ? Math.max(start, offset - (offset % fixed) - AROUND * fixed)
        : this.#beginBefore(section, start, end, offset, disassemble);
    const window: Instruction[] = [];
    let behind = 0;
    while (at < end && behind < AROUND) {
      const { size, text } = disassemble(data.subarray(at, end), at);
      const marked = offset >= at && offset < at + size;
      const { relocations, more } = this.#relocationsIn(section, at, at + size);
      window.push({
        offset: at,
        bytes: data.slice(at, at + size),
        text: this.#named(section, text, relocations),
        relocations: relocations.map(({ name, symbol, addend }) => ({ name, symbol, addend })),
        marked,
        note: notes.get(at) ?? (more === 0 ? null : `… and ${more} more relocations`),
      });
      if (at > offset) behind++;
      else if (!marked && window.length > AROUND) window.shift();
      at += size;
    }
    return window.some((i) => i.marked) ? window : [];
  }

  /** Where the instruction AROUND instructions before the one at `offset` begins, if instructions differ in size. */
  #beginBefore(section: number, start: number, end: number, offset: number, disassemble: Disassembler): number {
    const data = this.#subject.file.sections.data(section);
    let known = this.#begins;
    const from = known?.starts[0] ?? 0;
    // Places come one behind the other: what was looked at for the one before is not looked at again.
    if (known?.section !== section || from < start || offset < from || offset - known.end > FARTHEST_START) {
      known = { section, starts: [], end: Math.max(start, offset - FARTHEST_START) };
      this.#begins = known;
    }
    while (known.end <= offset && known.end < end) {
      known.starts.push(known.end);
      known.end += disassemble(data.subarray(known.end, end), known.end).size;
    }
    const { starts } = known;
    const at = firstIndex(starts.length, (i) => (starts[i] ?? 0) > offset) - 1;
    return starts[Math.max(0, at - AROUND)] ?? offset;
  }

  /** The target of a branch by name: its relocation's symbol, or the place in a function of the section. */
  #named(section: number, text: string, relocations: readonly Relocation[]): string {
    const match = /^(b\w*|j\w+|call\w*|cb\w+|tb\w+)([.+-]*\s+(?:[^\s]+,)?)(0x[0-9a-f]+|\d+)$/.exec(text);
    if (match === null) return text;
    const [, mnemonic, space, target] = match;
    const relocation = relocations[0];
    if (relocation !== undefined) return `${mnemonic}${space}${shortName(relocation.symbol)}`;
    const at = Number(target);
    const owner = this.#subject.functions.at(section, at);
    if (owner === null) return text;
    const distance = at - owner.start;
    return `${mnemonic}${space}${printable(owner.name)}${distance === 0 ? "" : `+0x${distance.toString(16)}`}`;
  }

  /** The relocations of some bytes, the first SHOWN of them, and how many more there are. */
  #relocationsIn(section: number, start: number, end: number): { relocations: Relocation[]; more: number } {
    let rows = this.#relocations.get(section);
    if (rows === undefined) {
      rows = readRelocations(this.#subject, section);
      this.#relocations.set(section, rows);
    }
    const { offsets, order } = rows;
    const offsetAt = (i: number): number => offsets[order[i] ?? 0] ?? 0;
    const first = firstIndex(order.length, (i) => offsetAt(i) >= start);
    const last = firstIndex(order.length, (i) => offsetAt(i) >= end);
    const shown = Array.from(order.subarray(first, Math.min(last, first + SHOWN)), (row) => rows.read(row));
    return { relocations: shown, more: last - first - shown.length };
  }
}

/** So many relocations of one instruction are shown. */
const SHOWN = 8;

interface Relocation {
  readonly name: string;
  readonly symbol: string;
  readonly addend: bigint;
}

/** The rows of all relocation tables of a section. */
interface Rows {
  /** As in the file. */
  readonly offsets: Float64Array;
  /** By offset. */
  readonly order: Uint32Array;
  readonly read: (row: number) => Relocation;
}

function readRelocations({ file, arch }: Subject, section: number): Rows {
  const { sections, symbolTables } = file;
  const tables = file.relocations.filter((t) => t.target === section && symbolTables.has(sections.link(t.section)));
  const offsets = new Float64Array(tables.reduce((sum, t) => sum + t.count, 0));
  let length = 0;
  let isSorted = true;
  for (const table of tables) {
    for (let row = 0; row < table.count; row++) {
      offsets[length] = table.offset(row);
      if (length > 0 && (offsets[length] ?? 0) < (offsets[length - 1] ?? 0)) isSorted = false;
      length++;
    }
  }
  const order = Uint32Array.from(offsets, (_, i) => i);
  if (!isSorted) order.sort((a, b) => (offsets[a] ?? 0) - (offsets[b] ?? 0) || a - b);
  const read = (row: number): Relocation => {
    let left = row;
    const table = tables.find((t) => {
      if (left < t.count) return true;
      left -= t.count;
      return false;
    });
    const symbols = table === undefined ? undefined : symbolTables.get(sections.link(table.section));
    if (table === undefined || symbols === undefined) throw new Error(`there is no row ${row}`);
    const symbol = table.symbol(left);
    const home = symbols.sectionOf(symbol);
    const name = symbols.name(symbol);
    return {
      name: relocName(arch.relocs, table.type(left)),
      symbol: printable(name === "" && home !== null ? sections.name(home) : name),
      addend: table.addend(left),
    };
  };
  return { offsets, order, read };
}
