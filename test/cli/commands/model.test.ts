// `klplink model` as a user runs it.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { protocols } from "../../../src/ftrace/model/protocols/index.ts";
import { klplink } from "../run.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-model-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const model = (...args: string[]) => klplink(["model", ...args]);

describe("klplink model", () => {
  test("--list names every protocol, and all verdicts are the known ones", async () => {
    const { status, stdout } = await model("--list");
    expect(status).toBe(0);
    for (const p of protocols) expect(stdout).toMatch(new RegExp(`^${p.name} +${p.arch} `, "m"));
    expect(stdout).not.toContain("unexpected");
    expect(stdout).toMatch(/^\d+ protocols: \d+ hold, \d+ fail; \d+ states$/m);
  });
  test("a protocol that fails: its shortest run, status 1", async () => {
    const { status, stdout } = await model("x1");
    expect(status).toBe(1);
    expect(stdout).toContain("FAILS  O4: a site that is a call before and after ran its callback exactly once");
    expect(stdout).toMatch(/^ {5}1 {2}writer {2}writes cc over byte 0 +cc \(or e8\) +A +-$/m);
    expect(stdout).toMatch(/every interleaving was explored/);
  });
  test("one that holds: status 0, and nothing to draw", async () => {
    expect(await model("X-modify")).toMatchObject({ status: 0, stderr: "" });
    expect(await model("X-modify", "--svg", "-")).toMatchObject({ status: 2, stdout: "" });
  });
  test("--svg draws the run", async () => {
    const path = join(folder, "a1.svg");
    expect((await model("A1", "--svg", path)).status).toBe(1);
    const svg = readFileSync(path, "utf8");
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" /);
    expect(svg).toContain("B -&gt; B&apos;: W0 := b prologue".replace("&apos;", "'"));
    // One arrow a step.
    expect(svg.match(/stroke="#(?:0550ae|116329)"/g)).toHaveLength(6);
    expect(await model("A1", "--svg", join(folder, "none", "a1.svg"))).toMatchObject({ status: 3 });
  });
  test("--source gives a file that says the same", async () => {
    const path = join(folder, "mine.json");
    writeFileSync(path, (await model("A2", "--source")).stdout);
    const own = await model(path);
    expect(own).toEqual(await model("A2"));
  });
  test("--assume-empty drops occupancy; --tasks sets the number", async () => {
    expect((await model("A2", "--assume-empty", "W1,W2,W3,helper")).status).toBe(0);
    expect(await model("A2", "--assume-empty", "W9")).toMatchObject({ status: 2 });
    expect((await model("A5", "--tasks", "3")).status).toBe(0);
    expect((await model("A5", "--tasks", "9")).status).toBe(2);
  });
  test("--format json", async () => {
    const { protocols: list } = JSON.parse((await model("--list", "--format", "json")).stdout);
    expect(list).toHaveLength(protocols.length);
    expect(list.every((p: { asExpected: boolean }) => p.asExpected)).toBe(true);
  });
  test("a malformed file: status 3 and the field's path", async () => {
    const path = join(folder, "bad.json");
    writeFileSync(path, "{");
    expect(await model(path)).toMatchObject({ status: 3 });
    const source = JSON.parse((await model("A1", "--source")).stdout);
    writeFileSync(path, JSON.stringify({ ...source, writer: [{ write: { W9: "b" } }] }));
    const { status, stderr } = await model(path);
    expect(status).toBe(3);
    expect(stderr.replace(/\s+/g, " ")).toContain("writer[0].write: there is no memory cell `W9`");
  });
  test("wrong usage", async () => {
    expect(await model()).toMatchObject({ status: 2 });
    expect((await model("X1x")).stderr).toContain("there is no protocol X1x; did you mean");
    expect(await model(join(folder, "no-such.json"))).toMatchObject({ status: 3 });
  });
});
