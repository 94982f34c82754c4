// rpm packages: a lead, a signature, a header of tags, and a packed cpio archive. Source: RPM 4.18's documentation, "RPM V4 package
// format".

import { latin1, viewOf } from "../../base/bytes.ts";
import { ArchiveError } from "./archive.ts";

/** What the header of a package says. */
export interface RpmForm {
  readonly name: string | null;
  /** `cpio`, unless it says otherwise. */
  readonly format: string;
  /** How the archive is packed: `gzip`, `xz`, `zstd`. */
  readonly packing: string;
  readonly payload: Uint8Array;
}

const LEAD = 96;
const INTRO = 16;
const ENTRY = 16;
/** Tags of the main header. */
const TAGS = { name: 1000, format: 1124, packing: 1125 } as const;
/** rpm's own limits: 64 Ki tags, 256 MiB of them. */
const MOST_TAGS = 0x1_0000;
const MOST_DATA = 0x1000_0000;

/** Whether the bytes begin like a package. */
export const isRpm = (bytes: Uint8Array): boolean => bytes.length > LEAD && viewOf(bytes).getUint32(0) === 0xedab_eedb;

/** @throws ArchiveError */
export function readRpm(bytes: Uint8Array): RpmForm {
  const signature = headerAt(bytes, LEAD);
  const main = headerAt(bytes, Math.ceil(signature.end / 8) * 8);
  return {
    name: main.text(TAGS.name),
    format: main.text(TAGS.format) ?? "cpio",
    packing: main.text(TAGS.packing) ?? "gzip",
    payload: bytes.subarray(main.end),
  };
}

interface Header {
  readonly end: number;
  /** The string of a tag; null if there is none. */
  readonly text: (tag: number) => string | null;
}

function headerAt(bytes: Uint8Array, at: number): Header {
  const view = viewOf(bytes);
  if (at + INTRO > bytes.length || view.getUint32(at) !== 0x8ead_e801)
    throw new ArchiveError(at, "a header of the package is damaged or cut off");
  const count = view.getUint32(at + 8);
  const size = view.getUint32(at + 12);
  const data = at + INTRO + count * ENTRY;
  if (count > MOST_TAGS || size > MOST_DATA || data + size > bytes.length)
    throw new ArchiveError(at + 8, `a header of ${count} tags and ${size} bytes does not fit into the package`);
  const text = (tag: number): string | null => {
    for (let entry = at + INTRO; entry < data; entry += ENTRY) {
      if (view.getUint32(entry) !== tag || view.getUint32(entry + 4) !== STRING) continue;
      const from = data + view.getUint32(entry + 8);
      const end = from < data + size ? bytes.indexOf(0, from) : -1;
      if (end >= 0 && end < data + size) return latin1(bytes, from, end);
    }
    return null;
  };
  return { end: data + size, text };
}

const STRING = 6;
