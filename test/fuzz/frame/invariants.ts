// What holds for every input of every target, written once: only documented errors come out (a target throws all others), the input stays
// as it was, the same bytes give the same outcome, and what is made and kept in memory is in proportion to the input.

import { createHash } from "node:crypto";
import { getHeapStatistics } from "node:v8";
import type { Outcome, Target } from "./target.ts";

/** One input in so many runs twice, to be compared. */
const TWICE = 8;
/** Bytes that a run may have made beside what grows with its input. */
const ROOM = 300 << 20;
const PER_BYTE = 1024;

/** Bytes of the heap and of what buffers hold. process.memoryUsage would ask the system as well, which takes longer than most inputs. */
function memoryNow(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

const digest = (output: Outcome["output"]): string =>
  output === undefined ? "" : createHash("sha1").update(output).digest("hex");

/** Runs one input. @throws Error that says which promise is broken, or whatever the target throws */
export async function runInput(target: Target, bytes: Uint8Array, seed: number): Promise<string> {
  const before = Buffer.from(bytes);
  const memory = memoryNow();
  const first = await target.run(bytes, seed);
  const made = memoryNow() - memory;
  if (made > ROOM + PER_BYTE * bytes.length) throw new Error(`${made} bytes of memory for ${bytes.length} of input`);
  if (!before.equals(bytes)) throw new Error("the input's bytes were changed");
  if (seed % TWICE === 0) {
    const second = await target.run(bytes, seed);
    if (first.end !== second.end) throw new Error(`ends as ${first.end}, and a second time as ${second.end}`);
    if (digest(first.output) !== digest(second.output)) throw new Error("the same input gives two different outputs");
  }
  return first.end;
}

/** The input of a seed. */
export function inputOf(target: Target, seed: number): Uint8Array {
  const samples = samplesOf(target);
  return target.mutate(samples[seed % samples.length] as Uint8Array, seed, samples);
}

const kept = new WeakMap<Target, readonly Uint8Array[]>();
export function samplesOf(target: Target): readonly Uint8Array[] {
  let samples = kept.get(target);
  if (samples === undefined) {
    samples = target.samples();
    kept.set(target, samples);
  }
  return samples;
}

/** What failures have in common: the message and the first place of the stack, without numbers. */
export const kindOf = (error: unknown): string =>
  (error instanceof Error ? (error.stack ?? error.message) : String(error))
    .split("\n")
    .filter((line, i) => i === 0 || /^\s+at /.test(line))
    .slice(0, 2)
    .join("\n")
    .replace(/\d+/g, "N");
