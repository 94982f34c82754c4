// Files behind one that unpacks to more than it may, or that is damaged, are read as if it was not there.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PackedError, unpack } from "../../../src/elf/containers/packed.ts";
import { klplink } from "../../cli/run.ts";
import { load, root } from "../../helpers.ts";

const FOLDER = "test/fixtures/diag";
const [zeros, good] = [load(`${FOLDER}/zeros.ko.xz`), load(`${FOLDER}/modinfo.ko.xz`)];

test("xz data behind those that are given up", async () => {
  for (const bad of [zeros, zeros.subarray(0, 5000), good.subarray(0, good.length >> 1)]) {
    await expect(unpack(bad)).rejects.toThrow(PackedError);
    expect(Buffer.from(await unpack(good)).equals(readFileSync(join(root, FOLDER, "modinfo.o")))).toBe(true);
  }
});

test("check says what is wrong with each", async () => {
  const { status, stdout } = await klplink(["check", join(FOLDER, "zeros.ko.xz"), join(FOLDER, "modinfo.ko.xz")]);
  expect([status, stdout]).toEqual([3, expect.stringMatching(/zeros\.ko\.xz: 1 error[\s\S]*modinfo\.ko\.xz:/)]);
});
