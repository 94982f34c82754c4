import { describe, expect, test } from "vitest";
import { missingIn, packageOf } from "../../../src/build/failed/tools.ts";
import { timeLeft } from "../../../src/build/kernelBuild.ts";

describe("a tool that is missing", () => {
  // Lines of dash, bash, make and gcc of Debian 12.
  test.each([
    ["/bin/sh: 1: flex: not found", "flex", "flex"],
    ["bash: line 1: bc: command not found", "bc", "bc"],
    ["make[2]: bison: No such file or directory", "bison", "bison"],
    [
      "tools/objtool/include/objtool/elf.h:10:10: fatal error: gelf.h: No such file or directory",
      "gelf.h",
      "libelf-dev",
    ],
    [
      "certs/extract-cert.c:21:10: fatal error: openssl/bio.h: No such file or directory",
      "openssl/bio.h",
      "libssl-dev",
    ],
  ])("%s", (line, name, from) => {
    expect(missingIn(["  LEX  x", line, "make: *** Error 127"])).toEqual({ name, package: from });
  });
  test("a header of the kernel's own is none", () => {
    expect(missingIn(["fs/x.c:1:10: fatal error: linux/none.h: No such file or directory"])).toBe(null);
  });
  test.each([
    ["powerpc64le-linux-gnu-gcc", "gcc-powerpc64le-linux-gnu"],
    ["aarch64-linux-gnu-ld", "binutils-aarch64-linux-gnu"],
    ["x86_64-linux-gnu-gcc", "gcc-x86-64-linux-gnu"],
    ["ld.lld-14", "lld-14"],
    ["gcc-13", "gcc-13"],
    ["no-such-program", null],
  ])("%s is in the package %s", (command, from) => {
    expect(packageOf(command)).toBe(from);
  });
});

test.each([
  [1000, 4, 100, ""],
  [10_000, 10, 20, ", 10 s left"],
  [60_000, 20, 100, ", 4 min left"],
  [60_000, 99, 100, ""],
])("%i ms for %i of %i: %j", (spent, done, all, words) => {
  expect(timeLeft(spent, done, all)).toBe(words);
});
