// The single executables, in roots that hold nothing but them and the libraries that they are linked with: no Node.js, no shell. arm64
// under qemu's user mode. The Debian package is installed into such a root, used, and removed.

import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { klplinkProcess } from "../cli/run.ts";
import { root } from "../helpers.ts";

const top = mkdtempSync(join(tmpdir(), "klplink-single-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));
const out = join(top, "out");
const DEB = join(
  out,
  `klplink_${(JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }).version}_amd64.deb`,
);

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const { error, status, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    env,
    maxBuffer: 1 << 28,
  });
  if (error !== undefined) throw new Error(`${command}: ${error.message}`);
  return { status, stdout, stderr };
}

beforeAll(() => {
  const made = run(process.execPath, ["scripts/single.mjs", "--out", out, "--arch", "arm64"]);
  expect(made, made.stderr).toMatchObject({ status: 0 });
  const packed = run(process.execPath, ["scripts/single.mjs", "--out", out, "--arch", "x64", "--deb"]);
  expect(packed, packed.stderr).toMatchObject({ status: 0 });
  expect(packed.stdout.trim().split("\n")).toEqual([join(out, "klplink-linux-x64"), DEB]);
});

interface Root {
  readonly folder: string;
  /** Runs the command in it. */
  readonly klplink: (...args: string[]) => ReturnType<typeof run>;
}

/** Files in a root, by the path that they have there. */
function put(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, from] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(from, join(folder, path));
  }
}

const INPUTS = ["samples/ppc64le/meminfo/meminfo.o", "samples/ppc64le/meminfo/System.map"];

function emptyRoot(name: string, files: Readonly<Record<string, string>>, before: readonly string[]): Root {
  const folder = join(top, name);
  const inputs = Object.fromEntries(INPUTS.map((path) => [`w/${path}`, join(root, path)]));
  put(folder, { ...files, ...inputs });
  mkdirSync(join(folder, "tmp"));
  const klplink = (...args: string[]): ReturnType<typeof run> =>
    run("/usr/sbin/chroot", [folder, ...before, "/usr/bin/klplink", ...args], { HOME: "/tmp", PATH: "/usr/bin" });
  return { folder, klplink };
}

/** The libraries that a program of this machine is linked with. */
function librariesOf(program: string): Record<string, string> {
  const found = run("ldd", [program]).stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g);
  return Object.fromEntries([...found].map(([, path = ""]) => [path.slice(1), path]));
}

/** Those of Debian's cross packages, and qemu. */
function arm64Files(): Record<string, string> {
  const from = "/usr/aarch64-linux-gnu/lib";
  const names = readdirSync(from).filter((name) =>
    /^(?:ld-linux|lib(?:c|m|dl|pthread|stdc\+\+|gcc_s)\.so\.\d)/.test(name),
  );
  return {
    ...Object.fromEntries(names.map((name) => [`lib/${name}`, join(from, name)])),
    qemu: "/usr/bin/qemu-aarch64-static",
  };
}

const machines = [
  ["x64", () => librariesOf(join(out, "klplink-linux-x64")), []],
  ["arm64", arm64Files, ["/qemu"]],
] as const;

describe.each(machines)("%s", (arch, libraries, before) => {
  let here: Root;
  beforeAll(() => {
    here = emptyRoot(arch, { "usr/bin/klplink": join(out, `klplink-linux-${arch}`), ...libraries() }, before);
  });

  test("it is alone", () => {
    expect(readdirSync(join(here.folder, "usr/bin"))).toEqual(["klplink"]);
    expect(existsSync(join(here.folder, "bin"))).toBe(false);
  });

  test("it says what the npm form says, with instructions (Capstone), and links to the same bytes", () => {
    const [object = "", map = ""] = INPUTS;
    const checked = here.klplink("check", `/w/${object}`);
    const expected = klplinkProcess(["check", object]);
    const bare = (text: string): string => text.replaceAll("/w/", "").replace(/\s+/g, " ");
    expect(checked.stderr).toContain("bl     show_val_kb");
    expect(checked.status).toBe(1);
    // Lines of the source are shown where they are at hand: they are not in there.
    const words = (text: string): string => bare(text).replace(/ 40 \| [^>]*?;/, "");
    expect(words(checked.stderr + checked.stdout)).toBe(words(expected.stderr + expected.stdout));
    const linked = here.klplink("link", `/w/${object}`, "-k", `/w/${map}`, "-o", "/tmp/out.o");
    expect(linked, linked.stderr).toMatchObject({ status: 0 });
    const golden = readFileSync(join(root, "samples/ppc64le/meminfo/meminfo.klp.o"));
    expect(readFileSync(join(here.folder, "tmp/out.o")).equals(golden)).toBe(true);
  });

  test("what else is in it: examples, the glue", () => {
    expect(here.klplink("explain", "301").stdout).toContain("An example:");
    expect(here.klplink("glue", "/tmp/glue")).toMatchObject({ status: 0, stderr: "" });
    for (const name of ["klplink-init.c", "linux/livepatch_helpers.h"])
      expect(readFileSync(join(here.folder, "tmp/glue", name))).toEqual(readFileSync(join(root, "glue", name)));
  });
});

describe("the Debian package", () => {
  test("lintian has nothing to say, but of what holds Node.js", () => {
    const { stdout, stderr } = run("lintian", ["--allow-root", "--fail-on", "none", "--tag-display-limit", "0", DEB]);
    // Node.js is there as its makers built it: with its symbols, its own copies of libraries, and no package of Debian's that it came from.
    const ofNode = /^E: klplink: (?:unstripped-binary-or-object|embedded-library)\b|^W: klplink: hardening-no-pie\b/;
    expect(stderr).toBe("");
    expect(stdout.split("\n").filter((line) => line !== "" && !ofNode.test(line))).toEqual([]);
  });

  test("installed, used, and removed without a trace", () => {
    const here = emptyRoot("debian", librariesOf(join(out, "klplink-linux-x64")), []);
    const admin = join(here.folder, "var/lib/dpkg");
    for (const part of ["info", "updates", "triggers"]) mkdirSync(join(admin, part), { recursive: true });
    writeFileSync(join(admin, "status"), "");
    const files = (): string[] =>
      readdirSync(here.folder, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(here.folder.length + 1))
        .filter((path) => !/^(?:var\/lib\/dpkg|tmp)\//.test(path))
        .sort();
    const before = files();
    // The libraries are there as files, not as packages.
    const dpkg = (...args: string[]): ReturnType<typeof run> =>
      run("dpkg", [`--root=${here.folder}`, "--force-depends", "--force-not-root", "--log=/dev/null", ...args]);
    const installed = dpkg("-i", DEB);
    expect(installed, installed.stderr).toMatchObject({ status: 0 });
    expect(files().filter((path) => !before.includes(path))).toEqual(
      expect.arrayContaining([
        "usr/bin/klplink",
        "usr/share/bash-completion/completions/klplink",
        "usr/share/doc/klplink/copyright",
        "usr/share/doc/klplink/examples/kbuild/cmdline_patch.c",
        "usr/share/klplink/klplink.mk",
        "usr/share/man/man1/klplink.1.gz",
      ]),
    );
    expect(here.klplink("check", `/w/${INPUTS[0]}`).stderr).toContain("error[KLP301]");
    expect(dpkg("-r", "klplink")).toMatchObject({ status: 0 });
    expect(files()).toEqual(before);
    expect(basename(DEB)).toMatch(/^klplink_.*_amd64\.deb$/);
  });
});
