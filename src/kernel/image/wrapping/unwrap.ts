// What a bootable kernel is wrapped in: boot headers, compression, signatures. The file's name says nothing; content decides.
// Sources: Documentation/arch/x86/boot.rst (setup header), Documentation/arch/arm64/booting.rst (Image header),
// drivers/firmware/efi/libstub/zboot-header.S and Makefile.zboot; all of Linux 6.12 and 7.2.

import { latin1, viewOf } from "../../../base/bytes.ts";
import { UnpackBudget, unpackedLimit } from "../../../elf/containers/budget.ts";
import { otherPackingOf, unpackOther } from "../../../elf/containers/otherPackings.ts";
import { packingOf, unpack } from "../../../elf/containers/packed.ts";
import { ElfError } from "../../../elf/error.ts";
import { elfType, readExecutable } from "../../../elf/executable.ts";
import { isImageTree, kernelOfImageTree } from "./imageTree.ts";

/** A kernel without its wrapping. */
export interface Unwrapped {
  /** An ELF file, an arm64 Image, or what was not wrapped at all. */
  readonly bytes: Uint8Array;
  /** What it was in, from the outside: `bzImage`, `zstd`. Empty if it was not wrapped. */
  readonly through: readonly string[];
}

/** One step inwards. */
interface Step {
  readonly what: string;
  readonly bytes: Uint8Array;
  /** Bytes that `bytes` unpack to, where the wrapping says so. */
  readonly size?: number;
}

/** A wrapping in a wrapping in a wrapping: nobody ships more. */
const MOST_ROUNDS = 6;

const starts = (bytes: Uint8Array, at: number, text: string): boolean => latin1(bytes, at, at + text.length) === text;

/** Whether the bytes are an arm64 Image (`ARM\x64` at 0x38). */
export const isArm64Image = (bytes: Uint8Array): boolean => bytes.length >= 64 && starts(bytes, 0x38, "ARM\x64");

/**
 * Takes a kernel out of what a boot loader loads; other bytes come back as they are.
 * @throws ElfError with the offset in the outermost file that holds what is wrong (0 inside compressed data)
 * @param budget what may be unpacked of the file that it is in
 * @throws PackedError, OtherPackedError if compressed data are damaged or of a kind that is not read here
 */
export async function unwrapKernel(bytes: Uint8Array, budget = new UnpackBudget(bytes)): Promise<Unwrapped> {
  const through: string[] = [];
  let now: Step = { what: "", bytes };
  /** Whether what is looked at came out of compressed data. */
  let isInside = false;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const unpacked = await compressed(now, budget);
    const step = unpacked ?? (isInside ? inside(() => wrapped(now.bytes)) : wrapped(now.bytes));
    if (step === null) return { bytes: now.bytes, through };
    isInside ||= unpacked !== null;
    through.push(step.what);
    now = step;
  }
  throw new ElfError("unsupported", 0, `more than ${MOST_ROUNDS} wrappings, one in the other`);
}

/** Offsets in what was unpacked say nothing of the file. */
function inside<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof ElfError ? new ElfError(error.kind, 0, error.what) : error;
  }
}

async function compressed({ bytes, size }: Step, budget: UnpackBudget): Promise<Step | null> {
  const packing = packingOf(bytes);
  if (packing !== null) return { what: packing, bytes: await unpack(bytes, size ?? null, budget) };
  const other = otherPackingOf(bytes);
  if (other === null) return null;
  const content = await unpackOther(other, bytes, Math.min(unpackedLimit(bytes.length), budget.left));
  return { what: other, bytes: budget.taken(content) };
}

function wrapped(bytes: Uint8Array): Step | null {
  if (elfType(bytes) !== null) return zImage(bytes);
  if (starts(bytes, 0, "MZ") && starts(bytes, 4, "zimg")) return zboot(bytes);
  if (starts(bytes, 0x202, "HdrS")) return bzImage(bytes);
  if (isArm64Image(bytes)) return null;
  if (starts(bytes, 0, "\x27\x05\x19\x56")) return uImage(bytes);
  if (isImageTree(bytes)) return { what: "FIT", bytes: kernelOfImageTree(bytes) };
  return starts(bytes, 0, "MZ") ? unifiedImage(bytes) : null;
}

/** The part [from, from + size) of a file. @throws ElfError if it reaches beyond the end */
function part(bytes: Uint8Array, field: number, from: number, size: number): Uint8Array {
  if (from > bytes.length || size > bytes.length - from) {
    throw new ElfError("malformed", field, `${size} bytes at ${from} do not fit in a file of ${bytes.length}`);
  }
  return bytes.subarray(from, from + size);
}

/** x86: setup code in front, the packed vmlinux inside, a signature perhaps behind (boot protocol 2.08, Linux 2.6.26). */
function bzImage(bytes: Uint8Array): Step {
  const HEADER_END = 0x250;
  if (bytes.length < HEADER_END) throw new ElfError("malformed", bytes.length, "the setup header is cut off");
  const view = viewOf(bytes);
  const protocol = view.getUint16(0x206, true);
  if (protocol < 0x208)
    throw new ElfError("unsupported", 0x206, `boot protocol ${protocol.toString(16)} is older than 2.08`);
  const setup = ((bytes[0x1f1] ?? 0) || 4) * 512 + 512;
  const offset = view.getUint32(0x248, true);
  const size = view.getUint32(0x24c, true);
  const payload = part(bytes, 0x248, setup + offset, size);
  return { what: "bzImage", ...withoutSizeWord(payload, 0x24c) };
}

/** EFI zboot: a PE file that unpacks the Image itself (Linux 6.1). */
function zboot(bytes: Uint8Array): Step {
  const view = viewOf(bytes);
  if (bytes.length < 64) throw new ElfError("malformed", bytes.length, "the zboot header is cut off");
  const from = view.getUint32(8, true);
  const payload = part(bytes, 8, from, view.getUint32(12, true));
  return { what: "zboot", bytes: payload };
}

/** U-Boot's legacy header of 64 bytes, big-endian (include/image.h). */
function uImage(bytes: Uint8Array): Step {
  const HEADER = 64;
  /** Several files in one: their sizes and a 0 stand in front. The first one is the kernel. */
  const MULTI = 4;
  if (bytes.length < HEADER) throw new ElfError("malformed", bytes.length, "the uImage header is cut off");
  const view = viewOf(bytes);
  const data = part(bytes, 12, HEADER, view.getUint32(12, false));
  if (bytes[30] !== MULTI) return { what: "uImage", bytes: data };
  let at = HEADER;
  while (at + 4 <= bytes.length && view.getUint32(at, false) !== 0) at += 4;
  if (at === HEADER || at + 4 > bytes.length) throw new ElfError("malformed", HEADER, "the uImage lists no file");
  return { what: "uImage", bytes: part(bytes, HEADER, at + 4, view.getUint32(HEADER, false)) };
}

/** A unified kernel image: a PE file whose section `.linux` is the kernel; null for another PE file. */
function unifiedImage(bytes: Uint8Array): Step | null {
  if (bytes.length < 0x40) return null;
  const view = viewOf(bytes);
  const header = view.getUint32(0x3c, true);
  if (header > bytes.length - 24 || !starts(bytes, header, "PE\0\0")) return null;
  const count = view.getUint16(header + 6, true);
  const first = header + 24 + view.getUint16(header + 20, true);
  for (let at = first, k = 0; k < count && at + 40 <= bytes.length; k++, at += 40) {
    if (!starts(bytes, at, ".linux\0\0")) continue;
    const held = Math.min(view.getUint32(at + 8, true), view.getUint32(at + 16, true));
    return { what: "unified kernel image", bytes: part(bytes, at + 20, view.getUint32(at + 20, true), held) };
  }
  return null;
}

/** ppc's wrapper: an ELF file whose section holds the packed vmlinux; null for any other ELF file. */
function zImage(bytes: Uint8Array): Step | null {
  if (bytes[4] !== 2) return null;
  const { sections } = readExecutable(bytes);
  const found = sections.findByName(".kernel:vmlinux.strip");
  return found === null || !sections.hasBytes(found) ? null : { what: "zImage", bytes: sections.data(found) };
}

/**
 * Without the word behind packed data that tells how many bytes they unpack to: gzip's own end has it inside (scripts/Makefile.lib,
 * size_append).
 */
function withoutSizeWord(payload: Uint8Array, field: number): Pick<Step, "bytes" | "size"> {
  if (payload.length < 8) throw new ElfError("malformed", field, "the packed kernel is cut off");
  if (elfType(payload) !== null || packingOf(payload) === "gzip") return { bytes: payload };
  if (packingOf(payload) === null && otherPackingOf(payload) === null) {
    const what = "the kernel is packed in a way that is not known here: give System.map or the unpacked vmlinux";
    throw new ElfError("unsupported", field, what);
  }
  const end = payload.length - 4;
  return { bytes: payload.subarray(0, end), size: viewOf(payload).getUint32(end, true) };
}
