// Checksums of exports: as kbuild notes them, compared with the kernel's, and as Module.symvers has them.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { notedVersions, symversOf, versionProblems } from "../../../src/build/compiled/versions.ts";
import type { Export } from "../../../src/kernel/symbols/exports.ts";
import { parseSymvers } from "../../../src/kernel/symbols/symvers.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-versions-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const exported = (name: string, crc: number | null, more: Partial<Export> = {}): Export => ({
  name,
  owner: "vmlinux",
  crc,
  gplOnly: false,
  namespace: "",
  ...more,
});

test("are read from a command file as kbuild 6.1 writes it", () => {
  const file = join(folder, ".generic.o.cmd");
  // The end of fs/proc/.generic.o.cmd of Debian's 6.1.176, shortened.
  const end = "$(deps_fs/proc/generic.o):\n\n#SYMVER remove_proc_entry 0xdb49c8c8\n#SYMVER PDE_DATA 0x00000012\n";
  writeFileSync(file, `cmd_fs/proc/generic.o := gcc -DX='#SYMVER no 0x1' -c\n\n${end}`);
  expect([...notedVersions(file)]).toEqual([
    ["remove_proc_entry", 0xdb49c8c8],
    ["PDE_DATA", 0x12],
  ]);
  expect(notedVersions(join(folder, "absent")).size).toBe(0);
});

test("that differ from the kernel's, or change, are named", () => {
  const orig = new Map([
    ["same", 1],
    ["other", 2],
    ["unknown", 3],
    ["changes", 4],
  ]);
  const patched = new Map([...orig, ["changes", 5], ["new", 6]] as const);
  const kernel = new Map([exported("same", 1), exported("other", 9), exported("changes", 4)].map((e) => [e.name, e]));
  const found = versionProblems([{ path: "a.o", versions: { orig, patched } }], (name) => kernel.get(name) ?? null);
  expect(found.map(({ code, data }) => [code, data])).toEqual([
    ["KLP820", { symbols: ["other"], all: 4 }],
    ["KLP821", { symbols: ["changes"] }],
  ]);
});

test("of a kernel make a Module.symvers that says the same", () => {
  const all = [exported("a", 0x12), exported("b", 0xffffffff, { gplOnly: true, namespace: "NS" })];
  expect(parseSymvers(Buffer.from(symversOf(all) ?? ""))).toEqual(all);
  expect(symversOf([...all, exported("c", null)])).toBeNull();
  expect(symversOf([])).toBeNull();
});
