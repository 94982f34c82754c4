import { spawn, spawnSync } from "node:child_process";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Context, OutputStream } from "../../src/cli/context.ts";
import { main } from "../../src/cli/main.ts";
import { builtCommand } from "../built.ts";
import { root } from "../helpers.ts";

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderr: string;
}

interface Options {
  /** What comes on standard input; nothing by default. */
  readonly input?: Uint8Array;
  /** On top of the environment, of which the variables about colour are left out. */
  readonly env?: NodeJS.ProcessEnv;
  /** The project's root by default. */
  readonly cwd?: string;
}

const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => {
  const { FORCE_COLOR: _force, NO_COLOR: _no, ...env } = process.env;
  return { ...env, ...more };
};

/** A stream that keeps what is written. */
function capture(fd: 1 | 2): { readonly stream: OutputStream; readonly bytes: () => Buffer } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return { stream: Object.assign(stream, { fd }), bytes: () => Buffer.concat(chunks) };
}

/** Surroundings of a run whose streams are captured, and what came to them. */
export function captured({ input, env }: Options = {}): {
  readonly context: Context;
  readonly run: () => Omit<Run, "status">;
} {
  const [stdout, stderr] = [capture(1), capture(2)];
  return {
    context: {
      version: KLPLINK_VERSION,
      env: environment(env),
      stdin: Readable.from(input === undefined ? [] : [Buffer.from(input)]),
      stdout: stdout.stream,
      stderr: stderr.stream,
    },
    run: () => ({
      stdout: stdout.bytes().toString("utf8"),
      stdoutBytes: new Uint8Array(stdout.bytes()),
      stderr: stderr.bytes().toString("utf8"),
    }),
  };
}

declare const KLPLINK_VERSION: string;

/** The run before: the working folder is the whole process's, so one comes after the other. */
let before: Promise<unknown> = Promise.resolve();

/** Runs the command line in this process, in the project's root and without colour unless the options say otherwise. */
export function klplink(args: readonly string[], options: Options = {}): Promise<Run> {
  const now = before.then(() => runHere(args, options));
  before = now.catch(() => {});
  return now;
}

async function runHere(args: readonly string[], options: Options): Promise<Run> {
  const { context, run } = captured(options);
  const there = process.cwd();
  const folder = options.cwd ?? root;
  const { exitCode } = process;
  process.chdir(folder);
  try {
    const inside = process.cwd();
    const status = await main(args, context);
    if (process.cwd() !== inside || process.exitCode !== exitCode) throw new Error("the run changed the process");
    return { status, ...run() };
  } finally {
    process.chdir(there);
  }
}

/** As {@link klplink}, but the built command line in a process of its own. */
export function klplinkProcess(args: readonly string[], options: Options = {}): Run {
  const done = spawnSync(process.execPath, [builtCommand(), ...args], {
    cwd: options.cwd ?? root,
    env: environment(options.env),
    ...(options.input === undefined ? { stdio: ["ignore", "pipe", "pipe"] } : { input: options.input }),
    maxBuffer: 1 << 28,
  });
  return {
    status: done.status,
    stdout: done.stdout.toString("utf8"),
    stdoutBytes: new Uint8Array(done.stdout),
    stderr: done.stderr.toString("utf8"),
  };
}

/**
 * As {@link klplinkProcess}, with a limit of V8's heap, and input that is made while it is read.
 * @param megabytes of the heap; buffers are beside it
 */
export async function klplinkSmall(
  args: readonly string[],
  megabytes: number,
  input: Iterable<string | Uint8Array> = [],
): Promise<Omit<Run, "stdoutBytes">> {
  const command = [`--max-old-space-size=${megabytes}`, builtCommand(), ...args];
  const child = spawn(process.execPath, command, { cwd: root, env: environment(), stdio: "pipe" });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const texts = ["", ""];
  for (const [i, stream] of [child.stdout, child.stderr].entries()) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      texts[i] += text;
    });
  }
  await pipeline(Readable.from(input), child.stdin);
  return { status: await ended, stdout: texts[0] ?? "", stderr: texts[1] ?? "" };
}
