// Three modules of one patch for the kernel's own code and a module: klp-build with klplink in the place of objtool, klplink up to the last step and
// objtool's there, and objtool alone. What they replace and refer to is the same, and a kernel runs them. DRIVERS_FOLDER has them.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { boot, PC } from "../../test/boot/boot.ts";
import { mustRun } from "../../test/boot/run.ts";
import { meaning } from "../../test/klp/producers/originals.ts";
import { differences, madeOf } from "../../test/tools/takenBy.ts";

const { DRIVERS_FOLDER: folder = "" } = process.env;
const names = ["klplink", "mixed", "objtool"];
const pathOf = (name: string): string => join(folder, `livepatch-${name}.ko`);
/** What a tool took out of an object: folders of objects that klp-build keeps beside the modules. */
const taken = (name: string, object: string) =>
  madeOf(join(folder, `taken-${name}`), object, { status: 0, said: "" }, [0], true);

test.each([
  ["vmlinux.o", "version_proc_show"],
  ["samples/kobject/kobject-example.o", "foo_show"],
])("of %s the same is taken: %s and what it refers to, by meaning", (object, replaced) => {
  const [ours, theirs] = [taken("klplink", object), taken("objtool", object)];
  expect(ours).toEqual(expect.objectContaining({ replaced: [replaced] }));
  expect(differences(ours, theirs)).toEqual([]);
});

test("klplink and objtool finish the same objects to the same", () => {
  const [ours, theirs] = ["klplink", "mixed"].map((name) => meaning(new Uint8Array(readFileSync(pathOf(name)))));
  expect(ours).toEqual(theirs);
  expect(ours?.klpRelocations.length).toBeGreaterThan(1);
});

describe.each([...names, "build"])("livepatch-%s.ko in the kernel", (name) => {
  test("is in force for the kernel and the module, is disabled and removed", async () => {
    const scratch = mkdtempSync(join(tmpdir(), "klplink-drivers-"));
    const init = join(scratch, "init");
    mustRun("x86_64-linux-gnu-gcc", ["-static", "-O2", "-o", init, "test/boot/guest.c"]);
    const module = `livepatch_${name}`;
    const foo = "read /sys/kernel/kobject_example/foo";
    const script = [
      "insmod /kobject-example.ko",
      "write /sys/kernel/kobject_example/foo 7",
      foo,
      "read /proc/version",
      `insmod /${module}.ko`,
      `wait /sys/kernel/livepatch/${module}/transition 0`,
      foo,
      "read /proc/version",
      "read /proc/version",
      // The module goes and comes back while the livepatch is there.
      "rmmod kobject_example",
      "insmod /kobject-example.ko",
      foo,
      `write /sys/kernel/livepatch/${module}/enabled 0`,
      `gone /sys/kernel/livepatch/${module}`,
      foo,
      "read /proc/version",
      `rmmod ${module}`,
      "read /proc/version",
    ];
    const files = [
      { name: `${module}.ko`, data: readFileSync(pathOf(name)) },
      { name: "kobject-example.ko", data: readFileSync(join(folder, "kernel/kobject-example.ko")) },
    ];
    const { steps, complete } = await boot(join(folder, "kernel/bzImage"), readFileSync(init), files, script, PC);
    rmSync(scratch, { recursive: true });
    const before = steps[3]?.output ?? "";
    expect(before).toMatch(/^Linux version 7\.2/);
    expect(steps.map((s) => s.result)).toEqual(steps.map(() => 0));
    expect(steps.filter((_, i) => /^read/.test(script[i] ?? "")).map((s) => s.output)).toEqual([
      "7\n",
      before,
      "foo is 7\n",
      `patched, read 1\n${before}`,
      `patched, read 2\n${before}`,
      "foo is 0\n",
      "0\n",
      before,
      before,
    ]);
    expect(steps.flatMap((s) => s.log.filter((l) => l.level < 4))).toEqual([]);
    expect(complete).toBe(true);
  });
});
