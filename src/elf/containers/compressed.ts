// Compressed debug sections (gABI chapter 4, "Section Compression"; and GNU's older .zdebug sections).

import { deflateSync, inflateSync } from "node:zlib";
import { fromLatin1, getUint64, latin1, viewOf } from "../../base/bytes.ts";
import { SHF_COMPRESSED } from "../consts.ts";
import type { SectionTable } from "../views/sections.ts";
import { UnpackBudget } from "./budget.ts";
import { loadZstd, type ZstdUnpacker } from "./zstd.ts";

export { loadZstd, type ZstdUnpacker };

const ELFCOMPRESS_ZLIB = 1;
const ELFCOMPRESS_ZSTD = 2;
/** ch_type u32, reserved u32, ch_size u64, ch_addralign u64. */
const CHDR_SIZE = 24;
/** "ZLIB" and the size, u64. */
const GNU_HEAD = 12;
/** Deflate cannot expand more than 1032 times; nobody has reason to go beyond that with zstd either. */
const MOST_EXPANSION = 1032;

/** What is needed of a file, relocatable or linked. */
export interface SectionSource {
  readonly sections: SectionTable;
  readonly littleEndian: boolean;
}

/** Why a section is not unpacked: it is damaged, packed in a way that is not known, or grows out of proportion to the file. */
export type WhyRefused = "damaged" | "not known" | "out of proportion";

/** A compressed section cannot be unpacked. */
export class CompressionError extends Error {
  readonly why: WhyRefused;
  /** What is wrong, without the section's name. */
  readonly what: string;
  constructor(section: string, what: string, why: WhyRefused) {
    super(`${section}: ${what}`);
    this.name = "CompressionError";
    this.what = what;
    this.why = why;
  }
}

/** A section whose content is not to be had, and why. */
export interface RefusedSection {
  readonly section: number;
  readonly error: CompressionError;
}

/** By file: which of its sections are not unpacked. */
const refusals = new WeakMap<SectionSource, Map<number, CompressionError>>();

/**
 * Which of a file's sections are not unpacked, decided for all of them by what they say of their sizes, in the file's order: it does not
 * matter then which is read first. The file may unpack to as much as a packed file of the same size ({@link UnpackBudget}).
 */
function refusedOf(file: SectionSource): Map<number, CompressionError> {
  let refused = refusals.get(file);
  if (refused === undefined) {
    refused = decided(file);
    refusals.set(file, refused);
  }
  return refused;
}

function decided(file: SectionSource): Map<number, CompressionError> {
  const { sections } = file;
  const refused = new Map<number, CompressionError>();
  const sizes = new Map<number, number>();
  if (sections.count === 0) return refused;
  // Section 0 has no bytes: what stands for it lies in the file's own memory.
  const budget = new UnpackBudget(sections.data(0), 0);
  for (let i = 1; i < sections.count; i++) {
    if (!isPacked(file, i)) continue;
    try {
      const { kind, start, size } = packingOf(file, i);
      if (kind === "none") continue;
      const packed = sections.bytesOf(i).length - start;
      budget.grow(packed);
      if (size > packed * MOST_EXPANSION + 1024)
        throw new CompressionError(sections.name(i), `${packed} bytes cannot unpack to ${size}`, "damaged");
      sizes.set(i, size);
    } catch (error) {
      if (!(error instanceof CompressionError)) throw error;
      refused.set(i, error);
    }
  }
  for (const [i, size] of sizes) {
    if (size <= budget.left) budget.take(size);
    else
      refused.set(
        i,
        new CompressionError(
          sections.name(i),
          `unpacks to ${size} bytes, more than is in proportion to the file`,
          "out of proportion",
        ),
      );
  }
  return refused;
}

/** Sections that are not unpacked, in the file's order: by what they say of themselves, and those that were found damaged up to now. */
export const refusedSections = (file: SectionSource): RefusedSection[] =>
  [...refusedOf(file)].sort(([a], [b]) => a - b).map(([section, error]) => ({ section, error }));

/** How the content of a section is packed: none, or where the packed bytes begin in it and how many they become. */
interface Packing {
  readonly kind: "none" | "zlib" | "zstd" | "gnu-zlib";
  readonly start: number;
  /** Of the unpacked content, as the section states it; bytes. */
  readonly size: number;
}

/** @throws CompressionError */
function packingOf(file: SectionSource, index: number): Packing {
  const { sections } = file;
  const bytes = sections.bytesOf(index);
  const head = bytes.part(0, Math.min(CHDR_SIZE, bytes.length));
  const name = sections.name(index);
  if (sections.hasFlags(index, SHF_COMPRESSED)) {
    if (head.length < CHDR_SIZE) throw new CompressionError(name, "the compression header is cut off", "damaged");
    const view = viewOf(head);
    const type = view.getUint32(0, file.littleEndian);
    const kind = type === ELFCOMPRESS_ZLIB ? "zlib" : type === ELFCOMPRESS_ZSTD ? "zstd" : null;
    if (kind === null) throw new CompressionError(name, `compression type ${type} is not known`, "not known");
    return { kind, start: CHDR_SIZE, size: getUint64(view, 8, file.littleEndian) };
  }
  if (name.startsWith(".zdebug_") && latin1(head, 0, 4) === "ZLIB" && head.length >= GNU_HEAD) {
    return { kind: "gnu-zlib", start: GNU_HEAD, size: getUint64(viewOf(head), 4, false) };
  }
  return { kind: "none", start: 0, size: bytes.length };
}

/** Whether a section is compressed, or says that it is. Of one that is not, only the first bytes are looked at. */
export function isPacked({ sections }: SectionSource, index: number): boolean {
  if (sections.hasFlags(index, SHF_COMPRESSED)) return true;
  if (!sections.name(index).startsWith(".zdebug_")) return false;
  const bytes = sections.bytesOf(index);
  return latin1(bytes.part(0, Math.min(4, bytes.length)), 0, 4) === "ZLIB";
}

/**
 * The content of section `index`, unpacked if it is compressed; otherwise a view of the file.
 * @throws CompressionError if the data is damaged, of an unknown kind, or would grow out of proportion.
 */
export async function sectionContent(file: SectionSource, index: number): Promise<Uint8Array> {
  const isRefused = isPacked(file, index) && refusedOf(file).has(index);
  const needsZstd = !isRefused && packingOf(file, index).kind === "zstd";
  return unpackedContent(file, index, needsZstd ? await loadZstd() : null);
}

/**
 * As {@link sectionContent}, without waiting.
 * @param unzstd from {@link loadZstd}; null if it was not loaded: zstd data is then an error.
 * @throws CompressionError
 */
export function unpackedContent(file: SectionSource, index: number, unzstd: ZstdUnpacker | null): Uint8Array {
  if (!isPacked(file, index)) return file.sections.data(index);
  const refused = refusedOf(file);
  const known = refused.get(index);
  if (known !== undefined) throw known;
  const { kind, start, size } = packingOf(file, index);
  if (kind === "none") return file.sections.data(index);
  const name = file.sections.name(index);
  if (kind === "zstd" && unzstd === null) throw new CompressionError(name, "zstd data was not unpacked", "not known");
  const packed = file.sections.data(index).subarray(start);
  let what: string;
  try {
    const out =
      kind === "zstd" && unzstd !== null
        ? unzstd(packed, size)
        : // In one piece, which is not put together from others: that would take its size once more.
          inflateSync(packed, { maxOutputLength: Math.max(1, size), chunkSize: Math.max(64, size + 1) });
    if (out.length === size) return out;
    what = `unpacks to ${out.length} bytes, not ${size}`;
  } catch (error) {
    what = error instanceof Error ? error.message : String(error);
  }
  const error = new CompressionError(name, what, "damaged");
  refused.set(index, error);
  throw error;
}

/**
 * The bytes of section `index` with other content, packed in the way that the section is: with zlib, or not at all.
 * What was packed with zstd becomes zlib data, which every reader of compressed sections knows.
 */
export function packedContent(file: SectionSource, index: number, content: Uint8Array): Uint8Array {
  const { kind } = packingOf(file, index);
  if (kind === "none") return content;
  const packed = deflateSync(content);
  const size = kind === "gnu-zlib" ? GNU_HEAD : CHDR_SIZE;
  const bytes = new Uint8Array(size + packed.length);
  const view = viewOf(bytes);
  bytes.set(packed, size);
  if (kind === "gnu-zlib") {
    bytes.set(fromLatin1("ZLIB"));
    view.setBigUint64(4, BigInt(content.length), false);
    return bytes;
  }
  bytes.set(file.sections.data(index).subarray(0, CHDR_SIZE));
  view.setUint32(0, ELFCOMPRESS_ZLIB, file.littleEndian);
  view.setBigUint64(8, BigInt(content.length), file.littleEndian);
  return bytes;
}

/** Whether a section of the file is packed with zstd. */
export function usesZstd(file: SectionSource): boolean {
  const { sections } = file;
  for (let i = 1; i < sections.count; i++) {
    if (!sections.hasFlags(i, SHF_COMPRESSED)) continue;
    const data = sections.data(i);
    if (data.length >= CHDR_SIZE && viewOf(data).getUint32(0, file.littleEndian) === ELFCOMPRESS_ZSTD) return true;
  }
  return false;
}
