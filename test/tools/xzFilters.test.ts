// Branch filters of .xz files, undone here, against what xz itself packed: real code of several megabytes.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { unpack } from "../../src/elf/containers/packed.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-xz-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const code = join(folder, "code");
// Machine code of this host, and words of every kind.
const content = Buffer.concat([
  readFileSync(process.execPath).subarray(0x100_0000, 0x140_0000),
  Buffer.alloc(99, 0xe8),
]);
writeFileSync(code, content);

const filters = ["--x86", "--powerpc", "--arm", "--arm64", "--x86=start=4096", "--arm64=start=8192"];
test.each(["crc64", "sha256"])("no filter, checked by %s", async (check) => {
  const packed = execFileSync("xz", ["-c", "-1", `--check=${check}`, code], { maxBuffer: 1 << 28 });
  expect(Buffer.compare(await unpack(packed), content)).toBe(0);
  packed[packed.length - 60] = (packed[packed.length - 60] ?? 0) ^ 1;
  await expect(unpack(packed)).rejects.toThrow(/damaged/);
});

const settings = ["--check=crc32", "--check=none", "--block-size=1MiB"];
test.each(filters.flatMap((f) => settings.map((s) => [f, s] as const)))("xz %s %s", async (filter, setting) => {
  const packed = execFileSync("xz", ["-c", filter, "--lzma2=preset=1", setting, code], { maxBuffer: 1 << 28 });
  expect(Buffer.compare(await unpack(packed), content)).toBe(0);
});
