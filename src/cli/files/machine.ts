// What a running kernel tells of itself and of a loaded module: on this machine, or in a folder that the capture script filled.
// Each thing that is missing, hidden or forbidden is said with its reason.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { latin1 } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { VerifyFault, VerifyObstacle } from "../../diag/codes/image.ts";
import { Btf, BtfError, isLittleEndianBtf } from "../../elf/btf.ts";
import { readRegular } from "../../elf/regularFile.ts";
import { parseKernelAddress } from "../../kernel/loader/placement.ts";
import { type KernelMemory, MemoryError, openDumps, openKcore } from "../../kernel/running/memory.ts";
import { parseSymbols, SymbolListError } from "../../kernel/symbols/parseSymbols.ts";
import type { SymbolList } from "../../kernel/symbols/symbolList.ts";
import type { Unread } from "../../passes/image/verify.ts";
import { problemOf } from "../options.ts";
import { InputProblem } from "./io.ts";

const cannot = (file: string, fault: VerifyFault, obstacle: VerifyObstacle): InputProblem =>
  new InputProblem(problem("KLP221", { file }, { ...fault, obstacle }));

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "";
const isForbidden = (error: unknown): boolean => ["EACCES", "EPERM"].includes(codeOf(error));

export class RunningMachine {
  readonly #root: string | null;

  /** @param root a folder that the capture script filled; null: this machine */
  constructor(root: string | null) {
    this.#root = root;
  }

  get isLive(): boolean {
    return this.#root === null;
  }

  #path(live: string, copied: string): string {
    return this.#root === null ? live : join(this.#root, copied);
  }

  /** `uname -r`; null if it cannot be read. */
  get release(): string | null {
    try {
      return latin1(readRegular(this.#path("/proc/sys/kernel/osrelease", "release")).bytes).trim();
    } catch {
      return null;
    }
  }

  /** Addresses of a loaded module's sections. @throws InputProblem */
  sections(module: string): Map<string, bigint> {
    const path = this.#path(`/sys/module/${module}/sections`, "sections");
    if (!existsSync(path)) throw this.#noSections(module, path);
    const sections = this.#addresses(module, path);
    if ([...sections.values()].every((address) => address === 0n)) {
      throw cannot(path, { fault: "sections hidden" }, "hidden");
    }
    return sections;
  }

  /** @param path a folder with a file a section. @throws InputProblem */
  #addresses(module: string, path: string): Map<string, bigint> {
    const sections = new Map<string, bigint>();
    const obstacle = this.isLive ? "no addresses" : "damaged";
    try {
      for (const name of readdirSync(path)) {
        // The files' own mode lets only root read them; the folder is open to all.
        const address = parseKernelAddress(latin1(readRegular(join(path, name)).bytes));
        if (address === null) throw cannot(join(path, name), { fault: "address damaged", section: name }, obstacle);
        sections.set(name, address);
        // Older powerpc kernels rename init sections.
        if (name.startsWith("_init.")) sections.set(name.replace("_", "."), address);
      }
    } catch (error) {
      if (error instanceof InputProblem) throw error;
      if (isForbidden(error)) throw cannot(path, { fault: "sections forbidden", module }, "permission");
      throw cannot(path, { fault: "sections unreadable", module }, obstacle);
    }
    if (sections.size === 0) throw cannot(path, { fault: "no sections", module }, obstacle);
    return sections;
  }

  #noSections(module: string, path: string): InputProblem {
    if (!this.isLive) return cannot(path, { fault: "no copy", module }, "no copy");
    const folder = `/sys/module/${module}`;
    if (!existsSync(folder)) return cannot(path, { fault: "not loaded", module }, "not loaded");
    // Only what was loaded from a file has a state.
    if (!existsSync(`${folder}/initstate`)) return cannot(folder, { fault: "built in", module }, "built in");
    return cannot(path, { fault: "sections not told", module }, "no addresses");
  }

  /** The kernel's symbols with their addresses. @throws InputProblem */
  symbols(): SymbolList {
    const path = this.#path("/proc/kallsyms", "kallsyms");
    let list: SymbolList;
    try {
      list = parseSymbols(readRegular(path).bytes, path);
    } catch (error) {
      if (error instanceof SymbolListError)
        throw cannot(path, { fault: "symbols damaged", why: error.message }, this.isLive ? "no addresses" : "damaged");
      if (isForbidden(error)) throw cannot(path, { fault: "symbols forbidden" }, "permission");
      throw cannot(path, { fault: "symbols unreadable" }, this.isLive ? "no addresses" : "damaged");
    }
    for (const name of list.names()) if (list.find(name).some((s) => s.address !== 0n)) return list;
    throw cannot(path, { fault: "symbols hidden" }, "hidden");
  }

  /** Section addresses of a module that the one at hand needs; null if they are not known. */
  sectionsBeside(module: string): Map<string, bigint> | null {
    try {
      if (this.#root === null) return this.sections(module);
      const path = join(this.#root, "modules", module);
      return existsSync(path) ? this.#addresses(module, path) : null;
    } catch (error) {
      if (problemOf(error) !== null) return null;
      throw error;
    }
  }

  /** The kernel's System.map where distributions put it, and kernel builds; null if it is not there, or only a note is. */
  systemMap(): SymbolList | null {
    const { release } = this;
    if (this.#root === null && release === null) return null;
    const places =
      this.#root !== null
        ? [join(this.#root, "System.map")]
        : [
            `/boot/System.map-${release}`,
            `/usr/lib/debug/boot/System.map-${release}`,
            `/lib/modules/${release}/System.map`,
            `/lib/modules/${release}/build/System.map`,
          ];
    for (const path of places) {
      try {
        const list = parseSymbols(readRegular(path).bytes, path);
        if (list.hasData) return list;
      } catch (error) {
        if (!(error instanceof SymbolListError) && codeOf(error) === "") throw error;
      }
    }
    return null;
  }

  /** @throws InputProblem */
  memory(): { readonly read: KernelMemory; readonly close: () => void } {
    const path = this.#path("/proc/kcore", "kcore");
    try {
      if (this.#root !== null && !existsSync(path))
        return { read: openDumps(join(this.#root, "memory")), close: () => {} };
      return openKcore(path);
    } catch (error) {
      if (error instanceof MemoryError)
        throw cannot(path, { fault: "memory damaged", why: error.message }, this.isLive ? "no memory" : "damaged");
      if (isForbidden(error)) {
        if (this.isLive && isLockedDown()) throw cannot(path, { fault: "memory locked" }, "lockdown");
        throw cannot(path, { fault: "memory forbidden" }, "permission");
      }
      throw cannot(path, { fault: "memory unreadable" }, this.isLive ? "no memory" : "damaged");
    }
  }

  /** What verify could not compare, as one problem for each reason. */
  unreadProblems(module: string, unread: readonly Unread[]): Problem[] {
    return (["address", "memory"] as const).flatMap((lacks) => {
      const names = unread.filter((u) => u.lacks === lacks).map((u) => u.name);
      if (names.length === 0) return [];
      if (lacks === "memory") {
        const copied = this.#root !== null && existsSync(join(this.#root, "kcore")) ? "kcore" : "memory";
        const file = this.#path("/proc/kcore", copied);
        const obstacle = this.isLive ? "no memory" : "damaged";
        return [problem("KLP221", { file }, { fault: "sections without memory", sections: names, obstacle })];
      }
      const file = this.#path(`/sys/module/${module}/sections`, "sections");
      const data = { fault: "sections without address", sections: names, obstacle: "missing" } as const;
      return [problem("KLP221", { file }, data)];
    });
  }

  /** The kernel's types; null if it does not tell them. */
  btf(): Btf | null {
    try {
      const bytes = readRegular(this.#path("/sys/kernel/btf/vmlinux", "btf")).bytes;
      return new Btf(bytes, isLittleEndianBtf(bytes));
    } catch (error) {
      if (error instanceof BtfError || codeOf(error) !== "") return null;
      throw error;
    }
  }
}

/** Whether the kernel forbids everybody to read its memory. */
function isLockedDown(): boolean {
  try {
    return latin1(readRegular("/sys/kernel/security/lockdown").bytes).includes("[confidentiality]");
  } catch {
    // securityfs may not be mounted. Root is refused for no other reason.
    return process.getuid?.() === 0;
  }
}
