// The command line as a process: this is what the bundle runs.

import type { Context } from "./context.ts";
import { isGone } from "./files/io.ts";
import { main, STATUS } from "./main.ts";

declare const KLPLINK_VERSION: string;

const { env, stdout, stderr } = process;
// What write() in io.ts writes, it answers for with a problem; the status is set here for all.
for (const stream of [stdout, stderr]) {
  stream.on("error", (error) => {
    if (isGone(error)) return;
    process.on("exit", () => {
      process.exitCode = STATUS.file;
    });
  });
}
const context: Context = {
  version: KLPLINK_VERSION,
  env,
  // Opened when it is first read.
  get stdin() {
    return process.stdin;
  },
  stdout,
  stderr,
};
void main(process.argv.slice(2), context).then((status) => {
  process.exitCode = status;
});
