// show -k: facts of the fixture's kernel as its source (test/fixtures/kernel/vmlinux.s) has them; real kernels are in test/boot/kallsyms.test.ts.

import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { klplink } from "../run.ts";

const validate = new Ajv2020({ strict: false }).compile(
  JSON.parse(readFileSync("docs/kernel.schema.json", "utf8")) as object,
);
const debian = "test/fixtures/packages/debian";

test("as JSON, in the documented form", async () => {
  const { status, stdout } = await klplink(["show", "-k", debian, "--format", "json"]);
  expect(status).toBe(0);
  const document = JSON.parse(stdout);
  expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
  expect(document.files.map((f: { kind: string }) => f.kind)).toEqual(["kernel", "symvers", "config"]);
  const deb = `${debian}/linux-binary-6.9.7-demo_6.9.7-1_amd64.deb`;
  expect(document.facts).toMatchObject({
    release: { value: "6.12.9-demo+", from: `banner in ${deb}: usr/lib/modules/6.9.7-demo/vmlinuz` },
    arch: { value: "x86_64" },
    livepatch: { value: true, from: `klp_ symbols in ${deb}: usr/lib/modules/6.9.7-demo/vmlinuz` },
    structModule: { value: null, from: null },
    config: { value: 2 },
  });
});

test("as text", async () => {
  const { status, stdout } = await klplink(["show", "-k", debian]);
  expect(status).toBe(0);
  expect(stdout).toContain(
    `[1] ${debian}/linux-binary-6.9.7-demo_6.9.7-1_amd64.deb: usr/lib/modules/6.9.7-demo/vmlinuz\n`,
  );
  expect(stdout).toMatch(/^architecture +x86_64 +\[1\]$/m);
  expect(stdout).toMatch(/^CONFIG_LIVEPATCH +yes +klp_ symbols in \[1\]$/m);
  expect(stdout).toMatch(/^struct module, bytes +not known$/m);
});

test("what no file tells is said once, with what would tell it", async () => {
  const told = async (...kernels: string[]): Promise<string[]> => {
    const { status, stdout } = await klplink(["show", ...kernels.flatMap((k) => ["-k", k])]);
    expect(status).toBe(0);
    expect(stdout.split("\n").filter((line) => line.length > 80 && !/^\[| {3}/.test(line))).toEqual([]);
    return stdout
      .replace(/\n {2}(?! *of these)/g, " ")
      .split("\n")
      .filter((line) => line.endsWith(" would tell"));
  };
  expect(await told(debian)).toEqual([
    "struct module, bytes: vmlinux or vmlinuz with types (CONFIG_DEBUG_INFO_BTF=y) would tell",
  ]);
  expect(await told("test/fixtures/kernel/System.map")).toEqual([
    "release, vermagic, functions that ftrace can patch: vmlinux or vmlinuz would tell",
    expect.stringMatching(/^exports, .*: vmlinux, vmlinuz or Module\.symvers would tell$/),
    expect.stringMatching(/^struct module, bytes: /),
    expect.stringMatching(/^.*CONFIG_MODVERSIONS, options set: config-RELEASE .* would tell$/),
  ]);
});

test("neither a module nor a kernel", async () => {
  const { status, stderr } = await klplink(["show"]);
  expect(status).toBe(2);
  expect(stderr).toContain("give a module, or a kernel with -k");
});
