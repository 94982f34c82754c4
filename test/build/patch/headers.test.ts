// The headers that come with klplink for patches of other tools. That each kernel compiles and runs such patches: test/boot/build.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseConfigText } from "../../../src/build/config.ts";
import { helperFlags, patchHeaderFlags } from "../../../src/build/patch/headers.ts";
import { root } from "../../helpers.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-headers-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("they lie in the private folder, and stay untouched while they are the same", () => {
  const [flag = "", ...more] = patchHeaderFlags(folder);
  expect([flag, more]).toEqual([`-idirafter ${join(folder, "headers")}`, []]);
  const path = join(folder, "headers/linux/livepatch_helpers.h");
  expect(readFileSync(path)).toEqual(readFileSync(join(root, "glue/linux/livepatch_helpers.h")));
  const { ino, mtimeMs } = statSync(path);
  writeFileSync(join(folder, "headers/klplink.h"), "of another version\n");
  patchHeaderFlags(folder);
  expect(statSync(path)).toMatchObject({ ino, mtimeMs });
  expect(readFileSync(join(folder, "headers/klplink.h"))).toEqual(readFileSync(join(root, "glue/klplink.h")));
});

test("system calls are defined where the kernel's own header has that for another architecture alone", () => {
  const own = join(folder, "include/linux/livepatch_helpers.h");
  mkdirSync(join(folder, "include/linux"), { recursive: true });
  const config = parseConfigText("CONFIG_ARM64=y\n");
  const GIVEN = ["-D__KLP_SYSCALL_DEFINEx=__SYSCALL_DEFINEx"];
  expect(helperFlags(folder, config)).toEqual([]);
  const define = "#define __KLP_SYSCALL_DEFINEx(x, name, ...) long f##name(void)\n";
  for (const [text, flags] of [
    [`#ifndef H\n#define H\n\n#ifdef CONFIG_X86_64\n// moves\n${define}#endif\n#endif\n`, GIVEN],
    [`#ifndef H\n#define H\n\n#ifdef CONFIG_ARM64\n${define}#endif\n#endif\n`, []],
    [`#ifndef H\n#define H\n${define}#endif\n`, []],
    ["#ifndef H\n#define H\n#endif\n", []],
  ] as const) {
    writeFileSync(own, text);
    expect(helperFlags(folder, config), text).toEqual(flags);
  }
});
