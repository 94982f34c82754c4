import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { levelOf, problem } from "../diag/catalogue.ts";
import { readElf } from "../elf/reader.ts";
import type { X86State } from "../image.ts";
import { addressesOf } from "../kernel/addresses.ts";
import { type KernelMemory, MemoryError, openDumps, openKcore } from "../kernel/memory.ts";
import { readModInfo } from "../kernel/modinfo.ts";
import { findModuleName } from "../kernel/moduleFile.ts";
import { parseSymbols, SymbolListError } from "../kernel/parseSymbols.ts";
import { findPercpu } from "../kernel/percpu.ts";
import type { SymbolList } from "../kernel/symbolList.ts";
import { type KernelVersion, parseKernelVersion } from "../kernel/version.ts";
import { type VerifyResult, verify } from "../verify.ts";
import { readSections } from "./image.ts";
import { InputProblem, readInput, write } from "./io.ts";
import type { CommonOptions } from "./options.ts";
import { Reporter } from "./report.ts";

export interface VerifyCommandOptions extends CommonOptions {
  readonly root?: string;
  readonly kernelVersion?: KernelVersion;
  readonly erratum843419?: boolean;
  readonly x86?: X86State;
}

/** Where things are on a running machine, and in a folder that the capture script filled. */
interface Sources {
  readonly sections: string;
  readonly kallsyms: string;
  readonly release: string;
  readonly memory: () => { readonly read: KernelMemory; readonly close: () => void };
}

const cannot = (file: string, what: string): InputProblem => new InputProblem(problem("KLP221", { file }, { what }));

function sourcesOf(root: string | undefined, module: string): Sources {
  if (root === undefined) {
    return {
      sections: `/sys/module/${module}/sections`,
      kallsyms: "/proc/kallsyms",
      release: "/proc/sys/kernel/osrelease",
      memory: () => openKcore("/proc/kcore"),
    };
  }
  return {
    sections: join(root, "sections"),
    kallsyms: join(root, "kallsyms"),
    release: join(root, "release"),
    memory: () => {
      const kcore = join(root, "kcore");
      return existsSync(kcore) ? openKcore(kcore) : { read: openDumps(join(root, "memory")), close: () => {} };
    },
  };
}

/** `klplink verify <module.ko>`: returns the exit status. */
export async function runVerify(path: string, options: VerifyCommandOptions, version: string): Promise<number> {
  const input = await readInput(path);
  let module = "";
  let elf: ReturnType<typeof readElf> | null = null;
  try {
    elf = readElf(input.bytes);
    module = findModuleName(elf, readModInfo(elf), input.name);
  } catch {
    // The pass reports what is wrong with the file.
  }
  const sources = sourcesOf(options.root, module);
  if (elf !== null && !existsSync(sources.sections)) throw cannot(sources.sections, `module ${module} is not loaded`);
  const sections = elf === null ? new Map<string, bigint>() : readSections(sources.sections);
  if ([...sections.values()].every((address) => address === 0n) && elf !== null) {
    throw cannot(sources.sections, "the section addresses are hidden");
  }
  const list = readKallsyms(sources.kallsyms);
  const memory = openMemory(sources, options.root);
  let result: VerifyResult;
  try {
    const release = options.kernelVersion ?? readRelease(sources.release);
    result = verify(input.bytes, {
      file: input.name,
      kernel: addressesOf(list),
      placement: { bases: new Map(), sections, percpu: elf === null ? null : findPercpu(elf, module, list) },
      memory: memory.read,
      isLoaded: (object) => list.hasModule(object),
      erratum843419: options.erratum843419 === true,
      ...(options.x86 === undefined ? {} : { x86: options.x86 }),
      ...(release === null ? {} : { kernelVersion: release }),
    });
  } finally {
    memory.close();
  }
  const failed = result.problems.some((p) => levelOf(p) === "error") || result.sections.length === 0;
  const reporter = new Reporter(options, version);
  const outcome = {
    arch: result.arch,
    module: result.module,
    sections: result.sections.map(toJson),
    left: result.left,
  };
  await reporter.add(input.name, input.bytes, result.problems, outcome);
  await reporter.finish();
  if (reporter.isText) await write(process.stdout, report(result, options.verbose === true, options.quiet === true));
  return failed ? 1 : 0;
}

function readKallsyms(path: string): SymbolList {
  try {
    const list = parseSymbols(new Uint8Array(readFileSync(path)), path);
    const some = list.names().next().value;
    if (
      some !== undefined &&
      list.find(some).every((s) => s.address === 0n) &&
      [...list.names()].every((n) => list.find(n)[0]?.address === 0n)
    ) {
      throw cannot(path, "the addresses in the symbol list are hidden");
    }
    return list;
  } catch (error) {
    if (error instanceof SymbolListError) throw cannot(path, error.message);
    if (error instanceof InputProblem) throw error;
    throw cannot(path, "the kernel's symbols cannot be read");
  }
}

function openMemory(sources: Sources, root: string | undefined): ReturnType<Sources["memory"]> {
  try {
    return sources.memory();
  } catch (error) {
    const place = root ?? "/proc/kcore";
    throw cannot(place, error instanceof MemoryError ? error.message : "the kernel's memory cannot be read");
  }
}

function readRelease(path: string): KernelVersion | null {
  try {
    return parseKernelVersion(readFileSync(path, "latin1"));
  } catch {
    return null;
  }
}

const toJson = (s: VerifyResult["sections"][number]): Record<string, unknown> => ({
  name: s.name,
  address: `0x${s.address.toString(16)}`,
  size: s.size,
  equal: s.equal,
  explained: Object.fromEntries(s.explained),
  different: s.different,
});

function report(result: VerifyResult, verbose: boolean, quiet: boolean): string {
  const lines: string[] = [];
  const total = { size: 0, equal: 0, explained: 0, different: 0 };
  const reasons = new Map<string, number>();
  for (const s of result.sections) {
    const explained = [...s.explained.values()].reduce((sum, n) => sum + n, 0);
    total.size += s.size;
    total.equal += s.equal;
    total.explained += explained;
    total.different += s.different;
    for (const [reason, n] of s.explained) reasons.set(reason, (reasons.get(reason) ?? 0) + n);
    if (verbose)
      lines.push(`  ${s.name}: ${s.size} bytes, ${s.equal} equal, ${explained} explained, ${s.different} different`);
  }
  if (!quiet) for (const [reason, n] of reasons) lines.push(`  ${n} bytes explained: ${reason}`);
  if (verbose) for (const { name, reason } of result.left) lines.push(`  ${name}: not compared: ${reason}`);
  const compared = `${result.sections.length} sections, ${total.size} bytes`;
  if (!quiet) {
    lines.unshift(
      `${result.module}: ${compared}: ${total.equal} equal, ${total.explained} explained, ${total.different} different`,
    );
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}
