// One CPU while it executes one instruction: the statements of compile.ts carried out on copies of its state.

import type { Model, ModelPlace } from "./compile.ts";
import { ProtocolError } from "./parse.ts";
import type { Property } from "./protocol.ts";
import { type Cpu, type ModelFault, type State, show, stackPointer, type TaskContext } from "./state.ts";
import {
  type Assignable,
  addressOf,
  type Expression,
  isFar,
  MAX_DISTANCE,
  plus,
  type Statement,
  type Value,
} from "./statements.ts";

/** Values on a stack; twice what any protocol without recursion needs. */
const MAX_STACK = 8;
const MAX_EXEC = 4;
const CALLERS_FRAME = "caller's frame";

/** One CPU while it executes one instruction; works on copies. */
export class ModelCpu {
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
  readonly faults: ModelFault[] = [];

  constructor(model: Model, state: State, i: number, context: TaskContext) {
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
        if (place === undefined) return this.#fault("O1", `jumps to ${show(to)}, which is not an address of code here`);
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
        if (!this.run(statements, place, depth + 1)) this.place = (this.#model.places[place] as ModelPlace).next;
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

  #set(target: Assignable, value: Value): void {
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
        return addressOf(this.#model.places[(this.#model.places[here] as ModelPlace).next]?.name ?? "");
      case "sp":
        return stackPointer(this.stack, this.below);
      case "level":
        return this.#level;
      case "sum": {
        // Numbers stay near, sums with names are given up when they are far: the states stay finitely many.
        const sum = plus(this.#value(e.of, here), e.add);
        if (typeof sum === "number") return Math.max(-MAX_DISTANCE, Math.min(MAX_DISTANCE, sum));
        if (!isFar(sum)) return sum;
        const what = `comes to ${show(sum)}: a named value plus or minus more than ${MAX_DISTANCE} is not told apart`;
        throw new ProtocolError(`places.${this.#model.places[here]?.name ?? ""}`, what);
      }
    }
  }
}
