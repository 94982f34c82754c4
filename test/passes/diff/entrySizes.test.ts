// Sizes of tables' entries that are stated, or that the kernel's types tell (../fixtures/diff/namesakes/types.c), against the relocations.

import { describe, expect, test } from "vitest";
import { readKernelFile } from "../../../src/kernel/detect.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { type DiffPassOptions, diffObjects, extractDiff } from "../../../src/passes/diff/diff.ts";
import { kernelWith } from "../../diff/targetOf.ts";
import { load } from "../../helpers.ts";

const bytesOf = (pair: string, which: string): Uint8Array => load(`test/fixtures/diff/${pair}.${which}.o`);
const diffOf = (pair: string, options: DiffPassOptions = {}) =>
  diffObjects(
    { bytes: bytesOf(pair, "orig"), path: "orig.o" },
    { bytes: bytesOf(pair, "patched"), path: "patched.o" },
    options,
  );
const stated = (section: string, size: number): DiffPassOptions => ({ entrySizes: new Map([[section, size]]) });
const changes = (result: Awaited<ReturnType<typeof diffOf>>): string[] =>
  result.diff.functions.filter((c) => c.status !== "same").map((c) => `${c.name} ${c.status}`);
const codes = (result: Awaited<ReturnType<typeof diffOf>>): string[] => result.problems.map((p) => p.code);

test("a size that no table has had can be stated", async () => {
  expect(codes(await diffOf("cases/odd-bug-table.x86_64"))).toEqual(["KLP703"]);
  const result = await diffOf("cases/odd-bug-table.x86_64", stated("__bug_table", 20));
  expect(codes(result)).toEqual([]);
  expect(result.diff.patched.tables.entries.map((e) => e.size)).toEqual([20, 20]);
});

test("two small entries are not taken for one large one", async () => {
  const result = await diffOf("cases/small-bug-table.x86_64");
  expect([codes(result), changes(result)]).toEqual([[], ["g changed"]]);
  expect(result.diff.patched.tables.entries.map((e) => [e.size, e.owner?.name])).toEqual([
    [8, "f"],
    [8, "g"],
  ]);
});

test("a table that is not known goes along once its entries are stated", async () => {
  const pair = "cases/owned-table.x86_64";
  const kernel = kernelWith(bytesOf(pair, "orig"), ["ext"]);
  const refused = extractDiff(await diffOf(pair), { kernel, object: "vmlinux" });
  expect(refused.problems.map((p) => p.code)).toEqual(["KLP714"]);
  const result = await diffOf(pair, stated("__odd_table", 4));
  const taken = extractDiff(result, { kernel, object: "vmlinux" });
  expect(codes(result)).toEqual([]);
  expect(taken.problems).toEqual([]);
  expect([...taken.inclusion.entries].map((e) => [e.table.section, e.size, e.owner?.name])).toEqual([
    ["__odd_table", 4, "f"],
  ]);
  expect(codes(await diffOf(pair, stated("__odd_table", 8)))).toEqual(["KLP734"]);
});

describe.each(["x86_64", "arm64", "ppc64le"])("%s", (arch) => {
  test("a size that the relocations contradict is refused", async () => {
    const result = await diffOf(`pairs/jump-label.${arch}`, stated("__jump_table", 24));
    const found = result.problems.find((p) => p.code === "KLP734");
    expect(found?.data).toEqual({
      section: "__jump_table",
      sizes: [
        { size: 24, source: "--entry-size __jump_table=24" },
        { size: 16, source: "its relocations" },
      ],
    });
    expect(codes(await diffOf(`pairs/jump-label.${arch}`, stated("__jump_table", 16)))).toEqual([]);
  });
});

test("the types of the kernel tell sizes, and a kernel of another build is found out", async () => {
  const file = readKernelFile(load("test/fixtures/diff/namesakes/types.x86_64"), "vmlinux");
  const kernel = file.kind === "vmlinux" ? new Kernel({ vmlinux: file.vmlinux }) : null;
  const bugs = await diffOf("pairs/bug-entry.x86_64", { kernel });
  expect([codes(bugs), changes(bugs)]).toEqual([[], changes(await diffOf("pairs/bug-entry.x86_64"))]);
  const jumps = await diffOf("pairs/jump-label.x86_64", { kernel });
  expect(jumps.problems[0]?.data).toMatchObject({
    sizes: [{ size: 24, source: "struct jump_entry of the kernel's debug information" }, { size: 16 }],
  });
  const both = await diffOf("pairs/jump-label.x86_64", { kernel, ...stated("__jump_table", 16) });
  expect(both.problems[0]?.data).toMatchObject({ sizes: [{ size: 16 }, { size: 24 }] });
});
