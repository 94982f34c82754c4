// The file of a module that is named as the kernel names it, on the machine that has it loaded.

import { existsSync, readdirSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { latin1 } from "../../../base/bytes.ts";
import { readRegular } from "../../../elf/regularFile.ts";
import { normalModuleName } from "../../../kernel/module/modinfo.ts";

const KO = /\.ko(?:\.(?:gz|xz|zst))?$/;

/** Whether an argument can only be the path of a file. */
export const isPath = (argument: string): boolean =>
  argument === "-" || argument.includes("/") || /\.k?o(?:\.\w+)?$/.test(argument);

/** Where files of modules are, in the order in which they are looked for. */
export const moduleFolders = (release: string): string[] => [
  `/lib/modules/${release}`,
  `/usr/lib/modules/${release}`,
  // Where kpatch keeps livepatches to load.
  `/var/lib/kpatch/${release}`,
];

const nameOf = (path: string): string => normalModuleName(path.replace(/^.*\//, "").replace(KO, ""));

/** The modules below some folders, the first one first. What modules.dep says, and what files there are, is read once. */
export class ModuleFolders {
  readonly #folders: readonly string[];
  /** By folder; null: it has no such list. */
  readonly #lists = new Map<string, ReadonlyMap<string, Listed> | null>();
  /** By folder: paths of files by their modules' names, in order. */
  readonly #below = new Map<string, ReadonlyMap<string, readonly string[]>>();

  /** @param folders as {@link moduleFolders} gives them */
  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  /**
   * Files of a module, the one that modprobe would load alone if its list has it; otherwise all of that name.
   * @param module as /proc/modules has it
   */
  files(module: string): string[] {
    const wanted = normalModuleName(module);
    for (const folder of this.#folders) {
      const listed = this.#list(folder)?.get(wanted);
      if (listed !== undefined && existsSync(listed.path)) return [listed.path];
      const found = this.#filesBelow(folder).get(wanted);
      if (found !== undefined) return [...found];
    }
    return [];
  }

  #filesBelow(folder: string): ReadonlyMap<string, readonly string[]> {
    let files = this.#below.get(folder);
    if (files === undefined) {
      files = filesBelow(folder);
      this.#below.set(folder, files);
    }
    return files;
  }

  /** Modules that modprobe loads before one, by its list; empty if no list has it. */
  needs(module: string): readonly string[] {
    const wanted = normalModuleName(module);
    for (const folder of this.#folders) {
      const listed = this.#list(folder)?.get(wanted);
      if (listed !== undefined) return listed.needs;
    }
    return [];
  }

  #list(folder: string): ReadonlyMap<string, Listed> | null {
    let list = this.#lists.get(folder);
    if (list === undefined) {
      list = readList(folder);
      this.#lists.set(folder, list);
    }
    return list;
  }
}

/** {@link ModuleFolders.files} once. */
export const findModuleFiles = (module: string, folders: readonly string[]): string[] =>
  new ModuleFolders(folders).files(module);

/** What modules.dep says of a module. */
interface Listed {
  readonly path: string;
  readonly needs: readonly string[];
}

/** By the modules' names: lines of `PATH: PATHS THAT IT NEEDS`. */
function readList(folder: string): ReadonlyMap<string, Listed> | null {
  let text: string;
  try {
    text = latin1(readRegular(join(folder, "modules.dep")).bytes);
  } catch {
    return null;
  }
  const found = new Map<string, Listed>();
  for (const line of text.split("\n")) {
    const end = line.indexOf(":");
    const path = line.slice(0, Math.max(0, end));
    const name = nameOf(path);
    if (path === "" || found.has(name)) continue;
    const needs = line
      .slice(end + 1)
      .split(" ")
      .filter((needed) => needed !== "")
      .map(nameOf);
    found.set(name, { path: isAbsolute(path) ? path : join(folder, path), needs });
  }
  return found;
}

function filesBelow(folder: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  let paths: string[];
  try {
    paths = modulesBelow(folder).sort();
  } catch {
    return found;
  }
  const base = join(folder, "/");
  for (const path of paths) {
    const name = nameOf(path);
    const known = found.get(name);
    if (known === undefined) found.set(name, [base + path]);
    else known.push(base + path);
  }
  return found;
}

/**
 * Paths in a folder of what is called as a module. Links to folders are followed, after all else, and none to a folder that was looked at: they may
 * lead in circles. readdir() with `recursive` would follow each, and ask of each file what it is.
 */
function modulesBelow(folder: string): string[] {
  const found: string[] = [];
  const folders: string[] = [];
  const links: string[] = [];
  const open = [""];
  let seen: Set<string> | null = null;
  let next = 0;
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    folders.push(at);
    for (const entry of readdirSync(folder + at, { withFileTypes: true, encoding: "latin1" })) {
      const path = `${at}/${entry.name}`;
      if (KO.test(entry.name)) found.push(path.slice(1));
      // A name that is not of ASCII is not what the system calls it.
      const isCertain = entry.isDirectory() && !NOT_ASCII.test(entry.name);
      if (isCertain) open.push(path);
      else if (entry.isDirectory() || entry.isSymbolicLink()) links.push(path);
    }
    while (open.length === 0 && next < links.length) {
      const path = links[next++] ?? "";
      const there = folderAt(folder + path);
      if (there === null) continue;
      seen ??= new Set();
      for (const known of folders.splice(0)) seen.add(folderAt(folder + known) ?? "");
      if (!seen.has(there)) open.push(path);
    }
  }
  return found;
}

const NOT_ASCII = /[\x80-\xff]/;

/** What the system knows a folder by; null: the path leads to none. */
function folderAt(path: string): string | null {
  try {
    const there = statSync(path, { bigint: true });
    return there.isDirectory() ? `${there.dev} ${there.ino}` : null;
  } catch {
    return null;
  }
}
