// A protocol with all its names resolved, ready to be explored.

import { ProtocolError } from "./parse.ts";
import type { Property, Protocol } from "./protocol.ts";
import { type Names, parseStatements, type Statement, StatementError, type Value } from "./statements.ts";

export interface Place {
  readonly name: string;
  /** Cells that hold the code; empty for code that never changes. */
  readonly cells: readonly number[];
  readonly fixed: readonly Statement[] | null;
  /** Index of the place where execution goes on. */
  readonly next: number;
  readonly irqsOff: boolean;
  readonly title: string;
}

export interface Encoding {
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
  readonly places: readonly Place[];
  readonly placeIndex: ReadonlyMap<string, number>;
  readonly entries: readonly { readonly at: number; readonly end: number }[];
  readonly registers: readonly { readonly name: string; readonly value: Value }[];
  readonly cells: readonly { readonly name: string; readonly value: Value; readonly isCode: boolean }[];
  readonly variables: readonly { readonly name: string; readonly value: Value }[];
  readonly instructions: ReadonlyMap<string, readonly Statement[]>;
  readonly encodings: readonly Encoding[];
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
export function compile(protocol: Protocol): Model {
  const index = (source: object | undefined): Map<string, number> =>
    new Map(Object.keys(source ?? {}).map((name, i) => [name, i]));
  const placeIndex = index(protocol.places);
  const ends = [...new Set(Object.values(protocol.entries))].filter((name) => !placeIndex.has(name));
  // The place behind a site need not be described: nothing is executed there.
  for (const end of ends) placeIndex.set(end, placeIndex.size);
  const names: Names = {
    registers: index(protocol.registers),
    cells: index(protocol.memory),
    variables: index(protocol.perCpu),
    places: placeIndex,
  };
  const find = (map: ReadonlyMap<string, number>, name: string, what: string, path: string): number => {
    const found = map.get(name);
    if (found === undefined) throw new ProtocolError(path, `there is no ${what} \`${name}\``);
    return found;
  };
  const statements = (text: string, path: string): readonly Statement[] => {
    try {
      return parseStatements(text, names);
    } catch (error) {
      if (error instanceof StatementError) throw new ProtocolError(path, error.message);
      throw error;
    }
  };
  const checkValue = (value: Value, path: string): Value => {
    if (typeof value === "string" && value.startsWith("&")) find(placeIndex, value.slice(1), "place", path);
    return value;
  };
  const values = (source: Readonly<Record<string, Value>> | undefined, path: string) =>
    Object.entries(source ?? {}).map(([name, value]) => ({ name, value: checkValue(value, `${path}.${name}`) }));

  const places: Place[] = Object.entries(protocol.places).map(([name, source], i) => {
    const path = `places.${name}`;
    const cells =
      source.run === undefined
        ? (source.cells ?? [name]).map((cell) => find(names.cells, cell, "memory cell", path))
        : [];
    if (source.run !== undefined && source.cells !== undefined) {
      throw new ProtocolError(path, "has both `cells` and `run`: its code either may change or never does");
    }
    return {
      name,
      cells,
      fixed: source.run === undefined ? null : statements(source.run, `${path}.run`),
      next:
        source.next === undefined ? Math.min(i + 1, placeIndex.size - 1) : find(placeIndex, source.next, "place", path),
      irqsOff: source.irqsOff ?? false,
      title: source.title ?? "",
    };
  });
  for (const name of ends) {
    places.push({ name, cells: [], fixed: [], next: places.length, irqsOff: false, title: "" });
  }
  const code = new Set(places.flatMap((p) => p.cells));
  const entries = Object.entries(protocol.entries).map(([at, end]) => ({
    at: find(placeIndex, at, "place", "entries"),
    end: find(placeIndex, end, "place", `entries.${at}`),
  }));
  if (entries.length === 0) throw new ProtocolError("entries", "must name at least one entry");
  const encodings = Object.entries(protocol.encodings ?? {}).map(([instruction, cells]): Encoding => {
    if (!Object.hasOwn(protocol.instructions, instruction)) {
      throw new ProtocolError(`encodings.${instruction}`, "there is no such instruction");
    }
    return { instruction, cells };
  });
  /** A code cell must hold what can be an instruction, or a part of one, at some place: what is misspelt is not a hazard. */
  const checkContent = (cell: number, value: Value, path: string): void => {
    if (!code.has(cell)) return;
    const fits = (at: readonly number[]): boolean =>
      (at.length === 1 && Object.hasOwn(protocol.instructions, String(value))) ||
      encodings.some(
        ({ cells }) =>
          cells.length <= at.length &&
          at.some((c, n) => c === cell && (n >= cells.length || cells[n] === "*" || cells[n] === value)),
      );
    const at = places.map((p) => p.cells).filter((cells) => cells.includes(cell));
    if (at.some(fits)) return;
    const what = at.some((cells) => cells.length === 1) ? "instruction" : "instruction's part in `encodings`";
    throw new ProtocolError(path, `there is no ${what} \`${value}\``);
  };
  const checkStatement = (s: Statement, path: string): void => {
    if (s.kind === "if") checkStatement(s.guarded, path);
    else if (s.kind === "set" && s.target.kind === "cell" && s.value.kind === "constant") {
      checkContent(s.target.index, s.value.value, path);
    } else if (s.kind === "exec" && s.name.kind === "constant") {
      if (!Object.hasOwn(protocol.instructions, String(s.name.value)))
        throw new ProtocolError(path, `there is no instruction \`${s.name.value}\``);
    }
  };
  const cellValues = (source: Readonly<Record<string, Value>> | undefined, path: string) =>
    values(source, path).map(({ name, value }) => {
      const cell = find(names.cells, name, "memory cell", path);
      checkContent(cell, value, `${path}.${name}`);
      return { cell, value };
    });
  const instructions = new Map(
    Object.entries(protocol.instructions).map(([name, text]) => [name, statements(text, `instructions.${name}`)]),
  );
  for (const [name, list] of instructions) for (const s of list) checkStatement(s, `instructions.${name}`);
  for (const { name, fixed } of places) for (const s of fixed ?? []) checkStatement(s, `places.${name}.run`);
  return {
    protocol,
    places,
    placeIndex,
    entries,
    registers: values(protocol.registers, "registers"),
    cells: values(protocol.memory, "memory").map((cell, i) => {
      checkContent(i, cell.value, `memory.${cell.name}`);
      return { ...cell, isCode: code.has(i) };
    }),
    variables: values(protocol.perCpu, "perCpu"),
    instructions,
    encodings,
    writer: protocol.writer.map((step, i) => {
      const path = `writer[${i}]`;
      const { quiesce } = step;
      return {
        writes: cellValues(step.write, `${path}.write`),
        adds: Object.entries(step.add ?? {}).map(([name, value]) => ({
          cell: find(names.cells, name, "memory cell", `${path}.add`),
          value,
        })),
        sync: step.sync ?? false,
        stopMachine: step.stopMachine ?? false,
        quiesce:
          quiesce === undefined
            ? null
            : quiesce === "tasks"
              ? quiesce
              : quiesce.map((name) => find(placeIndex, name, "place", `${path}.quiesce`)),
        until: cellValues(step.until, `${path}.until`),
        note: step.note ?? "",
      };
    }),
    atEnd: Object.entries(protocol.atEnd ?? {}).flatMap(([property, registers]) =>
      Object.entries(registers ?? {}).map(([name, value]) => ({
        property: property as Property,
        register: name === "sp" ? -1 : find(names.registers, name, "register", `atEnd.${property}`),
        name,
        value,
      })),
    ),
    noParking: new Set((protocol.noParking ?? []).map((name) => find(placeIndex, name, "place", "noParking"))),
  };
}
