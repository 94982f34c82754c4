// The kernels that are installed, and what of each of them -k RELEASE finds.

import { readdirSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { kernelPlaces } from "../files/kernel/kernelPlaces.ts";

export interface KernelHere {
  /** The release: what -k takes. */
  readonly name: string;
  /** What was found of it: `kernel`, `map`, `symvers`, `config`, with its path. */
  readonly files: readonly string[];
  /** Paths that are there, but not for this user. */
  readonly forbidden: readonly string[];
  readonly modules: boolean;
  readonly runs: boolean;
}

/** @param root the top folder of this machine, or of a copy */
export function kernelsHere(root: string): KernelHere[] {
  const entries = (folder: string): string[] => {
    try {
      return readdirSync(join(root, folder));
    } catch {
      return [];
    }
  };
  const images = entries("boot").flatMap(
    (name) => /^(?:vmlinuz|vmlinux|Image|System\.map)-(\d.*)$/.exec(name)?.[1] ?? [],
  );
  const running = root === "/" ? release() : null;
  const releases = new Set([
    ...entries("lib/modules"),
    ...entries("usr/lib/modules"),
    ...images,
    ...(running === null ? [] : [running]),
  ]);
  return [...releases].sort().flatMap((name) => {
    const places = kernelPlaces(name, root);
    if (places === null) return [];
    const modules = places.modules.some((folder) => hasModules(folder));
    const here = {
      name,
      files: places.found.map(({ kind, path }) => `${kind} ${path}`),
      forbidden: places.forbidden,
      modules,
      runs: name === running,
    };
    return here.files.length === 0 && here.forbidden.length === 0 && !modules && !here.runs ? [] : [here];
  });
}

/** A folder of headers only has `build`, and no modules. */
function hasModules(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => ["kernel", "modules.dep", "extra", "updates"].includes(name));
  } catch {
    return false;
  }
}
