// `klplink sites vmlinux` against the kernel itself: the functions that ftrace lists, and the words in its memory
// with the function tracer off and on.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, inject, test } from "vitest";
import { type Boot, boot } from "./boot.ts";
import { mustRun, run } from "./run.ts";
import { klplink, stepOf } from "./scenario.ts";

const lab = inject("lab");

interface Place {
  readonly section: string;
  readonly address: string;
}
interface Listed {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly site: Place | null;
  readonly form: string | null;
  readonly usable: boolean;
  readonly init: boolean;
  readonly bytes: { readonly offset: number; readonly hex: string } | null;
}
interface Report {
  readonly entries: number;
  readonly functions: readonly Listed[];
  readonly disagreements: readonly {
    readonly kind: string;
    readonly place: Place | null;
    readonly near: string | null;
  }[];
}

const sites = (...args: string[]): Report => {
  const ran = klplink("sites", "--format", "json", ...args, lab.vmlinux);
  if (ran.stdout === "") throw new Error(ran.stderr);
  return JSON.parse(ran.stdout) as Report;
};

describe("sites of vmlinux", () => {
  let report: Report;
  let result: Boot;
  /** Sites that outlive the boot. */
  let lasting: readonly Listed[];

  beforeAll(async () => {
    report = sites();
    lasting = report.functions.filter((f) => f.usable && !f.init);
    const init = join(lab.folder, "tracer");
    mustRun("powerpc64le-linux-gnu-gcc", [
      "-static",
      "-O2",
      "-Wall",
      "-Wextra",
      "-Werror",
      "-o",
      init,
      "test/kernel/tracer.c",
    ]);
    const list = lasting.map((f) => `${f.site?.address}\n`).join("");
    result = await boot(lab.vmlinux, readFileSync(init), [{ name: "sites", data: Buffer.from(list) }], []);
  }, 300_000);

  /** Address -> [word in front, word at the site]. */
  const words = (step: string): Map<string, string[]> =>
    new Map(
      stepOf(result, step)
        .output.trim()
        .split("\n")
        .map((line) => line.split(" "))
        .map(([address = "", ...w]) => [`0x${address}`, w]),
    );

  test("the guest came to its end", () => {
    expect(result.steps.map((s) => [s.line, s.result])).toEqual(
      ["kcore", "functions", "off", "tracer", "on", "end"].map((name) => [name, 0]),
    );
  });

  test("every entry of the table is a site, or code of an overridden weak function", () => {
    const used = report.functions.filter((f) => f.usable).length;
    expect(used).toBeGreaterThan(5000);
    expect(new Set(report.disagreements.map((d) => d.kind))).toEqual(new Set(["overridden"]));
    expect(used + report.disagreements.length).toBe(report.entries);
  });

  test("calls to _mcount that objdump counts are the entries", () => {
    const text = run("powerpc64le-linux-gnu-objdump", ["-d", "--no-show-raw-insn", lab.vmlinux]).stdout;
    expect(text.match(/\tbl +[0-9a-f]+ <_mcount>$/gm)).toHaveLength(report.entries);
  });

  test("the functions are those that ftrace lists", () => {
    const listed = stepOf(result, "functions")
      .output.trim()
      .split("\n")
      .map((line) => line.replace(/ .*$/, ""))
      .filter((name) => !name.startsWith("__ftrace_invalid_address___"));
    // Where several names stand at one address, the kernel and the file may prefer different ones.
    const canonical = new Map(lasting.flatMap((f) => f.aliases.map((a) => [a, f.name] as const)));
    const known = new Set(lasting.map((f) => f.name));
    const names = listed.map((n) => (known.has(n) ? n : (canonical.get(n) ?? n)));
    // This kernel lists the code of an overridden weak function under the name in front of it.
    const overridden = report.disagreements
      .filter((d) => !d.place?.section.startsWith(".init"))
      .map((d) => d.near ?? "");
    expect(names.sort()).toEqual([...lasting.map((f) => f.name), ...overridden].sort());
  });

  test("tracer off: each site holds the bytes of --as nop", () => {
    const off = words("off");
    expect(off.size).toBe(lasting.length);
    const nop = new Map(sites("--as", "nop").functions.map((f) => [f.site?.address, f.bytes]));
    for (const { site } of lasting) {
      const expected = nop.get(site?.address);
      const [before, at] = off.get(site?.address ?? "") ?? [];
      expect([site?.address, before, at]).toEqual([site?.address, "7c0802a6", swapped(expected?.hex ?? "")]);
    }
  });

  test("tracer on: each site holds the bytes of --as call", () => {
    const map = readFileSync(lab.systemMap, "utf8");
    const caller = /^([0-9a-f]{16}) T ftrace_caller$/m.exec(map)?.[1] ?? "";
    const call = new Map(sites("--as", "call", "--target", caller).functions.map((f) => [f.site?.address, f.bytes]));
    const on = words("on");
    let calls = 0;
    for (const { name, site } of lasting) {
      const [before, at] = on.get(site?.address ?? "") ?? [];
      expect([name, before]).toEqual([name, "7c0802a6"]);
      // The tracer leaves out what it uses itself.
      if (at === "60000000") continue;
      expect([name, at]).toEqual([name, swapped(call.get(site?.address)?.hex ?? "")]);
      calls++;
    }
    expect(calls).toBeGreaterThan(lasting.length * 0.9);
  });
});

/** Bytes in memory order as the little-endian word that they are. */
const swapped = (hex: string): string => (hex.match(/../g) ?? []).reverse().join("");
