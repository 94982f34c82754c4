// From JSON to a protocol: every field is checked, and the first that is wrong is named by its path.

import { PROTOCOL_SCHEMA, type Property, type Protocol, properties } from "./protocol.ts";

/** A protocol is malformed. `path` names the field, as in `writer[2].write`. */
export class ProtocolError extends Error {
  readonly path: string;
  readonly what: string;
  constructor(path: string, what: string) {
    super(path === "" ? what : `${path}: ${what}`);
    this.name = "ProtocolError";
    this.path = path;
    this.what = what;
  }
}

/** Limits that keep any file's cost small; every protocol of the kernel stays far below them. */
const LIMITS = { entries: 256, text: 300, prose: 4000, tasks: 4, nmi: 3, steps: 64 } as const;

type Check = (value: unknown, path: string) => void;

const fail = (path: string, what: string): never => {
  throw new ProtocolError(path, what);
};

const text =
  (limit: number): Check =>
  (value, path) => {
    if (typeof value !== "string") fail(path, "must be a string");
    else if (value.length > limit) fail(path, `has ${value.length} characters, more than ${limit}`);
  };
const flag: Check = (value, path) => {
  if (typeof value !== "boolean") fail(path, "must be true or false");
};
const integer =
  (least: number, most: number): Check =>
  (value, path) => {
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
      fail(path, `must be a whole number from ${least} to ${most}`);
    }
  };
const value: Check = (v, path) => {
  if (typeof v === "number") integer(-1_000_000, 1_000_000)(v, path);
  else if (typeof v === "string") text(LIMITS.text)(v, path);
  else fail(path, "must be a string or a whole number");
};
const oneOf =
  (choices: readonly string[]): Check =>
  (v, path) => {
    if (typeof v !== "string" || !choices.includes(v)) fail(path, `must be one of ${choices.join(", ")}`);
  };
const list =
  (of: Check, limit: number = LIMITS.entries): Check =>
  (v, path) => {
    if (!Array.isArray(v)) fail(path, "must be a list");
    else if (v.length > limit) fail(path, `has ${v.length} entries, more than ${limit}`);
    else for (const [i, entry] of v.entries()) of(entry, `${path}[${i}]`);
  };
const entriesOf = (v: unknown, path: string): [string, unknown][] => {
  if (typeof v !== "object" || v === null || Array.isArray(v)) return fail(path, "must be an object");
  return Object.entries(v);
};
const names =
  (of: Check): Check =>
  (v, path) => {
    const entries = entriesOf(v, path);
    if (entries.length > LIMITS.entries) fail(path, `has ${entries.length} entries, more than ${LIMITS.entries}`);
    for (const [name, entry] of entries) {
      if (name === "" || name.length > 60 || name !== name.trim() || /[[\]%&",;]/.test(name)) {
        fail(path, `\`${name.slice(0, 60)}\` is not a name: it must not be empty or hold any of [ ] % & " , ;`);
      }
      of(entry, `${path}.${name}`);
    }
  };
const fields =
  (known: Readonly<Record<string, Check>>, required: readonly string[] = []): Check =>
  (v, path) => {
    for (const [name, entry] of entriesOf(v, path)) {
      const check = Object.hasOwn(known, name) ? known[name] : undefined;
      const at = path === "" ? name : `${path}.${name}`;
      if (check === undefined) fail(at, `is not a known field; known are ${Object.keys(known).join(", ")}`);
      else check(entry, at);
    }
    for (const name of required) if (!Object.hasOwn(v as object, name)) fail(path, `has no \`${name}\``);
  };
const either =
  (isFirst: (v: unknown) => boolean, first: Check, second: Check): Check =>
  (v, path) =>
    (isFirst(v) ? first : second)(v, path);

const propertyNames = Object.keys(properties) as Property[];
const isString = (v: unknown): boolean => typeof v === "string";
const short = text(LIMITS.text);

const protocol = fields(
  {
    $schema: short,
    schema: oneOf([PROTOCOL_SCHEMA]),
    name: text(60),
    arch: text(60),
    title: short,
    about: text(LIMITS.prose),
    expect: either(isString, oneOf(["holds"]), list(oneOf(propertyNames))),
    fetch: oneOf(["current", "stale"]),
    tasks: integer(1, LIMITS.tasks),
    nmi: integer(0, LIMITS.nmi),
    entries: names(short),
    registers: names(value),
    memory: names(value),
    perCpu: names(value),
    places: names(fields({ cells: list(short, 16), run: short, next: short, irqsOff: flag, title: short })),
    instructions: names(short),
    encodings: names(list(short, 16)),
    writer: list(
      fields({
        write: names(value),
        add: names(integer(-1000, 1000)),
        sync: flag,
        stopMachine: flag,
        quiesce: either(isString, oneOf(["tasks"]), list(short)),
        until: names(value),
        note: short,
      }),
      LIMITS.steps,
    ),
    atEnd: fields(Object.fromEntries(propertyNames.map((p) => [p, names(value)]))),
    patchedThroughout: flag,
    callbacks: names(fields({ runs: flag, livepatch: flag })),
    noParking: list(short),
    patchable: list(short),
  },
  ["schema", "name", "arch", "title", "entries", "memory", "places", "instructions", "writer"],
);

/** Checks the form of a protocol; whether its names fit together is seen when it is compiled. @throws ProtocolError */
export function checkProtocol(source: unknown): Protocol {
  protocol(source, "");
  return source as Protocol;
}

/** @throws ProtocolError */
export function parseProtocol(json: string): Protocol {
  let source: unknown;
  try {
    source = JSON.parse(json.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new ProtocolError("", `this is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  return checkProtocol(source);
}
