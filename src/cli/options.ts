import { type Command, InvalidArgumentError, Option } from "commander";
import { append } from "../base/lists.ts";
import { shellFile, shellWord } from "../base/shell.ts";
import type { Problem } from "../diag/catalogue.ts";
import { isSameFile } from "../elf/output.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { ModuleFile } from "../kernel/module/moduleFile.ts";
import { type KernelVersion, parseKernelVersion } from "../kernel/version.ts";
import type { Context } from "./context.ts";
import { InputProblem, type Standard, UsageError, write } from "./files/io.ts";
import type { LoadedKernel, Opened } from "./files/kernel/kernel.ts";
import { KERNEL_GROUP, MESSAGE_GROUP } from "./help.ts";
import { type ColorChoice, FORMATS, type Format } from "./report.ts";

/** Options that every command has. */
export interface CommonOptions {
  readonly format: Format;
  readonly color: ColorChoice;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** Options about the kernel that a module is for. */
export interface KernelOptions {
  readonly kernel?: readonly string[];
  readonly module?: readonly string[];
  /** Where the files of a release are looked for. */
  readonly root?: string;
  readonly reference?: string;
  readonly sympos?: ReadonlyMap<string, number>;
  readonly kernelVersion?: KernelVersion;
}

/** @param formats the forms that the command can write. */
export function addCommonOptions(command: Command, formats: readonly (Format | "html")[] = FORMATS): Command {
  const add = (option: Option): Command => command.addOption(option.helpGroup(MESSAGE_GROUP));
  add(new Option("--format <form>", "form of the output").choices(formats).default("text"));
  add(
    new Option("--color <when>", "colour, beside NO_COLOR and FORCE_COLOR")
      .choices(["auto", "always", "never"])
      .default("auto"),
  );
  add(new Option("-q, --quiet", "errors only"));
  return add(new Option("-v, --verbose", "say more"));
}

export function addKernelOptions(command: Command): Command {
  addSymbolOptions(command);
  const add = (option: Option): Command => command.addOption(option.helpGroup(KERNEL_GROUP));
  add(new Option("--reference <file.ko>", "a module built for it: struct module is compared"));
  return add(kernelVersionOption());
}

/** What tells of a kernel's symbols: `-k`, `-m` and `--sympos`. */
export function addSymbolOptions(command: Command): Command {
  const add = (option: Option): Command => command.addOption(option.helpGroup(KERNEL_GROUP));
  add(
    new Option(
      "-k, --kernel <file>",
      "System.map, vmlinux, vmlinuz, Module.symvers, a package; or a release, `running` (repeatable)",
    ).argParser(collect),
  );
  add(
    new Option(
      "-m, --module <file>",
      "a module that it changes or needs: NAME, FILE, NAME=FILE (image: FILE@SECTIONS)",
    ).argParser(collect),
  );
  add(
    new Option("--sympos <name=n>", "the n-th of several symbols of one name ([MODULE:]NAME=N)").argParser(
      collectPosition,
    ),
  );
  return add(new Option("--root <folder>", "where -k RELEASE is looked for").default("/"));
}

/** `-k` and `--kernel-version`, for a command that looks at one module as the kernel saw it. */
export function addKernelFileOptions(command: Command): Command {
  const kernel = new Option("-k, --kernel <file>", "the kernel that refused it: System.map, kallsyms");
  return command
    .addOption(kernel.argParser(collect).helpGroup(KERNEL_GROUP))
    .addOption(kernelVersionOption().helpGroup(KERNEL_GROUP));
}

const kernelVersionOption = (): Option =>
  new Option("--kernel-version <version>", "where the module does not tell: 6.1").argParser(kernelVersion);

export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

function collectPosition(value: string, before: ReadonlyMap<string, number> | undefined): ReadonlyMap<string, number> {
  const match = /^(.+)[=,](\d{1,9})$/.exec(value);
  if (match === null) throw new InvalidArgumentError("The form is NAME=N, as in `show_val_kb=2`.");
  return new Map([...(before ?? []), [match[1] ?? "", Number(match[2])]]);
}

export function kernelVersion(value: string): KernelVersion {
  const version = parseKernelVersion(value);
  if (version === null) throw new InvalidArgumentError("The form is MAJOR.MINOR, as in `6.1` or `6.12.107-1`.");
  return version;
}

/** The command that links a file with the same kernel, modules and positions, for help texts. */
export function linkCommand(file: string, options: KernelOptions): string {
  const { kernelVersion: version } = options;
  return [
    `klplink ${shellFile(file)}`,
    ...(options.kernel ?? []).map((path) => `-k ${shellFile(path)}`),
    ...(options.module ?? []).map((path) => `-m ${shellFile(path)}`),
    ...[...(options.sympos ?? [])].map(([name, position]) => `--sympos ${shellWord(`${name}=${position}`)}`),
    ...(options.reference === undefined ? [] : [`--reference ${shellFile(options.reference)}`]),
    ...(version === undefined ? [] : [`--kernel-version ${version.major}.${version.minor}`]),
  ].join(" ");
}

/** Reads what -k and -m name. Null if neither was given. @throws InputProblem, UsageError */
export async function readKernel(options: KernelOptions, context: Context, opened?: Opened): Promise<Kernel | null> {
  return (await readKernelFiles(options, context, opened))?.kernel ?? null;
}

/** As {@link readKernel}, with where it was read from and where more of its modules are. @throws InputProblem, UsageError */
export async function readKernelFiles(
  options: KernelOptions,
  context: Context,
  opened?: Opened,
): Promise<LoadedKernel | null> {
  if ((options.kernel ?? options.module ?? []).length === 0) {
    if (options.sympos !== undefined) throw new UsageError("--sympos needs the kernel's symbols: give them with -k");
    return null;
  }
  const { loadKernel } = await import("./files/kernel/kernel.ts");
  const loaded = await loadKernel(options.kernel ?? [], options.module ?? [], context, opened, options.root);
  const { verbose, format } = options as Partial<CommonOptions>;
  if (verbose === true && format === "text") {
    const { takenText } = await import("./files/kernel/taken.ts");
    await write(context.stderr, takenText(loaded.sources));
  }
  return loaded;
}

/** No output takes the place of a file that the run reads. @throws UsageError */
export async function refuseOverwriting(
  output: string | null,
  { kernel = [], module = [], reference, root = "/" }: KernelOptions,
  more: readonly (string | undefined)[] = [],
): Promise<void> {
  const { kernelPlaces } = await import("./files/kernel/kernelPlaces.ts");
  const kernels = kernel.flatMap((argument) => kernelPlaces(argument, root)?.files ?? [argument]);
  const given = [...kernels, reference, ...more].filter((path) => path !== undefined);
  if (module.length > 0) {
    const { parseModuleArgument } = await import("./files/kernel/kernel.ts");
    append(
      given,
      module.map((argument) => parseModuleArgument(argument).path),
    );
  }
  if (output === null || output === "-" || !given.some((path) => isSameFile(output, path))) return;
  throw new UsageError(`${output} is one of the files that are read; give another output with -o`);
}

/** Reads what --reference names. @throws InputProblem, UsageError */
export async function readReference(options: KernelOptions, context: Standard): Promise<ModuleFile | null> {
  if (options.reference === undefined) return null;
  const { loadModule } = await import("./files/kernel/kernel.ts");
  return loadModule(options.reference, undefined, context);
}

/** Problem of an error that a command may meet while it reads; null for all others. */
export function problemOf(error: unknown): Problem | null {
  if (error instanceof InputProblem) return error.problem;
  const carried = (error as { name?: unknown; problem?: unknown } | null) ?? {};
  return carried.name === "Unusable" ? (carried.problem as Problem) : null;
}
