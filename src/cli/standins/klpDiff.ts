import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { problem } from "../../diag/catalogue.ts";
import { readElf } from "../../elf/reader.ts";
import { readKernelFile } from "../../kernel/detect.ts";
import { Kernel, type KernelParts } from "../../kernel/kernel.ts";
import { ModuleFile } from "../../kernel/module/moduleFile.ts";
import { parseSymvers } from "../../kernel/symbols/symvers.ts";
import type { Context } from "../context.ts";
import { type Input, InputProblem, readInput } from "../files/io.ts";
import { kernelProblem } from "../files/kernel/kernelSources.ts";
import { takeChanges } from "./taken.ts";
import { parseWords, WordsError } from "./words.ts";

/** Exit statuses of `objtool klp diff` (tools/objtool/klp-diff.c, 7.2). */
const STATUS = { written: 0, same: 0, refused: 255 } as const;

const OPTIONS = {
  debug: { letter: "d" },
  "debug-clone": { letter: null },
  "debug-correlate": { letter: null },
} as const;

/** `objtool klp diff`: returns its exit status. */
export async function runKlpDiff(words: readonly string[], context: Context): Promise<number> {
  const { operands } = parseWords(words, OPTIONS);
  const [orig = "", patched = "", output = ""] = operands;
  if (operands.length !== 3) throw new WordsError(`${operands.length} arguments, not 3`);
  const [before, after] = [await readInput(orig, context), await readInput(patched, context)];
  const { kernel, object } = await kernelOf(before, context);
  const outcome = await takeChanges(
    { orig: before, patched: after, output, kernel, object, form: "objtool", isPartial: true },
    context,
  );
  return STATUS[outcome];
}

/** The kernel of an original object: vmlinux beside vmlinux.o; of a module, the object itself. @throws InputProblem */
async function kernelOf(orig: Input, context: Context): Promise<{ readonly kernel: Kernel; readonly object: string }> {
  const symvers = await readSymvers(orig, context);
  const isVmlinux = /(?:^|\/)vmlinux\.o$/.test(orig.name);
  // klp-build keeps vmlinux where it starts the comparison.
  const path = isVmlinux ? orig.name.slice(0, -2) : "vmlinux";
  const vmlinux = isVmlinux || existsSync(path) ? await readVmlinux(path, context) : {};
  if (isVmlinux) return { kernel: new Kernel({ ...vmlinux, symvers }), object: "vmlinux" };
  const module = moduleOf(orig);
  return { kernel: new Kernel({ ...vmlinux, symvers, modules: [module] }), object: module.name };
}

function moduleOf({ name, bytes }: Input): ModuleFile {
  try {
    // The symbol table of the module's file has its symbols in the order of this one.
    return new ModuleFile(readElf(bytes), name);
  } catch (error) {
    throw kernelProblem(name, error);
  }
}

async function readVmlinux(path: string, context: Context): Promise<KernelParts> {
  const { name, bytes } = await readInput(path, context);
  try {
    const file = readKernelFile(bytes, name);
    if (file.kind === "vmlinux") return { vmlinux: file.vmlinux };
  } catch (error) {
    throw kernelProblem(name, error);
  }
  throw new InputProblem(problem("KLP109", { file: name }, { what: "this is not vmlinux" }));
}

/** The list of exports of the tree that the run is started in, or that the object lies in. @throws InputProblem */
async function readSymvers({ name }: Input, context: Context): Promise<NonNullable<KernelParts["symvers"]>> {
  const path = [...foldersAbove("."), ...foldersAbove(dirname(name))]
    .map((folder) => join(folder, "Module.symvers"))
    .find((candidate) => existsSync(candidate));
  const input = await readInput(path ?? "Module.symvers", context);
  try {
    return { source: input.name, exports: parseSymvers(input.bytes) };
  } catch (error) {
    throw kernelProblem(input.name, error);
  }
}

function foldersAbove(folder: string): string[] {
  const found: string[] = [];
  for (let at = resolve(folder); ; at = dirname(at)) {
    found.push(at);
    if (dirname(at) === at) return found;
  }
}
