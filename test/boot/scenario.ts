// What a boot should show, and everything in which it did not. The same judge serves the good and the broken modules.

import { readFileSync } from "node:fs";
import type { Boot, LogLine, Step } from "./boot.ts";
import { boot } from "./boot.ts";
import { type Ran, run } from "./run.ts";
import type { Lab } from "./setup.ts";

/** What /proc files answered when they were first read, by path. */
export type Answers = ReadonlyMap<string, string>;

export interface Planned {
  line: string;
  /** What the step must read; a function computes it from what the kernel itself answered earlier. */
  output?: RegExp | ((first: Answers) => string);
}

export function klplink(...args: string[]): Ran {
  return run(process.execPath, ["bin/klplink.js", ...args]);
}

/** Boots with one module as /module.ko. */
export function bootWith(lab: Lab, module: Uint8Array, lines: readonly string[]): Promise<Boot> {
  return boot(lab.vmlinux, readFileSync(lab.init), [{ name: "module.ko", data: module }], lines);
}

export const LOAD = "insmod /module.ko";

/** A livepatch's whole life: loaded, in force, then `used`, disabled, removed. */
export function lifeCycle(
  name: string,
  before: readonly Planned[],
  used: readonly Planned[],
  after: readonly Planned[],
): Planned[] {
  const sysfs = `/sys/kernel/livepatch/${name}`;
  return [
    ...before,
    { line: LOAD },
    { line: `wait ${sysfs}/transition 0` },
    ...used,
    { line: `write ${sysfs}/enabled 0` },
    { line: `gone ${sysfs}` },
    { line: `rmmod ${name}` },
    ...after,
  ];
}

/** Everything in which the boot is not as planned, in the order of the steps; empty when all is well. */
export function complaints(result: Boot, plan: readonly Planned[]): string[] {
  const found: string[] = [];
  const first = new Map<string, string>();
  for (const [i, planned] of plan.entries()) {
    const step = result.steps[i];
    if (step === undefined || step.line !== planned.line) {
      found.push(`${planned.line}: not reached`);
      continue;
    }
    if (step.result !== 0)
      found.push(`${step.line}: ${typeof step.result === "number" ? `errno ${step.result}` : step.result}`);
    for (const line of step.log) if (isComplaint(line)) found.push(`${step.line}: the kernel says: ${line.text}`);
    found.push(...wrongOutput(step, planned, first));
    const path = /^read (.*)$/.exec(step.line)?.[1];
    if (path !== undefined && !first.has(path)) first.set(path, step.output);
  }
  if (!result.complete) found.push("the guest did not come to the end of its script");
  return found;
}

function wrongOutput(step: Step, planned: Planned, first: Answers): string[] {
  if (planned.output === undefined) return [];
  if (planned.output instanceof RegExp) {
    return planned.output.test(step.output)
      ? []
      : [`${step.line}: ${JSON.stringify(step.output)} does not match ${planned.output}`];
  }
  const expected = planned.output(first);
  return step.output === expected
    ? []
    : [`${step.line}: ${JSON.stringify(step.output)}, expected ${JSON.stringify(expected)}`];
}

const KERN_WARNING = 4;

/** What a kernel says when the machine that emulates it is busy elsewhere: of the host's time, not of the module. */
const OF_THE_HOST = [
  /^hrtimer: interrupt took \d+ ns$/,
  /^clocksource: /,
  /^perf: interrupt took too long /,
  /^workqueue: \S+ hogged CPU for /,
  /^sched: (?:DL|RT) (?:replenish|throttling)/,
];

/** A warning or worse. That the module was built out of tree is one too, and no fault. */
export function isComplaint({ level, text }: LogLine): boolean {
  return (
    level <= KERN_WARNING &&
    !text.endsWith(": loading out-of-tree module taints kernel.") &&
    !OF_THE_HOST.some((pattern) => pattern.test(text))
  );
}

/** What the file answered first; an absent or empty answer cannot serve as an expectation. */
export function answered(first: Answers, path: string): string {
  const text = first.get(path);
  if (text === undefined || text === "") throw new Error(`${path} was not read before`);
  return text;
}

/** The step with this script line, the first of them. */
export function stepOf(result: Boot, line: string): Step {
  const step = result.steps.find((s) => s.line === line);
  if (step === undefined) throw new Error(`no step "${line}" in:\n${result.console}`);
  return step;
}

export const textOf = (step: Step): string => step.log.map((line) => line.text).join("\n");
