import { readdirSync } from "node:fs";
import { defined } from "../../base/defined.ts";
import { longest } from "../../base/lists.ts";
import { streamText, visible } from "../../base/visible.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { shareUnpacking, type UnpackPool } from "../../elf/containers/budget.ts";
import { PackedError, type Packing, packingOf, unpack } from "../../elf/containers/packed.ts";
import { reason } from "../../elf/output.ts";
import { type FileState, InputError, type ReadingRoom, readRegular } from "../../elf/regularFile.ts";
import { nearNames } from "../../kernel/symbols/nearNames.ts";
import type { InputStream, OutputStream } from "../context.ts";

/** A file could not be read or used; carries the problem to report and leads to exit status 3. */
export class InputProblem extends Error {
  readonly problem: Problem;
  constructor(p: Problem) {
    super(p.code);
    this.name = "InputProblem";
    this.problem = p;
  }
}

/** The command line is wrong; leads to exit status 2. */
export class UsageError extends Error {}

export interface Input {
  /** The name for messages: the path, or `<stdin>`. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
  /** The state of the file that was read; absent for standard input. */
  readonly state?: FileState;
}

/** What files are read with. */
export interface Standard {
  /** What `-` reads. */
  readonly stdin: InputStream;
  /** What the files of the run share of what may be unpacked; absent: each is by itself. */
  readonly unpacking?: UnpackPool;
  /** Where files are read to, one after the other: the bytes of one last until the next is read. Absent: each has memory of its own. */
  readonly room?: ReadingRoom;
}

/** As {@link readInput}; a packed file is unpacked. @throws InputProblem, UsageError */
export async function readUnpacked(
  path: string,
  context: Standard,
): Promise<Input & { readonly packing: Packing | null; readonly packed: Uint8Array }> {
  const input = await readInput(path, context);
  const packing = packingOf(input.bytes);
  try {
    return {
      ...input,
      bytes: packing === null ? input.bytes : await unpack(input.bytes),
      packing,
      packed: input.bytes,
    };
  } catch (error) {
    throw error instanceof PackedError ? packedProblem(input.name, error) : error;
  }
}

/** The problem of a file that cannot be unpacked. */
export function packedProblem(file: string, { message, packing, isOurs, limit }: PackedError): InputProblem {
  if (limit !== null) return new InputProblem(problem("KLP125", { file }, { packing, limit }));
  const remedy = isOurs ? "unpack" : "replace";
  return new InputProblem(problem("KLP104", { file }, { why: message, packing, remedy }));
}

/** Reads a file, or standard input for `-`. @throws InputProblem, UsageError */
export async function readInput(path: string, context: Standard): Promise<Input> {
  const input = await readAny(path, context);
  if (context.unpacking !== undefined) shareUnpacking(input.bytes, context.unpacking);
  return input;
}

async function readAny(path: string, context: Standard): Promise<Input> {
  if (path === "-") return { name: "<stdin>", bytes: await readStdin(context.stdin), mode: 0o644 };
  try {
    return { name: path, ...readRegular(path, { room: context.room ?? null }) };
  } catch (error) {
    // A folder that may not be read says so: what it is does not matter then.
    if ((error as NodeJS.ErrnoException).code !== "EISDIR") throw unreadable(path, error);
    throw new InputProblem(problem("KLP104", { file: path }, { why: "it is a folder", isFolder: true }));
  }
}

/** The problem of a path that could not be read, with what was probably meant. */
export function unreadable(path: string, error: unknown): InputProblem {
  if (error instanceof InputError)
    return new InputProblem(problem("KLP104", { file: path }, { why: error.message, fault: error.fault }));
  const why = readReason(error);
  const near = why === "no such file" ? nearFiles(path) : [];
  const { code } = error as NodeJS.ErrnoException;
  const data = { why, ...defined({ code }), ...(near.length === 0 ? {} : { near }) };
  return new InputProblem(problem("KLP104", { file: path }, data));
}

/** Files beside a missing one whose name is nearly the same, or the same with an ending. */
function nearFiles(path: string): string[] {
  const slash = path.lastIndexOf("/") + 1;
  const [folder, wanted] = [path.slice(0, slash), path.slice(slash)];
  try {
    const names = readdirSync(folder === "" ? "." : folder);
    const withEnding = names.filter((name) => name.startsWith(`${wanted}.`) && /\.k?o(?:\.(?:gz|xz|zst))?$/.test(name));
    return [...new Set([...withEnding, ...nearNames(wanted, names)])].slice(0, 3).map((name) => folder + name);
  } catch {
    return [];
  }
}

function readReason(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
      return "no such file";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "ENOTDIR":
      return "a part of the path is not a folder";
    case "ERR_FS_FILE_TOO_LARGE":
      return "it is larger than 2 GiB";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

/** Bytes that standard input may have: a device there (/dev/zero) never ends. */
const MOST_STDIN = 1 << 30;

async function readStdin(stdin: InputStream): Promise<Uint8Array> {
  if (stdin.isTTY) throw new UsageError("`-` reads standard input, but that is a terminal: pipe a file in");
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size > MOST_STDIN) {
      const why = `there are more than ${MOST_STDIN >> 20} MiB on it`;
      throw new InputProblem(problem("KLP104", { file: "<stdin>" }, { why, code: "ERR_FS_FILE_TOO_LARGE" }));
    }
  }
  return Buffer.concat(chunks);
}

/** How messages name standard output. */
export const STDOUT = "<stdout>";

/**
 * Writes to a stream and waits until the system has taken it; of text, what may go to a terminal ({@link streamText}). A reader that went
 * away is told nothing; the process' exit status says it (process.ts). Nor can anything be told when standard error takes nothing.
 * @throws InputProblem KLP105 if standard output takes nothing
 */
export async function write(stream: OutputStream, data: string | Uint8Array): Promise<void> {
  await isTaken(stream, data);
}

/** As {@link write}. @returns whether there is a reader that may want more */
function isTaken(stream: OutputStream, data: string | Uint8Array): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const ignore = (): void => {};
    stream.once("error", ignore);
    stream.write(typeof data === "string" ? streamText(data) : data, (error) => {
      // After this callback; a failed write emits "error" once more.
      const isGood = error === null || error === undefined;
      if (isGood) stream.off("error", ignore);
      if (isGood || isLeft(stream, error) || stream.fd === STDERR) resolve(isGood);
      else reject(new InputProblem(problem("KLP105", { file: STDOUT }, { why: reason(error) })));
    });
  });
}

/** So many characters go out at once. */
const LARGE = 1 << 16;

/**
 * As {@link write}, for a text of any length in pieces: few large writes, each taken before the next is made, until the reader goes away.
 * Bytes go out as they are.
 */
export async function writePieces(stream: OutputStream, pieces: Iterable<string | Uint8Array>): Promise<void> {
  let texts: string[] = [];
  let length = 0;
  const give = async (): Promise<boolean> => {
    const wantsMore = length === 0 || (await isTaken(stream, texts.join("")));
    texts = [];
    length = 0;
    return wantsMore;
  };
  for (const piece of pieces) {
    if (typeof piece === "string") {
      texts.push(piece);
      length += piece.length;
      if (length >= LARGE && !(await give())) return;
    } else if (!(await give()) || (piece.length > 0 && !(await isTaken(stream, piece)))) return;
  }
  await give();
}

const STDERR = 2;

/** Whether a write failed because its reader went away, as `head` does. */
export const isGone = (error: Error): boolean => (error as NodeJS.ErrnoException).code === "EPIPE";

/** The same of a write after that: Node.js has ended the stream then, a pager's also where nothing was written to it in between. */
function isLeft(stream: OutputStream, error: Error): boolean {
  if ((error as NodeJS.ErrnoException).code !== "ERR_STREAM_DESTROYED") return isGone(error);
  return stream.errored === null || stream.errored === undefined || isGone(stream.errored);
}

/** Rows with their columns below each other; the last one is not filled up. */
export function columns(given: readonly (readonly string[])[]): string[] {
  const rows = given.map((row) => row.map(visible));
  const widths = (rows[0] ?? []).map((_, c) => longest(rows.map((row) => row[c] ?? "")));
  return rows.map((row) =>
    row
      .map((cell, c) => (c === row.length - 1 ? cell : cell.padEnd(widths[c] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
