// Who is given what, when, in which order it comes back: with hands that are no threads; then the built command on a folder.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Checked } from "../../../src/cli/commands/checker.ts";
import type { Order } from "../../../src/cli/workers/checkHand.ts";
import { CheckPool } from "../../../src/cli/workers/checkPool.ts";
import { root } from "../../helpers.ts";
import { klplink, klplinkProcess } from "../run.ts";

const checked = (index: number): Checked => ({
  ...{ file: `${index}.ko`, problems: [], outcome: null, shown: [], noSource: null },
});

function handsOf(pool: CheckPool, count: number): { orders: Order[]; ended: boolean }[] {
  return Array.from({ length: count }, () => {
    const hand = { orders: [] as Order[], ended: false };
    pool.add({
      post: (order) => hand.orders.push(order),
      end: () => {
        hand.ended = true;
      },
    });
    return hand;
  });
}

test("results come in the order of the files, whoever is done first, and nothing is done far ahead", async () => {
  const pool = new CheckPool(1000);
  const hands = handsOf(pool, 2);
  const done = new Set<number>();
  /** The last of what each was told is done first. */
  const work = (): void => {
    for (const [i, { orders }] of hands.entries()) {
      const order = orders.pop();
      if (order?.kind !== "check") continue;
      done.add(order.index);
      pool.take(i, { kind: "checked", index: order.index, result: checked(order.index) });
    }
  };
  for (let index = 0; index < 1000; index++) {
    let result: Checked | null = null;
    const wanted = pool.result(index).then((found) => {
      result = found;
    });
    for (let turns = 0; !done.has(index) && turns < 100; turns++) work();
    await wanted;
    expect(result).toEqual(checked(index));
    expect(Math.max(...done)).toBeLessThan(index + 33);
  }
  expect(done.size).toBe(1000);
  pool.end();
  expect(hands.map((hand) => hand.ended)).toEqual([true, true]);
});

test("where there is nothing to read, all are told at once", () => {
  const pool = new CheckPool(10);
  const hands = handsOf(pool, 2);
  for (const hand of hands) hand.orders.length = 0;
  pool.take(1, { kind: "ask", paths: [] });
  const contents = { names: new Map(), exports: new Map() };
  expect(hands.map((hand) => hand.orders)).toEqual(Array(2).fill([{ kind: "contents", contents }]));
});

test("all read what files say when one asks, and are told once everything is read", () => {
  const pool = new CheckPool(10);
  const hands = handsOf(pool, 2);
  for (const hand of hands) hand.orders.length = 0;
  const paths = Array.from({ length: 70 }, (_, i) => `m${i}.ko`);
  for (const from of [1, 0]) pool.take(from, { kind: "ask", paths });
  const orders = hands.map((hand) => hand.orders.splice(0));
  expect(orders.map((list) => list.length)).toEqual([2, 1]);
  for (const [from, list] of orders.reverse().entries()) {
    expect(hands.map((hand) => hand.orders)).toEqual([[], []]);
    for (const order of list.reverse()) {
      if (order.kind !== "read") throw new Error(order.kind);
      const files = order.paths.map((path) => ({ path, name: path.slice(0, -3), exports: ["common"] }));
      pool.take(1 - from, { kind: "read", at: order.at, files });
    }
  }
  for (const { orders: told } of hands) {
    const [order] = told;
    if (order?.kind !== "contents") throw new Error("not told");
    expect(order.contents.exports.get("common")).toEqual(paths);
    expect([...order.contents.names.keys()]).toEqual(paths.map((path) => path.slice(0, -3)));
  }
});

test("a thread that is slow reads less of what files say: the next ones go to whoever has read", () => {
  const pool = new CheckPool(10);
  const [quick, slow] = handsOf(pool, 2);
  if (quick === undefined || slow === undefined) throw new Error("two");
  for (const hand of [quick, slow]) hand.orders.length = 0;
  const paths = Array.from({ length: 32 * 20 }, (_, i) => `m${i}.ko`);
  pool.take(0, { kind: "ask", paths });
  const read: string[] = [];
  const readOne = (from: number, hand: { orders: Order[] }): boolean => {
    const order = hand.orders.shift();
    if (order?.kind !== "read") return false;
    read.push(...order.paths);
    const files = order.paths.map((path) => ({ path, name: path, exports: [] }));
    pool.take(from, { kind: "read", at: order.at, files });
    return true;
  };
  let count = 0;
  while (readOne(0, quick)) count++;
  expect(count).toBe(18);
  expect(slow.orders.map((order) => order.kind)).toEqual(["read", "read"]);
  expect(readOne(1, slow) && readOne(1, slow)).toBe(true);
  expect(read.sort()).toEqual(paths.sort());
  for (const { orders } of [quick, slow]) expect(orders.map((order) => order.kind)).toEqual(["contents"]);
});

test("what a thread dies of ends the run", async () => {
  const pool = new CheckPool(10);
  handsOf(pool, 2);
  const result = pool.result(0);
  pool.fail(new Error("out of memory"));
  await expect(result).rejects.toThrow("out of memory");
  await expect(pool.result(1)).rejects.toThrow("out of memory");
});

test.runIf(availableParallelism() > 1)(
  "a folder of many modules: what one thread says of it, in each form",
  async () => {
    const place = mkdtempSync(join(tmpdir(), "klplink-pool-"));
    const [folder, objects] = [join(place, "modules"), join(place, "objects")] as const;
    for (const made of [folder, objects]) mkdirSync(made);
    try {
      const found = [
        "test/fixtures/klp/patch-x86_64.o",
        "test/fixtures/kernel/demo-mod.ko",
        "samples/ppc64le/meminfo/meminfo.o",
      ];
      for (let i = 0; i < 40; i++) {
        mkdirSync(join(folder, `d${i}`));
        mkdirSync(join(objects, `d${i}`));
        for (const [k, path] of found.entries()) {
          symlinkSync(join(root, path), join(folder, `d${i}`, `m${k}.ko`));
          symlinkSync(join(root, path), join(objects, `d${i}`, `m${k}.o`));
        }
      }
      for (const args of [
        ["check", folder],
        ["check", folder, "-q"],
        ["check", folder, "--format", "json"],
        ["check", folder, "--format", "github"],
        ["check", folder, "-k", "test/fixtures/kernel/System.map"],
        // None is a module, as a tree has them: what they need is asked for, and nobody has any to read.
        ["check", objects],
      ]) {
        const threads = klplinkProcess(args);
        const { status, stdout, stderr } = await klplink(args);
        expect([threads.status, threads.stdout, threads.stderr]).toEqual([status, stdout, stderr]);
        expect(status).toBeGreaterThan(0);
      }
    } finally {
      rmSync(place, { recursive: true });
    }
  },
);
