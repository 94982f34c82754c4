// Configurations: what rules a livepatch out, and what became another option.

import { expect, test } from "vitest";
import { configChanges, configProblems, parseConfigText } from "../../src/build/config.ts";
import { makeMachines } from "../../src/build/machines.ts";

const problemsOf = (text: string): unknown[] =>
  configProblems(parseConfigText(`CONFIG_MODULES=y\nCONFIG_LIVEPATCH=y\n${text}`), "file", makeMachines.ppc64le).map(
    (p) => (p.data as { option: string }).option,
  );

test("the configuration of another architecture is told by the option of that one", () => {
  expect(problemsOf("CONFIG_PPC64=y\n")).toEqual([]);
  expect(problemsOf("")).toEqual([]);
  expect(problemsOf("CONFIG_ARM64=y\n")).toEqual(["CONFIG_ARM64"]);
  expect(problemsOf("CONFIG_S390=y\n# CONFIG_PPC64 is not set\n")).toEqual(["CONFIG_S390"]);
});

test("options that randomise or count rule a livepatch out", () => {
  expect(problemsOf("CONFIG_RANDSTRUCT=y\nCONFIG_GCOV_PROFILE_ALL=y\n")).toEqual([
    "CONFIG_RANDSTRUCT",
    "CONFIG_GCOV_PROFILE_ALL",
  ]);
  expect(problemsOf("CONFIG_GCOV_PROFILE_ALL=n\n")).toEqual([]);
});

test("of options that became others those of compiler and tools are left out", () => {
  const before = parseConfigText(
    "CONFIG_A=y\nCONFIG_B=m\nCONFIG_CC_HAS_X=y\nCONFIG_AS_VERSION=1\nCONFIG_MODULE_ALLOW_BTF_MISMATCH=y\n",
  );
  const after = parseConfigText("CONFIG_A=y\nCONFIG_C=12\nCONFIG_AS_VERSION=2\n");
  expect(configChanges(before, after)).toEqual(["CONFIG_B (m became n)", "CONFIG_C (n became 12)"]);
});

test("link-time optimisation: modules are compared as a whole where a kernel was seen to run the result", () => {
  const found = (arch: "x86_64" | "arm64", option: string): number => {
    const own = `CONFIG_MODULES=y\nCONFIG_LIVEPATCH=y\n${makeMachines[arch].option}=y\nCONFIG_LTO_CLANG=y\n${option}=y\n`;
    return configProblems(parseConfigText(own), "file", makeMachines[arch]).length;
  };
  expect(found("x86_64", "CONFIG_LTO_CLANG_THIN")).toBe(0);
  expect(found("x86_64", "CONFIG_LTO_CLANG_FULL")).toBe(1);
  expect(found("arm64", "CONFIG_LTO_CLANG_THIN")).toBe(1);
});
