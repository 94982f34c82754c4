// What a patch concerns: which objects are compiled before and after, and what speaks against it before any is.

import { existsSync, lstatSync, readFileSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";
import { type Problem, problem } from "../diag/catalogue.ts";
import type { MakeMachine } from "./machines.ts";
import { type KernelMakefiles, usersOf } from "./objects.ts";
import type { PatchedFile, ReadFile } from "./patch/apply.ts";
import type { FilePatch } from "./patch/file.ts";
import { hasNoEffect } from "./refused.ts";
import { BuildStop } from "./stop.ts";

/** Largest file that a patch may concern, bytes. */
const LARGEST = 1 << 26;

/** Reads files of the private tree. A link that leads out of it is refused. @throws BuildStop KLP802 */
export function treeReader(tree: string): ReadFile {
  const root = realpathSync(tree) + sep;
  return (path) => {
    const place = join(tree, path);
    if (!existsSync(place)) return null;
    const real = realpathSync(place);
    if (!real.startsWith(root))
      throw new BuildStop([problem("KLP802", { file: path }, { path, why: "a symbolic link leads out of the tree" })]);
    const state = lstatSync(real);
    if (!state.isFile() || state.size > LARGEST) return null;
    return readFileSync(real, "latin1");
  };
}

export interface BuildPlan {
  readonly objects: readonly string[];
  /** Patched files that nothing that is compiled includes. */
  readonly unused: readonly string[];
  readonly problems: readonly Problem[];
}

export interface PlanOptions {
  readonly files: readonly PatchedFile[];
  readonly patches: readonly FilePatch[];
  readonly makefiles: KernelMakefiles;
  readonly machine: MakeMachine;
  readonly read: ReadFile;
  /** Objects that alone are compiled; empty: all. */
  readonly only: readonly string[];
  readonly show: (text: string) => void;
}

/** @throws Interrupted */
export async function planObjects(options: PlanOptions): Promise<BuildPlan> {
  const { files, patches, makefiles, machine, read, only, show } = options;
  const placeOf = (path: string): { file: string; line: number } => {
    const patch = patches.find((p) => p.to === path || p.from === path);
    return { file: patch?.patch ?? path, line: patch?.line ?? 1 };
  };
  const objects = new Set<string>();
  const problems: Problem[] = [];
  const included: string[] = [];
  const left: { readonly path: string; readonly rule: string | null }[] = [];
  for (const { path, text } of files) {
    if (hasNoEffect(path)) continue;
    if (!path.endsWith(".c")) {
      included.push(path);
      continue;
    }
    const object = path.replace(/\.c$/, ".o");
    const compiled = await makefiles.isCompiled(object);
    if (compiled === true && text !== null) objects.add(object);
    else if (compiled === true) {
      const why = "its functions are in the running kernel, and the makefile still names it";
      const help = "keep the file, and take the calls of its functions out where they are";
      problems.push(problem("KLP810", placeOf(path), { path, why, help }));
    } else {
      // Some are included by other sources.
      included.push(path);
      left.push({ path, rule: compiled.rule });
    }
  }
  const unused: string[] = [];
  if (included.length > 0 && only.length === 0) {
    show("looks for what includes the patched files");
    const after = new Map(files.map((f) => [f.path, f.text]));
    const readPatched: ReadFile = (path) => (after.has(path) ? (after.get(path) ?? null) : read(path));
    const all = await makefiles.all((folder) => show(`looks for what includes the patched files: ${folder}`));
    for (const path of included) {
      const users = usersOf([path], all, `arch/${machine.folder}`, readPatched);
      for (const user of users) objects.add(user.replace(/\.c$/, ".o"));
      const rule = left.find((l) => l.path === path);
      if (users.length > 0) continue;
      if (rule !== undefined) problems.push(problem("KLP811", placeOf(path), rule));
      else unused.push(path);
    }
  } else for (const { path, rule } of left) problems.push(problem("KLP811", placeOf(path), { path, rule }));
  const chosen = only.length === 0 ? [...objects].sort() : only.map((o) => o.replace(/\.c$/, ".o"));
  return { objects: chosen, unused, problems };
}
