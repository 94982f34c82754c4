// A livepatch for modules of a kernel with link-time optimisation, one of a single file and one of several, in that kernel. DRIVERS_FOLDER has both.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { boot, PC } from "../../test/boot/boot.ts";
import { mustRun } from "../../test/boot/run.ts";

const { DRIVERS_FOLDER: folder = "" } = process.env;
const modules = ["samples/kobject/kobject-example", "fs/configfs/configfs", "samples/configfs/configfs_sample"];

test("the livepatch is in force for both modules, is disabled and removed", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "klplink-drivers-"));
  const init = join(scratch, "init");
  mustRun("x86_64-linux-gnu-gcc", ["-static", "-O2", "-o", init, "test/boot/guest.c"]);
  const foo = "read /sys/kernel/kobject_example/foo";
  // A number that counts its reads.
  const shown = "read /sys/kernel/config/01-childless/showme";
  const script = [
    ...modules.map((m) => `insmod /${m.replace(/.*\//, "")}.ko`),
    "mount configfs /sys/kernel/config",
    foo,
    shown,
    "insmod /livepatch_lto_build.ko",
    "wait /sys/kernel/livepatch/livepatch_lto_build/transition 0",
    foo,
    shown,
    shown,
    "write /sys/kernel/livepatch/livepatch_lto_build/enabled 0",
    "gone /sys/kernel/livepatch/livepatch_lto_build",
    foo,
    shown,
    "rmmod livepatch_lto_build",
    shown,
  ];
  const files = [
    { name: "livepatch_lto_build.ko", data: readFileSync(join(folder, "livepatch-lto-build.ko")) },
    ...modules.map((m) => ({
      name: `${m.replace(/.*\//, "")}.ko`,
      data: readFileSync(join(folder, `kernel/${m}.ko`)),
    })),
  ];
  const image = join(folder, "kernel/arch/x86/boot/bzImage");
  const { steps, complete } = await boot(image, readFileSync(init), files, script, PC);
  rmSync(scratch, { recursive: true });
  expect(steps.map((s) => s.result)).toEqual(steps.map(() => 0));
  expect(steps.filter((_, i) => /^read/.test(script[i] ?? "")).map((s) => s.output)).toEqual([
    "0\n",
    "0\n",
    "foo is 0\n",
    "1\npatched, read 1\n",
    "2\npatched, read 2\n",
    "0\n",
    "3\n",
    "4\n",
  ]);
  expect(steps.flatMap((s) => s.log.filter((l) => l.level < 4))).toEqual([]);
  expect(complete).toBe(true);
});
