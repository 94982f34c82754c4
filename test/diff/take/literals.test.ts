// Addresses of string literals across the border. What is expected follows from test/fixtures/diff/literals/literals.c.

import { describe, expect, test, vi } from "vitest";
import { TooMuchWork, type Work, WorkPool } from "../../../src/base/work.ts";
import { type DiffResult, diffObjects, extractDiff } from "../../../src/passes/diff/diff.ts";
import { load } from "../../helpers.ts";
import { kernelWith } from "../targetOf.ts";

const bytesOf = (arch: string, which: string): Uint8Array => load(`test/fixtures/diff/literals/${arch}.${which}.o`);

/** @param pool steps beside those for the bytes of each object */
const compared = (arch: string, pool?: WorkPool): Promise<DiffResult> =>
  diffObjects(
    { bytes: bytesOf(arch, "orig"), path: "orig.o" },
    { bytes: bytesOf(arch, "patched"), path: "patched.o" },
    pool === undefined ? {} : { pool },
  );

const extracted = (arch: string, result: DiffResult): ReturnType<typeof extractDiff> =>
  extractDiff(result, { kernel: kernelWith(bytesOf(arch, "orig"), ["ext", "sink"]), object: "vmlinux" });

test.each(["x86_64", "arm64", "ppc64le"])("%s: what is compared on one side and held on the other", async (arch) => {
  const { problems, replaced } = extracted(arch, await compared(arch));
  expect(replaced.map((r) => r.name).sort()).toEqual(["alone", "both", "compares", "hands_on", "only", "stores"]);
  const told = problems.map((p) => ({ code: p.code, ...p.data }));
  expect(told.sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)))).toEqual([
    { code: "KLP744", name: "both", text: "own", use: "compare", holders: ["both"] },
    { code: "KLP744", name: "compares", text: "auto", use: "compare", holders: ["modes"] },
    { code: "KLP744", name: "stores", text: "stored", use: "store", holders: ["goes_on"] },
  ]);
});

describe.each(["x86_64", "arm64", "ppc64le"])("%s: looking for strings is work that is counted", (arch) => {
  const WHAT = "looking for strings";

  test("on the original what its strings are searched for, on the patched object the users that are named", async () => {
    const result = await compared(arch);
    const { orig, patched } = result.diff;
    const takes = [orig, patched].map(({ unit }) => vi.spyOn(unit.work, "take"));
    const told = extracted(arch, result).problems.flatMap((p) => (p.code === "KLP744" ? [p.data.holders.length] : []));
    const steps = takes.map(({ mock }) => mock.calls.flatMap(([n, what]) => (what === WHAT ? [n] : [])));
    // Five strings are compared or stored by taken code; each is looked for once in each section of strings: a sixteenth of its bytes, and one.
    const { sections } = orig.unit.file;
    const strings = orig.unit.kinds.flatMap((kind, i) => (kind === "strings" ? [sections.size(i)] : []));
    expect(strings.length).toBeGreaterThan(0);
    expect(steps[0]).toEqual(strings.map((size) => 5 * (1 + Math.floor(size / 16))));
    expect(steps[1]?.filter((n) => n > 0)).toEqual(told);
  });

  /** Takes all steps that are left for an object. */
  function exhaust(work: Work): void {
    try {
      for (;;) work.take(1 << 20, "nothing");
    } catch (error) {
      if (!(error instanceof TooMuchWork)) throw error;
    }
  }

  test.each([
    ["orig", WHAT],
    ["patched", "comparing strings"],
  ] as const)("where none is left for the %s, that is said of it", async (side, what) => {
    const result = await compared(arch, new WorkPool());
    exhaust(result.diff[side].unit.work);
    const problem = expect.objectContaining({
      code: "KLP127",
      at: { file: `${side}.o` },
      data: { what, bytes: bytesOf(arch, side).length },
    }) as unknown;
    expect(() => extracted(arch, result)).toThrow(expect.objectContaining({ problem }));
  });
});
