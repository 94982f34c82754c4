// A linked file with the flag of code taken from its sections: as the vmlinux of linux-headers packages, which has types alone.

import { EHDR, SHDR } from "../../src/elf/views/layout.ts";

const SHF_EXECINSTR = 4;

export function withoutCode(elf: Uint8Array): Buffer {
  const bytes = Buffer.from(elf);
  const start = Number(bytes.readBigUInt64LE(EHDR.shoff));
  const count = bytes.readUInt16LE(EHDR.shnum);
  for (let i = 0; i < count; i++) {
    const at = start + i * SHDR.size + SHDR.flags;
    bytes.writeUInt32LE(bytes.readUInt32LE(at) & ~SHF_EXECINSTR, at);
  }
  return bytes;
}
