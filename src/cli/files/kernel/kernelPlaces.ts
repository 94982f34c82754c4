// The files of a kernel that is named by its release, where distributions and kernel builds put them.

import { accessSync, closeSync, constants, openSync, readSync, type Stats, statSync } from "node:fs";
import { release as runningRelease } from "node:os";
import { join } from "node:path";
import { latin1 } from "../../../base/bytes.ts";
import { mayHoldCode } from "../../../elf/codeless.ts";
import { openRegular } from "../../../elf/regularFile.ts";
import { moduleFolders } from "./findModule.ts";

/** What a file tells: the kernel itself, a list of its symbols, of all exports, or how it was configured. */
export type FileKind = "kernel" | "map" | "symvers" | "config";

/** What was found of a kernel. */
export interface KernelPlaces {
  /** The release, or the folder that was named. */
  readonly name: string;
  /** Files for -k, the best of each kind. */
  readonly files: readonly string[];
  /** The same, each with what it was taken for. */
  readonly found: readonly { readonly kind: FileKind; readonly path: string }[];
  /** Files that are there and may not be read. */
  readonly forbidden: readonly string[];
  /** Where its modules are, the first one first. */
  readonly modules: readonly string[];
  /** Its release, if it runs the system that its files are of; else null. */
  readonly running: RunningRelease | null;
}

/** The release of a kernel that runs, and the file that tells it; `uname` where none does. */
export interface RunningRelease {
  readonly release: string;
  readonly source: string;
}

/** A System.map below this is only a note that the list is elsewhere (Debian), bytes. */
const LEAST_MAP = 4096;

/** Null: there is nothing, or it cannot be looked at, as where a part of the path is no folder. */
function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}
const isFolder = (path: string): boolean => statOf(path)?.isDirectory() === true;
const isFile = (path: string): boolean => statOf(path)?.isFile() === true;

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Not the vmlinux of a linux-headers package, which has the kernel's types alone. */
function isKernel(path: string): boolean {
  try {
    const file = openSync(path, "r");
    try {
      return mayHoldCode((size, at) => {
        const bytes = new Uint8Array(size);
        return bytes.subarray(0, readSync(file, bytes, 0, size, at));
      });
    } finally {
      closeSync(file);
    }
  } catch {
    // What is wrong with it is said when it is read.
    return true;
  }
}

/**
 * The files of the kernel that an argument names: a release (`6.12.95+deb12-amd64`), `running`, a build folder, or a folder of modules.
 * @param root where the other system's files lie; "/" for this one
 * @returns null if the argument is the path of a file, there or not
 */
export function kernelPlaces(argument: string, root: string): KernelPlaces | null {
  if (isFolder(argument)) return placesOf(argument, folderPlaces(argument), [argument, join(argument, "kernel")], null);
  if (argument === "-" || isFile(argument)) return null;
  const there = argument === "running" || RELEASE.test(argument) ? runningIn(root) : null;
  const release = argument === "running" ? (there?.release ?? runningRelease()) : argument;
  if (!RELEASE.test(release)) return null;
  const modules = moduleFolders(release).map((folder) => join(root, folder));
  const running = there?.release === release ? there : null;
  return placesOf(release, releasePlaces(release, root, running !== null), modules, running);
}

const RELEASE = /^\d+\.\d+[\w.+~-]*$/;

/** The kernel that runs the system below a folder, as its /proc tells; null: it has none, as a system has that does not run. */
function runningIn(root: string): RunningRelease | null {
  const [release, version] = ["proc/sys/kernel/osrelease", "proc/version"].map((path) => join(root, path));
  for (const [source = "", form] of [
    [release, /^(\S{1,64})$/],
    [version, /^Linux version (\S{1,64}) /],
  ] as const) {
    const found = form.exec(firstLine(source))?.[1];
    if (found !== undefined && RELEASE.test(found)) return { release: found, source };
  }
  return root === "/" ? { release: runningRelease(), source: "uname" } : null;
}

/** The first line of a file, as far as it is of use; empty if it cannot be read. */
function firstLine(path: string): string {
  try {
    const file = openRegular(path);
    try {
      const bytes = new Uint8Array(MOST_OF_LINE);
      return latin1(bytes, 0, readSync(file, bytes, 0, bytes.length, 0)).split("\n", 1)[0] ?? "";
    } finally {
      closeSync(file);
    }
  } catch {
    return "";
  }
}

/** Bytes: a release has 64 at most (struct new_utsname). */
const MOST_OF_LINE = 256;

/** Names of files, those of one kind together, the best one first. */
type Kinds = readonly (readonly string[])[];

/** What the kernel makes up states no size. */
const isOfProc = (path: string): boolean => /(?:^|\/)proc\/kallsyms$/.test(path);

function placesOf(
  name: string,
  kinds: Kinds,
  modules: readonly string[],
  running: RunningRelease | null,
): KernelPlaces {
  const there = kinds.map((paths) => paths.filter(isFile));
  const [all = [], maps = [], exports = [], configs = []] = there.map((paths) => paths.filter(isReadable));
  const images = all.filter(isKernel);
  const isList = (path: string): boolean => isOfProc(path) || (statOf(path)?.size ?? 0) >= LEAST_MAP;
  // What an image tells, a list need not.
  const symbols = images.length > 0 ? images[0] : maps.find(isList);
  const best: readonly (readonly [FileKind, string | undefined])[] = [
    [images.length > 0 ? "kernel" : "map", symbols],
    ["symvers", exports[0]],
    ["config", configs[0]],
  ];
  const found = best.flatMap(([kind, path]) => (path === undefined ? [] : [{ kind, path }]));
  // How it was configured is of no use without the rest.
  const isKnown = found.some(({ kind }) => kind !== "config");
  const files = isKnown ? found.map(({ path }) => path) : [];
  return {
    name,
    files,
    found: isKnown ? found : [],
    forbidden: there.flat().filter((path) => !isReadable(path)),
    modules,
    running,
  };
}

/** @param runs whether it is the kernel that runs there */
function releasePlaces(release: string, root: string, runs: boolean): Kinds {
  const at = (paths: readonly string[]): string[] => paths.map((path) => join(root, path));
  const modules = [`lib/modules/${release}`, `usr/lib/modules/${release}`];
  return [
    at([
      `usr/lib/debug/boot/vmlinux-${release}`,
      `usr/lib/debug/lib/modules/${release}/vmlinux`,
      ...modules.map((folder) => `${folder}/build/vmlinux`),
      `boot/vmlinux-${release}`,
      `boot/vmlinuz-${release}`,
      ...modules.map((folder) => `${folder}/vmlinuz`),
      `boot/Image-${release}`,
    ]),
    at([
      `boot/System.map-${release}`,
      ...modules.flatMap((folder) => [`${folder}/System.map`, `${folder}/build/System.map`]),
      ...(runs ? ["proc/kallsyms"] : []),
    ]),
    at([
      ...modules.flatMap((folder) => [
        `${folder}/build/Module.symvers`,
        `${folder}/symvers.gz`,
        `${folder}/symvers.xz`,
      ]),
      `usr/src/linux-headers-${release}/Module.symvers`,
      `boot/symvers-${release}.gz`,
      `boot/symvers-${release}.xz`,
    ]),
    at([
      `boot/config-${release}`,
      ...modules.flatMap((folder) => [`${folder}/config`, `${folder}/build/.config`]),
      `usr/src/linux-headers-${release}/.config`,
      ...(runs ? ["proc/config.gz"] : []),
    ]),
  ];
}

function folderPlaces(folder: string): Kinds {
  const at = (paths: readonly string[]): string[] => paths.map((path) => join(folder, path));
  return [
    at(["vmlinux", "vmlinuz", "arch/arm64/boot/Image", "arch/x86/boot/bzImage", "build/vmlinux"]),
    at(["System.map", "build/System.map"]),
    at(["Module.symvers", "build/Module.symvers", "symvers.gz", "symvers.xz"]),
    at([".config", "config", "build/.config"]),
  ];
}
