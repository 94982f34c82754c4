// A module's image against what a kernel had in memory.

import { readElf } from "../../../src/elf/reader.ts";
import { PERCPU_SECTION } from "../../../src/kernel/loader/layout.ts";
import type { KernelAddresses } from "../../../src/kernel/running/addresses.ts";
import type { ImageOptions, ImageResult, ModuleImage, X86State } from "../../../src/passes/image/image.ts";
import { image } from "../../../src/passes/image/image.ts";
import { type VerifyResult, verify } from "../../../src/passes/image/verify.ts";
import type { Captured } from "./captured.ts";

export interface Comparison {
  readonly result: ImageResult;
  readonly image: ModuleImage | null;
  /** Bytes compared, bytes in ranges that cannot be known, relocations applied. */
  readonly compared: number;
  readonly unknown: number;
  /** `section+offset: expected, found`, at most a few a section. */
  readonly differences: string[];
}

/** What `mitigations=off` makes of x86 code, on a machine whose lock prefixes stay. */
export const MITIGATIONS_OFF: X86State = { returns: "plain", indirect: "plain", calls: "plain", locks: "smp" };

/** The image for the addresses of a capture. */
export function imageOf(
  bytes: Uint8Array,
  captured: Captured,
  kernel: KernelAddresses | null,
  more: Partial<ImageOptions> = {},
): ImageResult {
  const byIndex = new Map(captured.sections.map((s) => [s.index, s.address]));
  return image(bytes, {
    file: `${captured.module}.ko`,
    kernel,
    stage: "relocated",
    // The captures were made without.
    parameters: [],
    patched: [],
    placement: { bases: new Map(), sections: new Map(), byIndex, percpu: percpuOf(bytes, captured) },
    ...(captured.toc === null ? {} : { kernelToc: captured.toc }),
    ...more,
  });
}

/** The per-CPU area's address, from any per-CPU symbol of the captured symbol table. */
export function percpuOf(bytes: Uint8Array, captured: Captured): bigint | null {
  const { sections, symbols } = readElf(bytes);
  const section = sections.findByName(PERCPU_SECTION);
  const table = captured.sections.find((s) => s.index === symbols?.section);
  if (section === null || symbols === null || table === undefined) return null;
  for (let i = 1; i < symbols.count; i++) {
    if (symbols.sectionOf(i) !== section) continue;
    const value = Buffer.from(table.bytes).readBigUInt64LE(i * 24 + 8);
    return BigInt.asUintN(64, value - symbols.value(i));
  }
  return null;
}

export function compare(result: ImageResult, captured: Captured): Comparison {
  const { image: made } = result;
  const differences: string[] = [];
  let compared = 0;
  let unknown = 0;
  if (made === null) return { result, image: null, compared, unknown, differences: ["no image"] };
  const seen = new Map(captured.sections.map((s) => [s.index, s]));
  for (const section of made.sections) {
    const there = seen.get(section.index);
    if (there === undefined) {
      differences.push(`${section.name}: not in memory`);
      continue;
    }
    seen.delete(section.index);
    if (there.bytes.length !== section.bytes.length) {
      differences.push(`${section.name}: ${there.bytes.length} bytes in memory, ${section.bytes.length} expected`);
      continue;
    }
    const mask = new Uint8Array(section.bytes.length);
    for (const range of made.unknown) if (range.section === section.index) mask.fill(1, range.start, range.end);
    let shown = 0;
    for (let i = 0; i < mask.length; i++) {
      if (mask[i] === 1) {
        unknown++;
        continue;
      }
      compared++;
      if (section.bytes[i] === there.bytes[i]) continue;
      const hex = (b: Uint8Array): string => Buffer.from(b.subarray(i & ~7, (i & ~7) + 8)).toString("hex");
      if (shown++ < 4)
        differences.push(`${section.name}+0x${i.toString(16)}: ${hex(section.bytes)}, in memory ${hex(there.bytes)}`);
    }
    if (shown > 4) differences.push(`${section.name}: ${shown} bytes differ`);
  }
  for (const section of seen.values()) differences.push(`section ${section.index} is in memory and not in the image`);
  return { result, image: made, compared, unknown, differences };
}

/** A module in use against its memory. @param dumps the bytes of its sections, by address */
export function verifyCaptured(
  bytes: Uint8Array,
  captured: Captured,
  kernel: KernelAddresses,
  dumps: ReadonlyMap<bigint, Uint8Array>,
  more: Pick<ImageOptions, "erratum843419" | "x86" | "kernelVersion" | "types"> & {
    readonly objects?: readonly string[];
  } = {},
): VerifyResult {
  const { objects = [], ...options } = more;
  return verify(bytes, {
    file: `${captured.module}.ko`,
    kernel,
    placement: {
      bases: new Map(),
      sections: new Map(),
      byIndex: new Map(captured.sections.map((s) => [s.index, s.address])),
      percpu: percpuOf(bytes, captured),
    },
    ...(captured.toc === null ? {} : { kernelToc: captured.toc }),
    ...options,
    memory: (address, size) => {
      const dump = dumps.get(address);
      return dump?.length === size ? dump : null;
    },
    isLoaded: (object) => objects.includes(object),
  });
}
