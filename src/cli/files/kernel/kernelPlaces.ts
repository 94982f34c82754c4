// The files of a kernel that is named by its release, where distributions and kernel builds put them.

import { accessSync, closeSync, constants, openSync, readSync, type Stats, statSync } from "node:fs";
import { release as runningRelease } from "node:os";
import { join } from "node:path";
import { mayHoldCode } from "../../../elf/codeless.ts";
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
  if (isFolder(argument)) return placesOf(argument, folderPlaces(argument), [argument, join(argument, "kernel")]);
  if (argument === "-" || isFile(argument)) return null;
  const release = argument === "running" ? runningRelease() : argument;
  if (!/^\d+\.\d+[\w.+~-]*$/.test(release)) return null;
  const modules = moduleFolders(release).map((folder) => join(root, folder));
  const runs = root === "/" && release === runningRelease();
  return placesOf(release, releasePlaces(release, root, runs), modules);
}

/** Names of files, those of one kind together, the best one first. */
type Kinds = readonly (readonly string[])[];

function placesOf(name: string, kinds: Kinds, modules: readonly string[]): KernelPlaces {
  const there = kinds.map((paths) => paths.filter(isFile));
  const [all = [], maps = [], exports = [], configs = []] = there.map((paths) => paths.filter(isReadable));
  const images = all.filter(isKernel);
  const isList = (path: string): boolean => path.startsWith("/proc/") || (statOf(path)?.size ?? 0) >= LEAST_MAP;
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
  };
}

/** @param runs whether it is the kernel that runs here */
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
