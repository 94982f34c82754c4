// The folder of a kernel's build, or of a module's: its object files, and which of them differ between two builds.

import { closeSync, type Dirent, openSync, readdirSync, readSync, realpathSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { append } from "../../../base/lists.ts";
import type { Problem } from "../../../diag/catalogue.ts";
import { problemOf } from "../../options.ts";
import { unreadable } from "../io.ts";

/** What was found and is not an object to compare, with the reason in words. */
export interface PassedOver {
  /** Below the folder, with `/`. */
  readonly path: string;
  readonly why: string;
}

/** Files of one build. Paths are below the folder, with `/`. */
export interface BuildTree {
  readonly root: string;
  /** Object files that a compiler, or a linker, may have written. */
  readonly objects: ReadonlyMap<string, Stats>;
  /** `NAME.mod`: which objects a module is made of. */
  readonly moduleLists: readonly string[];
  readonly archives: readonly string[];
  readonly passedOver: readonly PassedOver[];
  /** Folders and files that could not be read: what they hold is not known. */
  readonly problems: readonly Problem[];
}

/** Files that kbuild's last steps make anew of what was compared already, or for one module's metadata. */
const MADE = /^(?:vmlinux\.o|\..*\.o|.*\.mod\.o|built-in\.o)$/;

/** @param without paths (resolved) of folders that are left out, as the other tree where one lies in the other */
export function readBuildTree(root: string, without: readonly string[] = []): BuildTree {
  const objects = new Map<string, Stats>();
  const [moduleLists, archives]: [string[], string[]] = [[], []];
  const passedOver: PassedOver[] = [];
  const problems: Problem[] = [];
  const failed = (path: string, error: unknown): void => {
    append(
      problems,
      [problemOf(unreadable(join(root, path), error))].filter((p) => p !== null),
    );
  };
  const take = (path: string, entry: Dirent): void => {
    if (path.endsWith(".mod")) moduleLists.push(path);
    else if (path.endsWith(".a")) archives.push(path);
    else if (!path.endsWith(".o")) return;
    else if (MADE.test(entry.name)) passedOver.push({ path, why: "made of others by the build" });
    else {
      try {
        const stats = statSync(join(root, path));
        if (stats.isFile()) objects.set(path, stats);
        else passedOver.push({ path, why: "not a file" });
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === "ENOENT" || code === "ELOOP") passedOver.push({ path, why: "a link that leads nowhere" });
        else failed(path, error);
      }
    }
  };
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    let entries: Dirent[];
    try {
      if (without.length > 0 && folder !== "" && without.includes(realpathSync(join(root, folder)))) continue;
      entries = readdirSync(join(root, folder), { withFileTypes: true });
    } catch (error) {
      failed(folder, error);
      continue;
    }
    for (const entry of entries) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      // Links to folders (`source`, `build`) lead out of the tree, or in a circle.
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile() || entry.isSymbolicLink()) take(path, entry);
      else if (path.endsWith(".o")) passedOver.push({ path, why: "not a file" });
    }
  }
  return { root, objects, moduleLists: moduleLists.sort(), archives: archives.sort(), passedOver, problems };
}

/** Bytes that are read at once of each of two files. */
const PIECE = 1 << 20;

/** Compares files by their bytes. One file by two names (hard links) is the same without being read. */
class ByteComparison {
  readonly #buffers = [Buffer.allocUnsafe(PIECE), Buffer.allocUnsafe(PIECE)] as const;

  /** @throws what node:fs throws, with the path in it */
  isSame(a: string, b: string, one: Stats, other: Stats): boolean {
    if (one.ino === other.ino && one.dev === other.dev) return true;
    if (one.size !== other.size) return false;
    const x = openSync(a, "r");
    try {
      const y = openSync(b, "r");
      try {
        return this.#sameBytes(x, y);
      } finally {
        closeSync(y);
      }
    } finally {
      closeSync(x);
    }
  }

  #sameBytes(x: number, y: number): boolean {
    const [one, other] = this.#buffers;
    for (;;) {
      const [n, m] = [readFully(x, one), readFully(y, other)];
      if (n !== m || one.compare(other, 0, m, 0, n) !== 0) return false;
      if (n < PIECE) return true;
    }
  }
}

/** Fills a buffer as far as the file goes; returns the bytes read. */
function readFully(file: number, buffer: Buffer): number {
  let at = 0;
  while (at < buffer.length) {
    const n = readSync(file, buffer, at, buffer.length - at, null);
    if (n === 0) break;
    at += n;
  }
  return at;
}

/** How the object files of two trees stand to each other. */
export interface TreeDifference {
  /** Paths of files that are in both and differ, sorted. */
  readonly differing: readonly string[];
  readonly inOrigOnly: readonly string[];
  readonly inPatchedOnly: readonly string[];
  /** How many are in both. */
  readonly inBoth: number;
  readonly problems: readonly Problem[];
}

/** Compares the object files of two trees, by path. */
export function compareTrees(orig: BuildTree, patched: BuildTree): TreeDifference {
  const bytes = new ByteComparison();
  const differing: string[] = [];
  const problems: Problem[] = [];
  let inBoth = 0;
  for (const [path, stats] of orig.objects) {
    const other = patched.objects.get(path);
    if (other === undefined) continue;
    inBoth++;
    try {
      if (!bytes.isSame(join(orig.root, path), join(patched.root, path), stats, other)) differing.push(path);
    } catch (error) {
      const file = (error as NodeJS.ErrnoException).path ?? join(patched.root, path);
      append(
        problems,
        [problemOf(unreadable(file, error))].filter((p) => p !== null),
      );
    }
  }
  const only = (one: BuildTree, other: BuildTree): string[] =>
    [...one.objects.keys()].filter((path) => !other.objects.has(path)).sort();
  return {
    differing: differing.sort(),
    inOrigOnly: only(orig, patched),
    inPatchedOnly: only(patched, orig),
    inBoth,
    problems,
  };
}
