// Functions of the kernel that use a struct whose layout a patch changes, by the kernel's types. What is expected follows from the types.

import { expect, test } from "vitest";
import { WorkPool } from "../../../src/base/work.ts";
import { Btf } from "../../../src/elf/btf.ts";
import type { Kernel } from "../../../src/kernel/kernel.ts";
import type { DiffResult } from "../../../src/passes/diff/diff.ts";
import { StructUsers } from "../../../src/passes/diff/structUsers.ts";
import { load } from "../../helpers.ts";

const STRUCT = 4 << 24;
const FUNC = 12 << 24;
const FUNC_PROTO = 13 << 24;
const SIZE = 64;

/** The types of a kernel: each struct has one member, of a type by its number from 1; each function one parameter. */
function kernelOf(
  structs: readonly { name: string; holds: number; size?: number }[],
  functions: Readonly<Record<string, number>>,
) {
  let strings = "\0m\0";
  const nameOf = (text: string): number => {
    strings += `${text}\0`;
    return strings.length - text.length - 1;
  };
  const words = structs.flatMap(({ name, holds, size = SIZE }) => [
    ...[nameOf(name), STRUCT | (holds === 0 ? 0 : 1), size],
    ...(holds === 0 ? [] : [1, holds, 0]),
  ]);
  let next = structs.length + 1;
  for (const [name, parameter] of Object.entries(functions)) {
    words.push(...[0, FUNC_PROTO | 1, 0, 1, parameter], ...[nameOf(name), FUNC, next]);
    next += 2;
  }
  const bytes = Buffer.alloc(24 + 4 * words.length + strings.length);
  bytes.writeUInt16LE(0xeb9f, 0);
  bytes.writeUInt8(1, 2);
  for (const [i, word] of [24, 0, 4 * words.length, 4 * words.length, strings.length, ...words].entries())
    bytes.writeUInt32LE(word, 4 + 4 * i);
  bytes.write(strings, 24 + 4 * words.length, "latin1");
  return { btf: new Btf(new Uint8Array(bytes), true), source: "vmlinux" } as Kernel;
}

/** What comparing two objects told of one struct. */
const changed = (name: string): DiffResult => {
  const layout = { name, scope: null, sizes: [SIZE, SIZE + 8], members: [], holderNames: [] };
  return { meaning: { types: { layouts: [layout] } }, patched: { path: "new.o" } } as unknown as DiffResult;
};

function usersOf(kernel: Kernel, own: readonly string[] = []): unknown[] {
  const users = new StructUsers([changed("struct wanted")]);
  users.addKernel(kernel, new Set(own));
  return users.problems().map((p) => [p.code, (p.data as { places: unknown }).places]);
}

test("those that take it, or one that holds it, but for functions of the patched object itself", () => {
  const structs = [
    { name: "outer", holds: 2 },
    { name: "wanted", holds: 0 },
    { name: "other", holds: 0 },
  ];
  const kernel = kernelOf(structs, { by_outer: 1, by_itself: 2, by_other: 3, patched: 2 });
  expect(usersOf(kernel, ["patched"])).toEqual([
    ["KLP742", [{ file: "vmlinux", functions: ["by_itself", "by_outer"] }]],
  ]);
});

test("a struct of the name and another size is another one", () => {
  expect(usersOf(kernelOf([{ name: "wanted", holds: 0, size: SIZE - 8 }], { f: 1 }))).toEqual([]);
  expect(usersOf(kernelOf([{ name: "wanted", holds: 0 }], { f: 1 }))).toHaveLength(1);
});

test("a chain of 200,000 structs, each in front of the one that it holds: each is looked at once", () => {
  const COUNT = 200_000;
  const structs = Array.from({ length: COUNT }, (_, i) => ({ name: `s${i}`, holds: i + 2 }));
  const kernel = kernelOf([...structs, { name: "wanted", holds: 0 }], { first: 1 });
  expect(usersOf(kernel)).toEqual([["KLP742", [{ file: "vmlinux", functions: ["first"] }]]]);
});

// The objects are those of test/fixtures/diff/trees/structs, whose users follow from src/only.c and src/other.c there.
test.each(["zlib", "zlib-gnu", "zstd"])("users in objects with debug information that %s packed", async (kind) => {
  const folder = "test/fixtures/diff";
  const layout = { name: "struct thing", scope: null, sizes: [16, 24], members: [], holderNames: ["struct holder"] };
  const result = { meaning: { types: { layouts: [layout] } }, patched: { path: "new.o" } } as unknown as DiffResult;
  const places = async (...paths: readonly string[]): Promise<unknown[]> => {
    const users = new StructUsers([result]);
    for (const path of paths) await users.addObject(load(`${folder}/${path}.o`), path.replace(/^.*\//, ""));
    return users.problems().map((p) => (p.data as { places: unknown }).places);
  };
  const [only, other] = [`packed/only.${kind}`, `packed/other.${kind}`];
  expect(await places(only, other)).toEqual([[{ file: `only.${kind}`, functions: ["first", "holds"] }]]);
  expect(await places("trees/structs/orig/fs/only")).toEqual([[{ file: "only", functions: ["first", "holds"] }]]);
  // Cut short within what is packed: nothing is known of it.
  const users = new StructUsers([result]);
  const damaged = Uint8Array.from(load(`${folder}/${only}.o`));
  damaged.fill(0xff, 0x98, 0x480);
  await users.addObject(damaged, "damaged.o");
  expect(users.problems()).toEqual([]);
});

test("very many structs, in very many types: the steps are counted, for all files of a run together", () => {
  const pool = new WorkPool();
  pool.take((1 << 28) - 50 * 101);
  const structs = Array.from({ length: 100 }, (_, i) => ({ name: `s${i}`, holds: 0 }));
  const kernel = kernelOf(structs, { user: 1 });
  const of = (n: number) =>
    new StructUsers(
      Array.from({ length: n }, (_, i) => changed(`struct t${i}`)),
      pool,
    );
  of(50).addKernel(kernel, new Set());
  expect(() => of(1).addKernel(kernel, new Set())).toThrow(
    expect.objectContaining({ problem: expect.objectContaining({ code: "KLP127" }) as unknown }),
  );
});
