// Many files checked at the same time, by as many threads as there are processors: this one, and workers. Results come in the order of the files, and not far
// ahead of what was asked for, so that memory is bounded however many there are.

import { availableParallelism } from "node:os";
import type { Checked, Checker, CheckOptions } from "../commands/checker.ts";
import type { Context } from "../context.ts";
import { type FileContents, merged } from "../files/kernel/treeModules.ts";
import { type Answer, CheckHand, type Order } from "./checkHand.ts";
import { WORKER } from "./workerWord.ts";

/** What a worker is started with. */
export interface WorkerStart {
  readonly klplink: "check";
  readonly files: readonly string[];
  readonly options: CheckOptions;
  readonly env: Context["env"];
}

/** Below this many files the start of the threads takes longer than they bring. */
const FEWEST = 100;
/** Threads beyond these bring little: files are read from one disk. */
const MOST_THREADS = 8;
/** Files that one thread is given at once: this thread gives out more between two files of its own. */
const MOST_GIVEN = 2;
/** Files of one thread that may be checked before their turn. */
const AHEAD = 16;
/** Files that are read at once for what they say. */
const SLICE = 32;

export interface Pool {
  /** What came of a file; each is asked for once, in their order. */
  readonly result: (index: number) => Promise<Checked>;
  /** Ends the threads. */
  readonly end: () => void;
}

/** How many threads check some files; 1: there is one processor, there are few files, or one is standard input. */
function threadsFor(files: readonly string[], options: CheckOptions): number {
  if (files.length < FEWEST || workerScript() === null) return 1;
  const given = [...files, ...(options.kernel ?? []), ...(options.module ?? []), options.reference ?? ""];
  return given.some((path) => path === "-") ? 1 : Math.min(availableParallelism(), MOST_THREADS);
}

/** This thread's part; null if there are no others. */
export const ownHand = (files: readonly string[], options: CheckOptions): CheckHand | null =>
  threadsFor(files, options) < 2 ? null : new CheckHand(files);

/** Starts the other threads. @param own {@link ownHand}, which `checker` asks what all files say */
export async function startPool(
  own: CheckHand,
  checker: Checker,
  files: readonly string[],
  options: CheckOptions,
  context: Context,
): Promise<Pool> {
  const { Worker } = await import("node:worker_threads");
  const workerData: WorkerStart = { klplink: "check", files, options, env: { ...context.env } };
  const pool = new CheckPool(files.length);
  const script = workerScript() ?? "";
  for (let i = 1; i < threadsFor(files, options); i++) {
    const worker = new Worker(script, { workerData, argv: ["check", WORKER] });
    const from = pool.add({ post: (order) => worker.postMessage(order), end: () => void worker.terminate() });
    worker.on("message", (answer: Answer) => pool.take(from, answer));
    worker.on("error", (error) => pool.fail(error));
    worker.on("messageerror", (error) => pool.fail(error));
    // One that ends by itself has not said why; nobody would wait for what it was given.
    worker.on("exit", (status) => pool.fail(new Error(`a thread ended with status ${status}`)));
  }
  // An order is carried out between what the workers say.
  const post = (order: Order): void => {
    setImmediate(() => own.take(order, (error) => pool.fail(error as Error)));
  };
  const from = pool.add({ post, end: () => {} });
  own.start(Promise.resolve(checker), (answer) => pool.take(from, answer));
  return pool;
}

/** The program that runs as a worker: that of the bundle; null if this is not the bundle. */
function workerScript(): string | null {
  const url = import.meta.url;
  if (!url.endsWith("/dist/klplink.cjs")) return null;
  return decodeURIComponent(url.slice("file://".length).replace(/dist\/klplink\.cjs$/, "bin/klplink.js"));
}

interface Hand {
  readonly post: (order: Order) => void;
  readonly end: () => void;
}

/** Gives out the work; knows nothing of threads. */
export class CheckPool implements Pool {
  readonly #count: number;
  readonly #hands: { readonly hand: Hand; busy: number }[] = [];
  readonly #results = new Map<number, Checked>();
  /** The next file to be checked, and the one that is asked for. */
  #next = 0;
  #wanted = 0;
  #waiting: { readonly resolve: (result: Checked) => void; readonly reject: (error: Error) => void } | null = null;
  #error: Error | null = null;
  /** What files say, by slices; null: nobody has asked. */
  #slices: (readonly (FileContents | null)[] | null)[] | null = null;
  /** Slices that nobody has been given yet. */
  #unread: { readonly at: number; readonly paths: readonly string[] }[] = [];

  constructor(count: number) {
    this.#count = count;
  }

  /** Returns what {@link take} is to be told that its answers come from. */
  add(hand: Hand): number {
    this.#hands.push({ hand, busy: 0 });
    this.#give();
    return this.#hands.length - 1;
  }

  result(index: number): Promise<Checked> {
    this.#wanted = index;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#settle();
    });
  }

  take(from: number, answer: Answer): void {
    switch (answer.kind) {
      case "checked": {
        this.#results.set(answer.index, answer.result);
        const hand = this.#hands[from];
        if (hand !== undefined) hand.busy--;
        this.#settle();
        return;
      }
      case "ask":
        if (this.#slices === null) this.#readAll(answer.paths);
        return;
      case "read": {
        const slices = this.#slices;
        if (slices === null) return;
        slices[answer.at] = answer.files;
        this.#giveSlice(from);
        this.#tell(slices);
      }
    }
  }

  /** Tells all what the files say, once all are read. */
  #tell(slices: readonly (readonly (FileContents | null)[] | null)[]): void {
    if (slices.includes(null)) return;
    const contents = merged(slices.flatMap((files) => files ?? []));
    for (const { hand } of this.#hands) hand.post({ kind: "contents", contents });
  }

  fail(error: Error): void {
    this.#error = error;
    this.#settle();
  }

  /** All take part in reading what the files say; each has an order to check at the same time, which waits for it. */
  #readAll(paths: readonly string[]): void {
    const slices = Array.from({ length: Math.ceil(paths.length / SLICE) }, () => null);
    this.#slices = slices;
    this.#unread = slices.map((_, at) => ({ at, paths: paths.slice(at * SLICE, (at + 1) * SLICE) })).reverse();
    // One that begins later, or is slower, reads less.
    for (let round = 0; round < MOST_GIVEN; round++) for (const from of this.#hands.keys()) this.#giveSlice(from);
    // Where no file is a module (*.o alone), nobody has anything to read.
    this.#tell(slices);
  }

  #giveSlice(to: number): void {
    const slice = this.#unread.pop();
    if (slice !== undefined) this.#hands[to]?.hand.post({ kind: "read", ...slice });
  }

  #settle(): void {
    this.#give();
    const waiting = this.#waiting;
    if (waiting === null) return;
    const result = this.#results.get(this.#wanted);
    if (this.#error !== null) waiting.reject(this.#error);
    else if (result === undefined) return;
    else {
      this.#results.delete(this.#wanted);
      waiting.resolve(result);
    }
    this.#waiting = null;
  }

  end(): void {
    for (const { hand } of this.#hands) hand.end();
  }

  /** Some files to each that has fewer, not too far ahead. */
  #give(): void {
    const end = Math.min(this.#count, this.#wanted + AHEAD * this.#hands.length);
    for (let round = 0; round < MOST_GIVEN; round++) {
      for (const one of this.#hands) {
        if (one.busy > round || this.#next >= end) continue;
        one.busy++;
        one.hand.post({ kind: "check", index: this.#next++ });
      }
    }
  }
}
