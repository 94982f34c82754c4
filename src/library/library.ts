// The library: what other programs call. Nothing here reads a file, writes one or prints; bytes go in, values come out.

import { append } from "../base/lists.ts";
import { codesOf, type Message, type Recognised } from "../diag/messages/define.ts";
import { recogniseLine } from "../diag/messages/recognise.ts";
import { causesOf } from "../diag/messages/together.ts";
import { readElf } from "../elf/reader.ts";
import { readKernelFile } from "../kernel/detect.ts";
import { Kernel, type KernelParts } from "../kernel/kernel.ts";
import { ModuleFile } from "../kernel/module/moduleFile.ts";
import { addressesOf } from "../kernel/running/addresses.ts";
import type { KernelMemory } from "../kernel/running/memory.ts";
import type { KernelVersion } from "../kernel/version.ts";
import { PRODUCERS } from "../klp/producers/producer.ts";
import type { Options } from "../passes/analysis.ts";
import { type CheckResult, checkSubject } from "../passes/check.ts";
import { type DiffResult, diffObjects } from "../passes/diff/diff.ts";
import { Explainer, type Explanation } from "../passes/explain/explain.ts";
import { type ImageOptions, type ImageResult, imageOf } from "../passes/image/image.ts";
import { type VerifyResult, verifyOf } from "../passes/image/verify.ts";
import { type LinkOptions, type LinkResult, linkSubject } from "../passes/link.ts";
import { openModule, Subject } from "../passes/open.ts";
import { type Sites, sites } from "../passes/sites.ts";
import { type Summary, summaryOf } from "../passes/summary.ts";
import { TOC_RESTORES } from "../stubs/strategies/strategy.ts";
import {
  anything,
  bytes,
  callable,
  list,
  made,
  mapping,
  need,
  needOptions,
  oneOfThese,
  someObject,
  someText,
  type WantedKind,
  yesOrNo,
} from "./arguments.ts";

/** A module: its bytes, or what {@link openBytes} made of them, which is read once for all that is asked of it. */
export type ModuleInput = Uint8Array | Subject;

/** A file, and its name for messages. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What all functions are told of the module's name and its kernel. */
export type AboutKernel = Pick<Options, "kernel" | "positions" | "kernelVersion" | "reference"> & {
  /** Name of the module's file, for messages. */
  readonly file?: string;
};

export type LinkAsked = AboutKernel &
  Pick<LinkOptions, "tocRestore" | "siblings" | "livepatchStack" | "from" | "keep" | "force">;

const KERNEL = made(Kernel, "a Kernel, as openKernel makes it");
const VERSION: WantedKind = (v) => {
  const { major, minor } = (v ?? {}) as Partial<KernelVersion>;
  return typeof major === "number" && typeof minor === "number" ? null : "a version, as { major: 6, minor: 1 }";
};
const ABOUT = {
  file: someText,
  kernel: KERNEL,
  positions: mapping,
  kernelVersion: VERSION,
  reference: made(ModuleFile, "a ModuleFile"),
} as const;

const inputKind: WantedKind = (v) =>
  v instanceof Subject || v instanceof Uint8Array ? null : "a Uint8Array, or what openModule returned,";

const DEFAULT_NAME = "module.ko";

function subjectOf(where: string, input: ModuleInput, file: string | undefined): Subject {
  need(`${where}(input)`, input, inputKind);
  return input instanceof Subject ? input : openModule(input, file ?? DEFAULT_NAME);
}

/**
 * Reads a module or an object file, unpacked.
 * @param name of the file, for messages
 * @throws TypeError for a wrong argument; Unusable (KLP101, KLP102, KLP106, KLP107) for bytes that are no such file
 */
export function openBytes(input: Uint8Array, name: string = DEFAULT_NAME): Subject {
  need("openModule(bytes)", input, bytes);
  need("openModule(name)", name, someText);
  return openModule(input, name);
}

/** What a module is, in a few facts. @throws TypeError, Unusable */
export function summarise(input: ModuleInput, name: string = DEFAULT_NAME): Summary {
  const { file, path } = subjectOf("summary", input, name);
  return summaryOf(file, path);
}

/**
 * A kernel, of files that tell of it: System.map or what `nm` and /proc/kallsyms print, vmlinux, Module.symvers, a configuration.
 * @param modules files of modules that the patch changes or needs
 * @throws TypeError for a wrong argument; ElfError, SymbolListError for a file that tells nothing of a kernel
 */
export function openKernel(files: readonly NamedBytes[], modules: readonly NamedBytes[] = []): Kernel {
  const parts: { -readonly [K in keyof KernelParts]: KernelParts[K] } = {};
  for (const [which, given] of Object.entries({ files, modules })) {
    need(`openKernel(${which})`, given, list);
    for (const [i, file] of given.entries()) {
      const where = `openKernel: ${which}[${i}]`;
      need(where, file, someObject);
      need(`${where}.name`, file.name, someText);
      need(`${where}.bytes`, file.bytes, bytes);
    }
  }
  for (const { name, bytes: content } of files) {
    const read = readKernelFile(content, name);
    if (read.kind === "symbols") parts.list = read.list;
    else if (read.kind === "vmlinux") parts.vmlinux = read.vmlinux;
    else if (read.kind === "symvers") parts.symvers = { source: name, exports: read.exports };
    else parts.config = { source: name, options: read.config };
  }
  parts.modules = modules.map(({ name, bytes: content }) => new ModuleFile(readElf(content), name));
  return new Kernel(parts);
}

/**
 * Makes a module that loads: what its producer left is finished, symbols become livepatch symbols, calls get their islands.
 * @returns `output` null where errors were found (and `force` was not given); the input itself where nothing changes
 * @throws TypeError for a wrong argument; Unusable for a file that cannot be read, or a kernel of another architecture
 */
export function linkModule(input: ModuleInput, options: LinkAsked = {}): LinkResult {
  needOptions("link", options, {
    ...ABOUT,
    tocRestore: oneOfThese(TOC_RESTORES),
    siblings: oneOfThese(["auto", "framed"]),
    livepatchStack: someObject,
    from: oneOfThese(PRODUCERS),
    keep: yesOrNo,
    force: yesOrNo,
  });
  const subject = subjectOf("link", input, options.file);
  return linkSubject(subject, { ...options, file: options.file ?? subject.path });
}

/** What a kernel would refuse of the module as it stands. @throws TypeError, Unusable as {@link linkModule} */
export function checkModuleFile(input: ModuleInput, options: AboutKernel = {}): CheckResult {
  needOptions("check", options, ABOUT);
  const subject = subjectOf("check", input, options.file);
  return checkSubject(subject, { ...options, file: options.file ?? subject.path });
}

/** Where a module is loaded, and what the loader knows. Addresses are 64-bit, unsigned. */
export type ImageAsked = Pick<AboutKernel, "file" | "kernel"> &
  Partial<Omit<ImageOptions, "file" | "kernel" | "placement" | "running" | "command">> & {
    /** Addresses of sections by name, as /sys/module/NAME/sections has them; without any the module lies where modules begin. */
    readonly sections?: ReadonlyMap<string, bigint>;
    /** Address of the module's per-CPU data. */
    readonly percpu?: bigint;
  };

const IMAGE = {
  ...{
    file: someText,
    kernel: KERNEL,
    kernelVersion: VERSION,
    sections: mapping,
    percpu: anything,
    stage: oneOfThese(["relocated", "loaded"]),
  },
  ...{
    kernelToc: anything,
    pacaTocOffset: anything,
    erratum843419: yesOrNo,
    x86: someObject,
    parameters: anything,
    patched: anything,
  },
  ...{ types: anything, pageSize: anything, late: list },
} as const;

function imageOptions(subject: Subject, options: ImageAsked): ImageOptions {
  const { sections = new Map(), percpu = null, kernel, file = subject.path, stage = "relocated", ...more } = options;
  const addresses = kernel?.list == null ? null : addressesOf(kernel.list);
  return { ...more, file, stage, kernel: addresses, placement: { bases: new Map(), sections, percpu } };
}

/**
 * The memory that the kernel's loader makes of a module, for given addresses.
 * @throws TypeError, Unusable as {@link linkModule}
 */
export function imageModule(input: ModuleInput, options: ImageAsked = {}): ImageResult {
  needOptions("image", options, IMAGE);
  const subject = subjectOf("image", input, options.file);
  return imageOf(subject, imageOptions(subject, options));
}

export type VerifyAsked = Omit<ImageAsked, "stage" | "late"> & {
  /** Reads so many bytes of the kernel's memory; null where it is not to be had. */
  readonly memory: KernelMemory;
  /** Whether a module is loaded, so that livepatch relocations for it were applied; none is, unless given. */
  readonly isLoaded?: (module: string) => boolean;
};

/** Compares a loaded module's memory with its file. @throws TypeError, Unusable as {@link linkModule} */
export function verifyModule(input: ModuleInput, options: VerifyAsked): VerifyResult {
  const { stage: _stage, late: _late, ...known } = IMAGE;
  needOptions("verify", options, { ...known, memory: callable, isLoaded: callable });
  need("verify: option memory", options.memory, callable);
  const subject = subjectOf("verify", input, options.file);
  const { memory, isLoaded = () => false, ...about } = options;
  return verifyOf(subject, { ...imageOptions(subject, about), memory, isLoaded });
}

/**
 * Compares two builds of one source file, before and after a patch.
 * @throws TypeError for a wrong argument; Unusable for a file that cannot be read, or two that do not belong together
 */
export async function diffModules(
  orig: Uint8Array,
  patched: Uint8Array,
  options: { readonly kernel?: Kernel; readonly names?: readonly [string, string] } = {},
): Promise<DiffResult> {
  need("diff(orig)", orig, bytes);
  need("diff(patched)", patched, bytes);
  needOptions("diff", options, { kernel: KERNEL, names: list });
  const [one = "orig.o", other = "patched.o"] = options.names ?? [];
  return diffObjects({ bytes: orig, path: one }, { bytes: patched, path: other }, { kernel: options.kernel ?? null });
}

/** A line of a log that is a message of the module loader, livepatch, ftrace or a tool. */
export interface ExplainedLine {
  readonly line: string;
  readonly by: Message["by"];
  readonly meaning: string;
  readonly help: string | null;
  /** Diagnostics that stand for it. */
  readonly codes: readonly string[];
  /** Where in the module it comes from; null without one. */
  readonly found: Explanation | null;
}

/**
 * What lines of dmesg mean and, with the module that they are about, the places that they come from. Lines that are no such
 * messages are left out; what a line follows from stands before it.
 * @throws TypeError, Unusable as {@link linkModule}
 */
export async function explainLog(
  log: string,
  options: AboutKernel & { readonly module?: ModuleInput } = {},
): Promise<ExplainedLine[]> {
  need("explain(log)", log, someText);
  needOptions("explain", options, { ...ABOUT, module: inputKind });
  const { module, file, ...about } = options;
  let explainer: Explainer | null = null;
  if (module !== undefined) {
    const subject = subjectOf("explain", module, file);
    explainer = await Explainer.open(subject, { ...about, file: file ?? subject.path }, async () => null);
  }
  const lines = log.split(/\r\n|\r|\n/).flatMap((line) => recogniseLine(line) ?? []);
  const causes = causesOf(lines);
  const ordered: Recognised[] = lines.filter((line) => !causes.has(line));
  append(
    ordered,
    lines.filter((line) => causes.has(line)),
  );
  return ordered.map((recognised) => {
    const { message, fields, text: line } = recognised;
    const found = message.by === "insmod or modprobe" ? null : (explainer?.find(recognised) ?? null);
    return {
      line,
      by: message.by,
      meaning: message.meaning(fields),
      help: message.help?.(fields) ?? null,
      codes: codesOf(recognised) ?? [],
      found,
    };
  });
}

/** Where ftrace can patch the functions of a module, an object or vmlinux. @throws TypeError, Unusable */
export function sitesOfFile(input: Uint8Array, name: string = DEFAULT_NAME): Sites {
  need("sites(bytes)", input, bytes);
  need("sites(name)", name, someText);
  return sites(input, name);
}
