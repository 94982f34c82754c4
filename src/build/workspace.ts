// The private folder of a build, below the cache: a copy of the source, output folders, and what tells a later run where an
// interrupted one stood.

import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { isProductFile } from "./compiled/products.ts";
import type { PatchedFile } from "./patch/apply.ts";
import { Interrupted } from "./stop.ts";

/** Where private folders are: KLPLINK_CACHE, or `klplink` in the user's cache folder. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  const { KLPLINK_CACHE, XDG_CACHE_HOME } = env;
  if (KLPLINK_CACHE !== undefined && KLPLINK_CACHE !== "") return join(KLPLINK_CACHE, "build");
  const base = XDG_CACHE_HOME === undefined || XDG_CACHE_HOME === "" ? join(homedir(), ".cache") : XDG_CACHE_HOME;
  return join(base, "klplink", "build");
}

/** What is being changed in the private tree, written before the first change. */
interface Journal {
  /** Paths of the tree; `saved` is the name of the original in the folder `saved`, or null if there is none. */
  readonly files: readonly { readonly path: string; readonly saved: string | null }[];
  /** Output folder of the build. */
  readonly out: string;
  /** Milliseconds; what is newer in the output folder was made of patched files. */
  readonly since: number;
}

export class Workspace {
  readonly folder: string;
  /** The copy of the source. */
  readonly tree: string;
  /** For temporary files of make and the compiler; empty when the lock is taken, gone when it is given back. */
  readonly temporary: string;

  /** @param folder is made if it is not there */
  constructor(folder: string) {
    this.folder = folder;
    this.tree = join(folder, "tree");
    this.temporary = join(folder, "temporary");
    mkdirSync(folder, { recursive: true });
  }

  #path = (name: string): string => join(this.folder, name);

  /**
   * Takes the folder for this process; one that a process left that is gone is taken over, and what that had begun is put back.
   * @param wait called while another process has it @throws Interrupted if that says false
   */
  async lock(wait: (pid: number) => boolean): Promise<void> {
    const own = this.#path(`lock-${process.pid}`);
    try {
      writeFileSync(own, `${process.pid} ${startOf(process.pid) ?? "-"}\n`);
      for (;;) {
        try {
          linkSync(own, this.#path("lock"));
          break;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        }
        const holder = this.#holder();
        if (holder === null) {
          // The name of a stale lock goes to one process only.
          const stale = this.#path(`stale-${process.pid}`);
          try {
            renameSync(this.#path("lock"), stale);
            unlinkSync(stale);
          } catch {
            // Another one was faster.
          }
          continue;
        }
        if (!wait(holder)) throw new Interrupted();
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    } finally {
      rmSync(own, { force: true });
    }
    await this.#endOrphans();
    this.recover();
    this.#removeLeft();
    rmSync(this.temporary, { recursive: true, force: true });
    mkdirSync(this.temporary);
  }

  /** Takes away what killed runs left of files that they were writing (`journal.json.draft`), and of the way to the lock (`lock-NUMBER`). */
  #removeLeft(): void {
    for (const name of readdirSync(this.folder)) {
      if (name.endsWith(".draft")) rmSync(this.#path(name), { force: true });
      const [, pid] = /^(?:lock|stale)-(\d+)$/.exec(name) ?? [];
      if (pid === undefined || Number(pid) === process.pid) continue;
      try {
        process.kill(Number(pid), 0);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ESRCH") rmSync(this.#path(name), { force: true });
      }
    }
  }

  /** Notes the process group that works here, for the case that this process is killed and it goes on. */
  noteGroup(pid: number): void {
    writeFileSync(this.#path("group"), `${pid} ${startOf(pid) ?? "-"}\n`);
  }

  /** Ends what a killed run had started, and waits until it is gone. */
  async #endOrphans(): Promise<void> {
    let text: string;
    try {
      text = readFileSync(this.#path("group"), "latin1");
    } catch {
      return;
    }
    const [, pid = "", start] = /^(\d+) (\S+)/.exec(text) ?? [];
    const group = Number(pid);
    // The number belongs to that group as long as one of its processes runs, and to no other: its leader has the number, or nothing has.
    const now = group > 1 ? startOf(group) : null;
    if (group > 1 && (now === null || now === start)) {
      for (let tries = 0; tries < 100; tries++) {
        try {
          process.kill(-group, "SIGKILL");
        } catch {
          break;
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    rmSync(this.#path("group"), { force: true });
  }

  /** The process that has the lock; null if it is gone. */
  #holder(): number | null {
    let text: string;
    try {
      text = readFileSync(this.#path("lock"), "latin1");
    } catch {
      return null;
    }
    const [, pid, start] = /^(\d+) (\S+)/.exec(text) ?? [];
    const number = Number(pid);
    if (pid === undefined || number === process.pid) return null;
    try {
      process.kill(number, 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ESRCH") return null;
    }
    const now = startOf(number);
    return now !== null && start !== "-" && start !== now ? null : number;
  }

  /** When the copy of the source was last changed, milliseconds. */
  sourceTime(): number {
    return statSync(this.#path("manifest.json"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  }

  unlock(): void {
    try {
      rmSync(this.temporary, { recursive: true, force: true });
      unlinkSync(this.#path("lock"));
    } catch {
      // Removed with the folder.
    }
  }

  /** Puts the patched files in place of the originals. @param out the output folder that they are built in */
  swapIn(files: readonly PatchedFile[], out: string): void {
    const saved = this.#path("saved");
    rmSync(saved, { recursive: true, force: true });
    mkdirSync(saved);
    const rows = files.map(({ path, before }, i) => ({ path, saved: before === null ? null : String(i) }));
    // Times of files are as exact as the file system has them: a second, at worst.
    const journal: Journal = { files: rows, out, since: Math.floor(Date.now() / 1000) * 1000 };
    writeThrough(this.#path("journal.json"), JSON.stringify(journal));
    for (const [i, { path, text }] of files.entries()) {
      const place = join(this.tree, path);
      if (rows[i]?.saved !== null) renameSync(place, join(saved, String(i)));
      if (text === null) continue;
      mkdirSync(dirname(place), { recursive: true });
      writeFileSync(place, text, "latin1");
    }
  }

  /** Takes back what was swapped in, and removes what was built of it. Nothing to do: nothing happens. */
  recover(): void {
    const path = this.#path("journal.json");
    if (!existsSync(path)) return;
    let journal: Journal;
    try {
      journal = JSON.parse(readFileSync(path, "utf8")) as Journal;
    } catch {
      // Written in part: nothing was changed yet.
      rmSync(path, { force: true });
      return;
    }
    for (const { path: name, saved } of journal.files) {
      const place = join(this.tree, name);
      if (saved === null) rmSync(place, { force: true });
      else if (existsSync(join(this.folder, "saved", saved))) {
        rmSync(place, { force: true });
        renameSync(join(this.folder, "saved", saved), place);
      }
    }
    removeNewer(journal.out, journal.since, journal.out === this.tree ? isProductFile : () => true);
    rmSync(path, { force: true });
  }
}

/** Removes the files of a build that are not older than a time, and what kbuild noted of them. @param which by their paths */
function removeNewer(folder: string, since: number, which: (path: string) => boolean): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) removeNewer(path, since, which);
    else if (entry.isFile() && which(path) && statSync(path).mtimeMs >= since) rmSync(path, { force: true });
  }
}

/** Files below a folder. Links are not followed. */
export function filesBelow(folder: string): string[] {
  const found: string[] = [];
  const open = [""];
  for (let below = open.pop(); below !== undefined; below = open.pop()) {
    for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) open.push(path);
      else found.push(path);
    }
  }
  return found;
}

/** When a process started, as the kernel counts it; null where that is not told. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}

/** A file that is whole or absent; the lock's holder alone writes there, so that a draft which a killed run left is written over. */
export function writeThrough(path: string, text: string): void {
  const draft = `${path}.draft`;
  try {
    writeFileSync(draft, text);
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** Sets the times of a copy to those of its original. */
export const copyTimes = (from: string, to: string): void => {
  const { atime, mtime } = statSync(from);
  utimesSync(to, atime, mtime);
};
