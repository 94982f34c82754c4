// A line that says what is being worked on.

import { visible } from "../base/visible.ts";
import type { Context, OutputStream } from "./context.ts";

export interface Progress {
  /** @param isNow whether it is shown however short ago the last one was: what it tells of may take long */
  readonly show: (text: string, isNow?: boolean) => void;
  /** Takes the line away before other output. */
  readonly clear: () => void;
}

const NONE: Progress = { show: () => {}, clear: () => {} };

/** Milliseconds between two states of the line: a serial console takes a second for 1,000 characters. */
const PAUSE = 250;
/** Columns of a terminal that does not say how wide it is (a serial console says 0). */
const USUAL_WIDTH = 80;
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

/** A terminal with a width that is never 0: the spinner counts lines by it. */
const withWidth = (terminal: OutputStream): NodeJS.WriteStream =>
  // A stream that is a terminal has the cursor's functions, too.
  new Proxy(terminal as OutputStream & NodeJS.WriteStream, {
    get: (target, key) => {
      if (key === "columns") return target.columns || USUAL_WIDTH;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

/**
 * Starts a progress line on standard error if that is a terminal and `wanted`. The cursor stays as it is and no signal is
 * caught, so that an interrupted run ends at once and leaves nothing to restore.
 */
export async function startProgress(
  wanted: boolean,
  { stderr, env }: Pick<Context, "stderr" | "env">,
): Promise<Progress> {
  if (!wanted || stderr.isTTY !== true || env.TERM === "dumb") return NONE;
  const { default: ora } = await import("ora");
  const spinner = ora({
    stream: withWidth(stderr),
    discardStdin: false,
    hideCursor: false,
    isEnabled: true,
    color: false,
  });
  let last = Number.NEGATIVE_INFINITY;
  let isShown = false;
  let later: NodeJS.Timeout | undefined;
  const draw = (text: string): void => {
    clearTimeout(later);
    later = undefined;
    last = performance.now();
    isShown = true;
    // The spinner takes two columns, and the last one stays free: a character there may move the cursor to the next line.
    spinner.text = cut(visible(text), Math.max((stderr.columns || USUAL_WIDTH) - 4, 1));
    // The work is synchronous: the line is drawn here, not by a timer.
    spinner.render();
  };
  return {
    show: (text, isNow = false) => {
      const rest = PAUSE - (performance.now() - last);
      clearTimeout(later);
      if (isNow || rest <= 0) draw(text);
      // Nothing may come behind it for long, where a program that was started works.
      else later = setTimeout(() => draw(text), rest).unref();
    },
    clear: () => {
      clearTimeout(later);
      if (isShown) spinner.clear();
      isShown = false;
    },
  };
}
