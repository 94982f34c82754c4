// The configuration that a kernel carries itself (CONFIG_IKCONFIG), of kernels that a real build made, in each form that they boot in:
// byte for byte the `.config` of the build, and what the booted kernel gives out as /proc/config.gz.

import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Context } from "../../src/cli/context.ts";
import { findConfigFile } from "../../src/cli/files/builds/buildInputs.ts";
import { findConfigText } from "../../src/kernel/config.ts";
import { unwrapKernel } from "../../src/kernel/image/wrapping/unwrap.ts";
import { type LabKernel, labKernels, treeOf } from "./kernels.ts";
import { labOf } from "./lab.ts";
import { mustRun } from "./run.ts";
import { klplink } from "./scenario.ts";
import { bootShell } from "./shell.ts";

const lab = labOf(import.meta.url);
const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const CONTEXT = { version: "", env: {}, stdin: process.stdin } as unknown as Context;

/** Files of a built kernel, away from their configuration, in the forms that it is shipped in, by what each is. */
function formsOf({ name, image, compiler }: LabKernel, tree: string): Map<string, string> {
  const vmlinux = join(tree, "vmlinux");
  const boots = join(tree, image);
  const to = (form: string): string => join(lab.folder, `${name}.${form}`);
  mustRun(compiler.replace(/gcc$/, "strip"), ["--strip-all", "-o", to("stripped"), vmlinux]);
  copyFileSync(boots, to("boots"));
  writeFileSync(to("gz"), gzipSync(readFileSync(boots)));
  copyFileSync(vmlinux, to("vmlinux"));
  mustRun("xz", ["-k", "-f", "-0", "--check=crc32", to("vmlinux")]);
  return new Map([
    ["vmlinux", to("vmlinux")],
    ["vmlinux, stripped", to("stripped")],
    ["vmlinux, packed", to("vmlinux.xz")],
    [image.replace(/^.*\//, ""), to("boots")],
    [`${image.replace(/^.*\//, "")}, packed`, to("gz")],
  ]);
}

const kernels = labKernels.filter(({ name }) => name === "x86_64");
describe.each(kernels)("$name", (kernel) => {
  test("read out of each form of the kernel it is the build's own", { timeout: 900_000 }, async () => {
    const tree = treeOf(kernel);
    const config = readFileSync(join(tree, ".config"));
    const options = config.toString().match(/^CONFIG_\w+=/gm)?.length;
    for (const [form, path] of formsOf(kernel, tree)) {
      const { bytes } = await unwrapKernel(readFileSync(path));
      const text = findConfigText([bytes]);
      expect([form, text === null ? null : Buffer.compare(text, config)]).toEqual([form, 0]);
      const shown = klplink("show", "-k", path, "--format", "json");
      expect([form, shown.status, shown.stderr]).toEqual([form, 0, ""]);
      const { facts } = JSON.parse(shown.stdout) as { facts: { config: object } };
      expect([form, facts.config]).toEqual([form, { value: options, from: path }]);
      // As klplink build looks for it.
      const found = await findConfigFile(undefined, { kernels: [path], release: null, root: "/", source: "" }, CONTEXT);
      expect([form, found.name, Buffer.compare(Buffer.from(found.text, "latin1"), config)]).toEqual([form, path, 0]);
    }
  });

  test("it is what the booted kernel gives out", { timeout: 900_000 }, async () => {
    const tree = treeOf(kernel);
    const script = 'zcat /proc/config.gz >/tmp/config; set -- $(sha256sum /tmp/config); echo "@@ $1"';
    const { arch } = kernel;
    const console = await bootShell({ arch, kernel: join(tree, kernel.image), folder: lab.folder, files: [], script });
    expect(/^@@ ([0-9a-f]{64})$/m.exec(console)?.[1]).toBe(digest(readFileSync(join(tree, ".config"))));
  });
});
