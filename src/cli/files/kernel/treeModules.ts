// The modules of a folder that is checked: each may need the others, or patch them.

import { UnpackPool } from "../../../elf/containers/budget.ts";
import { Kernel } from "../../../kernel/kernel.ts";
import { normalModuleName } from "../../../kernel/module/modinfo.ts";
import type { ModuleFile } from "../../../kernel/module/moduleFile.ts";
import { readPatches } from "../../../klp/patch/tables.ts";
import { KLP_SYMBOL_PREFIX, parseKlpSectionObject, parseKlpSymbol } from "../../../klp/symbols/names.ts";
import type { Subject } from "../../../passes/open.ts";
import { type Context, sharing } from "../../context.ts";
import { problemOf } from "../../options.ts";
import { loadExports, loadModule } from "./kernel.ts";

const KO = /\.ko(?:\.(?:gz|xz|zst))?$/;
/** Modules that are kept read: a few are needed by most (snd, drm, usbcore), and a tree has thousands. */
const KEPT = 24;

/** How many characters two paths have in common from the left. */
function common(a: string, b: string): number {
  let n = 0;
  while (n < a.length && a[n] === b[n]) n++;
  return n;
}

function put<K>(map: Map<K, string[]>, key: K, path: string): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [path]);
  else known.push(path);
}

/** What a file says: the module's name, and the names that it exports. One that exports nothing may be malformed elsewhere. */
export interface FileContents {
  readonly path: string;
  readonly name: string;
  readonly exports: readonly string[];
}

/** What the files themselves say: paths by the modules' names, and by what they export. */
export interface Contents {
  readonly names: ReadonlyMap<string, readonly string[]>;
  readonly exports: ReadonlyMap<string, readonly string[]>;
}

/**
 * The modules among some files. They are read when they are asked for, and only a few are kept; all of them are read once, where
 * one needs what no module has that it names.
 */
export class TreeModules {
  readonly #context: Context;
  readonly #count: number;
  /** Told which file is read, where all are. */
  readonly #show: (path: string) => void;
  readonly #ask: (() => Promise<Contents>) | null;
  /** By the names of the files. */
  readonly #paths = new Map<string, string[]>();
  #contents: Contents | null = null;
  /** By path; the one that was asked for last stands last. Null: it cannot be read, which its own check says. */
  readonly #kept = new Map<string, ModuleFile | null>();

  /** @param ask tells what all files say, where others have a part in reading them */
  constructor(
    files: readonly string[],
    context: Context,
    show: (path: string) => void = () => {},
    ask: (() => Promise<Contents>) | null = null,
  ) {
    this.#context = context;
    this.#count = files.length;
    this.#show = show;
    this.#ask = ask;
    for (const path of files) {
      if (KO.test(path)) put(this.#paths, normalModuleName(path.replace(/^.*\//, "").replace(KO, "")), path);
    }
  }

  /**
   * The kernel with the modules of the tree that one of them needs or patches, and that it does not know yet: those that it names, and
   * those that export what nothing else does. Of several of one name, or with one export, the nearest counts.
   * @param kernel null: nothing was given; it stays so where the tree has none of them either
   * @param user path of the file that needs them
   */
  async add(kernel: Kernel | null, subject: Subject, user: string): Promise<Kernel | null> {
    const found = new Map<string, ModuleFile>();
    const take = (module: ModuleFile | null): void => {
      if (module !== null && module.name !== subject.module) found.set(module.name, module);
    };
    for (const name of modulesNamedBy(subject, kernel)) {
      if (name !== subject.module && kernel?.modules.has(name) !== true) take(await this.#find(name, user));
    }
    for (const name of openNames(subject, withThose(kernel, found))) {
      // Most names are the kernel's own: nobody waits for those.
      const { exports } = this.#contents ?? (await this.#read());
      const paths = exports.get(name);
      if (paths === undefined || exportedBy(found, name)) continue;
      take(await this.#nearest(paths, user));
    }
    return withThose(kernel, found);
  }

  /** The module of a name: most files are called like their modules. */
  async #find(name: string, user: string): Promise<ModuleFile | null> {
    const byFile = nearestOf(this.#paths.get(name) ?? [], user);
    const module = byFile === null ? null : await this.#open(byFile);
    if (module?.name === name) return module;
    const { names } = await this.#read();
    return this.#nearest(names.get(name) ?? [], user);
  }

  /** The nearest of some files that can be read. */
  async #nearest(paths: readonly string[], user: string): Promise<ModuleFile | null> {
    for (let left = paths; ; ) {
      const nearest = nearestOf(left, user);
      const module = nearest === null ? null : await this.#open(nearest);
      if (nearest === null || module !== null) return module;
      left = left.filter((path) => path !== nearest);
    }
  }

  /** The modules' files, in the order in which they are read. */
  paths(): string[] {
    return [...this.#paths.values()].flat();
  }

  /** What one of them says; null if it cannot be read. */
  async contentsOf(path: string): Promise<FileContents | null> {
    const known = this.#kept.get(path);
    if (known === null) return null;
    if (known !== undefined) return { path, name: known.name, exports: [...known.exports.keys()] };
    const file = await this.#try(() => loadExports(path, this.#own()));
    return file === null ? null : { path, ...file };
  }

  /** Reads all modules, once. */
  async #read(): Promise<Contents> {
    if (this.#contents !== null) return this.#contents;
    if (this.#ask !== null) {
      this.#contents = await this.#ask();
      return this.#contents;
    }
    const all: (FileContents | null)[] = [];
    for (const path of this.paths()) {
      this.#show(path);
      all.push(await this.contentsOf(path));
    }
    this.#contents = merged(all);
    return this.#contents;
  }

  /** Each file has its part of what they share: it does not matter in which order they are read. */
  #own = (): Context => sharing(this.#context, new UnpackPool(this.#count));

  /** Null for a file that cannot be read. */
  async #try<T>(read: () => Promise<T>): Promise<T | null> {
    try {
      return await read();
    } catch (error) {
      if (problemOf(error) === null) throw error;
      return null;
    }
  }

  async #open(path: string): Promise<ModuleFile | null> {
    const known = this.#kept.get(path);
    const module = known === undefined ? await this.#try(() => loadModule(path, undefined, this.#own())) : known;
    this.#kept.delete(path);
    this.#kept.set(path, module);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return module;
  }
}

/** What all files say, in the order given. */
export function merged(all: readonly (FileContents | null)[]): Contents {
  const names = new Map<string, string[]>();
  const exports = new Map<string, string[]>();
  for (const file of all) {
    if (file === null) continue;
    put(names, file.name, file.path);
    for (const name of file.exports) put(exports, name, file.path);
  }
  return { names, exports };
}

function withThose(kernel: Kernel | null, found: ReadonlyMap<string, ModuleFile>): Kernel | null {
  if (found.size === 0) return kernel;
  const modules = [...found.values()];
  return kernel === null ? new Kernel({ modules }) : kernel.withModules(modules);
}

function exportedBy(modules: ReadonlyMap<string, ModuleFile>, name: string): boolean {
  for (const { exports } of modules.values()) if (exports.has(name)) return true;
  return false;
}

function nearestOf(paths: readonly string[], user: string): string | null {
  const [only = user] = paths;
  if (paths.length < 2) return only === user ? null : only;
  let nearest: string | null = null;
  for (const path of paths) {
    if (path !== user && (nearest === null || common(path, user) > common(nearest, user))) nearest = path;
  }
  return nearest;
}

/** Names of modules that a module says it needs loaded first, or patches, or that the kernel's lists name as owners of its symbols. */
export function modulesNamedBy({ file, modInfo, symbols, arch }: Subject, kernel: Kernel | null): Set<string> {
  const names = new Set(modInfo?.depends ?? []);
  for (const patch of readPatches(file, symbols, arch.absolute)) for (const { name } of patch.objects) names.add(name);
  for (let i = 1; i < file.sections.count; i++) {
    const object = parseKlpSectionObject(file.sections.name(i));
    if (object !== null) names.add(object);
  }
  for (let i = 1; i < symbols.count; i++) {
    // Names of most symbols are not needed here, nor elsewhere.
    const isKlp = symbols.nameStartsWith(i, KLP_SYMBOL_PREFIX);
    if (!isKlp && (kernel === null || !symbols.isUndefined(i))) continue;
    const name = symbols.name(i);
    const object = isKlp ? parseKlpSymbol(name)?.object : undefined;
    if (object !== undefined) names.add(object);
    else if (kernel !== null && symbols.isUndefined(i) && name !== "" && !kernel.exports(name)) {
      for (const { module } of kernel.modulesWith(name)) names.add(module);
    }
  }
  names.delete("vmlinux");
  return names;
}

/** Undefined symbols that neither vmlinux has, as far as that is known, nor a module exports that is. */
function* openNames({ symbols, arch }: Subject, kernel: Kernel | null): Generator<string> {
  const isKnown = (name: string): boolean =>
    kernel !== null &&
    (kernel.exports(name) ||
      kernel.find(name).some((s) => s.letter !== s.letter.toLowerCase()) ||
      kernel.modulesWith(name).some((o) => o.exported && kernel.modules.has(o.module)));
  const own = arch.hasToc ? new Set([".TOC.", "TOC."]) : new Set<string>();
  for (let i = 1; i < symbols.count; i++) {
    if (!symbols.isUndefined(i)) continue;
    const name = symbols.name(i);
    if (name === "" || own.has(name) || name.startsWith(KLP_SYMBOL_PREFIX)) continue;
    if (!isKnown(name)) yield name;
  }
}
