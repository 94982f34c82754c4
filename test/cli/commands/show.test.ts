// `klplink show` begins with what the file is; the tables' numbers are checked against readelf elsewhere (test/elf/readelf.test.ts).

import { expect, test } from "vitest";
import { klplink } from "../run.ts";

test.each([
  [
    "test/fixtures/klp/patch-x86_64.o",
    [
      /module +demo_patch, licence GPL/,
      /built for +6\.12\.9-demo\+ SMP/,
      /replaces +show_one of vmlinux\n +replaces +only_here of demo_mod/,
      /undefined +show_one, exported_one/,
      /tables +23 sections, 22 symbols, 20 relocations\n/,
      /debug info +no$/,
    ],
  ],
  [
    "samples/ppc64le/meminfo/meminfo.klp.o",
    [
      /object +meminfo\.klp, licence GPL/,
      /comes from +a finished livepatch module/,
      /livepatch +1 symbol of vmlinux/,
      /relocations \(3 of them livepatch\)/,
      /debug info +yes/,
    ],
  ],
  ["test/fixtures/klp/kpatch-x86_64.o", [/comes from +create-diff-object of kpatch; `klplink` finishes it/]],
])("%s: a summary, then the tables", async (file, lines) => {
  const { status, stdout, stderr } = await klplink(["show", file]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const [summary = "", ...tables] = stdout.split("\n\n");
  for (const line of lines) expect(summary).toMatch(line);
  expect(tables.join("\n")).toMatch(/^Sections\n/);
});

test("JSON has the same; where tables are named, there is none", async () => {
  const shown = async (...more: string[]): Promise<Record<string, unknown>> =>
    JSON.parse(
      (await klplink(["show", "--format", "json", "test/fixtures/klp/patch-x86_64.o", ...more])).stdout,
    ) as Record<string, unknown>;
  expect((await shown()).summary).toMatchObject({
    kind: "module",
    module: "demo_patch",
    producer: "plain",
    replaces: [
      { object: "vmlinux", functions: ["show_one"] },
      { object: "demo_mod", functions: ["only_here"] },
    ],
    sections: 23,
    isSigned: false,
  });
  expect(await shown("--symbols")).not.toHaveProperty("summary");
});
