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
/** Deflate cannot expand more than 1032 times; nobody has reason to go beyond that with zstd either. */
const MOST_EXPANSION = 1032;

/** What the sections of each file may still unpack to; one that is unpacked again counts once. */
const budgets = new WeakMap<SectionSource, { readonly budget: UnpackBudget; readonly counted: Set<number> }>();

/** @throws CompressionError if the sections of the file unpack, in all, to more than a packed file may ({@link UnpackBudget}) */
function takeFrom(file: SectionSource, index: number, packed: number, size: number): void {
  let known = budgets.get(file);
  if (known === undefined) {
    known = { budget: new UnpackBudget(file.sections.data(index), 0), counted: new Set() };
    budgets.set(file, known);
  }
  const { budget, counted } = known;
  if (counted.has(index)) return;
  budget.grow(packed);
  if (size > budget.left) {
    throw new CompressionError(
      `${file.sections.name(index)}: the file's sections unpack to more than is in proportion to it`,
    );
  }
  budget.take(size);
  counted.add(index);
}

/** What is needed of a file, relocatable or linked. */
export interface SectionSource {
  readonly sections: SectionTable;
  readonly littleEndian: boolean;
}

/** A compressed section cannot be unpacked. */
export class CompressionError extends Error {}

/** How the content of a section is packed: none, or where the packed bytes begin and how many they become. */
interface Packing {
  readonly kind: "none" | "zlib" | "zstd" | "gnu-zlib";
  readonly packed: Uint8Array;
  /** Of the unpacked content, as the section states it; bytes. */
  readonly size: number;
}

function packingOf(file: SectionSource, index: number): Packing {
  const { sections } = file;
  const data = sections.data(index);
  const name = sections.name(index);
  if (sections.hasFlags(index, SHF_COMPRESSED)) {
    if (data.length < CHDR_SIZE) throw new CompressionError(`${name}: the compression header is cut off`);
    const view = viewOf(data);
    const type = view.getUint32(0, file.littleEndian);
    const kind = type === ELFCOMPRESS_ZLIB ? "zlib" : type === ELFCOMPRESS_ZSTD ? "zstd" : null;
    if (kind === null) throw new CompressionError(`${name}: compression type ${type} is not known`);
    return { kind, packed: data.subarray(CHDR_SIZE), size: getUint64(view, 8, file.littleEndian) };
  }
  if (name.startsWith(".zdebug_") && latin1(data, 0, 4) === "ZLIB" && data.length >= 12) {
    return { kind: "gnu-zlib", packed: data.subarray(12), size: getUint64(viewOf(data), 4, false) };
  }
  return { kind: "none", packed: data, size: data.length };
}

/** Whether a section is compressed, or says that it is. Of one that is not, only the first bytes are looked at. */
export function isPacked({ sections }: SectionSource, index: number): boolean {
  if (sections.hasFlags(index, SHF_COMPRESSED)) return true;
  const bytes = sections.bytesOf(index);
  return (
    sections.name(index).startsWith(".zdebug_") && latin1(bytes.part(0, Math.min(4, bytes.length)), 0, 4) === "ZLIB"
  );
}

/**
 * The content of section `index`, unpacked if it is compressed; otherwise a view of the file.
 * @throws CompressionError if the data is damaged, of an unknown kind, or would grow out of proportion.
 */
export async function sectionContent(file: SectionSource, index: number): Promise<Uint8Array> {
  return unpackedContent(file, index, packingOf(file, index).kind === "zstd" ? await loadZstd() : null);
}

/**
 * As {@link sectionContent}, without waiting.
 * @param unzstd from {@link loadZstd}; null if it was not loaded: zstd data is then an error.
 * @throws CompressionError
 */
export function unpackedContent(file: SectionSource, index: number, unzstd: ZstdUnpacker | null): Uint8Array {
  const { kind, packed, size } = packingOf(file, index);
  if (kind === "none") return packed;
  const name = file.sections.name(index);
  takeFrom(file, index, packed.length, size);
  if (size > packed.length * MOST_EXPANSION + 1024) {
    throw new CompressionError(`${name}: ${packed.length} bytes cannot unpack to ${size}`);
  }
  if (kind === "zstd" && unzstd === null) throw new CompressionError(`${name}: zstd data was not unpacked`);
  try {
    const out =
      kind === "zstd" && unzstd !== null
        ? unzstd(packed, size)
        : inflateSync(packed, { maxOutputLength: Math.max(1, size) });
    if (out.length === size) return out;
    throw new CompressionError(`${name}: unpacks to ${out.length} bytes, not ${size}`);
  } catch (error) {
    if (error instanceof CompressionError) throw error;
    throw new CompressionError(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * The bytes of section `index` with other content, packed in the way that the section is: with zlib, or not at all.
 * What was packed with zstd becomes zlib data, which every reader of compressed sections knows.
 */
export function packedContent(file: SectionSource, index: number, content: Uint8Array): Uint8Array {
  const { kind } = packingOf(file, index);
  if (kind === "none") return content;
  const packed = deflateSync(content);
  const size = kind === "gnu-zlib" ? 12 : CHDR_SIZE;
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
