// A large relocatable file, of which debug information stays on the disk until a part of it is asked for: that of a kernel is nine tenths of it.

import { constants } from "node:buffer";
import { closeSync, fstatSync, readSync } from "node:fs";
import { viewOf } from "../../base/bytes.ts";
import { SHF_ALLOC } from "../../elf/consts.ts";
import { ElfError } from "../../elf/error.ts";
import { checkIdentification, readHeader } from "../../elf/reader/header.ts";
import { nameTable } from "../../elf/reader/names.ts";
import { checkSections } from "../../elf/reader/sections.ts";
import { type FileState, InputError, isSameState, openRegular } from "../../elf/regularFile.ts";
import { EHDR, SHDR } from "../../elf/views/layout.ts";
import type { SectionBytes } from "../../elf/views/sectionBytes.ts";
import { SectionTable } from "../../elf/views/sections.ts";
import { unreadable } from "./io.ts";

/** Files below it are read whole. Bytes. */
const LEAST = 32 << 20;
/** Sections below it are read with the rest. Bytes. */
const LEAST_APART = 1 << 16;
/** Bytes of what is read at once. */
const MOST_LOADED = 2 ** 31 - 1;
const DEBUG = /^\.(?:rela?\.)?z?debug_/;

export interface PartlyRead {
  /** As long as the file; zeros where the sections of `apart` are, which take no memory. */
  readonly bytes: Uint8Array;
  readonly apart: ReadonlyMap<number, SectionBytes>;
  /** Permission bits. */
  readonly mode: number;
  /** Nothing can be read any more. */
  close(): void;
}

/**
 * Opens a file that is large enough for it to be worth while. Null: it is not, or no such file; reading it whole tells what is wrong.
 * @param least sizes from which it is, of the file and of a section of it, bytes
 */
export function readPartly(path: string, least = { file: LEAST, section: LEAST_APART }): PartlyRead | null {
  let file: OpenFile | null = null;
  try {
    file = new OpenFile(path);
    if (file.size < least.file || file.size > constants.MAX_LENGTH) return null;
    const bytes = new Uint8Array(file.size);
    const apart = readLoaded(file, bytes, least.section);
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

/** Reads all but debug information into `bytes`; returns what is left. Null: nothing is. @throws ElfError */
function readLoaded(file: OpenFile, bytes: Uint8Array, least: number): Map<number, SectionBytes> | null {
  const fill = (start: number, end: number): void => file.read(bytes.subarray(start, end), start);
  const view = viewOf(bytes);
  fill(0, EHDR.size);
  const littleEndian = checkIdentification(bytes.subarray(0, EHDR.size));
  const table = Number(view.getBigUint64(EHDR.shoff, littleEndian));
  if (!(table >= EHDR.size && table + SHDR.size <= bytes.length)) return null;
  fill(table, table + SHDR.size);
  const { sectionCount, sectionNameIndex } = readHeader(view, littleEndian);
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
    if (!sections.hasBytes(i) || size < least || sections.hasFlags(i, SHF_ALLOC)) continue;
    // A name that the table does not have is a fault that reading the whole file finds.
    if (sections.nameOffset(i) >= sections.size(sectionNameIndex)) return null;
    if (!DEBUG.test(sections.name(i))) continue;
    apart.set(i, new InFile(file, start, size));
    parts.push([start, start + size]);
  }
  if (apart.size === 0) return null;
  // As much as a file that is read whole may have.
  if (bytes.length - parts.reduce((sum, [start, end]) => sum + end - start, 0) > MOST_LOADED) return null;
  parts.sort((a, b) => a[0] - b[0]);
  let at: number = EHDR.size;
  for (const [start, end] of parts) {
    if (start > at) fill(at, start);
    at = Math.max(at, end);
  }
  fill(at, bytes.length);
  return apart;
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
