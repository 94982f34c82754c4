import { spawnSync } from "node:child_process";
import { appendFileSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { codes } from "../src/diag/definitions.ts";
import { builtCommand } from "./built.ts";
import { klplink } from "./cli/run.ts";
import { root } from "./helpers.ts";

describe("what is generated is current", () => {
  // It asks the built command line for its manual page.
  beforeAll(() => void builtCommand());

  test("docs/api.md, docs/diagnostics.md, docs/kernel-versions.md, docs/klplink.1", () => {
    const { status, stderr } = spawnSync(process.execPath, ["scripts/docs.mjs", "--check"], { cwd: root });
    expect(stderr.toString()).toBe("");
    expect(status).toBe(0);
  });

  test("the check fails on a stale file", () => {
    const folder = mkdtempSync(join(tmpdir(), "klplink-"));
    try {
      for (const path of ["docs/api.md", "docs/diagnostics.md", "docs/kernel-versions.md", "docs/klplink.1"]) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        copyFileSync(join(root, path), join(folder, path));
      }
      const check = (): string =>
        spawnSync(process.execPath, ["scripts/docs.mjs", "--check", folder], { cwd: root }).stderr.toString();
      expect(check()).toBe("");
      appendFileSync(join(folder, "docs/diagnostics.md"), "\n### KLP999\n");
      expect(check()).toBe("docs/diagnostics.md is not current: run `npm run build && npm run docs`\n");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("each code has an entry", () => {
    const text = readFileSync(join(root, "docs/diagnostics.md"), "utf8");
    expect(codes.filter((code) => !text.includes(`\n### ${code}\n`))).toEqual([]);
  });
});

describe("help", async () => {
  const commands = [...(await klplink(["--help"])).stdout.matchAll(/^ {2}(\w+) (?:\[|<)/gm)].map((m) => m[1] ?? "");

  test("fits a screen", async () => {
    const lines = (await klplink(["--help"])).stdout.trimEnd().split("\n");
    expect(lines.length).toBeLessThanOrEqual(40);
    expect(lines.filter((l) => l.length > 80)).toEqual([]);
    expect(commands).toContain("explain");
  });

  test.each(commands.filter((c) => c !== "help"))("of %s shows two examples", async (command) => {
    const { stdout, status } = await klplink([command, "--help"]);
    expect(status).toBe(0);
    const examples = stdout.split("Examples:\n")[1] ?? "";
    expect(examples.match(/^ {2}.*klplink/gm)?.length ?? 0).toBeGreaterThanOrEqual(2);
  });
});

describe("wrong usage answers with what was probably meant", () => {
  test.each([
    [["chek", "mod.ko"], "check"],
    [["explian", "x"], "explain"],
    [["check", "--fromat", "json", "mod.ko"], "--format"],
    [["check", "--format", "jsn", "mod.ko"], "text, json, sarif, github"],
    [["explain", "klp30"], "KLP301"],
    [["explain", "KLP371"], "KLP301"],
  ])("%j", async (args, meant) => {
    const { status, stderr } = await klplink(args);
    expect(stderr).toContain(meant);
    expect(status).toBeGreaterThan(0);
  });
});

// What the shells make of it: test/tools/completion.test.ts.
describe("completion", () => {
  test.each(["bash", "zsh", "fish"])("%s: the script names each command, option and code", async (shell) => {
    const { stdout } = await klplink(["completion", shell]);
    for (const word of ["link", "check", "show", "explain", "kernel-version", "toc-restore", "sarif", "KLP301"]) {
      expect(stdout).toContain(word);
    }
  });

  test.each(["bash", "zsh", "fish"])("%s: each option with fixed choices has them as its values", async (shell) => {
    const { stdout } = await klplink(["completion", shell]);
    const help: string[] = [];
    for (const command of ["link", "check", "sites", "image"]) {
      help.push((await klplink([command, "--help"])).stdout.replace(/\s+/g, " "));
    }
    // As the help shows them: `--siblings <kind> …: auto (default), framed`.
    const offered = new Set(
      help.flatMap((text) => text.match(/--[a-z-]+ <(?:how|kind|when|form|state|producer)>/g) ?? []),
    );
    expect(offered.size).toBeGreaterThanOrEqual(6);
    for (const option of offered) {
      const name = option.replace(/^--| <.*$/g, "");
      const line = {
        bash: `--${name}\\) .*_klplink_reply -W "`,
        zsh: `--${name}=\\[.*:value:\\(`,
        fish: `-l ${name} -x -a '`,
      };
      expect(stdout).toMatch(new RegExp(line[shell as keyof typeof line]));
    }
  });

  test("the exit statuses are in the help and in the man page, that of a bug, too", async () => {
    for (const text of [(await klplink(["--help"])).stdout, readFileSync(join(root, "docs/klplink.1"), "utf8")]) {
      expect(text.replace(/\s+/g, " ")).toMatch(/0 good;.*1 .*2 wrong usage;.*3 .*70 a bug in klplink/);
    }
  });

  test("of an unknown shell", async () => {
    expect(await klplink(["completion", "tcsh"])).toMatchObject({ status: 2 });
  });
});
