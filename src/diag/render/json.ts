import { hexWord } from "../../base/bytes.ts";
import { firstRefusal, helpOf, kernelOf, levelOf, type Problem, titleOf, whyOf } from "../catalogue.ts";

/** The form of one diagnostic in JSON; docs/json.md describes it. */
export function toJson(p: Problem, isFirstRefusal: boolean): Record<string, unknown> {
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
    kernel: kernelOf(p),
    first: isFirstRefusal,
    why: whyOf(p),
    help: helpOf(p),
    words: (p.context ?? []).map((l) => ({
      offset: l.offset,
      word: hexWord(l.word),
      relocation: l.relocation,
      symbol: l.symbol,
      marked: l.marked,
    })),
    data: p.data,
  };
}

/** One document for all files of a run. */
export function renderJson(
  version: string,
  files: readonly {
    readonly file: string;
    readonly problems: readonly Problem[];
    readonly result: Record<string, unknown>;
  }[],
): string {
  const all = files.flatMap((f) => f.problems);
  const document = {
    schema: "klplink-diagnostics/1",
    klplink: version,
    files: files.map((f) => {
      const first = firstRefusal(f.problems);
      return { file: f.file, ...f.result, problems: f.problems.map((p) => toJson(p, p === first)) };
    }),
    errors: all.filter((p) => levelOf(p) === "error").length,
    warnings: all.filter((p) => levelOf(p) === "warning").length,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
