// Makes an input that fails smaller, and nearer to the sample that it was made from, as long as it fails in the same way.

import { kindOf, runInput } from "./invariants.ts";
import type { Target } from "./target.ts";

/** @param seed of the failure: it also chooses options @param tries inputs that may be run for it */
export async function minimise(
  target: Target,
  bytes: Uint8Array,
  sample: Uint8Array,
  seed: number,
  tries = 2000,
): Promise<Uint8Array> {
  let left = tries;
  const kind = await failure(target, bytes, seed);
  if (kind === null) return bytes;
  const stillFails = async (candidate: Uint8Array): Promise<boolean> =>
    left-- > 0 && (await failure(target, candidate, seed)) === kind;
  const near = await nearSample(bytes, sample, stillFails);
  return cutOff(near, stillFails);
}

async function failure(target: Target, bytes: Uint8Array, seed: number): Promise<string | null> {
  try {
    await runInput(target, bytes, seed);
    return null;
  } catch (error) {
    return kindOf(error);
  }
}

type Test = (candidate: Uint8Array) => Promise<boolean>;

/** Gives runs of changed bytes back to the sample's, from large to small. */
async function nearSample(bytes: Uint8Array, sample: Uint8Array, stillFails: Test): Promise<Uint8Array> {
  if (bytes.length !== sample.length) return bytes;
  let best = bytes;
  for (let step = bytes.length; step >= 1; step = Math.floor(step / 2)) {
    for (let at = 0; at < best.length; at += step) {
      const end = Math.min(at + step, best.length);
      if (Buffer.compare(best.subarray(at, end), sample.subarray(at, end)) === 0) continue;
      const candidate = best.slice();
      candidate.set(sample.subarray(at, end), at);
      if (await stillFails(candidate)) best = candidate;
    }
  }
  return best;
}

/** The shortest beginning that fails, then zeros for what does not matter. */
async function cutOff(bytes: Uint8Array, stillFails: Test): Promise<Uint8Array> {
  let best = bytes;
  for (let part = Math.floor(best.length / 2); part >= 1; part = Math.floor(part / 2)) {
    while (best.length > part && (await stillFails(best.slice(0, best.length - part))))
      best = best.slice(0, best.length - part);
  }
  for (let step = Math.floor(best.length / 2); step >= 16; step = Math.floor(step / 2)) {
    for (let at = 0; at < best.length; at += step) {
      if (best.subarray(at, at + step).every((b) => b === 0)) continue;
      const candidate = best.slice().fill(0, at, at + step);
      if (await stillFails(candidate)) best = candidate;
    }
  }
  return best;
}
