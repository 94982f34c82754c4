// Wrappings of a kernel. What is packed in them was packed by lz4, xz, zstd, bzip2 and lzop (test/fixtures/kernel/make.sh).

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { shareUnpacking, UnpackBudget, UnpackPool } from "../../../../src/elf/containers/budget.ts";
import { OtherPackedError } from "../../../../src/elf/containers/otherPackings.ts";
import { PackedError } from "../../../../src/elf/containers/packed.ts";
import { ElfError } from "../../../../src/elf/error.ts";
import { readKernelFile } from "../../../../src/kernel/detect.ts";
import { unwrapKernel } from "../../../../src/kernel/image/wrapping/unwrap.ts";
import { bzImage, imageTree, kernelTree, uImage, unified, zboot } from "./wrapped.ts";

const fixture = (name: string): Buffer => readFileSync(`test/fixtures/kernel/${name}`);
const vmlinux = fixture("vmlinux-x86_64");
const sized = (packed: Uint8Array): Buffer => {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(vmlinux.length);
  return Buffer.concat([packed, size]);
};

describe("a kernel comes out of", () => {
  const padded = Buffer.concat([Buffer.alloc(8), vmlinux]);
  /** Of a tree with the same properties: its size does not depend on their values. */
  const { length } = imageTree({ images: { k: { type: "kernel", "data-size": 0, "data-position": 0 } } });
  const farPadded = Buffer.concat([Buffer.alloc(0x400 - length), vmlinux]);
  const forms: [string, Buffer, string[]][] = [
    ["nothing", vmlinux, []],
    ["gzip", gzipSync(vmlinux), ["gzip"]],
    ["lz4's legacy frame", fixture("vmlinux-x86_64.lz4"), ["lz4"]],
    ["xz with the x86 filter", fixture("vmlinux-x86_64.bcj.xz"), ["xz"]],
    ["xz with the ARM64 filter", fixture("vmlinux-x86_64.arm64.xz"), ["xz"]],
    ["lzma", fixture("vmlinux-x86_64.lzma"), ["lzma"]],
    ["bzip2", fixture("vmlinux-x86_64.bz2"), ["bzip2"]],
    ["lzo", fixture("vmlinux-x86_64.lzo"), ["lzo"]],
    ["bzImage, lzo", bzImage(sized(fixture("vmlinux-x86_64.lzo"))), ["bzImage", "lzo"]],
    ["uImage, lzo", uImage(fixture("vmlinux-x86_64.lzo"), 4), ["uImage", "lzo"]],
    ["bzImage, lzma", bzImage(sized(fixture("vmlinux-x86_64.lzma"))), ["bzImage", "lzma"]],
    ["bzImage, bzip2", bzImage(sized(fixture("vmlinux-x86_64.bz2"))), ["bzImage", "bzip2"]],
    ["uImage, bzip2", uImage(fixture("vmlinux-x86_64.bz2"), 2), ["uImage", "bzip2"]],
    ["bzImage, gzip", bzImage(gzipSync(vmlinux)), ["bzImage", "gzip"]],
    ["bzImage, xz, with a signature", bzImage(sized(fixture("vmlinux-x86_64.bcj.xz")), 1472), ["bzImage", "xz"]],
    ["bzImage, lz4", bzImage(sized(fixture("vmlinux-x86_64.lz4"))), ["bzImage", "lz4"]],
    ["bzImage, zstd", bzImage(sized(fixture("vmlinux-x86_64.zst"))), ["bzImage", "zstd"]],
    ["bzImage, not packed", bzImage(vmlinux), ["bzImage"]],
    ["zboot", zboot(gzipSync(vmlinux)), ["zboot", "gzip"]],
    ["uImage", uImage(gzipSync(vmlinux), 1), ["uImage", "gzip"]],
    ["FIT", kernelTree(gzipSync(vmlinux)), ["FIT", "gzip"]],
    [
      "FIT, of whose kernels the default configuration names the second",
      imageTree({
        images: {
          a: { type: "kernel", data: Buffer.from("another") },
          b: { data: gzipSync(vmlinux), type: "kernel_noload" },
          c: { type: "ramdisk", data: Buffer.from("files") },
        },
        configurations: { default: "two", one: { kernel: "a" }, two: { kernel: "b" } },
      }),
      ["FIT", "gzip"],
    ],
    [
      "FIT, behind the tree",
      imageTree({ images: { k: { type: "kernel", "data-size": vmlinux.length, "data-offset": 8 } } }, padded),
      ["FIT"],
    ],
    [
      "FIT, at a place of the file",
      imageTree({ images: { k: { type: "kernel", "data-size": vmlinux.length, "data-position": 0x400 } } }, farPadded),
      ["FIT"],
    ],
    ["a unified kernel image", unified(bzImage(gzipSync(vmlinux))), ["unified kernel image", "bzImage", "gzip"]],
  ];
  test.each(forms)("%s", async (_, bytes, through) => {
    const found = await unwrapKernel(bytes);
    expect(found.through).toEqual(through);
    expect(Buffer.compare(Buffer.from(found.bytes), vmlinux)).toBe(0);
    expect(readKernelFile(found.bytes, "x").kind).toBe("vmlinux");
  });
});

describe("refused, with the place", () => {
  test.each<[string, Buffer, number, RegExp]>([
    ["a payload behind the end", bzImage(gzipSync(vmlinux)).subarray(0, 2000), 0x248, /do not fit in a file of 2000/],
    [
      "an old boot protocol",
      Buffer.from(bzImage(vmlinux)).fill(2, 0x207, 0x208).fill(7, 0x206, 0x207),
      0x206,
      /older than 2\.08/,
    ],
    ["an unknown way", bzImage(Buffer.from("0123456789abcdef")), 0x24c, /in a way that is not known/],
    [
      "FIT, damaged",
      Buffer.concat([Buffer.from([0xd0, 0x0d, 0xfe, 0xed]), Buffer.alloc(600)]),
      0,
      /begins nothing in an image tree/,
    ],
    ["FIT, its header cut off", kernelTree(vmlinux).subarray(0, 30), 30, /header of the image tree is cut off/],
    ["FIT, cut off", kernelTree(vmlinux).subarray(0, 200), 200, /a name in the image tree has no end/],
    ["FIT without a kernel", imageTree({ images: { a: { type: "ramdisk", data: vmlinux } } }), 0, /without a kernel/],
    [
      "FIT with two kernels",
      imageTree({ images: { a: { type: "kernel", data: vmlinux }, b: { type: "kernel", data: vmlinux } } }),
      0,
      /2 kernels and no default configuration/,
    ],
    [
      "FIT, a name that is not there",
      imageTree({ images: { a: { type: "kernel" } }, configurations: { default: "c", c: { kernel: "b" } } }),
      0,
      /names a kernel that is not in it/,
    ],
    ["FIT without data", imageTree({ images: { a: { type: "kernel" } } }), 0, /has no data/],
    [
      "FIT, data behind the end",
      imageTree({ images: { a: { type: "kernel", "data-size": 9, "data-offset": 0 } } }, Buffer.alloc(8)),
      0,
      /9 bytes at \d+, does not fit/,
    ],
    [
      "FIT, of far too many nodes",
      imageTree(Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`n${i}`, {}]))),
      0,
      /more than 10000 nodes/,
    ],
  ])("%s", async (_, bytes, offset, what) => {
    const error = await unwrapKernel(bytes).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ElfError);
    expect(error).toMatchObject({ offset, what: expect.stringMatching(what) });
  });
  test("a wrong unpacked size", async () => {
    const packed = sized(fixture("vmlinux-x86_64.bcj.xz"));
    packed.writeUInt32LE(vmlinux.length - 1, packed.length - 4);
    await expect(unwrapKernel(bzImage(packed))).rejects.toThrow(PackedError);
  });
  test.each([
    ["lzo, cut off", fixture("vmlinux-x86_64.lzo").subarray(0, 600), /lzo data are cut off/],
    ["lzo, a damaged block", Buffer.from(fixture("vmlinux-x86_64.lzo")).fill(0x55, 500, 520), /lzo data are damaged/],
    ["lzo, a damaged header", Buffer.from(fixture("vmlinux-x86_64.lzo")).fill(7, 30, 31), /header's checksum/],
    ["lzo, a method of its own", Buffer.from(fixture("vmlinux-x86_64.lzo")).fill(9, 15, 16), /method 9/],
    ["lzma, cut off", fixture("vmlinux-x86_64.lzma").subarray(0, 600), /lzma data are cut off/],
    ["bzip2, cut off", fixture("vmlinux-x86_64.bz2").subarray(0, 600), /bzip2 data are cut off/],
    ["bzip2, damaged", Buffer.from(fixture("vmlinux-x86_64.bz2")).fill(0x55, 500, 520), /bzip2 data are damaged/],
  ])("%s", async (_, bytes, what) => {
    const error = await unwrapKernel(bytes).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OtherPackedError);
    expect((error as Error).message).toMatch(what);
  });
  test.each(["lz4", "lzma", "bz2", "lzo", "zst", "bcj.xz"])("%s, beyond the budget", async (kind) => {
    const bytes = fixture(`vmlinux-x86_64.${kind}`);
    const budgetOf = (left: number): UnpackBudget => {
      const pool = new UnpackPool();
      pool.take(pool.left - left);
      shareUnpacking(bytes, pool);
      return new UnpackBudget(bytes, 0);
    };
    await expect(unwrapKernel(bytes, budgetOf(vmlinux.length - 1))).rejects.toThrow(/more than 3567 bytes/);
    const budget = budgetOf(vmlinux.length);
    await unwrapKernel(bytes, budget);
    expect(budget.left).toBe(0);
  });
  test("a damaged block behind a filter fails its checksum", async () => {
    const bytes = Buffer.from(fixture("vmlinux-x86_64.bcj.xz"));
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 0x40;
    await expect(unwrapKernel(bytes)).rejects.toThrow(/damaged/);
  });
});

test("other bytes come back as they are", async () => {
  for (const bytes of [Buffer.from(""), Buffer.from("hello"), fixture("System.map"), Buffer.from("MZ")])
    expect((await unwrapKernel(bytes)).bytes).toBe(bytes);
});

test("any bytes are safe: damaged wrappings end with one of three errors, or not at all", async () => {
  const forms = [
    bzImage(sized(fixture("vmlinux-x86_64.lz4"))),
    uImage(fixture("vmlinux-x86_64.lzo")),
    zboot(gzipSync(vmlinux)),
    unified(bzImage(vmlinux)),
    kernelTree(gzipSync(vmlinux)),
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...forms),
      fc.array(fc.tuple(fc.nat(2200), fc.nat(255)), { maxLength: 6 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      async (form, edits, kept) => {
        const bytes = Buffer.from(form.subarray(0, Math.ceil(form.length * Math.max(kept, 0.01))));
        for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
        try {
          await unwrapKernel(bytes);
        } catch (error) {
          if (!(error instanceof ElfError || error instanceof PackedError || error instanceof OtherPackedError))
            throw error;
        }
      },
    ),
    { numRuns: 150 },
  );
});
