// What is in an archive: files by their names, as views of its bytes. Nothing is written to a disk, so a name is a name and not a path.

/** A file in an archive. */
export interface ArchiveFile {
  /** Without `./` and `/` in front. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** An archive cannot be read on. */
export class ArchiveError extends Error {
  /** Bytes from the start of the archive. */
  readonly offset: number;
  constructor(offset: number, what: string) {
    super(what);
    this.offset = offset;
  }
}

/** So many files are taken for possible: forty times what a kernel has modules. */
export const MOST_FILES = 200_000;
/** Longest name, bytes (PATH_MAX). */
export const LONGEST_NAME = 4096;

/** A name without what says "here" in front. */
export const plainName = (name: string): string => name.replace(/^(?:\.?\/)+/, "");

/** The part [at, at + size) of an archive. @throws ArchiveError if it reaches beyond the end */
export function partOf(bytes: Uint8Array, at: number, size: number, name: string): Uint8Array {
  if (!Number.isSafeInteger(size) || size < 0 || size > bytes.length - at)
    throw new ArchiveError(at, `${name === "" ? "a file in it" : name} is cut off: ${size} bytes from ${at} on`);
  return bytes.subarray(at, at + size);
}
