// What runs elsewhere: the GitHub Action's script with the inputs of action.yml, and the hook of pre-commit.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "../helpers.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-action-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** @param inputs by the names of their variables, without KLPLINK_ */
function action(inputs: Readonly<Record<string, string>>) {
  const env = Object.fromEntries(Object.entries(inputs).map(([name, value]) => [`KLPLINK_${name}`, value]));
  const done = spawnSync("bash", [join(root, "scripts/action.sh")], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, ...env, npm_config_cache: join(folder, "npm"), npm_config_offline: "true" },
  });
  return { status: done.status, stdout: done.stdout, stderr: done.stderr };
}

const meminfo = "samples/ppc64le/meminfo";

test("each input of action.yml is a variable that the script reads", () => {
  const yaml = readFileSync(join(root, "action.yml"), "utf8");
  const script = readFileSync(join(root, "scripts/action.sh"), "utf8");
  const inputs = [...yaml.slice(yaml.indexOf("inputs:"), yaml.indexOf("runs:")).matchAll(/^ {2}([a-z-]+):$/gm)].map(
    (m) => m[1],
  );
  expect(inputs).toEqual(["modules", "kernel", "target-modules", "format", "output", "args", "package"]);
  for (const input of inputs) {
    const name = new RegExp(`^ +(KLPLINK_\\w+): \\$\\{\\{ inputs\\.${input} \\}\\}$`, "m").exec(yaml)?.[1];
    expect(name, input).toBeDefined();
    expect(script).toContain(name);
  }
  // Nothing of an input is put into a command by GitHub itself.
  expect(yaml.slice(yaml.indexOf("run:"))).not.toContain("inputs.");
});

test("annotations, and klplink's status", () => {
  const { status, stdout } = action({
    MODULES: `${meminfo}/meminfo.o\n\n${meminfo}/meminfo.klp.o\n`,
    KERNEL: `${meminfo}/System.map`,
  });
  expect(status).toBe(1);
  expect(stdout).toMatch(/^::error file=samples\/ppc64le\/meminfo\/meminfo\.c,line=40/m);
  expect(stdout).toContain("2 files");
});

test("a document, options, and names that look like options or have blanks", () => {
  const odd = join(folder, "-a module.o");
  writeFileSync(odd, readFileSync(join(root, meminfo, "meminfo.klp.o")));
  const output = join(folder, "out.sarif");
  const given = {
    MODULES: odd,
    KERNEL: `${meminfo}/System.map`,
    FORMAT: "sarif",
    OUTPUT: output,
    ARGS: "--kernel-version 6.1 -q",
  };
  expect(action(given)).toEqual({ status: 0, stdout: "", stderr: "" });
  expect(JSON.parse(readFileSync(output, "utf8"))).toMatchObject({ version: "2.1.0" });
});

test("from the packed package", () => {
  const packed = spawnSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
  });
  const { status, stdout } = action({ PACKAGE: join(folder, packed.stdout.trim()), MODULES: `${meminfo}/meminfo.o` });
  expect(status).toBe(1);
  expect(stdout).toContain("::error file=");
});

test("pre-commit's hook takes modules, and runs a command that the package has", () => {
  const yaml = readFileSync(join(root, ".pre-commit-hooks.yaml"), "utf8");
  const [, pattern = ""] = /^ {2}files: (.*)$/m.exec(yaml) ?? [];
  for (const name of ["a/b.ko", "x.o", "m.ko.xz", "m.ko.zst"]) expect(name).toMatch(new RegExp(pattern));
  for (const name of ["a.c", "b.os", "Makefile"]) expect(name).not.toMatch(new RegExp(pattern));
  const [, entry = ""] = /^ {2}entry: (.*)$/m.exec(yaml) ?? [];
  const [command = "", ...args] = entry.split(" ");
  const { bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { bin: Record<string, string> };
  const hook = spawnSync(
    process.execPath,
    [join(root, bin[command] ?? ""), ...args, `${meminfo}/meminfo.o`, `${meminfo}/meminfo.klp.o`],
    { cwd: root },
  );
  expect(hook.status).toBe(1);
});

test("pre-commit itself installs the hook out of a repository, and runs it on modules that are committed", {
  timeout: 600_000,
}, () => {
  const call = (cwd: string, command: string, ...args: readonly string[]) => {
    const env = { ...process.env, PRE_COMMIT_HOME: join(folder, "pre-commit") };
    const done = spawnSync(command, args, { cwd, encoding: "utf8", env });
    return { status: done.status, said: done.stdout + done.stderr };
  };
  const [hooks, user] = [join(folder, "hooks"), join(folder, "user")];
  // What would be published, whatever holds this checkout.
  const left = ["node_modules", "dist", ".git", "test/.fuzz"].map((path) => join(root, path));
  cpSync(root, hooks, { recursive: true, filter: (path) => !left.includes(path) });
  const me = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
  for (const args of [
    ["init", "-q"],
    ["add", "."],
    [...me, "commit", "-q", "-m", "all"],
  ])
    expect(call(hooks, "git", ...args)).toMatchObject({ status: 0 });
  expect(call(folder, "git", "init", "-q", user)).toMatchObject({ status: 0 });
  for (const name of ["meminfo.o", "meminfo.klp.o", "meminfo.c"])
    writeFileSync(join(user, name), readFileSync(join(root, meminfo, name)));
  call(user, "git", "add", ".");
  const { status, said } = call(user, "pre-commit", "try-repo", hooks, "klplink-check", "--all-files");
  expect(status, said).toBe(1);
  expect(said).toContain("error[KLP301]: call to show_val_kb");
  expect(said).toContain("total: 2 files, 3 errors (KLP301: 3), 0 warnings");
});

beforeAll(() => expect(spawnSync("bash", ["-n", join(root, "scripts/action.sh")]).status).toBe(0));
