// Indexes of kernels in the user's cache folder, by content: a kernel is parsed once. What does not fit, or is damaged, is made again and
// nothing is said of it; where there is no such folder, all works without.

import { createHash } from "node:crypto";
import { closeSync, fstatSync, mkdirSync, readdirSync, readSync, rmSync, statSync, utimesSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { writeWhole } from "../../elf/output.ts";
import { InputError, openRegular, readRegular } from "../../elf/regularFile.ts";
import { Kernel, type KernelParts } from "../../kernel/kernel.ts";
import { isNamedAfter } from "../../kernel/package/contents.ts";
import { readStored, StoredError, writeStored } from "../../kernel/stored/stored.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../files/io.ts";
import { readParts } from "../files/kernel/kernel.ts";
import { type KernelPlaces, kernelPlaces, type RunningRelease } from "../files/kernel/kernelPlaces.ts";
import {
  folderModules,
  type KernelSource,
  type ModuleStore,
  modulesBeside,
  openKernelSource,
  PACKAGE_NAME,
  packagesIn,
} from "../files/kernel/kernelSources.ts";

declare const KLPLINK_BUILD: string;

/** Bytes that all indexes together may have, where nothing else is said; the ones that were used last are kept. */
const MOST_BYTES = 2 ** 31;

/** The same as the user has it: KLPLINK_CACHE_BYTES. @throws UsageError if that is no number */
export function indexLimit(env: Context["env"]): number {
  const given = env.KLPLINK_CACHE_BYTES;
  if (given === undefined || given === "") return MOST_BYTES;
  if (!/^\d{1,15}$/.test(given)) throw new UsageError(`KLPLINK_CACHE_BYTES: not a number of bytes: ${given}`);
  return Number(given);
}

/** The folder; null if there is no place for one. */
function indexFolder(env: Context["env"]): string | null {
  const given = env.XDG_CACHE_HOME;
  if (given !== undefined && isAbsolute(given)) return join(given, "klplink/kernels");
  const home = env.HOME ?? homedir();
  return isAbsolute(home) ? join(home, ".cache/klplink/kernels") : null;
}

/** A kernel, with the modules beside it. */
export interface FleetKernel {
  readonly kernel: Kernel;
  readonly stores: readonly ModuleStore[];
}

/** Opens a kernel by one argument, from the cache where that has it. @throws InputProblem, UsageError */
export const openFleetKernel = (argument: string, root: string, context: Context): Promise<FleetKernel> =>
  openIndexed([argument], root, context);

/**
 * As {@link openFleetKernel}, of several arguments that tell of one kernel together.
 * @throws InputProblem, UsageError
 */
export async function openIndexed(given: readonly string[], root: string, context: Context): Promise<FleetKernel> {
  const folder = indexFolder(context.env);
  const key = folder === null ? null : keyOf(given, root, context.version);
  const file = folder === null || key === null ? null : join(folder, key);
  const opened = given.map((argument) => new Opened(argument, root, context));
  const kept = file === null || key === null ? null : readKept(file, key);
  if (kept !== null && file !== null) {
    const running = opened.find((one) => one.running !== undefined)?.running;
    return { kernel: new Kernel({ ...kept, running }), stores: await storesOf(opened, file) };
  }
  const sources: KernelSource[] = [];
  for (const one of opened) sources.push(await one.source());
  const parts = await readParts(sources);
  const kernel = new Kernel(parts);
  // A package under another name is opened each time.
  const isKeepable = opened.every(({ place }, i) => place !== "none" || sources[i]?.modules === null);
  if (file === null || key === null || !isKeepable)
    return { kernel, stores: sources.flatMap(({ modules }) => (modules === null ? [] : [modules])) };
  keep(file, context, () => writeStored(parts, kernel, key));
  return { kernel, stores: await storesOf(opened, file) };
}

/** Where modules of a kernel are: nowhere, in a folder, or in a package. */
type ModulesPlace = "none" | "folder" | "package";

/** An argument, opened when it is needed. */
class Opened {
  readonly argument: string;
  readonly place: ModulesPlace;
  /** The release of the kernel, if it is named as one that runs: no index keeps what is true of a machine alone. */
  readonly running: RunningRelease | undefined;
  readonly context: Context;
  readonly #root: string;
  #source: Promise<KernelSource> | null = null;

  constructor(argument: string, root: string, context: Context) {
    this.argument = argument;
    this.#root = root;
    this.context = context;
    const places = kernelPlaces(argument, root);
    this.place = modulesPlace(argument, places);
    this.running = places?.running ?? undefined;
  }

  /** @throws InputProblem, UsageError */
  source(): Promise<KernelSource> {
    this.#source ??= openKernelSource(this.argument, this.#root, this.context);
    return this.#source;
  }
}

function modulesPlace(argument: string, places: KernelPlaces | null): ModulesPlace {
  if (places !== null) return places.files.length > 0 ? "folder" : "package";
  if (PACKAGE_NAME.test(argument)) return "package";
  return modulesBeside(argument).length > 0 ? "folder" : "none";
}

/** @param index the file in which the kernel is kept */
async function storesOf(opened: readonly Opened[], index: string): Promise<readonly ModuleStore[]> {
  const stores: ModuleStore[] = [];
  for (const [i, one] of opened.entries()) {
    if (one.place === "none") continue;
    const beside = one.place === "folder" ? modulesBeside(one.argument) : [];
    if (one.place === "package") stores.push(keptModules(i === 0 ? index : `${index}.${i}`, one));
    else if (beside.length > 0) stores.push(folderModules(beside, one.context));
    else {
      const { modules } = await one.source();
      if (modules !== null) stores.push(modules);
    }
  }
  return stores;
}

/** Smaller files are parsed as fast. */
const LEAST_BYTES = 1 << 20;
/** The first line of a list of symbols: parsed nearly as fast as its index is read. */
const LISTED = /^(?:0x)?[0-9a-f]{8,16}[ \t]/;

/** Whether it pays to keep what some arguments tell: their files are large, and not text. */
export function isWorthIndexing(given: readonly string[], root: string): boolean {
  try {
    const sizes = given.flatMap((argument) => filesOf(argument, root)).map(binarySize);
    return sizes.reduce((sum, size) => sum + size, 0) >= LEAST_BYTES;
  } catch {
    return false;
  }
}

/** Bytes of a regular file; 0 for one that is a list. @throws what the system says */
function binarySize(path: string): number {
  const fd = openRegular(path);
  try {
    const start = Buffer.alloc(20);
    readSync(fd, start, 0, start.length, 0);
    return LISTED.test(start.toString("latin1")) ? 0 : fstatSync(fd).size;
  } finally {
    closeSync(fd);
  }
}

/** What arguments stand for, by the content of all files that tell of it; null if they cannot be read, which opening them says. */
function keyOf(given: readonly string[], root: string, version: string): string | null {
  // Of another build of the same version, what it had read may be wrong.
  const hash = createHash("sha256").update(`klplink ${version} ${KLPLINK_BUILD}\0${given.join("\0")}\0`);
  try {
    for (const argument of given)
      for (const path of filesOf(argument, root)) hash.update(`${path}\0`).update(digestOf(path));
    return `${hash.digest("hex")}.index`;
  } catch {
    return null;
  }
}

const digestOf = (path: string): Buffer => createHash("sha256").update(readRegular(path).bytes).digest();

/** Files that tell of a kernel, but for its modules. */
function filesOf(argument: string, root: string): readonly string[] {
  const places = kernelPlaces(argument, root);
  if (places !== null && places.files.length > 0) return places.files;
  if (places !== null) return packagesIn(argument).filter((path) => !/modules/.test(path));
  const name = argument.replace(/^.*\//, "");
  // `6.12.117` of linux-image-6.12.117+deb13-amd64_6.12.117-1_amd64.deb
  const [number] = /\d+\.\d+(?:\.\d+)?/.exec(name) ?? [];
  if (number === undefined || !PACKAGE_NAME.test(name)) return [argument];
  const siblings = packagesIn(dirname(argument)).filter((path) => {
    const file = path.replace(/^.*\//, "");
    return file !== name && isNamedAfter(file, number) && !/dbg|debug|doc|modules/.test(file);
  });
  return [argument, ...siblings];
}

function readKept(file: string, key: string): KernelParts | null {
  try {
    const parts = readStored(readRegular(file).bytes, key);
    const now = new Date();
    utimesSync(file, now, now);
    return parts;
  } catch (error) {
    if (
      error instanceof StoredError ||
      error instanceof InputError ||
      (error as NodeJS.ErrnoException).code !== undefined
    )
      return null;
    throw error;
  }
}

/** Writes a file whole or not at all. */
function keep(file: string, { env }: Context, content: () => Uint8Array | null): void {
  const most = indexLimit(env);
  const bytes = content();
  if (bytes === null || bytes.length > most) return;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    if (statSync(file, { throwIfNoEntry: false })?.isFile() === false) return;
    writeWhole(file, bytes, 0o600);
    prune(dirname(file), most);
  } catch {
    // There is no such folder, or no room in it.
  }
}

/** Takes away what was not used for longest, until the rest is small enough; not what another run is writing, whose name begins with a dot. */
function prune(folder: string, most: number): void {
  const names = readdirSync(folder).filter((name) => !name.startsWith("."));
  const files = names.flatMap((name) => {
    const there = statSync(join(folder, name), { throwIfNoEntry: false });
    return there === undefined ? [] : [{ name, size: there.size, used: there.mtimeMs }];
  });
  let size = files.reduce((sum, f) => sum + f.size, 0);
  for (const { name, size: bytes } of files.sort((a, b) => a.used - b.used)) {
    if (size <= most) return;
    rmSync(join(folder, name), { force: true });
    size -= bytes;
  }
}

/** Modules out of a package, each kept beside the index once it was needed: the package is opened for a new one only. */
function keptModules(index: string, opened: Opened): ModuleStore {
  return {
    needs: () => [],
    find: async (module) => {
      const file = `${index}.${createHash("sha256").update(module).digest("hex").slice(0, 24)}`;
      const known = readModuleFile(file);
      if (known !== null) return known.bytes.length === 0 ? null : { name: known.name, read: async () => known.bytes };
      const { modules } = await opened.source();
      const found = modules === null ? null : await modules.find(module);
      const bytes = found === null ? new Uint8Array(0) : await found.read();
      keep(file, opened.context, () => moduleFile(found?.name ?? "", bytes));
      return found === null ? null : { name: found.name, read: async () => bytes };
    },
  };
}

/** SHA-256 of the rest, 32 bytes | length of the name, 4 bytes | name | the module. */
function moduleFile(name: string, bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(name);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  const rest = Buffer.concat([length, text, bytes]);
  return Buffer.concat([createHash("sha256").update(rest).digest(), rest]);
}

function readModuleFile(file: string): { readonly name: string; readonly bytes: Uint8Array } | null {
  let all: Buffer;
  try {
    const { bytes } = readRegular(file);
    all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  } catch {
    return null;
  }
  if (all.length < 36 || createHash("sha256").update(all.subarray(32)).digest().compare(all, 0, 32) !== 0) return null;
  const end = 36 + all.readUInt32LE(32);
  return { name: all.subarray(36, end).toString(), bytes: new Uint8Array(all.subarray(end)) };
}
