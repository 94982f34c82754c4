// The file of a module that is named as the kernel names it, on the machine that has it loaded.

import { existsSync, readdirSync } from "node:fs";
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

/**
 * Files of a module, the one that modprobe would load alone if its list has it; otherwise all of that name.
 * @param module as /proc/modules has it @param folders as {@link moduleFolders} gives them
 */
export function findModuleFiles(module: string, folders: readonly string[]): string[] {
  const wanted = normalModuleName(module);
  for (const folder of folders) {
    const listed = listedIn(folder, wanted);
    if (listed !== null) return [listed];
    const found = filesBelow(folder, wanted);
    if (found.length > 0) return found;
  }
  return [];
}

/** As modules.dep says, lines of `PATH: PATHS THAT IT NEEDS`. */
function listedIn(folder: string, wanted: string): string | null {
  let text: string;
  try {
    text = latin1(readRegular(join(folder, "modules.dep")).bytes);
  } catch {
    return null;
  }
  for (const line of text.split("\n")) {
    const path = line.slice(0, Math.max(0, line.indexOf(":")));
    if (path === "" || nameOf(path) !== wanted) continue;
    const file = isAbsolute(path) ? path : join(folder, path);
    if (existsSync(file)) return file;
  }
  return null;
}

function filesBelow(folder: string, wanted: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(folder, { recursive: true, encoding: "latin1" }).sort();
  } catch {
    return [];
  }
  return entries.filter((path) => KO.test(path) && nameOf(path) === wanted).map((path) => join(folder, path));
}
