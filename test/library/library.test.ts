// docs/api.md: each example runs as it stands, and prints what stands below it. The same examples run against the packed package in
// test/tools/package.test.ts.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import * as klplink from "../../src/index.ts";
import { root } from "../helpers.ts";
import { apiExamples } from "./examples.ts";

/** Runs a module's text with its imports taken from here; what it prints. */
async function run(code: string): Promise<string> {
  const body = code.replace(/^import \{ (.*) \} from "(.*)";$/gm, 'const { $1 } = modules["$2"];');
  const printed: string[] = [];
  const console = { log: (...words: unknown[]) => printed.push(words.join(" ")) };
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
    ...args: string[]
  ) => (...args: unknown[]) => Promise<void>;
  const inRoot = (path: string): Buffer => readFileSync(join(root, path));
  await new AsyncFunction("modules", "console", body)({ klplink, "node:fs": { readFileSync: inRoot } }, console);
  return `${printed.join("\n")}\n`;
}

describe("examples", () => {
  test.each(apiExamples())("$title", async ({ code, output }) => {
    expect(code.trim().split("\n").length).toBeLessThanOrEqual(12);
    expect(await run(code)).toBe(output);
  });

  test("there is one for each function that is promised", () => {
    const all = apiExamples()
      .map((e) => e.code)
      .join("\n");
    for (const name of ["openModule", "link", "check", "image", "verify", "diff", "explain", "sites"])
      expect(all).toMatch(new RegExp(`\\b${name}\\(`));
  });
});

const bytes = readFileSync(join(root, "samples/ppc64le/clean/clean.o"));
/** A call as JavaScript may make it, whatever the types say. */
const wrong = klplink as unknown as Readonly<Record<string, (...args: unknown[]) => unknown>>;

test.each([
  ["openModule", ["mod.ko"], 'openModule(bytes): a Uint8Array is wanted, not "mod.ko"'],
  ["openModule", [bytes, 7], "openModule(name): a string is wanted, not 7"],
  ["link", [null], "link(input): a Uint8Array, or what openModule returned, is wanted, not null"],
  ["link", [bytes, { kernel: "System.map" }], "option kernel: a Kernel, as openKernel makes it is wanted"],
  ["link", [bytes, { tocRestore: "islands" }], 'option tocRestore: one of "island",'],
  ["check", [bytes, { files: "x" }], "check: there is no option files; there are file, kernel,"],
  ["check", [bytes, { kernelVersion: "6.1" }], "a version, as { major: 6, minor: 1 } is wanted, not"],
  ["check", [bytes, "x"], "check(options): an object is wanted"],
  ["image", [bytes, { sections: { a: 1 } }], "option sections: a Map is wanted, not Object"],
  ["verify", [bytes], "verify(options): an object is wanted, not undefined"],
  ["verify", [bytes, {}], "option memory: a function is wanted, not undefined"],
  ["diff", [bytes], "diff(patched): a Uint8Array is wanted, not undefined"],
  ["explain", [bytes], "explain(log): a string is wanted, not Buffer"],
  ["sites", [], "sites(bytes): a Uint8Array is wanted, not undefined"],
  ["summary", [1], "summary(input): a Uint8Array, or what openModule returned, is wanted, not 1"],
  ["openKernel", ["System.map"], "openKernel(files): an array is wanted"],
  ["openKernel", [[{ name: "a", bytes: "b" }]], "openKernel: files[0].bytes: a Uint8Array is wanted"],
])("%s with a wrong argument is a TypeError that names it", async (name, args, message) => {
  const call = async (): Promise<unknown> => wrong[name]?.(...args);
  await expect(call()).rejects.toThrow(TypeError);
  await expect(call()).rejects.toThrow(message);
});

test("a file that is none is Unusable, with its problem; input stays as it is", () => {
  expect(() => klplink.openModule(new Uint8Array(8))).toThrow(klplink.Unusable);
  const before = Buffer.from(bytes);
  klplink.link(bytes);
  expect(before.equals(bytes)).toBe(true);
});
