import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { shellFile } from "../../base/shell.ts";
import { type GlueFile, glueFiles } from "../../build/glue.ts";
import { problem } from "../../diag/catalogue.ts";
import { OutputError } from "../../elf/output.ts";
import { removeLeft } from "../../elf/temporary.ts";
import type { Context } from "../context.ts";
import { InputProblem, write } from "../files/io.ts";
import { writeSet } from "../files/writeSet.ts";
import type { glueRows } from "../optionRows.ts";
import type { ValuesOf } from "../optionTable.ts";

type Options = ValuesOf<typeof glueRows>;

/** `klplink glue <folder>`: returns the exit status. @throws InputProblem */
export async function runGlue(folder: string, options: Options, context: Context): Promise<number> {
  const files = glueFiles();
  // What a killed run had begun is at its end before anything is looked at.
  removeLeft(folder);
  const states = files.map(({ name, bytes }) => ({ name, state: stateOf(join(folder, name), bytes) }));
  const others = states.filter((s) => s.state === "other").map((s) => s.name);
  const [first] = others;
  if (first !== undefined && options.force !== true) {
    const command = `klplink glue --force ${shellFile(folder)}`;
    throw new InputProblem(problem("KLP462", { file: join(folder, first) }, { names: others, command }));
  }
  const wanted = new Set(states.filter((s) => s.state !== "same").map((s) => s.name));
  if (wanted.size > 0) writeFiles(folder, files, wanted);
  if (options.format === "json") {
    const told = states.map(({ name, state }) => ({ name, written: state !== "same" }));
    await write(context.stdout, `${JSON.stringify({ schema: "klplink-glue/1", folder, files: told }, null, 2)}\n`);
  } else if (options.quiet !== true) {
    const said = wanted.size === 0 ? "all files are there already" : `wrote ${[...wanted].join(", ")}`;
    await write(context.stdout, `${shellFile(folder)}: ${said}\n`);
  }
  return 0;
}

function writeFiles(folder: string, files: readonly GlueFile[], wanted: ReadonlySet<string>): void {
  try {
    writeSet(
      folder,
      files.filter((f) => wanted.has(f.name)),
    );
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    throw new InputProblem(problem("KLP105", { file: error.path }, { why: error.message, isFolder: true }));
  }
}

/** What stands in a file's place: nothing, the file itself, or something else. */
function stateOf(path: string, bytes: Uint8Array): "none" | "same" | "other" {
  if (!existsSync(path)) return "none";
  try {
    return readFileSync(path).equals(bytes) ? "same" : "other";
  } catch {
    return "other";
  }
}
