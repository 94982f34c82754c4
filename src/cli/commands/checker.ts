// One file of those that `klplink check` is given.

import { defined } from "../../base/defined.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { UnpackPool } from "../../elf/containers/budget.ts";
import { ReadingRoom } from "../../elf/regularFile.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { packingFault } from "../../kernel/module/packing.ts";
import { type CheckResult, checkSubject } from "../../passes/check.ts";
import { previousProblems, succession } from "../../passes/diff/previous.ts";
import { openModule, type Subject } from "../../passes/open.ts";
import type { Context } from "../context.ts";
import { readUnpacked, type Standard } from "../files/io.ts";
import { KernelModules } from "../files/kernel/kernelModules.ts";
import type { ModuleStore } from "../files/kernel/kernelSources.ts";
import { type Contents, TreeModules } from "../files/kernel/treeModules.ts";
import {
  type CommonOptions,
  type KernelOptions,
  linkCommand,
  problemOf,
  readKernelFiles,
  readReference,
} from "../options.ts";
import { type Prepared, prepare } from "../report.ts";

export type CheckOptions = CommonOptions & KernelOptions & { readonly previous?: string };

/** What came of one file: nothing but data. */
export interface Checked extends Prepared {
  readonly file: string;
  readonly problems: readonly Problem[];
  /** Null: it could not be read. */
  readonly outcome: Pick<CheckResult, "arch" | "module" | "calls" | "unchecked"> | null;
}

/** What is needed for each of several files, read once. */
export interface Checker {
  readonly check: (file: string) => Promise<Checked>;
  readonly tree: TreeModules | null;
}

/**
 * @param show is told which file of a tree is read
 * @param ask tells what all files of a tree say, where others have a part in reading them
 * @throws InputProblem, UsageError
 */
export async function openChecker(
  files: readonly string[],
  options: CheckOptions,
  context: Context,
  show: (path: string) => void,
  ask: (() => Promise<Contents>) | null = null,
): Promise<Checker> {
  const loaded = (await indexedKernel(options, context)) ?? (await readKernelFiles(options, context));
  const kernel = loaded?.kernel ?? null;
  const stores = loaded?.stores ?? [];
  const own = new KernelModules(stores);
  const reference = await readReference(options, context);
  const previous = options.previous === undefined ? null : await readUnpacked(options.previous, context);
  const tree = files.length > 1 ? new TreeModules(files, context, show, ask) : null;
  const room = new ReadingRoom();
  const check = async (file: string): Promise<Checked> => {
    let subject: Subject | null = null;
    try {
      const input = await readChecked(file, stores, among(files.length, context, room));
      subject = openModule(input.bytes, input.name);
      const inTree = tree === null ? kernel : await tree.add(kernel, subject, file);
      const known = await own.add(inTree, subject);
      const {
        problems: found,
        arch,
        module,
        calls,
        unchecked,
      } = checkSubject(subject, {
        file: input.name,
        command: linkCommand(file, options),
        ...(known === null ? {} : { kernel: known }),
        ...(reference === null ? {} : { reference }),
        ...defined({ positions: options.sympos, kernelVersion: options.kernelVersion }),
      });
      const fault = input.packing === null ? null : packingFault(input.packed, input.packing);
      const packed =
        fault === null ? [] : [problem("KLP114", { file: input.name }, { packing: input.packing ?? "", ...fault })];
      // Among several files, a position may be meant for another one.
      const before = previous === null ? [] : beforeIt(openModule(previous.bytes, previous.name), subject, kernel);
      const problems = [...packed, ...before, ...(files.length > 1 ? found.filter((p) => p.code !== "KLP452") : found)];
      const outcome = { arch, module, calls, unchecked };
      return { file: input.name, problems, outcome, ...(await prepare(options, subject, problems)) };
    } catch (error) {
      const p = problemOf(error);
      if (p === null) throw error;
      return { file, problems: [p], outcome: null, ...(await prepare(options, subject, [p])) };
    }
  };
  return { check, tree };
}

/** The kernel out of the index that `--against` keeps, too: what it lacks, `check` does not ask. Null: it is to be read as it is. */
async function indexedKernel(
  { kernel: given = [], module = [], root = "/", verbose }: CheckOptions,
  context: Context,
): Promise<{ readonly kernel: Kernel; readonly stores: readonly ModuleStore[] } | null> {
  // What was taken of a kernel is told where all of it is read.
  if (given.length === 0 || given.includes("-") || verbose === true) return null;
  const { isWorthIndexing, openIndexed } = await import("../fleet/indexCache.ts");
  if (!isWorthIndexing(given, root)) return null;
  const { kernel, stores } = await openIndexed(given, root, context);
  if (module.length === 0) return { kernel, stores };
  const { loadModules } = await import("../files/kernel/kernel.ts");
  return { kernel: kernel.withModules(await loadModules(module, stores, context)), stores };
}

/** Of many files, which threads may look at in any order, each has its part of what they share. They are checked one after the other. */
const among = (files: number, context: Context, room: ReadingRoom): Standard =>
  files === 1
    ? context
    : {
        get stdin() {
          return context.stdin;
        },
        unpacking: new UnpackPool(files),
        room,
      };

/** What a livepatch before it makes wrong. */
function beforeIt(old: Subject, now: Subject, kernel: Kernel | null): readonly Problem[] {
  const found = previousProblems(old, now.module, kernel?.release ?? null);
  return found.length > 0 ? found : succession(old, now).problems;
}

/** A file, or a module of the kernel by its name. @throws InputProblem */
async function readChecked(
  path: string,
  stores: readonly ModuleStore[],
  context: Standard,
): Promise<Awaited<ReturnType<typeof readUnpacked>>> {
  if (stores.length > 0) {
    const { namedModule } = await import("../files/kernel/kernel.ts");
    const found = await namedModule(path, stores);
    if (found !== null) {
      const bytes = await found.read();
      return { name: found.name, bytes, mode: 0o644, packing: null, packed: bytes };
    }
  }
  return readUnpacked(path, context);
}
