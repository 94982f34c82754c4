// The memory of a kernel as its file has it: bytes by link address.

import { latin1 } from "../../base/bytes.ts";
import type { ElfExecutable } from "../../elf/executable.ts";

/** A run of bytes that lie one after the other in the file and in memory. */
export interface MemoryPart {
  /** Address of the first byte, without KASLR. */
  readonly address: bigint;
  /** Offset of the first byte in the file. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What {@link ImageMemory.at} finds. */
export interface MemoryPlace {
  /** Addresses of the part's first byte, and behind its last one. */
  readonly start: bigint;
  readonly end: bigint;
  /** The part's bytes, and those from the asked address on. */
  readonly whole: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Bytes by address. */
export class ImageMemory {
  readonly #parts: readonly MemoryPart[];

  constructor(parts: readonly MemoryPart[]) {
    this.#parts = parts;
  }

  /** The memory that the sections of a linked file make up; those at address 0 are none. */
  static of({ sections }: ElfExecutable): ImageMemory {
    const parts: MemoryPart[] = [];
    for (let i = 1; i < sections.count; i++) {
      const address = sections.addr(i);
      if (address === 0n || !sections.hasBytes(i)) continue;
      parts.push({ address, offset: sections.offset(i), bytes: sections.data(i) });
    }
    return new ImageMemory(parts);
  }

  /** What is at an address; null if the file has no byte of it. */
  at(address: bigint): MemoryPlace | null {
    for (const part of this.#parts) {
      const end = part.address + BigInt(part.bytes.length);
      if (address < part.address || address >= end) continue;
      const bytes = part.bytes.subarray(Number(address - part.address));
      return { start: part.address, end, whole: part.bytes, bytes };
    }
    return null;
  }

  /** The string at an address, without its NUL; null if there is none. */
  string(address: bigint): string | null {
    const found = this.at(address);
    if (found === null) return null;
    const end = found.bytes.indexOf(0);
    return end < 0 ? null : latin1(found.bytes, 0, end);
  }

  /** The address of a byte of the file; null if it is not loaded. @param offset in the file */
  addressOf(offset: number): bigint | null {
    for (const part of this.#parts) {
      if (offset >= part.offset && offset < part.offset + part.bytes.length)
        return part.address + BigInt(offset - part.offset);
    }
    return null;
  }
}
