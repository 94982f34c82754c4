// A finished livepatch module that went through a tool that does not know such modules is recognised; one that the original
// tools finished has nothing of the kind. Files: test/golden/relinked and test/golden/originals (make.sh in each).

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { levelOf } from "../../../src/diag/catalogue.ts";
import { check } from "../../../src/passes/check.ts";
import { link } from "../../../src/passes/link.ts";
import { meaning } from "../producers/originals.ts";
import { fixture } from "../readBack.ts";

const golden = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(fileURLToPath(new URL(`../../golden/${name}.o`, import.meta.url))));
const codesOf = (bytes: Uint8Array): string[] => {
  const { problems } = check(bytes, { file: "x.ko" });
  return [...new Set(problems.filter((p) => levelOf(p) === "error").map((p) => p.code))];
};
const all = readdirSync(fileURLToPath(new URL("../../golden/relinked/", import.meta.url)))
  .flatMap((file) => /^(.*)\.o$/.exec(file)?.[1] ?? [])
  .map((name) => ({ name, original: name.replace(/^\w+-/, "") }));
/** objcopy keeps livepatch relocations where the section has ordinary ones besides. */
const survives = ({ name }: { name: string }): boolean => name.startsWith("objcopy-objtool-");
const wrecks = all.filter((a) => !survives(a));

describe.each(wrecks)("$name", ({ name, original }) => {
  const wreck = golden(`relinked/${name}`);

  test("is a wreck: livepatch relocations are gone", () => {
    const [was, is] = [meaning(golden(`originals/${original}`)), meaning(wreck)];
    expect(is.klpRelocations.length).toBeLessThan(was.klpRelocations.length);
  });
  // ld takes the sections for data and makes other symbols of livepatch symbols; objcopy loses the relocations' symbols.
  test("and klplink says so", () => {
    const expected = name.startsWith("ld-") ? ["KLP408", "KLP446"] : ["KLP439"];
    expect(codesOf(wreck)).toEqual(expect.arrayContaining(expected));
    const { output, problems } = link(wreck, { file: "x.ko" });
    expect(output).toBeNull();
    expect(problems.length).toBeGreaterThan(0);
  });
});

describe.each(all.filter(survives))("$name", ({ name, original }) => {
  test("has kept its livepatch relocations, and klplink has nothing new to say", () => {
    const [was, is] = [golden(`originals/${original}`), golden(`relinked/${name}`)];
    expect(meaning(is).klpRelocations).toEqual(meaning(was).klpRelocations);
    expect(codesOf(is)).toEqual(codesOf(was));
  });
});

// The names that create-klp-module cuts are not names (KLP409); post-link leaves type 0, which ppc64le refuses (KLP201).
test.each([
  ["originals/kpatch-x86_64", ["KLP409"]],
  ["originals/kpatch-ppc64le", ["KLP409"]],
  ["originals/kpatch-arm64", ["KLP409"]],
  ["originals/objtool-x86_64", []],
  ["originals/edge-objtool-x86_64", []],
  ["originals/objtool-arm64", []],
  ["originals/objtool-ppc64le", ["KLP201"]],
])("%s: what the original tools finished", (name, expected) => {
  expect(codesOf(golden(name))).toEqual(expected);
});

test.each(["x86_64", "ppc64le", "arm64"])("what klplink finishes has none of these faults: %s", (arch) => {
  for (const name of ["kpatch", "objtool", "convert-v7", "convert-2024"]) {
    const { output } = link(fixture(`${name}-${arch}`), { file: "x.ko" });
    expect(codesOf(output ?? new Uint8Array(0)), name).toEqual([]);
  }
});
