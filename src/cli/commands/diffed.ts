// What diff says: a line a change, and the same for programs.

import { hex, printable } from "../../base/bytes.ts";
import { fileText } from "../../base/shell.ts";
import { visible } from "../../base/visible.ts";
import type { Change } from "../../diff/diff.ts";
import { type Extract, reasonText, type TakenPart } from "../../diff/extract.ts";
import type { DiffResult } from "../../passes/diff/diff.ts";
import { firstDifference, sideText } from "../../passes/diff/firstDifference.ts";
import { columns } from "../files/io.ts";
import { disassembler } from "../report.ts";
import { meaningDocument, meaningText } from "./diffMeaning.ts";

/** What of the options matters here. */
interface Wordiness {
  readonly verbose?: boolean;
}

/** What is in the diff object, for programs. */
export const takenRows = (parts: readonly TakenPart[]): unknown[] =>
  parts.flatMap(({ inclusion, object }) =>
    [...inclusion.items].flatMap(([item, reason]) =>
      item.name === "" ? [] : [{ name: item.name, why: reasonText(reason), object }],
    ),
  );

/** @param source what the diff object is made of, for messages @param taken null: an error was found before */
export function takenItemsText(taken: Extract | null, source: string, output: string, { verbose }: Wordiness): string {
  if (taken?.bytes == null) {
    const isWrong = taken === null || taken.problems.length > 0;
    return `${fileText(source)}: nothing written${isWrong ? "" : ": nothing is to be replaced"}\n`;
  }
  const lines: string[] = [];
  if (verbose === true) {
    const rows = taken.parts.flatMap(({ inclusion }) =>
      [...inclusion.items].flatMap(([item, reason]) =>
        item.name === "" ? [] : [["taken", printable(item.name), printable(reasonText(reason))]],
      ),
    );
    for (const line of columns(rows)) lines.push(line);
  }
  if (verbose === true) {
    for (const [name, { position, how }] of taken.parts.flatMap((part) => [...part.told]))
      lines.push(`position ${printable(name)},${position}: told by its ${how}`);
  }
  const replaced = new Map<string, string[]>();
  for (const part of taken.parts) {
    const names = replaced.get(part.object) ?? [];
    replaced.set(part.object, names);
    for (const r of part.replaced) names.push(`${printable(r.name)}${r.position === 0 ? "" : `,${r.position}`}`);
  }
  const count = [...replaced.values()].reduce((sum, names) => sum + names.length, 0);
  const named = [...replaced].filter(([, names]) => names.length > 0);
  const names = named.map(([object, list]) => (named.length > 1 ? `${object}: ` : "") + list.join(", ")).join("; ");
  const items = taken.parts.reduce((sum, { inclusion }) => sum + inclusion.items.size, 0);
  lines.push(
    `${fileText(output)}: ${count} function${count === 1 ? "" : "s"} to replace${count === 0 ? "" : ` (${names})`}, ${items} items taken`,
  );
  return `${lines.join("\n")}\n`;
}

const ORDER = ["changed", "new", "removed"] as const;

/** A line a change, and a summary. */
export async function changesText(result: DiffResult, options: Wordiness): Promise<string> {
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
        `same     function  ${printable(n.item.name)}: line ${n.orig} became ${n.patched} in ${n.callee === "" ? "a string" : `a call of ${n.callee}`}`,
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
  return `${[...lines.map(visible), summary(result)].join("\n")}\n`;
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

/** The changes for programs. */
export async function changesDocument(result: DiffResult): Promise<Record<string, unknown>> {
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
