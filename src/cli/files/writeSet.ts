// Several files that belong together: all of them appear, or none.

import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { moveAll, stagedPath } from "../../elf/moves.ts";
import { OutputError, reason } from "../../elf/output.ts";
import { forget, removeLeft, temporaryPath, uninterrupted } from "../../elf/temporary.ts";

export interface NamedFile {
  /** Path below the folder, with `/`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Writes files into a folder. One that is not there appears whole, with all of them, or not at all, whatever ends the run. In one that is,
 * they are written beside their places first, then moved; if one cannot be moved, those that were are taken back and what stood there
 * before is put back. A run that is killed meanwhile leaves it as it was, or to be finished by the next run that writes there.
 * @throws OutputError
 */
export function writeSet(folder: string, files: readonly NamedFile[]): void {
  uninterrupted(() => {
    if (existsSync(folder)) writeInto(folder, files);
    else writeNew(folder, files);
  });
}

function writeNew(folder: string, files: readonly NamedFile[]): void {
  const place = resolve(folder);
  const above = dirname(place);
  const made = makeFolder(above);
  removeLeft(above);
  const stage = temporaryPath(above);
  try {
    mkdirSync(stage);
    for (const { name, bytes } of files) writeOne(join(stage, name), bytes);
    renameSync(stage, place);
  } catch (error) {
    rmSync(stage, { recursive: true, force: true });
    if (made !== null) rmSync(made, { recursive: true, force: true });
    throw new OutputError(folder, reason(error));
  } finally {
    forget(stage);
  }
}

function writeInto(folder: string, files: readonly NamedFile[]): void {
  if (!statSync(folder).isDirectory()) throw new OutputError(folder, "it is not a folder");
  removeLeft(folder);
  const stage = temporaryPath(folder);
  try {
    mkdirSync(stage, 0o700);
    for (const { name, bytes } of files) writeOne(stagedPath(stage, name), bytes);
    moveAll(
      folder,
      stage,
      files.map(({ name }) => name),
    );
  } catch (error) {
    throw error instanceof OutputError ? error : new OutputError(folder, reason(error));
  } finally {
    rmSync(stage, { recursive: true, force: true });
    forget(stage);
  }
}

function writeOne(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  chmodSync(path, 0o644);
}

/** Makes a folder and those above it; the topmost that was made, null if it was there. @throws OutputError */
function makeFolder(folder: string): string | null {
  try {
    return makeParents(folder);
  } catch (error) {
    const isFile = (error as NodeJS.ErrnoException).code === "EEXIST";
    throw new OutputError(folder, isFile ? "a part of the path is not a folder" : reason(error));
  }
}

/** As mkdir -p. (mkdirSync's `recursive` never ends on /proc, which has each folder and makes none.) */
function makeParents(folder: string): string | null {
  try {
    mkdirSync(folder);
    return folder;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && statSync(folder).isDirectory()) return null;
    if (code !== "ENOENT" || dirname(folder) === folder || existsSync(dirname(folder))) throw error;
    const first = makeParents(dirname(folder));
    mkdirSync(folder);
    return first ?? folder;
  }
}
