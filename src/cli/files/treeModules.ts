// The modules of a folder that is checked: each may need the others, or patch them.

import type { Kernel } from "../../kernel/kernel.ts";
import { normalModuleName } from "../../kernel/module/modinfo.ts";
import type { ModuleFile } from "../../kernel/module/moduleFile.ts";
import type { Context } from "../context.ts";
import { problemOf } from "../options.ts";
import { loadModule } from "./kernel.ts";

const KO = /\.ko(?:\.(?:gz|xz|zst))?$/;
/** Modules that are kept read: a few are needed by most (snd, drm, usbcore), and a tree has thousands. */
const KEPT = 24;

/** How many characters two paths have in common from the left. */
function common(a: string, b: string): number {
  let n = 0;
  while (n < a.length && a[n] === b[n]) n++;
  return n;
}

/** The modules among some files, by their names; read when they are asked for, and only a few at a time. */
export class TreeModules {
  readonly #context: Context;
  readonly #paths = new Map<string, string[]>();
  /** By path; the one that was asked for last stands last. Null: it cannot be read, which its own check says. */
  readonly #kept = new Map<string, ModuleFile | null>();

  constructor(files: readonly string[], context: Context) {
    this.#context = context;
    for (const path of files) {
      if (!KO.test(path)) continue;
      const name = normalModuleName(path.replace(/^.*\//, "").replace(KO, ""));
      const same = this.#paths.get(name);
      if (same === undefined) this.#paths.set(name, [path]);
      else same.push(path);
    }
  }

  /**
   * The kernel with those of the modules called `names` that it does not know yet.
   * @param user path of the file that needs them: of several of one name the nearest counts
   */
  async add(kernel: Kernel, names: Iterable<string>, user: string): Promise<Kernel> {
    const found: ModuleFile[] = [];
    for (const name of new Set(names)) {
      if (kernel.modules.has(name)) continue;
      let nearest: string | null = null;
      for (const path of this.#paths.get(name) ?? []) {
        if (path !== user && (nearest === null || common(path, user) > common(nearest, user))) nearest = path;
      }
      const module = nearest === null ? null : await this.#read(nearest);
      if (module?.name === name) found.push(module);
    }
    return found.length === 0 ? kernel : kernel.withModules(found);
  }

  async #read(path: string): Promise<ModuleFile | null> {
    let module = this.#kept.get(path);
    if (module === undefined) {
      try {
        module = await loadModule(path, undefined, this.#context);
      } catch (error) {
        if (problemOf(error) === null) throw error;
        module = null;
      }
    }
    this.#kept.delete(path);
    this.#kept.set(path, module);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return module;
  }
}
