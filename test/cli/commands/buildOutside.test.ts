// Code that a build leaves alone, and that goes by the absence of a name that the patch defines. What is expected follows from
// test/fixtures/diff/trees/src/{defines,asks}.c; programs that copy the objects of these stand for make and gcc.

import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { uncheckedNames } from "../../../src/cli/commands/buildReport.ts";
import { root } from "../../helpers.ts";
import { klplink } from "../run.ts";

const fixtures = join(root, "test/fixtures/diag");
const objects = join(root, "test/fixtures/diff/trees/weak");
const folder = mkdtempSync(join(tmpdir(), "klplink-outside-"));
afterAll(() => rmSync(folder, { recursive: true }));

const bin = join(folder, "bin");
cpSync(join(fixtures, "build/bin"), bin, { recursive: true });
const MAKE = `#!/bin/sh
out=. tree=. module= file=
for word; do
  case $word in
  O=*) out=\${word#O=} ;;
  M=*) module=\${word#M=} ;;
  file=*) file=\${word#file=} ;;
  esac
  target=$word
done
while [ $# -gt 0 ]; do
  [ "$1" = -C ] && tree=$2
  shift
done
side=orig
case $target in
klplink-nothing) [ "\${file%/proc/Makefile}" = "$file" ] || echo "klplink-objects version.o" ;;
*.o)
  grep -q patched "$tree/fs/proc/version.c" && side=patched
  mkdir -p "$out/fs/proc"
  owner='gcc -c'
  grep -q TEST_MODULE "$out/.config" && owner="gcc -DMODULE -DKBUILD_MODNAME='\\"tank\\"' -c"
  echo "savedcmd_fs/proc/version.o := $owner" >"$out/fs/proc/.version.o.cmd"
  cp "${objects}/$side/fs/defines.o" "$out/fs/proc/version.o" ;;
modules)
  grep -q patched "$module/tank.c" && side=patched
  cp "${objects}/$side/fs/defines.o" "$module/tank.o"
  cp "$module/tank.note" "$module/.tank.o.cmd"
  for name in asks both; do
    [ -e "$module/$name.note" ] && [ $name != asks -o ! -e "$module/asks.o" ] || continue
    cp "${objects}/$side/fs/$name.o" "$module"
    cp "$module/$name.note" "$module/.$name.o.cmd"
  done ;;
esac
exit 0
`;
writeFileSync(join(bin, "make"), MAKE);
chmodSync(join(bin, "make"), 0o755);

interface Told {
  readonly problems: readonly { readonly code: string; readonly data: Readonly<Record<string, unknown>> }[];
  readonly unknown: readonly string[] | null;
}

/** What is told of it; the rest of the build has no kernel to be for. @param patch and what it is of */
async function build(patch: string, ...more: readonly string[]): Promise<Told> {
  const kernel = more.includes("-k") ? [] : ["-k", "../kernel/vmlinux-x86_64"];
  const args = ["build", patch, ...kernel, ...more, "--format", "json", "-o", join(folder, "out.ko")];
  const env = { PATH: `${bin}:${process.env.PATH}`, KLPLINK_CACHE: join(folder, "cache") };
  const { stdout, stderr } = await klplink(args, { cwd: fixtures, env });
  expect(stderr).toBe("");
  const files: { problems: Told["problems"]; weakUsersUnknown?: readonly string[] }[] = JSON.parse(stdout).files;
  return {
    problems: files.flatMap((f) => f.problems).filter((p) => p.code === "KLP746"),
    unknown: files.at(-1)?.weakUsersUnknown ?? null,
  };
}

const hook = (places: readonly unknown[]): unknown => ({ data: { name: "hook", isFunction: true, places } });
const limit = (places: readonly unknown[]): unknown => ({ data: { name: "limit", isFunction: false, places } });

describe("of a kernel's source", () => {
  const patch = ["build/good.patch", "--source", "build/tree"] as const;
  const source = [...patch, "--config", "build/config"] as const;

  /** A folder in which the kernel was built, with objects that go by the names, and those that are made of them or for others. */
  function built(name: string, config: string): string {
    const at = join(folder, name);
    for (const below of ["init", "fs", "drv", "scripts"]) mkdirSync(join(at, below), { recursive: true });
    cpSync(join(fixtures, "../kernel/vmlinux-x86_64"), join(at, "vmlinux"));
    cpSync(join(fixtures, config), join(at, ".config"));
    for (const empty of ["modules.order", "init/.main.o.cmd"]) writeFileSync(join(at, empty), "");
    const object = (path: string, from: string, command: string): void => {
      cpSync(join(objects, "orig/fs", from), join(at, path));
      writeFileSync(join(at, path.replace(/[^/]*$/, ".$&.cmd")), `savedcmd_${path} := ${command} \n`);
    };
    const module = `gcc -D__KERNEL__ -DMODULE -DKBUILD_MODNAME='"comp"' -c -o x x.c`;
    object("fs/asks.o", "asks.o", `gcc -D__KERNEL__ -c -o fs/asks.o fs/asks.c`);
    object("drv/both.o", "both.o", module);
    object("drv/comp.o", "both.o", "ld -r -o drv/comp.o @drv/comp.mod");
    object("scripts/host.o", "asks.o", "gcc -c -o scripts/host.o scripts/host.c");
    // The patched source's own object is compared.
    mkdirSync(join(at, "fs/proc"));
    object("fs/proc/version.o", "asks.o", `gcc -D__KERNEL__ -c -o fs/proc/version.o fs/proc/version.c`);
    return at;
  }

  test("functions and variables of a folder in which the kernel was built are named, each once", async () => {
    const { problems, unknown } = await build(...source, "-k", built("built", "build/config"));
    expect(problems).toMatchObject([
      hook([
        { file: "drv/both.o", users: ["asks_both", "changes"] },
        { file: "fs/asks.o", users: ["asks"] },
      ]),
      limit([
        { file: "drv/both.o", users: ["reads_both"] },
        { file: "fs/asks.o", users: ["reads"] },
      ]),
    ]);
    expect(unknown).toBeNull();
  });

  test("where there is none, or one of another configuration, the names are told of which nothing is known", async () => {
    expect(await build(...source)).toEqual({ problems: [], unknown: ["hook", "limit"] });
    const other = built("other", "build/other-compiler.config");
    expect(await build(...source, "-k", other)).toEqual({ problems: [], unknown: ["hook", "limit"] });
  });

  test("and where not all of the folder can be read", async () => {
    const at = built("unread", "build/config");
    // The superuser may read all, but not a name of 300 bytes.
    symlinkSync("x".repeat(300), join(at, "fs/long.o"));
    const { problems, unknown } = await build(...source, "-k", at);
    expect(problems.map((p) => p.data.name)).toEqual(["hook", "limit"]);
    expect(unknown).toEqual(["hook", "limit"]);
  });

  test("of a module its own file tells whether something of it goes by a name", async () => {
    const config = join(folder, "module.config");
    writeFileSync(config, `${readFileSync(join(fixtures, "build/config"), "utf8")}CONFIG_TEST_MODULE=y\n`);
    const unknownWith = async (object: string): Promise<readonly string[] | null> => {
      cpSync(object, join(folder, "tank.ko"));
      const found = await build(...patch, "--config", config, "-m", join(folder, "tank.ko"));
      expect(found.problems).toEqual([]);
      return found.unknown;
    };
    expect(await unknownWith(join(objects, "orig/fs/defines.o"))).toBeNull();
    expect(await unknownWith(join(objects, "orig/fs/asks.o"))).toEqual(["hook", "limit"]);
  });
});

// What includes a patched file is compiled again, and stays the same.
test.each([
  ["other objects of its folder", "asks", "include/x.h", ["asks"], ["reads"]],
  ["objects that are compiled again and stay the same", "asks", "/m/tank.c", ["asks"], ["reads"]],
  ["what stays the same of one that differs", "both", "/m/tank.c", ["asks_both"], ["reads_both"]],
] as const)("of a module out of the tree, in %s", async (name, user, included, calling, reading) => {
  const at = join(folder, name);
  const [source, patch, headers, module] = [
    join(at, "tank"),
    join(at, "x.patch"),
    join(at, "headers"),
    join(at, "tank.ko"),
  ];
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, "Kbuild"), "obj-m := tank.o\n");
  writeFileSync(join(source, "tank.c"), "int tank;\n");
  for (const [object, reads] of [
    ["tank", "include/x.h"],
    [user, included],
  ] as const) {
    const command = `gcc -D__KERNEL__ -DMODULE -DKBUILD_MODNAME='"tank"' -c -o ${object}.o ${object}.c`;
    const made = `source_${object}.o := /m/${object}.c\n\ndeps_${object}.o := \\\n  ${reads} \\\n\n`;
    writeFileSync(join(source, `${object}.note`), `savedcmd_${object}.o := ${command} \n\n${made}`);
  }
  writeFileSync(patch, "--- a/tank.c\n+++ b/tank.c\n@@ -1 +1,2 @@\n int tank;\n+int patched;\n");
  cpSync(join(objects, "orig/fs/defines.o"), module);
  cpSync(join(fixtures, "build/headers"), headers, { recursive: true });
  writeFileSync(join(headers, "include/config/kernel.release"), "6.12.9-demo+\n");
  expect(await build(patch, "--oot", source, "--source", headers, "-m", module)).toMatchObject({
    problems: [hook([{ file: `${user}.o`, users: calling }]), limit([{ file: `${user}.o`, users: reading }])],
    unknown: null,
  });
});

test("what is not known stands behind what was not checked, of many names the first ones", () => {
  const names = ["a", "b", "c", "d", "e", "f\x1b", "g", "h"];
  expect(uncheckedNames([])).toEqual([]);
  expect(uncheckedNames(names.slice(0, 1))).toEqual([
    "whether other code goes by the absence of a (-k FOLDER, in which the kernel was built)",
  ]);
  expect(uncheckedNames(names)[0]).toContain("absence of a, b, c, d, e, f\\x1b and 2 more (-k");
});
