// What klplink makes of a producer's file is what the producer's own tool makes of it: the same livepatch symbols, the same
// livepatch relocations, the same ordinary relocations of loaded sections. The tools' results are in test/golden/originals
// (make.sh there); test/tools/originals.test.ts runs the tools again.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { link } from "../../../src/passes/link.ts";
import { fixture } from "../readBack.ts";
import { KPATCH_NAME_LIMIT, meaning } from "./originals.ts";

const goldens = fileURLToPath(new URL("../../golden/originals/", import.meta.url));
/** Those of one livepatch in several forms have a test of their own: forms.test.ts. */
const names = readdirSync(goldens).flatMap((file) => /^((?!same-).*)\.o$/.exec(file)?.[1] ?? []);

test("there is a result of each tool for each architecture", () => {
  expect(names.sort()).toEqual(
    ["edge-kpatch", "edge-objtool", "kpatch", "kpatch-arch", "objtool"]
      .flatMap((name) => ["arm64", "ppc64le", "x86_64"].map((arch) => `${name}-${arch}`))
      .sort(),
  );
});

describe.each(names)("%s", (name) => {
  const input = fixture(name.replace("kpatch-arch", "kpatch"));
  // Kernels before 5.8 are those for which kpatch makes .klp.arch sections.
  const kernelVersion = name.includes("kpatch-arch") ? { major: 5, minor: 7 } : { major: 6, minor: 1 };
  const theirs = meaning(new Uint8Array(readFileSync(`${goldens}${name}.o`)));
  // The tools check nothing; klplink refuses some of this (a symbol of vmlinux that waits for a module) unless forced.
  const { output } = link(input, { file: "x.o", kernelVersion, force: true });
  if (output === null) throw new Error(`${name} was not finished`);
  const ours = meaning(output);

  test("livepatch relocations", () => {
    expect(theirs.klpRelocations.length).toBeGreaterThan(1);
    expect(ours.klpRelocations.map(cut)).toEqual(theirs.klpRelocations.map(cut));
  });
  test("livepatch symbols", () => {
    expect(ours.klpSymbols.map(cut)).toEqual(theirs.klpSymbols.map(cut));
  });
  test("ordinary relocations", () => {
    expect(ours.relocations).toEqual(theirs.relocations);
  });
});

/** create-klp-module cuts names; the one that is longer here is compared as far as that goes. */
const cut = (text: string): string =>
  text.replace(/\.klp\.sym\.[^ ]+/, (name) => (name.includes("long_name_") ? name.slice(0, KPATCH_NAME_LIMIT) : name));
