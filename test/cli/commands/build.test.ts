// Patches in the forms in which people have them, and what is said of each before anything is compiled. What they should give follows
// from the change that each one makes to the two lines of a source; the programs are those that stand for make and gcc in samples.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { root } from "../../helpers.ts";
import { klplink } from "../run.ts";

const fixtures = join(root, "test/fixtures/diag");
const folder = mkdtempSync(join(tmpdir(), "klplink-situations-"));
afterAll(() => rmSync(folder, { recursive: true }));

const PATH = "fs/proc/version.c";
const HUNK =
  "@@ -1,6 +1,7 @@\n // SPDX-License-Identifier: MIT\n int version(void)\n {\n+\t/* patched */\n \treturn 1;\n }\n \n";
const CHANGE = `--- a/${PATH}\n+++ b/${PATH}\n${HUNK}`;
const git = (path: string, body: string): string => `diff --git a/${path} b/${path}\n${body}`;
const made = (path: string): string =>
  git(path, `new file mode 100644\n--- /dev/null\n+++ b/${path}\n@@ -0,0 +1 @@\n+int more;\n`);
const changed = (path: string): string => git(path, `--- a/${path}\n+++ b/${path}\n@@ -1 +1,2 @@\n x\n+y\n`);
const mail = (n: number, body: string): string =>
  `From ${"0".repeat(40)} Mon Sep 17 00:00:00 2001\nFrom: A <a@b>\nSubject: [PATCH ${n}/2] x\n\ntext\n---\n fs | 1 +\n\n${body}-- \n2.39.5\n\n`;
const SECOND = git(
  PATH,
  `--- a/${PATH}\n+++ b/${PATH}\n@@ -2,7 +2,7 @@\n int version(void)\n {\n \t/* patched */\n-\treturn 1;\n+\treturn 3;\n }\n \n int other(void)\n`,
);

async function build(
  name: string,
  content: string | Uint8Array,
  ...more: string[]
): Promise<{ status: number | null; said: string }> {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  const args = ["build", path, "--source", "build/tree", "-k", "../kernel/vmlinux-x86_64", "--config", "build/config"];
  const env = { PATH: `${join(fixtures, "build/bin")}:${process.env.PATH}`, KLPLINK_CACHE: join(folder, "cache") };
  const ran = await klplink([...args, "--dry-run", ...more], { cwd: fixtures, env });
  return { status: ran.status, said: (ran.stdout + ran.stderr).replace(/\s+/g, " ") };
}

const OBJECT = "object fs/proc/version.o 1 object to compile; nothing was compiled";

describe("pipes in the place of files that are read without being named are not waited for", () => {
  const place = join(folder, "pipes");
  const run = async (...args: string[]): Promise<{ status: number | null; said: string }> => {
    const env = { PATH: `${join(fixtures, "build/bin")}:${process.env.PATH}`, KLPLINK_CACHE: join(folder, "cache") };
    const patch = join(fixtures, "build/good.patch");
    const ran = await klplink(["build", patch, "-k", join(place, "vmlinux"), "--dry-run", ...args], {
      cwd: fixtures,
      env,
    });
    return { status: ran.status, said: (ran.stdout + ran.stderr).replace(/\s+/g, " ") };
  };
  const pipe = (path: string): void => {
    rmSync(path, { force: true });
    execFileSync("mkfifo", [path]);
  };

  test(".config beside the kernel, and in the source", async () => {
    cpSync(join(fixtures, "build/tree"), join(place, "source"), { recursive: true });
    cpSync(join(fixtures, "../kernel/vmlinux-x86_64"), join(place, "vmlinux"));
    for (const path of [".config", "source/.config"]) pipe(join(place, path));
    const { status, said } = await run("--source", join(place, "source"));
    expect([status, said]).toEqual([3, expect.stringContaining("KLP823")]);
    expect(said).toContain("neither beside the kernel, nor in it, nor in the source");
  });

  test("the source's Makefile", async () => {
    pipe(join(place, "source/Makefile"));
    const { status, said } = await run("--source", join(place, "source"), "--config", "build/config");
    expect([status, said]).toEqual([3, expect.stringContaining("it is not the top folder of a kernel's source")]);
  });
});

describe("a patch", () => {
  test.each<[string, string, string | Uint8Array]>([
    ["as it is", "plain.patch", CHANGE],
    ["with the ends of line of another system", "crlf.patch", CHANGE.replaceAll("\n", "\r\n")],
    ["packed", "packed.patch.gz", gzipSync(CHANGE)],
    ["with documentation beside code", "both.patch", made("Documentation/x.rst") + CHANGE],
    ["with characters beyond ASCII", "utf8.patch", CHANGE.replace("patched", "pätched")],
    ["in a mail", "mail.patch", mail(1, git(PATH, CHANGE))],
    ["in two mails of one file, the second on top of the first", "mails", mail(1, git(PATH, CHANGE)) + mail(2, SECOND)],
  ])("%s is taken", async (_, name, content) => {
    const { status, said } = await build(name, content);
    expect([status, said]).toEqual([0, expect.stringContaining(OBJECT)]);
  });

  test("of a quilt series is taken by the series' name, or its folder's, with the -p that stands there", async () => {
    writeFileSync(join(folder, "a.patch"), CHANGE.replaceAll(" a/", " ").replaceAll(" b/", " "));
    const { status, said } = await build("series", "# first\na.patch -p0 # why\n\n");
    expect([status, said]).toEqual([0, expect.stringContaining(OBJECT)]);
    expect(await build("empty/series", "# none\n")).toMatchObject({ status: 3 });
  });

  test("is limited by --only to objects that are compiled, and what that leaves out is told", async () => {
    const named = await build("only.patch", CHANGE, "--only", "fs/proc/version.c");
    expect([named.status, named.said]).toEqual([0, expect.stringContaining(OBJECT)]);
    expect(named.said).not.toContain("left out");
    const other = await build("only.patch", CHANGE, "--only", "fs/proc/uptime.o");
    expect([other.status, other.said]).toEqual([
      1,
      expect.stringMatching(/left out fs\/proc\/version\.o: .*KLP811\]: fs\/proc\/uptime\.c is not compiled in this/),
    ]);
  });

  test.each<[string, number, RegExp, string]>([
    [
      "renames a source",
      1,
      /KLP810\].*leave the renaming out/,
      git(PATH, `similarity index 100%\nrename from ${PATH}\nrename to fs/proc/v.c\n`),
    ],
    [
      "makes a source that no makefile names",
      1,
      /KLP810\]: .*fs\/proc\/more\.c.*a new source file/,
      made("fs/proc/more.c"),
    ],
    [
      "makes a header that nothing includes",
      0,
      /unused fs\/proc\/more\.h: nothing that is compiled includes it/,
      made("fs/proc/more.h"),
    ],
    [
      "is for documentation alone",
      0,
      /nothing that is compiled in this configuration includes/,
      made("Documentation/x.rst"),
    ],
    ["changes a makefile", 1, /KLP810\]: .*fs\/proc\/Makefile/, changed("fs/proc/Makefile")],
    ["changes Kconfig", 1, /KLP810\]: .*Kconfig.*it configures the build/, changed("fs/proc/Kconfig")],
    ["changes assembler", 1, /KLP810\]: .*entry_64\.S/, changed("arch/x86/entry/entry_64.S")],
    ["changes what the kernel does when it starts", 1, /KLP810\]: .*init\/main\.c/, changed("init/main.c")],
    [
      "does not fit",
      1,
      /KLP803\]: .* the patch has `return 9;` there, the source has `return 1;`/,
      CHANGE.replace("return 1", "return 9"),
    ],
    [
      "has a hook of kpatch's own core",
      1,
      /KLP826\]: the patch uses KPATCH_LOAD_HOOK\(begin\).*x\.patch:7 .*KPATCH_PRE_PATCH_CALLBACK/,
      CHANGE.replace("\t/* patched */", "KPATCH_LOAD_HOOK(begin);"),
    ],
    [
      "has paths without a part to cut off",
      1,
      /KLP804\]: .* `-p N` says/,
      CHANGE.replaceAll(" a/", " ").replaceAll(" b/", " "),
    ],
    ["is empty", 3, /KLP801\]: .*there is no diff in it/, ""],
    ["is a text", 3, /KLP801\]: .*there is no diff in it/, "hello\n"],
  ])("that %s", async (_, status, says, content) => {
    const ran = await build("x.patch", content);
    expect([ran.status, ran.said]).toEqual([status, expect.stringMatching(says)]);
    expect(ran.said).not.toMatch(/KLP8.*nothing was compiled/);
  });
});
