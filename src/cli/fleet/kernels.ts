// The kernels that --against names: releases, files, packages, and folders of these.

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { problem } from "../../diag/catalogue.ts";
import { InputProblem } from "../files/io.ts";
import { kernelPlaces } from "../files/kernel/kernelPlaces.ts";

const BOOTABLE = /^(?:vmlinu[xz]|Image|bzImage)(?:[-.].*)?$/;
/** Packages that hold a kernel: those of its modules and headers lie beside it. */
const PACKAGE =
  /^(?!.*(?:dbg|debug|doc|headers|devel|source|tools|modules)).*\.(?:deb|rpm|pkg\.tar(?:\.\w+)?|tar\.\w+)$/;

/**
 * One argument a kernel, in their order. A folder that is a kernel's own (a build folder, a folder of modules) is one; of any other one,
 * all kernels, packages and kernels' folders in it count, and the releases in a folder that has boot or lib/modules.
 * @throws InputProblem KLP851 if a folder has none
 */
export function expandKernels(args: readonly string[], root: string): string[] {
  const found = args.flatMap((argument) => {
    if (statSync(argument, { throwIfNoEntry: false })?.isDirectory() !== true) return [argument];
    const inside = kernelsIn(argument, root);
    if (inside.length === 0) throw new InputProblem(problem("KLP851", { file: argument }, {}));
    return inside;
  });
  return [...new Set(found)];
}

function kernelsIn(folder: string, root: string): string[] {
  if ((kernelPlaces(folder, root)?.files.length ?? 0) > 0) return [folder];
  const boots = readBoot(folder);
  if (boots.length > 0) return boots;
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
    if (isFile) return BOOTABLE.test(entry.name) || PACKAGE.test(entry.name) ? [path] : [];
    if (!entry.isDirectory()) return [];
    const isKernel = (kernelPlaces(path, root)?.files.length ?? 0) > 0;
    const inside = readBoot(path);
    return isKernel ? [path] : inside.length > 0 ? inside : packagesOf(path);
  });
}

const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
};

/** Kernels in the folder `boot` of another system's root. */
const readBoot = (folder: string): string[] =>
  namesIn(join(folder, "boot"))
    .filter((name) => BOOTABLE.test(name))
    .map((name) => join(folder, "boot", name));

const packagesOf = (folder: string): string[] =>
  namesIn(folder)
    .filter((name) => PACKAGE.test(name))
    .map((name) => join(folder, name));
