// Modules of the kernel that a checked module needs or patches, taken from where the kernel's modules are.

import type { Kernel } from "../../../kernel/kernel.ts";
import type { ModuleFile } from "../../../kernel/module/moduleFile.ts";
import type { Subject } from "../../../passes/open.ts";
import { problemOf } from "../../options.ts";
import { findModule, readModule } from "./kernel.ts";
import type { ModuleStore } from "./kernelSources.ts";
import { modulesNamedBy } from "./treeModules.ts";

/** Modules that are kept read. */
const KEPT = 24;

/** The modules of one kernel; each is read when it is first needed. */
export class KernelModules {
  readonly #stores: readonly ModuleStore[];
  /** By name; null: there is none, or it cannot be read. */
  readonly #kept = new Map<string, ModuleFile | null>();

  constructor(stores: readonly ModuleStore[]) {
    this.#stores = stores;
  }

  /**
   * The kernel with the modules that one names (`depends=`, objects that it patches) or that modules.dep has for it, as far as the
   * kernel has them. The list says what modprobe loads before it, and the file what it was built against: both count.
   */
  async add(kernel: Kernel | null, subject: Subject): Promise<Kernel | null> {
    if (this.#stores.length === 0 || kernel === null) return kernel;
    const found: ModuleFile[] = [];
    const names = modulesNamedBy(subject, kernel);
    for (const store of this.#stores) for (const name of store.needs(subject.module)) names.add(name);
    for (const name of names) {
      if (name === subject.module || kernel.modules.has(name)) continue;
      const module = await this.find(name);
      if (module !== null && module.name === name) found.push(module);
    }
    return found.length === 0 ? kernel : kernel.withModules(found);
  }

  /** A module by its name; null if the kernel has none that can be read. */
  async find(name: string): Promise<ModuleFile | null> {
    let module = this.#kept.get(name);
    if (module === undefined) {
      module = await this.#read(name);
      const [oldest] = this.#kept.keys();
      if (this.#kept.size >= KEPT && oldest !== undefined) this.#kept.delete(oldest);
      this.#kept.set(name, module);
    }
    return module;
  }

  async #read(name: string): Promise<ModuleFile | null> {
    try {
      const found = await findModule(name, this.#stores);
      return found === null ? null : readModule({ name: found.name, bytes: await found.read() });
    } catch (error) {
      if (problemOf(error) === null) throw error;
      return null;
    }
  }
}
