// A trace as a sequence diagram: writer, memory and tasks as columns, one row a step. The SVG stands alone: no script,
// no style sheet, no font that is not on every machine.

import { longest } from "../../base/lists.ts";
import { visible } from "../../base/visible.ts";
import { type Protocol, properties } from "./protocol.ts";
import type { TraceStep, Violation } from "./state.ts";
import { actors, changingCells, contentsText } from "./text.ts";

const ROW = 30;
const HEAD = 84;
/** Width of a character in the fonts below, in pixels at their sizes. */
const CHARACTER = 7.3;
const MARGIN = 24;

const ink = {
  text: "#1b1f24",
  faint: "#8c959f",
  line: "#d0d7de",
  writer: "#0550ae",
  cpu: "#116329",
  bad: "#cf222e",
} as const;

/** Characters that XML cannot hold are left out. */
function xmlText(text: string): string {
  return (
    visible(text)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
      .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]/g, "")
      .replace(/&/g, "&amp;")
      .replace(/</g, "&lt;")
      .replace(/>/g, "&gt;")
      .replace(/"/g, "&quot;")
  );
}

interface TextStyle {
  readonly fill?: string;
  readonly anchor?: "start" | "middle" | "end";
  readonly weight?: "bold";
  readonly size?: number;
}

function text(x: number, y: number, content: string, style: TextStyle = {}): string {
  const { fill = ink.text, anchor = "start", weight, size = 12 } = style;
  return `<text x="${x}" y="${y}" fill="${fill}" text-anchor="${anchor}" font-size="${size}"${weight === undefined ? "" : ` font-weight="${weight}"`}>${xmlText(content)}</text>`;
}

function arrow(from: number, to: number, y: number, color: string): string {
  const back = to > from ? -6 : 6;
  return `<path d="M${from} ${y}H${to}M${to + back} ${y - 4}L${to} ${y}L${to + back} ${y + 4}" fill="none" stroke="${color}"/>`;
}

/** The widest of several texts in pixels. */
const widest = (texts: readonly string[]): number => Math.ceil(longest(texts) * CHARACTER);

/** Where the columns of a diagram are, pixels. */
interface Columns {
  readonly writer: number;
  readonly memory: { readonly start: number; readonly end: number };
  readonly cells: readonly { readonly cell: string; readonly x: number }[];
  /** By actor. */
  readonly tasks: ReadonlyMap<string, number>;
  /** Where an actor's arrows begin: at the memory, or behind what stands beside the actor on the left. */
  readonly arrows: ReadonlyMap<string, number>;
  readonly end: number;
}

const contentOf = (step: TraceStep, cell: string): string =>
  contentsText(step.memory.find((m) => m.cell === cell)?.contents ?? []);

function columnsOf(protocol: Protocol, trace: Violation["trace"]): Columns {
  const writer = MARGIN + 34;
  const writerText = widest(trace.filter((s) => s.who === "writer").map((s) => s.what)) + 24;
  let x = writer + Math.max(writerText, 80);
  const start = x;
  const cells = changingCells(protocol).map((cell) => {
    const at = x + 8;
    x += widest([cell, ...trace.map((s) => contentOf(s, cell))]) + 16;
    return { cell, x: at };
  });
  const memory = { start, end: x };
  const tasks = new Map<string, number>();
  const arrows = new Map<string, number>();
  const placesOf = (who: string): number =>
    widest(trace.flatMap((s) => s.places.filter((p) => p.who === who).map((p) => p.place ?? ""))) + 16;
  for (const who of actors(trace)) {
    arrows.set(who, x);
    x += widest(trace.filter((s) => s.who === who).map((s) => s.what)) + 40;
    tasks.set(who, x);
    x += placesOf(who);
  }
  return { writer, memory, cells, tasks, arrows, end: x };
}

/** The diagram of one violation, as an SVG document. */
export function violationSvg(protocol: Protocol, violation: Violation): string {
  const { trace } = violation;
  const columns = columnsOf(protocol, trace);
  const { memory } = columns;
  const titles = [`${protocol.name} - ${protocol.title}`, `${violation.property}: ${properties[violation.property]}`];
  const width = Math.max(columns.end, MARGIN * 2 + widest([...titles, violation.what]) * 1.1) + MARGIN;
  const height = HEAD + trace.length * ROW + 56;
  const bottom = HEAD + trace.length * ROW;
  const heads = [...columns.tasks].map(([who, at]) =>
    text(at, HEAD - 8, who, { anchor: "middle", weight: "bold", fill: ink.cpu }),
  );
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.ceil(width)}" height="${height}" viewBox="0 0 ${Math.ceil(width)} ${height}" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace">`,
    `<title>${xmlText(titles[0] ?? "")}</title>`,
    `<desc>${xmlText(`${violation.property} fails: ${violation.what}`)}</desc>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(MARGIN, 24, titles[0] ?? "", { weight: "bold", size: 13 }),
    text(MARGIN, 42, titles[1] ?? "", { fill: ink.faint }),
    `<rect x="${memory.start}" y="${HEAD - 22}" width="${memory.end - memory.start}" height="${bottom - HEAD + 30}" fill="#f6f8fa" stroke="${ink.line}"/>`,
    text(columns.writer, HEAD - 8, "writer", { anchor: "middle", weight: "bold", fill: ink.writer }),
    ...columns.cells.map((c) => text(c.x, HEAD - 8, c.cell, { weight: "bold" })),
    ...heads,
    ...[columns.writer, ...columns.tasks.values()].map(
      (at) => `<path d="M${at} ${HEAD}V${bottom}" stroke="${ink.line}"/>`,
    ),
  ];
  for (const n of trace.keys()) for (const piece of rowOf(trace, n, columns)) out.push(piece);
  out.push(text(MARGIN, bottom + 34, violation.what, { fill: ink.bad, weight: "bold" }), "</svg>");
  return `${out.join("\n")}\n`;
}

/** One step: its number, the memory after it, who did what, and where each actor is. */
function rowOf(trace: Violation["trace"], n: number, columns: Columns): string[] {
  const step = trace[n];
  if (step === undefined) return [];
  const y = HEAD + n * ROW + 18;
  const out = [text(MARGIN, y + 4, String(n), { fill: ink.faint })];
  const before = trace[n - 1];
  for (const { cell, x: at } of columns.cells) {
    const now = contentOf(step, cell);
    const isNew = before !== undefined && contentOf(before, cell) !== now;
    out.push(text(at, y + 4, now, isNew ? { weight: "bold", fill: ink.writer } : { fill: ink.text }));
  }
  const { memory, writer, tasks } = columns;
  if (step.who === "writer") {
    out.push(arrow(writer, memory.start, y, ink.writer), text(writer + 8, y - 4, step.what, { fill: ink.writer }));
  }
  const at = tasks.get(step.who);
  if (at !== undefined) {
    out.push(
      arrow(columns.arrows.get(step.who) ?? memory.end, at, y, ink.cpu),
      text(at - 10, y - 4, step.what, { anchor: "end", fill: ink.cpu }),
    );
  }
  for (const { who, place } of step.places) {
    const column = tasks.get(who);
    if (column === undefined || place === null) continue;
    const isBad = n === trace.length - 1 && who === step.who;
    out.push(`<circle cx="${column}" cy="${y}" r="3" fill="${isBad ? ink.bad : ink.cpu}"/>`);
    out.push(text(column + 8, y + 4, place, { fill: isBad ? ink.bad : ink.faint }));
  }
  return out;
}
