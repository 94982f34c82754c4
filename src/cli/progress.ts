/** A line that says what is being worked on; on a terminal only. */
export interface Progress {
  readonly show: (text: string) => void;
  /** Takes the line away before other output. */
  readonly clear: () => void;
  readonly stop: () => void;
}

const NONE: Progress = { show: () => {}, clear: () => {}, stop: () => {} };

/** Starts a progress line on standard error if that is a terminal and `wanted`. */
export async function startProgress(wanted: boolean): Promise<Progress> {
  if (!wanted || process.stderr.isTTY !== true) return NONE;
  const { default: ora } = await import("ora");
  const spinner = ora({ stream: process.stderr, discardStdin: false });
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
