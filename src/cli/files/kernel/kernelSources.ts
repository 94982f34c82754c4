// What an argument of -k stands for: a file, a package with those beside it, or the files of a release; and where its modules are.

import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { problem } from "../../../diag/catalogue.ts";
import { UnpackBudget } from "../../../elf/containers/budget.ts";
import { OtherPackedError } from "../../../elf/containers/otherPackings.ts";
import { PackedError, unpack } from "../../../elf/containers/packed.ts";
import { ElfError } from "../../../elf/error.ts";
import { unwrapKernel } from "../../../kernel/image/wrapping/unwrap.ts";
import { ArchiveError, type ArchiveFile } from "../../../kernel/package/archive.ts";
import { contentsOf, isNamedAfter, type PackageContents } from "../../../kernel/package/contents.ts";
import { openPackage, type PackageKind } from "../../../kernel/package/open.ts";
import { SymbolListError } from "../../../kernel/symbols/parseSymbols.ts";
import { InputProblem, packedProblem, readInput, readUnpacked, type Standard } from "../io.ts";
import { ModuleFolders, moduleFolders } from "./findModule.ts";
import { type FileKind, kernelPlaces, type RunningRelease } from "./kernelPlaces.ts";

/** A file about a kernel. */
export interface KernelInput {
  /** What it was taken for; null: its content decides. */
  readonly kind: FileKind | null;
  /** For messages: its path, `PACKAGE: FILE IN IT`. */
  readonly name: string;
  /** Its bytes, out of all that they are packed and wrapped in. @throws InputProblem */
  readonly read: () => Promise<Uint8Array>;
}

/** The file of a module. */
export interface FoundModule {
  readonly name: string;
  readonly read: () => Promise<Uint8Array>;
}

/** The modules of a kernel. */
export interface ModuleStore {
  /** The file of a module by its name; null if there is none. @throws InputProblem */
  readonly find: (module: string) => Promise<FoundModule | null>;
  /** Modules that are loaded before one, by modules.dep; empty if that does not say. */
  readonly needs: (module: string) => readonly string[];
}

/** All that one argument of -k stands for. */
export interface KernelSource {
  /** The argument. */
  readonly name: string;
  readonly inputs: readonly KernelInput[];
  /** Null: it has no modules. */
  readonly modules: ModuleStore | null;
  /** Whether the files were found, and not given: what was taken is then worth a word. */
  readonly isFound: boolean;
  /** The release of the kernel, if it is named as one that runs. */
  readonly running?: RunningRelease;
}

/** How files of packages are called. */
export const PACKAGE_NAME = /\.(?:deb|rpm|pkg\.tar(?:\.\w+)?|tar(?:\.\w+)?)$/;

/** @param root where the files of a release are looked for @throws InputProblem, UsageError */
export async function openKernelSource(argument: string, root: string, context: Standard): Promise<KernelSource> {
  const places = kernelPlaces(argument, root);
  if (places === null) return openFile(argument, context);
  if (places.files.length === 0) {
    const [forbidden] = places.forbidden;
    if (forbidden !== undefined)
      throw new InputProblem(problem("KLP104", { file: forbidden }, { why: "permission denied", code: "EACCES" }));
    const inside = packagesIn(argument);
    if (inside.length > 0) return { ...(await openFirst(inside, context)), name: argument };
    const what = "no file of such a kernel was found: vmlinux, vmlinuz, System.map, Module.symvers";
    throw new InputProblem(problem("KLP109", { file: argument }, { what }));
  }
  const inputs = places.found.map(({ kind, path }) => ({ kind, name: path, read: () => readPath(path, context) }));
  const { running } = places;
  const modules = folderModules(places.modules, context);
  return { name: argument, inputs, modules, isFound: true, ...(running === null ? {} : { running }) };
}

/** The modules below some folders, the first one first. */
export function folderModules(folders: readonly string[], context: Standard): ModuleStore {
  const below = new ModuleFolders(folders);
  return {
    find: async (module) => {
      const [path] = below.files(module);
      return path === undefined ? null : { name: path, read: async () => (await readUnpacked(path, context)).bytes };
    },
    needs: (module) => below.needs(module),
  };
}

/** Folders of the modules that belong to a kernel in a folder `boot`, by its name: beside that folder. */
export function modulesBeside(path: string): string[] {
  const [, above, release] = /^(.*?)boot\/(?:vmlinu[xz]|Image)-([^/]+)$/.exec(path) ?? [];
  if (above === undefined || release === undefined) return [];
  return moduleFolders(release)
    .map((folder) => `${above}${folder.slice(1)}`)
    .filter((folder) => statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true);
}

/** Packages of a folder, by their names. */
export function packagesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => PACKAGE_NAME.test(name))
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** The first of a folder's packages that has a kernel; of several, one has to be named. */
async function openFirst(paths: readonly string[], context: Standard): Promise<KernelSource> {
  const [first = ""] = paths;
  const named = paths.filter((path) => KERNEL_PACKAGE.test(path.replace(/^.*\//, "")));
  return openFile(named[0] ?? first, context);
}

/** Names of packages that may hold a kernel, its modules, or what modules are built with: none else is opened. */
const KERNEL_PACKAGE = /^(?!.*(?:dbg|debug|doc|headers|devel|source|tools|modules))/;
const MODULE_PACKAGE = /^(?!.*(?:dbg|debug|doc|headers|devel|source|tools))/;
const HEADER_PACKAGE = /^(?!.*(?:dbg|debug|doc)).*(?:headers|devel)/;

async function openFile(path: string, context: Standard): Promise<KernelSource> {
  const { name, bytes } = await readInput(path, context);
  const budget = new UnpackBudget(bytes);
  const plain = await packedIn(name, bytes, budget);
  const opened = await open(name, bytes, plain);
  if (opened !== null) return packageSource(path, opened, context);
  const read = (): Promise<Uint8Array> => unwrapped(name, () => plain, budget);
  const folders = modulesBeside(path);
  const modules = folders.length === 0 ? null : folderModules(folders, context);
  return { name: path, inputs: [{ kind: null, name, read }], modules, isFound: false };
}

/** A package with what of a kernel is in it. */
interface Opened {
  readonly path: string;
  readonly kind: PackageKind;
  readonly contents: PackageContents;
  readonly budget: UnpackBudget;
}

/** Null if it is not a package. @param plain its bytes without the packing of the whole @throws InputProblem */
async function open(
  path: string,
  bytes: Uint8Array,
  plain: Uint8Array,
  release: string | null = null,
): Promise<Opened | null> {
  try {
    const found = await openPackage(bytes, plain);
    if (found === null) return null;
    return { path, kind: found.kind, contents: contentsOf(found.files, release), budget: found.budget };
  } catch (error) {
    if (error instanceof ArchiveError)
      throw new InputProblem(problem("KLP119", { file: path, fileOffset: error.offset }, { what: error.message }));
    if (error instanceof PackedError && error.limit !== null) throw kernelProblem(path, error);
    if (error instanceof PackedError || error instanceof OtherPackedError)
      throw new InputProblem(problem("KLP119", { file: path }, { what: error.message }));
    throw error;
  }
}

/** Opens packages that lie beside one and are of the same release, each once, when something of them is needed. */
class Siblings {
  readonly #own: Opened;
  readonly #context: Standard;
  readonly #opened = new Map<string, Promise<Opened | null>>();

  constructor(own: Opened, context: Standard) {
    this.#own = own;
    this.#context = context;
  }

  /** Those whose names say that they may have it, the package itself first. */
  async *matching(names: RegExp): AsyncGenerator<Opened> {
    yield this.#own;
    const { release } = this.#own.contents;
    if (release === null) return;
    for (const path of packagesIn(dirname(this.#own.path))) {
      const file = path.replace(/^.*\//, "");
      if (path === this.#own.path || !names.test(file) || !isNamedAfter(file, release)) continue;
      let known = this.#opened.get(path);
      if (known === undefined) {
        known = readUnpacked(path, this.#context).then(({ bytes, packed }) => open(path, packed, bytes, release));
        this.#opened.set(path, known);
      }
      const sibling = await known;
      if (sibling !== null) yield sibling;
    }
  }

  async find(
    names: RegExp,
    pick: (contents: PackageContents) => ArchiveFile | null,
  ): Promise<{ in: Opened; file: ArchiveFile } | null> {
    for await (const opened of this.matching(names)) {
      const file = pick(opened.contents);
      if (file !== null) return { in: opened, file };
    }
    return null;
  }
}

async function packageSource(argument: string, own: Opened, context: Standard): Promise<KernelSource> {
  const siblings = new Siblings({ ...own, path: argument }, context);
  const kernel = await siblings.find(KERNEL_PACKAGE, (c) => c.kernel ?? c.map);
  if (kernel === null) {
    const { release, modules, symvers } = own.contents;
    const has = modules.size > 0 ? "modules" : symvers !== null ? "headers" : "nothing";
    throw new InputProblem(problem("KLP118", { file: own.path }, { release, kind: own.kind, has }));
  }
  const symvers = await siblings.find(HEADER_PACKAGE, (c) => c.symvers);
  const config = await siblings.find(HEADER_PACKAGE, (c) => c.config);
  const input = (kind: FileKind, found: { in: Opened; file: ArchiveFile } | null): KernelInput[] => {
    if (found === null) return [];
    const name = `${found.in.path}: ${found.file.name}`;
    return [{ kind, name, read: () => unwrapped(name, () => found.file.bytes, found.in.budget) }];
  };
  const modules: ModuleStore = {
    find: async (module) => {
      const found = await siblings.find(MODULE_PACKAGE, (c) => c.modules.get(module.replaceAll("-", "_")) ?? null);
      if (found === null) return null;
      const name = `${found.in.path}: ${found.file.name}`;
      return { name, read: () => packedIn(name, found.file.bytes, found.in.budget) };
    },
    // depmod makes the list where the package is installed.
    needs: () => [],
  };
  const kernelKind = kernel.file === kernel.in.contents.kernel ? "kernel" : "map";
  const inputs = [...input(kernelKind, kernel), ...input("symvers", symvers), ...input("config", config)];
  return { name: argument, inputs, modules, isFound: true };
}

async function readPath(path: string, context: Standard): Promise<Uint8Array> {
  const { name, bytes } = await readInput(path, context);
  return unwrapped(name, () => bytes, new UnpackBudget(bytes));
}

/** Out of what a kernel is packed and wrapped in. @throws InputProblem */
async function unwrapped(name: string, bytes: () => Uint8Array, budget: UnpackBudget): Promise<Uint8Array> {
  try {
    return (await unwrapKernel(bytes(), budget)).bytes;
  } catch (error) {
    throw kernelProblem(name, error);
  }
}

async function packedIn(name: string, bytes: Uint8Array, budget: UnpackBudget): Promise<Uint8Array> {
  try {
    return await unpack(bytes, null, budget);
  } catch (error) {
    throw kernelProblem(name, error);
  }
}

/** The problem that an error stands for which a file about a kernel led to; other errors come back as they are. */
export function kernelProblem(file: string, error: unknown): unknown {
  if (error instanceof SymbolListError)
    return new InputProblem(problem("KLP109", { file, line: error.line }, { what: error.what }));
  if (error instanceof PackedError) return packedProblem(file, error);
  if (error instanceof OtherPackedError) return new InputProblem(problem("KLP109", { file }, { what: error.message }));
  if (!(error instanceof ElfError)) return error;
  return new InputProblem(problem("KLP109", { file, fileOffset: error.offset }, { what: error.what }));
}
