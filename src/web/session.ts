// What the page does with the files that it is given: the passes, without a file system. Nothing is read but what was given.

import type { ArchName } from "../base/archName.ts";
import { append } from "../base/lists.ts";
import { shellFile } from "../base/shell.ts";
import { levelOf, type Problem } from "../diag/catalogue.ts";
import type { Disassembler } from "../diag/define.ts";
import type { Code } from "../diag/definitions.ts";
import { Collector } from "../diag/messages/collect.ts";
import { diagnosticsBody } from "../diag/render/html/diagnostics.ts";
import { explainedBody } from "../diag/render/html/explained.ts";
import { html, type Markup } from "../diag/render/html/markup.ts";
import type { FileResult } from "../diag/render/json.ts";
import { ET_REL } from "../elf/consts.ts";
import { shareUnpacking, UnpackPool } from "../elf/containers/budget.ts";
import { unpack } from "../elf/containers/packed.ts";
import { ElfError } from "../elf/error.ts";
import { elfType } from "../elf/executable.ts";
import { readElf } from "../elf/reader.ts";
import { readKernelFile } from "../kernel/detect.ts";
import { unwrapKernel } from "../kernel/image/wrapping/unwrap.ts";
import { Kernel, type KernelParts } from "../kernel/kernel.ts";
import { ModuleFile } from "../kernel/module/moduleFile.ts";
import type { Export } from "../kernel/symbols/exports.ts";
import type { Options } from "../passes/analysis.ts";
import { annotateSubject } from "../passes/annotate.ts";
import { checkSubject } from "../passes/check.ts";
import { Explainer } from "../passes/explain/explain.ts";
import { lineJson } from "../passes/explain/lineDocument.ts";
import { type Explained, explainLines } from "../passes/explain/lines.ts";
import { Unusable } from "../passes/input.ts";
import { linkSubject } from "../passes/link.ts";
import { openModule } from "../passes/open.ts";

/** A file as the user dropped it. */
export interface GivenFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A module that loads, made of one that was given. */
export interface LinkedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What is shown, and what can be saved. */
export interface SessionResult {
  readonly body: Markup;
  readonly linked: readonly LinkedFile[];
}

type OpenDisassembler = (arch: ArchName) => Promise<Disassembler | null>;

/** Modules and what is known of the kernel. */
interface Sorted {
  readonly modules: readonly GivenFile[];
  readonly parts: KernelParts;
  /** Files about the kernel, with what they were taken for. */
  readonly taken: readonly { readonly name: string; readonly kind: string }[];
  /** Files that could not be used, with why. */
  readonly refused: readonly string[];
}

/**
 * Everything that can be said of some files and some lines of a kernel's log.
 * @param log empty: none was given
 */
export async function sessionOf(
  files: readonly GivenFile[],
  log: string,
  openDisassembler: OpenDisassembler,
): Promise<SessionResult> {
  const sorted = await sort(files);
  const checked: FileResult[] = [];
  const linked: LinkedFile[] = [];
  for (const module of sorted.modules) {
    const found = await checkOne(module, optionsFor(module, sorted), openDisassembler);
    checked.push(found.result);
    if (found.linked !== null) linked.push(found.linked);
  }
  const told = new Set<Code>();
  const body = [
    ...notes(sorted),
    ...(log.trim() === "" ? [] : await logBody(log, sorted, openDisassembler, told)),
    ...(checked.length === 0 ? [] : diagnosticsBody(checked, {}, told)),
  ];
  return { body: html`${body}`, linked };
}

async function sort(files: readonly GivenFile[]): Promise<Sorted> {
  const modules: GivenFile[] = [];
  const taken: { name: string; kind: string }[] = [];
  const refused: string[] = [];
  const exports: Export[] = [];
  const parts: { -readonly [K in keyof KernelParts]: KernelParts[K] } = {};
  const unpacking = new UnpackPool();
  for (const { name, bytes } of files) {
    try {
      shareUnpacking(bytes, unpacking);
      const plain = await unpack(bytes);
      if (elfType(plain) === ET_REL) {
        modules.push({ name, bytes: plain });
        continue;
      }
      const unwrapped = (await unwrapKernel(plain)).bytes;
      const file = readKernelFile(unwrapped, name);
      // As on the command line: a module is looked at for one kernel. Lists of exports may be several.
      const first = taken.find((t) => t.kind === KINDS[file.kind]);
      if (first !== undefined && file.kind !== "symvers") {
        refused.push(`${name}: ${first.kind}, as ${first.name} is: one kernel at a time, remove one of them`);
        continue;
      }
      taken.push({ name, kind: KINDS[file.kind] });
      if (file.kind === "symbols") parts.list = file.list;
      else if (file.kind === "vmlinux") parts.vmlinux = file.vmlinux;
      else if (file.kind === "config") parts.config = { source: name, options: file.config };
      else {
        append(exports, file.exports);
        parts.symvers = { source: name, exports };
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      refused.push(
        `${name}: ${elfType(bytes) === null ? "not a module, and no file about a kernel that is known" : "cannot be used"} (${error.message})`,
      );
    }
  }
  return { modules, parts, taken, refused };
}

const KINDS = {
  symbols: "a list of the kernel's symbols",
  vmlinux: "a kernel",
  symvers: "a list of exports",
  config: "a kernel's configuration",
} as const;

/** What is known of the kernel to one of the modules: the others are loaded beside it. Null: nothing. */
function kernelFor(module: GivenFile, { modules, parts }: Sorted): Kernel | null {
  const others: ModuleFile[] = [];
  for (const { name, bytes } of modules) {
    if (bytes === module.bytes) continue;
    const file = moduleOf(name, bytes);
    if (file !== null && !others.some((o) => o.name === file.name)) others.push(file);
  }
  return others.length === 0 && Object.keys(parts).length === 0 ? null : new Kernel({ ...parts, modules: others });
}

/** Null: it is damaged, as its own check says. */
function moduleOf(name: string, bytes: Uint8Array): ModuleFile | null {
  try {
    return new ModuleFile(readElf(bytes), name);
  } catch (error) {
    if (error instanceof ElfError) return null;
    throw error;
  }
}

interface CheckedOne {
  readonly result: FileResult;
  /** Null: it needs no link, or cannot be linked. */
  readonly linked: LinkedFile | null;
}

/** What the passes are told of a module; the command is the one that does the same in a shell. */
function optionsFor(module: GivenFile, sorted: Sorted): Options {
  const kernel = kernelFor(module, sorted);
  const words = [
    ...sorted.taken.flatMap(({ name }) => ["-k", shellFile(name)]),
    ...sorted.modules.flatMap(({ name, bytes }) => (bytes === module.bytes ? [] : ["-m", shellFile(name)])),
  ];
  const command = ["klplink", shellFile(module.name), ...words].join(" ");
  return { file: module.name, command, ...(kernel === null ? {} : { kernel }) };
}

async function checkOne(
  { name, bytes }: GivenFile,
  options: Options,
  openDisassembler: OpenDisassembler,
): Promise<CheckedOne> {
  try {
    const subject = openModule(bytes, name);
    const { problems, ...result } = checkSubject(subject, options);
    const annotated = await annotateSubject(subject, problems, openDisassembler);
    const link = linkSubject(subject, options);
    const isLinked = link.output !== null && link.changed && !link.problems.some(isError);
    const output = isLinked && link.output !== null ? { name: linkedName(name), bytes: link.output } : null;
    return { result: { file: name, problems: annotated.problems, result }, linked: output };
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    return { result: { file: name, problems: [error.problem], result: {} }, linked: null };
  }
}

const isError = (p: Problem): boolean => levelOf(p) === "error";

/** `mod.klp.ko` of `mod.ko`, whatever it is packed in. */
function linkedName(name: string): string {
  const plain = name.replace(/\.(?:gz|xz|zst)$/, "");
  const dot = plain.lastIndexOf(".");
  return dot < 1 ? `${plain}.klp` : `${plain.slice(0, dot)}.klp${plain.slice(dot)}`;
}

function notes({ taken, refused, modules }: Sorted): Markup[] {
  const lines = [
    ...taken.map((t) => html`<li>${t.name}: ${t.kind}</li>`),
    ...refused.map((r) => html`<li class="bad">${r}</li>`),
    ...(modules.length === 0 && taken.length > 0 ? [html`<li>No module was given: a .ko or .o file.</li>`] : []),
  ];
  return lines.length === 0 ? [] : [html`<ul class="note">${lines}</ul>`];
}

/** The lines of a log; of several modules, the one that they name is looked at. */
async function logBody(
  log: string,
  sorted: Sorted,
  openDisassembler: OpenDisassembler,
  told: Set<Code>,
): Promise<Iterable<Markup>> {
  const collector = new Collector();
  for (const line of log.split(/\r?\n/)) collector.add(line);
  const lines = collector.lines();
  if (lines.length === 0) return [html`<p class="note">None of these lines is one that klplink knows.</p>`];
  const subjects = sorted.modules.map((given) => ({ given, subject: opened(given) }));
  const named = lines.map((l) => l.recognised.fields.module);
  const about = subjects.find(({ subject }) => named.includes(subject?.module)) ?? subjects[0];
  const subject = about?.subject ?? null;
  let explainer: (() => Promise<Explainer>) | null = null;
  if (about !== undefined && subject !== null) {
    const options = optionsFor(about.given, sorted);
    explainer = () => Explainer.open(subject, options, openDisassembler);
  }
  const found = await explainedWith(lines, explainer, openDisassembler);
  const explained = found.explained.map(lineJson);
  const file = subject === null || !found.isLookedAt ? null : (about?.given.name ?? null);
  return explainedBody({ lines: explained, errors: [], unlisted: [] }, file, {}, told);
}

/** Lines without their places where the module does not go with the kernel that was given: its own check says so. */
async function explainedWith(
  lines: Parameters<typeof explainLines>[0],
  explainer: (() => Promise<Explainer>) | null,
  openDisassembler: OpenDisassembler,
): Promise<{ readonly explained: readonly Explained[]; readonly isLookedAt: boolean }> {
  try {
    return { explained: [...(await explainLines(lines, explainer, openDisassembler))], isLookedAt: true };
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    return { explained: [...(await explainLines(lines, null, openDisassembler))], isLookedAt: false };
  }
}

function opened({ bytes, name }: GivenFile): ReturnType<typeof openModule> | null {
  try {
    return openModule(bytes, name);
  } catch (error) {
    // The check has said why.
    if (error instanceof Unusable) return null;
    throw error;
  }
}
