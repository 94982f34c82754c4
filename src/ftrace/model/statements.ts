// The small language in which instructions are written down: what a CPU does, at once, when it executes one.
//
//   x9 = x30            a register, a shared cell `[name]` or a CPU's own variable `%name` takes a value
//   push x29, x30       the values go onto the stack, in this order
//   pop x29, x30        and come back, in the order in which they were named
//   goto W4             execution goes on at a place
//   jump x30            execution goes on where the value says
//   callback [ops]      the tracer or livepatch callback of that name runs
//   exec [new] at trap  the instruction of that name is carried out as if it stood at the place `trap`
//   fault TEXT          the kernel dies
//   if [refs] == 0: …   (or !=) one statement under a condition
//
// Statements are separated by `;`. Values: a register, `[cell]`, `%variable`, `&place` (an address), a number, "text",
// `here`, `next`, `sp` (bytes from its value at entry), `level` (0: task, 1 and up: NMI), and `value + n` / `value - n`.

export type Value = string | number;

export type Expression =
  | { readonly kind: "constant"; readonly value: Value }
  | { readonly kind: "register" | "cell" | "variable"; readonly index: number }
  | { readonly kind: "here" | "next" | "sp" | "level" }
  | { readonly kind: "sum"; readonly of: Expression; readonly add: number };

export type Assignable = { readonly kind: "register" | "cell" | "variable"; readonly index: number };

export type Statement =
  | { readonly kind: "set"; readonly target: Assignable; readonly value: Expression }
  | { readonly kind: "push"; readonly values: readonly Expression[] }
  | { readonly kind: "pop"; readonly targets: readonly Assignable[] }
  | { readonly kind: "goto"; readonly place: number }
  | { readonly kind: "jump"; readonly to: Expression }
  | { readonly kind: "callback"; readonly name: Expression }
  | { readonly kind: "exec"; readonly name: Expression; readonly at: Expression | null }
  | { readonly kind: "fault"; readonly what: string }
  | {
      readonly kind: "if";
      readonly left: Expression;
      readonly right: Expression;
      readonly equal: boolean;
      readonly guarded: Statement;
    };

/** What names in statements may refer to: name -> index. */
export interface Names {
  readonly registers: ReadonlyMap<string, number>;
  readonly cells: ReadonlyMap<string, number>;
  readonly variables: ReadonlyMap<string, number>;
  readonly places: ReadonlyMap<string, number>;
}

/** A statement cannot be understood. */
export class StatementError extends Error {}

/** An address as a value. No other constant can begin with `&`. */
export const addressOf = (place: string): string => `&${place}`;

/** How far `value + n` leads away from a named value. */
export const MAX_DISTANCE = 64;

/** `value + n`. That of a named value is a name, too: `caller + 1`; `caller` again 1 less. */
export function plus(value: Value, n: number): Value {
  if (typeof value === "number") return value + n;
  const [, name = value, sign = "+", size = "0"] = /^(.*) ([+-]) ([1-9]\d{0,8})$/s.exec(value) ?? [];
  const distance = Number(sign + size) + n;
  return distance === 0 ? name : `${name} ${distance < 0 ? "-" : "+"} ${Math.abs(distance)}`;
}

/** Whether a sum with a named value is farther than {@link MAX_DISTANCE} from it: in a loop there is no end to them. */
export const isFar = (value: Value): boolean =>
  typeof value === "string" && Number(/ [+-] ([1-9]\d*)$/.exec(value)?.[1] ?? 0) > MAX_DISTANCE;

/** @throws StatementError naming the statement that is wrong. */
export function parseStatements(text: string, names: Names): readonly Statement[] {
  return text
    .split(";")
    .map((s) => s.trim())
    .filter((s) => s !== "")
    .map((s) => parseStatement(s, names));
}

function parseStatement(text: string, names: Names): Statement {
  const condition = /^if\s+(.+?)\s*(==|!=)\s*(.+?)\s*:\s*(.+)$/.exec(text);
  if (condition !== null) {
    const [, left = "", operator, right = "", then = ""] = condition;
    return {
      kind: "if",
      left: parseExpression(left, names),
      right: parseExpression(right, names),
      equal: operator === "==",
      guarded: parseStatement(then, names),
    };
  }
  const fault = /^fault\s+(.+)$/.exec(text);
  if (fault !== null) return { kind: "fault", what: fault[1] ?? "" };
  const set = /^([^=\s]+)\s*=\s*(.+)$/.exec(text);
  if (set !== null) {
    return { kind: "set", target: parseTarget(set[1] ?? "", names), value: parseExpression(set[2] ?? "", names) };
  }
  const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/.exec(text) ?? [];
  const list = rest.split(",").map((part) => part.trim());
  switch (word) {
    case "push":
      return { kind: "push", values: list.map((part) => parseExpression(part, names)) };
    case "pop":
      return { kind: "pop", targets: list.map((part) => parseTarget(part, names)) };
    case "goto":
      return { kind: "goto", place: indexOf(names.places, rest, "place", text) };
    case "jump":
      return { kind: "jump", to: parseExpression(rest, names) };
    case "callback":
      return { kind: "callback", name: parseExpression(rest, names) };
    case "exec": {
      const [, name = "", at] = /^(.+?)(?:\s+at\s+(.+))?$/.exec(rest) ?? [];
      return {
        kind: "exec",
        name: parseExpression(name, names),
        at: at === undefined ? null : parseExpression(at, names),
      };
    }
    default:
      throw new StatementError(`\`${text}\` is not a statement`);
  }
}

function parseTarget(text: string, names: Names): Assignable {
  const value = parseExpression(text, names);
  if (value.kind === "register" || value.kind === "cell" || value.kind === "variable") return value;
  throw new StatementError(`\`${text}\` cannot take a value`);
}

function parseExpression(text: string, names: Names): Expression {
  const sum = /^(.*\S)\s+([+-])\s+(\d{1,9})$/.exec(text);
  if (sum !== null) {
    const add = Number(sum[3]) * (sum[2] === "-" ? -1 : 1);
    return { kind: "sum", of: parseExpression(sum[1] ?? "", names), add };
  }
  if (text === "here" || text === "next" || text === "sp" || text === "level") return { kind: text };
  const quoted = /^"([^"&][^"]*|)"$/.exec(text);
  if (quoted !== null) return { kind: "constant", value: quoted[1] ?? "" };
  if (/^-?\d{1,9}$/.test(text)) return { kind: "constant", value: Number(text) };
  const cell = /^\[(.+)\]$/.exec(text);
  if (cell !== null) return { kind: "cell", index: indexOf(names.cells, cell[1] ?? "", "memory cell", text) };
  if (text.startsWith("%")) {
    return { kind: "variable", index: indexOf(names.variables, text.slice(1), "per-CPU variable", text) };
  }
  if (text.startsWith("&")) {
    indexOf(names.places, text.slice(1), "place", text);
    return { kind: "constant", value: text };
  }
  return { kind: "register", index: indexOf(names.registers, text, "register", text) };
}

function indexOf(map: ReadonlyMap<string, number>, name: string, what: string, text: string): number {
  const index = map.get(name);
  if (index === undefined) throw new StatementError(`\`${text}\`: there is no ${what} \`${name}\``);
  return index;
}
