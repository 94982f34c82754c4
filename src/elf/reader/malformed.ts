import { ElfError } from "../error.ts";

/** The error of a malformed file; `offset` is that of the wrong field or table, in bytes. */
export const malformed = (offset: number, what: string): ElfError => new ElfError("malformed", offset, what);
