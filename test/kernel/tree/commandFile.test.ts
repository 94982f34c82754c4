import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readBuildCommand } from "../../../src/kernel/tree/commandFile.ts";
import { root } from "../../helpers.ts";

const folder = join(root, "test/fixtures/trees");
const read = (path: string) => readBuildCommand(readFileSync(join(folder, path), "latin1"));

// What kbuild wrote (make.sh); what is expected follows from fixtures/trees/module/Kbuild.
describe.each(["6.1", "6.12", "7.2"])("a module's files of %s", (series) => {
  test.each([
    ["a.o", ["comp"]],
    ["sub/b.o", ["comp"]],
    ["d.o", ["dash_ed"]],
    ["shared.o", ["comp", "dash_ed"]],
    ["single.o", ["single"]],
  ])("%s", (object, modules) => {
    const slash = object.lastIndexOf("/") + 1;
    const command = read(`${series}/${object.slice(0, slash)}.${object.slice(slash)}.cmd`);
    expect(command).toMatchObject({ kind: "compiled", isKernel: true, isModule: true, isApart: false, modules });
    expect(command?.target.endsWith(object)).toBe(true);
  });
  test("what is linked of others is said to be", () => {
    expect(read(`${series}/.comp.o.cmd`)?.kind).toBe("linked");
  });
});

describe("files of a 6.12 kernel", () => {
  const of = (path: string) => {
    const slash = path.lastIndexOf("/") + 1;
    return read(`kernel/${path.slice(0, slash)}.${path.slice(slash)}.cmd`);
  };
  test.each(["fs/proc/meminfo.o", "kernel/sched/core.o", "arch/x86/entry/vdso/vma.o", "lib/string.o"])("%s", (path) => {
    expect(of(path)).toMatchObject({ kind: "compiled", isKernel: true, isModule: false, isApart: false, modules: [] });
  });
  test("of a module", () => {
    expect(of("fs/ext2/balloc.o")).toMatchObject({ isModule: true, modules: ["ext2"] });
    expect(of("fs/ext2/ext2.o")?.kind).toBe("linked");
  });
  test.each(["arch/x86/entry/vdso/vclock_gettime.o", "arch/x86/realmode/rm/header.o"])("%s runs elsewhere", (path) => {
    expect(of(path)?.isApart).toBe(true);
  });
  test("a program of the build is not for the kernel", () => {
    expect(of("scripts/mod/modpost.o")).toMatchObject({ kind: "compiled", isKernel: false });
  });
});

test("all files that kbuild wrote are read", () => {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".cmd"));
  expect(files.length).toBeGreaterThan(25);
  for (const file of files) expect(read(file), file).not.toBeNull();
});

test.each(["", "\n", "cmd_ := x", "cmd_x", "deps_x := y", "savedcmd_x :=\n-c", "\0\0\xff"])("%j is none", (text) => {
  expect(readBuildCommand(text)).toBeNull();
});
