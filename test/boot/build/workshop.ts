// From edits to patches, from patches to livepatches by `klplink build`, and to a kernel that runs them.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { type Boot, boot, type Machine } from "../boot.ts";
import { mustRun, type Ran, run } from "../run.ts";
import { complaints, klplink, type Planned } from "../scenario.ts";
import type { Edit } from "./edits.ts";
import type { Target, TargetKind } from "./targets.ts";

export class Workshop {
  readonly folder: string;
  readonly target: Target;
  readonly #kind: TargetKind;

  private constructor(kind: TargetKind, target: Target, folder: string) {
    this.#kind = kind;
    this.target = target;
    this.folder = folder;
  }

  /** @param above a folder; this one gets its own in it */
  static async open(kind: TargetKind, above: string): Promise<Workshop> {
    const folder = join(above, kind.name);
    mkdirSync(folder, { recursive: true });
    return new Workshop(kind, await kind.open(folder), folder);
  }

  #edited(path: string, edits: readonly Edit[]): string {
    let text = this.target.read(path);
    for (const [, from, to] of edits.filter((e) => e[0] === path)) {
      if (text.split(from).length !== 2) throw new Error(`not once in ${path}: ${from}`);
      text = text.replace(from, () => to);
    }
    return text;
  }

  /** The patch that git makes of edits; those of `before` are in the source that it is for. */
  patch(title: string, edits: readonly Edit[], before: readonly Edit[] = []): string {
    const work = join(this.folder, `${title}.work`);
    rmSync(work, { recursive: true, force: true });
    for (const [side, all] of [
      ["a", before],
      ["b", [...before, ...edits]],
    ] as const) {
      for (const path of new Set(edits.map((e) => e[0]))) {
        mkdirSync(join(work, side, dirname(path)), { recursive: true });
        writeFileSync(join(work, side, path), this.#edited(path, all), "latin1");
      }
    }
    const made = run("git", ["diff", "--no-index", "--no-prefix", "a", "b"], work);
    const file = join(this.folder, `${title}.patch`);
    writeFileSync(file, made.stdout);
    return file;
  }

  /** The patch that removes a file. */
  removal(title: string, path: string): string {
    const lines = this.target.read(path).replace(/\n$/, "").split("\n");
    const head = `diff --git a/${path} b/${path}\ndeleted file mode 100644\n--- a/${path}\n+++ /dev/null\n`;
    const file = join(this.folder, `${title}.patch`);
    writeFileSync(
      file,
      `${head}@@ -1,${lines.length} +0,0 @@\n${lines.map((line) => `-${line}\n`).join("")}`,
      "latin1",
    );
    return file;
  }

  build(...args: string[]): Ran {
    return klplink("build", ...args, "--source", this.target.source, ...this.target.about);
  }

  /** Builds a livepatch, of which no error is reported, and says where it is. */
  livepatch(title: string, ...args: string[]): { readonly file: string; readonly ran: Ran } {
    const file = join(this.folder, `livepatch-${title}.ko`);
    const ran = this.build(...args, "--name", title, "-o", file);
    expect(ran, ran.stderr + ran.stdout).toMatchObject({ status: 0 });
    expect(ran.stderr).not.toMatch(/^error/m);
    return { file, ran };
  }

  /** Boots the kernel with modules in its file system. @returns in what it did not go as planned */
  async life(modules: readonly string[], plan: readonly Planned[]): Promise<string[]> {
    return complaints(await this.boot(modules, plan), [...plan]);
  }

  /** @param image another kernel than the target's @param append more for its command line */
  boot(
    modules: readonly string[],
    plan: readonly Planned[],
    { image, append }: { readonly image?: string; readonly append?: string } = {},
  ): Promise<Boot> {
    const { compiler } = this.#kind;
    const machine = append === undefined ? this.#kind.machine : withWords(this.#kind.machine, append);
    const init = join(this.folder, "init");
    mustRun(compiler, ["-static", "-O2", "-Wall", "-Wextra", "-o", init, "test/boot/guest.c"]);
    const files = modules.map((path) => ({ name: path.replace(/^.*\//, ""), data: readFileSync(path) }));
    const lines = plan.map((step) => step.line);
    return boot(image ?? this.target.image, readFileSync(init), files, lines, machine);
  }
}

function withWords(machine: Machine | undefined, words: string): Machine {
  if (machine === undefined) throw new Error("not for this machine");
  return { ...machine, append: `${machine.append} ${words}` };
}

/** Steps that load a livepatch, until it is in force. */
export const enter = (title: string): Planned[] => [
  { line: `insmod /livepatch-${title}.ko` },
  { line: `wait /sys/kernel/livepatch/livepatch_${title}/transition 0` },
];

/** Steps after another livepatch took its place. */
export const replaced = (title: string): Planned[] => [
  { line: `gone /sys/kernel/livepatch/livepatch_${title}` },
  { line: `rmmod livepatch_${title}` },
];

export const leave = (title: string): Planned[] => [
  { line: `write /sys/kernel/livepatch/livepatch_${title}/enabled 0` },
  ...replaced(title),
];

/** The first diagnostic of a run that ended with one, in one line. */
export function refusal({ status, stderr }: Ran): string {
  expect([status, stderr]).toEqual([1, stderr]);
  const [, first = ""] = /^(error\[(?:.|\n(?! {2}-->))*)/m.exec(stderr) ?? [];
  return first.replace(/\s+/g, " ");
}
