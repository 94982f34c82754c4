// Runs the kernel's make, and other programs, with a log.

import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, closeSync, openSync, statfsSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { problem } from "../diag/catalogue.ts";
import { Failure, lastLines } from "./failed/failure.ts";
import { missingIn, packageOf } from "./failed/tools.ts";
import { BuildStop, Interrupted } from "./stop.ts";

const devNull = "/dev/null";
/** Last lines that are kept. */
const KEPT = 40;
/** Of these, so many are shown where nothing better is known. */
const SHOWN = 8;

export interface Running {
  /** Told each line as it comes, without its end. */
  readonly onLine?: (line: string) => void;
  readonly cwd?: string;
  /** Written to its standard input. */
  readonly input?: Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Ended {
  readonly status: number;
  /** The signal that ended it, other than klplink's own; null: none did. */
  readonly signal: NodeJS.Signals | null;
  /** What it wrote to standard output, up to 16 MiB. */
  readonly stdout: string;
  /** The last lines of both outputs. */
  readonly last: readonly string[];
  /** What was recognised of errors in both outputs. */
  readonly failure: Failure;
  /** The first line that says that there is no room left; null: none does. */
  readonly full: string | null;
}

const FULL = /No space left on device|Disk quota exceeded/;

const MOST_OUTPUT = 1 << 24;

/** Variables that would change what make does. */
const DROPPED =
  /^(?:MAKE.*|MFLAGS|GNUMAKEFLAGS|KBUILD_.*|KCFLAGS|KCPPFLAGS|KAFLAGS|CROSS_COMPILE|ARCH|SUBARCH|O|M|V|C|W|LLVM|LLVM_IAS|LOCALVERSION|CDPATH|GCC_COLORS|CCACHE_HASHDIR|KERNELRELEASE|INSTALL_.*)$/;

export type Environment = Readonly<Record<string, string | undefined>>;

/** Starts programs, each in a process group of its own, so that all of it ends when the run does. */
export class Programs {
  #log: string | null = null;
  #temporary: Readonly<Record<string, string>> = {};
  readonly #env: Environment;
  readonly #running = new Set<ChildProcess>();
  #isEnded = false;

  /** @param env variables; those that would change what make does are left out */
  constructor(env: Environment) {
    this.#env = env;
  }

  #started: (pid: number) => void = () => {};

  /** Told the process group of each program that starts. */
  onStart(started: (pid: number) => void): void {
    this.#started = started;
  }

  /** From here on all outputs are added to a file, which is emptied first. */
  logTo(path: string): void {
    writeFileSync(path, "");
    this.#log = path;
  }

  /** From here on programs make their temporary files there (TMPDIR): a compiler that is killed leaves them. */
  temporaryIn(folder: string): void {
    this.#temporary = { TMPDIR: resolve(folder) };
  }

  get env(): Environment {
    return this.#env;
  }

  /** Path of the log; empty: there is none yet. */
  get log(): string {
    return this.#log ?? "";
  }

  /** Ends what runs; nothing starts any more. */
  interrupt(): void {
    this.#isEnded = true;
    for (const child of this.#running) endGroup(child, "SIGTERM");
  }

  get isInterrupted(): boolean {
    return this.#isEnded;
  }

  /**
   * Runs a program to its end.
   * @throws BuildStop KLP816 if it is not there @throws Interrupted
   */
  async run(command: string, args: readonly string[], how: Running = {}): Promise<Ended> {
    if (this.#isEnded) throw new Interrupted();
    const log = openSync(this.#log ?? devNull, "a");
    try {
      appendFileSync(log, `$ ${[command, ...args].join(" ")}\n`);
      const ended = await this.#watch(command, args, how, (text) => addTo(log, text));
      if (this.#isEnded) throw new Interrupted();
      return ended;
    } finally {
      closeSync(log);
    }
  }

  #watch(command: string, args: readonly string[], how: Running, note: (text: string) => void): Promise<Ended> {
    const env = Object.fromEntries(Object.entries(this.#env).filter(([name]) => !DROPPED.test(name)));
    const child = spawn(command, args, {
      detached: true,
      stdio: [how.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      env: { ...env, ...this.#temporary, LC_ALL: "C", ...how.env },
      ...(how.cwd === undefined ? {} : { cwd: how.cwd }),
    });
    this.#running.add(child);
    if (child.pid !== undefined) this.#started(child.pid);
    child.stdin?.on("error", () => {});
    child.stdin?.end(how.input);
    const last: string[] = [];
    const failure = new Failure();
    let full: string | null = null;
    let stdout = "";
    const take = (line: string): void => {
      note(`${line}\n`);
      if (last.push(line) > KEPT) last.shift();
      failure.add(line);
      if (full === null && FULL.test(line)) full = line;
      how.onLine?.(line);
    };
    const lines = (stream: NodeJS.ReadableStream | null, keep: boolean): (() => void) => {
      const decoder = new StringDecoder("utf8");
      let open = "";
      stream?.on("data", (data: Buffer) => {
        const text = decoder.write(data);
        if (keep && stdout.length < MOST_OUTPUT) stdout += text;
        const parts = (open + text).split("\n");
        open = (parts.pop() ?? "").slice(-65536);
        for (const part of parts) take(part);
      });
      return () => {
        if (open !== "") take(open);
      };
    };
    const ends = [lines(child.stdout, true), lines(child.stderr, false)];
    return new Promise((resolve, reject) => {
      child.on("error", (error) => {
        this.#running.delete(child);
        const isAbsent = (error as NodeJS.ErrnoException).code === "ENOENT";
        const need = `it was to be run as \`${[command, ...args].slice(0, 3).join(" ")} …\``;
        reject(
          isAbsent
            ? new BuildStop([problem("KLP816", { file: command }, { command, need, package: packageOf(command) })], 3)
            : error,
        );
      });
      child.on("close", (code, signal) => {
        this.#running.delete(child);
        for (const end of ends) end();
        // What it left running goes with it.
        endGroup(child, "SIGKILL");
        resolve({ status: code ?? (signal === null ? 1 : 128), signal, stdout, last, failure, full });
      });
    });
  }
}

/** The stop of a make that failed. @param tree whose path is left out of what it said */
export function makeFailure(
  step: string,
  { signal, last, failure, full }: Ended,
  programs: Programs,
  tree: string,
): BuildStop {
  const short = (line: string): string => line.replaceAll(`${tree}/`, "").replaceAll("\t", "        ");
  const folder = dirname(tree);
  const { place } = failure;
  // Some programs of the kernel's build fail without a word; what they had written is removed then.
  const free = full === null && place === null ? freeBelow(folder) : LITTLE;
  if (full !== null || free < LITTLE) {
    const said = full === null ? `failed, ${free >> 10} KiB are free` : short(full).replaceAll(`${folder}/`, "");
    const data = { folder, why: `no space left (${step}: ${said})` };
    return new BuildStop([problem("KLP819", { file: programs.log }, data)], 3);
  }
  if (signal !== null && place === null) {
    const data = { step, place: `make was ended from outside, by ${signal}`, lines: [] };
    return new BuildStop([problem("KLP817", { file: programs.log }, data)], 1);
  }
  const lines = (place === null ? lastLines(last, SHOWN) : failure.lines).map(short);
  const missing = missingIn(last);
  if (missing !== null) {
    const data = { command: missing.name, need: `${step} needs it`, package: missing.package };
    return new BuildStop([problem("KLP816", { file: programs.log }, data)], 3);
  }
  const data = { step, place: place === null ? null : short(place), lines };
  return new BuildStop([problem("KLP817", { file: programs.log }, data)], 1);
}

/** So little room that compiling one file may need more, bytes. */
const LITTLE = 4 << 20;

/** Room in the file system of a folder, bytes; where that is not told, enough. */
function freeBelow(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return LITTLE;
  }
}

/** Adds to a log, as far as there is room for it: what make says of that is told, and not that its words could not be kept. */
function addTo(log: number, text: string): void {
  try {
    appendFileSync(log, text);
  } catch {
    // The next file that is written says why.
  }
}

function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Gone already.
  }
}
