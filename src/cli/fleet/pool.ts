// Kernels in parallel: a few workers, each with one kernel at a time. Where only one processor is there, or the program is not run from
// its bundle, this process does it all.

import { availableParallelism } from "node:os";
import type { Context } from "../context.ts";
import { checkKernel, type FleetJob, type KernelResult } from "./cells.ts";

/** What a worker is started with. */
export interface FleetWorkerData {
  readonly klplink: "fleet";
  readonly job: FleetJob;
  readonly env: Context["env"];
}

/** Each worker holds a kernel: as much as half a gigabyte while it is parsed. */
const MOST_WORKERS = 8;

/**
 * What came of all kernels, in their order.
 * @param done is told of each kernel that is done
 */
export async function checkFleet(
  kernels: readonly string[],
  job: FleetJob,
  context: Context,
  done: (name: string, count: number) => void,
): Promise<KernelResult[]> {
  const script = workerScript();
  const count = Math.min(availableParallelism(), kernels.length, MOST_WORKERS);
  const results: KernelResult[] = [];
  let finished = 0;
  if (script === null || count < 2) {
    for (const [i, name] of kernels.entries()) {
      results[i] = await checkKernel(name, job, context);
      done(name, ++finished);
    }
    return results;
  }
  const { Worker } = await import("node:worker_threads");
  let next = 0;
  const run = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const workerData: FleetWorkerData = { klplink: "fleet", job, env: { ...context.env } };
      const worker = new Worker(script, { workerData, argv: ["--fleet-worker"] });
      let current = -1;
      const give = (): void => {
        current = next++;
        const name = kernels[current];
        if (name === undefined) {
          resolve();
          void worker.terminate();
        } else worker.postMessage(name);
      };
      worker.on("message", (result: KernelResult) => {
        results[current] = result;
        done(result.kernel.name, ++finished);
        give();
      });
      worker.on("error", reject);
      worker.on("messageerror", reject);
      // One that ends by itself has not said why.
      worker.on("exit", (status) => reject(new Error(`a thread ended with status ${status}`)));
      give();
    });
  await Promise.all(Array.from({ length: count }, run));
  return results;
}

/** The program that runs as a worker: that of the bundle; null if this is not the bundle. */
function workerScript(): string | null {
  const url = import.meta.url;
  if (!url.endsWith("/dist/klplink.cjs")) return null;
  return decodeURIComponent(url.slice("file://".length).replace(/dist\/klplink\.cjs$/, "bin/klplink.js"));
}
