// docs/guide.md as it stands: its commands, in a folder with samples/, the source and the kernel, print what stands there, and those
// of root are run on the kernel that the module is for. `UPDATE_GUIDES=1` writes the outputs anew, for review.

import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { boot, type Machine, PC, VIRT } from "./boot.ts";
import { labOf } from "./lab.ts";
import { mustRun, repo, run } from "./run.ts";
import { complaints, type Planned } from "./scenario.ts";

const lab = labOf(import.meta.url);
const page = join(repo, "docs/guide.md");
const LONG = 1_800_000;

interface Target {
  readonly name: string;
  readonly script: string;
  readonly image: string;
  readonly compiler: string;
  readonly machine?: Machine;
}
const targets: readonly Target[] = [
  { name: "ppc64le", script: "build-kernel.sh", image: "vmlinux", compiler: "powerpc64le-linux-gnu-gcc" },
  {
    name: "arm64",
    script: "build-arm64-kernel.sh",
    image: "arch/arm64/boot/Image",
    compiler: "aarch64-linux-gnu-gcc",
    machine: VIRT,
  },
  {
    name: "x86_64",
    script: "build-x86_64-kernel.sh",
    image: "arch/x86/boot/bzImage",
    compiler: "x86_64-linux-gnu-gcc",
    machine: PC,
  },
];

/** A command of the page, by `$ ` or, where root gives it, `# `, with what it prints. */
interface Command {
  readonly line: string;
  readonly isRoot: boolean;
  output: string;
}

/** The commands of a part of the page that begins with a title. */
function commandsBelow(title: string): Command[] {
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
const written = (commands: readonly Command[]): string =>
  commands.map(({ line, isRoot, output }) => `${isRoot ? "#" : "$"} ${line}\n${output}`).join("");

/** Runs a command of a user: what it prints on a terminal, but for words of progress. */
function typed(line: string, cwd: string): string {
  const klplink = `klplink() { '${process.execPath}' '${join(repo, "bin/klplink.js")}' "$@"; }`;
  return run("bash", ["-c", `${klplink}; { ${line}; } 2>&1`], cwd).stdout.replace(/^klplink: .*\n/gm, "");
}

/** The guest's steps for a command of root; the last one reads what the command is about. */
function stepsOf(line: string): Planned[] {
  const [verb = "", first = "", ...more] = line.split(" ");
  const sysfs = (name: string): string => `/sys/kernel/livepatch/${name}`;
  if (verb === "insmod") {
    const name = basename(first, ".ko").replaceAll("-", "_");
    return [{ line: `insmod /${first}` }, { line: `wait ${sysfs(name)}/transition 0` }];
  }
  if (verb === "grep") return [{ line: `read ${more[0]}` }];
  if (verb === "echo") return [{ line: `write ${more[1]} ${first}` }, { line: `gone ${dirname(more[1] ?? "")}` }];
  if (verb === "rmmod") return [{ line }];
  throw new Error(`the guest has nothing for \`${line}\``);
}

/** The page's commands have these outputs; with UPDATE_GUIDES they are given them. */
function mustBe(title: string, commands: readonly Command[]): void {
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
  expect(written(commandsBelow(title))).toBe(written(commands));
}

/** A folder as the page has it: samples, the source, and the kernel of an architecture. Made once. */
function folderOf({ name, script }: Target): string {
  const folder = join(lab.folder, name);
  if (existsSync(folder)) return folder;
  mkdirSync(folder);
  const at = (path: string): string => join(folder, path);
  const kernel = mustRun("bash", [`test/boot/${script}`]).trim();
  symlinkSync(join(repo, "samples"), at("samples"));
  symlinkSync(kernel, at("kernel"));
  if (name === "x86_64") {
    const version = basename(kernel).replace(/-.*/, "");
    symlinkSync(mustRun("bash", ["test/boot/find-source.sh", "6.1", version]).trim(), at("linux-source-6.1.tar.xz"));
  } else symlinkSync(mustRun("bash", ["test/boot/prepare-source.sh", name]).trim(), at("linux"));
  return folder;
}

describe.each(targets)("$name", (target) => {
  const { name, image, compiler, machine } = target;
  const folder = join(lab.folder, name);
  const at = (path: string): string => join(folder, path);

  beforeAll(() => {
    folderOf(target);
    mustRun(compiler, ["-static", "-O2", "-Wall", "-Wextra", "-o", at("init"), "test/boot/guest.c"]);
  }, LONG);

  test("five commands, from the patch to what the kernel says, and back", { timeout: LONG }, async () => {
    const [title, back] = [`${name}:`, "Taking it back"];
    const [commands, after] = [commandsBelow(title), commandsBelow(back)];
    expect([commands, after].map((list) => list.map((c) => c.isRoot))).toEqual([
      [false, false, false, true, true],
      [true, true, true],
    ]);
    for (const command of commands.filter((c) => !c.isRoot)) command.output = typed(command.line, folder);

    const root = [...commands, ...after].filter((c) => c.isRoot);
    // Before it is loaded the kernel says nothing of it.
    const plan: Planned[] = [{ line: "read /proc/meminfo", output: /^(?!.*Livepatched)/s }];
    const reads = root.map(({ line }) => plan.push(...stepsOf(line)) - 1);
    const module = { name: "livepatch-meminfo.ko", data: readFileSync(at("livepatch-meminfo.ko")) };
    const script = plan.map((step) => step.line);
    const booted = await boot(join(folder, "kernel", image), readFileSync(at("init")), [module], script, machine);
    expect(complaints(booted, plan)).toEqual([]);
    for (const [i, command] of root.entries()) {
      const [, pattern] = /^grep (\S+) /.exec(command.line) ?? [];
      const lines = booted.steps[reads[i] ?? 0]?.output.split("\n") ?? [];
      command.output =
        pattern === undefined
          ? ""
          : lines
              .filter((line) => line.includes(pattern))
              .map((line) => `${line}\n`)
              .join("");
    }
    expect(root.map((c) => c.output).join("")).toBe("Livepatched:    yes\n");
    mustBe(title, commands);
    mustBe(back, after);
  });
});

test("the sample that is refused", { timeout: LONG }, () => {
  const title = "The other two samples";
  const folder = folderOf(targets[0] as Target);
  const commands = commandsBelow(title);
  expect(commands).toHaveLength(1);
  for (const command of commands) command.output = typed(command.line, folder);
  mustBe(title, commands);
});

test("links lead somewhere", () => {
  for (const [, link] of readFileSync(page, "utf8").matchAll(/\]\(([^)#]+)/g))
    expect(existsSync(join(dirname(page), link ?? "")), link).toBe(true);
});
