// What `klplink build` takes its source and its configuration from, and what it says where one of them, a tool or room is missing.

import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { makeMachines } from "../../src/build/machines.ts";
import { sourceKey } from "../../src/build/source.ts";
import { cacheFolder, Workspace } from "../../src/build/workspace.ts";
import { COUNT, MORE } from "./build/edits.ts";
import { LONG } from "./build/onEach.ts";
import { targets } from "./build/targets.ts";
import { Workshop } from "./build/workshop.ts";
import { labOf } from "./lab.ts";
import { mustRun, type Ran, repo } from "./run.ts";
import { klplink } from "./scenario.ts";

const lab = labOf(import.meta.url);
let shop: Workshop;
/** A patch, the repository with the source, and the kernel's release. */
let patch = "";
let repository = "";
let release = "";
/** Files of the kernel, alone. */
const vmlinux = join(lab.folder, "kernel/vmlinux");
const symvers = join(lab.folder, "kernel/Module.symvers");

beforeAll(async () => {
  const kind = targets.find(({ name }) => name === "ppc64le");
  if (kind === undefined) throw new Error("no such target");
  shop = await Workshop.open(kind, lab.folder);
  patch = shop.patch("count", COUNT);
  repository = join(lab.folder, "repository");
  symlinkSync(mustRun("bash", ["test/boot/source-repository.sh", "ppc64le"]).trim(), repository);
  mkdirSync(join(lab.folder, "kernel"));
  symlinkSync(shop.target.image, vmlinux);
  symlinkSync(shop.target.symvers, symvers);
  release = readFileSync(join(shop.target.source, "build/include/config/kernel.release"), "utf8").trim();
}, LONG);

/** What a run that ends before the first compile says in JSON. */
function planned(...args: string[]): {
  readonly configuration: string;
  readonly objects: readonly string[];
  readonly problems: readonly { readonly code: string; readonly title: string }[];
} {
  const ran = klplink("build", patch, "--dry-run", "--format", "json", "-o", "out.ko", ...args);
  expect(ran, ran.stderr).toMatchObject({ status: 0 });
  const { files } = JSON.parse(ran.stdout);
  return { ...files.at(-1), problems: files.flatMap((f: { problems: unknown[] }) => f.problems) };
}

describe("a git repository", () => {
  test("at a tag gives the module that its files in a folder give", { timeout: LONG }, () => {
    const { file } = shop.livepatch("count", patch);
    const output = join(lab.folder, "livepatch-count.ko");
    const version = `v${release.replace(/[-+].*/, "")}`;
    const args = ["--source", repository, "--rev", version, ...shop.target.about, "--name", "count", "-o", output];
    const ran = klplink("build", patch, ...args);
    expect(ran, ran.stderr).toMatchObject({ status: 0 });
    expect(Buffer.compare(readFileSync(output), readFileSync(file))).toBe(0);
    expect(
      mustRun("git", ["-C", repository, "status", "--porcelain", "--untracked-files=all"]).match(/^\?\?/m),
    ).toBeNull();
  });

  test("has no revision that it does not have", () => {
    const ran = klplink("build", patch, "--source", repository, "--rev", "v9.9", ...shop.target.about);
    expect(told(ran, 3)).toMatch(/^error\[KLP818\]: the source cannot be used: it has no revision v9\.9/);
  });
});

describe("the configuration", () => {
  const source = (): string[] => ["--source", shop.target.source];

  test("is taken from beside the kernel, from /boot, out of the kernel, out of a package, from the source", {
    timeout: LONG,
  }, () => {
    const beside = planned(...source(), ...shop.target.about);
    expect(beside).toMatchObject({ configuration: shop.target.config, objects: ["fs/proc/version.o"], problems: [] });

    const root = join(lab.folder, "root");
    mkdirSync(join(root, "boot"), { recursive: true });
    copyFileSync(shop.target.image, join(root, `boot/vmlinux-${release}`));
    copyFileSync(shop.target.config, join(root, `boot/config-${release}`));
    const boot = planned(...source(), "-k", release, "--root", root);
    expect(boot).toMatchObject({ configuration: join(root, `boot/config-${release}`), problems: [] });

    // As kernel/configs.c holds it; the kernel's own script reads it.
    const own = join(lab.folder, "vmlinux-with-config");
    const config = readFileSync(shop.target.config);
    writeFileSync(
      own,
      Buffer.concat([readFileSync(vmlinux), Buffer.from("IKCFG_ST"), gzipSync(config), Buffer.from("IKCFG_ED")]),
    );
    expect(execFileSync("bash", [join(shop.target.source, "scripts/extract-ikconfig"), own]).equals(config)).toBe(true);
    expect(planned(...source(), "-k", own)).toMatchObject({ configuration: own, problems: [] });

    const deb = join(lab.folder, "linux-image.deb");
    mkdirSync(join(root, "DEBIAN"));
    writeFileSync(
      join(root, "DEBIAN/control"),
      "Package: linux-image\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n",
    );
    mustRun("dpkg-deb", ["-Znone", "--root-owner-group", "--build", root, deb]);
    expect(planned(...source(), "-k", deb)).toMatchObject({
      configuration: `${deb}: boot/config-${release}`,
      problems: [],
    });

    const inSource = ["--source", repository, "--rev", "HEAD", "-k", vmlinux, "-k", symvers];
    expect(told(klplink("build", patch, "--dry-run", ...inSource), 3)).toMatch(
      /^error\[KLP823\]: no configuration was found/,
    );
    copyFileSync(shop.target.config, join(repository, ".config"));
    try {
      expect(planned(...inSource)).toMatchObject({ configuration: join(repository, ".config"), problems: [] });
    } finally {
      rmSync(join(repository, ".config"));
    }
  });

  test("that another compiler made, or that has what is not there, is told of", { timeout: LONG }, () => {
    const other = join(lab.folder, "other.config");
    const text = readFileSync(shop.target.config, "latin1")
      .replace(/^(CONFIG_CC_VERSION_TEXT=".*) [\d.]+"$/m, '$1 1.2.3"')
      .replace("# CONFIG_IKCONFIG is not set", "CONFIG_IKCONFIG=y");
    writeFileSync(other, `${text}CONFIG_OF_ANOTHER_KERNEL=y\n`);
    const { problems } = planned(...source(), ...shop.target.about, "--config", other);
    expect(problems.map(({ code, title }) => `${code} ${title}`)).toEqual([
      expect.stringMatching(/^KLP814 the kernel was compiled by .* 1\.2\.3, the compiler here is /),
      expect.stringMatching(/^KLP813 1 option .*: CONFIG_OF_ANOTHER_KERNEL \(y became n\)$/),
    ]);
  });

  test("of a kernel that loads no livepatches, or of another architecture, is refused", { timeout: LONG }, () => {
    const without = join(lab.folder, "without.config");
    writeFileSync(without, readFileSync(shop.target.config, "latin1").replace("CONFIG_LIVEPATCH=y\n", ""));
    expect(told(shop.build(patch, "--config", without), 1)).toMatch(/^error\[KLP812\].*no CONFIG_LIVEPATCH/);
    const other = join(lab.folder, "arm64.config");
    writeFileSync(other, "CONFIG_ARM64=y\nCONFIG_LIVEPATCH=y\nCONFIG_MODULES=y\n");
    expect(told(shop.build(patch, "--config", other), 1)).toMatch(
      /^error\[KLP812\]: the configuration has CONFIG_ARM64: the kernel is one with CONFIG_PPC64/,
    );
  });
});

describe("what is missing", () => {
  test("a compiler, a program", { timeout: LONG }, () => {
    expect(told(shop.build(patch, "--cc", "no-such-gcc"), 3)).toMatch(/^error\[KLP816\]: no-such-gcc is not there/);
    const path = join(lab.folder, "path");
    mkdirSync(path);
    for (const name of ["powerpc64le-linux-gnu-gcc", "gcc", "sh"])
      symlinkSync(mustRun("which", [name]).trim(), join(path, name));
    const args = ["build", patch, "--source", shop.target.source, ...shop.target.about];
    expect(told(started(args, { PATH: path }), 3)).toMatch(/^error\[KLP816\]: make is not there/);
  });

  test("a place where the patch fits", { timeout: LONG }, () => {
    const more = shop.patch("more", MORE, COUNT);
    expect(told(shop.build(more), 1)).toMatch(
      /^error\[KLP803\]: the hunk does not fit at line \d+ of fs\/proc\/version\.c/,
    );
    // The source has what the patch makes of another.
    const path = "fs/proc/version.c";
    const [first, second] = ["#include <linux/utsname.h>\n", '#include "internal.h"\n'];
    const applied = shop.patch("applied", [[path, first, first + second]], [[path, second, ""]]);
    expect(told(shop.build(applied), 1)).toMatch(/^error\[KLP803\]: the patch is in fs\/proc\/version\.c already/);
  });

  test("room for the source, and room to compile", { timeout: LONG }, () => {
    const place = join(lab.folder, "small");
    mkdirSync(place);
    const args = ["build", patch, "--source", shop.target.source, ...shop.target.about];
    expect(told(inRoom(place, 64, args), 3)).toMatch(/^error\[KLP819\]: .*no space left/);
  });

  test("room while it is compiled, at each step: it is said, nothing is left, and with room the next run makes the same", {
    timeout: LONG,
  }, async () => {
    const { file } = shop.livepatch("count", patch);
    const output = join(lab.folder, "out.ko");
    const args = [
      "build",
      patch,
      "--name",
      "count",
      "--source",
      shop.target.source,
      ...shop.target.about,
      "-o",
      output,
    ];
    const source = { kind: "folder", path: realpathSync(shop.target.source) } as const;
    const folder = join(cacheFolder(process.env), sourceKey(source, makeMachines.ppc64le));
    // So that what lies below stays as it is, whatever other tests build there.
    const workspace = new Workspace(folder);
    await workspace.lock(() => true);
    const runs = ((): Ran[] => {
      try {
        return withLittleRoom(folder, ["48k", "96k", "192k", "384k", "768k", "1536k", "1g"], args);
      } finally {
        workspace.unlock();
      }
    })();
    const ends = runs.map(({ status, stderr }) => [status, /^error\[\w+\].*(?:\n {4}.*)*/m.exec(stderr)?.[0]] as const);
    const good = ends.findIndex(([status]) => status === 0);
    expect(good, JSON.stringify(runs)).toBeGreaterThan(1);
    for (const [status, text] of ends.slice(0, good)) {
      expect(status, text).toBe(3);
      expect(text).toMatch(/^error\[KLP819\]: (?:.|\n)*no\s+space\s+left/);
    }
    expect(ends.slice(good)).toEqual(ends.slice(good).map(() => [0, undefined]));
    // At least one of them was at work with make, and says at what.
    expect(ends.slice(0, good).map(([, text]) => text?.replace(/\s+/g, " "))).toContainEqual(
      expect.stringMatching(/\((?:compiles the \w+|`make modules`).*: .*(?:No space left on device|KiB are free)\)/),
    );
    expect(readFileSync(output)).toEqual(readFileSync(file));
    expect(readdirSync(lab.folder).filter((name) => /^out\.ko./.test(name))).toEqual([]);
  });
});

function started(args: readonly string[], env: Readonly<Record<string, string>>): Ran {
  const ran = spawnSync(process.execPath, ["bin/klplink.js", ...args], {
    cwd: repo,
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return { status: ran.status ?? -1, stdout: ran.stdout, stderr: ran.stderr };
}

/** A run whose cache has so many MiB, in a file system that only this run sees. */
function inRoom(place: string, size: number, args: readonly string[]): Ran {
  const script = `mount -t tmpfs -o size=${size}m none '${place}' && exec "$0" "$@"`;
  const command = ["-m", "sh", "-c", script, process.execPath, "bin/klplink.js", ...args];
  const ran = spawnSync("unshare", command, {
    cwd: repo,
    encoding: "utf8",
    env: { ...process.env, KLPLINK_CACHE: place },
  });
  return { status: ran.status ?? -1, stdout: ran.stdout, stderr: ran.stderr };
}

/**
 * Runs one after the other over a private folder that is there, in a file system of its own that only they see: in front of the folder
 * lies one of these sizes, which grows from run to run.
 */
function withLittleRoom(folder: string, sizes: readonly string[], args: readonly string[]): Ran[] {
  const place = join(lab.folder, "room");
  const said = join(lab.folder, "said");
  for (const path of [place, said]) mkdirSync(path);
  const script = `set -e
    mount -t tmpfs -o size=1g none '${place}'
    mkdir '${place}/upper' '${place}/work'
    mount -t overlay overlay -o 'lowerdir=${folder},upperdir=${place}/upper,workdir=${place}/work' '${folder}'
    rm '${folder}/lock'
    for size in ${sizes.join(" ")}; do
      mount -o "remount,size=$size" '${place}'
      status=0
      "$0" "$@" >'${said}/'$size.stdout 2>'${said}/'$size.stderr || status=$?
      echo $status >'${said}/'$size.status
    done`;
  mustRun("unshare", ["-m", "bash", "-c", script, process.execPath, join(repo, "bin/klplink.js"), ...args]);
  const read = (size: string, what: string): string => readFileSync(join(said, `${size}.${what}`), "utf8");
  return sizes.map((size) => ({
    status: Number(read(size, "status")),
    stdout: read(size, "stdout"),
    stderr: read(size, "stderr"),
  }));
}

/** The first error of a run that ended with a status, in one line. */
function told({ status, stderr }: Ran, wanted: number): string {
  expect([status, stderr]).toEqual([wanted, stderr]);
  const [, first = ""] = /^(error\[(?:.|\n(?! {2}-->))*)/m.exec(stderr) ?? [];
  return first.replace(/\s+/g, " ");
}
