import type { ArchName } from "../base/archName.ts";
import type { Problem } from "../diag/catalogue.ts";
import type { Disassembler } from "../diag/define.ts";
import type { ProblemStyle } from "../diag/render/html/problem.ts";
import type { FileResult } from "../diag/render/json.ts";
import type { Palette, TextStyle } from "../diag/render/text.ts";
import type { Subject } from "../passes/open.ts";
import type { Context, OutputStream } from "./context.ts";
import { write, writePieces } from "./files/io.ts";

export type ColorChoice = "auto" | "always" | "never";
export const FORMATS = ["text", "json", "sarif", "github", "html"] as const;
export type Format = (typeof FORMATS)[number];

/** Whether output to `stream` is coloured: --color first, then NO_COLOR and FORCE_COLOR, then whether it is a terminal that has any. */
function wantsColor(choice: ColorChoice, stream: OutputStream, env: Context["env"]): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = env;
  const forced = FORCE_COLOR !== undefined && FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  return (
    choice === "always" ||
    (choice === "auto" &&
      (NO_COLOR === undefined || NO_COLOR === "") &&
      FORCE_COLOR !== "0" &&
      FORCE_COLOR !== "false" &&
      (forced || (stream.isTTY === true && TERM !== "dumb")))
  );
}

async function palette(choice: ColorChoice, stream: OutputStream, env: Context["env"]): Promise<Palette> {
  if (!wantsColor(choice, stream, env)) return (await import("../diag/render/text.ts")).PLAIN;
  const { Chalk } = await import("chalk");
  const chalk = new Chalk({ level: 1 });
  return {
    error: chalk.red.bold,
    warning: chalk.yellow.bold,
    strong: chalk.bold,
    dim: chalk.blue,
    mark: chalk.red,
    help: chalk.green.bold,
  };
}

/** Width of the terminal, 80 in a pipe; colours; paths relative to the working folder. */
export async function textStyle(
  color: ColorChoice,
  stream: OutputStream,
  env: Context["env"],
  everything = false,
): Promise<TextStyle> {
  // A serial console says that it has 0 columns.
  const columns = stream.isTTY === true ? stream.columns || 80 : 80;
  return {
    width: Math.max(40, columns),
    palette: await palette(color, stream, env),
    folder: process.cwd(),
    everything,
    sourceLine: (await import("./files/sourceText.ts")).sourceReader(process.cwd()),
  };
}

/** Says on standard error what is to be known of a file beside what was asked for, whatever form that has. */
export async function sayProblems(problems: readonly Problem[], color: ColorChoice, context: Context): Promise<void> {
  if (problems.length === 0) return;
  const { renderText } = await import("../diag/render/text.ts");
  await write(context.stderr, renderText(problems, await textStyle(color, context.stderr, context.env)));
}

/** How diagnostics are shown on a page: paths relative to the working folder, lines of the source below it. */
export async function pageStyle(): Promise<ProblemStyle> {
  const folder = process.cwd();
  const { linesAround } = await import("./files/sourceText.ts");
  return { folder, sourceLines: linesAround(folder) };
}

/** Null also where it cannot be loaded: diagnostics are worth more than their instructions. */
export async function disassembler(arch: ArchName): Promise<Disassembler | null> {
  try {
    const { openDisassembler } = await import("../diag/render/disassemble.ts");
    return await openDisassembler(arch);
  } catch {
    return null;
  }
}

const none = (): Promise<null> => Promise.resolve(null);

/** Diagnostics as they are to be shown. */
export interface Prepared {
  readonly shown: readonly Problem[];
  /** Why there are no source lines, where they were looked for. */
  readonly noSource: string | null;
}

/** What of the diagnostics of a file is wanted, with source lines and instructions. @param subject as of {@link Reporter.add} */
export async function prepare(
  { format, quiet }: Pick<ReportOptions, "format" | "quiet">,
  subject: Subject | null,
  problems: readonly Problem[],
): Promise<Prepared> {
  let shown = problems;
  if (quiet === true && problems.length > 0) {
    const { levelOf } = await import("../diag/catalogue.ts");
    shown = problems.filter((p) => levelOf(p) === "error" || (p.code === "KLP117" && p.data.level === "error"));
  }
  if (subject === null || shown.length === 0) return { shown, noSource: null };
  const { annotateSubject } = await import("../passes/annotate.ts");
  // The other forms show source lines, but no instructions.
  const wantsInstructions = format === "text" || format === "json" || format === "html";
  const annotated = await annotateSubject(subject, shown, wantsInstructions ? disassembler : none);
  return { shown: annotated.problems, noSource: annotated.noSource };
}

interface ReportOptions {
  readonly format: Format;
  readonly color: ColorChoice;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** Said once, however many files have none. */
const NO_SOURCE_HELP =
  "compile with -g to see source lines (in a kernel build: CONFIG_DEBUG_INFO=y), and look at the file before it is stripped";

/** Takes the diagnostics of one file after the other; text comes out at once, documents at the end. */
export class Reporter {
  readonly #options: ReportOptions;
  readonly #context: Context;
  readonly #files: FileResult[] = [];
  /** Problems of each file, where no document keeps them. */
  readonly #said: (readonly Problem[])[] = [];
  #saidNoSource = false;

  constructor(options: ReportOptions, context: Context) {
    this.#options = options;
    this.#context = context;
  }

  /** Whether people read the output: text goes to standard error as it comes. */
  get isText(): boolean {
    return this.#options.format === "text";
  }

  /** @param subject the opened file, for source lines and instructions; null if it could not be read. */
  async add(
    file: string,
    subject: Subject | null,
    problems: readonly Problem[],
    result: Record<string, unknown> = {},
  ): Promise<void> {
    await this.give(file, await prepare(this.#options, subject, problems), result);
  }

  /** Takes the diagnostics of one file, as {@link prepare} made them. */
  async give(file: string, { shown, noSource }: Prepared, result: Record<string, unknown> = {}): Promise<void> {
    const { format, color, quiet, verbose } = this.#options;
    const { stdout, stderr, env } = this.#context;
    switch (format) {
      case "text": {
        if (shown.length === 0) return;
        const { renderText, wrap } = await import("../diag/render/text.ts");
        const style = await textStyle(color, stderr, env, verbose === true);
        await write(stderr, renderText(shown, style));
        if (noSource !== null && !this.#saidNoSource && quiet !== true) {
          this.#saidNoSource = true;
          const said = wrap(`note: no source lines: ${noSource}; ${NO_SOURCE_HELP}`, style.width - 6).join("\n      ");
          await write(stderr, `${said}\n`);
        }
        return;
      }
      case "github": {
        const { renderGithub } = await import("../diag/render/github.ts");
        await write(stdout, renderGithub(shown, process.cwd()));
        this.#said.push(shown);
        return;
      }
      case "json":
      case "sarif":
      case "html":
        this.#files.push({ file, problems: shown, result });
    }
  }

  /** Writes the document, where there is one; the total of several files, for GitHub. */
  async finish(stream: OutputStream = this.#context.stdout): Promise<void> {
    if (this.#options.format === "json") {
      const { renderJson } = await import("../diag/render/json.ts");
      await writePieces(stream, renderJson(this.#context.version, this.#files));
    } else if (this.#options.format === "html") {
      const { renderHtml } = await import("../diag/render/html/diagnostics.ts");
      await writePieces(stream, renderHtml(this.#context.version, this.#files, await pageStyle()));
    } else if (this.#options.format === "sarif") {
      const { renderSarif } = await import("../diag/render/sarif.ts");
      await writePieces(stream, renderSarif(this.#context.version, this.#files, process.cwd()));
    } else if (this.#options.format === "github" && this.#said.length > 1) {
      const { renderGithubTotal } = await import("../diag/render/github.ts");
      const { tallyOf } = await import("../diag/tally.ts");
      await write(stream, renderGithubTotal(tallyOf(this.#said)));
    }
  }
}
