// Verdicts and traces as text, to be read in a terminal and in a mail: no line needs more than 7-bit characters.

import { append, longest } from "../../base/lists.ts";
import { type Protocol, properties } from "./protocol.ts";
import type { TraceStep, Verdict, Violation } from "./state.ts";

/** Breaks prose into lines of at most `width` columns. */
function fill(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/** A cell's content; `cc (or e8)` where an older one may still be fetched. */
export function contentsText(contents: readonly (string | number)[]): string {
  const newest = contents.at(-1);
  const shown = newest === "" || newest === undefined ? "-" : String(newest);
  const older = contents.slice(0, -1);
  return older.length === 0 ? shown : `${shown} (or ${older.join(", ")})`;
}

/** Cells that the writer changes, in memory order: the columns of a trace. */
export function changingCells(protocol: Protocol): string[] {
  const written = new Set(protocol.writer.flatMap((s) => [...Object.keys(s.write ?? {}), ...Object.keys(s.add ?? {})]));
  return Object.keys(protocol.memory).filter((cell) => written.has(cell));
}

/** Who takes part in a trace, the writer apart: tasks that move, and the NMIs on them, in order. */
export function actors(trace: readonly TraceStep[]): string[] {
  const moving = new Set(trace.map((s) => s.who).filter((who) => who !== "" && who !== "writer"));
  const tasks = new Set([...moving].map((who) => who.replace(/ NMI.*$/, "")));
  return [...new Set([...tasks, ...moving])].sort();
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, c) => longest(rows.map((row) => row[c] ?? "")));
  return rows.map((row) =>
    row
      .map((cell, c) => cell.padEnd(widths[c] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** One line a step: who, what, memory, and where each CPU is afterwards. */
function traceText(protocol: Protocol, trace: readonly TraceStep[]): string[] {
  const cells = changingCells(protocol);
  const who = actors(trace);
  const rows = [["step", "who", "does", ...cells, ...who]];
  for (const [n, step] of trace.entries()) {
    rows.push([
      String(n).padStart(4),
      step.who,
      step.what,
      ...cells.map((cell) => contentsText(step.memory.find((m) => m.cell === cell)?.contents ?? [])),
      ...who.map((name) => step.places.find((p) => p.who === name)?.place ?? "-"),
    ]);
  }
  return table(rows);
}

/** Violations that share a trace are shown together. */
function grouped(violations: readonly Violation[]): Violation[][] {
  const groups: Violation[][] = [];
  for (const v of violations) {
    const key = JSON.stringify(v.trace);
    const group = groups.find((g) => JSON.stringify(g[0]?.trace) === key);
    if (group === undefined) groups.push([v]);
    else group.push(v);
  }
  return groups;
}

/** The whole answer about one protocol. */
export function verdictText(protocol: Protocol, verdict: Verdict, width: number): string {
  const lines = [`${protocol.name}  ${protocol.arch}  ${protocol.title}`];
  if (protocol.about !== undefined)
    append(
      lines,
      fill(protocol.about, width).map((l) => `  ${l}`),
    );
  lines.push("");
  for (const group of grouped(verdict.violations)) {
    for (const v of group) {
      lines.push(`FAILS  ${v.property}: ${properties[v.property]}`);
      lines.push(`       ${v.what}`);
    }
    append(lines, [...traceText(protocol, group[0]?.trace ?? []).map((l) => `  ${l}`), ""]);
  }
  if (verdict.holds) lines.push("HOLDS");
  if (verdict.incomplete) lines.push("NOT DECIDED: the limit on states was met before all were seen");
  lines.push(
    `${verdict.states} states, ${verdict.transitions} transitions, depth ${verdict.depth}${verdict.incomplete ? "" : "; every interleaving was explored"}`,
  );
  for (const note of verdict.notes) append(lines, fill(`note: ${note}`, width));
  return `${lines.join("\n")}\n`;
}

/** `O4, L` or `holds`. */
function verdictWord(verdict: Verdict): string {
  if (verdict.incomplete) return "not decided";
  return verdict.holds ? "holds" : `fails ${verdict.violations.map((v) => v.property).join(", ")}`;
}

/** Whether a verdict is the one that the protocol says is known; null if it says none. */
export function isAsExpected(protocol: Protocol, verdict: Verdict): boolean | null {
  if (protocol.expect === undefined) return null;
  if (verdict.incomplete) return false;
  const failed = verdict.violations.map((v) => v.property).sort();
  const known = protocol.expect === "holds" ? [] : [...protocol.expect].sort();
  return failed.join() === known.join();
}

/** A table of protocols with their verdicts. */
export function listText(rows: readonly { readonly protocol: Protocol; readonly verdict: Verdict }[]): string {
  const lines = table([
    ["name", "arch", "verdict", "steps", "states", "protocol"],
    ...rows.map(({ protocol, verdict }) => [
      protocol.name,
      protocol.arch,
      `${verdictWord(verdict)}${isAsExpected(protocol, verdict) === false ? " (unexpected)" : ""}`,
      verdict.violations[0] === undefined ? "" : String(verdict.violations[0].trace.length - 1),
      String(verdict.states),
      protocol.title,
    ]),
  ]);
  const failing = rows.filter((r) => !r.verdict.holds).length;
  const states = rows.reduce((sum, r) => sum + r.verdict.states, 0);
  lines.push("", `${rows.length} protocols: ${rows.length - failing} hold, ${failing} fail; ${states} states`);
  return `${lines.join("\n")}\n`;
}
