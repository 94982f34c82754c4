// The file of a module that is named as the kernel names it.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findModuleFiles, isPath, ModuleFolders } from "../../../../src/cli/files/kernel/findModule.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "klplink-find-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), "");
  }
}
const find = (name: string, ...below: string[]): string[] =>
  findModuleFiles(
    name,
    (below.length === 0 ? ["a"] : below).map((f) => join(folder, f)),
  ).map((path) => path.slice(folder.length + 1));

test("packed or not, with - or _, in any folder", () => {
  put("a/kernel/net/nf-tables.ko.xz", "a/kernel/fs/ext4.ko", "a/updates/late.ko.zst", "a/kernel/fs/ext4.ko.txt");
  expect(find("nf_tables")).toEqual(["a/kernel/net/nf-tables.ko.xz"]);
  expect(find("nf-tables")).toEqual(["a/kernel/net/nf-tables.ko.xz"]);
  expect(find("ext4")).toEqual(["a/kernel/fs/ext4.ko"]);
  expect(find("late")).toEqual(["a/updates/late.ko.zst"]);
  expect(find("xt4")).toEqual([]);
});

test("the one that modprobe's list names; without a list, all of the name", () => {
  put("a/kernel/fs/ext4.ko", "a/updates/ext4.ko");
  expect(find("ext4")).toEqual(["a/kernel/fs/ext4.ko", "a/updates/ext4.ko"]);
  writeFileSync(
    join(folder, "a/modules.dep"),
    "kernel/lib/gone.ko:\nupdates/ext4.ko: kernel/lib/crc16.ko kernel/fs/jbd2.ko\n",
  );
  expect(find("ext4")).toEqual(["a/updates/ext4.ko"]);
  // Listed, but not there.
  expect(find("gone")).toEqual([]);
  const folders = new ModuleFolders([join(folder, "none"), join(folder, "a")]);
  expect(folders.needs("ext4")).toEqual(["crc16", "jbd2"]);
  expect(folders.needs("gone")).toEqual([]);
  expect(folders.needs("nothing")).toEqual([]);
});

test("folders in their order", () => {
  put("b/klp.ko", "c/klp.ko");
  expect(find("klp", "a", "b", "c")).toEqual(["b/klp.ko"]);
});

test("links: of a file, of a folder, of nothing, and of the folder that it is in", () => {
  put("a/kernel/ext4.ko", "elsewhere/build/nfs.ko");
  symlinkSync("ext4.ko", join(folder, "a/kernel/crc16.ko"));
  symlinkSync(join(folder, "elsewhere/build"), join(folder, "a/build"));
  symlinkSync(join(folder, "none"), join(folder, "a/source"));
  expect(find("crc16")).toEqual(["a/kernel/crc16.ko"]);
  expect(find("nfs")).toEqual(["a/build/nfs.ko"]);
  symlinkSync(".", join(folder, "elsewhere/build/self"));
  // As the system follows it, so many times.
  expect(find("nfs")[0]).toBe("a/build/nfs.ko");
  expect(find("ext4")).toEqual(["a/kernel/ext4.ko"]);
});

test("names and paths", () => {
  for (const path of ["-", "./ext4", "a/b", "ext4.ko", "ext4.ko.xz", "mod.o"]) expect(isPath(path), path).toBe(true);
  for (const name of ["ext4", "nf-tables", "snd_hda_intel"]) expect(isPath(name), name).toBe(false);
});

test("links that lead in circles, or many ways to one folder: each is looked at once", () => {
  put("a/kernel/fs/ext4.ko");
  const depth = 40;
  for (let i = 0; i < depth; i++) {
    put(`a/${i}/m${i}.ko`);
    for (const way of ["one", "two"]) symlinkSync(`../${(i + 1) % depth}`, join(folder, `a/${i}/${way}`));
  }
  expect(find("m39")).toEqual(["a/39/m39.ko"]);
  // From elsewhere, where links alone lead on.
  symlinkSync(join(folder, "a/0"), join(folder, "in"));
  mkdirSync(join(folder, "b"));
  symlinkSync("../in", join(folder, "b/x"));
  symlinkSync("../in", join(folder, "b/y"));
  expect(find("m9", "b")).toHaveLength(1);
});
