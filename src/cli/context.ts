import type { UnpackPool } from "../elf/containers/budget.ts";

/**
 * What a run of the command line uses of its surroundings, beside files and the working folder: those of the process
 * (process.ts), or others.
 */
export interface Context {
  /** Of klplink. */
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** What the files of the run share of what may be unpacked. */
  readonly unpacking?: UnpackPool;
}

/** The same surroundings, in which files share what may be unpacked. Standard input is still opened when it is first read. */
export const sharing = (context: Context, unpacking: UnpackPool): Context => ({
  version: context.version,
  env: context.env,
  get stdin() {
    return context.stdin;
  },
  stdout: context.stdout,
  stderr: context.stderr,
  unpacking,
});

export interface InputStream extends AsyncIterable<unknown> {
  readonly isTTY?: boolean;
  /** Where it is a file: the same bytes, in pieces that are valid until the next is asked for. */
  readonly pieces?: () => Iterable<Uint8Array>;
}

/** What is used of a stream of Node's. */
export interface OutputStream {
  /** 1 for results, 2 for messages, whatever stands behind it. */
  readonly fd: number;
  readonly isTTY?: boolean;
  readonly columns?: number;
  /** Why it takes nothing any more. */
  readonly errored?: Error | null;
  write(data: string | Uint8Array, done?: (error?: Error | null) => void): boolean;
  once(event: "error", listener: (error: Error) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
}
