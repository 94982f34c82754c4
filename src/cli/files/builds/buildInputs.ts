// What `klplink build` looks for by itself: the configuration of a kernel, its Module.symvers, and modules that a patch changes.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { problem } from "../../../diag/catalogue.ts";
import { packingOf, unpack } from "../../../elf/containers/packed.ts";
import { isRegular } from "../../../elf/regularFile.ts";
import { findConfigText } from "../../../kernel/config.ts";
import { unwrapKernel } from "../../../kernel/image/wrapping/unwrap.ts";
import { normalModuleName } from "../../../kernel/module/modinfo.ts";
import type { Context } from "../../context.ts";
import { InputProblem, readUnpacked } from "../io.ts";
import { findModuleFiles, moduleFolders } from "../kernel/findModule.ts";
import { type FileKind, kernelPlaces } from "../kernel/kernelPlaces.ts";
import { openKernelSource, PACKAGE_NAME } from "../kernel/kernelSources.ts";

/** Files that -k names, folders and releases included. */
const kernelFiles = (kernels: readonly string[], root: string): string[] =>
  kernels.flatMap((argument) => kernelPlaces(argument, root)?.files ?? [argument]);

export interface FoundConfig {
  /** Where it was found, for messages. */
  readonly name: string;
  readonly text: string;
}

/**
 * The configuration: as given, else in the package that -k names, beside the kernel, in /boot, in the kernel itself (CONFIG_IKCONFIG), in the source.
 * @throws InputProblem KLP823
 */
export async function findConfigFile(
  given: string | undefined,
  {
    kernels,
    release,
    root,
    source,
  }: { kernels: readonly string[]; release: string | null; root: string; source: string },
  context: Context,
): Promise<FoundConfig> {
  if (given !== undefined) {
    const { bytes, name } = await readUnpacked(given, context);
    return checked(name, Buffer.from(bytes).toString("latin1"));
  }
  const packed = await inPackages("config", kernels, root, context);
  if (packed !== null) return checked(packed.name, Buffer.from(packed.bytes).toString("latin1"));
  const files = kernelFiles(kernels, root);
  const folders = kernels.filter((k) => kernelPlaces(k, root) !== null && existsSync(k));
  const beside = [...folders, ...files.map((file) => dirname(file))];
  const released =
    release === null
      ? []
      : [
          `boot/config-${release}`,
          `lib/modules/${release}/config`,
          `lib/modules/${release}/build/.config`,
          `usr/src/linux-headers-${release}/.config`,
        ].map((path) => join(root, path));
  const places = [
    ...beside.flatMap((f) => [
      join(f, ".config"),
      join(f, "build/.config"),
      ...(release === null ? [] : [join(f, `config-${release}`)]),
    ]),
    ...released,
  ];
  for (const place of places) if (isRegular(place)) return checked(place, readFileSync(place, "latin1"));
  for (const file of files) {
    const text = await configInside(file);
    if (text !== null) return checked(file, text);
  }
  const own = join(source, ".config");
  if (isRegular(own)) return checked(own, readFileSync(own, "latin1"));
  const why = "neither beside the kernel, nor in it, nor in the source";
  throw new InputProblem(problem("KLP823", { file: files[0] ?? source }, { why }));
}

/** A file of a kind in the packages that -k names; null: there is none. */
async function inPackages(
  kind: FileKind,
  kernels: readonly string[],
  root: string,
  context: Context,
): Promise<{ readonly name: string; readonly bytes: Uint8Array } | null> {
  for (const argument of kernels) {
    const places = kernelPlaces(argument, root);
    const isPackage = places === null ? PACKAGE_NAME.test(argument) : places.files.length === 0;
    if (!isPackage) continue;
    const { inputs } = await openKernelSource(argument, root, context);
    const input = inputs.find((i) => i.kind === kind);
    if (input !== undefined) return { name: input.name, bytes: await input.read() };
  }
  return null;
}

function checked(name: string, text: string): FoundConfig {
  if (/^CONFIG_\w+=/m.test(text)) return { name, text };
  throw new InputProblem(problem("KLP823", { file: name }, { why: "the file has no line CONFIG_NAME=…" }));
}

/** The configuration that a kernel holds packed between two marks (kernel/configs.c); null if it has none. */
async function configInside(path: string): Promise<string | null> {
  try {
    const bytes = readFileSync(path);
    const packing = packingOf(bytes);
    const { bytes: kernel } = await unwrapKernel(packing === null ? bytes : await unpack(bytes));
    const text = findConfigText([kernel]);
    return text === null ? null : Buffer.from(text).toString("latin1");
  } catch {
    return null;
  }
}

/** Text of the Module.symvers among the files that -k names, packages and those beside them included; null if none is. */
export async function findSymvers(kernels: readonly string[], root: string, context: Context): Promise<string | null> {
  const packed = await inPackages("symvers", kernels, root, context);
  if (packed !== null) return Buffer.from(packed.bytes).toString("latin1");
  for (const file of kernelFiles(kernels, root)) {
    if (!/symvers/i.test(file) || file === "-") continue;
    return Buffer.from((await readUnpacked(file, context)).bytes).toString("latin1");
  }
  return null;
}

/** The file of a module, as -m would name it: where modules of the release are, or below the folders of the kernel. Null: not found. */
export function findModuleFile(
  name: string,
  kernels: readonly string[],
  release: string | null,
  root: string,
): string | null {
  const places = kernels.flatMap((k) => kernelPlaces(k, root)?.modules ?? []);
  const released = release === null ? [] : moduleFolders(release).map((folder) => join(root, folder));
  const found = findModuleFiles(name, [...places, ...released])[0];
  if (found !== undefined) return found;
  for (const folder of places) {
    const path = searchBelow(folder, normalModuleName(name), 6);
    if (path !== null) return path;
  }
  return null;
}

function searchBelow(folder: string, name: string, depth: number): string | null {
  if (!existsSync(folder) || depth === 0) return null;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const found = entry.isDirectory() ? searchBelow(path, name, depth - 1) : null;
    if (found !== null) return found;
    const module = /^(.*)\.ko(?:\.(?:gz|xz|zst))?$/.exec(entry.name)?.[1];
    if (module !== undefined && normalModuleName(module) === name) return path;
  }
  return null;
}
