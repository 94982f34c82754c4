import { hexWord } from "../../base/bytes.ts";
import { jsonPieces } from "../../base/json.ts";
import { chained, mapped } from "../../base/lists.ts";
import {
  fixOf,
  helpOf,
  jsonDataOf,
  kernelOf,
  levelOf,
  type Problem,
  printedRefusals,
  titleOf,
  whyOf,
} from "../catalogue.ts";
import type { ContextLine, Instruction } from "../define.ts";
import type { Code } from "../definitions.ts";
import { sumOf, tallyOf, withoutRepeats } from "../tally.ts";
import { bytesText } from "./text.ts";

const signedHex = (value: bigint): string => (value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`);

export type InstructionDocument = {
  readonly offset: number;
  /** In hexadecimal, in their order in the file. */
  readonly bytes: string;
  readonly text: string | null;
  readonly relocations: readonly { readonly name: string; readonly symbol: string; readonly addend: string | null }[];
  readonly marked: boolean;
  readonly note: string | null;
};

/** One diagnostic as plain data. Null: not known, or the kernel says nothing. */
export type ProblemDocument = {
  readonly code: Code;
  readonly level: "error" | "warning";
  readonly title: string;
  readonly file: string;
  readonly fileOffset: number | null;
  readonly line: number | null;
  readonly section: string | null;
  readonly offset: number | null;
  readonly function: string | null;
  readonly functionOffset: number | null;
  readonly functionSize: number | null;
  readonly uses: number | null;
  readonly source: readonly {
    readonly file: string;
    readonly directory: string | null;
    readonly line: number | null;
    readonly column: number | null;
    readonly function: string | null;
  }[];
  readonly kernel: string | null;
  /** Whether the loader prints the kernel's words. */
  readonly first: boolean;
  readonly why: string | null;
  readonly help: string | null;
  readonly fix: string | null;
  readonly instructions: readonly InstructionDocument[];
  readonly data: Readonly<Record<string, unknown>>;
};

/** A place that fits a line: docs/explain.schema.json, `$defs/candidate`. */
export type CandidateDocument = {
  readonly certainty: string;
  readonly because: string;
  readonly section: string | null;
  readonly offset: number | null;
  readonly function: string | null;
  readonly functionOffset: number | null;
  readonly source: ProblemDocument["source"];
  readonly instructions: readonly InstructionDocument[];
  readonly problem: ProblemDocument | null;
};

/** An instruction in JSON: docs/diagnostics.schema.json, `$defs/instruction`. */
export function instructionJson(i: Instruction): InstructionDocument {
  return {
    offset: i.offset,
    bytes: bytesText(i.bytes),
    text: i.text,
    relocations: i.relocations.map((r) => ({ name: r.name, symbol: r.symbol, addend: signedHex(r.addend) })),
    marked: i.marked,
    note: i.note,
  };
}

/** A word of which nothing but what the analysis itself says is known. */
function word(l: ContextLine): InstructionDocument {
  return {
    offset: l.offset,
    bytes: hexWord(l.word).match(/../g)?.reverse().join(" ") ?? "",
    text: l.text,
    relocations: l.relocation === null ? [] : [{ name: l.relocation, symbol: l.symbol ?? "", addend: null }],
    marked: l.marked,
    note: l.note,
  };
}

/** The form of one diagnostic in JSON: docs/diagnostics.schema.json, `$defs/problem`. */
export function toJson(p: Problem, isFirstRefusal: boolean): ProblemDocument {
  return {
    code: p.code,
    level: levelOf(p),
    title: titleOf(p),
    file: p.at.file,
    fileOffset: p.at.fileOffset ?? null,
    line: p.at.line ?? null,
    section: p.at.section ?? null,
    offset: p.at.offset ?? null,
    function: p.at.function?.name ?? null,
    functionOffset: p.at.function?.offset ?? null,
    functionSize: p.at.function?.size ?? null,
    uses: p.at.uses ?? null,
    source: (p.at.source ?? []).map((s) => ({
      file: s.file,
      directory: s.directory,
      line: s.line === 0 ? null : s.line,
      column: s.column === 0 ? null : s.column,
      function: s.function,
    })),
    kernel: kernelOf(p),
    first: isFirstRefusal,
    why: whyOf(p),
    help: helpOf(p),
    fix: fixOf(p),
    instructions: p.instructions?.map(instructionJson) ?? p.context?.map(word) ?? [],
    data: jsonDataOf(p),
  };
}

/** What came of a file; `result` is what the command itself has to say of it. */
export interface FileResult {
  readonly file: string;
  readonly problems: readonly Problem[];
  readonly result: Record<string, unknown>;
}

/** One document for all files of a run, in pieces: docs/diagnostics.schema.json. */
export function renderJson(version: string, files: readonly FileResult[]): Iterable<string> {
  const total = tallyOf(files.map((f) => f.problems));
  const document = {
    schema: "klplink-diagnostics/1",
    klplink: version,
    files: files.map((f) => {
      const printed = new Set(printedRefusals(f.problems));
      const distinct = withoutRepeats(f.problems);
      return { file: f.file, ...f.result, problems: mapped(distinct, (p) => toJson(p, printed.has(p))) };
    }),
    errors: sumOf(total.errors),
    warnings: sumOf(total.warnings),
    total,
  };
  const plain = (_: string, value: unknown): unknown => (typeof value === "bigint" ? signedHex(value) : value);
  return chained(jsonPieces(document, plain), ["\n"]);
}
