// A module that a driver of another project made with klplink in the place of its tools, in a kernel: DRIVERS_KERNEL and DRIVERS_MODULE.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { boot, PC } from "../../test/boot/boot.ts";
import { mustRun } from "../../test/boot/run.ts";

test("the livepatch is in force, its callbacks run, it is disabled and removed", async () => {
  const { DRIVERS_KERNEL: kernel = "", DRIVERS_MODULE: module = "" } = process.env;
  const folder = mkdtempSync(join(tmpdir(), "klplink-drivers-"));
  const init = join(folder, "init");
  mustRun("x86_64-linux-gnu-gcc", ["-static", "-O2", "-o", init, "test/boot/guest.c"]);
  const name = "livepatch_drivers";
  const script = [
    "read /proc/version",
    `insmod /${name}.ko`,
    `wait /sys/kernel/livepatch/${name}/transition 0`,
    "read /proc/version",
    "read /proc/version",
    `write /sys/kernel/livepatch/${name}/enabled 0`,
    `gone /sys/kernel/livepatch/${name}`,
    "read /proc/version",
    `rmmod ${name}`,
    "read /proc/version",
  ];
  const files = [{ name: `${name}.ko`, data: readFileSync(module) }];
  const { steps, complete } = await boot(kernel, readFileSync(init), files, script, PC);
  rmSync(folder, { recursive: true });
  const before = steps[0]?.output ?? "";
  expect(before).toMatch(/^Linux version /);
  // The shadow variable that the pre-patch callback made counts, and so does the static variable of a function that is new.
  const outputs = steps.map((s) => s.output);
  expect(steps.map((s) => s.result)).toEqual(steps.map(() => 0));
  expect(outputs.filter((_, i) => /^read/.test(script[i] ?? ""))).toEqual([
    before,
    `patched: read 1, shown 1\n${before}`,
    `patched: read 2, shown 2\n${before}`,
    before,
    before,
  ]);
  expect(steps.flatMap((s) => s.log.filter((l) => l.level < 4))).toEqual([]);
  expect(complete).toBe(true);
});
