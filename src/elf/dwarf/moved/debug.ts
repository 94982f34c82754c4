// The debug information of a file some of whose code was moved apart. Addresses are relocated and follow with their
// relocations; here is what says the same in numbers of its own: line programs, lengths, lists, tables of ranges. What is
// not understood keeps its bytes, and is told.

import { SHF_ALLOC } from "../../consts.ts";
import { CompressionError, unpackedContent, type ZstdUnpacker } from "../../containers/compressed.ts";
import type { ElfFile } from "../../reader.ts";
import { DW_AT_dwo_name, DW_AT_GNU_dwo_name, DW_FORM_loclistx, DW_FORM_rnglistx } from "../consts.ts";
import { Budget, Cursor, type DebugSection, DwarfError } from "../cursor.ts";
import { DebugSections } from "../sections.ts";
import { type DwarfUnit, UnitReader } from "../units.ts";
import { AddressMove, type CodeLayout } from "./addresses.ts";
import { DebugChanges, Draft, numberBytes } from "./draft.ts";
import { type EntryVisitor, type Grown, moveEntries } from "./entries.ts";
import { frameAcross, relocationTargets, type TargetAt } from "./frames.ts";
import { listHeaders, moveAddressRanges, type NumberChange } from "./lengths.ts";
import { moveLineProgram } from "./lineProgram.ts";
import { ListMover } from "./lists.ts";

/** A piece of debug information that still tells of the old layout. */
export interface LeftBehind {
  /** Section or file. */
  readonly section: string;
  /** Bytes from the section's start. */
  readonly offset: number;
  readonly reason: string;
}

export interface MovedDebug {
  /** Section -> its new content, unpacked. */
  readonly contents: ReadonlyMap<number, Uint8Array>;
  /** New offset of what stood at `offset` of section `section`. */
  readonly map: (section: number, offset: number) => number;
  /** Section -> offset of a relocated address -> bytes by which that address moves, whatever begins there. */
  readonly ends: ReadonlyMap<number, ReadonlyMap<number, number>>;
  readonly left: readonly LeftBehind[];
}

const READ = [
  "info",
  "abbrev",
  "line",
  "str",
  "line_str",
  "str_offsets",
  "addr",
  "ranges",
  "rnglists",
  "loc",
  "loclists",
  "aranges",
  "frame",
];
/** Debug sections that say nothing of where code stands but in relocated addresses. */
const INDIFFERENT = new Set(
  ["names", "pubnames", "pubtypes", "gnu_pubnames", "gnu_pubtypes", "macro", "macinfo", "types", "gdb_scripts"].map(
    (name) => `.debug_${name}`,
  ),
);
/** Pieces reported at most: a damaged file may have any number. */
const MOST_TOLD = 32;

const NOTHING: MovedDebug = { contents: new Map(), map: (_, offset) => offset, ends: new Map(), left: [] };

/**
 * @param layouts the new layouts of code sections, by index
 * @param unzstd null if it was not loaded: sections packed with zstd are left behind then
 */
export function moveDebug(
  file: ElfFile,
  layouts: ReadonlyMap<number, CodeLayout>,
  unzstd: ZstdUnpacker | null,
): MovedDebug {
  const isMoved = [...layouts.values()].some((layout) => layout.gaps.some((gap) => gap.size > 0));
  return isMoved ? new DebugMover(file, layouts, unzstd).run() : NOTHING;
}

class DebugMover {
  readonly #file: ElfFile;
  readonly #sections: DebugSections;
  readonly #reader: UnitReader;
  readonly #move: AddressMove;
  readonly #lists: ListMover;
  readonly #changes = new DebugChanges();
  readonly #left: LeftBehind[] = [];
  readonly #told = new Set<string>();
  /** Lists that were visited: section, offset, base and kind. */
  readonly #visited = new Set<string>();
  /** Plain numbers in entries that are offsets in sections which may grow. */
  readonly #offsets: { cursor: Cursor; at: number; size: number; into: Grown; value: number }[] = [];
  /** Section -> one bit a byte: where a relocation stands. */
  readonly #relocated = new Map<number, Uint8Array>();

  constructor(file: ElfFile, layouts: ReadonlyMap<number, CodeLayout>, unzstd: ZstdUnpacker | null) {
    this.#file = file;
    this.#sections = DebugSections.of(file, READ, (index) => {
      try {
        return unpackedContent(file, index, unzstd);
      } catch (error) {
        if (!(error instanceof CompressionError)) throw error;
        this.#leave(file.sections.name(index), 0, error.message);
        return new Uint8Array();
      }
    });
    this.#reader = new UnitReader(this.#sections, file.littleEndian, new Budget(this.#sections.totalSize));
    this.#move = new AddressMove(file, this.#sections.addresses, layouts);
    this.#lists = new ListMover(this.#reader, this.#move, (section, at) => this.#isRelocated(section, at));
  }

  run(): MovedDebug {
    if (this.#move.isEmpty || !this.#hasAddends()) return { ...NOTHING, left: this.#left };
    this.#unknown();
    this.#each("line", (section, at, draft) => {
      moveLineProgram(new Cursor(section, this.#file.littleEndian, at), this.#move, this.#reader.budget, draft);
    });
    this.#each("aranges", (section, at, draft) => {
      moveAddressRanges(new Cursor(section, this.#file.littleEndian, at), this.#move, this.#reader.budget, draft);
    });
    this.#units();
    this.#frames();
    this.#sharedAddresses();
    const contents = this.#contents();
    const map = (section: number, offset: number): number => this.#changes.splices.get(section)?.map(offset) ?? offset;
    return { contents, map, ends: this.#changes.ends, left: this.#left };
  }

  #leave(section: string, offset: number, reason: string): void {
    const key = `${section}: ${reason}`;
    if (this.#told.has(key) || this.#told.size >= MOST_TOLD) return;
    this.#told.add(key);
    this.#left.push({ section, offset, reason });
  }

  /** Runs `work`; if the debug information cannot be read there, what it is about is left behind. */
  #guard(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      if (!(error instanceof DwarfError)) throw error;
      this.#leave(error.section, error.offset, error.what);
      return false;
    }
  }

  #piece(work: (draft: Draft) => void): void {
    this.#guard(() => {
      const draft = new Draft(this.#changes);
      work(draft);
      draft.commit();
    });
  }

  /** Whether all relocations of debug sections can be changed: those without addends cannot. */
  #hasAddends(): boolean {
    for (const table of this.#file.relocations) {
      const name = this.#file.sections.name(table.target);
      if (table.hasAddends || !/^\.z?debug_/.test(name)) continue;
      this.#leave(name, 0, "its relocations have no addends");
      return false;
    }
    return true;
  }

  /** Debug sections that are not known, or of which there is more than one where one is expected. */
  #unknown(): void {
    const { sections } = this.#file;
    const known = new Set([...INDIFFERENT, ...READ.map((name) => `.debug_${name}`)]);
    for (let i = 1; i < sections.count; i++) {
      const name = sections.name(i).replace(/^\.zdebug_/, ".debug_");
      const isDebug = name.startsWith(".debug_") || name === ".stab" || name === ".line";
      if (!isDebug || known.has(name) || sections.size(i) === 0 || sections.hasFlags(i, SHF_ALLOC)) continue;
      // The entries of split debug information that was not taken out of the object: all its sections, reported once.
      if (!name.endsWith(".dwo")) this.#leave(sections.name(i), 0, "a section that is not known");
      else if (name === ".debug_info.dwo") this.#leave(name, 0, "split debug information");
    }
    for (const name of ["ranges", "rnglists", "loc", "loclists", "addr"]) {
      if (this.#sections.all(name).length > 1) this.#leave(`.debug_${name}`, 0, "several sections of one name");
    }
  }

  /** Visits the parts of all sections of a name, each of which begins with its length. */
  #each(name: string, work: (section: DebugSection, at: number, draft: Draft) => void): void {
    for (const section of this.#sections.all(name)) {
      let at = 0;
      this.#guard(() => {
        while (at < section.bytes.length) {
          const cursor = new Cursor(section, this.#file.littleEndian, at);
          const { length } = cursor.unitLength();
          const start = at;
          this.#piece((draft) => work(section, start, draft));
          cursor.skip(length);
          at = cursor.at;
        }
      });
    }
  }

  #units(): void {
    const units: DwarfUnit[] = [];
    this.#guard(() => {
      for (const unit of this.#reader.eachUnit()) units.push(unit);
    });
    for (const { section, at, version } of this.#reader.unknownUnits) {
      this.#leave(section.name, at, `a unit of version ${version}`);
    }
    for (const unit of units) {
      this.#guard(() => {
        this.#split(unit);
        moveEntries(this.#reader, unit, this.#move, this.#visitor(unit));
      });
    }
  }

  /** A unit whose entries are in another file, which is not moved. */
  #split(unit: DwarfUnit): void {
    if (!unit.ranges.some(({ start, end }) => this.#move.roomsIn(start, end - 1).length > 0)) return;
    const cursor = new Cursor(unit.info, this.#file.littleEndian, unit.firstEntry, unit.end);
    const abbreviation = unit.abbreviations.get(cursor.uleb());
    if (abbreviation === undefined) return;
    const root = this.#reader.attributes(cursor, abbreviation, unit);
    const name = root.get(DW_AT_dwo_name) ?? root.get(DW_AT_GNU_dwo_name);
    if (name === undefined) return;
    const path = this.#reader.string(unit, name);
    this.#leave(unit.info.name, unit.start, `split debug information in a file of its own, ${path ?? "not named"}`);
  }

  #visitor(unit: DwarfUnit): EntryVisitor {
    return {
      piece: (work) => this.#piece(work),
      isRelocated: (at) => this.#isRelocated(unit.info, at),
      list: (home, form, value, hasLocations) =>
        this.#piece((draft) => this.#list(home, form, value, hasLocations, draft)),
      offset: (cursor, at, size, into, value) => {
        this.#offsets.push({ cursor, at, size, into, value });
      },
      indexedStart: (home, index, draft) => {
        draft.start(this.#lists.indexed(home, index).at);
      },
      indexedEnd: (home, index, start, draft) => {
        const { address, at } = this.#lists.indexed(home, index);
        this.#lists.indexedEnd(start, at, address, draft);
      },
    };
  }

  #list(unit: DwarfUnit, form: number, value: number, hasLocations: boolean, draft: Draft): void {
    const name = unit.version >= 5 ? (hasLocations ? "loclists" : "rnglists") : hasLocations ? "loc" : "ranges";
    const section = this.#sections.find(name);
    if (section === null || this.#sections.all(name).length > 1) return;
    let offset = value;
    if (form === DW_FORM_rnglistx || form === DW_FORM_loclistx) {
      const base = hasLocations ? unit.loclistsBase : unit.rnglistsBase;
      const entry = new Cursor(section, this.#file.littleEndian, base + value * unit.offsetSize);
      offset = base + entry.uint(unit.offsetSize);
    }
    const key = `${name}:${offset}:${unit.lowPc}:${unit.addrBase}`;
    if (this.#visited.has(key)) return;
    this.#visited.add(key);
    if (unit.version >= 5) this.#lists.moveList(unit, section, offset, hasLocations, draft);
    else this.#lists.movePairs(unit, section, offset, hasLocations, draft);
  }

  #frames(): void {
    const { sections } = this.#file;
    const { littleEndian } = this.#file;
    const check = (section: DebugSection, index: number, isEh: boolean): void => {
      const target: TargetAt = relocationTargets(this.#file, index, (i) => this.#sections.addresses.baseOf(i));
      this.#guard(() => {
        const at = frameAcross(section, littleEndian, isEh, target, this.#move);
        if (at !== null) this.#leave(section.name, at, "an unwind entry that covers more than one function");
      });
    };
    for (const section of this.#sections.all("frame")) check(section, section.index ?? 0, false);
    for (let i = 1; i < sections.count; i++) {
      const name = sections.name(i);
      if (name === ".eh_frame") check({ name, bytes: sections.data(i), index: i }, i, true);
    }
  }

  /** An entry of .debug_addr may be an end and a beginning at once: only one of them can be right. */
  #sharedAddresses(): void {
    const section = this.#sections.find("addr");
    const ends = section?.index === undefined ? undefined : this.#changes.ends.get(section.index);
    if (section === null || ends === undefined) return;
    for (const [at, shift] of ends) {
      if (!this.#changes.starts.has(at)) continue;
      const address = new Cursor(section, this.#file.littleEndian, at).u64();
      if (shift === this.#move.shift(address)) continue;
      ends.delete(at);
      this.#leave(section.name, at, "an address that is the end of one function and the start of the next");
    }
  }

  #isRelocated({ index }: DebugSection, at: number): boolean {
    if (index === undefined) return false;
    let bits = this.#relocated.get(index);
    if (bits === undefined) {
      const size = this.#sections.sizeOf(index);
      bits = new Uint8Array(Math.ceil(size / 8));
      for (const table of this.#file.relocations) {
        if (table.target !== index) continue;
        for (let row = 0; row < table.count; row++) {
          const place = table.offset(row);
          if (place < size) bits[place >> 3] = (bits[place >> 3] ?? 0) | (1 << (place & 7));
        }
      }
      this.#relocated.set(index, bits);
    }
    return ((bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  }

  /** The new bytes of all sections that change. */
  #contents(): Map<number, Uint8Array> {
    const patches = new Map<number, readonly NumberChange[]>();
    const byIndex = new Map(READ.flatMap((name) => this.#sections.all(name)).map((s) => [s.index ?? 0, s]));
    for (const [index, splices] of this.#changes.splices) {
      const section = byIndex.get(index);
      if (section === undefined) continue;
      const overlap = splices.firstOverlap();
      const isList = section.name === ".debug_rnglists" || section.name === ".debug_loclists";
      if (overlap !== null) this.#leave(section.name, overlap, "two parts of it read these bytes differently");
      const isUnderstood =
        overlap === null &&
        (!isList ||
          splices.growth === 0 ||
          this.#guard(() => patches.set(index, listHeaders(section, this.#file.littleEndian, splices))));
      if (!isUnderstood) splices.clear();
    }
    for (const { cursor, at, size, into, value } of this.#offsets) {
      const target = this.#sections.find(into)?.index;
      const now = target === undefined ? value : (this.#changes.splices.get(target)?.map(value) ?? value);
      if (now !== value) this.#piece((draft) => draft.number(cursor, at, size, now));
    }
    const contents = new Map<number, Uint8Array>();
    for (const [index, splices] of this.#changes.splices) {
      if (splices.isEmpty) continue;
      const content = splices.apply(this.#sections.rawOf(index));
      for (const { at, size, value } of patches.get(index) ?? []) {
        content.set(numberBytes(value, size, this.#file.littleEndian), splices.map(at));
      }
      contents.set(index, content);
    }
    return contents;
  }
}
