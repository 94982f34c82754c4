// `klplink setup`: what it writes is what `completion` and `man` print, and what it removes is that and nothing else.

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { klplink } from "../run.ts";

const top = mkdtempSync(join(tmpdir(), "klplink-setup-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));
const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();

const FILES: Readonly<Record<string, readonly string[]>> = {
  "share/bash-completion/completions/klplink": ["completion", "bash"],
  "share/fish/vendor_completions.d/klplink.fish": ["completion", "fish"],
  "share/man/man1/klplink.1": ["man"],
  "share/zsh/site-functions/_klplink": ["completion", "zsh"],
};

test("writes them, says so, and removes them again", async () => {
  const prefix = join(top, "a prefix");
  const { status, stdout, stderr } = await klplink(["setup", "--prefix", prefix]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(filesBelow(prefix)).toEqual(Object.keys(FILES));
  for (const [path, command] of Object.entries(FILES)) {
    expect(readFileSync(join(prefix, path), "utf8")).toBe((await klplink(command)).stdout);
    expect(stdout).toContain(`wrote '${join(prefix, path)}'`);
  }
  // Again is the same, and another's file beside them stays.
  expect((await klplink(["setup", "--prefix", prefix])).status).toBe(0);
  writeFileSync(join(prefix, "share/man/man1/other.1"), "");
  const removed = await klplink(["setup", "--remove", "--prefix", prefix]);
  expect(removed.status).toBe(0);
  expect(removed.stdout.match(/^removed /gm)).toHaveLength(4);
  expect(filesBelow(prefix)).toEqual(["share/man/man1/other.1"]);
  expect((await klplink(["setup", "--remove", "--prefix", prefix])).stdout).toContain("nothing of klplink is in");
});

test("another's file of such a name is left alone, and none is written", async () => {
  const prefix = join(top, "taken");
  const page = join(prefix, "share/man/man1/klplink.1");
  mkdirSync(dirname(page), { recursive: true });
  writeFileSync(page, "somebody else's");
  for (const more of [[], ["--remove"]]) {
    const { status, stderr } = await klplink(["setup", "--prefix", prefix, ...more]);
    expect(status).toBe(3);
    expect(stderr).toContain("error[KLP143]");
    expect(readFileSync(page, "utf8")).toBe("somebody else's");
  }
  expect(filesBelow(prefix)).toHaveLength(1);
  expect((await klplink(["setup", "--prefix", prefix, "--force"])).status).toBe(0);
  expect(filesBelow(prefix)).toHaveLength(4);
});

test("a folder that cannot be written to", async () => {
  const file = join(top, "file");
  writeFileSync(file, "");
  const { status, stderr } = await klplink(["setup", "--prefix", file]);
  expect(status).toBe(3);
  expect(stderr).toContain("error[KLP105]");
});

test("JSON, and quiet", async () => {
  const prefix = join(top, "json");
  const { stdout } = await klplink(["setup", "--prefix", prefix, "--format", "json"]);
  const written = Object.keys(FILES).map((path) => join(prefix, path));
  const document = JSON.parse(stdout) as { schema: string; written: string[] };
  expect(document).toMatchObject({ schema: "klplink-setup/1", folder: join(prefix, "share") });
  expect(document.written.sort()).toEqual(written);
  expect((await klplink(["setup", "-q", "--prefix", prefix])).stdout).toBe("");
  expect(existsSync(written[0] ?? "")).toBe(true);
});
