import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "../helpers.ts";

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderr: string;
}

/** Runs the built command line from the project's root, without colour unless `env` says otherwise. */
export function klplink(
  args: readonly string[],
  options: { input?: Uint8Array; env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Run {
  const { FORCE_COLOR: _force, NO_COLOR: _no, ...env } = process.env;
  const done = spawnSync(process.execPath, [join(root, "bin/klplink.js"), ...args], {
    cwd: options.cwd ?? root,
    env: { ...env, ...options.env },
    ...(options.input === undefined ? { stdio: ["ignore", "pipe", "pipe"] } : { input: options.input }),
    maxBuffer: 1 << 28,
  });
  return {
    status: done.status,
    stdout: done.stdout.toString("utf8"),
    stdoutBytes: new Uint8Array(done.stdout),
    stderr: done.stderr.toString("utf8"),
  };
}
