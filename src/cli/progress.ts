import type { OutputStream } from "./context.ts";

/** A line that says what is being worked on; on a terminal only. */
export interface Progress {
  readonly show: (text: string) => void;
  /** Takes the line away before other output. */
  readonly clear: () => void;
  readonly stop: () => void;
}

const NONE: Progress = { show: () => {}, clear: () => {}, stop: () => {} };

/** Starts a progress line on a stream if that is a terminal and `wanted`. */
export async function startProgress(wanted: boolean, stream: OutputStream): Promise<Progress> {
  if (!wanted || stream.isTTY !== true) return NONE;
  const { default: ora } = await import("ora");
  const spinner = ora({ stream, discardStdin: false });
  return {
    show: (text) => {
      spinner.text = text;
      if (!spinner.isSpinning) spinner.start();
      // The work is synchronous: without this the line would never be drawn.
      spinner.render();
    },
    clear: () => spinner.clear(),
    stop: () => spinner.stop(),
  };
}
