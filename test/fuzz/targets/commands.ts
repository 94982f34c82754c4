// Every command over mutated files: it ends as documented (0, 1, 2, 3), never as a bug in klplink (70) or with an exception, and its streams
// get no control characters.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { klplink } from "../../cli/run.ts";
import { load, root } from "../../helpers.ts";
import { hasHidden } from "../../hidden.ts";
import { type Outcome, objectFiles, type Target } from "../frame/target.ts";
import { generator, mutate } from "../mutate.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-fuzz-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const pick = <T>(items: readonly T[], n: number): T => items[n % items.length] as T;

const IN = join(folder, "in.o");
const OUT = join(folder, "out");
const RAW = join(folder, "raw");
const VMLINUX = join(root, "test/fixtures/kernel/vmlinux-x86_64");
const CAPTURE = join(root, "test/fixtures/diag/image/capture");
const LINES = Buffer.from(load("test/fixtures/dmesg/lines.txt")).toString("latin1").split("\n");

/** Objects before a patch; those after it lie beside them. */
const pairs = readdirSync(join(root, "test/fixtures/diff/pairs"))
  .filter((name) => name.endsWith(".orig.o"))
  .sort()
  .map((name) => join(root, "test/fixtures/diff/pairs", name));
const patchedOf = (orig: string): string => orig.replace(/\.orig\.o$/, ".patched.o");

/** Runs a command line over the input. @throws Error with all that it said, where it ends as a bug */
async function runCommand(words: readonly string[], bytes: Uint8Array): Promise<Outcome> {
  writeFileSync(IN, bytes);
  for (const path of [OUT, RAW]) rmSync(path, { recursive: true, force: true });
  const { status, stdout, stderr } = await klplink(words);
  const said = `${words.join(" ")}\n${stderr}${stdout}`.slice(0, 1500);
  if (status === null || status > 3) {
    const thrown = new Error(said);
    // The place inside klplink tells one kind of failure from another.
    thrown.stack = `${stderr.split("\n")[2] ?? ""}\n${/^ +at .*$/m.exec(stderr)?.[0] ?? ""}\n${said}`;
    throw thrown;
  }
  if ((stdout + stderr).split(/[\n\t]/).some(hasHidden)) throw new Error(`control characters: ${JSON.stringify(said)}`);
  if (/\.\w+\+0x-/.test(stdout + stderr)) throw new Error(`a place before its section: ${said}`);
  const form = words.indexOf("--format");
  if (words[form + 1] === "json" && !words.slice(0, form).includes("--") && status < 2) JSON.parse(stdout);
  // The model says how long it took.
  return { end: String(status), output: stdout.replace(/"milliseconds": \d+/g, "") + stderr };
}

const command = (args: (seed: number) => readonly string[], count = 40): Target => ({
  count,
  samples: () => objectFiles().filter((bytes) => bytes.length < 100_000),
  mutate,
  run: (bytes, seed) => runCommand(args(seed), bytes),
});

const WORDS = [
  ...[
    "link",
    "check",
    "image",
    "verify",
    "show",
    "sites",
    "explain",
    "model",
    "glue",
    "diff",
    "completion",
    "help",
    "man",
  ],
  ...[
    "-k",
    "-m",
    "-o",
    "--reference",
    "--sympos",
    "--root",
    "--format",
    "json",
    "text",
    "sarif",
    "github",
    "html",
    "--color",
    "always",
    "-q",
    "-v",
  ],
  ...[
    "--in-place",
    "--force",
    "--keep",
    "--from",
    "kpatch",
    "--toc-restore",
    "island",
    "--at",
    "text=0",
    "0x1000",
    "--sections",
    "--raw",
  ],
  ...[
    "--map",
    "--stage",
    "loaded",
    "--late",
    "--param",
    "a=1",
    "none",
    "--patched-by",
    "--x86",
    "locks=up",
    "--function",
    "--as",
    "call",
    "nop",
  ],
  ...[
    "--target",
    "--ops",
    "--section",
    ".text=0x0",
    "--list",
    "--svg",
    "--source",
    "--tasks",
    "2",
    "--assume-empty",
    "--pair",
    "a=b",
    "--object",
  ],
  ...[
    "X1",
    "KLP301",
    "KLP",
    "bash",
    "-",
    "--",
    "",
    "=",
    "a\x1b[31m\n\u202eb",
    "'",
    "9".repeat(400),
    "NaN",
    "-1",
    "vmlinux",
    "running",
    "6.12",
  ],
];

/** Words of the command line, one a byte; files stand for some of them. */
const commandLine: Target = {
  count: 250,
  samples: () => [new Uint8Array(8)],
  mutate: (_, seed) => {
    const next = generator(seed);
    return Uint8Array.from({ length: 1 + next(8) }, () => next(256));
  },
  run: async (bytes) => {
    const words = [...bytes].map((b) =>
      b < 40 ? IN : b < 50 ? VMLINUX : b < 60 ? OUT : (WORDS[b % WORDS.length] ?? ""),
    );
    // Commands that read what this machine has would give what this machine has.
    if (words.includes("verify") || words.includes("running") || words.includes("--root") || words.includes("6.12"))
      return { end: "left out" };
    const first = words[0] === "help" || WORDS.indexOf(words[0] ?? "") > 12 ? [WORDS[(bytes[0] ?? 0) % 11] ?? ""] : [];
    // Nothing of this checkout is written to: outputs go where the words say, or beside the input.
    const line = [...first, ...words];
    if (
      line[0] === "glue" ||
      line.includes("--svg") ||
      line.includes("--map") ||
      line.includes("--raw") ||
      line.includes("-o")
    )
      return { end: "writes" };
    return runCommand(line, load("samples/arm64/convert/convert.o"));
  },
};

export const commandTargets = {
  show: command((seed) => ["show", IN, "--format", pick(["text", "json"], seed)]),
  sites: command((seed) => ["sites", IN, ...pick([[], ["-k", VMLINUX], ["--format", "json"]], seed)]),
  explain: command((seed) => [
    ...["explain", "--module", IN, pick(LINES, seed).split("\t")[0] ?? "", "--format", pick(["text", "json"], seed)],
  ]),
  diff: {
    ...command((seed) => {
      const orig = pick(pairs, seed);
      const order = seed % 2 === 0 ? [orig, IN] : [IN, orig];
      return ["diff", ...order, ...pick([["-v"], ["--format", "json"], ["-k", VMLINUX, "-o", OUT]], seed >> 1)];
    }),
    samples: () => pairs.map((orig) => new Uint8Array(readFileSync(patchedOf(orig)))),
  },
  "command-link": command((seed) => [
    ...["link", IN, "-o", OUT, ...pick([[], ["-k", VMLINUX], ["--force"], ["-k", VMLINUX, "--force"]], seed)],
    ...pick([[], ["--toc-restore", "epilogue"], ["--toc-restore", "mini-frame"]], seed),
  ]),
  "command-check": command((seed) => [
    ...["check", IN, ...pick([[], ["-k", VMLINUX], ["--reference", IN], ["-m", IN, "-k", VMLINUX]], seed)],
    ...["--format", pick(["text", "json", "sarif", "github", "html"], seed >> 2)],
  ]),
  "command-image": command((seed) => [
    ...["image", IN, "-o", OUT, ...pick([[], ["-k", VMLINUX], ["--raw", RAW], ["-k", VMLINUX, "--map"]], seed)],
    ...["--stage", pick(["relocated", "loaded"], seed >> 2)],
  ]),
  "command-verify": {
    ...command((seed) => ["verify", IN, "--root", CAPTURE, ...pick([[], ["-k", VMLINUX]], seed)]),
    samples: () => [load("test/fixtures/diag/image/far.ko")],
  },
  "command-kernel": {
    ...command(() => ["check", join(root, "test/fixtures/kernel/demo-mod.ko"), "-k", IN]),
    samples: () => [new Uint8Array(readFileSync(VMLINUX))],
  },
  "command-line": commandLine,
} satisfies Record<string, Target>;
