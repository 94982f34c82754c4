// What a kernel without a symbol table tells: a bootable image, unwrapped, or a stripped vmlinux. The kernel's own tables say all that
// it needs itself: kallsyms, exports, banner, types.

import { addr } from "../../base/brand.ts";
import { ElfError } from "../../elf/error.ts";
import type { ElfExecutable } from "../../elf/executable.ts";
import { elfMachines } from "../../elf/machine.ts";
import { findConfig } from "../config.ts";
import { findKernelMachine } from "../machines.ts";
import type { Export } from "../symbols/exports.ts";
import { SymbolList } from "../symbols/symbolList.ts";
import { isBigEndianImage, placeArm64Image } from "./arm64Image.ts";
import { findExportTables, type RangeOf, readExportTable } from "./exportTable.ts";
import { findNames, type NameTables } from "./kallsyms/find.ts";
import { findOffsets, type OffsetTable } from "./kallsyms/offsets.ts";
import { symbolsOf } from "./kallsyms/symbols.ts";
import { livepatchStackOf } from "./livepatchStack.ts";
import { type ImageForm, readFtraceSites } from "./mcountLoc.ts";
import { ImageMemory } from "./memory.ts";
import { readSealed } from "./sealed.ts";
import { findRelease, findVermagic, stringSections } from "./strings.ts";
import type { Vmlinux } from "./vmlinuxFacts.ts";

/** An image with all that was found out about its form. */
interface Image extends ImageForm {
  readonly bytes: Uint8Array;
  readonly memory: ImageMemory;
  readonly names: NameTables;
  readonly offsets: OffsetTable;
  /** The section of that name; null if there is none, or no sections at all. */
  readonly section: RangeOf;
  /** Where exports stand if neither sections nor symbols tell. */
  readonly otherTables: RangeOf;
  readonly btf: Uint8Array | null;
  /** What its strings may stand in. */
  readonly strings: readonly Uint8Array[];
}

/** Where the sections of a file lie that have bytes. */
export const rangesOf =
  ({ sections }: ElfExecutable): RangeOf =>
  (name) => {
    const index = sections.findByName(name);
    if (index === null || !sections.hasBytes(index) || sections.size(index) === 0) return null;
    const start = sections.addr(index);
    return { start, stop: start + BigInt(sections.size(index)) };
  };

/**
 * An ELF file without a symbol table.
 * @throws ElfError (unsupported) if it has no kallsyms either
 */
export function readStripped(file: ElfExecutable, source: string): Vmlinux {
  const { sections, bytes, machine, littleEndian } = file;
  const types = sections.findByName(".BTF");
  const { names, offsets } = tablesOf(bytes, littleEndian, types !== null);
  const section = rangesOf(file);
  return tell(
    {
      bytes,
      memory: ImageMemory.of(file),
      machine,
      littleEndian,
      names,
      offsets,
      section,
      otherTables: () => null,
      btf: types === null || !sections.hasBytes(types) ? null : sections.data(types),
      strings: [...stringSections(file)],
    },
    source,
  );
}

/**
 * An arm64 Image.
 * @throws ElfError (unsupported) if it has no kallsyms, or its address cannot be known
 */
export function readArm64Image(bytes: Uint8Array, source: string): Vmlinux {
  if (isBigEndianImage(bytes)) throw new ElfError("unsupported", 24, "a big-endian arm64 Image");
  const { names, offsets } = tablesOf(bytes, true, typesIn(bytes) !== null);
  const placed = placeArm64Image(bytes, names, offsets);
  if (placed === null)
    throw new ElfError("unsupported", 0, "the address that this arm64 Image was linked for cannot be known");
  const base = placed.memory.addressOf(0) ?? 0n;
  return tell(
    {
      ...placed,
      machine: elfMachines.arm64.machine,
      littleEndian: true,
      names,
      offsets,
      section: () => null,
      otherTables: findExportTables(placed.bytes, base, true),
      btf: typesIn(placed.bytes),
      strings: [placed.bytes],
    },
    source,
  );
}

/** @param hasTypes whether the kernel has its types (BTF), which the message then says */
function tablesOf(
  bytes: Uint8Array,
  littleEndian: boolean,
  hasTypes: boolean,
): { names: NameTables; offsets: OffsetTable } {
  const names = findNames(bytes, littleEndian);
  const offsets = names === null ? null : findOffsets(bytes, names, littleEndian);
  if (names === null || offsets === null) {
    const has = hasTypes ? "only its types (BTF), and " : "";
    const what = `the kernel has ${has}neither a symbol table nor kallsyms: give the unstripped vmlinux (package linux-image-…-dbg, kernel-debuginfo), System.map, or a kernel that boots and has CONFIG_KALLSYMS=y`;
    throw new ElfError("unsupported", 0, what);
  }
  return { names, offsets };
}

function tell(image: Image, source: string): Vmlinux {
  const { memory, machine, littleEndian, strings } = image;
  const symbols = symbolsOf(image.bytes, image.names, image.offsets, memory, littleEndian);
  if (symbols === null) throw new ElfError("malformed", image.offsets.at, "kallsyms is in no section that is loaded");
  const list = new SymbolList(source, "vmlinux", symbols, new Map());
  const boundOf = (name: string): bigint | undefined => list.find(name)[0]?.address;
  const release = findRelease(strings);
  return {
    list,
    exports: exportsOf(image, list, boundOf),
    release,
    vermagic: release === null ? null : findVermagic(strings, release),
    ftraceSites: readFtraceSites(image, memory, boundOf, () => {}),
    // Sizes of functions are not known, and so not which records belong to none.
    ftraceRecords: null,
    sealed: readSealed(memory, image.section, littleEndian),
    machine,
    livepatchStack:
      findKernelMachine(machine)?.hasLivepatchStack === true ? livepatchStackOf(list, memory, littleEndian) : null,
    btf: image.btf,
    config: findConfig(strings),
    debug: null,
    sourceFiles: () => null,
  };
}

/** By name; of two rows for one name the one that agrees with kallsyms (arm64 5.10 lists six functions of its hypervisor, too). */
function exportsOf(
  image: Image,
  list: SymbolList,
  boundOf: (name: string) => bigint | undefined,
): ReadonlyMap<string, Export> {
  const marked: RangeOf = (name) => {
    const start = boundOf(`__start_${name}`);
    const stop = boundOf(`__stop_${name}`);
    return start === undefined || stop === undefined || stop <= start ? null : { start, stop };
  };
  const rangeOf: RangeOf = (name) => image.section(name) ?? marked(name);
  const isKnown = rangeOf("__ksymtab") !== null;
  const rows = readExportTable(image, image.memory, isKnown ? rangeOf : image.otherTables) ?? [];
  const found = new Map<string, Export>();
  for (const { address, ...row } of rows) {
    const isListed = list.find(row.name).some((s) => s.address === addr(address));
    if (!found.has(row.name) || isListed) found.set(row.name, row);
  }
  return found;
}

/** `.BTF` of an image without sections: its header is one of a kind. Source: include/uapi/linux/btf.h. */
function typesIn(bytes: Uint8Array): Uint8Array | null {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const HEADER = 24;
  const magic = Buffer.from([0x9f, 0xeb, 1, 0, HEADER, 0, 0, 0]);
  for (let at = text.indexOf(magic); at >= 0; at = text.indexOf(magic, at + 4)) {
    if (at % 4 !== 0 || at + HEADER > text.length) continue;
    const size = HEADER + text.readUInt32LE(at + 16) + text.readUInt32LE(at + 20);
    if (size <= text.length - at) return bytes.subarray(at, at + size);
  }
  return null;
}
