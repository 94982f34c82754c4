// Every command over mutated files: it ends as documented (docs: 0, 1, 2, 3), and never as a bug in klplink (70) or with an
// exception. KLPLINK_FUZZ_RUNS and KLPLINK_FUZZ_SEED set how many inputs each command gets and where to begin.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { klplink } from "../cli/run.ts";
import { root } from "../helpers.ts";
import { generator, mutate } from "./mutate.ts";

const runs = Number(process.env.KLPLINK_FUZZ_RUNS ?? 60);
const firstSeed = Number(process.env.KLPLINK_FUZZ_SEED ?? 1);

const folder = mkdtempSync(join(tmpdir(), "klplink-commands-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Objects and modules of the fixtures and samples, but for the few that are large. */
const modules = ["samples", "test/fixtures/diag", "test/fixtures/elf", "test/fixtures/dwarf", "test/fixtures/kernel"]
  .flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, encoding: "utf8" }).map((path) => join(root, top, path)),
  )
  .filter((path) => /\.k?o$/.test(path) && !/refused/.test(path))
  .sort()
  .map((path) => new Uint8Array(readFileSync(path)))
  .filter((bytes) => bytes.length < 200_000);
const pick = <T>(items: readonly T[], n: number): T => items[n % items.length] as T;

/** Objects before a patch; those after it lie beside them. */
const pairs = readdirSync(join(root, "test/fixtures/diff/pairs"))
  .filter((name) => name.endsWith(".orig.o"))
  .sort()
  .map((name) => join(root, "test/fixtures/diff/pairs", name));
const patchedOf = (orig: string): string => orig.replace(/\.orig\.o$/, ".patched.o");

const IN = join(folder, "in.o");
const OUT = join(folder, "out");
const RAW = join(folder, "raw");
const VMLINUX = join(root, "test/fixtures/kernel/vmlinux-x86_64");
const CAPTURE = join(root, "test/fixtures/diag/image/capture");
const LINES = readFileSync(join(root, "test/fixtures/dmesg/lines.txt"), "latin1").split("\n");

const PROTOCOLS = ["X1", "X1b-enable", "X1c"];
const ODD: readonly unknown[] = [null, 0, -1, 1e9, "", "x", [], {}, true, ["x"], { x: 1 }];

/** A protocol as JSON, a few of its values replaced, taken away or doubled. */
async function mutateProtocol(seed: number): Promise<Uint8Array> {
  const { stdout } = await klplink(["model", pick(PROTOCOLS, seed), "--source"]);
  const next = generator(seed);
  const document: unknown = JSON.parse(stdout);
  for (let edits = next(3); edits > 0; edits--) {
    let at = document as Record<string, unknown>;
    for (;;) {
      const keys = Object.keys(at);
      const key = keys[next(keys.length)];
      if (key === undefined) break;
      const inner = at[key];
      if (typeof inner === "object" && inner !== null && next(5) > 0) {
        at = inner as Record<string, unknown>;
        continue;
      }
      if (next(4) === 0 && Array.isArray(at)) at.push(structuredClone(inner));
      else if (next(3) === 0) delete at[key];
      else at[key] = next(2) === 0 ? pick(ODD, next(ODD.length)) : structuredClone(at[keys[next(keys.length)] ?? key]);
      break;
    }
  }
  return Buffer.from(JSON.stringify(document));
}

interface Target {
  readonly args: (seed: number) => readonly string[];
  /** The file that the command gets; modules in turn, mutated, by default. */
  readonly mutated?: (seed: number) => Uint8Array | Promise<Uint8Array>;
}

const targets: Readonly<Record<string, Target>> = {
  link: {
    args: (seed) => [
      ...["link", IN, "-o", OUT, ...pick([[], ["-k", VMLINUX], ["--force"], ["-k", VMLINUX, "--force"]], seed)],
      ...pick([[], ["--toc-restore", "epilogue"], ["--toc-restore", "mini-frame"]], seed),
    ],
  },
  check: {
    args: (seed) => [
      ...["check", IN, ...pick([[], ["-k", VMLINUX], ["--reference", IN], ["-m", IN, "-k", VMLINUX]], seed)],
      ...["--format", pick(["text", "json", "sarif", "github"], seed >> 2)],
    ],
  },
  image: {
    args: (seed) => [
      ...["image", IN, "-o", OUT, ...pick([[], ["-k", VMLINUX], ["--raw", RAW], ["-k", VMLINUX, "--map"]], seed)],
      ...["--stage", pick(["relocated", "loaded"], seed >> 2)],
    ],
  },
  verify: {
    args: (seed) => ["verify", IN, "--root", CAPTURE, ...pick([[], ["-k", VMLINUX]], seed)],
    mutated: (seed) => mutate(new Uint8Array(readFileSync(join(CAPTURE, "../far.ko"))), seed),
  },
  show: { args: (seed) => ["show", IN, "--format", pick(["text", "json"], seed)] },
  sites: { args: (seed) => ["sites", IN, ...pick([[], ["-k", VMLINUX], ["--format", "json"]], seed)] },
  explain: {
    args: (seed) => [
      "explain",
      "--module",
      IN,
      pick(LINES, seed).split("\t")[0] ?? "",
      "--format",
      pick(["text", "json"], seed),
    ],
  },
  model: { args: () => ["model", IN], mutated: mutateProtocol },
  diff: {
    args: (seed) => [
      ...[
        "diff",
        ...pick(
          [
            [pairs[seed % pairs.length] ?? "", IN],
            [IN, pairs[seed % pairs.length] ?? ""],
          ],
          seed,
        ),
      ],
      ...pick([["-v"], ["--format", "json"], ["-k", VMLINUX, "-o", OUT]], seed >> 1),
    ],
    mutated: (seed) => mutate(new Uint8Array(readFileSync(patchedOf(pairs[seed % pairs.length] ?? ""))), seed),
  },
  "check -k": {
    args: () => ["check", join(root, "test/fixtures/kernel/demo-mod.ko"), "-k", IN],
    mutated: (seed) => mutate(new Uint8Array(readFileSync(VMLINUX)), seed),
  },
};

describe.each(Object.entries(targets))("%s", (name, { args, mutated }) => {
  test(`${runs} mutations from seed ${firstSeed}`, async () => {
    const failures = new Map<string, string>();
    const ends = new Map<number | null, number>();
    for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
      const bytes = (await mutated?.(seed)) ?? mutate(pick(modules, seed), seed);
      writeFileSync(IN, bytes);
      for (const path of [OUT, RAW]) rmSync(path, { recursive: true, force: true });
      const words = args(seed);
      const { status, stderr, stdout } = await klplink(words).catch((error: Error) => ({
        status: null,
        stderr: error.stack ?? "",
        stdout: "",
      }));
      ends.set(status, (ends.get(status) ?? 0) + 1);
      if (status === null || status > 3) {
        const text = `${words.join(" ")}\n${stderr}${stdout}`;
        const key = (stderr.match(/^ +at .*$/m)?.[0] ?? stderr.slice(0, 200)).replace(/\d+/g, "N");
        if (!failures.has(key)) failures.set(key, `seed ${seed}: ${text.slice(0, 1500)}`);
        const keep = process.env.KLPLINK_FUZZ_KEEP;
        if (keep !== undefined) writeFileSync(join(keep, `${name}-${seed}.o`), bytes);
      }
    }
    if (process.env.KLPLINK_FUZZ_RUNS !== undefined) console.log(`${name}: ${JSON.stringify([...ends])}`);
    if (failures.size > 0) throw new Error([...failures.values()].join("\n\n"));
    // Some are taken, and some are refused.
    expect(ends.size).toBeGreaterThan(1);
  });
});

// Files that once hung a command or ended it as a bug: diff-PAIR.ARCH.WHY.o is given to diff beside the original of that pair.
describe("kept", () => {
  const kept = readdirSync(join(root, "test/fuzz/crashes")).filter((name) => name.startsWith("diff-"));
  test.each(kept)("%s", async (name) => {
    const [, pair = ""] = /^diff-(.+\.[^.]+)\.[^.]+\.o$/.exec(name) ?? [];
    const orig = join(root, `test/fixtures/diff/pairs/${pair}.orig.o`);
    const run = await klplink(["diff", orig, join(root, "test/fuzz/crashes", name), "-k", VMLINUX, "-o", OUT]);
    expect([0, 1, 3], run.stderr).toContain(run.status);
  });
});
