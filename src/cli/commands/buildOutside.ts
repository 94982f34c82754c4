// What `klplink build` asks of code that the patch leaves alone: whether it goes by the absence of a name that the patch defines. `klplink diff`
// of two trees has all objects to ask; a build has those that it compiled, and at times a folder in which all of them lie.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ObjectPair } from "../../build/compiled/pairs.ts";
import type { Problem } from "../../diag/catalogue.ts";
import { readRegular } from "../../elf/regularFile.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { ChangedPair } from "../../passes/diff/livepatchModule.ts";
import { WeakUsers } from "../../passes/diff/weakUsers.ts";
import { Unusable } from "../../passes/input.ts";
import { readBuildTree } from "../files/builds/buildTree.ts";
import { TreeOwners } from "../files/builds/treeOwners.ts";

interface Build {
  readonly changed: readonly ChangedPair[];
  /** All objects that were compiled. */
  readonly pairs: readonly ObjectPair[];
  /** A folder with all objects of the original source; null: there is none. */
  readonly unpatched: string | null;
  /** Modules of the running kernel, by name. */
  readonly modules: Kernel["modules"];
  readonly show: (text: string) => void;
}

export interface Outside {
  readonly problems: readonly Problem[];
  /** New names, of which the objects at hand do not tell what goes by their absence. */
  readonly unasked: readonly string[];
}

/** Looks for KLP746 in all objects that a build has. */
export function askOutside(build: Build): Outside {
  const { changed, pairs } = build;
  const weak = new WeakUsers(changed.map((c) => c.result));
  if (weak.isEmpty) return { problems: [], unasked: [] };
  const results = new Map(changed.map((c) => [c.path, c.result]));
  for (const { path, orig } of pairs) {
    const result = results.get(path);
    if (result === undefined) weak.addObject(readFileSync(orig), path);
    else weak.addSame(result, path);
  }
  const isAsked = addOthers(weak, build);
  return { problems: weak.problems(), unasked: isAsked ? [] : unknownOf(build) };
}

/** Null: the file cannot be read. */
function bytesOf(path: string): Uint8Array | null {
  try {
    return readRegular(path).bytes;
  } catch {
    return null;
  }
}

/** Whether it was not more work than is in proportion. */
function isLookedThrough(weak: WeakUsers, bytes: Uint8Array, path: string): boolean {
  try {
    weak.addObject(bytes, path);
    return true;
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    return false;
  }
}

/** Looks through the objects that were not compiled; returns whether that were all, and all could be read. */
function addOthers(weak: WeakUsers, { pairs, unpatched, show }: Build): boolean {
  if (unpatched === null) return false;
  const own = new Set(pairs.map((p) => p.path));
  const tree = readBuildTree(unpatched);
  const owners = new TreeOwners(tree, tree);
  let isWhole = tree.problems.length === 0;
  for (const path of [...tree.objects.keys()].sort()) {
    if (own.has(path)) continue;
    show(`looks for what goes by new names: ${path}`);
    const bytes = bytesOf(join(unpatched, path));
    if (bytes === null) isWhole = false;
    else if (weak.mayConcern(bytes) && owners.mayBeOwned(path)) isWhole = isLookedThrough(weak, bytes, path) && isWhole;
  }
  return isWhole;
}

/**
 * The new names, but for those of modules that do not ask for them: nothing else sees a name of a module that it does not export. Of vmlinux
 * no such symbols are left: the linker takes weak ones that are zero out (binutils 2.40, x86_64).
 */
function unknownOf({ changed, modules }: Build): string[] {
  const unknown = new Set<string>();
  for (const { object, result } of changed)
    for (const name of new WeakUsers([result]).names)
      if (modules.get(object)?.asksWeakly(name) !== false) unknown.add(name);
  return [...unknown].sort();
}
