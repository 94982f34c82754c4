// Explicit-state exploration: every interleaving of "the writer takes its next step" and "a CPU executes the
// instruction at its place", breadth first, so that the first violation of a property is a shortest one.
//
// A task may stay at a place for any number of writer steps: preempted, interrupted, or inside the tracer with its
// return address in the site. It runs through the site again and again; where it stands idle, at the entry, it counts
// as outside. NMIs run through the site on the CPU and stack of the task that they interrupt, and end before it goes on.

import { type Model, compile as modelOf, type Place } from "./compile.ts";
import { type Property, type Protocol, properties } from "./protocol.ts";
import { addressOf, type Expression, type Statement, type Target, type Value } from "./statements.ts";

interface Context {
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

interface Cpu {
  readonly variables: readonly Value[];
  /** The task, then the NMIs on top of it. */
  readonly contexts: readonly Context[];
}

interface State {
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

/** Values on a stack; twice what any protocol without recursion needs. */
const MAX_STACK = 8;
const MAX_EXEC = 4;
/** Different fetches at one place; no protocol with an end comes near. */
const MAX_MIXTURES = 4096;
const CALLERS_FRAME = "caller's frame";

/** What a CPU step came to. */
interface Outcome {
  readonly state: State;
  readonly what: string;
  readonly faults: readonly Fault[];
}
interface Fault {
  readonly property: Property;
  readonly what: string;
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
  readonly #idle: Context;

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
      notes: this.#notes(),
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

  #violate(state: number, { property, what }: Fault): void {
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
      if (standing.some((c) => (this.#model.places[c.place] as Place).irqsOff)) return;
    }
    if (step.until.some(({ cell, value }) => state.memory[cell]?.at(-1) !== value)) return;
    const memory = state.memory.slice();
    const put = (cell: number, value: Value): void => {
      const isStale = this.#stale && cells[cell]?.isCode === true;
      memory[cell] = isStale ? appended(memory[cell] ?? [], value) : [value];
    };
    for (const { cell, value } of step.writes) put(cell, value);
    for (const { cell, value } of step.adds) put(cell, Number(memory[cell]?.at(-1)) + value);
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
    const top = cpu.contexts.at(-1) as Context;
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
  #execute(state: State, i: number, context: Context): Outcome[] {
    const place = this.#model.places[context.place] as Place;
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
        const faults: Fault[] = [
          { property: "O5", what: `\`${text}\` at ${place.name} is no instruction that was ever written there` },
        ];
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

  #perform(state: State, i: number, context: Context, statements: readonly Statement[], what: string): Outcome {
    const machine = new Machine(this.#model, state, i, context);
    machine.run(statements, context.place, 0);
    const faults = machine.faults;
    const place = machine.place ?? (this.#model.places[context.place] as Place).next;
    let after: Context = {
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
      faults.push(...this.#atEnd(after, end));
      // Behind the site: a task will come again, an NMI is over.
      if (faults.length === 0) after = this.#idle;
    }
    if (faults.length > 0 || contexts.length === 0 || after !== this.#idle) contexts = [...contexts, after];
    const cpus = state.cpus.slice();
    cpus[i] = { variables: machine.variables, contexts };
    return { state: { taken: state.taken, memory: machine.memory, cpus }, what, faults };
  }

  #atEnd(context: Context, end: number): Fault[] {
    const { atEnd, protocol, entries, places } = this.#model;
    const faults: Fault[] = [];
    const nameOf = (place: number | undefined): string => places[place ?? 0]?.name ?? "";
    if (entries[context.origin]?.end !== entries[end]?.end) {
      const what = `a task that entered at ${nameOf(entries[context.origin]?.at)} goes on at ${nameOf(entries[end]?.end)}`;
      faults.push({ property: "O1", what });
    }
    for (const { property, register, name, value } of atEnd) {
      const found = register < 0 ? stackPointer(context.stack, context.below) : context.registers[register];
      if (found !== value)
        faults.push({ property, what: `behind the site ${name} is ${show(found)}, not ${show(value)}` });
    }
    if (context.ran > 1) faults.push({ property: "O3", what: `the callback ran ${context.ran} times in one entry` });
    if (protocol.patchedThroughout === true) {
      if (context.ran !== 1) {
        const what = context.ran === 0 ? "the callback did not run" : `the callback ran ${context.ran} times`;
        faults.push({ property: "O4", what: `the site is a call before and after, but ${what}` });
      }
      if (!context.redirected) {
        faults.push({
          property: "L",
          what: "the function is patched before and after, but its old version is executed",
        });
      }
    }
    return faults;
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
    const taken = this.#states[stuck]?.taken ?? 0;
    const what =
      taken < writer.length
        ? `the writer waits for ever at its step ${taken + 1}: ${this.#describeStep(taken)}`
        : "a task cannot leave the site any more";
    this.#violate(stuck, { property: "stuck", what });
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

  #notes(): string[] {
    const { protocol, cells } = this.#model;
    const allowed = protocol.patchable;
    if (allowed === undefined) return [];
    const now = new Map<string, Value>(Object.entries(protocol.memory));
    const notes = new Set<string>();
    for (const step of protocol.writer) {
      for (const [cell, value] of Object.entries(step.write ?? {})) {
        const old = now.get(cell);
        now.set(cell, value);
        if (cells.find((c) => c.name === cell)?.isCode !== true || old === value || step.stopMachine === true) continue;
        if (allowed.includes(String(old)) && allowed.includes(String(value))) continue;
        notes.add(
          `${cell}: \`${old}\` becomes \`${value}\` while it may be executed; the architecture allows that only between ${allowed.join(", ")}`,
        );
      }
    }
    return [...notes];
  }
}

/** One CPU while it executes one instruction; works on copies. */
class Machine {
  readonly #model: Model;
  readonly #level: number;
  registers: Value[];
  stack: Value[];
  below: number;
  ran: number;
  redirected: boolean;
  variables: Value[];
  memory: readonly (readonly Value[])[];
  /** Where execution goes on; null: behind the place. */
  place: number | null = null;
  readonly faults: Fault[] = [];

  constructor(model: Model, state: State, i: number, context: Context) {
    const cpu = state.cpus[i] as Cpu;
    this.#model = model;
    this.#level = cpu.contexts.length - 1;
    this.registers = context.registers.slice();
    this.stack = context.stack.slice();
    this.below = context.below;
    this.ran = context.ran;
    this.redirected = context.redirected;
    this.variables = cpu.variables.slice();
    this.memory = state.memory;
  }

  /** Returns whether execution goes on elsewhere, or ends. */
  run(statements: readonly Statement[], here: number, depth: number): boolean {
    for (const statement of statements) if (this.#step(statement, here, depth)) return true;
    return false;
  }

  #step(s: Statement, here: number, depth: number): boolean {
    switch (s.kind) {
      case "set":
        this.#set(s.target, this.#value(s.value, here));
        return false;
      case "push":
        for (const v of s.values) this.stack.push(this.#value(v, here));
        if (this.stack.length <= MAX_STACK) return false;
        return this.#fault("ends", `the stack has grown to ${this.stack.length * 8} bytes and still grows`);
      case "pop":
        for (const target of [...s.targets].reverse()) {
          const top = this.stack.pop();
          if (top === undefined) this.below++;
          this.#set(target, top ?? CALLERS_FRAME);
        }
        if (this.below <= MAX_STACK) return false;
        return this.#fault("ends", "values are taken off the stack without end");
      case "goto":
        this.place = s.place;
        return true;
      case "jump": {
        const to = this.#value(s.to, here);
        const place =
          typeof to === "string" && to.startsWith("&") ? this.#model.placeIndex.get(to.slice(1)) : undefined;
        if (place === undefined) return this.#fault("O1", `jumps to ${show(to)}, which is no address of code here`);
        this.place = place;
        return true;
      }
      case "callback": {
        const name = String(this.#value(s.name, here));
        const callbacks = this.#model.protocol.callbacks ?? {};
        const known = Object.hasOwn(callbacks, name) ? callbacks[name] : undefined;
        if (known?.runs !== false) this.ran = Math.min(this.ran + 1, 3);
        if (known?.runs !== false && known?.livepatch !== false) this.redirected = true;
        return false;
      }
      case "exec": {
        const name = String(this.#value(s.name, here));
        const statements = this.#model.instructions.get(name);
        const at = s.at === null ? addressOf(this.#model.places[here]?.name ?? "") : this.#value(s.at, here);
        const place = this.#model.placeIndex.get(String(at).slice(1));
        if (statements === undefined || place === undefined || depth >= MAX_EXEC) {
          return this.#fault("fault", `cannot emulate ${show(name)} at ${show(at)}`);
        }
        if (!this.run(statements, place, depth + 1)) this.place = (this.#model.places[place] as Place).next;
        return true;
      }
      case "fault":
        return this.#fault("fault", s.what);
      case "if":
        if ((this.#value(s.left, here) === this.#value(s.right, here)) !== s.equal) return false;
        return this.#step(s.guarded, here, depth);
    }
  }

  #fault(property: Property, what: string): boolean {
    this.faults.push({ property, what });
    return true;
  }

  #set(target: Target, value: Value): void {
    if (target.kind === "register") this.registers[target.index] = value;
    else if (target.kind === "variable") this.variables[target.index] = value;
    else this.memory = this.memory.map((contents, i) => (i === target.index ? [value] : contents));
  }

  #value(e: Expression, here: number): Value {
    switch (e.kind) {
      case "constant":
        return e.value;
      case "register":
        return this.registers[e.index] ?? "";
      case "cell":
        return this.memory[e.index]?.at(-1) ?? "";
      case "variable":
        return this.variables[e.index] ?? "";
      case "here":
        return addressOf(this.#model.places[here]?.name ?? "");
      case "next":
        return addressOf(this.#model.places[(this.#model.places[here] as Place).next]?.name ?? "");
      case "sp":
        return stackPointer(this.stack, this.below);
      case "level":
        return this.#level;
      case "sum": {
        const of = this.#value(e.of, here);
        // Far numbers never come back: the states stay finitely many.
        return typeof of === "number" ? Math.max(-64, Math.min(64, of + e.add)) : of;
      }
    }
  }
}

/** Bytes from the stack pointer's value at entry. */
const stackPointer = (stack: readonly Value[], below: number): number => (below - stack.length) * 8;

const whoIs = (i: number, level: number): string =>
  `task ${i + 1}${level === 0 ? "" : ` NMI${level > 1 ? ` ${level}` : ""}`}`;

const show = (value: Value | undefined): string => (typeof value === "number" ? String(value) : `\`${value ?? ""}\``);

const order = (property: Property): number => Object.keys(properties).indexOf(property);

function appended(contents: readonly Value[], value: Value): readonly Value[] {
  return [...contents.filter((c) => c !== value), value];
}

function withCpu(state: State, i: number, cpu: Cpu): State {
  const cpus = state.cpus.slice();
  cpus[i] = cpu;
  return { ...state, cpus };
}

function withTop(state: State, i: number, context: Context): State {
  const cpu = state.cpus[i] as Cpu;
  return withCpu(state, i, { ...cpu, contexts: [...cpu.contexts.slice(0, -1), context] });
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
