// Explicit-state exploration: every interleaving of "the writer takes its next step" and "a CPU executes the
// instruction at its place", breadth first, so that the first violation of a property is a shortest one.
//
// A task may stay at a place for any number of writer steps: preempted, interrupted, or inside the tracer with its
// return address in the site. It runs through the site again and again; where it stands idle, at the entry, it counts
// as outside. NMIs run through the site on the CPU and stack of the task that they interrupt, and end before it goes on.

import { append } from "../../base/lists.ts";
import { type Model, type ModelPlace, compile as modelOf } from "./compile.ts";
import { ModelCpu } from "./machine.ts";
import { faultsAtEnd, patchingNotes } from "./oracles.ts";
import { type Property, type Protocol, properties } from "./protocol.ts";
import {
  type Cpu,
  type ExploreOptions,
  type ModelFault,
  type State,
  type TaskContext,
  type TraceStep,
  type Verdict,
  whoIs,
  withCpu,
  withTop,
} from "./state.ts";
import { plus, type Statement, type Value } from "./statements.ts";

/** Different fetches at one place; no protocol with an end comes near. */
const MAX_MIXTURES = 4096;

/** What a CPU step came to. */
interface Outcome {
  readonly state: State;
  readonly what: string;
  readonly faults: readonly ModelFault[];
}

/** Explores all states of `protocol`. @throws ProtocolError if it does not fit together. */
export function explore(protocol: Protocol, options: ExploreOptions = {}): Verdict {
  return new Explorer(modelOf(protocol), options.maxStates ?? 500_000).run();
}

class Explorer {
  readonly #model: Model;
  readonly #maxStates: number;
  readonly #ends: ReadonlyMap<number, number>;
  readonly #stale: boolean;
  readonly #idle: TaskContext;

  readonly #states: State[] = [];
  readonly #parents: number[] = [];
  readonly #labels: { readonly who: string; readonly what: string }[] = [];
  readonly #depths: number[] = [];
  readonly #known = new Map<string, number>();
  readonly #parts = new Map<string, number>();
  readonly #ids = new WeakMap<object, number>();
  /** Edges as pairs (from, to). */
  readonly #edges: number[] = [];
  readonly #broken = new Set<number>();
  readonly #first = new Map<Property, { readonly state: number; readonly what: string }>();
  #incomplete = false;

  constructor(model: Model, maxStates: number) {
    this.#model = model;
    this.#maxStates = maxStates;
    this.#ends = new Map(model.entries.map(({ end }, i) => [end, i]));
    this.#stale = model.protocol.fetch === "stale";
    this.#idle = {
      origin: -1,
      place: model.entries[0]?.at ?? 0,
      registers: model.registers.map((r) => r.value),
      stack: [],
      below: 0,
      ran: 0,
      redirected: false,
    };
  }

  run(): Verdict {
    const { protocol, cells, variables } = this.#model;
    const cpu: Cpu = { variables: variables.map((v) => v.value), contexts: [this.#idle] };
    this.#add(
      { taken: 0, memory: cells.map((c) => [c.value]), cpus: Array.from({ length: protocol.tasks ?? 2 }, () => cpu) },
      -1,
      { who: "", what: "start" },
    );
    for (let at = 0; at < this.#states.length && !this.#incomplete; at++) {
      if (this.#broken.has(at)) continue;
      const state = this.#states[at] as State;
      for (const [i] of state.cpus.entries()) this.#cpuSteps(state, at, i);
      this.#writerStep(state, at);
    }
    if (this.#first.size === 0 && !this.#incomplete) this.#findStuck();
    const violations = [...this.#first]
      .map(([property, { state, what }]) => ({ property, what, trace: this.#trace(state) }))
      .sort((a, b) => a.trace.length - b.trace.length || order(a.property) - order(b.property));
    return {
      name: protocol.name,
      holds: violations.length === 0 && !this.#incomplete,
      violations,
      states: this.#states.length,
      transitions: this.#edges.length / 2,
      depth: this.#depths.at(-1) ?? 0,
      incomplete: this.#incomplete,
      notes: patchingNotes(this.#model),
    };
  }

  /** Index of a state; a new one is put at the end of the queue. */
  #add(state: State, parent: number, label: { readonly who: string; readonly what: string }): number {
    let key = `${state.taken},${this.#idOf(state.memory, state.memory)}`;
    for (const cpu of state.cpus) {
      key += `,${this.#ids.get(cpu) ?? this.#idOf(cpu, [cpu.variables, cpu.contexts.map((x) => Object.values(x))])}`;
    }
    let index = this.#known.get(key);
    if (index === undefined) {
      index = this.#states.length;
      if (index >= this.#maxStates) {
        this.#incomplete = true;
        return -1;
      }
      this.#known.set(key, index);
      this.#states.push(state);
      this.#parents.push(parent);
      this.#labels.push(label);
      this.#depths.push(parent < 0 ? 0 : (this.#depths[parent] ?? 0) + 1);
    }
    if (parent >= 0) this.#edges.push(parent, index);
    return index;
  }

  /** A number that stands for the content of a part of a state. */
  #idOf(part: object, content: unknown): number {
    let id = this.#ids.get(part);
    if (id === undefined) {
      const text = JSON.stringify(content);
      id = this.#parts.get(text);
      if (id === undefined) {
        id = this.#parts.size;
        this.#parts.set(text, id);
      }
      this.#ids.set(part, id);
    }
    return id;
  }

  #violate(state: number, { property, what }: ModelFault): void {
    this.#broken.add(state);
    if (!this.#first.has(property)) this.#first.set(property, { state, what });
  }

  #writerStep(state: State, at: number): void {
    const { writer, noParking, cells } = this.#model;
    const step = writer[state.taken];
    if (step === undefined) return;
    const contexts = state.cpus.flatMap((c) => c.contexts);
    const standing = contexts.filter((c) => c.origin >= 0);
    const isAt = (places: ReadonlySet<number> | readonly number[]): boolean => {
      const set = new Set(places);
      return standing.some((c) => set.has(c.place));
    };
    if (isAt(noParking)) return;
    if (step.quiesce === "tasks" ? standing.length > 0 : step.quiesce !== null && isAt(step.quiesce)) return;
    if (step.sync || step.stopMachine) {
      // An NMI runs with interrupts off.
      if (state.cpus.some((c) => c.contexts.length > 1)) return;
      if (standing.some((c) => (this.#model.places[c.place] as ModelPlace).irqsOff)) return;
    }
    if (step.until.some(({ cell, value }) => state.memory[cell]?.at(-1) !== value)) return;
    const memory = state.memory.slice();
    const put = (cell: number, value: Value): void => {
      const isStale = this.#stale && cells[cell]?.isCode === true;
      memory[cell] = isStale ? appended(memory[cell] ?? [], value) : [value];
    };
    for (const { cell, value } of step.writes) put(cell, value);
    for (const { cell, value } of step.adds) put(cell, plus(memory[cell]?.at(-1) ?? "", value));
    if (step.sync || step.stopMachine) {
      for (const [cell, contents] of memory.entries()) if (contents.length > 1) memory[cell] = contents.slice(-1);
    }
    this.#add({ taken: state.taken + 1, memory, cpus: state.cpus }, at, {
      who: "writer",
      what: step.note === "" ? this.#describeStep(state.taken) : step.note,
    });
  }

  #describeStep(taken: number): string {
    const step = this.#model.protocol.writer[taken];
    const parts: string[] = [];
    for (const [cell, value] of Object.entries(step?.write ?? {})) parts.push(`${cell} := ${value}`);
    for (const [cell, value] of Object.entries(step?.add ?? {}))
      parts.push(`${cell} ${value < 0 ? "-" : "+"}= ${Math.abs(value)}`);
    if (step?.stopMachine) parts.push("(stop_machine)");
    if (step?.sync) parts.push("sync all CPUs");
    if (step?.quiesce === "tasks") parts.push("wait until every task has left the site");
    else if (step?.quiesce !== undefined) parts.push(`wait until no task is at ${step.quiesce.join(", ")}`);
    for (const [cell, value] of Object.entries(step?.until ?? {})) parts.push(`wait until ${cell} is ${value}`);
    return parts.join(", ");
  }

  #cpuSteps(state: State, at: number, i: number): void {
    const { entries, protocol, places } = this.#model;
    const cpu = state.cpus[i] as Cpu;
    const top = cpu.contexts.at(-1) as TaskContext;
    const who = whoIs(i, cpu.contexts.length - 1);
    const begin = top.origin >= 0 ? [top] : entries.map((e, origin) => ({ ...top, origin, place: e.at }));
    for (const context of begin) {
      for (const outcome of this.#execute(state, i, context)) {
        const next = this.#add(outcome.state, at, { who, what: outcome.what });
        if (next < 0) return;
        for (const fault of outcome.faults) this.#violate(next, fault);
      }
    }
    // An NMI at an idle CPU is like one more task.
    if (top.origin < 0 || cpu.contexts.length > (protocol.nmi ?? 0)) return;
    for (const [origin, entry] of entries.entries()) {
      const contexts = [...cpu.contexts, { ...this.#idle, origin, place: entry.at }];
      this.#add(withCpu(state, i, { ...cpu, contexts }), at, {
        who: whoIs(i, cpu.contexts.length),
        what: `NMI arrives and calls ${places[entry.at]?.name}`,
      });
    }
  }

  /** Everything that the context at the top of CPU `i` may do next: one outcome for each thing it may fetch. */
  #execute(state: State, i: number, context: TaskContext): Outcome[] {
    const place = this.#model.places[context.place] as ModelPlace;
    if (place.fixed !== null) {
      const what = place.title === "" ? place.name : `${place.name}: ${place.title}`;
      return [this.#perform(state, i, context, place.fixed, what)];
    }
    const outcomes: Outcome[] = [];
    const seen = new Set<string>();
    const visible = place.cells.map((cell) => state.memory[cell] ?? []);
    if (visible.reduce((product, contents) => product * contents.length, 1) > MAX_MIXTURES) {
      this.#incomplete = true;
      return [];
    }
    for (const contents of mixtures(visible)) {
      const instruction = this.#decode(contents);
      const text = contents.join(" ");
      const isNewest = place.cells.every((cell, n) => state.memory[cell]?.at(-1) === contents[n]);
      const fetched = isNewest ? "" : " (an older fetch)";
      if (seen.has(instruction ?? `?${text}`)) continue;
      seen.add(instruction ?? `?${text}`);
      if (instruction === null) {
        const what = `fetches \`${text}\` at ${place.name}${fetched}`;
        const faults: ModelFault[] = [{ property: "O5", what: `\`${text}\` at ${place.name} is not an instruction` }];
        outcomes.push({ state: withTop(state, i, { ...context }), what, faults });
        continue;
      }
      const statements = this.#model.instructions.get(instruction) ?? [];
      outcomes.push(this.#perform(state, i, context, statements, `${place.name}: ${instruction}${fetched}`));
    }
    return outcomes;
  }

  /** The instruction that these cell contents are; null if they are none. */
  #decode(contents: readonly Value[]): string | null {
    for (const { instruction, cells } of this.#model.encodings) {
      if (cells.length <= contents.length && cells.every((c, n) => c === "*" || c === contents[n])) return instruction;
    }
    const [only] = contents;
    return contents.length === 1 && this.#model.instructions.has(String(only)) ? String(only) : null;
  }

  #perform(state: State, i: number, context: TaskContext, statements: readonly Statement[], what: string): Outcome {
    const machine = new ModelCpu(this.#model, state, i, context);
    machine.run(statements, context.place, 0);
    const faults = machine.faults;
    const place = machine.place ?? (this.#model.places[context.place] as ModelPlace).next;
    let after: TaskContext = {
      ...context,
      place,
      registers: machine.registers,
      stack: machine.stack,
      below: machine.below,
      ran: machine.ran,
      redirected: machine.redirected,
    };
    let contexts = (state.cpus[i] as Cpu).contexts.slice(0, -1);
    const end = this.#ends.get(place);
    if (faults.length === 0 && end !== undefined) {
      append(faults, faultsAtEnd(this.#model, after, end));
      // Behind the site: a task will come again, an NMI is over.
      if (faults.length === 0) after = this.#idle;
    }
    if (faults.length > 0 || contexts.length === 0 || after !== this.#idle) contexts = [...contexts, after];
    const cpus = state.cpus.slice();
    cpus[i] = { variables: machine.variables, contexts };
    return { state: { taken: state.taken, memory: machine.memory, cpus }, what, faults };
  }

  /** From each state the writer must be able to finish and every task to leave the site. */
  #findStuck(): void {
    const { writer } = this.#model;
    const before: number[][] = this.#states.map(() => []);
    for (let e = 0; e < this.#edges.length; e += 2)
      before[this.#edges[e + 1] as number]?.push(this.#edges[e] as number);
    const good = new Uint8Array(this.#states.length);
    const queue: number[] = [];
    for (const [at, s] of this.#states.entries()) {
      if (s.taken < writer.length || s.cpus.some((c) => c.contexts.some((x) => x.origin >= 0))) continue;
      good[at] = 1;
      queue.push(at);
    }
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      for (const b of before[at] ?? []) {
        if (good[b] === 1) continue;
        good[b] = 1;
        queue.push(b);
      }
    }
    const stuck = good.indexOf(0);
    if (stuck < 0) return;
    this.#violate(stuck, { property: "stuck", what: this.#whyStuck(stuck) });
  }

  /** What never comes to an end, in whatever order things go on from a state. */
  #whyStuck(from: number): string {
    const { writer, places } = this.#model;
    const behind = new Map<number, number[]>();
    for (let e = 0; e < this.#edges.length; e += 2) {
      const [a, b] = [this.#edges[e] as number, this.#edges[e + 1] as number];
      const list = behind.get(a);
      if (list === undefined) behind.set(a, [b]);
      else list.push(b);
    }
    const reached = new Set([from]);
    for (const at of reached) for (const next of behind.get(at) ?? []) reached.add(next);
    const states = [...reached].map((at) => this.#states[at] as State);

    const reasons: string[] = [];
    const taken = states.reduce((most, s) => Math.max(most, s.taken), 0);
    if (taken < writer.length) {
      const how = states[0]?.taken === taken ? "waits for ever at" : "will come no further than";
      reasons.push(`the writer ${how} its step ${taken + 1}: ${this.#describeStep(taken)}`);
    }
    for (const [i] of (states[0]?.cpus ?? []).entries()) {
      const contexts = states.map((s) => (s.cpus[i] as Cpu).contexts);
      if (contexts.some((c) => c.every((x) => x.origin < 0))) continue;
      const names = [...new Set(contexts.map((c) => places[c[0]?.place ?? 0]?.name ?? ""))];
      reasons.push(`${whoIs(i, 0)} never leaves the site: it stays at ${names.join(", ")}`);
    }
    if (reasons.length > 0) return reasons.join("; ");
    return "the writer's last step and an empty site do not come together any more";
  }

  #trace(state: number): TraceStep[] {
    const path: number[] = [];
    for (let at = state; at >= 0; at = this.#parents[at] ?? -1) path.unshift(at);
    const { cells, places } = this.#model;
    return path.map((at) => {
      const { memory, cpus } = this.#states[at] as State;
      return {
        ...(this.#labels[at] as { who: string; what: string }),
        memory: cells.map(({ name, isCode }, c) => ({ cell: name, contents: memory[c] ?? [], isCode })),
        places: cpus.flatMap(({ contexts }, i) =>
          contexts.map((x, level) => ({
            who: whoIs(i, level),
            place: x.origin < 0 ? null : (places[x.place]?.name ?? ""),
          })),
        ),
      };
    });
  }
}

const order = (property: Property): number => Object.keys(properties).indexOf(property);

function appended(contents: readonly Value[], value: Value): readonly Value[] {
  return [...contents.filter((c) => c !== value), value];
}

/** All choices of one content a cell, the newest first. */
function* mixtures(cells: readonly (readonly Value[])[]): Generator<Value[]> {
  const [first, ...rest] = cells;
  if (first === undefined) {
    yield [];
    return;
  }
  for (const content of [...first].reverse()) for (const others of mixtures(rest)) yield [content, ...others];
}
