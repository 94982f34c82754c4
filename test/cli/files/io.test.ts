import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { InputProblem, readInput, readUnpacked } from "../../../src/cli/files/io.ts";
import { helpOf, type Problem, titleOf } from "../../../src/diag/catalogue.ts";
import { captured } from "../run.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-unreadable-"));
chmodSync(folder, 0o755);
afterAll(() => rmSync(folder, { recursive: true }));

async function problemOf(read: () => Promise<unknown>): Promise<Problem> {
  try {
    await read();
  } catch (error) {
    if (error instanceof InputProblem) return error.problem;
    throw error;
  }
  throw new Error("it was read");
}

/** Runs as a user to whom permissions apply: they do not to root. */
async function asUser<T>(run: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return run();
  process.seteuid?.(65534);
  try {
    return await run();
  } finally {
    process.seteuid?.(0);
  }
}

const told = (p: Problem): (string | null)[] => [p.code, titleOf(p), helpOf(p)];
const { context } = captured();

describe("why a file cannot be read, and the help that fits", () => {
  const PERMISSIONS = "check the permissions of the file and of the folders above it";

  test("a folder without permission is not said to be a folder", async () => {
    const path = join(folder, "locked");
    mkdirSync(path, { mode: 0o300 });
    const problem = await asUser(() => problemOf(() => readInput(path, context)));
    expect(told(problem)).toEqual(["KLP104", "cannot be read: permission denied", PERMISSIONS]);
  });

  test("a folder that may be read is", async () => {
    const problem = await problemOf(() => readInput(folder, context));
    expect(titleOf(problem)).toBe("cannot be read: it is a folder");
  });

  test("a file without permission, and one below such a folder", async () => {
    const path = join(folder, "secret.ko");
    writeFileSync(path, "x", { mode: 0o200 });
    expect(told(await asUser(() => problemOf(() => readInput(path, context))))[2]).toBe(PERMISSIONS);
  });

  test("no such file: the path alone", async () => {
    const problem = await problemOf(() => readInput(join(folder, "nothing-like-it"), context));
    expect(told(problem)).toEqual(["KLP104", "cannot be read: no such file", "check the path"]);
  });

  test("damaged gzip data are not a matter of permissions", async () => {
    const path = join(folder, "damaged.ko.gz");
    writeFileSync(path, gzipSync(Buffer.alloc(1000, 7)).subarray(0, 20));
    const problem = await problemOf(() => readUnpacked(path, context));
    expect(told(problem)).toEqual([
      "KLP104",
      "cannot be read: the gzip data are damaged or cut off",
      "copy or build the file again (`gzip -t` tests it)",
    ]);
  });
});

test("standard input that never ends is refused, as a device or a program may be", async () => {
  const piece = Buffer.alloc(1 << 26);
  let given = 0;
  async function* endless(): AsyncGenerator<Buffer> {
    // The same memory again and again.
    for (; ; given++) {
      if (given > 64) throw new Error("4 GiB were taken");
      yield piece;
    }
  }
  const stdin = Object.assign(endless(), { isTTY: false }) as unknown as typeof context.stdin;
  const [code, title] = told(await problemOf(() => readInput("-", { stdin })));
  expect([code, title]).toEqual(["KLP104", "cannot be read: there are more than 1024 MiB on it"]);
  expect(given).toBe(16);
});
