// A large relocatable file, of which some sections stay on the disk until a part of them is asked for. Debug information: that of a kernel is
// nine tenths of it. Contents of a module's sections: memory for them costs more than to read them.

import { constants } from "node:buffer";
import { closeSync, fstatSync, readSync } from "node:fs";
import { findArch } from "../../arch/index.ts";
import { viewOf } from "../../base/bytes.ts";
import { firstIndex } from "../../base/search.ts";
import { SHF_ALLOC, SHT_PROGBITS } from "../../elf/consts.ts";
import { shareUnpacking } from "../../elf/containers/budget.ts";
import { ElfError } from "../../elf/error.ts";
import { checkIdentification, readHeader } from "../../elf/reader/header.ts";
import { nameTable } from "../../elf/reader/names.ts";
import { checkSections } from "../../elf/reader/sections.ts";
import { type FileState, InputError, isSameState, openRegular } from "../../elf/regularFile.ts";
import { EHDR, SHDR } from "../../elf/views/layout.ts";
import type { SectionBytes } from "../../elf/views/sectionBytes.ts";
import { SectionTable } from "../../elf/views/sections.ts";
import { type Input, readUnpacked, type Standard, unreadable } from "./io.ts";

/** Bytes of what is read at once. */
const MOST_LOADED = 2 ** 31 - 1;
const DEBUG_NAME = /^\.(?:rela?\.)?z?debug_/;

/** What of a file stays on the disk. */
export interface LeftOnDisk {
  /** Smaller files are read whole. Bytes. */
  readonly leastFile: number;
  /** Smaller sections are read with the rest. Bytes. */
  readonly leastSection: number;
  /** @param machine e_machine */
  readonly isApart: (sections: SectionTable, i: number, machine: number) => boolean;
  /** Whether a section that was asked for as a whole stays in memory. */
  readonly isKept: boolean;
}

/** Debug information. */
export const DEBUG: LeftOnDisk = {
  leastFile: 32 << 20,
  leastSection: 1 << 16,
  isApart: (sections, i) => !sections.hasFlags(i, SHF_ALLOC) && DEBUG_NAME.test(sections.name(i)),
  isKept: false,
};

/**
 * Of a module, contents of sections: what stands in tables of its own, and what tells of the file, is small. The loader's checks of code with a
 * TOC look at all of it.
 */
const CONTENTS: LeftOnDisk = {
  leastFile: 1 << 22,
  leastSection: 1 << 16,
  isApart: (sections, i, machine) => sections.type(i) === SHT_PROGBITS && findArch(machine)?.hasToc !== true,
  isKept: true,
};

/** A module, and what of it is still in the file until that is closed. */
export interface PartlyReadModule extends Pick<Input, "name" | "bytes"> {
  /** Null: all is in memory. */
  readonly apart: PartlyRead["apart"] | null;
  close(): void;
}

/**
 * As {@link readUnpacked}; contents of sections of a large module that is not packed may still be in the file.
 * @throws InputProblem, UsageError
 */
export async function readModulePartly(path: string, context: Standard): Promise<PartlyReadModule> {
  const partly = path === "-" ? null : readPartly(path, CONTENTS);
  if (partly === null) return { ...(await readUnpacked(path, context)), apart: null, close: () => {} };
  if (context.unpacking !== undefined) shareUnpacking(partly.bytes, context.unpacking);
  return { ...partly, name: path };
}

export interface PartlyRead {
  /** As long as the file; zeros where the sections of `apart` are, which take no memory. */
  readonly bytes: Uint8Array;
  readonly apart: ReadonlyMap<number, SectionBytes>;
  /** Permission bits. */
  readonly mode: number;
  /** Nothing can be read any more. */
  close(): void;
}

/** Opens a file that is large enough for it to be worth while. Null: it is not, or no such file; reading it whole tells what is wrong. */
export function readPartly(path: string, left: LeftOnDisk): PartlyRead | null {
  let file: OpenFile | null = null;
  try {
    file = new OpenFile(path);
    if (file.size < left.leastFile || file.size > constants.MAX_LENGTH) return null;
    const bytes = new Uint8Array(file.size);
    const apart = readLoaded(file, bytes, left);
    if (apart === null) return null;
    const { mode, close } = file.kept();
    file = null;
    return { bytes, apart, mode, close };
  } catch (error) {
    // Not enough memory, even of addresses.
    if (error instanceof RangeError) return null;
    if (error instanceof ElfError || error instanceof InputError || (error as NodeJS.ErrnoException).code !== undefined)
      return null;
    throw error;
  } finally {
    file?.close();
  }
}

/** Reads all but what is left on the disk into `bytes`; returns that. Null: nothing is. @throws ElfError */
function readLoaded(file: OpenFile, bytes: Uint8Array, left: LeftOnDisk): Map<number, SectionBytes> | null {
  const fill = (start: number, end: number): void => file.read(bytes.subarray(start, end), start);
  const view = viewOf(bytes);
  fill(0, EHDR.size);
  const littleEndian = checkIdentification(bytes.subarray(0, EHDR.size));
  const table = Number(view.getBigUint64(EHDR.shoff, littleEndian));
  if (!(table >= EHDR.size && table + SHDR.size <= bytes.length)) return null;
  fill(table, table + SHDR.size);
  const { machine, sectionCount, sectionNameIndex } = readHeader(view, littleEndian);
  fill(table, table + sectionCount * SHDR.size);
  const sections = new SectionTable(bytes, view, table, sectionCount, littleEndian);
  checkSections(sections, bytes.length);
  const names = sections.offset(sectionNameIndex);
  if (sectionNameIndex === 0 || !sections.hasBytes(sectionNameIndex)) return null;
  fill(names, names + sections.size(sectionNameIndex));
  sections.setNames(nameTable(sections, sectionNameIndex, "section name table"));
  const apart = new Map<number, SectionBytes>();
  const parts: [number, number][] = [];
  for (let i = 1; i < sectionCount; i++) {
    const [start, size] = [sections.offset(i), sections.size(i)];
    if (!sections.hasBytes(i) || size < left.leastSection) continue;
    // A name that the table does not have is a fault that reading the whole file finds.
    if (sections.nameOffset(i) >= sections.size(sectionNameIndex)) return null;
    if (!left.isApart(sections, i, machine)) continue;
    const inFile = new InFile(file, start, size);
    apart.set(i, left.isKept ? new KeptBytes(inFile) : inFile);
    parts.push([start, start + size]);
  }
  if (apart.size === 0) return null;
  // As much as a file that is read whole may have.
  if (bytes.length - parts.reduce((sum, [start, end]) => sum + end - start, 0) > MOST_LOADED) return null;
  parts.sort((a, b) => a[0] - b[0]);
  if (overlaps(sections, apart, parts)) return null;
  let at: number = EHDR.size;
  for (const [start, end] of parts) {
    if (start > at) fill(at, start);
    at = Math.max(at, end);
  }
  fill(at, bytes.length);
  return apart;
}

/** Whether a section that is read shares bytes with one that stays in the file: those would be zeros. @param parts [from, to), ascending */
function overlaps(
  sections: SectionTable,
  apart: ReadonlyMap<number, SectionBytes>,
  parts: readonly (readonly [number, number])[],
): boolean {
  const ends: number[] = [];
  for (const [, end] of parts) ends.push(Math.max(end, ends.at(-1) ?? 0));
  for (let i = 1; i < sections.count; i++) {
    if (!sections.hasBytes(i) || apart.has(i)) continue;
    const [start, end] = [sections.offset(i), sections.offset(i) + sections.size(i)];
    // The first part that ends behind its beginning is the lowest that may share bytes with it.
    const [from] = parts[firstIndex(parts.length, (k) => (ends[k] ?? 0) > start)] ?? [end];
    if (end > start && from < end) return true;
  }
  return false;
}

/** A section in a file. */
class InFile implements SectionBytes {
  readonly length: number;
  readonly #file: OpenFile;
  readonly #start: number;

  constructor(file: OpenFile, start: number, length: number) {
    this.#file = file;
    this.#start = start;
    this.length = length;
  }

  part(start: number, end: number, into?: Uint8Array): Uint8Array {
    const bytes = into?.subarray(0, end - start) ?? new Uint8Array(end - start);
    this.#file.read(bytes, this.#start + start);
    return bytes;
  }
}

/** Bytes that stay in memory once they were asked for as a whole, but for those that have another place to go to. */
class KeptBytes implements SectionBytes {
  readonly length: number;
  readonly #of: SectionBytes;
  #all: Uint8Array | null = null;

  constructor(of: SectionBytes) {
    this.#of = of;
    this.length = of.length;
  }

  part(start: number, end: number, into?: Uint8Array): Uint8Array {
    if (this.#all === null && into === undefined && start === 0 && end === this.length)
      this.#all = this.#of.part(0, end);
    return this.#all?.subarray(start, end) ?? this.#of.part(start, end, into);
  }
}

/** A file that must stay as it was when it was opened. */
class OpenFile {
  readonly size: number;
  readonly #path: string;
  readonly #fd: number;
  readonly #state: FileState;
  readonly #mode: number;
  #isKept = false;

  /** @throws InputError, and the system's errors */
  constructor(path: string) {
    this.#path = path;
    this.#fd = openRegular(path);
    const stats = fstatSync(this.#fd, { bigint: true });
    this.#state = stats;
    this.#mode = Number(stats.mode & 0o777n);
    this.size = Number(stats.size);
  }

  /** Fills `bytes` from a place in the file. @throws InputProblem KLP104 once the file is kept; before, InputError and the system's errors */
  read(bytes: Uint8Array, at: number): void {
    try {
      for (let done = 0; done < bytes.length; ) {
        const count = readSync(this.#fd, bytes, done, bytes.length - done, at + done);
        if (count === 0) throw changed();
        done += count;
      }
      if (!isSameState(this.#state, fstatSync(this.#fd, { bigint: true }))) throw changed();
    } catch (error) {
      throw this.#isKept ? unreadable(this.#path, error) : error;
    }
  }

  kept(): { readonly mode: number; readonly close: () => void } {
    this.#isKept = true;
    return { mode: this.#mode, close: () => this.close() };
  }

  close(): void {
    closeSync(this.#fd);
  }
}

const changed = (): InputError => new InputError("changed", "it changed while it was read");
