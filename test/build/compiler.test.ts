// Which compiler is chosen, among programs that only say a version.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chooseCompiler } from "../../src/build/compiler.ts";
import { parseConfigText } from "../../src/build/config.ts";
import { makeMachines } from "../../src/build/machines.ts";
import { Programs } from "../../src/build/make.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-compilers-"));
const program = (name: string, version: string): void =>
  writeFileSync(join(folder, name), `#!/bin/sh\necho '${version}'\n`, { mode: 0o755 });
beforeAll(() => {
  program("clang", "Debian clang version 16.0.6");
  program("clang-14", "Debian clang version 14.0.6");
});
afterAll(() => rmSync(folder, { recursive: true }));

const chosen = (version: string, compiler?: string) => {
  const programs = new Programs({ PATH: folder });
  const config = parseConfigText(`CONFIG_CC_IS_CLANG=y\nCONFIG_CC_VERSION_TEXT="${version}"\n`);
  const wanted = { machine: makeMachines.x86_64, programs, ...(compiler === undefined ? {} : { compiler }) };
  const { variables, differs } = chooseCompiler(wanted, config);
  return { variables, differs: differs?.here ?? null };
};

// Documentation/kbuild/llvm.rst: LLVM=1, LLVM=-14 for a suffix, LLVM=FOLDER/ for a folder.
test("clang of the kernel's version, with linker and tools beside it", () => {
  expect(chosen("Debian clang version 16.0.6")).toEqual({ variables: ["LLVM=1"], differs: null });
  expect(chosen("Debian clang version 14.0.6")).toEqual({ variables: ["LLVM=-14"], differs: null });
  expect(chosen("clang version 15.0.7")).toEqual({ variables: ["LLVM=1"], differs: "Debian clang version 16.0.6" });
});

test("clang as the user says", () => {
  expect(chosen("Debian clang version 16.0.6", "clang-14").variables).toEqual(["LLVM=-14"]);
  const path = join(folder, "clang");
  expect(chosen("Debian clang version 16.0.6", path).variables).toEqual([`LLVM=${folder}/`]);
  expect(() => chosen("Debian clang version 16.0.6", "clang-9")).toThrow();
});
