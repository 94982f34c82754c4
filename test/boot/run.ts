// Programs that the boot tests start: each one named with the package that gives it, because a missing one is a failure.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export const repo = fileURLToPath(new URL("../../", import.meta.url));

const packages: Record<string, string> = {
  make: "make",
  "powerpc64le-linux-gnu-gcc": "gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross",
  "powerpc64le-linux-gnu-readelf": "binutils-powerpc64le-linux-gnu",
  "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
  "qemu-system-aarch64": "qemu-system-arm",
  "qemu-system-ppc64": "qemu-system-ppc",
  "qemu-system-x86_64": "qemu-system-x86",
  "llvm-strip": "llvm",
  "aarch64-linux-gnu-ld": "binutils-aarch64-linux-gnu",
  "x86_64-linux-gnu-ld": "binutils-x86-64-linux-gnu",
  "powerpc64le-linux-gnu-ld": "binutils-powerpc64le-linux-gnu",
};

export interface Ran {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end; throws only when it could not be started or was killed. */
export function run(command: string, args: readonly string[], cwd = repo): Ran {
  const result = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (result.error !== undefined) throw missing(command, result.error);
  if (result.status === null) throw new Error(`${command} ${args.join(" ")}: ended by ${String(result.signal)}`);
  return { status: result.status, stdout: result.stdout, stderr: result.stderr };
}

/** Runs a program that must succeed. */
export function mustRun(command: string, args: readonly string[], cwd = repo): string {
  const { status, stdout, stderr } = run(command, args, cwd);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: exit status ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** The error of a program that could not be started, with the package to install if that is why. */
export function missing(command: string, error: Error): Error {
  return (error as NodeJS.ErrnoException).code === "ENOENT" ? notFound(command) : error;
}

export function notFound(command: string): Error {
  const from = packages[command];
  return new Error(`${command} not found${from === undefined ? "" : `: apt-get install ${from}`}`);
}
