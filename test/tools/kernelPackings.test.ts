// Ways to pack a kernel, against the tools that pack: lzop, and mkimage of U-Boot.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { unpackLzo } from "../../src/elf/containers/lzo.ts";
import { unwrapKernel } from "../../src/kernel/image/wrapping/unwrap.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-packings-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const code = readFileSync(process.execPath).subarray(0x100_0000, 0x106_0000);
/** Bytes of which none follows from the others. */
const noise = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i * 2654435761) >>> 24));
const contents: readonly (readonly [string, Buffer])[] = [
  ["machine code", code],
  ["bytes that do not pack", noise],
  ["one byte, often", Buffer.alloc(1_000_000, 0x41)],
  ["distances of all sizes", Buffer.concat([code.subarray(0, 60_000), noise.subarray(0, 9), code.subarray(0, 50_000)])],
  ["few bytes", Buffer.from("abcabcabcab")],
  ["a byte", Buffer.from("x")],
];
// -1, -3 and -9 are lzop's three methods; kernels are packed by -9.
const settings = [["-1"], ["-3"], ["-9"], ["-9", "--crc32"], ["-3", "--no-checksum"]];

describe.each(contents)("lzop: %s", (_, content) => {
  test.each(settings)("%s %s", async (...options) => {
    const packed = execFileSync("lzop", [...options.filter((o) => o !== undefined), "-c"], {
      input: content,
      maxBuffer: 1 << 28,
    });
    expect(Buffer.compare(unpackLzo(packed, content.length), content)).toBe(0);
    // As a kernel has it: with its size behind it.
    const { bytes, through } = await unwrapKernel(Buffer.concat([packed, Buffer.from("size")]));
    expect(through).toEqual(["lzo"]);
    expect(Buffer.compare(bytes, content)).toBe(0);
  });
});

test("a file with its name and times", () => {
  const path = join(folder, "vmlinux.bin");
  writeFileSync(path, code);
  execFileSync("lzop", ["-9", path]);
  expect(Buffer.compare(unpackLzo(readFileSync(`${path}.lzo`), code.length), code)).toBe(0);
});

describe("mkimage", () => {
  const kernel = readFileSync("test/fixtures/kernel/vmlinux-x86_64");
  const made = (type: string, packing: string, ...parts: readonly Uint8Array[]): Buffer => {
    const paths = parts.map((bytes, i) => {
      const path = join(folder, `part${i}`);
      writeFileSync(path, bytes);
      return path;
    });
    const to = join(folder, "uImage");
    execFileSync(
      "mkimage",
      ["-A", "x86_64", "-O", "linux", "-T", type, "-C", packing, "-n", "Linux-6.9.7", "-d", paths.join(":"), to],
      { stdio: "ignore" },
    );
    return readFileSync(to);
  };
  const packed = (name: string): Buffer => readFileSync(`test/fixtures/kernel/vmlinux-x86_64.${name}`);
  test.each([
    ["none", kernel, []],
    ["gzip", execFileSync("gzip", ["-9c"], { input: kernel }), ["gzip"]],
    ["bzip2", packed("bz2"), ["bzip2"]],
    ["lzma", packed("lzma"), ["lzma"]],
    ["lzo", packed("lzo"), ["lzo"]],
    ["lz4", packed("lz4"), ["lz4"]],
    ["zstd", packed("zst"), ["zstd"]],
  ])("-C %s", async (packing, bytes, through) => {
    const found = await unwrapKernel(made("kernel", packing, bytes));
    expect(found.through).toEqual(["uImage", ...through]);
    expect(Buffer.compare(found.bytes, kernel)).toBe(0);
  });
  test("a kernel and an initial RAM disk in one", async () => {
    const found = await unwrapKernel(made("multi", "lzo", packed("lzo"), Buffer.from("not a kernel")));
    expect(found.through).toEqual(["uImage", "lzo"]);
    expect(Buffer.compare(found.bytes, kernel)).toBe(0);
  });

  describe.each([
    ["in the tree", []],
    ["behind the tree", ["-E"]],
    ["at a place of the file", ["-E", "-p", "0x10000"]],
  ])("a flattened image tree, data %s", (_, options) => {
    test.each([
      ["none", kernel, []],
      ["gzip", execFileSync("gzip", ["-9c"], { input: kernel }), ["gzip"]],
      ["zstd", packed("zst"), ["zstd"]],
    ])("-C %s", async (packing, bytes, through) => {
      const [from, disk, to] = ["kernel", "disk", "kernel.itb"].map((name) => join(folder, name));
      writeFileSync(from ?? "", bytes);
      writeFileSync(disk ?? "", "not a kernel");
      const what = ["-A", "x86_64", "-O", "linux", "-T", "kernel", "-C", packing, "-a", "0", "-e", "0", "-n", "Linux"];
      const parts = ["-d", from ?? "", "-i", disk ?? "", to ?? ""];
      execFileSync("mkimage", ["-f", "auto", ...options, ...what, ...parts], { stdio: "ignore" });
      const found = await unwrapKernel(readFileSync(to ?? ""));
      expect(found.through).toEqual(["FIT", ...through]);
      expect(Buffer.compare(found.bytes, kernel)).toBe(0);
    });
  });
});
