// `npm run fuzz -- TARGET… [--minutes N] [--seed N] [--count N]`: runs targets in this process, for so long. A failure is made small and kept in
// crashes/; one of each kind. `all` takes the targets in turn. SIGINT and SIGTERM end a run
// with what it has. The last line of each is for docs/reliability.md.

import { spawnSync } from "node:child_process";
import { Worker } from "node:worker_threads";
import { targets } from "../targets/index.ts";
import { keepCrash } from "./crashes.ts";
import { inputOf, kindOf, runInput, samplesOf } from "./invariants.ts";
import { minimise } from "./minimise.ts";
import type { Target } from "./target.ts";

/** An input that takes longer is said, milliseconds. */
const SLOW = 10_000;

/** An input that takes longer ends the run, and is kept: nothing else can be told of work that does not end. Milliseconds. */
const FOR_EVER = 300_000;

/** Watches the seed from another thread: this one may never come back. */
class Watch {
  readonly #now = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: Worker;

  constructor(name: string) {
    const code = `const { workerData: { now, name, limit } } = require("node:worker_threads");
      let seed = 0, since = Date.now();
      setInterval(() => {
        if (now[0] !== seed) [seed, since] = [now[0], Date.now()];
        else if (seed !== 0 && Date.now() - since > limit) {
          require("node:fs").writeSync(1, name + ": seed " + seed + " does not end: run it with --seed " + seed + " --count 1\\n");
          process.kill(process.pid, "SIGKILL");
        }
      }, 1000).unref();
      setInterval(() => {}, 1e9);`;
    this.#worker = new Worker(code, { eval: true, workerData: { now: this.#now, name, limit: FOR_EVER } });
    this.#worker.unref();
  }

  set seed(seed: number) {
    this.#now[0] = seed;
  }

  end(): Promise<number> {
    return this.#worker.terminate();
  }
}

interface Limits {
  readonly minutes: number;
  readonly seed: number;
  readonly count: number;
}

async function fuzz(name: string, target: Target, { minutes, seed: first, count }: Limits): Promise<boolean> {
  const ends = new Map<string, number>();
  const kinds = new Set<string>();
  const until = Date.now() + minutes * 60_000;
  let slowest = { milliseconds: 0, seed: first };
  let seed = first;
  const watch = new Watch(name);
  let isAsked = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => (isAsked = true));
  for (; seed < first + count && Date.now() < until && !isAsked; seed++) {
    // Signals are told between turns of the event loop, of which many targets make none.
    if (seed % 64 === 0) await new Promise(setImmediate);
    watch.seed = seed;
    const bytes = inputOf(target, seed);
    const start = performance.now();
    try {
      const end = await runInput(target, bytes, seed);
      ends.set(end, (ends.get(end) ?? 0) + 1);
    } catch (error) {
      const kind = kindOf(error);
      if (!kinds.has(kind)) {
        kinds.add(kind);
        const samples = samplesOf(target);
        const small = await minimise(target, bytes, samples[seed % samples.length] as Uint8Array, seed);
        const path = keepCrash(name, kind.split("\n")[0] ?? "", small, seed);
        console.log(
          `${name}: seed ${seed}: ${path} (${small.length} bytes)\n${error instanceof Error ? error.stack : String(error)}`,
        );
      }
    }
    const milliseconds = performance.now() - start;
    if (milliseconds > slowest.milliseconds) slowest = { milliseconds, seed };
    if (milliseconds > SLOW) console.log(`${name}: seed ${seed} took ${Math.round(milliseconds)} ms`);
  }
  await watch.end();
  const counts = [...ends].sort(([a], [b]) => (a < b ? -1 : 1)).map(([end, n]) => `${end} ${n}`);
  console.log(
    `${name}: seeds ${first} to ${seed - 1}, ${seed - first} inputs: ${counts.join(", ")}; ${kinds.size} kinds of failure; slowest seed ${slowest.seed}, ${Math.round(slowest.milliseconds)} ms`,
  );
  return kinds.size === 0;
}

function parse(words: readonly string[]): { names: string[]; limits: Limits } {
  const names: string[] = [];
  const limits = { minutes: Number.POSITIVE_INFINITY, seed: 1, count: Number.POSITIVE_INFINITY };
  for (let i = 0; i < words.length; i++) {
    const key = /^--(minutes|seed|count)$/.exec(words[i] ?? "")?.[1] as keyof typeof limits | undefined;
    if (key === undefined) names.push(words[i] ?? "");
    else limits[key] = Number(words[++i]);
  }
  return { names: names.includes("all") ? Object.keys(targets) : names, limits };
}

const { names, limits } = parse(process.argv.slice(2));
const unknown = names.filter((name) => targets[name] === undefined);
if (names.length === 0 || unknown.length > 0 || Object.values(limits).some(Number.isNaN)) {
  console.error(
    `npm run fuzz -- TARGET… [--minutes N] [--seed N] [--count N]; targets: all, ${Object.keys(targets).join(", ")}`,
  );
  process.exit(2);
}
/** Where there are several, each in a process of its own: one that does not end takes only itself along. */
function apart(): boolean {
  const given = process.argv.slice(2).filter((word) => word !== "all" && targets[word] === undefined);
  return names
    .map((name) =>
      spawnSync(process.execPath, [...process.execArgv, process.argv[1] ?? "", name, ...given], { stdio: "inherit" }),
    )
    .every(({ status }) => status === 0);
}

const bounded = Number.isFinite(limits.minutes) || Number.isFinite(limits.count) ? limits : { ...limits, minutes: 1 };
const [only = "", ...more] = names;
const isGood = more.length > 0 ? apart() : await fuzz(only, targets[only] as Target, bounded);
process.exitCode = isGood ? 0 : 1;
