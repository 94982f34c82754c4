// Which objects were compiled of some files, as kbuild noted it beside them when it compiled them.

import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, posix } from "node:path";
import { readPrerequisites } from "../../kernel/tree/commandFile.ts";
import { filesBelow } from "../workspace.ts";

/** Path of the file in which kbuild notes how it made another. */
export const commandFile = (object: string): string => join(dirname(object), `.${basename(object)}.cmd`);

/**
 * Whether an object was compiled of one of some files, by the text of its command file; null if that does not tell.
 * @param object path below the top of the tree @param files the same
 */
export function dependsOn(text: string, object: string, files: ReadonlySet<string>): boolean | null {
  const found = readPrerequisites(text);
  if (found === null) return null;
  const end = object.replace(/\.o$/, ".c");
  // Where the source lay: the top of the tree is what stands before its path.
  const top = found.source === end ? "" : found.source.endsWith(`/${end}`) ? found.source.slice(0, -end.length) : null;
  for (const path of [found.source, ...found.files]) {
    if (top === null) {
      const name = posix.normalize(path);
      for (const file of files) if (name === file || name.endsWith(`/${file}`)) return true;
      continue;
    }
    if (path.startsWith(top) && files.has(posix.normalize(path.slice(top.length)))) return true;
  }
  return false;
}

/** Objects below a folder that have command files. Links to folders are not followed. */
export const objectsBelow = (folder: string): string[] =>
  filesBelow(folder)
    .flatMap((path) => {
      const [, below = "", object] = /^(.*\/)?\.([^/]*\.o)\.cmd$/.exec(path) ?? [];
      return object === undefined ? [] : [`${below}${object}`];
    })
    .sort();

/** Text of an object's command file below a folder; null if there is none. @param since milliseconds; an older one counts as none */
export function commandText(folder: string, object: string, since = 0): string | null {
  const path = join(folder, commandFile(object));
  const state = statSync(path, { throwIfNoEntry: false });
  return state?.isFile() === true && state.mtimeMs >= since ? readFileSync(path, "latin1") : null;
}

/** Objects below a folder, with command files, that were compiled of one of some files. */
export function dependentsBelow(folder: string, files: Iterable<string>): string[] {
  const wanted = new Set(files);
  return objectsBelow(folder).filter((object) => dependsOn(commandText(folder, object) ?? "", object, wanted) === true);
}

/** Whether a folder is one in which a whole kernel was built, with its modules, and kbuild's notes are there. */
export const isBuilt = (folder: string): boolean =>
  ["vmlinux", "modules.order", "init/.main.o.cmd"].every((name) => existsSync(join(folder, name)));
