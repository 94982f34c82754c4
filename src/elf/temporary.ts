// Files under names of their own beside their places, until they are whole. What a run that was killed left of them, the next one in the
// same folder takes away.

import { constants, openSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { finishStage } from "./moves.ts";

/**
 * Which processes a number can name: those of one boot and one namespace. A folder may be seen by several machines and containers, in each of
 * which the number is another's. Null where the system does not tell: then nothing is ever taken away.
 */
function namespaceName(): string | null {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").slice(0, 8);
    return `${boot}-${statSync("/proc/self/ns/pid").ino}`;
  } catch {
    return null;
  }
}

let knownSpace: string | null | undefined;
/** {@link namespaceName}, asked once: most runs write no file. */
function space(): string | null {
  if (knownSpace === undefined) knownSpace = namespaceName();
  return knownSpace;
}
const PREFIX = ".klplink-";
/** Names that are in use now. */
const own = new Set<string>();
let count = 0;

function newName(): string {
  const name = `${PREFIX}${space() ?? "x"}-${process.pid}-${count++}.tmp`;
  own.add(name);
  return name;
}

/** A name in `folder` for a file or folder that is to be renamed. {@link forget} it then. */
export const temporaryPath = (folder: string): string => join(folder, newName());

/** A new file in `folder`, open for writing. @throws the system's errors */
export function openTemporary(folder: string): { readonly fd: number; readonly path: string } {
  removeLeft(folder);
  for (let n = 0; ; n++) {
    const path = temporaryPath(folder);
    try {
      return { fd: openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600), path };
    } catch (error) {
      forget(path);
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || n >= 1000) throw error;
    }
  }
}

/** A temporary name is used no more. */
export const forget = (path: string): void => {
  own.delete(path.slice(path.lastIndexOf("/") + 1));
};

const LEFT = /^\.klplink-([0-9a-f]{8}-\d+)-(\d+)-\d+\.tmp$/;

/** Takes away what processes left in a folder that are no more; what they had begun to move into it is finished ({@link finishStage}). */
export function removeLeft(folder: string): void {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return;
  }
  for (const name of names) {
    const [, where, pid] = LEFT.exec(name) ?? [];
    if (where === undefined || where !== space() || own.has(name) || isAlive(Number(pid))) continue;
    try {
      finishStage(folder, join(folder, name));
    } catch {
      // Another user's, or taken away by another run.
    }
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Does work that must not end half-way: a signal that ends the process does so as soon as the work is done, and what it made is whole or gone.
 * The work waits for nothing.
 */
export function uninterrupted<T>(work: () => T): T {
  if (!isListening) {
    isListening = true;
    for (const signal of SIGNALS) process.on(signal, end);
    // Signals that came meanwhile are told before this runs.
    setImmediate(stop);
  }
  return work();
}

let isListening = false;

function stop(): void {
  isListening = false;
  for (const signal of SIGNALS) process.off(signal, end);
}

function end(signal: NodeJS.Signals): void {
  stop();
  process.kill(process.pid, signal);
}
