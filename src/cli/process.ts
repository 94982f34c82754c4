// The command line as a process: this is what the bundle runs.

import { writeSync } from "node:fs";
import type { Context, InputStream, OutputStream } from "./context.ts";
import { isGone } from "./files/io.ts";
import { inputStream } from "./inputStream.ts";
import { main, namedWords, STATUS } from "./main.ts";
import { isTaken, outputStream } from "./outputStream.ts";
import { fitTerminal } from "./terminal/fitted.ts";
import { WORKER } from "./workers/workerWord.ts";

declare const KLPLINK_VERSION: string;

/** The argument that workers of fleet/pool.ts are started with. */
const FLEET_WORKER = "--fleet-worker";

const { env } = process;
/** Something that was to be said could not be written. */
let isUnsaid = false;
/** What write() in io.ts writes, it answers for with a problem; the status is set here for all. */
const answeredFor = (fd: 1 | 2): OutputStream =>
  outputStream(fd, (error) => {
    // A reader that went away, as `head` does, is told nothing. What was asked for has not been said, though: like other programs,
    // which die of SIGPIPE, this one does not end as if it had.
    if (isGone(error) && fd === 2) return;
    isUnsaid = true;
  });
let stdin: InputStream | null = null;
const context: Context = {
  version: KLPLINK_VERSION,
  env,
  // Opened when it is first read.
  get stdin() {
    stdin ??= inputStream();
    return stdin;
  },
  stdout: fitTerminal(answeredFor(1)),
  stderr: fitTerminal(answeredFor(2)),
};
const argv = namedWords(process.argv[1] ?? "", process.argv.slice(2));
/** Set false in workers, which end when they are told to. */
let isMain = true;
let isEnded = false;
// Node ends a process that waits for what nothing will ever settle, with status 0. No run may be taken for a good one that has not come to its end.
process.on("exit", () => {
  if (isUnsaid) process.exitCode = STATUS.file;
  if (isUnsaid || isEnded || !isMain) return;
  process.exitCode = STATUS.internal;
  writeSync(2, `klplink: internal error in version ${context.version}: it did not come to an end\n`);
});
const run = async (): Promise<number> => {
  if (argv[0] === FLEET_WORKER) {
    const { runWorker } = await import("./fleet/worker.ts");
    isMain = !runWorker(context);
    if (!isMain) return STATUS.good;
  }
  if (argv[1] === WORKER) {
    const { runCheckWorker } = await import("./workers/checkWorker.ts");
    isMain = !runCheckWorker(context);
    if (!isMain) return STATUS.good;
  }
  return main(argv, context);
};
void run().then((status) => {
  isEnded = true;
  process.exitCode = status;
  // Node takes some milliseconds to take down what it has made, which ends with the process anyway. Behind signals that came while a
  // file was written: elf/temporary.ts lets them end the process as soon as that is done.
  if (isMain && isTaken(context.stdout) && isTaken(context.stderr)) setImmediate(() => process.exit());
});
