// From pairs of objects to a livepatch module: what changed is taken out, kbuild makes a module of it, which is linked and checked.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ObjectPair } from "../../build/compiled/pairs.ts";
import { glueFiles } from "../../build/glue.ts";
import type { PatchBuild } from "../../build/patchBuild.ts";
import { BuildStop } from "../../build/stop.ts";
import { levelOf, type Problem, problem } from "../../diag/catalogue.ts";
import type { DiffOptions } from "../../diff/diff.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type CheckResult, checkSubject } from "../check.ts";
import { type LinkResult, linkSubject } from "../link.ts";
import { openModule, type Subject } from "../open.ts";
import { type DiffResult, diffObjects, extractDiffs, isSameObject } from "./diff.ts";
import { asInModule } from "./linkTimeNames.ts";
import { type ReplacedReason, replacedReason, type TakenAlong, takenAlong } from "./reasons.ts";

/** A pair that differs, with what it belongs to. */
export interface ChangedPair {
  readonly path: string;
  readonly object: string;
  readonly result: DiffResult;
}

/** A function that the livepatch replaces. */
export interface ReplacedFunction {
  readonly object: string;
  readonly name: string;
  /** 0: the name is the only one of its kind there. */
  readonly position: number;
  readonly why: ReplacedReason;
}

/**
 * Compares all pairs; those without a difference that counts are left out.
 * @param modules of the kernel, where the pairs are linked objects of theirs; else null
 * @throws Unusable
 */
export async function comparePairs(
  pairs: readonly ObjectPair[],
  options: DiffOptions,
  modules: Kernel["modules"] | null,
): Promise<ChangedPair[]> {
  const changed: ChangedPair[] = [];
  for (const { path, orig, patched, owners } of pairs) {
    const [before, after] = [readFileSync(orig), readFileSync(patched)];
    if (isSameObject(before, after)) continue;
    if (isBitcode(after)) throw new BuildStop([problem("KLP824", { file: path }, { path })], 1);
    const module = modules?.get(owners[0] ?? "");
    const named = module === undefined ? before : asInModule(before, module);
    const result = await diffObjects({ bytes: named, path }, { bytes: after, path }, options);
    if (result.isEmpty && result.problems.length === 0) continue;
    for (const object of owners) changed.push({ path, object, result });
  }
  return changed;
}

const isBitcode = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x42 && bytes[1] === 0x43 && bytes[2] === 0xc0 && bytes[3] === 0xde;

export interface Taken {
  readonly bytes: Uint8Array | null;
  readonly functions: readonly ReplacedFunction[];
  /** What goes with them, of each object. */
  readonly along: readonly (TakenAlong & { readonly object: string })[];
  readonly problems: readonly Problem[];
}

/**
 * Takes what changed out into one diff object.
 * @param tree folder of the source: paths of its files are told from there
 * @throws Unusable KLP111
 */
export async function takeOut(
  changed: readonly ChangedPair[],
  kernel: Kernel,
  positions: ReadonlyMap<string, number>,
  tree: string,
): Promise<Taken> {
  if (changed.length === 0) return { bytes: null, functions: [], along: [], problems: [] };
  const { bytes, parts, problems } = extractDiffs(changed, kernel, { positions });
  const functions: ReplacedFunction[] = [];
  for (const [i, part] of parts.entries()) {
    const { result } = changed[i] as ChangedPair;
    for (const { name, position, patched } of part.replaced)
      functions.push({ object: part.object, name, position, why: await replacedReason(result, part, patched, tree) });
  }
  const along = parts.flatMap((part) => takenAlong(part).map((row) => ({ ...row, object: part.object })));
  return { bytes, functions, along, problems };
}

export interface ModuleOptions {
  readonly build: PatchBuild;
  /** Folder that is made anew for it. */
  readonly folder: string;
  /** The module's name, `livepatch-…`. */
  readonly name: string;
  readonly replace: boolean;
  readonly kernel: Kernel;
  readonly positions: ReadonlyMap<string, number>;
  /** Text of the kernel's Module.symvers; null: not known. */
  readonly symvers: string | null;
}

export interface ModuleResult {
  readonly subject: Subject;
  readonly bytes: Uint8Array | null;
  readonly link: LinkResult;
  readonly check: CheckResult | null;
  readonly problems: readonly Problem[];
}

/** Makes the module of a diff object. @throws BuildStop KLP817, Interrupted, Unusable */
export async function makeModule(diffObject: Uint8Array, options: ModuleOptions): Promise<ModuleResult> {
  const { build, folder, name, replace, kernel, positions, symvers } = options;
  rmSync(folder, { recursive: true, force: true });
  for (const { name: file, bytes } of glueFiles()) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), bytes);
  }
  writeFileSync(join(folder, "diff.o_shipped"), diffObject);
  const list = build.exportList;
  if (list !== null && symvers !== null) writeFileSync(list, symvers);
  else if (list !== null && !existsSync(list)) writeFileSync(list, "");
  // Names that are no exports become livepatch symbols behind it; objtool may warn of them. No BTF is kept, and no debug information: it
  // would tell the path of the private folder.
  const args = [`M=${folder}`, `KLPLINK_NAME=${name}`, `KLPLINK_REPLACE=${replace ? 1 : 0}`, "KBUILD_MODPOST_WARN=1"];
  const without = ["CONFIG_OBJTOOL_WERROR=", "CONFIG_DEBUG_INFO_BTF_MODULES=", "CFLAGS_MODULE=-g0"];
  await build.make("`make modules` of the livepatch", [...args, ...without, "modules"]);
  const file = `${name}.ko`;
  const subject = openModule(readFileSync(join(folder, file)), file);
  const common = { file, kernel, positions };
  const linked = linkSubject(subject, { ...common, tocRestore: "island" });
  if (linked.output === null) return { subject, bytes: null, link: linked, check: null, problems: linked.problems };
  const finished = openModule(linked.output, file);
  const checked = checkSubject(finished, common);
  const problems = [...linked.problems, ...checked.problems.filter((p) => !isTold(p, linked.problems))];
  const isGood = !problems.some((p) => levelOf(p) === "error");
  return { subject: finished, bytes: isGood ? linked.output : null, link: linked, check: checked, problems };
}

const isTold = (p: Problem, told: readonly Problem[]): boolean =>
  told.some((t) => t.code === p.code && JSON.stringify(t.data) === JSON.stringify(p.data));
