// The matrix module × kernel as plain data: docs/matrix.schema.json. Parts of one run, made on several machines, are put together again.

import { isAtMostDeep, listOf, natural, oneOf, orNull, record, text, textLike } from "../../base/shape.ts";
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

/** Of this version, or of one that has more. */
const code = textLike(/^KLP\d{3}$/);
const problems = listOf(record({ code, level: text, title: text, kernel: orNull(text) }));
const FORM = record({
  klplink: text,
  shard: orNull(record({ index: natural, of: natural })),
  modules: listOf(record({ file: text, module: orNull(text), arch: orNull(text) })),
  kernels: listOf(record({ name: text, release: orNull(text), arch: orNull(text) })),
  cells: listOf(
    record({
      module: text,
      kernel: text,
      verdict: oneOf("taken", "refused", "other-architecture", "unreadable"),
      code: orNull(code),
      first: orNull(text),
      differs: listOf(text),
      errors: natural,
      warnings: natural,
      unchecked: listOf(text),
      problems,
    }),
  ),
});
/** Objects and lists in one another: the form has eight. */
const DEEPEST = 32;

/**
 * A part as it was read.
 * @param bytes of a file that anyone may have written
 * @throws InputProblem KLP850 if it is not one
 */
export function parseMatrix(bytes: Uint8Array, file: string): Matrix {
  const wrong = (what: string): InputProblem => new InputProblem(problem("KLP850", { file }, { what }));
  let found: unknown;
  try {
    // Half a gigabyte is more than a text may have.
    found = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
  } catch {
    throw wrong("it is not JSON");
  }
  if (!record({ schema: oneOf("klplink-matrix/1") })(found))
    throw wrong("it is not what `klplink check --against … --format json` writes");
  if (!FORM(found) || !isAtMostDeep(found, DEEPEST)) throw wrong("parts of it are missing or of another form");
  const matrix = found as Matrix;
  const names = new Set(matrix.kernels.map((k) => k.name));
  const files = new Set(matrix.modules.map((m) => m.file));
  const isPair = (c: Cell): boolean => names.has(c.kernel) && files.has(c.module);
  if (names.size !== matrix.kernels.length || !matrix.cells.every(isPair))
    throw wrong("it has a kernel twice, or what it says is of a kernel or a module that it does not list");
  return matrix;
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
