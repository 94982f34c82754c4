// Which objects of two build trees are compared, and for which object of the kernel.

import { posix } from "node:path";
import { type Problem, problem } from "../../../diag/catalogue.ts";
import { normalModuleName } from "../../../kernel/module/modinfo.ts";
import type { BuildTree, PassedOver, TreeDifference } from "./buildTree.ts";
import { type Members, type Owner, TreeOwners } from "./treeOwners.ts";

/** An object file of both trees, or a new one. */
export interface Pair {
  /** Below the trees' folders, with `/`. */
  readonly path: string;
  /** `vmlinux`, or modules' names. */
  readonly objects: readonly string[];
  readonly isNew: boolean;
}

export interface ChosenPairs {
  readonly pairs: readonly Pair[];
  /** Objects of the original tree that are gone. */
  readonly removed: readonly string[];
  readonly passedOver: readonly PassedOver[];
  readonly problems: readonly Problem[];
}

/** @param object what all objects are said to belong to; null: the trees say it */
export function chosenPairs(
  orig: BuildTree,
  patched: BuildTree,
  difference: TreeDifference,
  object: string | null,
): ChosenPairs {
  const work = new Choice(orig, patched, object);
  if (difference.inBoth === 0) {
    const data = { orig: orig.root, patched: patched.root, objects: [orig.objects.size, patched.objects.size] };
    work.problems.push(problem("KLP723", { file: patched.root }, data));
    return work.result();
  }
  const listed = object === null ? work.listedAnew() : new Map<string, string[]>();
  for (const [path, objects] of listed) work.addedTo(path, objects);
  for (const path of difference.differing) if (!listed.has(path)) work.differing(path);
  const lacking = work.lacking(difference.inPatchedOnly);
  for (const path of lacking) work.lacks(path);
  for (const path of difference.inPatchedOnly) if (!listed.has(path) && !lacking.has(path)) work.added(path);
  for (const path of difference.inOrigOnly) work.gone(path);
  if (object === null) for (const path of work.unlisted(difference.inOrigOnly)) work.gone(path);
  return work.result();
}

class Choice {
  readonly problems: Problem[] = [];
  readonly #orig: BuildTree;
  readonly #patched: BuildTree;
  readonly #owners: readonly [TreeOwners, TreeOwners];
  readonly #object: string | null;
  readonly #pairs: Pair[] = [];
  readonly #removed: string[] = [];
  readonly #passedOver: PassedOver[] = [];
  /** Paths by why they are not compared. */
  readonly #apart = new Map<string, string[]>();
  /** Paths by the new module that they belong to. */
  readonly #newModules = new Map<string, string[]>();

  constructor(orig: BuildTree, patched: BuildTree, object: string | null) {
    this.#orig = orig;
    this.#patched = patched;
    this.#owners = [new TreeOwners(orig, patched), new TreeOwners(patched, orig)];
    this.#object = object;
  }

  /** The running kernel is of the original tree, so that one says it, where it does. */
  #ownerOf(path: string, isNew: boolean): Owner {
    const [orig, patched] = this.#owners;
    const owner = isNew ? patched.ownerOf(path) : orig.ownerOf(path);
    const other = isNew || owner.kind !== "unknown" ? owner : patched.ownerOf(path);
    const known = other.kind === "unknown" ? owner : other;
    if (this.#object === null || known.kind === "passed over") return known;
    return { kind: "owned", objects: [this.#object] };
  }

  differing(path: string): void {
    const owner = this.#ownerOf(path, false);
    if (owner.kind === "owned") this.#pairs.push({ path, objects: owner.objects, isNew: false });
    else this.#leave(path, owner);
  }

  added(path: string): void {
    const owner = this.#ownerOf(path, true);
    if (owner.kind !== "owned") {
      // Of what is not compared, a new one changes nothing either.
      if (owner.kind === "unknown") this.#leave(path, owner);
      else this.#passedOver.push({ path, why: owner.why });
      return;
    }
    this.addedTo(path, owner.objects);
  }

  /** Files that the original tree's lists name and that it does not have: what changed in them cannot be known. */
  lacking(paths: readonly string[]): Set<string> {
    const listed = [...this.#owners[0].members().values()];
    return new Set(paths.filter((path) => listed.some((members) => members.has(path))));
  }

  lacks(path: string): void {
    const at = { file: posix.join(this.#patched.root, path) };
    this.problems.push(problem("KLP723", at, { orig: this.#orig.root, patched: path, objects: null }));
  }

  /** A file that is new in these objects of the kernel. */
  addedTo(path: string, owners: readonly string[]): void {
    const isKnown = (name: string): boolean => name === "vmlinux" || name === this.#object || this.#hasModule(name);
    const objects = owners.filter(isKnown);
    for (const name of owners.filter((o) => !isKnown(o))) put(this.#newModules, name, path);
    if (objects.length > 0) this.#pairs.push({ path, objects, isNew: true });
  }

  /**
   * Files that the lists of the patched tree name and those of the original do not, with what they are new in. A file of an earlier
   * build may lie in a tree and be no part of anything there.
   */
  listedAnew(): Map<string, string[]> {
    const found = new Map<string, string[]>();
    const [orig, patched] = this.#owners.map((o) => o.members()) as [Members, Members];
    for (const [object, paths] of patched) {
      const before = orig.get(object);
      if (before === undefined) continue;
      for (const path of paths) if (!before.has(path)) put(found, path, object);
    }
    return found;
  }

  /** In a tree without lists of modules nothing says that one is new. */
  #hasModule(name: string): boolean {
    const { moduleLists } = this.#orig;
    return moduleLists.length === 0 || moduleLists.some((path) => moduleOf(path) === name);
  }

  /** A tree that was built in parts lacks what it was not asked for: only one with the owner's list says that a file is gone. */
  gone(path: string): void {
    const owner = this.#owners[0].ownerOf(path);
    if (owner.kind !== "owned") return;
    const { moduleLists, archives } = this.#patched;
    const [object = "vmlinux"] = owner.objects;
    const isListed =
      object === "vmlinux"
        ? archives.includes("vmlinux.a") || archives.includes("built-in.a")
        : moduleLists.some((list) => moduleOf(list) === object);
    if (!isListed) {
      this.#passedOver.push({ path, why: "not built in the patched tree" });
      return;
    }
    this.#removed.push(path);
    this.problems.push(problem("KLP719", { file: posix.join(this.#orig.root, path) }, { path, object }));
  }

  /** Files that the original tree's lists name and those of the patched do not, though they still lie there. */
  unlisted(known: readonly string[]): string[] {
    const [orig, patched] = this.#owners.map((o) => o.members()) as [Members, Members];
    const found = new Set<string>();
    for (const [object, paths] of orig) {
      const after = patched.get(object);
      if (after === undefined) continue;
      for (const path of paths) if (!after.has(path)) found.add(path);
    }
    for (const path of known) found.delete(path);
    return [...found].sort();
  }

  #leave(path: string, owner: Owner): void {
    switch (owner.kind) {
      case "owned":
        return;
      case "unknown":
        this.problems.push(problem("KLP718", { file: posix.join(this.#patched.root, path) }, { path, why: owner.why }));
        return;
      case "apart":
        put(this.#apart, owner.why, path);
    }
    this.#passedOver.push({ path, why: owner.why });
  }

  result(): ChosenPairs {
    const at = { file: this.#patched.root };
    for (const [why, paths] of this.#apart) this.problems.push(problem("KLP717", at, { paths, why }));
    for (const [object, paths] of this.#newModules) this.problems.push(problem("KLP720", at, { paths, object }));
    return {
      pairs: this.#pairs.sort((a, b) => (a.path < b.path ? -1 : 1)),
      removed: this.#removed,
      passedOver: this.#passedOver,
      problems: this.problems,
    };
  }
}

const moduleOf = (list: string): string => normalModuleName(posix.basename(list, ".mod"));

function put(map: Map<string, string[]>, key: string, path: string): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [path]);
  else known.push(path);
}
