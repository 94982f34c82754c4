// `klplink doctor` on a machine that a test makes: what it finds, and what it says is missing.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { klplink } from "../run.ts";

const root = mkdtempSync(join(tmpdir(), "klplink-doctor-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text = "", mode = 0o644): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
}

const doctor = (...more: string[]): ReturnType<typeof klplink> =>
  klplink(["doctor", "--root", root, ...more], {
    env: { PATH: "/usr/bin:/opt/bin", KLPLINK_CACHE: join(root, "cache") },
  });

interface Document {
  readonly kernels: readonly { name: string; files: string[]; modules: boolean; runs: boolean }[];
  readonly commands: readonly { command: string; missing: { what: string }[] }[];
  readonly cache: { folder: string; writable: boolean };
}

test("an empty machine: no kernel, and all that a build needs is missing", async () => {
  const { status, stdout } = await doctor();
  expect(status).toBe(0);
  expect(stdout).toMatch(/Kernels\n {2}none: give the files of another machine's kernel with -k/);
  expect(stdout).toMatch(/build \(arm64\) +missing: make, flex, bison, bc, perl, tar, (?:aarch64-linux-gnu-)?gcc\n/);
  expect(stdout).toMatch(/verify +with --root only/);
});

test("what is there is found, and what is missing named with its package", async () => {
  put("etc/os-release", 'NAME="Some Linux"\nID=mint\nID_LIKE="ubuntu debian"\n');
  for (const name of ["make", "flex", "bison", "bc", "perl", "tar", "gcc"]) put(`usr/bin/${name}`, "", 0o755);
  put("opt/bin/aarch64-linux-gnu-gcc", "", 0o755);
  put("usr/bin/x86_64-linux-gnu-gcc", "", 0o755);
  put("usr/include/x86_64-linux-gnu/openssl/evp.h");
  put("usr/bin/git", "", 0o644); // not a program
  put("boot/vmlinuz-6.1.0-9-amd64", "x");
  put("boot/config-6.1.0-9-amd64", "x");
  put("boot/System.map-6.12.1", "x".repeat(5000));
  put("lib/modules/6.1.0-9-amd64/kernel/fs/ext4.ko");
  put("lib/modules/6.99.0-headers/build/Makefile");
  const { stdout } = await doctor();
  expect(stdout).toMatch(/6\.1\.0-9-amd64 +kernel \S+\/boot\/vmlinuz-6\.1\.0-9-amd64, config \S+, modules\n/);
  expect(stdout).toMatch(/6\.12\.1 +map \S+\/boot\/System\.map-6\.12\.1\n/);
  expect(stdout).not.toContain("6.99.0-headers");
  expect(stdout).toMatch(/build \(arm64\) +ready\n/);
  expect(stdout).toMatch(/build \(x86_64\) +missing: headers of libelf \(`apt-get install libelf-dev`\)\n/);
  expect(stdout).toMatch(
    /build \(powerpc\) +missing: powerpc64le-linux-gnu-gcc, headers of libelf \(`apt-get install gcc-powerpc64le-linux-gnu libelf-dev`\)\n/,
  );
  expect(stdout).toMatch(/build --rev +missing: git \(`apt-get install git`\)\n/);
  expect(stdout).toMatch(/build --sign +ready\n/);
});

test("JSON has the same", async () => {
  const document = JSON.parse((await doctor("--format", "json")).stdout) as Document;
  expect(document).toMatchObject({
    schema: "klplink-doctor/1",
    cache: { folder: join(root, "cache"), writable: true },
  });
  expect(document.kernels.map(({ name, modules, runs }) => ({ name, modules, runs }))).toEqual([
    { name: "6.1.0-9-amd64", modules: true, runs: false },
    { name: "6.12.1", modules: false, runs: false },
  ]);
  const missing = document.commands.find((c) => c.command === "build (x86_64)")?.missing.map((m) => m.what);
  expect(missing).toEqual(["headers of libelf"]);
});

test.each([
  ["fedora", "dnf install elfutils-libelf-devel"],
  ["opensuse-leap\nID_LIKE=suse", "zypper install libelf-devel"],
  ["other", null],
])("packages of %s", async (id, command) => {
  put("etc/os-release", `ID=${id}\n`);
  const { stdout } = await doctor();
  if (command === null) expect(stdout).toMatch(/missing: headers of libelf\n/);
  else expect(stdout).toContain(`missing: headers of libelf (\`${command}\`)`);
});

test("on this machine: the kernel that runs is named, and every line says something", async () => {
  const { status, stdout } = await klplink(["doctor"]);
  expect(status).toBe(0);
  expect(stdout).toContain("it runs");
  for (const line of stdout.split("\n")) if (line.startsWith("  ")) expect(line.trim()).toMatch(/\S {2,}\S/);
});
