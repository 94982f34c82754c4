// Code that the kernel's loader writes. The words are those that kernels leave in memory: the ppc64le ones were worked
// out from arch/powerpc/kernel/module_64.c (6.12), the arm64 ones come from module-plts.c and insn.c, compiled and run.

import { expect, test } from "vitest";
import { OrderedView, wordBytes } from "../../src/base/bytes.ts";
import { adrpAdd } from "../../src/stubs/arm64.ts";
import { ftraceStubWords, rewriteEntry, stubWords, tocBase } from "../../src/stubs/ppc64le.ts";

const TOC = 0xc008000000d69000n;

test("ppc64le: the TOC base lies 0x8000 behind the section, whose low 8 bits do not count", () => {
  expect(tocBase(0xc008000000d61000n)).toBe(TOC);
  expect(tocBase(0xc008000000d610f8n)).toBe(TOC);
  expect(tocBase(0xffffffffffff8100n)).toBe(0x100n);
});

test("ppc64le: a stub, relative to the TOC base", () => {
  const words = [0x3d62fffd, 0x396b7a28, 0xf8410018, 0xe98b0020, 0x7d8903a6, 0x4e800420, 0];
  expect(stubWords(0xc008000000d40a28n, TOC)).toEqual(words);
});

test("ppc64le: a stub reaches 2 GiB around the TOC base", () => {
  expect(stubWords(TOC - 0x80000000n, TOC)?.slice(0, 2)).toEqual([0x3d628000, 0x396b0000]);
  expect(stubWords(TOC + 0x7fffffffn, TOC)?.slice(0, 2)).toEqual([0x3d628000, 0x396bffff]);
  expect(stubWords(TOC - 0x80000001n, TOC)).toBeNull();
  expect(stubWords(TOC + 0x80000000n, TOC)).toBeNull();
});

test("ppc64le: a profiler's stub, relative to the kernel's TOC base", () => {
  const words = [0xe98d0010, 0x3d8cfd9c, 0x398c72a0, 0x7d8903a6, 0x4e800420, 0, 0];
  expect(ftraceStubWords(0xc00000000006f2a0n, 0xc0000000026a8000n, 16)).toEqual(words);
  expect(ftraceStubWords(0xc00000000006f2a0n, 0xc0000000026a8000n, 8)?.[0]).toBe(0xe98d0008);
  expect(ftraceStubWords(0xc008000000000000n, 0xc0000000026a8000n, 16)).toBeNull();
});

test("ppc64le: R_PPC64_ENTRY", () => {
  const view = new OrderedView(wordBytes([0xe84cfff8, 0x7c426214], true), true);
  rewriteEntry(view, 0, 0xc008000000d40000n, TOC);
  expect([view.getUint32(0, true), view.getUint32(4, true)]).toEqual([0x3c4c0003, 0x38429000]);
});

test("arm64: adrp and add of a PLT entry", () => {
  expect(adrpAdd(0xffff80007a7f2024n, 0xffff800080123458n, 16)).toEqual([0xb002c990, 0x91116210]);
  expect(adrpAdd(0xffff80007a7f3000n, 0xffff800080123458n, 16)).toEqual([0x9002c990, 0x91116210]);
});

test("arm64: the distance is cut to 32 bits first, so that a target of 0 gets a word that looks valid", () => {
  expect(adrpAdd(0xffff80007a7f2024n, 0n, 16)[0]).toBe(0xd0c2c070);
});

test("arm64: an entry for an ADRP that erratum 843419 would hit", () => {
  expect(adrpAdd(0xffff80007a7f2024n, 0xffff800080123000n, 5)).toEqual([0xb002c985, 0x910000a5]);
});
