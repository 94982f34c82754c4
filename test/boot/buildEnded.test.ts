// `klplink build` that is ended from outside, at each of its steps and at random moments, and that finds no room: the user's files are
// as they were, what it started is gone, and the next run makes the same module. KLPLINK_KILLS sets how many runs are ended at random
// moments by each signal (the long form: 9; every third of them begins with an empty cache); with it, what they came to is printed.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { cacheFolder } from "../../src/build/workspace.ts";
import { COUNT } from "./build/edits.ts";
import { LONG } from "./build/onEach.ts";
import { targets } from "./build/targets.ts";
import { Workshop } from "./build/workshop.ts";
import { labOf } from "./lab.ts";
import { mustRun, repo } from "./run.ts";

const lab = labOf(import.meta.url);
const kills = Number(process.env.KLPLINK_KILLS ?? 2);
/** Where the runs work, and where temporary files would go. */
const place = join(lab.folder, "place");
const temporary = join(lab.folder, "temporary");
/** A cache of its own, which stays, as the other tests' does: what works in it is of these tests. */
const cache = join(dirname(cacheFolder(process.env)), "ended");
const output = join(place, "livepatch-count.ko");

let shop: Workshop;
let args: readonly string[] = [];
/** The module that an undisturbed run makes, how long it took (milliseconds), and the state of the user's files. */
let good: Buffer;
let duration = 0;
let before = "";
let bytes = "";

interface End {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** Starts klplink. @param told what it says as it says it @param options node's own */
function start(
  told: (said: string, end: (signal: NodeJS.Signals) => void) => void,
  options: readonly string[] = [],
): Promise<End> {
  const env = { ...process.env, TMPDIR: temporary, KLPLINK_CACHE: cache };
  const stdio = ["ignore", "ignore", "pipe"] as const;
  const child = spawn(process.execPath, [...options, join(repo, "bin/klplink.js"), ...args], {
    cwd: place,
    env,
    stdio: [...stdio],
  });
  let said = "";
  told(said, (signal) => child.kill(signal));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    told(said, (signal) => child.kill(signal));
  });
  return new Promise((resolve) => child.on("close", (status, signal) => resolve({ status, signal, stderr: said })));
}

/** A whole run, which must make the module. */
async function whole(): Promise<Buffer> {
  const end = await start(() => {});
  expect(end, end.stderr).toMatchObject({ status: 0 });
  const made = readFileSync(output);
  rmSync(output);
  return made;
}

/**
 * Every file of the source, of the patch and of the kernel with its size, time, mode and number: one that was written to, or replaced,
 * has another. Not the time of its state: that another test makes a hard link of it changes that.
 */
function stateOfUser(): string {
  const { source, about } = shop.target;
  const list = mustRun("find", ["-H", source, shop.folder, ...about.slice(1), "-printf", "%p %s %i %T@ %m\\n"]);
  return createHash("sha256").update(list).digest("hex");
}

/** What is in all those files. */
function bytesOfUser(): string {
  const { source, about } = shop.target;
  const files = ["-c", 'find -H "$@" -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum', "find"];
  return mustRun("bash", [...files, source, shop.folder, ...about.slice(1)]);
}

/** Processes of this machine that work in the cache, with their command lines. */
const working = (): { readonly pid: number; readonly line: string }[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
        return line.includes(cache) ? [{ pid: Number(pid), line }] : [];
      } catch {
        return [];
      }
    });
const workers = (): string[] => working().map(({ line }) => line);

/** An empty cache. What a killed run started goes on in the old one, and the note by which the next run ends it goes with the cache. */
function emptyCache(): void {
  for (let left = working(); left.length > 0; left = working())
    for (const { pid } of left)
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone already.
      }
  rmSync(cache, { recursive: true, force: true, maxRetries: 5 });
}

/** What lies beside the module that is being written. A run that SIGKILL ends there cannot take it away; the next one that writes there must. */
const written = (): string[] => readdirSync(place).filter((name) => /^\.klplink-.*\.tmp$/.test(name));

/** @param may what earlier runs may have left where the module is written: nothing, unless SIGKILL ended one of them */
function mustBeUntouched(what: string, may: readonly string[] = []): void {
  expect(stateOfUser(), what).toBe(before);
  expect(
    readdirSync(place).filter((name) => !may.includes(name)),
    what,
  ).toEqual([]);
  expect(readdirSync(temporary), what).toEqual([]);
}

beforeAll(async () => {
  const kind = targets.find(({ name }) => name === "ppc64le");
  if (kind === undefined) throw new Error("no such target");
  shop = await Workshop.open(kind, lab.folder);
  for (const folder of [place, temporary, cache]) mkdirSync(folder, { recursive: true });
  const patch = shop.patch("count", COUNT);
  args = ["build", patch, "--name", "count", "--source", shop.target.source, ...shop.target.about];
  before = stateOfUser();
  bytes = bytesOfUser();
  await whole();
  const from = performance.now();
  good = await whole();
  duration = performance.now() - from;
}, LONG);

test("ended at any step, it leaves all as it was, and the next run makes the same", { timeout: LONG }, async () => {
  for (const [signal, step] of [
    ["SIGINT", "compiles the patched source"],
    ["SIGKILL", "compiles the patched source"],
    ["SIGTERM", "makes the module"],
    ["SIGKILL", "makes the module"],
  ] as const) {
    let isSent = false;
    const ended = await start((said, end) => {
      if (isSent || !said.includes(step)) return;
      isSent = true;
      end(signal);
    });
    const what = `${signal}, ${step}`;
    expect(ended, what).toMatchObject(signal === "SIGKILL" ? { signal } : { status: 130 });
    mustBeUntouched(what, signal === "SIGKILL" ? written() : []);
    if (signal !== "SIGKILL") expect(workers(), what).toEqual([]);
    expect(Buffer.compare(await whole(), good), `after ${what}`).toBe(0);
    mustBeUntouched(`whole, after ${what}`);
    expect(workers(), `after ${what}`).toEqual([]);
  }
});

test("ended while it writes the module, it leaves one file of its own, which the next run takes away", {
  timeout: LONG,
}, async () => {
  // Of a system that is slow to write: the run stops where its file is there and has not got its name, and is ended there.
  const stop = join(lab.folder, "stop.cjs");
  writeFileSync(
    stop,
    `const fs = require("node:fs");
     const { renameSync } = fs;
     fs.renameSync = (from, to) => {
       if (String(to).endsWith("livepatch-count.ko")) process.kill(process.pid, "SIGKILL");
       renameSync(from, to);
     };
     require("node:module").syncBuiltinESMExports();`,
  );
  const ended = await start(() => {}, ["--require", stop]);
  expect(ended, ended.stderr).toMatchObject({ signal: "SIGKILL" });
  expect(written()).toHaveLength(1);
  mustBeUntouched("SIGKILL, writing", written());
  expect(Buffer.compare(await whole(), good)).toBe(0);
  mustBeUntouched("whole, after SIGKILL, writing");
});

test("ended at random moments, it leaves all as it was, and the next run makes the same", {
  timeout: 20 * LONG,
}, async () => {
  // Not one seed for ever: what was run is said where it fails.
  const counts = new Map<string, number>();
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
  for (let n = 0; n < kills; n++) {
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      const isCold = n % 3 === 2;
      if (isCold) emptyCache();
      mkdirSync(cache, { recursive: true });
      const after = Math.random() * duration * (isCold ? 3 : 1);
      const had = written();
      let timer: NodeJS.Timeout | undefined;
      const ended = await start((_, end) => {
        timer ??= setTimeout(() => end(signal), after);
      });
      clearTimeout(timer);
      const empty = isCold ? ", with an empty cache" : "";
      const what = `${signal} after ${Math.round(after)} ms${empty}`;
      count(`${signal}${empty}: ${ended.status === 0 ? "had made the module before" : "ended by it"}`);
      // It may have been faster than the signal, or not yet have asked for it.
      if (ended.status === 0) expect(Buffer.compare(readFileSync(output), good), what).toBe(0);
      else expect([130, null], what).toContain(ended.status);
      rmSync(output, { force: true });
      mustBeUntouched(what, ended.signal === "SIGKILL" ? written() : ended.status === 0 ? [] : had);
      if (ended.signal === null) expect(workers(), what).toEqual([]);
      // Of the others the next one, which is ended too, goes on from what this one left.
      if (n % 2 === 1) {
        expect(Buffer.compare(await whole(), good), `after ${what}`).toBe(0);
        mustBeUntouched(`whole, after ${what}`);
        count(`whole runs straight after ${signal}`);
      }
      if (process.env.KLPLINK_KILLS !== undefined) console.log(what, Object.fromEntries(counts));
    }
  }
  expect(Buffer.compare(await whole(), good)).toBe(0);
  expect(workers()).toEqual([]);
  expect(stateOfUser()).toBe(before);
  expect(bytesOfUser()).toBe(bytes);
});
