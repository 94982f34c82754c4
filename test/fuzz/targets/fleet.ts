// Files of a run over many kernels: parts of a matrix, which other machines wrote, and indexes in the cache folder.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { streamText } from "../../../src/base/visible.ts";
import { InputProblem } from "../../../src/cli/files/io.ts";
import { type Matrix, mergeMatrices, parseMatrix, statusOf } from "../../../src/cli/fleet/document.ts";
import { matrixGithub, matrixHtml, matrixSarif, matrixText } from "../../../src/cli/fleet/render.ts";
import { describeKernel } from "../../../src/kernel/describe.ts";
import { readKernelFile } from "../../../src/kernel/detect.ts";
import { Kernel, type KernelParts } from "../../../src/kernel/kernel.ts";
import { readStored, StoredError, writeStored } from "../../../src/kernel/stored/stored.ts";
import type { Target } from "../frame/target.ts";
import { generator } from "../mutate.ts";
import { editAny } from "./mutators.ts";

const problem = {
  code: "KLP414",
  level: "error",
  title: "symbol no_such is not in the kernel",
  kernel: "m: Unknown symbol no_such (err -2)",
};
const part = (index: number): Matrix => ({
  schema: "klplink-matrix/1",
  klplink: "0.1.0",
  shard: { index, of: 2 },
  modules: [
    { file: "a.ko", module: "a", arch: "x86_64" },
    { file: "b.ko", module: null, arch: null },
  ],
  kernels: [{ name: `boot/vmlinuz-6.${index}`, release: `6.${index}.0`, arch: "x86_64" }],
  cells: ["a.ko", "b.ko"].map((module) => ({
    module,
    kernel: `boot/vmlinuz-6.${index}`,
    verdict: module === "a.ko" ? "refused" : "unreadable",
    code: "KLP414",
    first: "a: Unknown symbol no_such (err -2)",
    differs: ["symbol missing"],
    errors: 1,
    warnings: 0,
    unchecked: ["checksums"],
    problems: [problem],
  })),
});

/** What may stand where something else is expected. */
const VALUES: readonly unknown[] = [
  null,
  true,
  -1,
  1.5,
  2 ** 60,
  "",
  "\x1b[2J\u202e<b>",
  "__proto__",
  [],
  {},
  [null],
  [[]],
];

/** A value of the document is replaced, taken away or doubled; now and then bytes of its text are. */
function editDocument(sample: Uint8Array, seed: number, others: readonly Uint8Array[]): Uint8Array {
  const next = generator(seed);
  if (next(5) === 0) return editAny(sample, seed, others);
  const document = JSON.parse(Buffer.from(sample).toString()) as object;
  for (let edits = 1 + next(3); edits > 0; edits--) {
    let at: object = document;
    for (;;) {
      const keys = Object.keys(at);
      const key = keys[next(keys.length)];
      if (key === undefined) break;
      const inside = (at as Record<string, unknown>)[key];
      if (typeof inside === "object" && inside !== null && next(4) > 0) {
        at = inside;
        continue;
      }
      const kind = next(8);
      if (kind === 0) Reflect.deleteProperty(at, key);
      else if (kind === 1 && Array.isArray(at)) at.push(structuredClone(inside));
      else Object.assign(at, { [key]: structuredClone(VALUES[next(VALUES.length)]) });
      break;
    }
  }
  return new Uint8Array(Buffer.from(JSON.stringify(document)));
}

const merge: Target = {
  count: 1500,
  samples: () => [1, 2].map((index) => new Uint8Array(Buffer.from(JSON.stringify(part(index))))),
  mutate: editDocument,
  run: (bytes) => {
    try {
      const matrix = parseMatrix(bytes, "part.json");
      const other = part(matrix.shard?.index === 1 ? 2 : 1);
      const whole = mergeMatrices([
        { file: "part.json", matrix },
        { file: "other.json", matrix: other },
      ]);
      const forms = [matrixText(whole), matrixGithub(whole), matrixHtml(whole), JSON.stringify(matrixSarif(whole))];
      for (const form of forms.slice(0, 3))
        if (streamText(form) !== form) throw new Error("a control character reaches the output");
      if (forms[2]?.includes("<b>") === true) throw new Error("markup of a file reaches the page");
      return { end: `merged, ${statusOf(whole)}`, output: forms.join("") };
    } catch (error) {
      if (!(error instanceof InputProblem)) throw error;
      return { end: "refused", output: JSON.stringify(error.problem.data) };
    }
  },
};

const DIGEST_AT = 16;
const CONTENT_AT = 48;

function partsOf(path: string): KernelParts {
  const file = readKernelFile(new Uint8Array(readFileSync(path)), path);
  if (file.kind === "vmlinux") return { vmlinux: file.vmlinux };
  if (file.kind === "symbols") return { list: file.list };
  throw new Error(file.kind);
}

/** Half of them with a digest that fits, as if someone had written them so. */
function editIndex(sample: Uint8Array, seed: number, others: readonly Uint8Array[]): Uint8Array {
  const out = editAny(sample, seed, others);
  if (seed % 2 === 0 || out.length < CONTENT_AT) return out;
  out.set(sample.subarray(0, DIGEST_AT));
  out.set(createHash("sha256").update(out.subarray(CONTENT_AT)).digest(), DIGEST_AT);
  return out;
}

const fleetIndex: Target = {
  count: 800,
  samples: () =>
    ["vmlinux-x86_64", "vmlinux-ppc64le-orphan", "System.map"].map((name) => {
      const parts = partsOf(`test/fixtures/kernel/${name}`);
      return new Uint8Array(writeStored(parts, new Kernel(parts), "key") ?? []);
    }),
  mutate: editIndex,
  run: (bytes) => {
    let kernel: Kernel;
    try {
      kernel = new Kernel(readStored(bytes, "key"));
    } catch (error) {
      if (!(error instanceof StoredError)) throw error;
      return { end: "refused", output: error.message };
    }
    const facts = describeKernel(kernel);
    const found = ["schedule", "kfree", "twin"].map((name) => [
      kernel.find(name).length,
      kernel.exportOf(name)?.owner,
      kernel.hasFtraceSite(0n, 2n ** 63n),
      kernel.nextSymbol(0x1000n),
    ]);
    const plain = (_: string, value: unknown): unknown => (typeof value === "bigint" ? `${value}` : value);
    return { end: "read", output: JSON.stringify([facts, found, kernel.findFtraceRecord(0n, 100n)], plain) };
  },
};

export const fleetTargets = { merge, fleetIndex };
