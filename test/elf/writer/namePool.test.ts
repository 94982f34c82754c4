import { expect, test } from "vitest";
import { latin1 } from "../../../src/base/bytes.ts";
import { NamePool } from "../../../src/elf/writer/namePool.ts";

const nameOf = (pool: NamePool, id: number): string =>
  latin1(pool.bytes, pool.start(id), pool.start(id) + pool.lengthOf(id));

test("each name has one number, in the order in which they came first, however many there are", () => {
  const pool = new NamePool();
  const known = new Map<string, number>();
  for (let i = 0; i < 20_000; i++) {
    const name = `name_${(i * 7919) % 12_000}\xe9`;
    const id = pool.add(name);
    expect(id).toBe(known.get(name) ?? known.size);
    known.set(name, id);
  }
  expect(pool.count).toBe(12_000);
  for (const [name, id] of known) {
    expect(nameOf(pool, id)).toBe(name);
    expect(pool.bytes[pool.start(id + 1) - 1]).toBe(0);
  }
});

test("names that begin or end with another one, the empty one, and one put together out of pieces", () => {
  const pool = new NamePool();
  const names = ["", "a", "ab", "b", "aba", "\xff", "ba"];
  expect(names.map((name) => pool.add(name))).toEqual(names.map((_, id) => id));
  const bytes = Buffer.from("xabx");
  pool.copy(bytes, 3, 3);
  pool.copy(bytes, 1, 3);
  expect(pool.take()).toBe(2);
  pool.copy(bytes, 1, 3);
  pool.copy(bytes, 1, 2);
  expect(pool.take()).toBe(4);
  pool.copy(bytes, 0, 4);
  pool.copy(bytes, 2, 2);
  const id = pool.take();
  expect([id, pool.lengthOf(id), nameOf(pool, id)]).toEqual([7, 4, "xabx"]);
  expect(pool.take()).toBe(0);
});
