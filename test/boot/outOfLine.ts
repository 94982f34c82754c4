// ppc64le since 6.13: an enabled site branches to code of its own, which calls the tracer and comes back behind the site. The words
// are those of the Power ISA, written out.

const word = (bytes: Buffer, at: number): number => bytes.readUInt32LE(at);
const target = (w: number, at: bigint): bigint => BigInt.asUintN(64, at + BigInt.asIntN(26, BigInt(w & 0x03ff_fffc)));

/** Where a site branches to, without linking; null if it does not. */
export function branchFrom(dump: Buffer, offset: number, site: bigint): bigint | null {
  const w = word(dump, offset);
  return (w & 0xfc00_0003) >>> 0 === 0x4800_0000 ? target(w, site) : null;
}

export interface Half {
  /** What it calls; null if nothing. */
  readonly calls: bigint | null;
  readonly ops: bigint;
  /** What is not as it should be. */
  readonly faults: readonly string[];
}

/** Bytes of such code: a pointer, and four instructions. */
export const HALF = 24;

/** Reads the code of one site. @param bytes from the pointer on @param at address of the first instruction */
export function readHalf(bytes: Buffer, at: bigint, site: bigint): Half {
  const faults: string[] = [];
  const expect = (offset: number, expected: number): void => {
    const found = word(bytes, offset);
    if (found !== expected) faults.push(`+${offset}: ${found.toString(16)}, expected ${expected.toString(16)}`);
  };
  expect(8, 0x7c08_02a6); // mflr r0
  expect(16, 0x7c08_03a6); // mtlr r0
  const call = word(bytes, 12);
  const isCall = (call & 0xfc00_0003) >>> 0 === 0x4800_0001;
  if (!isCall) faults.push(`+12: ${call.toString(16)} is not a call`);
  const back = word(bytes, 20);
  const backTo = target(back, at + 12n);
  if ((back & 0xfc00_0003) >>> 0 !== 0x4800_0000 || backTo !== site + 4n)
    faults.push(`+20: ${back.toString(16)} goes to ${backTo.toString(16)}`);
  return { calls: isCall ? target(call, at + 4n) : null, ops: bytes.readBigUInt64LE(0), faults };
}
