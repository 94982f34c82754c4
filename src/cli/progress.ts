// A line that says what is being worked on.

import { printable } from "../base/bytes.ts";
import type { Context } from "./context.ts";

export interface Progress {
  readonly show: (text: string) => void;
  /** Takes the line away before other output. */
  readonly clear: () => void;
}

const NONE: Progress = { show: () => {}, clear: () => {} };

/** Milliseconds between two states of the line: a serial console takes a second for 1,000 characters. */
const PAUSE = 250;
/** Columns of a terminal that does not say how wide it is (a serial console says 0). */
const USUAL_WIDTH = 80;
/** Back to the start of the line, and what stands there is deleted (ECMA-48: EL). */
const CLEAR = "\r\u001b[K";

/** What fits into `width` columns. A character beyond ASCII may take two. */
function cut(text: string, width: number): string {
  let used = 0;
  let out = "";
  for (const character of text) {
    used += character <= "~" ? 1 : 2;
    if (used > width) return out;
    out += character;
  }
  return out;
}

/**
 * Starts a progress line on standard error if that is a terminal and `wanted`. The cursor stays as it is and no signal is
 * caught, so that an interrupted run ends at once and leaves nothing to restore.
 */
export function startProgress(wanted: boolean, { stderr: stream, env }: Pick<Context, "stderr" | "env">): Progress {
  if (!wanted || stream.isTTY !== true || env.TERM === "dumb") return NONE;
  let isShown = false;
  let last = Number.NEGATIVE_INFINITY;
  return {
    show: (text) => {
      const now = performance.now();
      if (now - last < PAUSE) return;
      last = now;
      isShown = true;
      // The last column stays free: a character there may move the cursor to the next line.
      stream.write(CLEAR + cut(printable(text), (stream.columns || USUAL_WIDTH) - 1));
    },
    clear: () => {
      if (isShown) stream.write(CLEAR);
      isShown = false;
    },
  };
}
