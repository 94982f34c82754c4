// Diagnostics for people: one block each, equal ones once, several of one kind folded into a list.

import { hexWord } from "../../base/bytes.ts";
import { append, longest } from "../../base/lists.ts";
import { fileText } from "../../base/shell.ts";
import { cleaned } from "../../base/visible.ts";
import {
  briefOf,
  countOf,
  fixOf,
  helpOf,
  kernelOf,
  levelOf,
  type Problem,
  printedRefusals,
  titleOf,
  whyOf,
} from "../catalogue.ts";
import type { ContextLine, FunctionPlace, Instruction, Place, SourcePlace } from "../define.ts";
import { withoutRepeats } from "../tally.ts";

/** Colours as functions on text, so that rendering needs no colour library. */
export interface Palette {
  readonly error: (text: string) => string;
  readonly warning: (text: string) => string;
  readonly strong: (text: string) => string;
  readonly dim: (text: string) => string;
  /** The instruction at fault. */
  readonly mark: (text: string) => string;
  /** The way out. */
  readonly help: (text: string) => string;
}

const same = (text: string): string => text;
export const PLAIN: Palette = { error: same, warning: same, strong: same, dim: same, mark: same, help: same };

export interface TextStyle {
  /** Columns to wrap notes to. */
  readonly width: number;
  readonly palette: Palette;
  /** Folder to which source paths below it are shown relative; absent: as the compiler was given them. */
  readonly folder?: string;
  /** Says each of several of one kind in full. */
  readonly everything?: boolean;
  /** Text of a line of the source, where the source is at hand. */
  readonly sourceLine?: (place: SourcePlace) => string | null;
}

const hex = (value: number): string => `0x${value.toString(16)}`;

/** `fs/proc/meminfo.c:135:2` */
export function formatSource(source: SourcePlace, folder?: string): string {
  const full =
    source.file.startsWith("/") || source.directory === null ? source.file : `${source.directory}/${source.file}`;
  const isBelow = folder !== undefined && full.startsWith(`${folder}/`);
  const path = isBelow ? full.slice(folder.length + 1) : source.file;
  if (source.line === 0) return path;
  return `${path}:${source.line}${source.column === 0 ? "" : `:${source.column}`}`;
}

/** `show+0x1c/0x60 [module]`, as the kernel's %pS prints an address; without what is not known. */
export function formatFunction({ name, offset, size, module }: FunctionPlace): string {
  const length = size === undefined ? "" : `/${hex(size)}`;
  return `${name}+${hex(offset)}${length}${module === undefined ? "" : ` [${module}]`}`;
}

/** What is known of a place: source line, file, function+offset, section+offset. */
function placeParts(given: Place, folder?: string): string[] {
  const at = { ...cleaned(given), file: fileText(given.file) };
  const parts: string[] = [];
  const [innermost] = at.source ?? [];
  if (innermost !== undefined) parts.push(formatSource(innermost, folder));
  parts.push(at.line === undefined ? at.file : `${at.file}:${at.line}`);
  const section = at.section === undefined ? null : `${at.section}+${hex(at.offset ?? 0)}`;
  if (at.function !== undefined) {
    parts.push(formatFunction(at.function));
    if (section !== null) parts.push(`(${section})`);
  } else if (section !== null) parts.push(section);
  if (at.uses !== undefined) parts.push(`(the first of ${at.uses} uses)`);
  if (at.fileOffset !== undefined) parts.push(`at file offset ${hex(at.fileOffset)}`);
  return parts;
}

/** `source.c:12:3  file.o  function+0xe0  (.text+0x220)` on one line. */
export function formatPlace(at: Place, folder?: string): string {
  return placeParts(at, folder).join("  ");
}

/** Parts side by side, two blanks between them, as many on a line as fit. */
function flow(parts: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 2 + part.length <= width) lines[lines.length - 1] = `${last}  ${part}`;
    else lines.push(part);
  }
  return lines;
}

function formatPlaceLines(at: Place, { palette, width, folder, sourceLine }: TextStyle): string[] {
  const lines = flow(placeParts(at, folder), width - 6).map((line, i) =>
    i === 0 ? `${palette.dim("  --> ")}${line}` : `      ${line}`,
  );
  // The text of a line is looked up by the names as they are.
  const [given] = at.source ?? [];
  const text = given === undefined ? null : cleaned(sourceLine?.(given) ?? null);
  const frames = cleaned(at.source ?? []);
  const [innermost] = frames;
  if (text !== null) {
    const head = `      ${innermost?.line} | `;
    const shown = text.length > width - head.length ? `${text.slice(0, width - head.length - 1)}…` : text;
    lines.push(`${palette.dim(head)}${palette.strong(shown)}`);
  }
  for (const [i, frame] of frames.entries()) {
    const inner = frames[i - 1]?.function;
    if (i === 0 || inner == null) continue;
    lines.push(
      `      ${inner} was inlined at ${formatSource(frame, folder)}${frame.function === null ? "" : ` (${frame.function})`}`,
    );
  }
  return lines;
}

/** One row of a listing, whatever it was made from. */
interface Row {
  readonly offset: number;
  readonly bytes: string;
  readonly text: string;
  readonly relocation: string;
  readonly note: string;
  readonly marked: boolean;
}

/** Bytes in their order in the file. */
export function bytesText(bytes: Uint8Array): string {
  return [...bytes].map((b) => b.toString(16).padStart(2, "0")).join(" ");
}

function rowOfContext(given: ContextLine): Row {
  const l = cleaned(given);
  return {
    offset: l.offset,
    bytes: hexWord(l.word).match(/../g)?.reverse().join(" ") ?? "",
    text: l.text ?? `.long  0x${hexWord(l.word)}`,
    relocation: l.relocation === null ? "" : `${l.relocation} ${l.symbol ?? ""}`.trim(),
    note: l.note ?? "",
    marked: l.marked,
  };
}

function rowOfInstruction(given: Instruction): Row {
  const i = cleaned(given);
  const relocation = i.relocations
    .map(({ name, symbol, addend }) => {
      // The text names the target already, unless the symbol has a longer name.
      const shown = i.text.endsWith(` ${symbol}`) ? "" : ` ${symbol}`;
      const plus =
        addend === 0n || shown === "" ? "" : addend > 0n ? `+0x${addend.toString(16)}` : `-0x${(-addend).toString(16)}`;
      return `${name}${shown}${plus}`;
    })
    .join(", ");
  return {
    offset: i.offset,
    bytes: bytesText(i.bytes),
    text: i.text,
    relocation,
    note: i.note ?? "",
    marked: i.marked,
  };
}

/** Longest instruction that the column of relocations makes room for. */
const TEXT_COLUMN = 26;

function formatRows(rows: readonly Row[], { palette, width }: TextStyle): string[] {
  const offsetWidth = Math.max(4, 1 + longest(rows.map((r) => r.offset.toString(16))));
  const bytesWidth = longest(rows.map((r) => r.bytes));
  const textWidth = Math.min(TEXT_COLUMN, longest(rows.map((r) => r.text)));
  const lines: string[] = [];
  for (const r of rows) {
    const head = `  ${r.marked ? ">" : " "} ${`${r.offset.toString(16)}:`.padStart(offsetWidth)}  ${r.bytes.padEnd(bytesWidth)}   `;
    const tails = [r.relocation, r.note].filter((t) => t !== "");
    const paint = r.marked ? palette.mark : same;
    const whole = [`${head}${r.text.padEnd(tails.length === 0 ? 0 : textWidth)}`, ...tails].join("  ");
    if (whole.length <= width) lines.push(paint(whole));
    else {
      // What does not fit beside the instruction stands below it.
      const beside = [`${head}${r.text.padEnd(textWidth)}`, tails[0]].join("  ");
      const fits = tails.length > 1 && beside.length <= width;
      lines.push(paint(fits ? beside : `${head}${r.text}`.trimEnd()));
      for (const t of fits ? tails.slice(1) : tails) lines.push(paint(`${" ".repeat(head.length)}${t}`));
    }
  }
  return lines;
}

/**
 * Breaks text at blanks into lines of at most `width` columns. A longer word keeps a line of its own, and so does a
 * command in backticks, which is not broken: it is there to be copied.
 * @param hang so many columns fewer behind the first line, which stand further left
 */
export function wrap(text: string, width: number, hang = 0): string[] {
  const lines: string[] = [];
  let line = "";
  // A blank behind a blank is an empty word, so that columns keep their width.
  for (const found of text.match(/(?:`[^`]*`|[^ ])+| (?= )/g) ?? [""]) {
    const word = found.trim();
    if (line !== "" && line.length + 1 + word.length > (lines.length === 0 ? width : width - hang)) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}

function note(label: string, text: string, { width, palette }: TextStyle): string[] {
  const head = `  = ${`${label}:`.padEnd(8)}`;
  // What a program says in several lines stays as it is.
  const lines = text.includes("\n") ? text.split("\n") : wrap(text, Math.max(30, width - head.length));
  const [first, ...rest] = lines;
  const paint = label === "help" ? palette.help : palette.strong;
  return [
    `${palette.dim("  = ")}${paint(`${label}:`.padEnd(8))}${first}`,
    ...rest.map((l) => `${" ".repeat(head.length)}${l}`),
  ];
}

/** A place with its source line and instructions, without a diagnostic. */
export function renderPlace(at: Place, instructions: readonly Instruction[], style: TextStyle): string {
  const rows = instructions.map(rowOfInstruction);
  return [...formatPlaceLines(at, style), ...(rows.length === 0 ? [] : formatRows(rows, style))].join("\n");
}

/** One diagnostic, without a final newline. */
export function renderProblem(p: Problem, style: TextStyle, isFirstRefusal: boolean): string {
  return blockOf(p, [], style, isFirstRefusal ? STOPS : "").join("\n");
}

/** What the log shows of a diagnostic, where the loader prints it. */
const STOPS = "the loader stops here: this is the line in dmesg";
const STOPS_LATER = "the loader prints such a line for each symbol at fault, then stops";
const PRINTED_TOO = "this line is in dmesg, too";

/** A diagnostic that stands for others of its kind, too. @param inLog what the log shows of it; empty: nothing is known. */
function blockOf(p: Problem, others: readonly Problem[], style: TextStyle, inLog: string): string[] {
  const level = levelOf(p);
  const { palette, width } = style;
  const [head, ...more] = wrap(`${level}[${p.code}]: ${clipped(titleOf(p))}`, Math.max(40, width), 4);
  const tag = `${level}[${p.code}]`;
  const lines = [`${palette[level](tag)}${palette.strong((head ?? "").slice(tag.length))}`];
  append(
    lines,
    more.map((l) => palette.strong(`    ${l}`)),
  );
  append(lines, formatPlaceLines(p.at, style));
  const rows = p.instructions?.map(rowOfInstruction) ?? p.context?.map(rowOfContext) ?? [];
  if (rows.length > 0) append(lines, formatRows(rows, style));
  const kernel = kernelOf(p);
  // The kernel's words stay on one line, so that they can be compared with dmesg.
  if (kernel !== null) {
    const [said = "", ...further] = kernel.split("\n");
    append(lines, [
      `${palette.dim("  = ")}${palette.strong("kernel: ")}${said}`,
      ...further.map((l) => `            ${l}`),
    ]);
    if (inLog !== "") lines.push(`            (${inLog})`);
  }
  const why = whyOf(p);
  if (why !== null) append(lines, note("why", why, style));
  const help = helpOf(p);
  if (help !== null) append(lines, note("help", help, style));
  if (others.length > 0) append(lines, listOf(p, others, style));
  return lines;
}

/** A title with very long names cut in their middle; they stand in full in the kernel's words and in JSON. */
const clipped = (title: string): string =>
  title.replace(/[\w.$]{81,}/g, (name) => `${name.slice(0, 50)}…${name.slice(-20)}`);

/** How many of one kind are listed; `-v` shows all. */
const LISTED = 20;

function listOf(p: Problem, others: readonly Problem[], style: TextStyle): string[] {
  const shown = others.slice(0, LISTED);
  const places = shown.map((other) => {
    const at = cleaned(other.at);
    const [innermost] = at.source ?? [];
    const inFunction = at.function === undefined ? null : `${at.function.name}+${hex(at.function.offset)}`;
    const inSection = at.section === undefined ? "" : `${at.section}+${hex(at.offset ?? 0)}`;
    const source = innermost === undefined ? "" : formatSource(innermost, style.folder);
    // Its folder is that of the first one.
    const isSame = innermost?.file === cleaned(p.at).source?.[0]?.file;
    return [isSame ? source.replace(/^.*\//, "") : source, inFunction ?? inSection];
  });
  const widths = [0, 1].map((k) => longest(places.map((place) => place[k] ?? "")));
  const lines = note("also", `${others.length} more of ${p.code} in ${fileText(p.at.file)}:`, style);
  for (const [i, other] of shown.entries()) {
    const columns = (places[i] ?? []).map((text, k) => text.padEnd(widths[k] ?? 0)).filter((t) => t !== "");
    const line = [...columns, clipped(briefOf(other))].join("  ");
    const [first, ...rest] = wrap(line, Math.max(30, style.width - 8));
    // Wrapping takes several blanks for words of no length, so columns survive it.
    append(lines, [`      ${first?.trimEnd()}`, ...rest.map((l) => `        ${l}`)]);
    const help = helpOf(other);
    if (help !== null && help !== helpOf(p)) {
      append(
        lines,
        wrap(`help: ${help}`, Math.max(30, style.width - 8)).map((l) => `        ${l}`),
      );
    }
  }
  if (others.length > shown.length) lines.push(`      … and ${others.length - shown.length} more (-v shows all)`);
  return lines;
}

/** All diagnostics of one file, and a line that counts them. Empty if there are none. */
export function renderText(problems: readonly Problem[], style: TextStyle): string {
  if (problems.length === 0) return "";
  const distinct = withoutRepeats(problems);
  const printed = printedRefusals(distinct);
  const [first] = printed;
  const groups = new Map<string, Problem[]>();
  for (const [i, p] of distinct.entries()) {
    const key = style.everything === true ? String(i) : `${p.code} ${p.at.file}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [p]);
    // The one that stops the loader stands for its kind.
    else if (p === first) group.unshift(p);
    else group.push(p);
  }
  const parts: string[] = [];
  // What stops the loader comes first, then other errors, then warnings.
  const rank = ([head]: readonly Problem[]): number =>
    head === undefined || levelOf(head) !== "error" ? 3 : head === first ? 0 : printed.includes(head) ? 1 : 2;
  for (const [head, ...others] of [...groups.values()].sort((a, b) => rank(a) - rank(b))) {
    if (head === undefined) continue;
    const said = !printed.includes(head)
      ? ""
      : printed.length === 1
        ? STOPS
        : head === first
          ? STOPS_LATER
          : PRINTED_TOO;
    parts.push(blockOf(head, others, style, said).join("\n"));
  }
  return `${parts.join("\n\n")}\n\n${countLine(distinct)}\n${moreLine(distinct)}`;
}

/** Where the whole story of what was said stands. */
function moreLine(problems: readonly Problem[]): string {
  const codes = [...new Set(problems.map((p) => p.code))].sort();
  const shown = codes.length > 4 ? codes.slice(0, 4) : codes;
  return `the whole story: klplink explain ${shown.join(" ")}\n`;
}

/** `3 errors, 1 warning; \`klplink mod.o\` fixes 2 of the errors, once the others are gone` */
export function countLine(problems: readonly Problem[]): string {
  const errors = problems.filter((p) => levelOf(p) === "error");
  const total = (level: "error" | "warning"): string => {
    const n = countOf(problems, level);
    return `${n} ${level}${n === 1 ? "" : "s"}`;
  };
  const counts = `${total("error")}, ${total("warning")}`;
  const fixes = new Map<string, number>();
  for (const p of errors) {
    const command = fixOf(p);
    if (command !== null) fixes.set(command, (fixes.get(command) ?? 0) + 1);
  }
  const fixed = [...fixes].map(([command, n]) => {
    // With an error that it cannot fix, a link writes nothing.
    const rest = errors.length - n === 1 ? "the other is" : "the others are";
    const all = n === 1 ? "it" : n === 2 ? "both" : `all ${n}`;
    return `\`${command}\` fixes ${n < errors.length ? `${n} of the errors, once ${rest} gone` : all}`;
  });
  return [counts, ...fixed].join("; ");
}
