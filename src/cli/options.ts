import { type Command, InvalidArgumentError, Option } from "commander";
import type { Problem } from "../diag/catalogue.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { ModuleFile } from "../kernel/moduleFile.ts";
import { type KernelVersion, parseKernelVersion } from "../kernel/version.ts";
import { InputProblem, UsageError } from "./io.ts";
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
  readonly reference?: string;
  readonly sympos?: ReadonlyMap<string, number>;
  readonly kernelVersion?: KernelVersion;
}

/** @param formats the forms that the command can write. */
export function addCommonOptions(command: Command, formats: readonly Format[] = FORMATS): Command {
  return command
    .addOption(new Option("--format <form>", "form of diagnostics").choices(formats).default("text"))
    .addOption(
      new Option("--color <when>", "colour (NO_COLOR and FORCE_COLOR are obeyed)")
        .choices(["auto", "always", "never"])
        .default("auto"),
    )
    .option("-q, --quiet", "errors only")
    .option("-v, --verbose", "say more about what is done");
}

export function addKernelOptions(command: Command): Command {
  return command
    .option(
      "-k, --kernel <file>",
      "the kernel: System.map, nm or kallsyms text, vmlinux, Module.symvers (repeatable; .gz, .xz, .zst too)",
      collect,
      undefined,
    )
    .option(
      "-m, --module <file>",
      "a module that the patch changes or needs: FILE.ko or NAME=FILE; for image FILE.ko@SECTIONS, where it is loaded",
      collect,
      undefined,
    )
    .option(
      "--sympos <name=n>",
      "which of several symbols of one name is meant (in a module: MODULE:NAME=N)",
      collectPosition,
      undefined,
    )
    .option("--reference <file.ko>", "a module of that very kernel: struct module is compared with its own")
    .option("--kernel-version <version>", "kernel version, if the module does not tell", kernelVersion);
}

/** `-k` and `--kernel-version`, for a command that looks at one module as the kernel saw it. */
export function addKernelFileOptions(command: Command): Command {
  return command
    .option("-k, --kernel <file>", "the kernel that refused it: System.map, kallsyms", collect, undefined)
    .option("--kernel-version <version>", "kernel version, if the module does not tell", kernelVersion);
}

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
    `klplink ${file}`,
    ...(options.kernel ?? []).map((path) => `-k ${path}`),
    ...(options.module ?? []).map((path) => `-m ${path}`),
    ...[...(options.sympos ?? [])].map(([name, position]) => `--sympos ${name}=${position}`),
    ...(options.reference === undefined ? [] : [`--reference ${options.reference}`]),
    ...(version === undefined ? [] : [`--kernel-version ${version.major}.${version.minor}`]),
  ].join(" ");
}

/** Reads what -k and -m name. Null if neither was given. @throws InputProblem, UsageError */
export async function readKernel(options: KernelOptions): Promise<Kernel | null> {
  if ((options.kernel ?? options.module ?? []).length === 0) {
    if (options.sympos !== undefined) throw new UsageError("--sympos needs the kernel's symbols: give them with -k");
    return null;
  }
  const { loadKernel } = await import("./kernel.ts");
  return loadKernel(options.kernel ?? [], options.module ?? []);
}

/** Reads what --reference names. @throws InputProblem, UsageError */
export async function readReference(options: KernelOptions): Promise<ModuleFile | null> {
  if (options.reference === undefined) return null;
  const { loadModule } = await import("./kernel.ts");
  return loadModule(options.reference);
}

/** Problem of an error that a command may meet while it reads; null for all others. */
export function problemOf(error: unknown): Problem | null {
  if (error instanceof InputProblem) return error.problem;
  const carried = (error as { name?: unknown; problem?: unknown } | null) ?? {};
  return carried.name === "Unusable" ? (carried.problem as Problem) : null;
}
