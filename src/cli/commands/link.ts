import { accessSync, constants, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { defined } from "../../base/defined.ts";
import { fileText, shellFile } from "../../base/shell.ts";
import { levelOf, problem } from "../../diag/catalogue.ts";
import { isSameFile } from "../../elf/output.ts";
import type { FileState } from "../../elf/regularFile.ts";
import { linkFacts } from "../../passes/facts.ts";
import { type LinkOptions, type LinkResult, linkSubject } from "../../passes/link.ts";
import { openModule } from "../../passes/open.ts";
import type { Context } from "../context.ts";
import { InputProblem, readUnpacked, UsageError, write } from "../files/io.ts";
import { replaceOutput, writeOutput } from "../files/output.ts";
import type { linkRows } from "../optionRows.ts";
import { readKernel, readReference, refuseOverwriting } from "../options.ts";
import type { ValuesOf } from "../optionTable.ts";
import { Reporter } from "../report.ts";

type Options = ValuesOf<typeof linkRows>;

/** `klplink <module>`: returns the exit status. */
export async function runLink(module: string, options: Options, context: Context): Promise<number> {
  const output = outputPath(module, options);
  const toStdout = output === "-";
  if (toStdout && context.stdout.isTTY) {
    throw new UsageError("the output is a binary file and standard output a terminal: give -o FILE, or pipe it");
  }
  if (options.inPlace !== true) await refuseOverwriting(output, options);
  const kernel = await readKernel(options, context);
  const reference = await readReference(options, context);
  if (options.inPlace === true && options.force !== true) refuseReadOnly(module);
  const input = await readUnpacked(module, context);
  if (input.packing !== null && options.inPlace === true) throw packedInPlace(module, input.packing);
  const subject = openModule(input.bytes, input.name);
  const facts = await linkFacts(subject, options.tocRestore, kernel);
  const linkOptions: LinkOptions = {
    file: input.name,
    tocRestore: options.tocRestore,
    ...defined({ siblings: options.siblings }),
    ...(facts === null ? {} : { facts }),
    ...defined({ livepatchStack: options.livepatchStack }),
    force: options.force === true,
    keep: options.keep === true,
    ...defined({ from: options.from }),
    ...(kernel === null ? {} : { kernel }),
    ...(reference === null ? {} : { reference }),
    ...defined({ positions: options.sympos, kernelVersion: options.kernelVersion }),
  };
  const result = linkSubject(subject, linkOptions);
  const problems = [...result.problems];
  if (input.packing !== null && result.output !== null) {
    const pack = `${PACKERS[input.packing]} ${output}`;
    problems.push(problem("KLP110", { file: input.name }, { packing: input.packing, pack }));
  }

  // Diagnostics first: an output that cannot be written must not hide them.
  const reporter = new Reporter(options, context);
  const outcome = {
    output: result.output === null ? null : output,
    changed: result.changed,
    producer: result.producer,
    done: result.done,
  };
  await reporter.add(input.name, subject, problems, outcome);
  let notes: readonly string[] = [];
  const failed = result.problems.some((p) => levelOf(p) === "error");
  if (result.output !== null) {
    if (toStdout) await write(context.stdout, result.output);
    else if (input.state !== undefined && options.inPlace === true) {
      if (result.changed) notes = replaceFile(output, result.output, input.state);
    } else writeOutput(output, result.output, input.mode);
  }
  const messages = toStdout ? context.stderr : context.stdout;
  await reporter.finish(messages);
  if (reporter.isText && options.quiet !== true) {
    await write(messages, `${[summary(result, output, input), ...notes].join("\n")}\n`);
  }
  return failed ? 1 : 0;
}

const packedInPlace = (module: string, packing: string): UsageError =>
  new UsageError(`${fileText(module)} is packed with ${packing}: unpack it first, or write elsewhere with -o`);

/** What packs a module as the kernel's loader, or kmod, takes it. */
const PACKERS = { gzip: "gzip -n", xz: "xz --check=crc32 --lzma2=dict=1MiB", zstd: "zstd" } as const;

/** @throws InputProblem if nobody, or not this user, may write to a file */
function refuseReadOnly(path: string): void {
  try {
    if ((statSync(path).mode & 0o222) !== 0) {
      accessSync(path, constants.W_OK);
      return;
    }
  } catch (error) {
    // Reading it says what else is wrong.
    if ((error as NodeJS.ErrnoException).code !== "EACCES") return;
  }
  const unlock = `chmod u+w ${shellFile(path)}`;
  throw new InputProblem(problem("KLP105", { file: path }, { why: "it is read-only", unlock }));
}

/** Replaces the input; what is to be said of what could not be kept. */
function replaceFile(path: string, bytes: Uint8Array, state: FileState): string[] {
  const { otherNames, lost } = replaceOutput(path, bytes, state);
  const notes: string[] = [];
  if (otherNames > 0) {
    const names =
      otherNames === 1 ? "another name (hard link), which keeps" : `${otherNames} other names (hard links), which keep`;
    notes.push(`note: ${fileText(path)} has ${names} the old content`);
  }
  if (lost.length > 0) notes.push(`note: ${fileText(path)} loses ${lost.join(", ")}`);
  return notes;
}

function outputPath(module: string, options: Options): string {
  const { output, inPlace } = options;
  if (inPlace === true) {
    if (output !== undefined) throw new UsageError("--in-place and -o exclude each other");
    if (module === "-") throw new UsageError("--in-place needs a file, not standard input");
    return module;
  }
  if (output !== undefined) {
    if (output !== "-" && module !== "-" && isSameFile(output, module)) {
      throw new UsageError(`${fileText(output)} is the input; say --in-place to overwrite it`);
    }
    return output;
  }
  if (module === "-") return "-";
  const name = basename(module);
  const match = /^(.*)(\.k?o)(?:\.(?:gz|xz|zst))?$/.exec(name);
  const path = join(dirname(module), match === null ? `${name}.klp` : `${match[1]}.klp${match[2]}`);
  if (isSameFile(path, module)) throw new UsageError(`${fileText(path)} is the input; give another output with -o`);
  return path;
}

function summary(
  { output, changed, done }: LinkResult,
  path: string,
  { name: input, packing }: { readonly name: string; readonly packing: string | null },
): string {
  if (output === null) return `${fileText(input)}: not linked, nothing written`;
  const name = fileText(path === "-" ? input : path);
  if (!changed) return `${name}: nothing to do, identical to the input${packing === null ? "" : ", unpacked"}`;
  return `${name}: ${linkedText({ done })}`;
}

/** What linking did, in words. */
export function linkedText({ done }: Pick<LinkResult, "done">): string {
  const count = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`;
  const parts: string[] = [];
  if (done.convertedSymbols > 0) {
    const moved = count(done.livepatchRelocations, "relocation", "relocations");
    parts.push(`${count(done.convertedSymbols, "livepatch symbol", "livepatch symbols")} (${moved})`);
  }
  if (done.returnIslands > 0) parts.push(count(done.returnIslands, "return island", "return islands"));
  const frameless = done.siblingIslands - done.framedIslands;
  if (frameless > 0) parts.push(count(frameless, "sibling island", "sibling islands"));
  if (done.framedIslands > 0) {
    parts.push(count(done.framedIslands, "framed sibling island", "framed sibling islands"));
  }
  if (done.localCallIslands > 0) parts.push(count(done.localCallIslands, "local-call island", "local-call islands"));
  if (done.epilogues > 0) parts.push(count(done.epilogues, "restoring epilogue", "restoring epilogues"));
  if (done.miniFrames > 0) parts.push(count(done.miniFrames, "mini frame", "mini frames"));
  if (done.stubCalls > 0) parts.push(count(done.stubCalls, "call through a klp_stub", "calls through klp_stubs"));
  if (done.helpers > 0) parts.push(count(done.helpers, "register helper", "register helpers"));
  if (done.islandBytes > 0) parts.push(`${done.islandBytes} bytes added`);
  return parts.join(", ");
}
