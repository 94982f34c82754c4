// Which modules an object is linked into, as GNU make reads a makefile's lists.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeMachines } from "../../src/build/machines.ts";
import { Programs } from "../../src/build/make.ts";
import { KernelMakefiles } from "../../src/build/objects.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-makefiles-"));
const files = {
  "out/include/config/auto.conf": "CONFIG_FS=m\nCONFIG_BUILT=y\n",
  "tree/scripts/Kbuild.include": "",
  "tree/fs/Makefile": `obj-$(CONFIG_FS) += two.o one.o
two-y := a.o sub/b.o
two-$(CONFIG_FS) += c.o
two-$(CONFIG_ABSENT) += d.o
obj-m += other.o both.o
other-objs := a.o
obj-$(CONFIG_BUILT) += built.o both.o
built-y := e.o
`,
};
beforeAll(() => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

// Documentation/kbuild/makefiles.rst: composite objects, and that what is in obj-y and obj-m is built in.
test.each([
  ["fs/one.o", ["fs/one.o"]],
  ["fs/two.o", ["fs/two.o"]],
  ["fs/a.o", ["fs/two.o", "fs/other.o"]],
  ["fs/sub/b.o", ["fs/two.o"]],
  ["fs/c.o", ["fs/two.o"]],
  ["fs/d.o", []],
  ["fs/built.o", []],
  ["fs/e.o", []],
  ["fs/both.o", []],
])("%s is linked into %j", async (object, modules) => {
  const makefiles = new KernelMakefiles(
    join(folder, "tree"),
    join(folder, "out"),
    makeMachines.x86_64,
    new Programs(process.env),
    [],
  );
  expect((await makefiles.modulesOf(object)).sort()).toEqual([...modules].sort());
});
