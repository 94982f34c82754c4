// Code that goes by whether a name is defined. What is expected follows from the sources: test/fixtures/diff/pairs/weak-undefined.c, and those of
// test/fixtures/diff/trees/weak.

import { describe, expect, test } from "vitest";
import { type DiffResult, diffObjects } from "../../../src/passes/diff/diff.ts";
import { WeakUsers } from "../../../src/passes/diff/weakUsers.ts";
import { load } from "../../helpers.ts";

const trees = "test/fixtures/diff/trees/weak";

/** A result in which these names are new and global. */
function defining(...names: readonly string[]): DiffResult {
  const items = names.map((name, i) => ({
    name,
    symbol: i,
    aliases: [],
    isLocal: false,
    isInit: false,
    kind: "function",
  }));
  const functions = items.map((patched) => ({ name: patched.name, status: "new", orig: null, patched }));
  const unit = { symbols: { name: (i: number) => names[i] ?? "" } };
  return { diff: { functions, data: [], patched: { unit } }, patched: { path: "new.o" } } as unknown as DiffResult;
}

describe.each(["x86_64", "ppc64le"])("%s", (arch) => {
  const bytes = load(`test/fixtures/diff/pairs/weak-undefined.${arch}.orig.o`);
  const places = (name: string): unknown[] => {
    const users = new WeakUsers([defining(name)]);
    users.addObject(bytes, "user.o");
    return users.problems().map((p) => (p.data as { places: unknown }).places);
  };

  test("a function that asks for the name weakly is named", () => {
    expect(places("maybe")).toEqual([[{ file: "user.o", users: ["f"] }]]);
  });

  test("among very many names, too", () => {
    const users = new WeakUsers([defining("maybe", ...Array.from({ length: 200 }, (_, i) => `other_${i}`))]);
    users.addObject(bytes, "user.o");
    expect(users.problems().map((p) => p.data)).toMatchObject([{ name: "maybe", places: [{ users: ["f"] }] }]);
  });

  test("one that needs it is not, nor is it asked for another", () => {
    expect(places("ext")).toEqual([]);
    expect(places("absent")).toEqual([]);
  });
});

test("of a file that is compared those are named that do not change themselves", async () => {
  const compared = (file: string): Promise<DiffResult> =>
    diffObjects(
      { bytes: load(`${trees}/orig/fs/${file}.o`), path: `orig/${file}.o` },
      { bytes: load(`${trees}/patched/fs/${file}.o`), path: `patched/${file}.o` },
    );
  const [defines, both] = [await compared("defines"), await compared("both")];
  const users = new WeakUsers([defines, both]);
  users.addSame(defines, "fs/defines.o");
  users.addSame(both, "fs/both.o");
  users.addObject(load(`${trees}/orig/fs/asks.o`), "fs/asks.o");
  const told = users.problems().map((p) => p.data);
  expect(told).toEqual([
    {
      name: "hook",
      isFunction: true,
      places: [
        { file: "fs/both.o", users: ["asks_both"] },
        { file: "fs/asks.o", users: ["asks"] },
      ],
    },
    {
      name: "limit",
      isFunction: false,
      places: [
        { file: "fs/both.o", users: ["reads_both"] },
        { file: "fs/asks.o", users: ["reads"] },
      ],
    },
  ]);
});
