// Two compiles of files that are built into a kernel: as they are, and changed.

import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ArchName } from "../capture.ts";
import { mustRun, run } from "../run.ts";

/** A private copy of a kernel's source, to be changed and compiled from. */
export class KernelSource {
  /** The copy. */
  readonly folder: string;
  /** The folder with the Module.symvers of the kernel that the source is of. */
  readonly target: string;
  readonly #make: readonly string[];

  /** @param kernel as prepare-source.sh calls it @param folder for the copy, which must not exist */
  constructor(kernel: ArchName | "x86_64-own", folder: string) {
    const prepared = mustRun("bash", ["test/boot/prepare-source.sh", kernel]).trim();
    mkdirSync(dirname(folder), { recursive: true });
    // Hard links, where the file system has both; of what make writes to in place, a copy.
    if (run("cp", ["-al", prepared, folder]).status !== 0) {
      rmSync(folder, { recursive: true, force: true });
      mustRun("cp", ["-a", prepared, folder]);
    } else {
      rmSync(join(folder, "build"), { recursive: true });
      mustRun("cp", ["-a", join(prepared, "build"), folder]);
    }
    this.folder = folder;
    this.target = join(folder, "target");
    this.#make = readFileSync(join(folder, "make.args"), "latin1").split("\n").filter(Boolean);
  }

  /** The text of a file. @param path without ".c" */
  read(path: string): string {
    return readFileSync(join(this.folder, `${path}.c`), "latin1");
  }

  /** Takes the place of a file, which is removed first: it may be a link to the one in the cache. */
  write(path: string, text: string): void {
    const file = join(this.folder, `${path}.c`);
    rmSync(file);
    writeFileSync(file, text, "latin1");
  }

  /** Compiles files, and copies the objects. @param paths without ".c" @returns each one's object, by path */
  compile(paths: readonly string[], to: string): Map<string, string> {
    mustRun("make", ["-s", "-C", this.folder, "O=build", ...this.#make, ...paths.map((path) => `${path}.o`)]);
    mkdirSync(to, { recursive: true });
    return new Map(
      paths.map((path) => {
        const object = join(to, `${path.replaceAll("/", "-")}.o`);
        if (existsSync(object)) throw new Error(`${object} is there already`);
        copyFileSync(join(this.folder, "build", `${path}.o`), object);
        return [path, object];
      }),
    );
  }
}

/** A source with texts in it changed, each of which is there once. */
export function edited(source: string, edits: readonly (readonly [from: string, to: string])[]): string {
  let text = source;
  for (const [from, to] of edits) {
    if (text.split(from).length !== 2) throw new Error(`not once in the source: ${from}`);
    text = text.replace(from, () => to);
  }
  return text;
}
