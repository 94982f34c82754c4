// The modules and objects that `check` is to look at: files as they are given, and those below folders.

import { type Dirent, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { append } from "../../base/lists.ts";

/** What is below a folder and is not looked at. */
export interface Skipped {
  readonly path: string;
  readonly why: string;
}

const MODULE = /\.k?o(?:\.(?:gz|xz|zst))?$/;
/** File systems that the kernel makes up, where they are mounted: their files are not modules, and some of them never end. */
const MADE_UP = ["/proc", "/sys", "/dev", "/sys/kernel/debug", "/sys/kernel/tracing", "/dev/pts"];

/** Null: it cannot be told, and reading it will say why. */
function deviceOf(path: string): number | null {
  try {
    return statSync(path).dev;
  } catch {
    return null;
  }
}

/**
 * Each path as it is; a folder as the modules and objects below it, sorted. Links are followed to files, not to folders. Only regular
 * files are taken, and what the kernel makes up is left out unless it was asked for.
 * @param madeUp where such file systems are mounted
 */
export function findModules(
  paths: readonly string[],
  madeUp: readonly string[] = MADE_UP,
): { readonly files: string[]; readonly skipped: Skipped[] } {
  const skipped: Skipped[] = [];
  const files = paths.flatMap((path) => {
    if (path === "-" || !isFolder(path)) return [path];
    const devices = new Set(madeUp.map(deviceOf));
    devices.delete(deviceOf(path));
    devices.delete(null);
    return below(path, devices, skipped);
  });
  return { files, skipped };
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    // Reading it will say why.
    return false;
  }
}

/** @param devices of file systems that are left out */
function below(top: string, devices: ReadonlySet<number | null>, skipped: Skipped[]): string[] {
  const found: string[] = [];
  // A stack of its own: folders may lie in one another as deep as paths are long. The one that comes next stands last.
  const open: { readonly path: string; readonly entry: Dirent | null }[] = [{ path: top, entry: null }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { path, entry } = next;
    if (entry === null || entry.isDirectory()) {
      if (devices.has(deviceOf(path))) skipped.push({ path, why: "made up by the kernel" });
      else append(open, entriesOf(path, found).reverse());
    } else if (MODULE.test(entry.name)) {
      const why = reasonToSkip(path, entry);
      if (why === null) found.push(path);
      else skipped.push({ path, why });
    }
  }
  return found;
}

/** What a folder holds, sorted. One that cannot be read is taken for a file: reading it fails for the same reason, and says it. */
function entriesOf(path: string, found: string[]): { readonly path: string; readonly entry: Dirent }[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((entry) => ({ path: join(path, entry.name), entry }));
  } catch {
    found.push(path);
    return [];
  }
}

/** Null: it is a regular file, or a link to one, or one to nothing, which reading says. */
function reasonToSkip(path: string, entry: Dirent): string | null {
  if (entry.isFile()) return null;
  let there: ReturnType<typeof statSync>;
  try {
    there = statSync(path);
  } catch {
    return null;
  }
  if (there === undefined || there.isFile()) return null;
  if (there.isDirectory()) return "a link to a folder";
  return there.isFIFO() ? "a pipe" : there.isSocket() ? "a socket" : "a device";
}
