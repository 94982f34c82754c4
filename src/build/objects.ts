// Which objects a patch concerns: those of the patched sources, and those that include a patched header, as far as the
// configuration has them.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import type { MakeMachine } from "./machines.ts";
import type { Programs } from "./make.ts";
import { writeThrough } from "./workspace.ts";

/** What the makefile of a folder says for the configuration. Paths from the top of the tree. */
export interface MakeFolder {
  /** Objects that are compiled, those that others are made of included. */
  readonly objects: ReadonlySet<string>;
  /** Folders that make goes down to. */
  readonly folders: readonly string[];
  /** Objects and folders (with `/`) that it names, and that the configuration leaves out. */
  readonly left: ReadonlySet<string>;
  /** Objects that become a module each, with the objects that they are linked of; none: they are compiled themselves. */
  readonly modules: ReadonlyMap<string, readonly string[]>;
}

/**
 * Reads the makefile of one folder as kbuild does (scripts/Makefile.build): lists are what counts, rules are not run. Composite
 * objects are named NAME.o, and their parts stand in NAME-objs, NAME-y and NAME-m.
 */
const LISTER = `include include/config/auto.conf
include $(srctree)/scripts/Kbuild.include
KBUILD_BUILTIN := 1
KBUILD_MODULES := 1
include $(file)
parts = $(foreach m,$(1),$($(m:.o=-objs)) $($(m:.o=-y)) $($(m:.o=-m)))
all := $(obj-y) $(obj-m) $(lib-y) $(lib-m)
one := $(call parts,$(filter %.o,$(all)))
two := $(call parts,$(filter %.o,$(one)))
$(info klplink-objects $(filter %.o,$(all) $(one) $(two)))
$(info klplink-folders $(filter %/,$(all) $(one) $(two)) $(addsuffix /,$(subdir-y) $(subdir-m)))
$(info klplink-left $(obj-) $(lib-))
$(foreach m,$(filter-out $(obj-y),$(filter %.o,$(obj-m))),$(info klplink-module $(m) $(call parts,$(m))))
klplink-nothing: ;
.PHONY: klplink-nothing
`;

export class KernelMakefiles {
  readonly #tree: string;
  readonly #out: string;
  readonly #machine: MakeMachine;
  readonly #programs: Programs;
  readonly #variables: readonly string[];
  readonly #known = new Map<string, MakeFolder | null>();

  /** @param variables of make: ARCH=…, CROSS_COMPILE=… */
  constructor(tree: string, out: string, machine: MakeMachine, programs: Programs, variables: readonly string[]) {
    this.#tree = tree;
    this.#out = out;
    this.#machine = machine;
    this.#programs = programs;
    this.#variables = variables;
    writeThrough(join(out, ".klplink-list.mk"), LISTER);
  }

  /** What the makefile of a folder says; null if there is none, or make does not understand it this way. */
  async folder(path: string): Promise<MakeFolder | null> {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const found = await this.#read(path);
    this.#known.set(path, found);
    return found;
  }

  async #read(path: string): Promise<MakeFolder | null> {
    const at = (name: string): string => join(this.#tree, path, name);
    const file = existsSync(at("Kbuild")) ? at("Kbuild") : at("Makefile");
    if (!existsSync(file)) return null;
    const obj = path === "" ? "." : path;
    const args = ["-s", "-r", "-R", "-C", this.#out, "-f", ".klplink-list.mk", `srctree=${this.#tree}`, "objtree=."];
    const names = [`file=${file}`, `obj=${obj}`, `src=${join(this.#tree, path)}`, `SRCARCH=${this.#machine.folder}`];
    const ended = await this.#programs.run("make", [...args, ...names, ...this.#variables, "klplink-nothing"]);
    if (ended.status !== 0) return null;
    const words = (what: string): string[] =>
      ended.stdout
        .split("\n")
        .flatMap((line) => (line.startsWith(`klplink-${what} `) ? line.split(/\s+/).slice(1) : []))
        .filter((w) => w !== "");
    const full = (name: string): string => posix.join(path, name);
    return {
      objects: new Set(words("objects").map(full)),
      folders: [...new Set(words("folders").map((name) => full(name).replace(/\/$/, "")))],
      left: new Set(words("left").map(full)),
      modules: new Map(
        ended.stdout
          .split("\n")
          .filter((line) => line.startsWith("klplink-module "))
          .map((line) => line.trim().split(/\s+/).slice(1).map(full))
          .map(([module = "", ...parts]) => [module, parts]),
      ),
    };
  }

  /** The objects of the modules that an object is linked into: its own path where it is the only one of a module; none: it is built in. */
  async modulesOf(object: string): Promise<string[]> {
    for (let at = dirname(object); ; at = dirname(at)) {
      const made = await this.folder(at === "." ? "" : at);
      if (made?.objects.has(object) === true)
        return [...made.modules].flatMap(([module, parts]) =>
          module === object || parts.includes(object) ? [module] : [],
        );
      if (at === "." || at === "") return [];
    }
  }

  /**
   * Whether an object is compiled; else the line of the makefile that decides it, or null where none was found.
   */
  async isCompiled(object: string): Promise<true | { readonly rule: string | null }> {
    const folder = dirname(object);
    // A folder above may have the makefile that names it (obj-y += sub/x.o).
    for (let at = folder; ; at = dirname(at)) {
      const made = await this.folder(at === "." ? "" : at);
      if (made?.objects.has(object) === true) break;
      if (at === "." || at === "" || made !== null)
        return { rule: this.#rule(at, object.slice(at === "." ? 0 : at.length + 1)) };
    }
    for (let at = folder; at !== "." && at !== ""; at = dirname(at)) {
      const above = dirname(at) === "." ? "" : dirname(at);
      const made = await this.folder(above);
      if (made?.left.has(`${at}/`) === true && !made.folders.includes(at))
        return { rule: this.#rule(above, `${at.slice(above === "" ? 0 : above.length + 1)}/`) };
    }
    return true;
  }

  /** The line of a makefile that names an object or a folder. */
  #rule(folder: string, name: string): string | null {
    for (const file of ["Kbuild", "Makefile"]) {
      const path = join(this.#tree, folder, file);
      if (!existsSync(path)) continue;
      const text = readFileSync(path, "latin1").replace(/\\\n\s*/g, " ");
      const line = text.split("\n").find((l) => / ?[:+]?= ?/.test(l) && l.split(/[\s=]+/).includes(name));
      if (line !== undefined) return line.replace(/\s+/g, " ").slice(0, 120);
    }
    return null;
  }

  /** All objects of the kernel and its modules. @param show told each folder */
  async all(show: (folder: string) => void): Promise<Set<string>> {
    const arch = `arch/${this.#machine.folder}`;
    const begin = ["", arch, `${arch}/lib`, ...this.#archFolders(arch)];
    const found = new Set<string>();
    const seen = new Set<string>();
    const open = [...begin];
    for (let path = open.pop(); path !== undefined; path = open.pop()) {
      if (seen.has(path)) continue;
      seen.add(path);
      show(path);
      const made = await this.folder(path);
      if (made === null) continue;
      for (const object of made.objects) found.add(object);
      for (const folder of made.folders) open.push(folder);
    }
    return found;
  }

  /** What the makefile of the architecture adds to the kernel by lists of its own. */
  #archFolders(arch: string): string[] {
    const path = join(this.#tree, arch, "Makefile");
    if (!existsSync(path)) return [];
    const lists = readFileSync(path, "latin1").matchAll(/^(?:core|drivers|libs|net|virt)-\S+\s*[:+]?=\s*(.*)$/gm);
    return [...lists].flatMap((m) =>
      (m[1] ?? "")
        .split(/\s+/)
        .filter((w) => /^[\w/.-]+\/$/.test(w))
        .map((w) => w.replace(/\/$/, "")),
    );
  }
}

/** Headers that every file gets by the command line. */
const ALWAYS = /^include\/linux\/(?:compiler-version|kconfig|compiler_types|compiler_attributes|compiler-\w+)\.h$/;

/**
 * The sources that may include one of some headers, directly or through others: as their #include lines say, whatever the conditions
 * around them and the folders that are searched.
 * @param objects all that is compiled @param arch arch/NAME @param read text of a file of the tree; null if it is not there
 */
export function usersOf(
  headers: readonly string[],
  objects: Iterable<string>,
  arch: string,
  read: (path: string) => string | null,
): string[] {
  const sources = [...objects].map((o) => o.replace(/\.o$/, ".c"));
  if (headers.some((h) => ALWAYS.test(h))) return sources.filter((s) => read(s) !== null);
  const graph = new Includes(headers, arch, read);
  return sources.filter((s) => graph.reaches(s));
}

class Includes {
  readonly #wanted: readonly string[];
  readonly #arch: string;
  readonly #read: (path: string) => string | null;
  readonly #there = new Map<string, boolean>();
  /** Whether a file reaches one of them; absent: not known. */
  readonly #known = new Map<string, boolean>();
  readonly #lists = new Map<string, readonly string[]>();

  constructor(headers: readonly string[], arch: string, read: (path: string) => string | null) {
    this.#wanted = headers;
    this.#arch = arch;
    this.#read = read;
  }

  /** A walk without recursion: a chain of headers may be long. */
  reaches(start: string): boolean {
    const known = this.#known.get(start);
    if (known !== undefined) return known;
    const parent = new Map<string, string | null>([[start, null]]);
    const open = [start];
    for (let path = open.pop(); path !== undefined; path = open.pop()) {
      if (this.#known.get(path) === true || this.#wanted.includes(path)) {
        for (let at: string | null = path; at !== null; at = parent.get(at) ?? null) this.#known.set(at, true);
        return true;
      }
      for (const next of this.#includes(path)) {
        if (parent.has(next) || this.#known.get(next) === false) continue;
        parent.set(next, path);
        open.push(next);
      }
    }
    for (const path of parent.keys()) this.#known.set(path, false);
    return false;
  }

  /** Files that may be meant by the #include lines of a file. */
  #includes(path: string): readonly string[] {
    const known = this.#lists.get(path);
    if (known !== undefined) return known;
    const text = this.#read(path);
    const found = new Set<string>();
    for (const match of (text ?? "").matchAll(/^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]/gm)) {
      for (const candidate of this.#candidates(path, match[2] ?? "", match[1] !== "<")) found.add(candidate);
    }
    const list = [...found];
    this.#lists.set(path, list);
    return list;
  }

  #candidates(from: string, name: string, isQuoted: boolean): string[] {
    const clean = posix.normalize(name);
    const beside = posix.join(dirname(from), clean);
    // Between quotes, the folder of the file comes first.
    if (isQuoted && this.#exists(beside)) return [beside];
    const asm = /^asm\/(.*)$/.exec(clean)?.[1];
    const generic = asm === undefined ? [] : [`include/asm-generic/${asm}`];
    const own = [`${this.#arch}/include/${clean}`, `${this.#arch}/include/uapi/${clean}`];
    const found = [`include/${clean}`, `include/uapi/${clean}`, ...own, ...generic].filter((p) => this.#exists(p));
    // Other folders that are searched (-I) are not known: what ends like it is taken for it.
    const ending = `/${clean.replace(/^(?:\.\.\/)+/, "")}`;
    return [...found, ...this.#wanted.filter((w) => w === clean || w.endsWith(ending))];
  }

  #exists(path: string): boolean {
    let is = this.#there.get(path);
    if (is === undefined) {
      is = !path.startsWith("..") && this.#read(path) !== null;
      this.#there.set(path, is);
    }
    return is;
  }
}
