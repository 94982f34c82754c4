// `link --in-place` and what a file has beside its content, as the tools of the packages attr and acl see it.

import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { klplink } from "../cli/run.ts";
import { root } from "../helpers.ts";

// Beside the sources: a folder for temporary files may be of a kind that has no attributes.
const folder = mkdtempSync(join(root, "test/.attributes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "in.o");
const sample = join(root, "samples/ppc64le/meminfo");

const tool = (command: string, ...args: readonly string[]): string => {
  const { status, stdout, stderr } = spawnSync(command, args);
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  return stdout.toString();
};
const attributes = (): string => tool("getfattr", "--absolute-names", "-d", "-m", "-", "-e", "hex", file);

test("extended attributes and ACLs stay", async () => {
  copyFileSync(join(sample, "meminfo.o"), file);
  tool("setfattr", "-n", "user.klplink", "-v", "0x610a0062", file);
  tool("setfattr", "-n", "user.empty", file);
  tool("setfacl", "-m", "u:1234:r,g:5678:rw", file);
  const before = [attributes(), tool("getfacl", "--absolute-names", file)];
  expect(before[0]).toContain("user.klplink=0x610a0062");
  const content = readFileSync(file);
  const { status, stdout } = await klplink(["link", file, "-k", join(sample, "System.map"), "--in-place"]);
  expect([status, stdout]).toEqual([0, expect.not.stringContaining("note:")]);
  expect(readFileSync(file).equals(content)).toBe(false);
  expect([attributes(), tool("getfacl", "--absolute-names", file)]).toEqual(before);
});
