// samples/kbuild with the headers of Debian's amd64 kernel 6.12: what is made anew and what is not, what is said, what is installed and
// signed; and the module in that kernel.

import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { openDistro } from "./distro.ts";
import { labOf } from "./lab.ts";
import { mustRun, type Ran, repo, run } from "./run.ts";
import { bootShell } from "./shell.ts";

const lab = labOf(import.meta.url);
const folder = join(lab.folder, "kbuild");
const map = join(lab.folder, "kernel-image");
const module = join(folder, "cmdline_patch.ko");
let kit = "";
let kernel = "";
let symvers = "";

// The headers were made for another gcc: without what this one does not know, and without BTF, for which pahole is needed.
const HOST = ["CC=x86_64-linux-gnu-gcc", "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", "CONFIG_DEBUG_INFO_BTF_MODULES="];

function make(...args: readonly string[]): Ran {
  const klplink = `${process.execPath} ${join(repo, "bin/klplink.js")}`;
  const own = [`KDIR=${join(kit, "build")}`, `KLPLINK=${klplink}`, `KLPLINK_KERNEL=${map} ${symvers}`];
  return run("make", ["-C", folder, "--no-print-directory", ...own, ...HOST, ...args]);
}

/** Lines of kbuild's and of klplink's steps: `CC`, `LD`, `KLPLINK`. */
const steps = ({ stdout }: Ran): string[] => [...stdout.matchAll(/^ {2}([A-Z]+)\b/gm)].map(([, step = ""]) => step);

const isLinked = (bytes: Uint8Array): boolean =>
  readElf(bytes).sections.findByName(".klp.rela.vmlinux..text.patched_cmdline_proc_show") !== null;

beforeAll(() => {
  kit = mustRun("bash", ["test/boot/fetch-headers.sh", "amd64", "6.12"]).trim();
  kernel = openDistro(join(kit, "kernel")).kernel;
  symvers = join(kit, "build/Module.symvers");
  cpSync(join(repo, "samples/kbuild"), folder, { recursive: true });
  cpSync(kernel, map);
});

test("one quiet line for the link, and a linked module; a second run makes nothing", { timeout: 900_000 }, () => {
  const first = make("-j2");
  expect(first, first.stderr).toMatchObject({ status: 0 });
  expect(first.stdout.split("\n").filter((line) => line.includes("KLPLINK"))).toEqual(["  KLPLINK cmdline_patch.ko"]);
  expect(steps(first).at(-1)).toBe("KLPLINK");
  expect(isLinked(readFileSync(module))).toBe(true);
  const { mtimeMs } = statSync(module);
  const second = make("-j2");
  expect(steps(second).filter((step) => ["CC", "LD", "KLPLINK"].includes(step))).toEqual([]);
  expect(statSync(module).mtimeMs).toBe(mtimeMs);
});

test("a changed map links again, and compiles nothing", () => {
  const before = readFileSync(module);
  cpSync(kernel, map);
  const ran = make();
  expect(steps(ran).filter((step) => ["CC", "LD", "KLPLINK"].includes(step))).toEqual(["KLPLINK"]);
  expect(readFileSync(module).equals(before)).toBe(true);
});

test("another map links again, though it is older than the module, and so do other options; neither does so twice", () => {
  const older = join(lab.folder, "older-image");
  cpSync(kernel, older);
  utimesSync(older, 1e9, 1e9);
  const changed = [`KLPLINK_KERNEL=${older} ${symvers}`, "KLPLINK_FLAGS=--color=never"];
  for (let n = 1; n <= changed.length; n++) {
    const args = changed.slice(0, n);
    expect(steps(make(...args)).filter((step) => ["CC", "LD", "KLPLINK"].includes(step))).toEqual(["KLPLINK"]);
    expect(steps(make(...args)).filter((step) => ["CC", "LD", "KLPLINK"].includes(step))).toEqual([]);
  }
  expect(steps(make()).filter((step) => ["CC", "LD", "KLPLINK"].includes(step))).toEqual(["KLPLINK"]);
});

test("a changed source is compiled and linked", () => {
  const source = join(folder, "cmdline_patch.c");
  writeFileSync(source, readFileSync(source, "utf8").replace("livepatched\\n", "livepatched again\\n"));
  expect(steps(make())).toEqual(expect.arrayContaining(["CC", "LD", "KLPLINK"]));
  expect(readFileSync(module).includes("livepatched again")).toBe(true);
});

test("-s says nothing, V=1 says the command", () => {
  rmSync(join(folder, ".cmdline_patch.klplink"));
  expect(make("-s").stdout).toBe("");
  rmSync(join(folder, ".cmdline_patch.klplink"));
  const { stdout } = make("V=1");
  expect(stdout).toMatch(/klplink\.js -q \.cmdline_patch\.unlinked\.ko -k \S+ -k \S+ +-o cmdline_patch\.ko/);
  expect(stdout).not.toContain("  KLPLINK");
});

test("O=: the source in one folder, the kernel's output in another", () => {
  const sources = join(kit, "usr/src");
  const common = readdirSync(sources).find((name) => name.endsWith("-common")) ?? "";
  expect(make("clean").status).toBe(0);
  const ran = make(`KDIR=${join(sources, common)}`, `O=${join(kit, "build")}`);
  expect(ran, ran.stderr).toMatchObject({ status: 0 });
  expect(isLinked(readFileSync(module))).toBe(true);
});

test("modules_install installs the linked module", () => {
  const to = join(lab.folder, "installed");
  mkdirSync(to);
  const ran = make("modules_install", `INSTALL_MOD_PATH=${to}`, "DEPMOD=true");
  expect(ran, ran.stderr).toMatchObject({ status: 0 });
  const [path = ""] = readdirSync(to, { recursive: true, encoding: "utf8" }).filter((p) => /cmdline_patch\.ko/.test(p));
  const file = join(to, path);
  if (file.endsWith(".xz")) mustRun("xz", ["-d", file]);
  expect(readFileSync(file.replace(/\.xz$/, "")).equals(readFileSync(module))).toBe(true);
});

test("the signature comes last", () => {
  const [key, certificate] = [join(lab.folder, "key.pem"), join(lab.folder, "certificate.pem")];
  const subject = ["-subj", "/CN=test", "-nodes", "-newkey", "rsa:2048"];
  mustRun("openssl", ["req", "-x509", ...subject, "-keyout", key, "-out", certificate]);
  const bare = readFileSync(module);
  rmSync(join(folder, ".cmdline_patch.klplink"));
  const ran = make(`KLPLINK_SIGN=${key} ${certificate}`);
  expect(ran, ran.stderr).toMatchObject({ status: 0 });
  expect(steps(ran).slice(-2)).toEqual(["KLPLINK", "SIGN"]);
  const signed = readFileSync(module);
  expect(signed.subarray(0, bare.length).equals(bare)).toBe(true);
  expect(signed.subarray(-28).toString("latin1")).toBe("~Module signature appended~\n");
});

test("what cannot be linked is not left there to be installed", () => {
  const empty = join(lab.folder, "empty.map");
  writeFileSync(empty, "ffffffff81000000 T _text\n");
  const ran = make(`KLPLINK_KERNEL=${empty}`);
  expect(ran.status).not.toBe(0);
  expect(ran.stderr).toContain("error[KLP");
  expect(existsSync(module)).toBe(false);
});

test("DKMS builds it, and what it would install is the linked module, not stripped", () => {
  const [dkms, bin] = [join(lab.folder, "dkms"), join(lab.folder, "bin")];
  const sources = join(dkms, "src/cmdline-patch-1.0");
  for (const path of [sources, join(dkms, "tree"), bin]) mkdirSync(path, { recursive: true });
  for (const name of ["Makefile", "klplink.mk", "cmdline_patch.c", "dkms.conf"])
    cpSync(join(repo, "samples/kbuild", name), join(sources, name));
  // The kernel lies elsewhere here; all else is as it stands.
  const conf = readFileSync(join(sources, "dkms.conf"), "utf8");
  expect(conf).toContain("/boot/vmlinuz-$kernelver ");
  writeFileSync(join(sources, "dkms.conf"), conf.replace("/boot/vmlinuz-$kernelver", map));
  const command = `#!/bin/sh\nexec ${process.execPath} ${join(repo, "bin/klplink.js")} "$@"\n`;
  writeFileSync(join(bin, "klplink"), command, { mode: 0o755 });
  const release = readFileSync(join(kit, "build/include/config/kernel.release"), "utf8").trim();
  const trees = [
    "--sourcetree",
    join(dkms, "src"),
    "--dkmstree",
    join(dkms, "tree"),
    "-m",
    "cmdline-patch",
    "-v",
    "1.0",
  ];
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, MAKEFLAGS: HOST.join(" ") };
  const call = (...args: readonly string[]): string =>
    execFileSync("dkms", args, { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  call("add", ...trees);
  call("build", ...trees, "--kernelsourcedir", join(kit, "build"), "-k", release, "-a", "x86_64");
  const made = join(dkms, "tree/cmdline-patch/1.0", release, "x86_64/module/cmdline_patch.ko");
  expect(isLinked(readFileSync(made))).toBe(true);
  const checked = run(process.execPath, [join(repo, "bin/klplink.js"), "check", made, "-k", map, "-k", symvers]);
  expect(checked, checked.stdout).toMatchObject({ status: 0 });
});

test("the kernel takes the module, which answers /proc/cmdline; clean leaves the sources", {
  timeout: 900_000,
}, async () => {
  const ran = make();
  expect(ran, ran.stderr).toMatchObject({ status: 0 });
  const files = [{ name: "cmdline_patch.ko", data: readFileSync(module) }];
  const script = "cat /proc/cmdline\ninsmod /cmdline_patch.ko\nsleep 3\ncat /proc/cmdline";
  const said = await bootShell({ arch: "x86_64", kernel, files, script, folder: lab.folder });
  const lines = said
    .replaceAll("\r", "")
    .split("\n")
    .filter((line) => line.includes("rdinit="));
  expect(lines, said).toHaveLength(2);
  expect(lines[1]).toBe(`${lines[0]} livepatched again`);
  expect(make("clean").status).toBe(0);
  expect(readdirSync(folder).sort()).toEqual(readdirSync(join(repo, "samples/kbuild")).sort());
});
