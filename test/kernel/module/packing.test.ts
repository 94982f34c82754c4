import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { type PackedError, unpack } from "../../../src/elf/containers/packed.ts";
import { packingFault } from "../../../src/kernel/module/packing.ts";

// What the kernel's decompressor refuses: XZ_OPTIONS_ERROR is 6 in include/linux/xz.h, Z_DATA_ERROR -3 in zlib, and
// ZSTD_error_frameParameter_windowTooLarge 16 in zstd_errors.h. Forms: The .xz File Format 1.1.0, RFC 1952, RFC 8878.
const klp = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(fileURLToPath(new URL(`../../fixtures/klp/${name}`, import.meta.url))));
const fault = (bytes: Uint8Array, packing: "xz" | "gzip" | "zstd") => packingFault(bytes, packing);

describe("xz", () => {
  const good = klp("patch-x86_64.ko.xz");
  /** A stream header with one block header: check, then filters with their properties. */
  const headers = (check: number, ...filters: number[][]): Uint8Array => {
    const block = [filters.length - 1, ...filters.flatMap(([id = 0, ...p]) => [id, p.length, ...p])];
    const size = Math.ceil((block.length + 1) / 4) + 1;
    return Uint8Array.from([
      ...[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, check, 0, 0, 0, 0, size - 1],
      ...block,
      ...new Array(size * 4 - 1 - block.length).fill(0),
    ]);
  };
  const LZMA2 = [0x21, 0x16];

  test("as the kernel's build packs it", () => {
    expect(fault(good, "xz")).toBeNull();
    expect(fault(headers(0, LZMA2), "xz")).toBeNull();
  });
  test.each([
    [4, "CRC64"],
    [10, "SHA-256"],
    [7, "check 7"],
  ])("check %d", (check, name) => {
    const found = fault(headers(check, LZMA2), "xz");
    expect(found?.what).toBe(`the xz data are checked by ${name}; the kernel knows CRC32 only`);
    expect(found?.message).toBe("decompression failed with status 6");
  });
  test("one BCJ filter before LZMA2 is the kernel's, delta and a second one are not", () => {
    expect(fault(klp("patch-x86_64-bcj.ko.xz"), "xz")).toBeNull();
    expect(fault(headers(1, [3, 3], LZMA2), "xz")?.what).toMatch(/^the xz data use delta and LZMA2;/);
    expect(fault(headers(1, [4], [10], LZMA2), "xz")?.what).toMatch(
      /^the xz data use x86 BCJ and ARM64 BCJ and LZMA2;/,
    );
  });
  test("a sound file with a branch filter is read, with another one it is not called damaged; a damaged one is", async () => {
    const plain = await unpack(klp("patch-x86_64.ko.xz"));
    expect(Buffer.compare(await unpack(klp("patch-x86_64-bcj.ko.xz")), plain)).toBe(0);
    await expect(unpack(headers(1, [3, 3], LZMA2))).rejects.toMatchObject({
      message: "the xz data use delta as a filter, which klplink does not read",
      isOurs: true,
    });
    const broken = good.slice();
    broken.fill(0x55, 100, 120);
    await expect(unpack(broken)).rejects.toMatchObject({
      message: "the xz data are damaged or cut off",
      isOurs: false,
    } satisfies Partial<PackedError>);
  });
});

describe("gzip", () => {
  const packed = new Uint8Array(gzipSync("module"));
  /** With a field of the header behind the ten bytes that every file has. */
  const withField = (flag: number, field: string): Uint8Array => {
    const header = packed.slice(0, 10);
    header[3] = flag;
    return new Uint8Array(Buffer.concat([header, Buffer.from(field, "latin1"), packed.slice(10)]));
  };
  test("a name is stepped over; comment, extra field and header checksum are not", () => {
    expect(fault(packed, "gzip")).toBeNull();
    expect(fault(withField(8, "x.ko\0"), "gzip")).toBeNull();
    expect(fault(withField(16, "why\0"), "gzip")?.message).toBe("decompression failed with status -3");
    expect(fault(withField(4, "\x02\0ab"), "gzip")).not.toBeNull();
    expect(fault(withField(2, "ab"), "gzip")).not.toBeNull();
  });
});

describe("zstd", () => {
  /** A frame with a window descriptor: exponent in the upper five bits, base 1 KiB. */
  const frame = (window: number): Uint8Array => Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0, window, 1, 0, 0]);
  test("windows up to 128 MiB", () => {
    expect(fault(klp("patch-x86_64.ko.zst"), "zstd")).toBeNull();
    expect(fault(frame(17 << 3), "zstd")).toBeNull();
    expect(fault(frame((17 << 3) + 1), "zstd")?.message).toBe("ZSTD-decompression failed with status 16");
  });
});
