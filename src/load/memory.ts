// A module in memory: its sections with their addresses, and what is not known of them.

import type { Arch } from "../arch/index.ts";
import { OrderedView } from "../base/bytes.ts";
import { firstIndex } from "../base/search.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { SymbolTable } from "../elf/views/symbols.ts";
import type { Layout, Placed } from "../kernel/loader/layout.ts";
import type { KernelVersion } from "../kernel/version.ts";
import type { StubRow, UnknownRange } from "../stubs/loader.ts";

/** One section in memory. */
export interface ImageSection {
  readonly index: number;
  readonly name: string;
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly flags: number;
  readonly alignment: number;
  readonly nobits: boolean;
}

export interface ModuleImage {
  readonly file: ElfFile;
  readonly symbols: SymbolTable;
  readonly arch: Arch;
  readonly module: string;
  readonly version: KernelVersion | null;
  readonly layout: Layout;
  readonly placed: Placed;
  /** Sections that are in memory, by index. */
  readonly sections: readonly ImageSection[];
  /** The per-CPU template, if there is one; its address is that of the per-CPU area. */
  readonly percpu: ImageSection | null;
  /** Final st_value of each symbol. */
  readonly values: BigUint64Array;
  readonly stubs: readonly StubRow[];
  readonly unknown: readonly UnknownRange[];
  /** Relocations applied. */
  readonly applied: number;
}

/** A place in the module's memory. */
export interface Spot {
  readonly section: ImageSection;
  readonly offset: number;
}

/** Sections by name and by address; ranges that cannot be known are collected in it. */
export class LoadedMemory {
  readonly sections: readonly ImageSection[];
  readonly littleEndian: boolean;
  readonly unknown: UnknownRange[] = [];
  readonly #byAddress: readonly ImageSection[];

  constructor(sections: readonly ImageSection[], littleEndian: boolean) {
    this.sections = sections;
    this.littleEndian = littleEndian;
    this.#byAddress = sections
      .filter((s) => s.bytes.length > 0)
      .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  }

  /** The first section of that name (as the kernel looks its tables up); null if there is none, or an empty one. */
  table(name: string): ImageSection | null {
    const section = this.sections.find((s) => s.name === name);
    return section === undefined || section.bytes.length === 0 ? null : section;
  }

  /** Section and offset of an address; null if it is not the module's. */
  find(address: bigint): Spot | null {
    const behind = firstIndex(this.#byAddress.length, (i) => (this.#byAddress[i]?.address ?? 0n) > address);
    const section = this.#byAddress[behind - 1];
    if (section === undefined) return null;
    const offset = address - section.address;
    return offset < BigInt(section.bytes.length) ? { section, offset: Number(offset) } : null;
  }

  /** `size` bytes at an address, to read and to write; null if they are not the module's. */
  at(address: bigint, size: number): Uint8Array | null {
    const spot = this.find(address);
    if (spot === null || spot.offset + size > spot.section.bytes.length) return null;
    return spot.section.bytes.subarray(spot.offset, spot.offset + size);
  }

  /** Bytes of this memory, or of a copy of it, in its byte order. */
  view(bytes: Uint8Array): OrderedView {
    return new OrderedView(bytes, this.littleEndian);
  }

  /** The pointer at an address; null if it is not the module's. */
  pointer(address: bigint): bigint | null {
    const bytes = this.at(address, 8);
    return bytes === null ? null : this.view(bytes).getBigUint64(0);
  }

  /** The bytes cannot be known. Addresses outside the module are passed over, ranges cut at the section's end. */
  mark(address: bigint, size: number, reason: string): void {
    const spot = size > 0 ? this.find(address) : null;
    if (spot === null) return;
    const end = Math.min(spot.offset + size, spot.section.bytes.length);
    this.unknown.push({ section: spot.section.index, start: spot.offset, end, reason });
  }

  /** The whole section cannot be known. */
  markAll(section: ImageSection, reason: string): void {
    if (section.bytes.length === 0) return;
    this.unknown.push({ section: section.index, start: 0, end: section.bytes.length, reason });
  }
}
