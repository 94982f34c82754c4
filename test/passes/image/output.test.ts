// The files of `image --raw`: one a section, whatever sections are called. File systems differ in what they take for one name: some know
// no case, most take 255 bytes.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { klplink } from "../../cli/run.ts";
import { buildElf } from "../../elf/build.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-raw-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LONG = "n".repeat(300);
/** Names of sections; each holds its number. */
const NAMES = [
  ...[".data", ".Data", ".DATA", ".data.3"],
  ...["..", ".", "a/b", "a_b", "/", "../../up", "a\x1bb", "a\nb"],
  ...[`${LONG}a`, `${LONG}b`, LONG, LONG.toUpperCase(), `.${"é".repeat(200)}`],
];

test("each section has a file of its own, below the folder", async () => {
  const module = join(folder, "m.ko");
  writeFileSync(
    module,
    buildElf({
      machine: 62,
      sections: NAMES.map((name, i) => ({
        name,
        type: 1,
        flags: 3,
        align: 8,
        data: Uint8Array.of(i, 0, 0, 0, 7, 7, 7, 7),
      })),
      symbols: [{ name: "f", bind: 1, home: ".data" }],
    }),
  );
  const raw = join(folder, "raw");
  const { status, stderr } = await klplink(["image", module, "--raw", raw, "--force"]);
  expect([status, stderr]).toEqual([expect.toBeOneOf([0, 1]), expect.not.stringContaining("KLP105")]);
  const made = readdirSync(raw);
  const numbers = made.map((name) => readFileSync(join(raw, name))).filter((b) => b.length === 8 && b[4] === 7);
  expect(numbers.map((b) => b[0]).sort((a, b) => (a ?? 0) - (b ?? 0))).toEqual(NAMES.map((_, i) => i));
  expect(new Set(made.map((name) => name.toLowerCase())).size).toBe(made.length);
  expect(made.filter((name) => Buffer.byteLength(name) > 255 || /[^\w.+-]/.test(name))).toEqual([]);
  expect(readdirSync(folder).sort()).toEqual(["m.ko", "raw"]);
});
