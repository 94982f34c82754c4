import { hex } from "../base/bytes.ts";

/**
 * What is wrong with a file as an ELF file.
 * - `not-elf`: another kind of file, recognised or not.
 * - `unsupported`: ELF, but not a relocatable ELF64 file.
 * - `malformed`: the bytes contradict the ELF specification or each other.
 * - `edit`: well formed, but an edit cannot be carried out without guessing.
 * - `removed`: well formed, but something that stays refers to what an edit takes away.
 */
export type ElfErrorKind = "not-elf" | "unsupported" | "malformed" | "edit" | "removed";

export interface ElfPlace {
  readonly section: string;
  readonly offset: number;
}

/** The bytes cannot be read (or rewritten) further. `offset` is a file offset in bytes. */
export class ElfError extends Error {
  readonly kind: ElfErrorKind;
  readonly offset: number;
  readonly what: string;
  /** The section whose content the offset is in, and the offset there in bytes; null if it is in none, or not known. */
  readonly place: ElfPlace | null;

  constructor(kind: ElfErrorKind, offset: number, what: string, place: ElfPlace | null = null) {
    super(`${what} (file offset ${hex(offset)})`);
    this.place = place;
    this.name = "ElfError";
    this.kind = kind;
    this.offset = offset;
    this.what = what;
  }
}
