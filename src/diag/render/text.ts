import { hexWord } from "../../base/bytes.ts";
import { firstRefusal, helpOf, kernelOf, levelOf, type Problem, titleOf, whyOf } from "../catalogue.ts";
import type { ContextLine, Place } from "../define.ts";

/** Colours as functions on text, so that rendering needs no colour library. */
export interface Palette {
  readonly error: (text: string) => string;
  readonly warning: (text: string) => string;
  readonly strong: (text: string) => string;
  readonly dim: (text: string) => string;
}

const same = (text: string): string => text;
export const PLAIN: Palette = { error: same, warning: same, strong: same, dim: same };

export interface TextStyle {
  /** Columns to wrap notes to. */
  readonly width: number;
  readonly palette: Palette;
}

/** `file  function+0xe0  (.text+0x220)`: what is known of a place. */
export function formatPlace(at: Place): string {
  const parts = [at.file];
  if (at.line !== undefined) parts[0] = `${at.file}:${at.line}`;
  const section = at.section === undefined ? null : `${at.section}+0x${(at.offset ?? 0).toString(16)}`;
  if (at.function !== undefined) {
    parts.push(`${at.function.name}+0x${at.function.offset.toString(16)}`);
    if (section !== null) parts.push(`(${section})`);
  } else if (section !== null) parts.push(section);
  if (at.fileOffset !== undefined) parts.push(`at file offset 0x${at.fileOffset.toString(16)}`);
  return parts.join("  ");
}

function bytesOf(word: number): string {
  return hexWord(word).match(/../g)?.reverse().join(" ") ?? "";
}

function formatContext(lines: readonly ContextLine[], { palette }: TextStyle): string[] {
  const offsetWidth = Math.max(4, ...lines.map((l) => l.offset.toString(16).length + 1));
  return lines.map((l) => {
    const offset = `${l.offset.toString(16)}:`.padStart(offsetWidth);
    const text = l.text ?? `.long  0x${hexWord(l.word)}`;
    const relocation = l.relocation === null ? "" : `${l.relocation} ${l.symbol ?? ""}`;
    const tail = [relocation, l.note ?? ""].filter((t) => t !== "").join("  ");
    const line = `  ${l.marked ? ">" : " "} ${offset}  ${bytesOf(l.word)}   ${tail === "" ? text : `${text.padEnd(18)} ${tail}`}`;
    return l.marked ? palette.strong(line) : line;
  });
}

/** Breaks text at blanks into lines of at most `width` columns; a longer word keeps a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}

function note(label: string, text: string, { width, palette }: TextStyle): string[] {
  const head = `  = ${`${label}:`.padEnd(8)}`;
  const [first, ...rest] = wrap(text, Math.max(30, width - head.length));
  return [
    `${palette.dim("  = ")}${palette.strong(`${label}:`.padEnd(8))}${first}`,
    ...rest.map((l) => `${" ".repeat(head.length)}${l}`),
  ];
}

/** One diagnostic, without a final newline. */
export function renderProblem(p: Problem, style: TextStyle, isFirstRefusal: boolean): string {
  const level = levelOf(p);
  const { palette } = style;
  const lines = [`${palette[level](`${level}[${p.code}]`)}${palette.strong(`: ${titleOf(p)}`)}`];
  lines.push(`${palette.dim("  --> ")}${formatPlace(p.at)}`);
  if (p.context !== undefined) lines.push(...formatContext(p.context, style));
  const kernel = kernelOf(p);
  // The kernel's words stay on one line, so that they can be compared with dmesg.
  if (kernel !== null) {
    lines.push(`${palette.dim("  = ")}${palette.strong("kernel: ")}${kernel}`);
    if (isFirstRefusal) lines.push("            (the loader stops here: this is the line in dmesg)");
  }
  const why = whyOf(p);
  if (why !== null) lines.push(...note("why", why, style));
  const help = helpOf(p);
  if (help !== null) lines.push(...note("help", help, style));
  return lines.join("\n");
}

/** All diagnostics of one file, and a line that counts them. Empty if there are none. */
export function renderText(problems: readonly Problem[], style: TextStyle): string {
  if (problems.length === 0) return "";
  const first = firstRefusal(problems);
  const parts = problems.map((p) => renderProblem(p, style, p === first));
  return `${parts.join("\n\n")}\n\n${countLine(problems)}\n`;
}

export function countLine(problems: readonly Problem[]): string {
  const errors = problems.filter((p) => levelOf(p) === "error").length;
  const warnings = problems.length - errors;
  const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`;
  return `${count(errors, "error")}, ${count(warnings, "warning")}`;
}
