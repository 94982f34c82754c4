// Options of `klplink diff`, of whatever it is given.

import { printable } from "../../base/bytes.ts";
import { defined } from "../../base/defined.ts";
import type { ExtractOptions } from "../../diff/extract.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type DiffResult, graphOfResults } from "../../passes/diff/diff.ts";
import { UsageError } from "../files/io.ts";
import { writeOutput } from "../files/output.ts";
import { formOf, GRAPH_FORMS, type GraphForm } from "../graph/render.ts";
import type { diffRows } from "../optionRows.ts";
import type { ValuesOf } from "../optionTable.ts";

export type DiffCommandOptions = ValuesOf<typeof diffRows>;

/** What the objects belong to. @throws UsageError */
export function objectOf({ object = "vmlinux", output }: DiffCommandOptions, kernel: Kernel | null): string {
  if (output === undefined) return object;
  if (kernel === null || !kernel.hasSymbols) throw new UsageError("-o needs the kernel's symbols: give them with -k");
  if (object !== "vmlinux" && !kernel.modules.has(object)) {
    throw new UsageError(`--object ${object}: give that module with -m ${object}.ko`);
  }
  return object;
}

/** What decides how things are taken out. */
export const extractOptions = ({ form, sympos }: DiffCommandOptions): ExtractOptions => ({
  form,
  ...defined({ positions: sympos }),
});

/** The form that --graph asks for by the end of the file's name; null: it was not given. @throws UsageError */
export function graphForm({ graph }: DiffCommandOptions): GraphForm | null {
  const form = graph === undefined ? null : formOf(graph);
  if (graph !== undefined && form === null)
    throw new UsageError(`--graph ${graph}: the name must end in ${GRAPH_FORMS.map((f) => `.${f}`).join(", ")}`);
  return form;
}

/** What was compared. */
export const titleOfGraph = ([orig, patched]: readonly [string, string]): string =>
  `${printable(orig)} → ${printable(patched)}`;

/** Writes what is taken, and why, as a picture. @throws InputProblem KLP105 */
export async function writeGraph(
  { graph }: DiffCommandOptions,
  form: GraphForm | null,
  results: readonly DiffResult[],
  title: string,
): Promise<void> {
  if (graph === undefined || form === null) return;
  const { renderGraph } = await import("../graph/render.ts");
  writeOutput(graph, new TextEncoder().encode(renderGraph(graphOfResults(results), form, title)), 0o644);
}

/** `__jump_table=24`: bytes. @throws UsageError */
export function parseSize(text: string): readonly [string, number] {
  const match = /^([^=]+)=(0x[0-9a-f]{1,4}|[0-9]{1,5})$/i.exec(text);
  const size = Number(match?.[2]);
  if (match === null || size === 0)
    throw new UsageError(`--entry-size ${text}: the form is SECTION=BYTES, as in __jump_table=24`);
  return [match[1] ?? "", size];
}

/** `cnt.2=cnt.4`, each with `FUNCTION:` in front or not. */
export function parsePair(text: string): readonly [string, string] {
  const match = /^(?:[^:=]+:)?([^:=]+)=(?:[^:=]+:)?([^:=]*)$/.exec(text);
  if (match === null)
    throw new UsageError(`--pair ${text}: the form is ORIG=PATCHED, as in cnt.2=cnt.4, or ORIG= for one that is gone`);
  return [match[1] ?? "", match[2] ?? ""];
}
