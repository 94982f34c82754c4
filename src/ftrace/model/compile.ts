// A protocol with all its names resolved, ready to be explored.

import { ProtocolError } from "./parse.ts";
import type { Property, Protocol } from "./protocol.ts";
import { type Names, parseStatements, type Statement, StatementError, type Value } from "./statements.ts";

export interface ModelPlace {
  readonly name: string;
  /** Cells that hold the code; empty for code that never changes. */
  readonly cells: readonly number[];
  readonly fixed: readonly Statement[] | null;
  /** Index of the place where execution goes on. */
  readonly next: number;
  readonly irqsOff: boolean;
  readonly title: string;
}

export interface CellEncoding {
  readonly instruction: string;
  readonly cells: readonly Value[];
}

export interface CompiledStep {
  readonly writes: readonly { readonly cell: number; readonly value: Value }[];
  readonly adds: readonly { readonly cell: number; readonly value: number }[];
  readonly sync: boolean;
  readonly stopMachine: boolean;
  readonly quiesce: "tasks" | readonly number[] | null;
  readonly until: readonly { readonly cell: number; readonly value: Value }[];
  readonly note: string;
}

export interface Model {
  readonly protocol: Protocol;
  readonly places: readonly ModelPlace[];
  readonly placeIndex: ReadonlyMap<string, number>;
  readonly entries: readonly { readonly at: number; readonly end: number }[];
  readonly registers: readonly { readonly name: string; readonly value: Value }[];
  readonly cells: readonly { readonly name: string; readonly value: Value; readonly isCode: boolean }[];
  readonly variables: readonly { readonly name: string; readonly value: Value }[];
  readonly instructions: ReadonlyMap<string, readonly Statement[]>;
  readonly encodings: readonly CellEncoding[];
  readonly writer: readonly CompiledStep[];
  /** Register index; -1: sp. */
  readonly atEnd: readonly {
    readonly property: Property;
    readonly register: number;
    readonly name: string;
    readonly value: Value;
  }[];
  readonly noParking: ReadonlySet<number>;
}

/** @throws ProtocolError naming the field whose names or statements do not fit the rest. */
export const compile = (protocol: Protocol): Model => new Compiler(protocol).model();

type Values = Readonly<Record<string, Value>>;

const indexOf = (source: object | undefined): Map<string, number> =>
  new Map(Object.keys(source ?? {}).map((name, i) => [name, i]));

class Compiler {
  readonly #protocol: Protocol;
  readonly #names: Names;
  readonly #placeIndex: Map<string, number>;
  readonly #ends: readonly string[];

  constructor(protocol: Protocol) {
    this.#protocol = protocol;
    this.#placeIndex = indexOf(protocol.places);
    this.#ends = [...new Set(Object.values(protocol.entries))].filter((name) => !this.#placeIndex.has(name));
    // The place behind a site need not be described: nothing is executed there.
    for (const end of this.#ends) this.#placeIndex.set(end, this.#placeIndex.size);
    this.#names = {
      registers: indexOf(protocol.registers),
      cells: indexOf(protocol.memory),
      variables: indexOf(protocol.perCpu),
      places: this.#placeIndex,
    };
  }

  model(): Model {
    const protocol = this.#protocol;
    const places = this.#places();
    const entries = Object.entries(protocol.entries).map(([at, end]) => ({
      at: this.#place(at, "entries"),
      end: this.#place(end, `entries.${at}`),
    }));
    if (entries.length === 0) throw new ProtocolError("entries", "must name at least one entry");
    const encodings = this.#encodings();
    const contents = new Contents(protocol, places, encodings);
    const instructions = new Map(
      Object.entries(protocol.instructions).map(([name, text]) => [
        name,
        this.#statements(text, `instructions.${name}`),
      ]),
    );
    for (const [name, list] of instructions) for (const s of list) contents.checkStatement(s, `instructions.${name}`);
    for (const { name, fixed } of places) for (const s of fixed ?? []) contents.checkStatement(s, `places.${name}.run`);
    return {
      protocol,
      places,
      placeIndex: this.#placeIndex,
      entries,
      registers: this.#values(protocol.registers, "registers"),
      cells: this.#values(protocol.memory, "memory").map((cell, i) => {
        contents.check(i, cell.value, `memory.${cell.name}`);
        return { ...cell, isCode: contents.isCode(i) };
      }),
      variables: this.#values(protocol.perCpu, "perCpu"),
      instructions,
      encodings,
      writer: protocol.writer.map((step, i) => this.#step(step, `writer[${i}]`, contents)),
      atEnd: this.#atEnd(),
      noParking: new Set((protocol.noParking ?? []).map((name) => this.#place(name, "noParking"))),
    };
  }

  #find(map: ReadonlyMap<string, number>, name: string, what: string, path: string): number {
    const found = map.get(name);
    if (found === undefined) throw new ProtocolError(path, `there is no ${what} \`${name}\``);
    return found;
  }

  #place(name: string, path: string): number {
    return this.#find(this.#placeIndex, name, "place", path);
  }

  #statements(text: string, path: string): readonly Statement[] {
    try {
      return parseStatements(text, this.#names);
    } catch (error) {
      if (error instanceof StatementError) throw new ProtocolError(path, error.message);
      throw error;
    }
  }

  #values(source: Values | undefined, path: string): { readonly name: string; readonly value: Value }[] {
    return Object.entries(source ?? {}).map(([name, value]) => {
      if (typeof value === "string" && value.startsWith("&")) this.#place(value.slice(1), `${path}.${name}`);
      return { name, value };
    });
  }

  #places(): ModelPlace[] {
    const places = Object.entries(this.#protocol.places).map(([name, source], i): ModelPlace => {
      const path = `places.${name}`;
      const cells =
        source.run === undefined
          ? (source.cells ?? [name]).map((cell) => this.#find(this.#names.cells, cell, "memory cell", path))
          : [];
      if (source.run !== undefined && source.cells !== undefined) {
        throw new ProtocolError(path, "has both `cells` and `run`: its code either may change or never does");
      }
      const next =
        source.next === undefined ? Math.min(i + 1, this.#placeIndex.size - 1) : this.#place(source.next, path);
      const fixed = source.run === undefined ? null : this.#statements(source.run, `${path}.run`);
      return { name, cells, fixed, next, irqsOff: source.irqsOff ?? false, title: source.title ?? "" };
    });
    for (const name of this.#ends) {
      places.push({ name, cells: [], fixed: [], next: places.length, irqsOff: false, title: "" });
    }
    return places;
  }

  #encodings(): CellEncoding[] {
    const { encodings, instructions } = this.#protocol;
    return Object.entries(encodings ?? {}).map(([instruction, cells]): CellEncoding => {
      if (!Object.hasOwn(instructions, instruction)) {
        throw new ProtocolError(`encodings.${instruction}`, "there is no such instruction");
      }
      return { instruction, cells };
    });
  }

  #step(step: Protocol["writer"][number], path: string, contents: Contents): CompiledStep {
    const cell = (name: string, at: string): number => this.#find(this.#names.cells, name, "memory cell", at);
    const cellValues = (source: Values | undefined, at: string) =>
      this.#values(source, at).map(({ name, value }) => {
        const index = cell(name, at);
        contents.check(index, value, `${at}.${name}`);
        return { cell: index, value };
      });
    const { quiesce = null } = step;
    return {
      writes: cellValues(step.write, `${path}.write`),
      adds: Object.entries(step.add ?? {}).map(([name, value]) => ({ cell: cell(name, `${path}.add`), value })),
      sync: step.sync ?? false,
      stopMachine: step.stopMachine ?? false,
      quiesce:
        quiesce === null || quiesce === "tasks" ? quiesce : quiesce.map((name) => this.#place(name, `${path}.quiesce`)),
      until: cellValues(step.until, `${path}.until`),
      note: step.note ?? "",
    };
  }

  #atEnd(): Model["atEnd"] {
    const { registers } = this.#names;
    return Object.entries(this.#protocol.atEnd ?? {}).flatMap(([property, values]) =>
      Object.entries(values ?? {}).map(([name, value]) => ({
        property: property as Property,
        register: name === "sp" ? -1 : this.#find(registers, name, "register", `atEnd.${property}`),
        name,
        value,
      })),
    );
  }
}

/** What cells of code may hold: what is misspelt is not a hazard. */
class Contents {
  readonly #protocol: Protocol;
  readonly #encodings: readonly CellEncoding[];
  /** The cells of each place that has some. */
  readonly #places: readonly (readonly number[])[];
  readonly #code: ReadonlySet<number>;

  constructor(protocol: Protocol, places: readonly ModelPlace[], encodings: readonly CellEncoding[]) {
    this.#protocol = protocol;
    this.#encodings = encodings;
    this.#places = places.map((p) => p.cells);
    this.#code = new Set(this.#places.flat());
  }

  isCode(cell: number): boolean {
    return this.#code.has(cell);
  }

  /** A code cell must hold what can be an instruction, or a part of one, at some place. @throws ProtocolError */
  check(cell: number, value: Value, path: string): void {
    if (!this.isCode(cell)) return;
    const fits = (at: readonly number[]): boolean =>
      (at.length === 1 && Object.hasOwn(this.#protocol.instructions, String(value))) ||
      this.#encodings.some(
        ({ cells }) =>
          cells.length <= at.length &&
          at.some((c, n) => c === cell && (n >= cells.length || cells[n] === "*" || cells[n] === value)),
      );
    const at = this.#places.filter((cells) => cells.includes(cell));
    if (at.some(fits)) return;
    const what = at.some((cells) => cells.length === 1) ? "instruction" : "instruction's part in `encodings`";
    throw new ProtocolError(path, `there is no ${what} \`${value}\``);
  }

  /** What a statement writes to cells of code, and executes. @throws ProtocolError */
  checkStatement(s: Statement, path: string): void {
    if (s.kind === "if") this.checkStatement(s.guarded, path);
    else if (s.kind === "set" && s.target.kind === "cell" && s.value.kind === "constant") {
      this.check(s.target.index, s.value.value, path);
    } else if (s.kind === "exec" && s.name.kind === "constant") {
      if (!Object.hasOwn(this.#protocol.instructions, String(s.name.value)))
        throw new ProtocolError(path, `there is no instruction \`${s.name.value}\``);
    }
  }
}
