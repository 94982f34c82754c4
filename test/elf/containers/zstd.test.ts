// The decoder of zstd data, whose memory must not fill with what damaged files had asked for: those behind them would be damaged, too. (RFC 8878, 3.1.1: the frames are made by hand.)

import { expect, test } from "vitest";
import { unpackZstd, ZstdError } from "../../../src/elf/containers/zstd.ts";

/** Frame of a window of 64 MiB, with one block of four bytes that is not the last. */
const cut = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0x80, 0x20, 0, 0, 1, 2, 3, 4);
/** The same, whole: the block is the last one. */
const whole = cut.map((byte, i) => (i === 6 ? byte | 1 : byte));

test("a hundred files that are cut off, each with a window of 64 MiB, and those behind them", async () => {
  for (let n = 0; n < 100; n++) {
    await expect(unpackZstd(cut, 1000)).rejects.toThrow();
    await expect(unpackZstd(whole, 2)).rejects.toThrow(ZstdError);
  }
  expect([...(await unpackZstd(whole, 4))]).toEqual([1, 2, 3, 4]);
});
