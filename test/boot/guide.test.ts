// docs/guide.md as it stands: its commands, in a folder with samples/, the source and the kernel, print what stands there, and those
// of root are run on the kernel that the module is for. `UPDATE_GUIDES=1` writes the outputs anew, for review.

import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { boot, type Machine, PC, VIRT } from "./boot.ts";
import { upstreamOf } from "./build/targets.ts";
import type { GuestFile } from "./cpio.ts";
import { openDistro } from "./distro.ts";
import { guestScript, takeOutputs } from "./guideGuest.ts";
import { commandsBelow, mustBe, page } from "./guidePage.ts";
import { labOf } from "./lab.ts";
import { nodeFiles } from "./nodeFiles.ts";
import { mustRun, repo, run } from "./run.ts";
import { complaints, type Planned } from "./scenario.ts";
import { bootShell } from "./shell.ts";

const lab = labOf(import.meta.url);
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

// Debian's kernel. What compiles is typed here, where the compiler is, with the files that `-k running` finds; what looks at the kernel is typed
// there, in a guest that runs it.
test("on the machine that runs the kernel", { timeout: LONG }, async () => {
  const [title, back] = ["On the machine that runs it", "Taking it back"];
  const [commands, after] = [commandsBelow(title), commandsBelow(back)];
  const isHere = (line: string): boolean => line.startsWith("klplink build ");
  expect(commands.map(({ line, isRoot }) => [isHere(line), isRoot])).toEqual([
    [true, false],
    [true, false],
    [false, false],
    [false, true],
    [false, true],
  ]);
  const kit = mustRun("bash", ["test/boot/fetch-headers.sh", "amd64", "6.1"]).trim();
  const release = readFileSync(join(kit, "release"), "utf8").trim();
  const { kernel } = openDistro(join(kit, "kernel"));
  const paths = {
    [`boot/vmlinuz-${release}`]: kernel,
    [`boot/config-${release}`]: join(kit, "build/.config"),
    [`lib/modules/${release}/build/Module.symvers`]: join(kit, "build/Module.symvers"),
  };
  const folder = join(lab.folder, "running");
  for (const [name, path] of Object.entries(paths)) {
    mkdirSync(dirname(join(folder, "root", name)), { recursive: true });
    symlinkSync(path, join(folder, "root", name));
  }
  symlinkSync(join(repo, "samples"), join(folder, "samples"));
  const tarball = mustRun("bash", ["test/boot/find-source.sh", "6.1", await upstreamOf(kernel)]).trim();
  for (const command of commands.filter(({ line }) => isHere(line))) {
    const here = command.line
      .replace("/usr/src/linux-source-6.1.tar.xz", tarball)
      .replace("-k running", `-k ${release} --root root`);
    expect(here).toContain(`${tarball} -k ${release} --root root`);
    command.output = typed(here, folder);
  }
  const there = [...commands.filter(({ line }) => !isHere(line)), ...after];
  const files: GuestFile[] = Object.entries({
    ...paths,
    "livepatch-meminfo.ko": join(folder, "livepatch-meminfo.ko"),
  }).map(([name, path]) => ({ name, data: readFileSync(path) }));
  const script = `export PATH=/bin:/usr/bin\ncd /\n${guestScript(there)}`;
  const guest = { arch: "x86_64", kernel, folder, memory: 2048, script } as const;
  takeOutputs(await bootShell({ ...guest, files: [...nodeFiles(), ...files] }), there);
  mustBe(title, commands);
  mustBe(back, after);
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
