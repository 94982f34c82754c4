// Whether a linked file has code. test/boot/kallsyms.test.ts has the file of a linux-headers package.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mayHoldCode } from "../../src/elf/codeless.ts";
import { EHDR } from "../../src/elf/views/layout.ts";
import { withoutCode } from "./withoutCode.ts";

const vmlinux = readFileSync("test/fixtures/kernel/vmlinux-x86_64");
const ask = (bytes: Uint8Array): boolean => mayHoldCode((size, at) => bytes.subarray(at, at + size));

test("only a file that shows that it has none has none", () => {
  expect(ask(vmlinux)).toBe(true);
  expect(ask(withoutCode(vmlinux))).toBe(false);
  expect(ask(readFileSync("test/fixtures/kernel/vmlinux-ppc64le"))).toBe(true);
  for (const other of [Buffer.alloc(0), Buffer.from("\x1f\x8b packed"), vmlinux.subarray(0, 50)])
    expect(ask(other)).toBe(true);
  // Whose headers are cut off, or say nothing: the one that reads it says what is wrong.
  expect(ask(withoutCode(vmlinux).subarray(0, -200))).toBe(true);
  const many = withoutCode(vmlinux);
  many.writeUInt16LE(0, EHDR.shnum);
  expect(ask(many)).toBe(true);
});
