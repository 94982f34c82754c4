// What is left of a run that was killed, and what the next one makes of it.

import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { Programs } from "../../src/build/make.ts";
import { Workspace } from "../../src/build/workspace.ts";

const lab = mkdtempSync(join(tmpdir(), "klplink-workspace-"));
afterAll(() => rmSync(lab, { recursive: true, force: true }));
let workspace: Workspace;
let out = "";
let n = 0;
const OLD = new Date("2020-01-01T00:00:00Z");

beforeEach(() => {
  workspace = new Workspace(join(lab, String(n++)));
  out = join(workspace.folder, "out-1");
  mkdirSync(join(workspace.tree, "d"), { recursive: true });
  mkdirSync(join(out, "d"), { recursive: true });
  for (const file of [join(workspace.tree, "d/a.c"), join(out, "d/old.o")]) {
    writeFileSync(file, "before");
    utimesSync(file, OLD, OLD);
  }
});

const swap = (): void =>
  workspace.swapIn(
    [
      { path: "d/a.c", text: "patched", before: "before", mode: null, groups: [] },
      { path: "d/new.h", text: "new", before: null, mode: null, groups: [] },
    ],
    out,
  );
const text = (path: string): string => readFileSync(join(workspace.tree, path), "latin1");
const never = (): boolean => {
  throw new Error("waits");
};

describe("patched files in the tree", () => {
  test("are taken back, with the times of the originals, and what was built of them goes", () => {
    swap();
    expect([text("d/a.c"), text("d/new.h")]).toEqual(["patched", "new"]);
    writeFileSync(join(out, "d/a.o"), "of the patch");
    workspace.recover();
    expect(text("d/a.c")).toBe("before");
    expect(statSync(join(workspace.tree, "d/a.c")).mtimeMs).toBe(OLD.getTime());
    expect([existsSync(join(workspace.tree, "d/new.h")), existsSync(join(out, "d/a.o"))]).toEqual([false, false]);
    expect(existsSync(join(out, "d/old.o"))).toBe(true);
  });

  test("that a killed run left are taken back by the next one", async () => {
    swap();
    const next = new Workspace(workspace.folder);
    await next.lock(never);
    expect(text("d/a.c")).toBe("before");
    next.unlock();
  });

  test("only once what the killed run had started is at its end", async () => {
    const orphan = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" });
    const ended = new Promise((resolve) => orphan.on("close", (_, signal) => resolve(signal)));
    workspace.noteGroup(orphan.pid ?? 0);
    await new Workspace(workspace.folder).lock(never);
    expect(await ended).toBe("SIGKILL");
  });

  test("of which only some are there yet are taken back as well", () => {
    swap();
    rmSync(join(workspace.tree, "d/a.c"));
    workspace.recover();
    expect(text("d/a.c")).toBe("before");
    workspace.recover();
    expect(text("d/a.c")).toBe("before");
  });

  test("a journal that was cut off says that nothing was begun", () => {
    writeFileSync(join(workspace.folder, "journal.json"), '{"files":[');
    workspace.recover();
    expect(text("d/a.c")).toBe("before");
  });
});

describe("the lock", () => {
  test.each([
    ["of a process that is gone", "4194305 1"],
    ["of another process with the same number", `${process.ppid} 1`],
    ["that is no lock", "?"],
  ])("%s is taken over", async (_, content) => {
    writeFileSync(join(workspace.folder, "lock"), `${content}\n`);
    await workspace.lock(never);
    expect(readFileSync(join(workspace.folder, "lock"), "latin1")).toMatch(new RegExp(`^${process.pid} `));
    workspace.unlock();
    expect(existsSync(join(workspace.folder, "lock"))).toBe(false);
  });

  test("gives an empty folder for temporary files, which goes with it", async () => {
    mkdirSync(workspace.temporary, { recursive: true });
    writeFileSync(join(workspace.temporary, "ccAAAAAA.s"), "of a killed compiler");
    await workspace.lock(never);
    expect(readdirSync(workspace.temporary)).toEqual([]);
    const programs = new Programs(process.env);
    programs.temporaryIn(workspace.temporary);
    expect((await programs.run("sh", ["-c", "echo $TMPDIR"])).stdout).toBe(`${workspace.temporary}\n`);
    workspace.unlock();
    expect(existsSync(workspace.temporary)).toBe(false);
  });

  test("of a process that runs is waited for", async () => {
    const stat = readFileSync(`/proc/${process.ppid}/stat`, "latin1");
    const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    writeFileSync(join(workspace.folder, "lock"), `${process.ppid} ${start}\n`);
    const asked: number[] = [];
    await workspace.lock((pid) => {
      asked.push(pid);
      rmSync(join(workspace.folder, "lock"));
      return true;
    });
    expect(asked).toEqual([process.ppid]);
    workspace.unlock();
  });
});
