// Branch filters of .xz files (The .xz File Format 1.1.0, 5.3.2): a packer turns the relative targets of branches into absolute
// ones, which repeat and so pack better; the reader turns them back. Places count from the begin of the block.

import { viewOf } from "../../base/bytes.ts";

/** Turns the targets of a block back, in place. @param start of the first byte, by the filter's properties; usually 0 */
export type BranchFilter = (bytes: Uint8Array, start: number) => void;

const isSignByte = (b: number): boolean => b === 0x00 || b === 0xff;

/**
 * x86: `call` and `jmp` with a 32-bit distance whose high byte is a sign. An opcode byte within the distance of another candidate
 * may be data; `recent` tells at which of the last three bytes candidates stood, and with which of these patterns the packer went on.
 */
function x86(bytes: Uint8Array, start: number): void {
  const view = viewOf(bytes);
  const end = bytes.length - 4;
  let recent = 0;
  /** Where the last candidate stood; far away: none that matters. */
  let last = -STEP_OF_X86;
  for (let at = 0; ; at++) {
    // Most bytes are none, and a kernel has 60 million.
    while (at < end && ((bytes[at] ?? 0) & 0xfe) !== 0xe8) at++;
    if (at >= end) return;
    const gap = at - last;
    recent = gap > 3 ? 0 : (recent << (gap - 1)) & 7;
    last = at;
    const isHidden = recent !== 0 && (GOES_ON[recent] !== 1 || isSignByte(bytes[at + 4 - (BYTE_OF[recent] ?? 0)] ?? 0));
    if (isHidden || !isSignByte(bytes[at + 4] ?? 0)) {
      recent = (recent << 1) | 1;
      continue;
    }
    view.setUint32(at + 1, x86Distance(view.getUint32(at + 1, true), start + at + 5, recent), true);
    at += 4;
    recent = 0;
    last = -STEP_OF_X86;
  }
}

/** Bytes of a branch. */
const STEP_OF_X86 = 5;
/** By the pattern of recent candidates: 1 where the packer went on, and which byte of the distance it looked at. */
const GOES_ON = Uint8Array.of(1, 1, 1, 0, 1, 0, 0, 0);
const BYTE_OF = Uint8Array.of(0, 1, 2, 2, 3, 3, 3, 3);

function x86Distance(packed: number, next: number, recent: number): number {
  let target = packed;
  for (;;) {
    const distance = (target - next) >>> 0;
    const bits = 8 * (BYTE_OF[recent] ?? 0);
    // What the packer saw as a sign byte within the distance was turned around as a whole.
    if (recent !== 0 && isSignByte((distance >>> (24 - bits)) & 0xff)) {
      target = (distance ^ (2 ** (32 - bits) - 1)) >>> 0;
      continue;
    }
    return (distance & 0x0100_0000) === 0 ? distance & 0x01ff_ffff : (distance | 0xfe00_0000) >>> 0;
  }
}

/** PowerPC, big-endian: `bl`, relative. */
function powerpc(bytes: Uint8Array, start: number): void {
  const view = viewOf(bytes);
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const word = view.getUint32(at, false);
    if ((word & 0xfc00_0003) >>> 0 !== 0x4800_0001) continue;
    view.setUint32(at, 0x4800_0001 | ((word - (start + at)) & 0x03ff_fffc), false);
  }
}

/** ARM: `bl` without a condition, in words from two instructions on. */
function arm(bytes: Uint8Array, start: number): void {
  const view = viewOf(bytes);
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    if (bytes[at + 3] !== 0xeb) continue;
    const words = (view.getUint32(at, true) & 0x00ff_ffff) - ((start + at + 8) >>> 2);
    view.setUint32(at, (0xeb00_0000 | (words & 0x00ff_ffff)) >>> 0, true);
  }
}

/** ARM64: `bl`, and `adrp` within 512 MiB. */
function arm64(bytes: Uint8Array, start: number): void {
  const view = viewOf(bytes);
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const word = view.getUint32(at, true);
    const place = start + at;
    if (word >>> 26 === 0x25) {
      view.setUint32(at, (0x9400_0000 | ((word - (place >>> 2)) & 0x03ff_ffff)) >>> 0, true);
    } else if ((word & 0x9f00_0000) >>> 0 === 0x9000_0000) {
      const pages = ((word >>> 29) & 3) | ((word >>> 3) & 0x1f_fffc);
      // Only small distances were turned: those whose upper four bits are all equal.
      if (((pages + 0x2_0000) & 0x1c_0000) !== 0) continue;
      const back = pages - (place >>> 12);
      const field = ((back & 3) << 29) | ((back & 0x3_fffc) << 3) | (-(back & 0x2_0000) & 0xe0_0000);
      view.setUint32(at, ((word & 0x9000_001f) | field) >>> 0, true);
    }
  }
}

/** By the filter's number in the .xz format. */
export const BRANCH_FILTERS: Readonly<Record<number, BranchFilter>> = { 4: x86, 5: powerpc, 7: arm, 10: arm64 };
