import { findArch } from "../../arch/index.ts";
import { problem } from "../../diag/catalogue.ts";
import { readElf } from "../../elf/reader.ts";
import { listedVmlinux } from "../../kernel/image/listedVmlinux.ts";
import { Kernel } from "../../kernel/kernel.ts";
import { listedModule } from "../../kernel/module/listedModule.ts";
import { parseReadelf } from "../../kernel/symbols/readelfText.ts";
import { parseSymvers } from "../../kernel/symbols/symvers.ts";
import type { Context } from "../context.ts";
import { type Input, InputProblem, readInput } from "../files/io.ts";
import { kernelProblem } from "../files/kernel/kernelSources.ts";
import { takeChanges } from "./taken.ts";
import { parseWords, WordsError } from "./words.ts";

/** Exit statuses of create-diff-object (kpatch-build/create-diff-object.c, 0.9.11). */
const STATUS = { written: 0, refused: 2, same: 3 } as const;

/** Sizes of the kernel's structs, which kpatch-build takes from DWARF and hands over in the environment. */
const SIZES: Readonly<Record<string, string>> = {
  ALT_STRUCT_SIZE: "alt_instr",
  BUG_STRUCT_SIZE: "bug_entry",
  EX_STRUCT_SIZE: "exception_table_entry",
  JUMP_STRUCT_SIZE: "jump_entry",
  PARA_STRUCT_SIZE: "paravirt_patch_site",
  STATIC_CALL_STRUCT_SIZE: "static_call_site",
};

/** `create-diff-object`: returns its exit status. */
export async function runCreateDiffObject(words: readonly string[], context: Context): Promise<number> {
  const { options, operands } = parseWords(words, { "klp-arch": { letter: "a" }, debug: { letter: "d" } });
  const [orig = "", patched = "", object = "", symtab = "", symvers = "", , output = ""] = operands;
  if (operands.length !== 7) throw new WordsError(`${operands.length} arguments, not 7`);
  const [before, after] = [await readInput(orig, context), await readInput(patched, context)];
  const { machine } = machineOf(after);
  const kernel = await kernelOf(object, symtab, symvers, machine, context);
  const outcome = await takeChanges(
    {
      ...{ orig: before, patched: after, output, kernel, object, form: "kpatch", isPartial: true },
      hasKlpArch: options.has("klp-arch"),
      entrySizes: entrySizes(machine, context.env),
    },
    context,
  );
  return STATUS[outcome];
}

function machineOf({ name, bytes }: Input): { readonly machine: number } {
  try {
    return readElf(bytes).header;
  } catch (error) {
    throw kernelProblem(name, error);
  }
}

/** The parent of the objects, as readelf listed its symbols, and what the kernel exports. @throws InputProblem */
async function kernelOf(
  object: string,
  symtab: string,
  symvers: string,
  machine: number,
  context: Context,
): Promise<Kernel> {
  const [listing, list] = [await readInput(symtab, context), await readInput(symvers, context)];
  try {
    const exported = { source: symvers, exports: parseSymvers(list.bytes) };
    const symbols = parseReadelf(listing.bytes);
    return object === "vmlinux"
      ? new Kernel({ vmlinux: listedVmlinux(symbols, symtab, machine), symvers: exported })
      : new Kernel({ modules: [listedModule(symbols, object, symtab, machine)], symvers: exported });
  } catch (error) {
    throw kernelProblem(symtab, error);
  }
}

function entrySizes(machine: number, env: Context["env"]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const [name, struct] of Object.entries(SIZES)) {
    const size = env[name];
    if (size === undefined || size === "") continue;
    if (!/^[1-9]\d{0,3}$/.test(size))
      throw new InputProblem(
        problem("KLP104", { file: name }, { why: `${JSON.stringify(size)} is no number of bytes` }),
      );
    for (const table of findArch(machine)?.code.tables ?? [])
      if (table.struct === struct) found.set(table.section, Number(size));
  }
  return found;
}
