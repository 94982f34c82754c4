// `klplink setup`: the man page and the shells' completions, where man and the shells look for them.

import { existsSync, readFileSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { append } from "../../base/lists.ts";
import { shellFile } from "../../base/shell.ts";
import { problem } from "../../diag/catalogue.ts";
import { OutputError, reason } from "../../elf/output.ts";
import type { Context } from "../context.ts";
import { InputProblem, write } from "../files/io.ts";
import { type NamedFile, writeSet } from "../files/writeSet.ts";
import type { setupRows } from "../optionRows.ts";
import type { ValuesOf } from "../optionTable.ts";
import type { SHELLS } from "./completion.ts";

type Options = ValuesOf<typeof setupRows>;
type Shell = (typeof SHELLS)[number];

/** Below the folder of data (`share`). */
const PAGE = "man/man1/klplink.1";
const COMPLETIONS: Readonly<Record<Shell, string>> = {
  bash: "bash-completion/completions/klplink",
  zsh: "zsh/site-functions/_klplink",
  fish: "fish/vendor_completions.d/klplink.fish",
};

/** The texts that are installed. */
export interface SetupTexts {
  readonly man: () => string;
  readonly completion: (shell: Shell) => string;
}

/** Returns the exit status. @throws InputProblem KLP105, KLP143 */
export async function runSetup(texts: SetupTexts, options: Options, context: Context): Promise<number> {
  const data = dataFolder(options.prefix, context.env);
  const shells = Object.keys(COMPLETIONS) as Shell[];
  const files: NamedFile[] = [
    { name: PAGE, bytes: Buffer.from(texts.man()) },
    ...shells.map((shell) => ({ name: COMPLETIONS[shell], bytes: Buffer.from(texts.completion(shell)) })),
  ];
  const there = files.filter(({ name }) => existsSync(join(data, name)));
  const [foreign] = there.filter(({ name }) => !isOwn(join(data, name)));
  if (foreign !== undefined && options.force !== true) {
    const command = `klplink setup --force${options.remove === true ? " --remove" : ""}${options.prefix === undefined ? "" : ` --prefix ${shellFile(options.prefix)}`}`;
    throw new InputProblem(problem("KLP143", { file: join(data, foreign.name) }, { command }));
  }
  if (options.remove === true) for (const { name } of there) remove(join(data, name));
  else put(data, files);
  const paths = (options.remove === true ? there : files).map(({ name }) => join(data, name));
  await tell(paths, data, options, context);
  return 0;
}

/** With a prefix, its `share`; else the superuser's is /usr/local/share, and that of others in their home. */
function dataFolder(prefix: string | undefined, env: Context["env"]): string {
  if (prefix !== undefined) return join(prefix, "share");
  if (process.geteuid?.() === 0) return "/usr/local/share";
  const { XDG_DATA_HOME } = env;
  return XDG_DATA_HOME !== undefined && isAbsolute(XDG_DATA_HOME) ? XDG_DATA_HOME : join(homedir(), ".local/share");
}

/** Whether a file is one that an earlier run wrote: each says in its first lines what it is. */
function isOwn(path: string): boolean {
  try {
    const head = readFileSync(path, "latin1").slice(0, 400);
    return /^\.TH KLPLINK |completion for klplink[:,]/m.test(head);
  } catch {
    return false;
  }
}

function put(data: string, files: readonly NamedFile[]): void {
  try {
    writeSet(data, files);
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    throw new InputProblem(problem("KLP105", { file: error.path }, { why: error.message, isFolder: true }));
  }
}

function remove(path: string): void {
  try {
    rmSync(path);
  } catch (error) {
    throw new InputProblem(problem("KLP105", { file: path }, { why: reason(error), isFolder: true }));
  }
}

async function tell(paths: readonly string[], data: string, options: Options, { stdout }: Context): Promise<void> {
  const removed = options.remove === true;
  if (options.format === "json") {
    const document = { schema: "klplink-setup/1", folder: data, [removed ? "removed" : "written"]: paths };
    await write(stdout, `${JSON.stringify(document, null, 2)}\n`);
    return;
  }
  if (options.quiet === true) return;
  const lines = paths.map((path) => `${removed ? "removed" : "wrote"} ${shellFile(path)}`);
  if (removed && lines.length === 0) lines.push(`nothing of klplink is in ${shellFile(data)}`);
  if (!removed) append(lines, ["New shells complete `klplink`; `man klplink` shows the page.", ...hints(data)]);
  await write(stdout, `${lines.join("\n")}\n`);
}

/** What is to be done by hand where man and zsh do not look by themselves. */
function hints(data: string): string[] {
  if (data === "/usr/local/share" || data === "/usr/share") return [];
  const page = `man looks in ${shellFile(resolve(data, "man"))} if ${shellFile(resolve(data, "../bin"))} is in PATH.`;
  const functions = shellFile(resolve(data, "zsh/site-functions"));
  return [page, `zsh: put \`fpath=(${functions} $fpath)\` into .zshrc, in front of compinit.`];
}
