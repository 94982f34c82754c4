import { hex, printable } from "../../base/bytes.ts";
import { fileText } from "../../base/shell.ts";
import { visible } from "../../base/visible.ts";
import { levelOf, problem } from "../../diag/catalogue.ts";
import type { Change } from "../../diff/diff.ts";
import { type Extract, reasonText } from "../../diff/extract.ts";
import { OutputError, writeWhole } from "../../elf/output.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type DiffResult, diffObjects, extractDiff } from "../../passes/diff.ts";
import { firstDifference, sideText } from "../../passes/firstDifference.ts";
import type { Context } from "../context.ts";
import { columns, InputProblem, readUnpacked, UsageError, write } from "../files/io.ts";
import { type CommonOptions, type KernelOptions, readKernel, refuseOverwriting } from "../options.ts";
import { disassembler, Reporter } from "../report.ts";
import { meaningDocument, meaningText } from "./diffMeaning.ts";

interface Options extends CommonOptions, KernelOptions {
  readonly output?: string;
  readonly object?: string;
  readonly strictLines?: boolean;
  readonly pair?: readonly string[];
  readonly entrySize?: readonly string[];
}

/** `klplink diff <orig> <patched>`: returns the exit status. */
export async function runDiff(orig: string, patched: string, options: Options, context: Context): Promise<number> {
  if (orig === "-" && patched === "-") throw new UsageError("standard input can be one of the two objects only");
  const pairs = (options.pair ?? []).map(parsePair);
  const entrySizes = new Map((options.entrySize ?? []).map(parseSize));
  const { output = null } = options;
  if (output !== null) await refuseOverwriting(output, options, [orig, patched]);
  const kernel = await readKernel(options, context);
  const object = objectOf(options, kernel);
  const [one, other] = [await readUnpacked(orig, context), await readUnpacked(patched, context)];
  const result = await diffObjects(
    { bytes: one.bytes, path: one.name },
    { bytes: other.bytes, path: other.name },
    { pairs, strictLines: options.strictLines === true, kernel, entrySizes },
  );
  const isRefused = result.problems.some((p) => levelOf(p) === "error");
  const positions = options.sympos === undefined ? {} : { positions: options.sympos };
  const taken =
    output === null || kernel === null || isRefused ? null : extractDiff(result, { kernel, object, ...positions });
  const problems = [...result.problems, ...(taken?.problems ?? [])];
  const reporter = new Reporter(options, context);
  const outcome = reporter.isText
    ? {}
    : { ...(await documentOf(result)), output: taken?.bytes == null ? null : output, taken: takenRows(taken) };
  const ofOrig = problems.filter((p) => p.at.file === one.name && one.name !== other.name);
  if (ofOrig.length > 0) await reporter.add(one.name, result.orig, ofOrig);
  await reporter.add(
    other.name,
    result.patched,
    problems.filter((p) => !ofOrig.includes(p)),
    outcome,
  );
  if (output !== null && taken?.bytes != null) {
    if (output === "-") await write(context.stdout, taken.bytes);
    else writeFile(output, taken.bytes, other.mode);
  }
  const messages = output === "-" ? context.stderr : context.stdout;
  if (reporter.isText && options.quiet !== true) {
    await write(
      messages,
      (await textOf(result, options)) + (output === null ? "" : takenText(taken, result, output, options)),
    );
  }
  await reporter.finish(messages);
  return problems.some((p) => levelOf(p) === "error") ? 1 : 0;
}

/** What the objects belong to. @throws UsageError */
function objectOf({ object = "vmlinux", output }: Options, kernel: Kernel | null): string {
  if (output === undefined) return object;
  if (kernel === null || !kernel.hasSymbols) throw new UsageError("-o needs the kernel's symbols: give them with -k");
  if (object !== "vmlinux" && !kernel.modules.has(object)) {
    throw new UsageError(`--object ${object}: give that module with -m ${object}.ko`);
  }
  return object;
}

function writeFile(path: string, bytes: Uint8Array, mode: number): void {
  try {
    writeWhole(path, bytes, mode);
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    throw new InputProblem(problem("KLP105", { file: path }, { why: error.message }));
  }
}

const takenRows = (taken: Extract | null): unknown[] =>
  [...(taken?.inclusion.items ?? [])].flatMap(([item, reason]) =>
    item.name === "" ? [] : [{ name: item.name, why: reasonText(reason) }],
  );

function takenText(taken: Extract | null, result: DiffResult, output: string, options: Options): string {
  if (taken?.bytes == null) {
    const isWrong = taken === null || taken.problems.length > 0;
    return `${fileText(result.patched.path)}: nothing written${isWrong ? "" : ": nothing is to be replaced"}\n`;
  }
  const { items } = taken.inclusion;
  const lines: string[] = [];
  if (options.verbose === true) {
    const rows = [...items].flatMap(([item, reason]) =>
      item.name === "" ? [] : [["taken", printable(item.name), printable(reasonText(reason))]],
    );
    for (const line of columns(rows)) lines.push(line);
  }
  if (options.verbose === true) {
    for (const [name, { position, how }] of taken.told)
      lines.push(`position ${printable(name)},${position}: told by its ${how}`);
  }
  const replaced = taken.replaced.map((r) => `${printable(r.name)}${r.position === 0 ? "" : `,${r.position}`}`);
  const count = `${replaced.length} function${replaced.length === 1 ? "" : "s"} to replace`;
  lines.push(
    `${fileText(output)}: ${count}${replaced.length === 0 ? "" : ` (${replaced.join(", ")})`}, ${items.size} items taken`,
  );
  return `${lines.join("\n")}\n`;
}

/** `cnt.2=cnt.4`, each with `FUNCTION:` in front or not. */
function parsePair(text: string): readonly [string, string] {
  const match = /^(?:[^:=]+:)?([^:=]+)=(?:[^:=]+:)?([^:=]*)$/.exec(text);
  if (match === null)
    throw new UsageError(`--pair ${text}: the form is ORIG=PATCHED, as in cnt.2=cnt.4, or ORIG= for one that is gone`);
  return [match[1] ?? "", match[2] ?? ""];
}

/** `__jump_table=24`: bytes. */
function parseSize(text: string): readonly [string, number] {
  const match = /^([^=]+)=(0x[0-9a-f]{1,4}|[0-9]{1,5})$/i.exec(text);
  const size = Number(match?.[2]);
  if (match === null || size === 0)
    throw new UsageError(`--entry-size ${text}: the form is SECTION=BYTES, as in __jump_table=24`);
  return [match[1] ?? "", size];
}

const ORDER = ["changed", "new", "removed"] as const;

async function textOf(result: DiffResult, options: Options): Promise<string> {
  const { diff } = result;
  const lines: string[] = [];
  const disassemble = options.verbose === true ? await disassembler(result.patched.arch.name) : null;
  for (const [what, list] of [
    ["function", diff.functions],
    ["data", diff.data],
  ] as const) {
    const rows: { readonly row: readonly string[]; readonly change: Change }[] = [];
    for (const status of ORDER) {
      for (const change of list) {
        if (change.status === status)
          rows.push({ row: [status, what, printable(change.name) + whereText(change)], change });
      }
    }
    const texts = columns(rows.map((r) => r.row));
    for (const [i, { change }] of rows.entries()) {
      lines.push(texts[i] ?? "");
      if (options.verbose !== true || change.difference === null || what !== "function") continue;
      const sides = await firstDifference(
        change,
        [diff.orig, diff.patched],
        [result.orig, result.patched],
        disassemble,
      );
      lines.push(`  - ${sideText(sides[0])}`, `  + ${sideText(sides[1])}`);
    }
  }
  if (options.verbose === true) {
    for (const n of diff.lineNotes) {
      lines.push(
        `same     function  ${printable(n.item.name)}: line ${n.orig} became ${n.patched} in a call of ${n.callee}`,
      );
    }
    for (const item of diff.ignored)
      lines.push(
        `ignored  ${item.kind === "function" ? "function" : "data    "}  ${printable(item.name)}: the patch says so`,
      );
    for (const item of diff.correlation.unused)
      lines.push(`unused   data      ${printable(item.name)}: nothing uses it any more`);
    const untold = meaningText(result);
    if (untold !== null) lines.push(untold);
  }
  return `${lines.map(visible).join("\n")}\n${summary(result)}\n`;
}

function whereText({ difference, part, orig }: Change): string {
  if (difference === null) return "";
  const item = part?.orig ?? orig;
  const inPart = part === null ? "" : ` in ${printable(part.orig.name)}`;
  const place = difference.orig ?? null;
  const at =
    place === null || item === null || place.section !== item.section ? "" : ` at ${signed(place.offset - item.entry)}`;
  return ` (${difference.what}${inPart}${at}${difference.detail === "" ? "" : `: ${printable(difference.detail)}`})`;
}

const signed = (n: number): string => (n < 0 ? `-${hex(-n)}` : `+${hex(n)}`);

function summary({ diff, isEmpty, patched }: DiffResult): string {
  const count = (list: readonly Change[], status: string): number => list.filter((c) => c.status === status).length;
  const { functions, data } = diff;
  const told = (list: readonly Change[]): string =>
    [...ORDER, "same" as const].map((s) => `${count(list, s)} ${s}`).join(", ");
  const name = fileText(patched.path);
  const text = `${name}: functions ${told(functions)}; data ${told(data)}`;
  return isEmpty ? `${text}\n${name}: no functional change` : text;
}

async function documentOf(result: DiffResult): Promise<Record<string, unknown>> {
  const { diff } = result;
  const disassemble = await disassembler(result.patched.arch.name);
  const entries = async (list: readonly Change[]): Promise<unknown[]> => {
    const found: unknown[] = [];
    for (const c of list) {
      const first =
        c.difference === null
          ? null
          : await firstDifference(c, [diff.orig, diff.patched], [result.orig, result.patched], disassemble);
      found.push({
        name: c.name,
        status: c.status,
        init: (c.patched ?? c.orig)?.isInit ?? false,
        local: (c.patched ?? c.orig)?.isLocal ?? false,
        origName: c.orig?.name ?? null,
        patchedName: c.patched?.name ?? null,
        difference:
          c.difference === null
            ? null
            : {
                what: c.difference.what,
                detail: c.difference.detail,
                part: c.part?.orig.name ?? null,
                orig: first?.[0] ?? null,
                patched: first?.[1] ?? null,
              },
      });
    }
    return found;
  };
  return {
    arch: result.patched.arch.name,
    orig: result.orig.path,
    functionalChange: !result.isEmpty,
    functions: await entries(diff.functions),
    data: await entries(diff.data),
    lines: diff.lineNotes.map((n) => ({
      function: n.item.name,
      offset: n.offset,
      orig: n.orig,
      patched: n.patched,
      callee: n.callee,
    })),
    unused: diff.correlation.unused.map((i) => i.name),
    ...meaningDocument(result),
  };
}
