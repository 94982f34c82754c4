// Addresses of string literals across the border. What is expected follows from test/fixtures/diff/literals/literals.c.

import { expect, test } from "vitest";
import { diffObjects, extractDiff } from "../../../src/passes/diff/diff.ts";
import { load } from "../../helpers.ts";
import { kernelWith } from "../targetOf.ts";

test.each(["x86_64", "arm64", "ppc64le"])("%s: what is compared on one side and held on the other", async (arch) => {
  const bytesOf = (which: string): Uint8Array => load(`test/fixtures/diff/literals/${arch}.${which}.o`);
  const result = await diffObjects(
    { bytes: bytesOf("orig"), path: "orig.o" },
    { bytes: bytesOf("patched"), path: "patched.o" },
  );
  const kernel = kernelWith(bytesOf("orig"), ["ext", "sink"]);
  const { problems, replaced } = extractDiff(result, { kernel, object: "vmlinux" });
  expect(replaced.map((r) => r.name).sort()).toEqual(["alone", "both", "compares", "hands_on", "only", "stores"]);
  const told = problems.map((p) => ({ code: p.code, ...p.data }));
  expect(told.sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)))).toEqual([
    { code: "KLP744", name: "both", text: "own", use: "compare", holders: ["both"] },
    { code: "KLP744", name: "compares", text: "auto", use: "compare", holders: ["modes"] },
    { code: "KLP744", name: "stores", text: "stored", use: "store", holders: ["goes_on"] },
  ]);
});
