// Builds and runs the programs of this folder: powerpc64le-linux-gnu-gcc, GNU binutils and qemu-ppc64le (user mode).

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const here = import.meta.dirname;
const root = join(here, "../..");
const CROSS = "powerpc64le-linux-gnu-";
/** As the kernel builds modules, and in source order (local.h). */
const FLAGS = [
  "-O2",
  "-mcpu=power8",
  "-pg",
  "-mprofile-kernel",
  "-fno-asynchronous-unwind-tables",
  "-fno-toplevel-reorder",
];

export interface Run {
  readonly status: number | null;
  readonly text: string;
}

function emulator(): string {
  const names = ["qemu-ppc64le", "qemu-ppc64le-static"];
  const found = (process.env.PATH ?? "")
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error("no qemu-ppc64le: install the package qemu-user-static");
  return found;
}

/** A folder for objects, and the tools that work in it. */
export class Lab {
  readonly folder = mkdtempSync(join(tmpdir(), "klplink-user-"));
  readonly #qemu = emulator();

  path(name: string): string {
    return join(this.folder, name);
  }

  tool(name: string, ...args: string[]): string {
    return execFileSync(CROSS + name, args, { cwd: this.folder, encoding: "utf8", maxBuffer: 1 << 28 });
  }

  /** Compiles or assembles a source of this folder into an object. */
  object(name: string, source: string, ...flags: string[]): string {
    this.tool("gcc", ...FLAGS, ...flags, "-c", join(here, source), "-o", name);
    return name;
  }

  program(name: string, ...parts: string[]): string {
    const full = parts.map((p) => (/\.[cS]$/.test(p) ? join(here, p) : p));
    this.tool("gcc", "-O1", "-static", "-mcpu=power8", ...full, "-o", name);
    return name;
  }

  klplink(...args: string[]): Run {
    const run = spawnSync(process.execPath, [join(root, "bin/klplink.js"), ...args], {
      cwd: this.folder,
      encoding: "utf8",
    });
    return { status: run.status, text: run.stdout + run.stderr };
  }

  run(program: string, ...args: string[]): Run {
    const run = spawnSync(this.#qemu, [`./${program}`, ...args], {
      cwd: this.folder,
      encoding: "utf8",
      timeout: 60_000,
    });
    return { status: run.status, text: run.stdout };
  }
}
