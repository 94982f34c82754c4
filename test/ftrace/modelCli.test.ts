// `klplink model` as a user runs it.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { protocols } from "../../src/ftrace/model/protocols/index.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-model-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function klplink(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["bin/klplink.js", "model", ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  return { status, stdout, stderr };
}

describe("klplink model", () => {
  test("--list names every protocol, and all verdicts are the known ones", () => {
    const { status, stdout } = klplink("--list");
    expect(status).toBe(0);
    for (const p of protocols) expect(stdout).toMatch(new RegExp(`^${p.name} +${p.arch} `, "m"));
    expect(stdout).not.toContain("unexpected");
    expect(stdout).toMatch(/^\d+ protocols: \d+ hold, \d+ fail; \d+ states$/m);
  });
  test("a protocol that fails: its shortest run, status 1", () => {
    const { status, stdout } = klplink("x1");
    expect(status).toBe(1);
    expect(stdout).toContain("FAILS  O4: a site that is a call before and after ran its callback exactly once");
    expect(stdout).toMatch(/^ {5}1 {2}writer {2}writes cc over byte 0 +cc \(or e8\) +A +-$/m);
    expect(stdout).toMatch(/every interleaving was explored/);
  });
  test("one that holds: status 0, and nothing to draw", () => {
    expect(klplink("X-modify")).toMatchObject({ status: 0, stderr: "" });
    expect(klplink("X-modify", "--svg", "-")).toMatchObject({ status: 2, stdout: "" });
  });
  test("--svg draws the run", () => {
    const path = join(folder, "a1.svg");
    expect(klplink("A1", "--svg", path).status).toBe(1);
    const svg = readFileSync(path, "utf8");
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" /);
    expect(svg).toContain("B -&gt; B&apos;: W0 := b prologue".replace("&apos;", "'"));
    // One arrow a step.
    expect(svg.match(/stroke="#(?:0550ae|116329)"/g)).toHaveLength(6);
    expect(klplink("A1", "--svg", join(folder, "none", "a1.svg"))).toMatchObject({ status: 3 });
  });
  test("--source gives a file that says the same", () => {
    const path = join(folder, "mine.json");
    writeFileSync(path, klplink("A2", "--source").stdout);
    const own = klplink(path);
    expect(own).toEqual(klplink("A2"));
  });
  test("--assume-empty drops occupancy; --tasks sets the number", () => {
    expect(klplink("A2", "--assume-empty", "W1,W2,W3,helper").status).toBe(0);
    expect(klplink("A2", "--assume-empty", "W9")).toMatchObject({ status: 2 });
    expect(klplink("A5", "--tasks", "3").status).toBe(0);
    expect(klplink("A5", "--tasks", "9").status).toBe(2);
  });
  test("--format json", () => {
    const { protocols: list } = JSON.parse(klplink("--list", "--format", "json").stdout);
    expect(list).toHaveLength(protocols.length);
    expect(list.every((p: { asExpected: boolean }) => p.asExpected)).toBe(true);
  });
  test("a malformed file: status 3 and the field's path", () => {
    const path = join(folder, "bad.json");
    writeFileSync(path, "{");
    expect(klplink(path)).toMatchObject({ status: 3 });
    const source = JSON.parse(klplink("A1", "--source").stdout);
    writeFileSync(path, JSON.stringify({ ...source, writer: [{ write: { W9: "b" } }] }));
    const { status, stderr } = klplink(path);
    expect(status).toBe(3);
    expect(stderr.replace(/\s+/g, " ")).toContain("writer[0].write: there is no memory cell `W9`");
  });
  test("wrong usage", () => {
    expect(klplink()).toMatchObject({ status: 2 });
    expect(klplink("X1x").stderr).toContain("there is no protocol X1x; did you mean");
    expect(klplink(join(folder, "no-such.json"))).toMatchObject({ status: 3 });
  });
});
