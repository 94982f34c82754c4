// A worker of checkPool.ts.

import { parentPort, workerData } from "node:worker_threads";
import { UnpackPool } from "../../elf/containers/budget.ts";
import { openChecker } from "../commands/checker.ts";
import { type Context, sharing } from "../context.ts";
import { CheckHand, type Order } from "./checkHand.ts";
import type { WorkerStart } from "./checkPool.ts";

/** False if this is not a worker. */
export function runCheckWorker(context: Context): boolean {
  const given = workerData as WorkerStart | null;
  const port = parentPort;
  if (port === null || given?.klplink !== "check") return false;
  const { files, options, env } = given;
  const hand = new CheckHand(files);
  const checker = openChecker(files, options, sharing({ ...context, env }, new UnpackPool()), () => {}, hand.ask);
  hand.start(checker, (answer) => port.postMessage(answer));
  // What is thrown here reaches the one that started the worker as its error.
  const rethrow = (error: unknown): void => {
    setImmediate(() => {
      throw error;
    });
  };
  port.on("message", (order: Order) => hand.take(order, rethrow));
  return true;
}
