// The commands of docs/guide.md with what it says that they print. `UPDATE_GUIDES=1` writes the outputs anew, for review.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { repo } from "./run.ts";

export const page = join(repo, "docs/guide.md");

/** A command of the page, by `$ ` or, where root gives it, `# `, with what it prints. */
export interface Command {
  readonly line: string;
  readonly isRoot: boolean;
  output: string;
}

/** The commands of a part of the page that begins with a title. */
export function commandsBelow(title: string): Command[] {
  const part =
    readFileSync(page, "utf8")
      .split(/^## /m)
      .find((text) => text.startsWith(title)) ?? "";
  const [, block = ""] = /```console\n([\s\S]*?)```/.exec(part) ?? [];
  const commands: Command[] = [];
  for (const line of block.split("\n").slice(0, -1)) {
    const last = commands.at(-1);
    if (/^[$#] /.test(line)) commands.push({ line: line.slice(2), isRoot: line.startsWith("#"), output: "" });
    else if (last !== undefined) last.output += `${line}\n`;
  }
  return commands;
}

/** What the page has for commands. */
export const written = (commands: readonly Command[]): string =>
  commands.map(({ line, isRoot, output }) => `${isRoot ? "#" : "$"} ${line}\n${output}`).join("");

/** How far into a function something is says the compiler, which may be another in its last digits, and the newest source of its series. */
const steady = (text: string): string => text.replaceAll(/\+0x[0-9a-f]+/g, "+0x...");

/** The page's commands have these outputs, but for offsets; with UPDATE_GUIDES they are given them. */
export function mustBe(title: string, commands: readonly Command[]): void {
  if (process.env.UPDATE_GUIDES === "1") {
    const parts = readFileSync(page, "utf8").split(/^(?=## )/m);
    const block = "```console\n";
    const anew = parts.map((part) =>
      part.startsWith(`## ${title}`)
        ? part.replace(/```console\n[\s\S]*?(?=```)/, () => block + written(commands))
        : part,
    );
    writeFileSync(page, anew.join(""));
  }
  expect(steady(written(commandsBelow(title)))).toBe(steady(written(commands)));
}
