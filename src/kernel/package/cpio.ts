// cpio archives of the "new ASCII" form, which rpm packages hold: cpio(5). rpm itself writes a stripped form for files beyond 4 GiB
// ("07070X"), which is refused.

import { latin1 } from "../../base/bytes.ts";
import { ArchiveError, type ArchiveFile, LONGEST_NAME, MOST_FILES, partOf, plainName } from "./archive.ts";

const HEADER = 110;
const up4 = (at: number): number => Math.ceil(at / 4) * 4;

/** Whether the bytes begin like a cpio archive of this form. */
export const isCpio = (bytes: Uint8Array): boolean => /^07070[12]/.test(latin1(bytes, 0, 6));

/** The regular files in their order; of those that are one file by links, each has its bytes. @throws ArchiveError */
export function* cpioFiles(bytes: Uint8Array): Generator<ArchiveFile> {
  /** Names of files whose bytes come with the last of their names. */
  const waiting = new Map<string, string[]>();
  let at = 0;
  for (let count = 0; ; count++) {
    if (count > MOST_FILES) throw new ArchiveError(at, `more than ${MOST_FILES} files`);
    const header = latin1(bytes, at, at + HEADER);
    if (!/^07070[12][0-9a-f]{104}$/i.test(header)) throw new ArchiveError(at, "a file's header is damaged or cut off");
    const field = (k: number): number => Number.parseInt(header.slice(6 + 8 * k, 14 + 8 * k), 16);
    const [inode, mode, links, size, nameSize] = [field(0), field(1), field(4), field(6), field(11)];
    if (nameSize === 0 || nameSize > LONGEST_NAME) throw new ArchiveError(at + 94, `a name of ${nameSize} bytes`);
    const name = plainName(latin1(partOf(bytes, at + HEADER, nameSize, ""), 0, nameSize - 1));
    const start = up4(at + HEADER + nameSize);
    if (name === "TRAILER!!!") return;
    const content = partOf(bytes, Math.min(start, bytes.length), size, name);
    at = up4(start + size);
    if ((mode & 0o17_0000) !== 0o10_0000) continue;
    if (links > 1 && size === 0) {
      const key = `${field(7)}:${field(8)}:${inode}`;
      waiting.set(key, [...(waiting.get(key) ?? []), name]);
      continue;
    }
    if (links > 1) {
      const key = `${field(7)}:${field(8)}:${inode}`;
      for (const other of waiting.get(key) ?? []) yield { name: other, bytes: content };
      waiting.delete(key);
    }
    yield { name, bytes: content };
  }
}
