// What an exploration goes through: the writer's position, memory, and every CPU with what runs on it; and what it tells.

import type { Property } from "./protocol.ts";
import type { Value } from "./statements.ts";

export interface TaskContext {
  /** Index of the entry that it came through; -1: idle, about to enter. */
  readonly origin: number;
  readonly place: number;
  readonly registers: readonly Value[];
  readonly stack: readonly Value[];
  /** Values taken off the stack that belong to the caller's frame. */
  readonly below: number;
  readonly ran: number;
  readonly redirected: boolean;
}

export interface Cpu {
  readonly variables: readonly Value[];
  /** The task, then the NMIs on top of it. */
  readonly contexts: readonly TaskContext[];
}

export interface State {
  /** Writer steps taken. */
  readonly taken: number;
  /** Cell -> contents that a fetch may see, oldest first; the last one is what stands in memory. */
  readonly memory: readonly (readonly Value[])[];
  readonly cpus: readonly Cpu[];
}

export interface TraceStep {
  /** `writer`, `task 1`, `task 1 NMI`, … */
  readonly who: string;
  readonly what: string;
  /** Contents after the step, by cell; several where a CPU may still fetch an older one, the newest last. */
  readonly memory: readonly { readonly cell: string; readonly contents: readonly Value[]; readonly isCode: boolean }[];
  /** Place of each task and of the NMIs on it, after the step; null: outside the site. */
  readonly places: readonly { readonly who: string; readonly place: string | null }[];
}

export interface Violation {
  readonly property: Property;
  readonly what: string;
  /** The start (no `who`), then one entry a step. */
  readonly trace: readonly TraceStep[];
}

export interface Verdict {
  readonly name: string;
  readonly holds: boolean;
  /** The shortest violation of each property, shortest first. */
  readonly violations: readonly Violation[];
  readonly states: number;
  readonly transitions: number;
  /** Steps from the start to the farthest state. */
  readonly depth: number;
  /** The limit on states was met: `holds` is false then, and only what was found is certain. */
  readonly incomplete: boolean;
  /** Run-time writes that the architecture does not allow while the code is being executed. */
  readonly notes: readonly string[];
}

export interface ExploreOptions {
  /** Default 500,000. */
  readonly maxStates?: number;
}

export interface ModelFault {
  readonly property: Property;
  readonly what: string;
}

/** Bytes from the stack pointer's value at entry. */
export const stackPointer = (stack: readonly Value[], below: number): number => (below - stack.length) * 8;

export const whoIs = (i: number, level: number): string =>
  `task ${i + 1}${level === 0 ? "" : ` NMI${level > 1 ? ` ${level}` : ""}`}`;

export const show = (value: Value | undefined): string =>
  typeof value === "number" ? String(value) : `\`${value ?? ""}\``;

export function withCpu(state: State, i: number, cpu: Cpu): State {
  const cpus = state.cpus.slice();
  cpus[i] = cpu;
  return { ...state, cpus };
}

export function withTop(state: State, i: number, context: TaskContext): State {
  const cpu = state.cpus[i] as Cpu;
  return withCpu(state, i, { ...cpu, contexts: [...cpu.contexts.slice(0, -1), context] });
}
