// Diagnostics as HTML: source, instructions, the kernel's words, cause and way out.

import type { SourcePlace } from "../../define.ts";
import type { Code } from "../../definitions.ts";
import type { InstructionDocument, ProblemDocument } from "../json.ts";
import { formatFunction, formatSource } from "../text.ts";
import { html, type Markup, withCode } from "./markup.ts";
import { folded } from "./page.ts";
import { callPicture } from "./picture.ts";

/** A line of the source beside a place. */
export interface SourceLine {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  /** Whether it is the line of the place itself. */
  readonly marked: boolean;
}

/** The lines around a place; none where the source is not at hand. */
export type SourceLines = (place: SourcePlace) => readonly SourceLine[];

export interface ProblemStyle {
  /** Folder to which source paths below it are shown relative. */
  readonly folder?: string;
  readonly sourceLines?: SourceLines;
}

const hex = (value: number): string => `0x${value.toString(16)}`;

const placeOf = (s: ProblemDocument["source"][number]): SourcePlace => ({
  ...s,
  line: s.line ?? 0,
  column: s.column ?? 0,
});

/** What tells where something is. */
export type Where = Pick<
  ProblemDocument,
  | "file"
  | "fileOffset"
  | "line"
  | "section"
  | "offset"
  | "function"
  | "functionOffset"
  | "functionSize"
  | "uses"
  | "source"
>;

/** A place on a line: source line, file, function, section. */
export function placeText(p: Where, { folder }: ProblemStyle): string {
  const [innermost] = p.source;
  const section = p.section === null ? null : `${p.section}+${hex(p.offset ?? 0)}`;
  const inFunction =
    p.function === null
      ? null
      : formatFunction({
          name: p.function,
          offset: p.functionOffset ?? 0,
          ...(p.functionSize === null ? {} : { size: p.functionSize }),
        });
  const parts = [
    innermost === undefined ? null : formatSource(placeOf(innermost), folder),
    p.line === null ? p.file : `${p.file}:${p.line}`,
    inFunction,
    section === null || inFunction === null ? section : `(${section})`,
    p.uses === null ? null : `(the first of ${p.uses} uses)`,
    p.fileOffset === null ? null : `at file offset ${hex(p.fileOffset)}`,
  ];
  return parts.filter((part) => part !== null).join("  ");
}

/** Lines of the source around a place, and what was inlined where. */
export function sourceTable(p: Where, { folder, sourceLines }: ProblemStyle): Markup | null {
  const [innermost] = p.source;
  if (innermost === undefined) return null;
  const lines = sourceLines?.(placeOf(innermost)) ?? [];
  const frames = p.source.slice(1).map((frame, i) => {
    const inner = p.source[i]?.function;
    const outer = frame.function === null ? "" : ` (${frame.function})`;
    return inner == null
      ? null
      : html`<p class="note">${inner} was inlined at ${formatSource(placeOf(frame), folder)}${outer}</p>`;
  });
  const table =
    lines.length === 0
      ? null
      : html`<div class="scroll"><table class="code" aria-label="source">${lines.map(
          (l) => html`<tr${l.marked ? MARKED : null}><td>${l.line}</td><td>${l.text}</td></tr>`,
        )}</table></div>`;
  return html`${table}${frames}`;
}

const MARKED = html` class="mark"`;

function relocationText({ name, symbol, addend }: InstructionDocument["relocations"][number]): string {
  const plus = addend === null || addend === "0x0" ? "" : addend.startsWith("-") ? addend : `+${addend}`;
  return `${name} ${symbol}${plus}`.trim();
}

/** Instructions around a place, the one at fault marked. */
export const instructionTable = (rows: readonly InstructionDocument[]): Markup | null =>
  rows.length === 0
    ? null
    : html`<div class="scroll"><table class="code" aria-label="instructions">${rows.map(
        (i) =>
          html`<tr${i.marked ? MARKED : null}><td>${i.offset.toString(16)}</td><td>${i.bytes}</td><td>${i.text ?? ""}</td><td>${i.relocations.map(relocationText).join(", ")}</td><td>${i.note ?? ""}</td></tr>`,
      )}</table></div>`;

const term = (name: string, what: Markup | null): Markup | null =>
  what === null ? null : html`<dt>${name}</dt><dd>${what}</dd>`;

/** Calls that are drawn: by code, whether it is a sibling call. */
const PICTURED: Readonly<Partial<Record<Code, boolean>>> = { KLP301: false, KLP302: true };

/** @param isFirst whether it is the first of its kind on the page, whose picture is open */
function pictureOf(p: ProblemDocument, isFirst: boolean): Markup | null {
  const isSibling = PICTURED[p.code];
  const { callee } = p.data;
  if (isSibling === undefined || typeof callee !== "string" || p.function === null) return null;
  return folded("What happens to r2", callPicture({ caller: p.function, callee, isSibling }), isFirst);
}

/** The way out, with the command that fixes it to be copied. */
const wayOut = ({ help, fix }: ProblemDocument): Markup | null => {
  if (help === null) return null;
  const isThere = fix === null || help.includes(`\`${fix}\``);
  return html`${withCode(help)}${isThere ? null : html`<pre>${fix}</pre>`}`;
};

/** One diagnostic. @param isFirst whether it is the first of its code */
export function problemArticle(p: ProblemDocument, style: ProblemStyle, isFirst = true): Markup {
  return html`<article class="${p.level}"><h3><span class="level">${p.level}</span> <a href="#${p.code}">${p.code}</a>: ${p.title}</h3>
<p class="place">${placeText(p, style)}</p>${sourceTable(p, style)}${instructionTable(p.instructions)}
<dl>${term("The kernel says", p.kernel === null ? null : html`<pre>${p.kernel}</pre>${p.first ? html`<span class="note">the loader prints this line</span>` : null}`)}${term("Why", p.why === null ? null : withCode(p.why))}${term("Way out", wayOut(p))}</dl>${pictureOf(p, isFirst)}</article>`;
}

/** Diagnostics of one file: the first of each code in full, more than a few others of it folded. */
export function problemList(problems: readonly ProblemDocument[], style: ProblemStyle): Markup[] {
  return [...grouped(problems).values()].flatMap((group) => {
    const articles = group.map((p, i) => problemArticle(p, style, i === 0));
    const [first, ...others] = articles;
    if (first === undefined || others.length <= FEW) return articles;
    return [first, folded(`${others.length} more of ${group[0]?.code}`, html`${others}`)];
  });
}

/** So many others of one code are shown without asking. */
const FEW = 4;

function grouped(problems: readonly ProblemDocument[]): Map<Code, ProblemDocument[]> {
  const groups = new Map<Code, ProblemDocument[]>();
  for (const p of problems) {
    const group = groups.get(p.code);
    if (group === undefined) groups.set(p.code, [p]);
    else group.push(p);
  }
  return groups;
}
