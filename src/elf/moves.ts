// Files that take their places in a folder together. They lie in a stage, a folder inside it, until all are whole; then a list of them is put
// beside them, and each is renamed. A run that is killed among the renames leaves the list: the next one that writes there finishes them.

import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, isAbsolute, join } from "node:path";

/** The list in a stage: a JSON array of names below the folder. */
const LIST = "moves.json";
/** Where the files lie in a stage, and where those that they replace go until the end. */
const NEW = "new";
const OLD = "old";

/** Where a file of a stage lies until it is moved. */
export const stagedPath = (stage: string, name: string): string => join(stage, NEW, name);

/**
 * Moves all files of a stage to their places. If one cannot be moved, those that were are taken back and what they replaced is put back.
 * @param names below the folder, with `/`
 * @throws the system's errors
 */
export function moveAll(folder: string, stage: string, names: readonly string[]): void {
  for (const name of names) {
    mkdirSync(dirname(join(stage, OLD, name)), { recursive: true });
    if (lstatSync(join(folder, name), { throwIfNoEntry: false })?.isDirectory() === true)
      throw new Error(`${name} in it is a folder`);
  }
  writeList(stage, names);
  const undo: (() => void)[] = [];
  try {
    for (const name of names) moveOne(folder, stage, name, undo);
  } catch (error) {
    for (const step of undo.reverse()) step();
    unlinkSync(join(stage, LIST));
    throw error;
  }
  unlinkSync(join(stage, LIST));
}

function moveOne(folder: string, stage: string, name: string, undo: (() => void)[]): void {
  const [target, staged, old] = [join(folder, name), stagedPath(stage, name), join(stage, OLD, name)];
  for (const made of makeParents(folder, name)) undo.push(() => rmdirSync(made));
  const replaces = lstatSync(target, { throwIfNoEntry: false }) !== undefined;
  if (replaces) {
    keepOld(target, old);
    undo.push(() => renameSync(old, target));
  }
  renameSync(staged, target);
  // Back to where it lay: a run that is killed now leaves what can be finished.
  undo.push(() => renameSync(target, staged));
}

/** A second name for a file, so that its place is never empty; where the file system has none, it is moved. */
function keepOld(target: string, old: string): void {
  try {
    linkSync(target, old);
  } catch {
    renameSync(target, old);
  }
}

/** Makes the folders above a file; those that were made, the topmost first. */
function makeParents(folder: string, name: string): string[] {
  const made: string[] = [];
  for (let at = name.indexOf("/"); at !== -1; at = name.indexOf("/", at + 1)) {
    const path = join(folder, name.slice(0, at));
    if (existsSync(path)) continue;
    mkdirSync(path);
    made.push(path);
  }
  return made;
}

function writeList(stage: string, names: readonly string[]): void {
  const draft = join(stage, `${LIST}.tmp`);
  const bytes = Buffer.from(JSON.stringify(names));
  const fd = openSync(draft, "wx", 0o600);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(draft, join(stage, LIST));
}

/**
 * Takes a stage away that a run left which is no more; if it was among the renames, they are finished first. One of another user, or that
 * others may write to, is not finished, and stays.
 * @throws the system's errors
 */
export function finishStage(folder: string, stage: string): void {
  const list = join(stage, LIST);
  const there = lstatSync(stage, { throwIfNoEntry: false });
  if (there?.isDirectory() === true && lstatSync(list, { throwIfNoEntry: false }) !== undefined) {
    if (there.uid !== process.geteuid?.() || (there.mode & 0o022) !== 0) return;
    for (const name of readList(list)) {
      const staged = stagedPath(stage, name);
      if (lstatSync(staged, { throwIfNoEntry: false }) === undefined) continue;
      makeParents(folder, name);
      renameSync(staged, join(folder, name));
    }
    unlinkSync(list);
  }
  rmSync(stage, { recursive: true, force: true });
}

function readList(path: string): string[] {
  const names: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (!Array.isArray(names)) throw new Error("no list of names");
  return names.filter(
    (name): name is string => typeof name === "string" && !isAbsolute(name) && !name.split("/").includes(".."),
  );
}
