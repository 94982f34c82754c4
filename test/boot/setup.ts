// Before all boot tests: the kernel (from the cache, or built), the guest's init, and the modules.

import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { missing, mustRun } from "./run.ts";

export interface Lab {
  /** A folder of this run's own, removed at its end. */
  folder: string;
  vmlinux: string;
  systemMap: string;
  /** guest.c, compiled. */
  init: string;
  /** The folder with the modules as kbuild made them. */
  modules: string;
}

declare module "vitest" {
  export interface ProvidedContext {
    lab: Lab;
  }
}

const here = fileURLToPath(new URL(".", import.meta.url));
const cross = "powerpc64le-linux-gnu-";

export default async function setup(project: TestProject): Promise<() => void> {
  const kernel = await buildKernel();
  const folder = mkdtempSync(join(tmpdir(), "klplink-kernel-"));
  const tearDown = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const init = join(folder, "init");
    mustRun(`${cross}gcc`, ["-static", "-O2", "-Wall", "-Wextra", "-o", init, join(here, "guest.c")]);
    const modules = join(folder, "modules");
    cpSync(join(here, "modules"), modules, { recursive: true });
    // The warning option lets symbols through that vmlinux does not export.
    mustRun("make", [
      "-s",
      "-C",
      kernel,
      `M=${modules}`,
      "ARCH=powerpc",
      `CROSS_COMPILE=${cross}`,
      "KBUILD_MODPOST_WARN=1",
      "modules",
    ]);
    project.provide("lab", {
      folder,
      vmlinux: join(kernel, "vmlinux"),
      systemMap: join(kernel, "System.map"),
      init,
      modules,
    });
  } catch (error) {
    tearDown();
    throw error;
  }
  return tearDown;
}

/** The folder of the built kernel. Takes minutes when the cache has none. */
function buildKernel(): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("bash", [join(here, "build-kernel.sh")], { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (data: Buffer) => {
      out += data.toString();
    });
    child.on("error", (error) => reject(missing("bash", error)));
    child.on("close", (code) => {
      if (code === 0) resolve(out.trim());
      else reject(new Error(`build-kernel.sh: exit status ${String(code)}`));
    });
  });
}
