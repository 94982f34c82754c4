// What a patch concerns: which objects are compiled before and after, and what speaks against it before any is.

import { existsSync, lstatSync, readFileSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";
import { printable } from "../base/bytes.ts";
import { type Problem, problem } from "../diag/catalogue.ts";
import { commandText, dependsOn, objectsBelow } from "./compiled/dependents.ts";
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
  /** Objects of patched sources that are not compiled, because others were named. */
  readonly leftOut: readonly string[];
  /** Patched files that nothing that is compiled includes. */
  readonly unused: readonly string[];
  readonly problems: readonly Problem[];
  /**
   * How it is known which objects include a patched file: by what kbuild noted when it compiled them, by their #include lines, or not
   * yet; null where no patched file is included.
   */
  readonly basis: "commands" | "lines" | "unbuilt" | null;
}

export interface Notes {
  /** A folder in which all of the kernel was built, with this configuration; null: there is none. */
  readonly built: string | null;
  readonly own: string;
  /** Milliseconds; what is older in the private folder was noted of an older state of the source. */
  readonly since: number;
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
  /** Folders with what kbuild noted of objects. */
  readonly notes: Notes;
}

/** @throws Interrupted */
export async function planObjects(options: PlanOptions): Promise<BuildPlan> {
  const { files, patches, makefiles, only } = options;
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
    const from = patches.find((p) => p.kind === "renamed" && (p.to === path || p.from === path));
    if (from !== undefined) {
      if (from.to !== path || problems.some((p) => p.code === "KLP810" && p.at.line === from.line)) continue;
      const why = `it renames ${from.from}, and the makefile names the old one: the functions of the running kernel are those of the old file`;
      const help = "leave the renaming out, and change the file under its old name";
      problems.push(problem("KLP810", placeOf(path), { path, why, help }));
    } else if (compiled === true && text !== null) objects.add(object);
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
  const users = included.length > 0 && only.length === 0 ? await usersIn(options, included) : null;
  if (users !== null) {
    for (const path of included) {
      const found = users.of.get(path) ?? [];
      for (const object of found) objects.add(object);
      const rule = left.find((l) => l.path === path);
      if (found.length > 0) continue;
      if (rule !== undefined) problems.push(notCompiled(rule, files, placeOf(path)));
      else unused.push(path);
    }
  } else for (const row of left) problems.push(notCompiled(row, files, placeOf(row.path)));
  const chosen = [...(only.length === 0 ? objects : new Set(only.map((o) => o.replace(/\.c$/, ".o"))))].sort();
  if (only.length > 0) {
    for (const object of chosen) {
      const compiled = objects.has(object) || (await makefiles.isCompiled(object));
      const path = object.replace(/\.o$/, ".c");
      if (compiled !== true) problems.push(problem("KLP811", { file: path }, { path, rule: compiled.rule }));
    }
  }
  const leftOut = [...objects].filter((object) => !chosen.includes(object)).sort();
  return { objects: chosen, leftOut, unused, problems, basis: users?.basis ?? null };
}

/**
 * The plan for a kernel whose code is made when objects are linked: in their place the objects of the modules that they are linked into.
 * What is built into the kernel would need all of it.
 */
export async function planModules(plan: BuildPlan, makefiles: KernelMakefiles): Promise<BuildPlan> {
  const objects = new Set<string>();
  const problems = [...plan.problems];
  for (const object of plan.objects) {
    const modules = await makefiles.modulesOf(object);
    for (const module of modules) objects.add(module);
    if (modules.length === 0)
      problems.push(problem("KLP833", { file: object.replace(/\.o$/, ".c") }, { object: printable(object) }));
  }
  return { ...plan, objects: [...objects].sort(), problems };
}

/** What is told of a source that the configuration has no object of. */
function notCompiled(
  { path, rule }: { readonly path: string; readonly rule: string | null },
  files: readonly PatchedFile[],
  at: { readonly file: string; readonly line: number },
): Problem {
  const isNew = files.some((f) => f.path === path && f.before === null);
  if (!isNew || rule !== null) return problem("KLP811", at, { path, rule });
  const why = "it is a new source file, and no makefile names it; patches of makefiles are not carried either";
  const help = "put its code into a file that is there: a livepatch takes new functions along from any of them";
  return problem("KLP810", at, { path, why, help });
}

interface Users {
  readonly basis: "commands" | "lines";
  /** Objects by the patched file that they include. */
  readonly of: ReadonlyMap<string, readonly string[]>;
}

/** Which objects of the configuration include patched files: each as kbuild noted it, where it did; else as the #include lines say. */
async function usersIn(options: PlanOptions, included: readonly string[]): Promise<Users> {
  const { files, makefiles, machine, read, show, notes } = options;
  show("looks for what includes the patched files");
  const isNew = (path: string): boolean => files.some((f) => f.path === path && f.before === null);
  // A file that is new was read by no compiler.
  const isWhole = notes.built !== null && !included.some(isNew);
  const all = isWhole
    ? objectsBelow(notes.built ?? "")
    : [...(await makefiles.all((folder) => show(`looks for what includes the patched files: ${folder}`)))];
  const found = new Map<string, string[]>(included.map((path) => [path, []]));
  const unknown: string[] = [];
  for (const object of all) {
    const text =
      (notes.built === null ? null : commandText(notes.built, object)) ?? commandText(notes.own, object, notes.since);
    let isKnown = text !== null;
    for (const path of included) {
      const is = text === null || isNew(path) ? null : dependsOn(text, object, new Set([path]));
      if (is === null) isKnown = false;
      else if (is && (!isWhole || (await makefiles.isCompiled(object)) === true)) found.get(path)?.push(object);
    }
    if (!isKnown && !isWhole) unknown.push(object);
  }
  if (unknown.length > 0) {
    const after = new Map(files.map((f) => [f.path, f.text]));
    const readPatched: ReadFile = (path) => (after.has(path) ? (after.get(path) ?? null) : read(path));
    for (const path of included) {
      const users = usersOf([path], unknown, `arch/${machine.folder}`, readPatched).map((u) => u.replace(/\.c$/, ".o"));
      const list = found.get(path) ?? [];
      for (const object of users) if (!list.includes(object)) list.push(object);
    }
  }
  return { basis: unknown.length === 0 ? "commands" : "lines", of: found };
}
