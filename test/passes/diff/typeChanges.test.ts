// Layouts of types in objects that clang -flto=thin made (test/fixtures/diff/linktime): a type that two source files use is written in one
// unit, which in another build may be the other one's. What should be said follows from parts.h.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readUnitSlices } from "../../../src/elf/dwarf/unitSlices.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { diffObjects } from "../../../src/passes/diff/diff.ts";
import { root } from "../../helpers.ts";

const folder = join(root, "test/fixtures/diff/linktime");

describe.each([4, 5])("DWARF %i", (dwarf) => {
  const input = (side: string) => {
    const path = `${side}.dwarf${dwarf}.o`;
    return { bytes: readFileSync(join(folder, path)), path };
  };
  const layouts = async (before: string, after: string) => {
    const { problems } = await diffObjects(input(before), input(after));
    return problems.flatMap((p) => (p.code === "KLP725" ? [p.data] : []));
  };

  test("types that another unit has now are the same types", async () => {
    expect(await layouts("orig", "patched")).toEqual([]);
    expect(await layouts("patched", "orig")).toEqual([]);
  });

  test.each([
    ["orig", "layout"],
    ["patched", "layout"],
    ["layout", "orig"],
  ])("another layout is told, with what holds it: %s to %s", async (before, after) => {
    const found = await layouts(before, after);
    expect(found).toMatchObject([{ name: "struct inner" }]);
    expect([...(found[0]?.holders ?? [])].sort()).toEqual(["struct outer", "struct state"]);
    expect([...(found[0]?.changed ?? []), ...(found[0]?.unchanged ?? [])].sort()).toEqual(["both", "level", "room"]);
  });

  test("the unit for what was imported is none of the two", async () => {
    const slices = await readUnitSlices(readElf(input("patched").bytes));
    expect(slices?.units.map((place) => slices.headOf(place)?.name)).toEqual(["one.c", "two.c", "two.c"]);
  });
});
