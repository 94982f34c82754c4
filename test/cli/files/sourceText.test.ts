// What debug information calls its source may be any path of this machine: only sources below the working folder are read. The module is
// made by hand, with such paths in place of the real ones; the file system is the real one.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { sourceReader } from "../../../src/cli/files/sourceText.ts";
import { load } from "../../helpers.ts";
import { hasHidden } from "../../hidden.ts";
import { klplink } from "../run.ts";

const top = mkdtempSync(join(tmpdir(), "klplink-source-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));
const inside = join(top, "work");
mkdirSync(join(inside, "sub"), { recursive: true });
const SECRET = "the secret line";
writeFileSync(join(top, "secret.c"), `${SECRET}\n`);
writeFileSync(join(inside, "mine.c"), "my line\n\x1b[31mcolour\u202e\n");
writeFileSync(join(inside, "key.pem"), `${SECRET}\n`);
symlinkSync(join(top, "secret.c"), join(inside, "link.c"));
symlinkSync(top, join(inside, "sub/up"));
symlinkSync(join(inside, "key.pem"), join(inside, "key.c"));
symlinkSync("/dev/zero", join(inside, "zero.c"));
mkdirSync(join(inside, "folder.c"));

const read = sourceReader(inside);
const at = (file: string, directory: string | null = null, line = 1) =>
  read({ file, directory, line, column: 0, function: null });

test("a source below the working folder is read", () => {
  expect(at("mine.c")).toBe("my line");
  expect(at(join(inside, "mine.c"))).toBe("my line");
  expect(at("mine.c", inside)).toBe("my line");
  expect(at("../mine.c", join(inside, "sub"))).toBe("my line");
  expect(hasHidden(at("mine.c", null, 2) ?? "\x1b")).toBe(false);
});

test.each<[string, string | null]>([
  [join(top, "secret.c"), null],
  ["../secret.c", null],
  ["secret.c", top],
  ["sub/../../secret.c", null],
  ["sub/up/secret.c", null],
  ["link.c", null],
  ["key.pem", null],
  ["key.c", null],
  ["zero.c", null],
  ["folder.c", null],
  ["/etc/passwd", null],
  ["/proc/self/environ", null],
  ["/proc/self/cwd/../secret.c", null],
  ["secret.c\0.c", top],
])("%j in %j is not", (file, directory) => {
  expect(at(file, directory)).toBeNull();
});

test("a module that names a file outside: check says the name, and nothing of the file", async () => {
  const bytes = Buffer.from(load("test/fixtures/diag/meminfo-debug.o"));
  const name = Buffer.from("meminfo.c\0");
  const text = bytes.toString("latin1");
  expect(text).toContain("meminfo.c\0");
  // As long as the name that stands there.
  const other = "secreet.c\0";
  expect(other.length).toBe(name.length);
  symlinkSync(join(top, "secret.c"), join(inside, "secreet.c"));
  writeFileSync(join(inside, "in.o"), Buffer.from(text.replaceAll("meminfo.c\0", other), "latin1"));
  const { stdout, stderr } = await klplink(["check", "in.o", "-v"], { cwd: inside });
  expect(stderr).toContain("secreet.c");
  expect(stdout + stderr).not.toContain(SECRET);
});
