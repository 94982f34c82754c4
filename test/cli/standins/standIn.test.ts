// Commands that take the place of kpatch's tools and of `objtool klp`: arguments and exit statuses. The statuses are those of the tools
// (create-diff-object 0.9.11, objtool of 7.2); what the tools make of the same objects: test/tools/diffForms.test.ts.

import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { namedWords } from "../../../src/cli/main.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { builtCommand } from "../../built.ts";
import { load, root } from "../../helpers.ts";
import { readRelocations } from "../../klp/readBack.ts";
import { klplink } from "../run.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-standins-"));
afterAll(() => rmSync(folder, { recursive: true }));
const namesakes = join(root, "test/fixtures/diff/namesakes");
const symvers = join(folder, "Module.symvers");
writeFileSync(symvers, "0x00000000\text\tvmlinux\tEXPORT_SYMBOL\t\n0x00000000\t__fentry__\tvmlinux\tEXPORT_SYMBOL\t\n");

const at = (...parts: string[]): string => join(folder, ...parts);
const klpNames = (path: string): string[] =>
  [...new Set(readRelocations(new Uint8Array(readFileSync(path)), true).map((r) => r.symbol))].sort();

describe("create-diff-object and create-klp-module", () => {
  const args = (arch: string, object: string, output: string, which = ["orig", "patched"]): string[] => [
    ...which.map((w) => join(namesakes, `core.${arch}.${w}.o`)),
    ...[object, join(namesakes, `${object}.${arch}.readelf`), symvers, "patch", output],
  ];

  test.each(["x86_64", "arm64", "ppc64le"])("from two objects to livepatch relocations, %s", async (arch) => {
    for (const object of ["vmlinux", "mod"]) {
      const [out, module] = [at(`${object}.${arch}.o`), at(`${object}.${arch}.ko`)];
      const run = await klplink(["create-diff-object", "--klp-arch", ...args(arch, object, out)]);
      expect(run).toMatchObject({ status: 0, stderr: "" });
      const orig = join(namesakes, `core.${arch}.orig.o`);
      expect(
        run.stdout
          .split("\n")
          .filter((l) => l !== "")
          .sort(),
      ).toEqual([`${orig}: changed function: a_entry`, `${orig}: changed function: a_user`]);
      expect(await klplink(["create-klp-module", "-n", out, module])).toMatchObject({
        status: 0,
        stdout: "",
        stderr: "",
      });
      // By the source files that the listing names: those of a are the second ones.
      const names = ["a_before,0", "a_behind,0", "a_inner,0", "c_entry,0", "helper,2", "state,2", "twice,1"];
      const wanted = names.map((n) => `.klp.sym.${object}.${object === "mod" && n === "twice,1" ? "twice,2" : n}`);
      expect(klpNames(module)).toEqual(wanted);
    }
  });

  test("statuses: 3 for no change, 2 for a change that cannot be taken, 1 for a file, 64 for words", async () => {
    const out = at("status.o");
    expect(await klplink(["create-diff-object", ...args("x86_64", "mod", out, ["orig", "orig"])])).toMatchObject({
      status: 3,
      stdout: "",
      stderr: "",
    });
    const cases = join(root, "test/fixtures/diff/cases");
    const data = ["orig", "patched"].map((w) => join(cases, `data.x86_64.${w}.o`));
    const rest = args("x86_64", "mod", out).slice(2);
    const refused = await klplink(["create-diff-object", ...data, ...rest]);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain("error[KLP701]");
    expect((await klplink(["create-diff-object", "no.o", ...args("x86_64", "mod", out).slice(1)])).status).toBe(1);
    expect((await klplink(["create-diff-object", ...args("x86_64", "mod", out).slice(0, 6)])).status).toBe(64);
    expect((await klplink(["create-diff-object", "--speed", ...args("x86_64", "mod", out)])).status).toBe(64);
    const list = args("x86_64", "mod", out).with(3, symvers);
    expect(await klplink(["create-diff-object", ...list])).toMatchObject({ status: 1 });
    expect(existsSync(out)).toBe(false);
    expect((await klplink(["create-klp-module", "a"])).status).toBe(64);
    // Nothing of kpatch's is in it.
    expect((await klplink(["create-klp-module", join(namesakes, "mod.x86_64.o"), out])).status).toBe(1);
    expect(existsSync(out)).toBe(false);
  });

  test("sizes of structs come from the environment, as kpatch-build hands them over", async () => {
    const pairs = join(root, "test/fixtures/diff/pairs");
    const words = [
      ...["orig", "patched"].map((w) => join(pairs, `bug-flags.x86_64.${w}.o`)),
      ...args("x86_64", "mod", at("bug.o")).slice(2),
    ];
    const run = await klplink(["create-diff-object", ...words], { env: { BUG_STRUCT_SIZE: "24" } });
    expect(run.stderr).toContain("__bug_table");
    expect(await klplink(["create-diff-object", ...words], { env: { BUG_STRUCT_SIZE: "x" } })).toMatchObject({
      status: 1,
    });
  });

  test("what another object of the patch may define is left to the linker", async () => {
    const { symbols } = readElf(new Uint8Array(readFileSync(at("vmlinux.x86_64.o"))));
    expect(symbols).not.toBeNull();
    const only = ["     1: 0000000000000000     4 FUNC    GLOBAL DEFAULT    1 a_user", ""];
    const symtab = at("short.readelf");
    const listing = load("test/fixtures/diff/namesakes/vmlinux.x86_64.readelf");
    const lines = Buffer.from(listing).toString("latin1").split("\n");
    writeFileSync(symtab, [...lines.filter((l) => !l.endsWith(" c_entry")), ...only.slice(1)].join("\n"));
    const out = at("left.o");
    const words = args("x86_64", "vmlinux", out).with(3, symtab);
    expect(await klplink(["create-diff-object", ...words])).toMatchObject({ status: 0, stderr: "" });
    const plain = readRelocations(new Uint8Array(readFileSync(out)), false);
    expect(plain.some((r) => r.symbol === "c_entry")).toBe(true);
  });

  test("a link of the tool's name to klplink is the tool", () => {
    expect(namedWords("/usr/lib/kpatch/create-diff-object", ["a"])).toEqual(["create-diff-object", "a"]);
    expect(namedWords("/usr/bin/klplink", ["a"])).toEqual(["a"]);
    const link = at("create-klp-module");
    symlinkSync(builtCommand(), link);
    const done = spawnSync(process.execPath, [link, "one"], { encoding: "utf8" });
    expect([done.status, done.stderr.split("\n")[1]]).toEqual([
      64,
      "usage: klplink create-klp-module [-n|--no-klp-arch-sections] [-d|--debug] input.ko output.ko",
    ]);
  });
});

describe("klp diff, post-link, checksum", () => {
  test.each(["x86_64", "arm64", "ppc64le"])("of a module, in a tree with Module.symvers above, %s", async (arch) => {
    const tree = at(`tree-${arch}`);
    mkdirSync(join(tree, "orig/a"), { recursive: true });
    copyFileSync(symvers, join(tree, "Module.symvers"));
    for (const which of ["orig", "patched"])
      copyFileSync(
        join(namesakes, `core.${arch}.${which}.o`),
        join(tree, `orig/a/${which === "orig" ? "my-mod" : "new"}.o`),
      );
    const cwd = join(tree, "orig");
    expect(await klplink(["klp", "checksum", "a/my-mod.o"], { cwd })).toMatchObject({
      status: 0,
      stdout: "",
      stderr: "",
    });
    const run = await klplink(["klp", "diff", "--debug", "a/my-mod.o", "a/new.o", "out.o"], { cwd });
    expect(run).toMatchObject({ status: 0, stderr: "" });
    expect(
      run.stdout
        .split("\n")
        .filter((l) => l !== "")
        .sort(),
    ).toEqual(["a/my-mod.o: changed function: a_entry", "a/my-mod.o: changed function: a_user"]);
    expect(await klplink(["klp", "post-link", "out.o"], { cwd })).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(klpNames(join(cwd, "out.o"))).toEqual(
      ["a_before", "a_behind", "a_inner", "helper", "state", "twice"].map((n) => `.klp.sym.my_mod.${n},0`),
    );
    // A second time there is nothing left to do.
    const before = readFileSync(join(cwd, "out.o"));
    expect(await klplink(["klp", "post-link", "out.o"], { cwd })).toMatchObject({ status: 0 });
    expect(readFileSync(join(cwd, "out.o")).equals(before)).toBe(true);
    expect(await klplink(["klp", "diff", "a/new.o", "a/new.o", "same.o"], { cwd })).toMatchObject({
      status: 0,
      stdout: "",
    });
    expect(existsSync(join(cwd, "same.o"))).toBe(false);
  });

  test("of vmlinux.o, with vmlinux beside it", async () => {
    const tree = at("kernel");
    mkdirSync(tree);
    copyFileSync(symvers, join(tree, "Module.symvers"));
    copyFileSync(join(namesakes, "vmlinux.x86_64"), join(tree, "vmlinux"));
    copyFileSync(join(namesakes, "core.x86_64.orig.o"), join(tree, "vmlinux.o"));
    const words = ["vmlinux.o", join(namesakes, "core.x86_64.patched.o"), "out.o"];
    expect(await klplink(["klp", "diff", ...words], { cwd: tree })).toMatchObject({ status: 0, stderr: "" });
    expect(await klplink(["klp", "post-link", "out.o"], { cwd: tree })).toMatchObject({ status: 0 });
    expect(klpNames(join(tree, "out.o"))).toContain(".klp.sym.vmlinux.helper,2");
    rmSync(join(tree, "vmlinux"));
    const run = await klplink(["klp", "diff", ...words], { cwd: tree });
    expect([run.status, run.stderr.includes("error[KLP104]")]).toEqual([255, true]);
  });

  test("statuses: 129 and 255 for words, 255 for errors, 1 for no subcommand", async () => {
    expect(await klplink(["klp"])).toMatchObject({ status: 1 });
    expect(await klplink(["klp", "merge"])).toMatchObject({ status: 1 });
    expect(await klplink(["klp", "diff", "a"])).toMatchObject({ status: 129 });
    expect(await klplink(["klp", "checksum"])).toMatchObject({ status: 129 });
    expect(await klplink(["klp", "post-link"])).toMatchObject({ status: 255 });
    expect(await klplink(["klp", "checksum", "none.o"])).toMatchObject({ status: 255 });
    expect(await klplink(["klp", "checksum", "--dry-run", "--debug-checksum=f,g", "package.json"])).toMatchObject({
      status: 255,
    });
    expect((await klplink(["klp", "--help"])).stdout).toContain("klp post-link file.ko");
  });
});
