// Unix archives, as far as Debian's packages need them: deb(5), ar(5). Names are short and plain.

import { latin1 } from "../../base/bytes.ts";
import { ArchiveError, type ArchiveFile, MOST_FILES, partOf } from "./archive.ts";

const MAGIC = "!<arch>\n";
const HEADER = 60;

/** Whether the bytes begin like an archive. */
export const isAr = (bytes: Uint8Array): boolean => latin1(bytes, 0, MAGIC.length) === MAGIC;

/** The members in their order. @throws ArchiveError */
export function* arMembers(bytes: Uint8Array): Generator<ArchiveFile> {
  let at = MAGIC.length;
  for (let count = 0; at < bytes.length; count++) {
    if (count > MOST_FILES) throw new ArchiveError(at, `more than ${MOST_FILES} members`);
    if (bytes.length - at < HEADER || latin1(bytes, at + 58, at + 60) !== "`\n")
      throw new ArchiveError(at, "a member's header is damaged or cut off");
    const name = latin1(bytes, at, at + 16).replace(/\/? *$/, "");
    const size = /^\d{1,10} *$/.exec(latin1(bytes, at + 48, at + 58));
    if (size === null) throw new ArchiveError(at + 48, "a member's size is not a number");
    const content = partOf(bytes, at + HEADER, Number(size[0]), name);
    yield { name, bytes: content };
    // Each begins at an even place.
    at += HEADER + content.length + (content.length % 2);
  }
}
