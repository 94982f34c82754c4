// A worker of checkPool.ts: checks the files that it is told to, one after the other.

import { parentPort, workerData } from "node:worker_threads";
import { openChecker } from "../commands/checker.ts";
import type { Context } from "../context.ts";
import type { Contents } from "../files/kernel/treeModules.ts";
import type { Answer, Order, WorkerStart } from "./checkPool.ts";

/** False if this is not a worker. */
export function runCheckWorker(context: Context): boolean {
  const given = workerData as WorkerStart | null;
  const port = parentPort;
  if (port === null || given?.klplink !== "check") return false;
  const { files, options, env } = given;
  const say = (answer: Answer): void => port.postMessage(answer);
  let told: (contents: Contents) => void = () => {};
  const contents = new Promise<Contents>((resolve) => {
    told = resolve;
  });
  const ask = (): Promise<Contents> => {
    void checker.then(({ tree }) => say({ kind: "ask", paths: tree?.paths() ?? [] }));
    return contents;
  };
  const checker = openChecker(files, options, { ...context, env }, () => {}, ask);
  // One check at a time; what files say is read while one waits for it.
  let last: Promise<void> = Promise.resolve();
  const check = async (index: number): Promise<void> => {
    say({ kind: "checked", index, result: await (await checker).check(files[index] ?? "") });
  };
  const read = async (at: number, paths: readonly string[]): Promise<void> => {
    const { tree } = await checker;
    const found = [];
    for (const path of paths) found.push((await tree?.contentsOf(path)) ?? null);
    say({ kind: "read", at, files: found });
  };
  // What is thrown here reaches the one that started the worker as its error.
  const rethrow = (error: unknown): void => {
    setImmediate(() => {
      throw error;
    });
  };
  port.on("message", (order: Order) => {
    if (order.kind === "check") last = last.then(() => check(order.index)).catch(rethrow);
    else if (order.kind === "read") read(order.at, order.paths).catch(rethrow);
    else told(order.contents);
  });
  return true;
}
