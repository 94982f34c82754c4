import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fromLatin1 } from "../../../src/base/bytes.ts";
import { readModuleList, readThinArchive } from "../../../src/kernel/tree/memberLists.ts";
import { root } from "../../helpers.ts";

const folder = join(root, "test/fixtures/trees");

test.each(["6.1", "6.12", "7.2"])("what kbuild of %s says of which objects a module is made of", (series) => {
  const list = (name: string): string[] =>
    readModuleList(readFileSync(join(folder, series, `${name}.mod`), "latin1")).map((path) =>
      path.replace(/^(?:\/src\/module|\.)\//, ""),
    );
  expect(list("comp")).toEqual(["a.o", "sub/b.o", "shared.o"]);
  expect(list("dash-ed")).toEqual(["d.o", "shared.o"]);
  expect(list("single")).toEqual(["single.o"]);
});

test("before 6.0 all objects stand in one line, and symbols in the next", () => {
  expect(readModuleList("fs/a.o fs/b.o\n init_module printk\n")).toEqual(["fs/a.o", "fs/b.o"]);
});

test("members of the kernel's archive, short and long names", () => {
  const members = readThinArchive(readFileSync(join(folder, "kernel/vmlinux.a"))) ?? [];
  // As `ar t` prints them.
  expect(members).toEqual(readFileSync(join(folder, "vmlinux.a.txt"), "latin1").trim().split("\n"));
});

test("cut short, the list ends; what is no thin archive is none", () => {
  const bytes = readFileSync(join(folder, "kernel/vmlinux.a"));
  const all = readThinArchive(bytes) ?? [];
  for (const length of [9, 60, 68, 69, 1000, 30_000, bytes.length - 1]) {
    const found = readThinArchive(bytes.subarray(0, length)) ?? [];
    expect(found.length).toBeLessThan(all.length + 1);
    for (const name of found) expect(name.length).toBeLessThan(4097);
  }
  expect(readThinArchive(fromLatin1("!<arch>\n"))).toBeNull();
  expect(readThinArchive(new Uint8Array(0))).toBeNull();
});
