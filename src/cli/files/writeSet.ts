// Several files that belong together: all of them appear, or none.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { OutputError, reason } from "../../elf/output.ts";

export interface NamedFile {
  /** Path below the folder, with `/`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Writes files into a folder, which is made if it is not there. They are written beside their places first, then moved; if one cannot be
 * moved, those that were are taken back and what stood there before is put back.
 * @throws OutputError
 */
export function writeSet(folder: string, files: readonly NamedFile[]): void {
  const made = makeFolder(folder);
  let stage: string | null = null;
  try {
    stage = mkdtempSync(join(folder, ".klplink-"));
    for (const { name, bytes } of files) {
      mkdirSync(dirname(join(stage, "new", name)), { recursive: true });
      mkdirSync(dirname(join(stage, "old", name)), { recursive: true });
      writeFileSync(join(stage, "new", name), bytes);
      chmodSync(join(stage, "new", name), 0o644);
    }
    moveAll(folder, stage, files);
  } catch (error) {
    if (made !== null) rmSync(made, { recursive: true, force: true });
    throw error instanceof OutputError ? error : new OutputError(folder, reason(error));
  } finally {
    if (stage !== null) rmSync(stage, { recursive: true, force: true });
  }
}

/** Makes a folder and those above it; the topmost that was made, null if it was there. */
function makeFolder(folder: string): string | null {
  try {
    return mkdirSync(folder, { recursive: true }) ?? null;
  } catch (error) {
    const isFile = (error as NodeJS.ErrnoException).code === "EEXIST";
    throw new OutputError(folder, isFile ? "it is not a folder" : reason(error));
  }
}

function moveAll(folder: string, stage: string, files: readonly NamedFile[]): void {
  const undo: (() => void)[] = [];
  try {
    for (const { name } of files) {
      const target = join(folder, name);
      const parent = makeFolder(dirname(target));
      if (parent !== null) undo.push(() => rmSync(parent, { recursive: true, force: true }));
      if (existsSync(target)) {
        const old = join(stage, "old", name);
        renameSync(target, old);
        undo.push(() => renameSync(old, target));
      }
      renameSync(join(stage, "new", name), target);
      undo.push(() => rmSync(target, { force: true }));
    }
  } catch (error) {
    for (const step of undo.reverse()) step();
    throw error;
  }
}
