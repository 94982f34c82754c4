// A worker of pool.ts: takes names of kernels, and gives back what came of each.

import { parentPort, workerData } from "node:worker_threads";
import type { Context } from "../context.ts";
import { checkKernel } from "./cells.ts";
import type { FleetWorkerData } from "./pool.ts";

/** False if this is not a worker. */
export function runWorker(context: Context): boolean {
  const given = workerData as FleetWorkerData | null;
  if (parentPort === null || given?.klplink !== "fleet") return false;
  const { job, env } = given;
  parentPort.on("message", (name: string) => {
    checkKernel(name, job, { ...context, env }).then(
      (result) => parentPort?.postMessage(result),
      (error: unknown) => {
        // Reaches the one that started the worker as its error.
        setImmediate(() => {
          throw error;
        });
      },
    );
  });
  return true;
}
