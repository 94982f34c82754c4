// An initramfs in the "newc" format: a six byte magic, thirteen fields of eight hexadecimal digits, name, data.

export interface GuestFile {
  /** Path without a leading slash. Folders are made. */
  name: string;
  data: Uint8Array;
  executable?: boolean;
}

const S_IFREG = 0o100_000;
const S_IFDIR = 0o040_000;

export function cpio(files: readonly GuestFile[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let inode = 0;
  const entry = (name: string, mode: number, data: Uint8Array): void => {
    const nameBytes = Buffer.from(`${name}\0`);
    //              ino, mode, uid, gid, nlink, mtime, filesize, dev (2), rdev (2), namesize, check
    const fields = [++inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, nameBytes.length, 0];
    const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
    parts.push(header, nameBytes, padding(header.length + nameBytes.length), data, padding(data.length));
  };
  const folders = new Set<string>();
  for (const file of files) {
    for (let at = file.name.indexOf("/"); at >= 0; at = file.name.indexOf("/", at + 1)) {
      const folder = file.name.slice(0, at);
      if (!folders.has(folder)) entry(folder, S_IFDIR | 0o755, new Uint8Array(0));
      folders.add(folder);
    }
    entry(file.name, S_IFREG | (file.executable ? 0o755 : 0o644), file.data);
  }
  entry("TRAILER!!!", 0, new Uint8Array(0));
  return Buffer.concat(parts);
}

function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4);
}
