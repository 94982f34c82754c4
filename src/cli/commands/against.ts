// `klplink check MODULE... --against KERNEL...`: modules against many kernels; and `klplink merge`, which puts parts of such a run together.

import type { Context } from "../context.ts";
import { readInput, UsageError, write } from "../files/io.ts";
import { type FleetJob, moduleRows } from "../fleet/cells.ts";
import { type Matrix, mergeMatrices, parseMatrix, shardOf, statusOf } from "../fleet/document.ts";
import { indexLimit } from "../fleet/indexCache.ts";
import { expandKernels } from "../fleet/kernels.ts";
import { checkFleet } from "../fleet/pool.ts";
import { matrixGithub, matrixHtml, matrixSarif, matrixText } from "../fleet/render.ts";
import type { checkRows, mergeRows } from "../optionRows.ts";
import type { ValuesOf } from "../optionTable.ts";
import { startProgress } from "../progress.ts";

/** Forms of the matrix. */
type MatrixOptions = ValuesOf<typeof mergeRows>;

/** What check has; `--against` is there. */
export type AgainstOptions = ValuesOf<typeof checkRows> & { readonly against: readonly string[] };

/** Returns the exit status. */
export async function runAgainst(paths: readonly string[], options: AgainstOptions, context: Context): Promise<number> {
  for (const [name, value] of [
    ["-k", options.kernel],
    ["-m", options.module],
    ["--reference", options.reference],
  ] as const)
    if (value !== undefined)
      throw new UsageError(`${name} is of one kernel: --against takes all from each kernel itself`);
  if (paths.includes("-") || options.against.includes("-"))
    throw new UsageError("--against reads each file for each kernel: `-` can be read once only");
  indexLimit(context.env);
  const all = expandKernels(options.against, options.root ?? "/");
  const { shard } = options;
  const kernels = shard === undefined ? all : shardOf(all, shard.index, shard.of);
  const job: FleetJob = {
    kernels: all.length,
    modules: paths,
    root: options.root ?? "/",
    positions: options.sympos ?? null,
    kernelVersion: options.kernelVersion ?? null,
  };
  const quiet = options.quiet === true;
  const progress = await startProgress(!quiet && options.format === "text", context);
  const results = await checkFleet(kernels, job, context, (name, count) =>
    progress.show(`${count} of ${kernels.length} kernels: ${name}`),
  );
  progress.clear();
  const matrix: Matrix = {
    schema: "klplink-matrix/1",
    klplink: context.version,
    shard: shard === undefined ? null : { index: shard.index, of: shard.of },
    modules: results[0]?.modules ?? (await moduleRows(job, context)),
    kernels: results.map((r) => r.kernel),
    cells: results.flatMap((r) => r.cells),
  };
  await writeMatrix(matrix, options, context);
  return statusOf(matrix);
}

/** `klplink merge FILE...`: returns the exit status that the whole run would have had. */
export async function runMerge(paths: readonly string[], options: MatrixOptions, context: Context): Promise<number> {
  const parts: { file: string; matrix: Matrix }[] = [];
  for (const path of paths) {
    const { name, bytes } = await readInput(path, context);
    parts.push({ file: name, matrix: parseMatrix(bytes, name) });
  }
  const matrix = mergeMatrices(parts);
  await writeMatrix(matrix, options, context);
  return statusOf(matrix);
}

async function writeMatrix(matrix: Matrix, { format, quiet }: MatrixOptions, { stdout }: Context): Promise<void> {
  switch (format) {
    case "text":
      if (quiet !== true || statusOf(matrix) !== 0) await write(stdout, matrixText(matrix));
      return;
    case "json":
      return write(stdout, `${JSON.stringify(matrix, null, 1)}\n`);
    case "sarif":
      return write(stdout, `${JSON.stringify(matrixSarif(matrix), null, 1)}\n`);
    case "github":
      return write(stdout, matrixGithub(matrix));
    case "html":
      return write(stdout, matrixHtml(matrix));
  }
}
