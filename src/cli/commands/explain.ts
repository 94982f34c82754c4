import { findArchByName } from "../../arch/index.ts";
import { append } from "../../base/lists.ts";
import { shellFile, shellWord } from "../../base/shell.ts";
import { decoderFor } from "../../base/text.ts";
import { type Code, catalogue, codes, type Problem } from "../../diag/catalogue.ts";
import type { Definition } from "../../diag/define.ts";
import {
  type Concern,
  codesOf,
  concernOf,
  helpOf,
  inCapitals,
  type Message,
  meaningOf,
  type Recognised,
} from "../../diag/messages/define.ts";
import { messages, recognise } from "../../diag/messages/recognise.ts";
import { type Cause, causesOf } from "../../diag/messages/together.ts";
import { toJson } from "../../diag/render/json.ts";
import { formatPlace, renderPlace, renderProblem, type TextStyle, wrap } from "../../diag/render/text.ts";
import { errnoNames } from "../../kernel/errno.ts";
import { nearNames } from "../../kernel/symbols/nearNames.ts";
import { bytesOfWord, type Candidate, Explainer, errorsOf, type Findings } from "../../passes/explain/explain.ts";
import { openModule, type Subject } from "../../passes/open.ts";
import { relocName } from "../../reloc/def.ts";
import type { Context } from "../context.ts";
import { type Input, readInput, readUnpacked, UsageError, write } from "../files/io.ts";
import { type CommonOptions, type KernelOptions, linkCommand, readKernel } from "../options.ts";
import { disassembler, textStyle } from "../report.ts";

/** `--module` is the module that was refused here, not one that the patch changes. */
interface Options extends CommonOptions, Omit<KernelOptions, "module"> {
  readonly module?: string;
}

/** A serial console ends lines with a lone CR, too. */
const NEWLINE = /\r\n|\n|\r/;

/** Everything known about one line. */
interface Explained {
  readonly recognised: Recognised;
  /** How often the line came, numbers included. */
  count: number;
  readonly decoded: readonly string[];
  findings: Findings | null;
  /** The line beside it that is its reason. */
  cause: Cause | null;
}

/** `klplink explain [what...]`: returns the exit status. */
export async function runExplain(what: readonly string[], options: Options, context: Context): Promise<number> {
  const asked = what.flatMap((w) => w.toUpperCase().split(",")).filter((w) => w !== "");
  if (asked.length > 0 && asked.every((w) => /^KLP\w*$/.test(w))) return explainCodes(asked, options, context);

  const text =
    what.length === 0 || (what.length === 1 && what[0] === "-") ? await standardInput(context) : textOf(what);
  const input = options.module === undefined ? null : await readUnpacked(options.module, context);
  const about = input === null ? null : new About(input, await passOptions(input, options, context));
  const explained = await explainLines(text.split(NEWLINE), about);
  const errors = about === null || !needsCheck(explained) ? [] : about.errors();
  if (options.format === "json") {
    const document = {
      schema: "klplink-explain/1",
      lines: explained.map(lineJson),
      errors: errors.map((p) => toJson(p, false)),
    };
    await write(context.stdout, `${JSON.stringify(document, null, 2)}\n`);
  } else {
    const style = await textStyle(options.color, context.stdout, context.env, true);
    if (explained.length === 0) await write(context.stdout, `${unknownText(text)}\n`);
    const parts = explained.map((e) => explainedText(e, input?.name ?? null, options, style));
    if (errors.length > 0) parts.push(await errorList(errors, about, style));
    if (parts.length > 0) await write(context.stdout, `${parts.join("\n\n")}\n`);
  }
  return explained.length > 0 ? 0 : 1;
}

/** Arguments that are lines by themselves, or the words of one line that was not quoted. */
const textOf = (what: readonly string[]): string =>
  what.join(what.some((w) => /\s/.test(w) && recognise(w)?.cut === null) ? "\n" : " ");

async function standardInput(context: Context): Promise<string> {
  if (context.stdin.isTTY) {
    throw new UsageError(
      "explain needs a code, a line of dmesg, or dmesg in a pipe: `klplink explain KLP301`, `dmesg | klplink explain`",
    );
  }
  const { bytes } = await readInput("-", context);
  return decoderFor(bytes).decode(bytes);
}

/** The words of insmod say a class of errors: what klplink finds in the file says more. */
const needsCheck = (explained: readonly Explained[]): boolean =>
  explained.length === 0 || explained.every((e) => e.recognised.message.by === "insmod or modprobe");

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
    ...(options.sympos === undefined ? {} : { positions: options.sympos }),
    ...(options.kernelVersion === undefined ? {} : { kernelVersion: options.kernelVersion }),
  };
}

async function explainLines(lines: readonly string[], about: About | null): Promise<Explained[]> {
  const found = new Map<string, Explained>();
  for (const line of lines) {
    const recognised = recognise(line);
    if (recognised === null) continue;
    const known = found.get(recognised.text);
    if (known !== undefined) known.count++;
    else
      found.set(recognised.text, {
        recognised,
        count: 1,
        decoded: await decode(recognised),
        findings: null,
        cause: null,
      });
  }
  // Notices of the normal course of things are noise between the lines that matter.
  const all = [...found.values()];
  const isNotice = ({ recognised }: Explained): boolean => helpOf(recognised) === "nothing";
  const explained = all.every(isNotice) ? all : all.filter((e) => !isNotice(e));
  const causes = causesOf(explained.map((e) => e.recognised));
  for (const e of explained) e.cause = causes.get(e.recognised) ?? null;
  if (about !== null) {
    for (const e of explained) {
      if (e.recognised.message.by === "insmod or modprobe") continue;
      e.findings = (await about.explainer()).find(e.recognised);
    }
  }
  // The reasons first, then what follows from them.
  return [...explained.filter((e) => e.cause === null), ...explained.filter((e) => e.cause !== null)];
}

/** What the numbers in a line mean. */
async function decode({ fields, message }: Recognised): Promise<string[]> {
  const notes: string[] = [];
  const arch = message.arch === undefined ? null : findArchByName(message.arch);
  if (fields.word !== undefined && arch !== null) {
    const disassemble = await disassembler(arch.name);
    const text = disassemble?.(bytesOfWord(fields.word), 0).text.replace(/\s+/, " ");
    if (text !== undefined) notes.push(`${fields.word} is \`${text}\`${wordHint(fields.word)}`);
  }
  if (fields.type !== undefined && arch !== null) {
    notes.push(`relocation type ${fields.type} is ${relocName(arch.relocs, Number(fields.type))}`);
  }
  if (fields.value !== undefined && message.by === "relocation" && /^[0-9a-f]+$/.test(fields.value)) {
    const value = BigInt.asIntN(64, BigInt(`0x${fields.value}`));
    notes.push(`value 0x${fields.value}${value < 0n ? ` (as a signed number -0x${(-value).toString(16)})` : ""}`);
  }
  const errno = Math.abs(Number(fields.errno ?? 0));
  const name = errnoNames.get(errno);
  if (name !== undefined) notes.push(`error ${fields.errno} is ${name}`);
  const symbolic = /^([^\s+]+)\+(0x[0-9a-f]+)(?:\/(0x[0-9a-f]+))?(?: \[(\w+)\])?$/.exec(fields.address ?? "");
  if (symbolic !== null) {
    const [, symbol, offset, size, module] = symbolic;
    const length = size === undefined ? "" : `, which is ${Number(size)} bytes long`;
    notes.push(
      `the address is byte ${Number(offset)} of ${symbol}${length}${module === undefined ? "" : `, in module ${module}`}`,
    );
  }
  return notes;
}

/** What a word behind a call tells about the call. */
function wordHint(word: string): string {
  const value = Number.parseInt(word, 16) >>> 0;
  const opcode = value >>> 26;
  const a = (value >>> 16) & 31;
  if (opcode === 15 && a === 2)
    return ": it loads through r2, as code does that takes the call for one with the same TOC";
  if (opcode === 14 && a === 1) return ": it closes the frame, so the call stands directly before the function's end";
  if ((opcode === 58 || opcode === 62) && a === 1)
    return ": it uses the stack frame, as code does that takes the call for a local one";
  if (value === 0xe841_0018) return ": the loader's own work of an earlier time; only kernels from 6.3 on accept it";
  return "";
}

async function explainCodes(asked: readonly string[], options: Options, context: Context): Promise<number> {
  const unknown = asked.find((c) => !(c in catalogue));
  if (unknown !== undefined) {
    const near = nearNames(unknown, codes);
    const meant = near.length > 0 ? `did you mean ${near.join(" or ")}? ` : "";
    throw new UsageError(`${unknown} is no diagnostic of this version; ${meant}docs/diagnostics.md lists all`);
  }
  const { storyOf } = await import("../../diag/render/story.ts");
  if (options.format === "json") {
    const document = {
      schema: "klplink-explain/1",
      codes: asked.map((code) => {
        const { level, explain } = catalogue[code as Code] as Definition<unknown>;
        return { code, level, explain, messages: messagesOf(code as Code).flatMap((m) => m.forms) };
      }),
    };
    await write(context.stdout, `${JSON.stringify(document, null, 2)}\n`);
    return 0;
  }
  const style = await textStyle(options.color, context.stdout, context.env);
  await write(context.stdout, `${asked.map((code) => storyOf(code as Code, style)).join("\n\n")}\n`);
  return 0;
}

const messagesOf = (code: Code): readonly Message[] => messages.filter((m) => m.codes?.includes(code) === true);

function unknownText(text: string): string {
  if (text.trim() === "") {
    return "klplink: nothing to explain: the text is empty. Is `dmesg` allowed to you here? (`sudo dmesg | klplink explain`)";
  }
  const first = text.split(NEWLINE).find((l) => l.trim() !== "") ?? "";
  return [
    `klplink: none of this is a line that klplink knows${first === "" ? "" : `: ${first.trim().slice(0, 120)}`}`,
    "Give the line of dmesg that names the module, or all of dmesg in a pipe: `dmesg | klplink explain`. A line of the module loader, livepatch or ftrace that is not known is a gap in klplink: please report it.",
  ].join("\n");
}

/** `  what:  …`, wrapped and indented. */
function labelled(label: string, text: string, { width, palette }: TextStyle): string {
  const [first, ...rest] = wrap(text, Math.max(30, width - 11));
  return [`  ${palette.strong(`${label}:`.padEnd(9))}${first}`, ...rest.map((l) => `           ${l}`)].join("\n");
}

/** Which of the things that a line about a symbol can mean the file shows. */
function codesFound({ recognised, findings }: Explained): Code[] {
  const found = new Set((findings?.problems ?? []).map((p) => p.code));
  return (codesOf(recognised) ?? []).filter((c) => found.has(c));
}

function explainedText(e: Explained, module: string | null, options: Options, style: TextStyle): string {
  const { message, fields, text, cut } = e.recognised;
  const found = codesFound(e);
  const by = message.by === "relocation" ? "module loader, applying relocations" : message.by;
  const from = [message.arch, by, message.kernels === undefined ? null : `kernels ${message.kernels}`];
  const lines = [
    `${style.palette.strong(text)}${e.count > 1 ? `  (${e.count} times)` : ""}`,
    labelled("from", from.filter((f) => f != null).join(", "), style),
    ...(cut === null
      ? []
      : [labelled("cut", `the end of the line is missing; the kernel prints \`${inCapitals(cut)}\``, style)]),
    labelled("meaning", meaningOf(e.recognised, found), style),
    ...e.decoded.map((d) => labelled("number", d, style)),
  ];
  if (e.cause !== null) lines.push(labelled("cause", `${e.cause.how}: \`${e.cause.line.text}\``, style));
  const help = helpOf(e.recognised, found);
  // Where the reason stands beside it, that line has the way out.
  if (help !== undefined && e.cause === null) lines.push(labelled("help", help, style));
  const codes = codesOf(e.recognised);
  if (codes !== undefined) {
    const shown = (found.length > 0 ? found : codes).map((c) => `\`klplink explain ${c}\``).join(", ");
    lines.push(labelled("more", shown, style));
  }
  if (e.findings !== null) append(lines, findingsText(e.findings, module ?? "", style));
  else if (module === null && message.by !== "insmod or modprobe" && codes !== undefined) {
    const name = fields.module ?? "MODULE";
    const kernel = (options.kernel ?? []).map((path) => ` -k ${shellFile(path)}`).join("");
    lines.push(
      labelled(
        "place",
        `\`klplink explain --module ${name}.ko${kernel} ${shellWord(text)}\` finds the very instruction`,
        style,
      ),
    );
  }
  return lines.join("\n");
}

/** What is said of a line for which the file has no place. */
function nowhere({ concerns, searched }: Findings, file: string): string {
  const check = `\`klplink check ${shellFile(file)}\` says what it finds there`;
  if (concerns === "machine") {
    return `none in ${file}: this line is about the kernel that runs, or what is loaded there, and no file shows that`;
  }
  if (concerns === "file") return `${file} as a whole: this line is about no one place in it; ${check}`;
  if (!searched) return `this line does not tell enough to find its place in ${file}; ${check}`;
  return `nothing in ${file} fits this line: is it the file that was loaded? ${check}`;
}

function findingsText(findings: Findings, file: string, style: TextStyle): string[] {
  const { candidates, more, problems, doubt } = findings;
  const lines: string[] = [];
  if (doubt !== null) lines.push(labelled("doubt", doubt, style));
  if (candidates.length === 0) return [...lines, labelled("place", nowhere(findings, file), style)];
  const [best, ...others] = candidates;
  if (best === undefined) return lines;
  if (best.certainty === "use") {
    const total = candidates.length + more;
    const what = best.because.startsWith("it ") ? "it is used" : `${best.because}, used`;
    lines.push(labelled("place", `${what} ${total === 1 ? "once" : `${total} times, first`}`, style), "");
    for (const p of problems) lines.push(renderProblem(p, style, false), "");
    lines.push(renderPlace(best.at, best.instructions, style));
    for (const c of others) append(lines, renderPlace(c.at, [], style).split("\n"));
    if (more > 0) lines.push(`  … and ${more} more`);
    return lines;
  }
  lines.push(
    labelled("place", `${certaintyText(best, candidates.length + more, findings.concerns)}: ${best.because}`, style),
    "",
  );
  lines.push(
    best.problem === null ? renderPlace(best.at, best.instructions, style) : renderProblem(best.problem, style, false),
  );
  if (others.length > 0) {
    const total = others.length + more;
    lines.push("", `  ${total === 1 ? "Another place fits" : `${total} other places fit`}, less well or later:`);
    for (const c of others) lines.push(`    ${formatPlace(c.at, style.folder)}\n        ${c.because}`);
    if (more > 0) lines.push(`    … and ${more} more`);
  }
  return lines;
}

function certaintyText(best: Candidate, total: number, concerns: Concern): string {
  if (concerns === "file" && total === 1) return "certain";
  switch (best.certainty) {
    case "exact":
      return "certain";
    case "only":
      return "certain: the only place that fits";
    case "first":
      return `the best of ${total} that fit, and the first that the loader meets`;
    case "use":
    case "possible":
      return total === 1 ? "the only place found" : `one of ${total} that fit`;
  }
}

async function errorList(errors: readonly Problem[], about: About | null, style: TextStyle): Promise<string> {
  const { renderText } = await import("../../diag/render/text.ts");
  const problems = about === null ? errors : await about.annotated(errors);
  const head = `\`klplink check\` finds in ${about?.name ?? "the file"}:`;
  return `${head}\n\n${renderText(problems, { ...style, everything: false }).trimEnd()}`;
}

function lineJson(e: Explained): Record<string, unknown> {
  const { recognised, count, decoded, findings } = e;
  const { message, fields, text, cut } = recognised;
  const found = codesFound(e);
  return {
    line: text,
    count,
    cut,
    by: message.by,
    arch: message.arch ?? null,
    kernels: message.kernels ?? null,
    codes: codesOf(recognised) ?? [],
    fields,
    meaning: meaningOf(recognised, found),
    help: helpOf(recognised, found) ?? null,
    decoded,
    cause: e.cause === null ? null : { line: e.cause.line.text, how: e.cause.how },
    module: findings?.module ?? null,
    doubt: findings?.doubt ?? null,
    concerns: concernOf(recognised),
    problems: (findings?.problems ?? []).map((p) => toJson(p, false)),
    more: findings?.more ?? 0,
    candidates: (findings?.candidates ?? []).map((c) => ({
      certainty: c.certainty,
      because: c.because,
      section: c.at.section ?? null,
      offset: c.at.offset ?? null,
      function: c.at.function?.name ?? null,
      functionOffset: c.at.function?.offset ?? null,
      source: c.at.source ?? [],
      problem: c.problem === null ? null : toJson(c.problem, false),
    })),
  };
}
