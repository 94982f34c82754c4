// Modules as distributions install them: .ko.xz, .ko.zst, .ko.gz. The kernel and kmod unpack them; so does klplink.

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../helpers.ts";
import { klplink } from "./run.ts";

const plain = "test/fixtures/klp/patch-x86_64.o";
const kernel = ["-k", "test/fixtures/kernel/vmlinux-x86_64", "-m", "test/fixtures/kernel/demo-mod.ko"];

let folder = "";
let linked = Buffer.alloc(0);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "klplink-packed-"));
  const output = join(folder, "plain.ko");
  expect((await klplink([plain, ...kernel, "-o", output])).status).toBe(0);
  linked = readFileSync(output);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each([
  ["xz", "xz", "xz --check=crc32 --lzma2=dict=1MiB"],
  ["zst", "zstd", "zstd"],
  ["gz", "gzip", "gzip -n"],
])("patch.ko.%s", (ending, packing, pack) => {
  const packed = `test/fixtures/klp/patch-x86_64.ko.${ending}`;

  test("check finds what it finds in the module itself", async () => {
    const of = async (path: string) => {
      const { status, stderr, stdout } = await klplink(["check", path, ...kernel]);
      return { status, said: (stderr + stdout).replaceAll(path, "MODULE").replaceAll(/\s+/g, " ") };
    };
    const expected = await of(plain);
    expect(expected).toMatchObject({ status: 1, said: expect.stringContaining("KLP410") as string });
    expect(await of(packed)).toEqual(expected);
  });

  test("a link writes the module itself, and says so", async () => {
    const input = join(folder, `patch.ko.${ending}`);
    copyFileSync(join(root, packed), input);
    const { status, stdout } = await klplink([input, ...kernel, "--format", "json"]);
    expect(status).toBe(0);
    const output = join(folder, "patch.klp.ko");
    expect(readFileSync(output).equals(linked)).toBe(true);
    expect(stdout).toContain(`the module is packed with ${packing}; the output is not`);
    expect(stdout).toContain(`${pack} ${output}`);
    rmSync(output);
  });

  test("--in-place is refused, and the file is left alone", async () => {
    const input = join(folder, `in-place.ko.${ending}`);
    copyFileSync(join(root, packed), input);
    const { status, stderr } = await klplink([input, ...kernel, "--in-place"]);
    expect(status).toBe(2);
    expect(stderr).toContain(`is packed with ${packing}: unpack it first, or write elsewhere with -o`);
    expect(readFileSync(input).equals(readFileSync(join(root, packed)))).toBe(true);
  });

  test("damaged: exit status 3, with the reason", async () => {
    const input = join(folder, `damaged.ko.${ending}`);
    const bytes = readFileSync(join(root, packed));
    writeFileSync(input, bytes.subarray(0, bytes.length >> 1));
    for (const args of [
      ["check", input],
      [input, "-o", join(folder, "none.ko")],
    ]) {
      const { status, stderr } = await klplink(args);
      expect(status).toBe(3);
      expect(stderr).toContain("error[KLP104]");
    }
    expect(existsSync(join(folder, "none.ko"))).toBe(false);
  });
});

test("files that would unpack to too much do not keep the decoder from those behind them", async () => {
  const input = join(folder, "zeros.ko.xz");
  copyFileSync(join(root, "test/fixtures/diag/zeros.ko.xz"), input);
  const good = join(folder, "patch-behind.ko.xz");
  copyFileSync(join(root, "test/fixtures/klp/patch-x86_64.ko.xz"), good);
  const { status, stderr } = await klplink(["check", input, input, good, ...kernel]);
  expect(status).toBe(3);
  expect(stderr.match(/error\[KLP125\]/g)).toHaveLength(2);
  expect(stderr).toContain("error[KLP410]");
});

test("a module of many in a folder may have large tables of zeros: Debian's lib/test_bpf.ko has 4.3 million bytes", async () => {
  const tree = join(folder, "tree");
  mkdirSync(tree);
  for (let i = 0; i < 200; i++)
    copyFileSync(join(root, "test/fixtures/klp/patch-x86_64.ko.gz"), join(tree, `a${i}.ko.gz`));
  // What stands behind the module in the file is no part of it, and nothing reads it.
  writeFileSync(
    join(tree, "tables.ko.gz"),
    gzipSync(Buffer.concat([readFileSync(join(root, plain)), Buffer.alloc(5_000_000)])),
  );
  const { stdout, stderr } = await klplink(["check", tree, ...kernel]);
  expect(stderr).not.toContain("KLP125");
  expect(stderr).toContain("tables.ko.gz");
  expect(stdout + stderr).toContain("total: 201 files");
});
