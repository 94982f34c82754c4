// Long text on a terminal goes through the user's pager, as git and man do it.

import { spawn, spawnSync } from "node:child_process";
import type { Context, OutputStream } from "../context.ts";

/** What less is to do where the user has not said (LESS): end at once for what fits a screen, pass colours on, leave the text there. */
const LESS = "FRX";

/** A command that shows what it reads; null: nothing pages. */
function pagerOf({ stdout, env }: Pick<Context, "stdout" | "env">): string | null {
  if (stdout.isTTY !== true || env.TERM === "dumb") return null;
  const pager = env.PAGER ?? "less";
  return pager === "" || pager === "cat" ? null : pager;
}

/**
 * Runs `show` with a stream that pages, where standard output is a terminal, and waits until the user is done with it.
 * A pager that is not there is done without.
 * @param wanted false: straight to standard output @returns what `show` returns
 */
export async function paged<T>(
  wanted: boolean,
  context: Context,
  show: (stdout: OutputStream) => Promise<T>,
): Promise<T> {
  const command = wanted ? pagerOf(context) : null;
  const pager = command === null ? null : startPager(command, context);
  if (pager === null) return show(context.stdout);
  // Ctrl-C is for the pager, which ends or stops a search.
  const ignore = (): void => {};
  process.on("SIGINT", ignore);
  try {
    const shown = await show(pager.stream);
    await pager.end();
    return shown;
  } finally {
    process.off("SIGINT", ignore);
  }
}

interface Pager {
  readonly stream: OutputStream;
  /** Waits until it has ended. */
  readonly end: () => Promise<void>;
}

/** Null if there is no such command. */
function startPager(command: string, { stdout, env }: Context): Pager | null {
  const [program = ""] = command.trim().split(/\s+/);
  const options = { stdio: "ignore", env: { ...env } } as const;
  if (spawnSync("/bin/sh", ["-c", 'command -v "$1"', "sh", program], options).status !== 0) return null;
  const child = spawn("/bin/sh", ["-c", `exec ${command}`], {
    stdio: ["pipe", "inherit", "inherit"],
    env: { LESS, LV: "-c", ...env },
  });
  const ended = new Promise<void>((resolve) => {
    child.on("error", () => resolve());
    child.on("exit", () => resolve());
  });
  // The user has left: `write` takes that for a reader that went away.
  child.stdin.on("error", () => {});
  const terminal = { fd: 1, isTTY: true, columns: stdout.columns ?? 0 };
  return {
    stream: Object.assign(child.stdin, terminal) as unknown as OutputStream,
    end: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
