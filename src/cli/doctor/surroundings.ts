// The program that runs, its terminal, and its cache.

import { accessSync, constants, existsSync } from "node:fs";
import { dirname } from "node:path";
import { cacheFolder } from "../../build/workspace.ts";
import type { Context } from "../context.ts";

/** Node.js, or the single executable, with the processor. */
export const nodeHere = (): string => `Node.js ${process.versions.node} on ${process.platform} ${process.arch}`;

export function terminalHere({ stdout, env }: Context): string {
  if (stdout.isTTY !== true) return "none: output goes to a file or a pipe, 80 columns, without colour";
  const color = env.TERM === "dumb" || (env.NO_COLOR ?? "") !== "" ? "without colour" : "in colour";
  return `${stdout.columns || 80} columns, ${color}`;
}

/** Where builds keep what they need again. */
export function cacheHere(env: Context["env"]): { readonly folder: string; readonly writable: boolean } {
  const folder = dirname(cacheFolder(env));
  // It is made when it is first needed, in the nearest folder that there is.
  let at = folder;
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  try {
    accessSync(at, constants.W_OK);
    return { folder, writable: true };
  } catch {
    return { folder, writable: false };
  }
}
