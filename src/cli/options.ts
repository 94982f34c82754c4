import { append } from "../base/lists.ts";
import { fileText, shellFile, shellWord } from "../base/shell.ts";
import type { Problem } from "../diag/catalogue.ts";
import { isSameFile } from "../elf/output.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { ModuleFile } from "../kernel/module/moduleFile.ts";
import type { Context } from "./context.ts";
import { InputProblem, type Standard, UsageError, write } from "./files/io.ts";
import type { LoadedKernel, Opened } from "./files/kernel/kernel.ts";
import type { commonRows, kernelRows } from "./optionRows.ts";
import type { ValuesOf } from "./optionTable.ts";

/** Options that every command has. */
export type CommonOptions = ValuesOf<typeof commonRows>;

/** Options about the kernel that a module is for; some commands have only a part of them. */
export type KernelOptions = Partial<ValuesOf<typeof kernelRows>>;

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
  throw new UsageError(`${fileText(output)} is one of the files that are read; give another output with -o`);
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
