import { defined } from "../../base/defined.ts";
import { jsonPieces } from "../../base/json.ts";
import { chained, mapped } from "../../base/lists.ts";
import { fileText } from "../../base/shell.ts";
import { visible } from "../../base/visible.ts";
import type { Problem } from "../../diag/catalogue.ts";
import type { Definition } from "../../diag/define.ts";
import { type Code, catalogue, codes } from "../../diag/definitions.ts";
import { type Collected, Collector, type Unlisted } from "../../diag/messages/collect.ts";
import { inCapitals, type Message } from "../../diag/messages/define.ts";
import { messages, recogniseLine } from "../../diag/messages/recognise.ts";
import { Sieve } from "../../diag/messages/sieve.ts";
import type { ExplainDocument } from "../../diag/render/html/explained.ts";
import { toJson } from "../../diag/render/json.ts";
import { type TextStyle, wrap } from "../../diag/render/text.ts";
import { nearNames } from "../../kernel/symbols/nearNames.ts";
import { Explainer, errorsOf } from "../../passes/explain/explain.ts";
import { lineJson } from "../../passes/explain/lineDocument.ts";
import { explainLines } from "../../passes/explain/lines.ts";
import { openModule, type Subject } from "../../passes/open.ts";
import { leftOutProblems } from "../../passes/problems/leftOut.ts";
import type { Context } from "../context.ts";
import { type Input, readUnpacked, UsageError, write, writePieces } from "../files/io.ts";
import { eachBlock, LONGEST_LINE } from "../files/textLines.ts";
import type { explainRows } from "../optionRows.ts";
import { linkCommand, readKernel } from "../options.ts";
import type { ValuesOf } from "../optionTable.ts";
import { disassembler, pageStyle, sayProblems, textStyle } from "../report.ts";
import { explainedText } from "./explained.ts";

/** `--module` is the module that was refused here, not one that the patch changes. */
type Options = ValuesOf<typeof explainRows>;

/** `klplink explain [what...]`: returns the exit status. */
export async function runExplain(what: readonly string[], options: Options, context: Context): Promise<number> {
  const asked = what.flatMap((w) => w.toUpperCase().split(",")).filter((w) => w !== "");
  if (asked.length > 0 && asked.every((w) => /^(?:KLP\w*|\d{3})$/.test(w)))
    return explainCodes(asked.map(wholeCode), options, context);

  const log = new Log();
  await log.read(isStandard(what) ? standardInput(context) : [Buffer.from(textOf(what))]);
  const input = options.module === undefined ? null : await readUnpacked(options.module, context);
  const about = input === null ? null : new About(input, await passOptions(input, options, context));
  const lines = log.lines();
  const unlisted = log.unlisted();
  const explained = await explainLines(lines, about === null ? null : () => about.explainer(), disassembler);
  const errors = about === null || !needsCheck(lines) ? [] : about.errors();
  await sayProblems(about?.leftOut() ?? [], options.color, context);
  if (options.format !== "text") {
    const document = {
      lines: mapped(explained, lineJson),
      unlisted: unlisted.map(unlistedJson),
      errors: (about === null || options.format === "json" ? errors : await about.annotated(errors)).map((p) =>
        toJson(p, false),
      ),
    };
    const count = `${lines.length} line${lines.length === 1 ? "" : "s"}`;
    const said = lines.length === 0 ? log.unknownText() : `${count} that klplink knows`;
    const pieces =
      options.format === "json"
        ? explainedJson(document)
        : await explainedHtml(document, said, input?.name ?? null, context.version);
    await writePieces(context.stdout, pieces);
    return lines.length > 0 ? 0 : 1;
  }
  const style = await textStyle(options.color, context.stdout, context.env, true);
  if (lines.length === 0) await write(context.stdout, `${log.unknownText()}\n`);
  const parts = mapped(explained, (e) => explainedText(e, input?.name ?? null, options.kernel ?? [], style));
  const more = unlisted.length === 0 ? [] : [unlistedText(unlisted, style)];
  if (errors.length > 0) more.push(await errorList(errors, about, style));
  await writePieces(context.stdout, joined(chained(parts, more), "\n\n", "\n"));
  return lines.length > 0 ? 0 : 1;
}

function explainedJson({ lines, unlisted, errors }: ExplainDocument): Iterable<string> {
  const document = { schema: "klplink-explain/1", lines, ...(unlisted.length === 0 ? {} : { unlisted }), errors };
  return joined(jsonPieces(document), "", "\n");
}

/** @param said above the lines @param file the module that they are about */
async function explainedHtml(document: ExplainDocument, said: string, file: string | null, version: string) {
  const { renderExplained } = await import("../../diag/render/html/explained.ts");
  return renderExplained(version, document, said, file, await pageStyle());
}

/** `KLP301` for `301`. */
const wholeCode = (word: string): string => (/^\d/.test(word) ? `KLP${word}` : word);

const isStandard = (what: readonly string[]): boolean => what.length === 0 || (what.length === 1 && what[0] === "-");

/** Pieces with `between` between them, and `behind` behind the last, if there is one. */
function* joined(pieces: Iterable<string>, between: string, behind: string): Generator<string> {
  let isFirst = true;
  for (const piece of pieces) {
    yield isFirst ? piece : `${between}${piece}`;
    isFirst = false;
  }
  if (!isFirst) yield behind;
}

const unlistedJson = ({ message, count }: Unlisted) => ({ form: message.forms[0] ?? "", count });

/** Arguments that are lines by themselves, or the words of one line that was not quoted. */
const textOf = (what: readonly string[]): string =>
  what.join(what.some((w) => /\s/.test(w) && recogniseLine(w)?.cut === null) ? "\n" : " ");

function standardInput(context: Context): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  if (context.stdin.isTTY) {
    throw new UsageError(
      "explain needs a code, a line of dmesg, or dmesg in a pipe: `klplink explain KLP301`, `dmesg | klplink explain`",
    );
  }
  return context.stdin.pieces?.() ?? (context.stdin as AsyncIterable<Uint8Array>);
}

/** The words of insmod say a class of errors: what klplink finds in the file says more. */
const needsCheck = (lines: readonly Collected[]): boolean =>
  lines.length === 0 || lines.every((e) => e.recognised.message.by === "insmod or modprobe");

/** The module that the lines are about: opened when a line first needs it, once for all lines. */
class About {
  readonly name: string;
  readonly #bytes: Uint8Array;
  readonly #options: PassOptions;
  #subject: Subject | null = null;
  #explainer: Promise<Explainer> | null = null;

  constructor(input: Input, options: PassOptions) {
    this.name = input.name;
    this.#bytes = input.bytes;
    this.#options = options;
  }

  /** @throws Unusable if the file cannot be read */
  #open(): Subject {
    this.#subject ??= openModule(this.#bytes, this.name);
    return this.#subject;
  }

  /** @throws Unusable if the file cannot be read */
  async explainer(): Promise<Explainer> {
    this.#explainer ??= Explainer.open(this.#open(), this.#options, disassembler);
    return this.#explainer;
  }

  /** What of the file was not looked at, where a line has asked for it. */
  leftOut(): readonly Problem[] {
    return this.#subject === null ? [] : leftOutProblems(this.#subject.file, this.name);
  }

  errors(): readonly Problem[] {
    return errorsOf(() => this.#open(), this.#options);
  }

  async annotated(problems: readonly Problem[]): Promise<readonly Problem[]> {
    if (this.#subject === null) return problems;
    const { annotateSubject } = await import("../../passes/annotate.ts");
    return (await annotateSubject(this.#subject, problems, disassembler)).problems;
  }
}

type PassOptions = Parameters<typeof errorsOf>[1];

async function passOptions(input: Input, options: Options, context: Context): Promise<PassOptions> {
  const { module: _refused, ...ofKernel } = options;
  const known = await readKernel(ofKernel, context);
  return {
    file: input.name,
    command: linkCommand(options.module ?? "-", ofKernel),
    ...(known === null ? {} : { kernel: known }),
    ...defined({ kernelVersion: options.kernelVersion }),
  };
}

/** The lines of a text that are messages. */
class Log {
  readonly #collector = new Collector();
  readonly #sieve = new Sieve();
  /** The first line that is not blank. */
  #first = "";
  #isEmpty = true;

  async read(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const left = await eachBlock(chunks, (block) => this.#take(block));
    if (left > 0) this.#isEmpty = false;
  }

  #take(block: Uint8Array): void {
    const bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
    if (this.#isEmpty) {
      const line = /\S[^\r\n]*/.exec(bytes.toString())?.[0];
      this.#isEmpty = line === undefined;
      this.#first = line?.trim().slice(0, 120) ?? "";
    }
    this.#sieve.walk(block, (start, end) => {
      if (end - start <= LONGEST_LINE) this.#collector.add(bytes.toString("utf8", start, end));
    });
  }

  lines(): Collected[] {
    return this.#collector.lines();
  }

  unlisted(): Unlisted[] {
    return this.#collector.unlisted();
  }

  /** What is said where no line is a message. */
  unknownText(): string {
    if (this.#isEmpty) {
      return "klplink: nothing to explain: the text is empty. Is `dmesg` allowed to you here? (`sudo dmesg | klplink explain`)";
    }
    return [
      `klplink: none of this is a line that klplink knows${this.#first === "" ? "" : `: ${visible(this.#first)}`}`,
      "Give the line of dmesg that names the module, or all of dmesg in a pipe: `dmesg | klplink explain`. A line of the module loader, livepatch or ftrace that is not known is a gap in klplink: please report it.",
    ].join("\n");
  }
}

/** What is said of the lines that are too many. */
function unlistedText(unlisted: readonly Unlisted[], { width }: TextStyle): string {
  const rows = unlisted.map(({ message, count }) => `  ${count} times \`${inCapitals(message.forms[0] ?? "")}\``);
  const head = wrap(
    "Besides, too many different lines to list: the first are above, and the last of each kind.",
    width,
  );
  return [...head, ...rows].join("\n");
}

async function explainCodes(asked: readonly string[], options: Options, context: Context): Promise<number> {
  const unknown = asked.find((c) => !(c in catalogue));
  if (unknown !== undefined) {
    const near = nearNames(unknown, codes);
    const meant = near.length > 0 ? `did you mean ${near.join(" or ")}? ` : "";
    throw new UsageError(`${unknown} is not a diagnostic of this version; ${meant}docs/diagnostics.md lists all`);
  }
  const { exampleTitle, storyOf } = await import("../../diag/render/story.ts");
  if (options.format === "json") {
    const document = {
      schema: "klplink-explain/1",
      codes: asked.map((code) => {
        const { level, explain } = catalogue[code as Code] as Definition<unknown>;
        return {
          code,
          level,
          title: exampleTitle(code as Code),
          explain,
          messages: messagesOf(code as Code).flatMap((m) => m.forms),
        };
      }),
    };
    await write(context.stdout, `${JSON.stringify(document, null, 2)}\n`);
    return 0;
  }
  if (options.format === "html") {
    const { renderStories } = await import("../../diag/render/html/explained.ts");
    await writePieces(context.stdout, renderStories(context.version, asked as Code[]));
    return 0;
  }
  const style = await textStyle(options.color, context.stdout, context.env);
  await write(context.stdout, `${asked.map((code) => storyOf(code as Code, style)).join("\n\n")}\n`);
  return 0;
}

const messagesOf = (code: Code): readonly Message[] => messages.filter((m) => m.codes?.includes(code) === true);

async function errorList(errors: readonly Problem[], about: About | null, style: TextStyle): Promise<string> {
  const { renderText } = await import("../../diag/render/text.ts");
  const problems = about === null ? errors : await about.annotated(errors);
  const head = `\`klplink check\` finds in ${about === null ? "the file" : fileText(about.name)}:`;
  return `${head}\n\n${renderText(problems, { ...style, everything: false }).trimEnd()}`;
}
