// `klplink completion SHELL` in the shells themselves: each offers commands, options, choices of options and codes. A shell
// that is not there is a failure that names its Debian package.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { klplinkProcess } from "../cli/run.ts";
import { root } from "../helpers.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-completion-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(command: string, args: readonly string[]): string {
  const { error, status, stdout, stderr } = spawnSync(command, args, {
    cwd: folder,
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder },
  });
  if (error !== undefined) throw new Error(`${command}: ${error.message}: apt-get install ${command}`);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout;
}

/** What a shell offers for a line with the cursor at its end, sorted. */
const offers: Readonly<Record<string, (line: string) => string>> = {
  bash: (line) => {
    // bash takes an = for a word of its own, as it stands in COMP_WORDBREAKS.
    const words = line.split(/ |(?<=\w)(?==)|(?<==)(?=\w)/).map((w) => `'${w}'`);
    const script = `source klplink.bash; COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}; _klplink; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return run("bash", ["--norc", "--noprofile", "-c", script]);
  },
  zsh: (line) => run("zsh", ["-f", join(root, "test/tools/zsh-offers.zsh"), "klplink.zsh", line]),
  fish: (line) => run("fish", ["--no-config", "-c", `source klplink.fish; complete -C '${line}'`]),
};

function offered(shell: string, line: string): string[] {
  // fish puts a description behind a tab, and the option before its value; zsh tells names as they are, and quoted.
  const bare = (l: string): string =>
    (l.split("\t")[0] ?? "")
      .trim()
      .replace(/^--[\w-]+=/, "")
      .replace(/\\ /g, " ");
  const words = (offers[shell]?.(line) ?? "").split("\n").map(bare);
  return [...new Set(words.filter((word) => word !== ""))].sort();
}

describe.each(["bash", "zsh", "fish"])("%s", (shell) => {
  beforeAll(() => {
    const { status, stdout } = klplinkProcess(["completion", shell]);
    expect(status).toBe(0);
    writeFileSync(join(folder, `klplink.${shell}`), stdout);
    writeFileSync(join(folder, "some-module.ko"), "");
    writeFileSync(join(folder, "two words.ko"), "");
    if (shell === "bash") symlinkSync(join(root, "bin/klplink.js"), join(folder, "klplink"));
  });

  test("the script is without a syntax error", () => {
    expect(run(shell, ["-n", `klplink.${shell}`])).toBe("");
  });

  test.each([
    ["klplink ex", ["explain"]],
    ["klplink check --ker", ["--kernel", "--kernel-version"]],
    ["klplink check --format s", ["sarif"]],
    ["klplink explain --format ", ["html", "json", "text"]],
    ["klplink mod.ko --format g", ["github"]],
    ["klplink mod.ko --in", ["--in-place"]],
    ["klplink mod.ko --from kp", ["kpatch"]],
    ["klplink check some-m", ["some-module.ko"]],
    ["klplink check -k some-m", ["some-module.ko"]],
    ["klplink check --kernel=some-m", ["some-module.ko"]],
    ["klplink check two", ["two words.ko"]],
    ["klplink check -k two", ["two words.ko"]],
    ["klplink two", ["two words.ko"]],
    ["klplink check --format=s", ["sarif"]],
    ["klplink check --format=", ["github", "html", "json", "sarif", "text"]],
    ["klplink explain KLP30", [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `KLP30${n}`)],
    ["klplink completion ", ["bash", "fish", "zsh"]],
    ["klplink help ch", ["check"]],
    ["klplink mod.ko --toc-restore ", ["epilogue", "island", "mini-frame", "nop", "shadow-stack"]],
    ["klplink link --toc-restore s", ["shadow-stack"]],
    ["klplink mod.ko --siblings f", ["framed"]],
    ["klplink check --color ", ["always", "auto", "never"]],
    ["klplink sites --as ", ["call", "nop"]],
    // A number or a version is not a file.
    ["klplink check --kernel-version some-m", []],
    ["klplink model --tasks some-m", []],
    ["klplink image --stage ", ["loaded", "relocated"]],
  ])("%s", (line, expected) => {
    const found = offered(shell, line);
    // fish offers files beside words.
    expect(shell === "fish" ? found.filter((w) => expected.includes(w)) : found).toEqual([...expected].sort());
  });

  test("each command is offered", () => {
    const commands =
      klplinkProcess(["--help"])
        .stdout.match(/^ {2}[a-z]+(?= )/gm)
        ?.map((c) => c.trim()) ?? [];
    const expected = commands.filter((c) => c !== "klplink" && c !== "dmesg");
    expect(expected.length).toBeGreaterThanOrEqual(9);
    expect(offered(shell, "klplink ")).toEqual(expect.arrayContaining(expected));
  });
});
