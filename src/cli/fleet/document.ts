// The matrix module × kernel as plain data: docs/matrix.schema.json. Parts of one run, made on several machines, are put together again.

import { problem } from "../../diag/catalogue.ts";
import { InputProblem } from "../files/io.ts";

/** What a kernel would say of a module. */
export interface Cell {
  readonly module: string;
  readonly kernel: string;
  /** taken: it loads as it is; refused; other-architecture: not compared; unreadable: the kernel or the module cannot be read. */
  readonly verdict: "taken" | "refused" | "other-architecture" | "unreadable";
  /** Code of the first error, and the kernel's first line; null if there is none. */
  readonly code: string | null;
  readonly first: string | null;
  /** In what module and kernel differ, in a word each. */
  readonly differs: readonly string[];
  readonly errors: number;
  readonly warnings: number;
  readonly unchecked: readonly string[];
  /** As in diagnostics.schema.json; of very many the first. */
  readonly problems: readonly Record<string, unknown>[];
}

export interface MatrixKernel {
  readonly name: string;
  readonly release: string | null;
  readonly arch: string | null;
}

export interface Matrix {
  readonly schema: "klplink-matrix/1";
  readonly klplink: string;
  /** Which part of a run this is; null: all of it. */
  readonly shard: { readonly index: number; readonly of: number } | null;
  readonly modules: readonly { readonly file: string; readonly module: string | null; readonly arch: string | null }[];
  readonly kernels: readonly MatrixKernel[];
  readonly cells: readonly Cell[];
}

/** 3: something could not be read; 1: some kernel refuses some module; 0: all take all. */
export function statusOf({ cells }: Matrix): 0 | 1 | 3 {
  if (cells.some((c) => c.verdict === "unreadable")) return 3;
  return cells.some((c) => c.verdict === "refused") ? 1 : 0;
}

/** The kernels of part `index` of `of` (from 1), of all in their order. */
export const shardOf = <T>(all: readonly T[], index: number, of: number): T[] =>
  all.filter((_, i) => i % of === index - 1);

/** A part as it was read. @throws InputProblem KLP850 if it is not one */
export function parseMatrix(text: string, file: string): Matrix {
  const wrong = (what: string): InputProblem => new InputProblem(problem("KLP850", { file }, { what }));
  let found: Partial<Matrix>;
  try {
    found = JSON.parse(text) as Partial<Matrix>;
  } catch {
    throw wrong("it is not JSON");
  }
  if (typeof found !== "object" || found === null || found.schema !== "klplink-matrix/1")
    throw wrong("it is not what `klplink check --against … --format json` writes");
  const isStrings = (row: unknown, keys: readonly string[]): boolean =>
    typeof row === "object" &&
    row !== null &&
    keys.every((k) => typeof (row as Record<string, unknown>)[k] === "string");
  const fits =
    typeof found.klplink === "string" &&
    Array.isArray(found.modules) &&
    found.modules.every((m) => isStrings(m, ["file"])) &&
    Array.isArray(found.kernels) &&
    found.kernels.every((k) => isStrings(k, ["name"])) &&
    Array.isArray(found.cells) &&
    found.cells.every(
      (c) => isStrings(c, ["module", "kernel", "verdict"]) && Array.isArray(c.problems) && Array.isArray(c.differs),
    ) &&
    (found.shard === null || (Number.isInteger(found.shard?.index) && Number.isInteger(found.shard?.of)));
  if (!fits) throw wrong("parts of it are missing or of another form");
  return found as Matrix;
}

/** All parts of a run as one. @throws InputProblem KLP850 if they are not parts of one run, or one is missing */
export function mergeMatrices(parts: readonly { readonly file: string; readonly matrix: Matrix }[]): Matrix {
  const [first] = parts;
  if (first === undefined) throw new Error("no parts");
  const of = first.matrix.shard?.of ?? 1;
  const byIndex = new Map<number, Matrix>();
  for (const { file, matrix } of parts) {
    const wrong = (what: string): InputProblem => new InputProblem(problem("KLP850", { file }, { what }));
    const { shard } = matrix;
    if (shard === null && parts.length > 1) throw wrong("it is a whole run, not a part of one (--shard)");
    if (matrix.klplink !== first.matrix.klplink)
      throw wrong(`it was made by klplink ${matrix.klplink}, ${first.file} by ${first.matrix.klplink}`);
    if (JSON.stringify(matrix.modules.map((m) => m.file)) !== JSON.stringify(first.matrix.modules.map((m) => m.file)))
      throw wrong(`it is about other modules than ${first.file}`);
    const index = shard?.index ?? 1;
    if ((shard?.of ?? 1) !== of) throw wrong(`it is part ${index} of ${shard?.of}, ${first.file} one of ${of}`);
    if (byIndex.has(index)) throw wrong(`part ${index} of ${of} was given twice`);
    byIndex.set(index, matrix);
  }
  for (let index = 1; index <= of; index++) {
    if (!byIndex.has(index))
      throw new InputProblem(problem("KLP850", { file: first.file }, { what: `part ${index} of ${of} was not given` }));
  }
  return { ...first.matrix, shard: null, ...inOrder(byIndex, of) };
}

/** Kernels in the order of the whole run: parts take turns. */
function inOrder(parts: ReadonlyMap<number, Matrix>, of: number): Pick<Matrix, "kernels" | "cells"> {
  const kernels: MatrixKernel[] = [];
  const most = Array.from(parts.values()).reduce((all, m) => Math.max(all, m.kernels.length), 0);
  for (let k = 0; k < most; k++) {
    for (let index = 1; index <= of; index++) {
      const kernel = parts.get(index)?.kernels[k];
      if (kernel !== undefined) kernels.push(kernel);
    }
  }
  const place = new Map(kernels.map(({ name }, i) => [name, i]));
  const cells = Array.from(parts.values()).flatMap((m) => m.cells);
  return { kernels, cells: cells.sort((a, b) => (place.get(a.kernel) ?? 0) - (place.get(b.kernel) ?? 0)) };
}
