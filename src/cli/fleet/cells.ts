// One kernel against all modules: what a worker does.

import {
  countOf,
  firstRefusal,
  kernelOf,
  levelOf,
  type Problem,
  printedRefusals,
  titleOf,
} from "../../diag/catalogue.ts";
import { toJson } from "../../diag/render/json.ts";
import { withoutRepeats } from "../../diag/tally.ts";
import { UnpackPool } from "../../elf/containers/budget.ts";
import { archNameOf } from "../../elf/machine.ts";
import { machineOfList } from "../../kernel/machines.ts";
import type { KernelVersion } from "../../kernel/version.ts";
import { checkSubject } from "../../passes/check.ts";
import { openModule, type Subject } from "../../passes/open.ts";
import { type Context, sharing } from "../context.ts";
import { readUnpacked } from "../files/io.ts";
import { KernelModules } from "../files/kernel/kernelModules.ts";
import { problemOf } from "../options.ts";
import { differencesOf } from "./differs.ts";
import type { Cell, MatrixKernel } from "./document.ts";
import { type FleetKernel, openFleetKernel } from "./indexCache.ts";

/** What is the same for all kernels of a run. */
export interface FleetJob {
  readonly modules: readonly string[];
  /** How many kernels there are; each has its part of what may be unpacked. */
  readonly kernels: number;
  readonly root: string;
  readonly positions: ReadonlyMap<string, number> | null;
  readonly kernelVersion: KernelVersion | null;
}

/** What came of one kernel. */
export interface KernelResult {
  readonly kernel: MatrixKernel;
  readonly modules: readonly { readonly file: string; readonly module: string | null; readonly arch: string | null }[];
  readonly cells: readonly Cell[];
}

/** Problems that are listed of one cell. */
const MOST_PROBLEMS = 100;

type Read = { readonly file: string } & (
  | { readonly subject: Subject; readonly problem: null }
  | { readonly subject: null; readonly problem: Problem }
);

const kept = new WeakMap<FleetJob, Promise<readonly Read[]>>();

/** The modules of a run, each opened once in a process. */
function modulesOf(job: FleetJob, context: Context): Promise<readonly Read[]> {
  let found = kept.get(job);
  if (found === undefined) {
    found = inTurn(job.modules, sharing(context, new UnpackPool()));
    kept.set(job, found);
  }
  return found;
}

/** One after the other: what may be unpacked depends on those before. */
async function inTurn(files: readonly string[], context: Context): Promise<Read[]> {
  const read: Read[] = [];
  for (const file of files) read.push(await readModule(file, context));
  return read;
}

async function readModule(file: string, context: Context): Promise<Read> {
  try {
    const input = await readUnpacked(file, context);
    return { file, subject: openModule(input.bytes, input.name), problem: null };
  } catch (error) {
    const p = problemOf(error);
    if (p === null) throw error;
    return { file, subject: null, problem: p };
  }
}

/** What the modules are, without a kernel. */
export async function moduleRows(job: FleetJob, context: Context): Promise<KernelResult["modules"]> {
  return (await modulesOf(job, context)).map(({ file, subject }) => ({
    file,
    module: subject?.module ?? null,
    arch: subject?.arch.name ?? null,
  }));
}

/** @param name the kernel as it was given */
export async function checkKernel(name: string, job: FleetJob, surroundings: Context): Promise<KernelResult> {
  // Which kernels a thread is given, and when, does not matter.
  const context = sharing(surroundings, new UnpackPool(job.kernels));
  const modules = await modulesOf(job, context);
  const rows = await moduleRows(job, context);
  let fleet: FleetKernel;
  try {
    fleet = await openFleetKernel(name, job.root, context);
  } catch (error) {
    const p = problemOf(error);
    if (p === null) throw error;
    const cells = modules.map(({ file }) => cellOf(file, name, "unreadable", [p], []));
    return { kernel: { name, release: null, arch: null }, modules: rows, cells };
  }
  const { kernel } = fleet;
  const machine = kernel.machines[0]?.machine ?? (kernel.list === null ? null : machineOfList(kernel.list));
  const own = new KernelModules(fleet.stores);
  const cells: Cell[] = [];
  for (const read of modules) cells.push(await cellFor(read, { name, machine, fleet, own }, job));
  const arch = machine === null ? null : archNameOf(machine);
  return { kernel: { name, release: kernel.release, arch }, modules: rows, cells };
}

interface Opened {
  readonly name: string;
  readonly machine: number | null;
  readonly fleet: FleetKernel;
  readonly own: KernelModules;
}

async function cellFor(read: Read, { name, machine, fleet, own }: Opened, job: FleetJob): Promise<Cell> {
  const { file, subject } = read;
  if (subject === null) return cellOf(file, name, "unreadable", [read.problem], []);
  if (machine !== null && machine !== subject.arch.machine) return cellOf(file, name, "other-architecture", [], []);
  try {
    const kernel = await own.add(fleet.kernel, subject);
    const { problems, unchecked } = checkSubject(subject, {
      file,
      ...(kernel === null ? {} : { kernel }),
      ...(job.positions === null ? {} : { positions: job.positions }),
      ...(job.kernelVersion === null ? {} : { kernelVersion: job.kernelVersion }),
    });
    const isRefused = problems.some((p) => levelOf(p) === "error");
    return cellOf(file, name, isRefused ? "refused" : "taken", problems, unchecked);
  } catch (error) {
    const p = problemOf(error);
    if (p === null) throw error;
    return cellOf(file, name, p.code === "KLP111" ? "other-architecture" : "unreadable", [p], []);
  }
}

function cellOf(
  module: string,
  kernel: string,
  verdict: Cell["verdict"],
  problems: readonly Problem[],
  unchecked: readonly string[],
): Cell {
  const first = firstRefusal(problems) ?? problems.find((p) => levelOf(p) === "error") ?? null;
  const printed = new Set(printedRefusals(problems));
  const [line = null] = first === null ? [] : (kernelOf(first) ?? titleOf(first)).split("\n");
  // Errors first: warnings are what is left out where there are many.
  const sorted = withoutRepeats(problems).sort((a, b) => rank(a) - rank(b));
  return {
    module,
    kernel,
    verdict,
    code: first?.code ?? null,
    first: line,
    differs: verdict === "refused" ? differencesOf(problems) : [],
    errors: verdict === "other-architecture" ? 0 : countOf(problems, "error"),
    warnings: countOf(problems, "warning"),
    unchecked,
    problems:
      verdict === "other-architecture"
        ? []
        : sorted.slice(0, MOST_PROBLEMS).map((p) => plainJson(toJson(p, printed.has(p)))),
  };
}

const rank = (p: Problem): number => (levelOf(p) === "error" ? 0 : 1);

/** Without what JSON cannot hold. */
const plainJson = (value: Record<string, unknown>): Record<string, unknown> =>
  JSON.parse(
    JSON.stringify(value, (_, v: unknown) => (typeof v === "bigint" ? `0x${BigInt.asUintN(64, v).toString(16)}` : v)),
  );
