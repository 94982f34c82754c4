// Bytes of a kernel's memory: /proc/kcore of the running one, or files that the capture script made.

import { closeSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { openRegular, readRegular } from "../../elf/regularFile.ts";

/** Reads `size` bytes; null if that memory is not to be had. */
export type KernelMemory = (address: bigint, size: number) => Uint8Array | null;

interface Piece {
  readonly start: bigint;
  readonly size: bigint;
  /** File offset, for kcore. */
  readonly offset: bigint;
}

const PT_LOAD = 1;

/** The file is not a kcore: not an ELF64 core file, or damaged. */
export class MemoryError extends Error {}

/** Memory through a kcore file (an ELF core file with a PT_LOAD for each piece). @throws MemoryError */
export function openKcore(path: string): { readonly read: KernelMemory; readonly close: () => void } {
  const fd = openRegular(path);
  const at = (offset: bigint, size: number): Buffer | null => {
    const bytes = Buffer.alloc(size);
    let have = 0;
    while (have < size) {
      let got: number;
      try {
        got = readSync(fd, bytes, have, size - have, offset + BigInt(have));
      } catch {
        return null;
      }
      if (got === 0) return null;
      have += got;
    }
    return bytes;
  };
  const header = at(0n, 64);
  if (header === null || header.toString("latin1", 0, 5) !== "\x7fELF\x02" || header.readUInt16LE(54) !== 56) {
    closeSync(fd);
    throw new MemoryError("not an ELF64 core file");
  }
  const count = header.readUInt16LE(56);
  const table = at(header.readBigUInt64LE(32), count * 56);
  if (table === null) {
    closeSync(fd);
    throw new MemoryError("the program headers cannot be read");
  }
  const pieces: Piece[] = [];
  for (let i = 0; i < count; i++) {
    const p = i * 56;
    if (table.readUInt32LE(p) !== PT_LOAD) continue;
    const [offset, start, size] = [p + 8, p + 16, p + 32].map((o) => table.readBigUInt64LE(o)) as [
      bigint,
      bigint,
      bigint,
    ];
    pieces.push({ offset, start, size });
  }
  return {
    read: (address, size) => {
      const piece = pieces.find((p) => address >= p.start && address + BigInt(size) <= p.start + p.size);
      return piece === undefined ? null : at(piece.offset + (address - piece.start), size);
    },
    close: () => closeSync(fd),
  };
}

/** Memory from files named by their address (`c008000000100000`, hexadecimal), as the capture script writes them. */
export function openDumps(folder: string): KernelMemory {
  const files = readdirSync(folder)
    .filter((name) => /^[0-9a-f]{8,16}$/.test(name))
    .map((name) => ({ start: BigInt(`0x${name}`), path: join(folder, name) }))
    .sort((a, b) => (a.start < b.start ? -1 : 1));
  const known = new Map<string, Uint8Array>();
  return (address, size) => {
    for (const { start, path } of files) {
      if (start > address) break;
      let bytes = known.get(path);
      if (bytes === undefined) {
        try {
          bytes = readRegular(path).bytes;
        } catch {
          bytes = new Uint8Array(0);
        }
        known.set(path, bytes);
      }
      const offset = address - start;
      if (offset + BigInt(size) > BigInt(bytes.length)) continue;
      return bytes.subarray(Number(offset), Number(offset) + size);
    }
    return null;
  };
}
