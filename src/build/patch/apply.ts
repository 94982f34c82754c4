// Applies patches in memory: exactly, or with as much fuzz as is allowed.

import { TooMuchWork, Work } from "../../base/work.ts";
import { type FilePatch, type Hunk, type HunkLine, linesOf, PatchError, type PatchFault } from "./file.ts";

/** What a patched tree has in place of a file. */
export interface PatchedFile {
  readonly path: string;
  /** Null: the patches remove it. */
  readonly text: string | null;
  /** The text without #line directives, where it was given some. */
  readonly plain?: string;
  /** As the tree has it; null: it is new. */
  readonly before: string | null;
  /** Permission bits that a patch gives it; null: none does. */
  readonly mode: number | null;
  /** Where new lines stand, for those that follow to keep their numbers. */
  readonly groups: readonly Group[];
}

/** A run of lines of a patched file that are not those of the file before. */
export interface Group {
  /** First line behind it, in the patched file, from 0. */
  readonly after: number;
  /** The same line's number in the file before, from 1. */
  readonly before: number;
}

/** A hunk that was applied elsewhere than it says, or not to the letter. */
export interface Adjusted {
  readonly path: string;
  readonly patch: string;
  readonly line: number;
  /** Lines below (above, if negative) the place that the patch names. */
  readonly offset: number;
  /** Lines of context at its ends that were not compared. */
  readonly fuzz: number;
}

export interface ApplyResult {
  readonly files: readonly PatchedFile[];
  readonly adjusted: readonly Adjusted[];
}

/** Text of a file of the tree, a byte a character; null if it is not there. */
export type ReadFile = (path: string) => string | null;

interface State {
  text: string | null;
  mode: number | null;
}

/**
 * Applies patches, each to what those before it left.
 * @param fuzz lines of context that need not fit at either end of a hunk, as `patch --fuzz`
 * @throws PatchError; TooMuchWork where hunks are looked for, or one file is patched, again and again
 */
export function applyPatches(patches: readonly FilePatch[], read: ReadFile, fuzz = 0): ApplyResult {
  const work = workOf(patches);
  const states = new Map<string, State>();
  const adjusted: Adjusted[] = [];
  const now = (path: string): string | null => states.get(path)?.text ?? (states.has(path) ? null : read(path));
  for (const patch of patches) {
    const fail = (fault: PatchFault): PatchError => new PatchError(fault, patch.patch, patch.line);
    const from = patch.other !== null && now(patch.from) === null ? patch.other : patch.from;
    const to = patch.kind === "change" ? from : patch.to;
    const before = patch.kind === "new" ? null : now(from);
    if (patch.kind !== "new" && before === null) throw fail({ kind: "missing", path: from, what: "absent" });
    if ((patch.kind === "new" || to !== from) && now(to) !== null)
      throw fail({ kind: "missing", path: to, what: "exists" });
    work.take(before?.length ?? 0, APPLYING);
    const text = new Hunks(patch, to, before ?? "", { fuzz, adjusted, work }).apply();
    const mode = patch.mode ?? states.get(from)?.mode ?? null;
    if (patch.kind === "removed" && text !== "") throw fail({ kind: "missing", path: from, what: "differs" });
    if (patch.kind === "removed" || patch.kind === "renamed") states.set(from, { text: null, mode: null });
    if (patch.kind !== "removed") states.set(to, { text, mode });
  }
  const files = [...states].flatMap(([path, { text, mode }]) => {
    const before = read(path);
    if (text === before && mode === null) return [];
    return [{ path, text, before, mode, groups: text === null || before === null ? [] : groupsOf(before, text, work) }];
  });
  return { files, adjusted };
}

const APPLYING = "applying patches";
/** Steps that comparing two lines counts for. */
const COMPARED = 16;

/** Steps that patches may take: by their own size. */
function workOf(patches: readonly FilePatch[]): Work {
  let size = 0;
  for (const { hunks } of patches) for (const { lines } of hunks) for (const { text } of lines) size += text.length;
  return new Work(patches[0]?.patch ?? "", size);
}

interface Surroundings {
  readonly fuzz: number;
  readonly adjusted: Adjusted[];
  readonly work: Work;
}

type Unfit = Extract<PatchFault, { kind: "unfit" }>["why"];

const isOld = (line: HunkLine): boolean => line.kind !== "+";
const isNew = (line: HunkLine): boolean => line.kind !== "-";

/** The hunks of one file, in order. */
class Hunks {
  readonly #patch: FilePatch;
  readonly #path: string;
  readonly #lines: readonly string[];
  readonly #fuzz: number;
  readonly #adjusted: Adjusted[];
  readonly #work: Work;

  constructor(patch: FilePatch, path: string, text: string, { fuzz, adjusted, work }: Surroundings) {
    this.#patch = patch;
    this.#path = path;
    this.#lines = linesOf(text);
    work.take(this.#lines.length * 4 * COMPARED, APPLYING);
    this.#fuzz = fuzz;
    this.#adjusted = adjusted;
    this.#work = work;
  }

  apply(): string {
    const out: string[] = [];
    const put = (lines: readonly string[]): void => {
      for (const line of lines) out.push(line);
    };
    let done = 0;
    let moved = 0;
    for (const hunk of this.#patch.hunks) {
      const found = this.#find(hunk, done, moved);
      const guess = firstLine(hunk);
      moved = found.at - found.cut - guess;
      if (moved !== 0 || found.fuzz > 0) {
        const { patch } = this.#patch;
        this.#adjusted.push({ path: this.#path, patch, line: hunk.line, offset: moved, fuzz: found.fuzz });
      }
      put(this.#lines.slice(done, found.at));
      put(found.lines.filter(isNew).map((l) => l.text));
      done = found.at + found.lines.filter(isOld).length;
    }
    put(this.#lines.slice(done));
    // Only the last line may lack its end.
    const open = out.findIndex((line, i) => i < out.length - 1 && !line.endsWith("\n"));
    if (open !== -1) {
      const what = `line ${open + 1} of ${this.#path} would have no end, and more lines follow`;
      throw new PatchError({ kind: "malformed", what }, this.#patch.patch, this.#patch.line);
    }
    return out.join("");
  }

  /** Where a hunk fits: the line that it names, else the only other place. */
  #find(hunk: Hunk, done: number, moved: number): Found {
    const exact = this.#search(hunk, done, moved, 0);
    if (exact !== null) return exact;
    for (let fuzz = 1; fuzz <= this.#fuzz; fuzz++) {
      const found = this.#search(hunk, done, moved, fuzz);
      if (found !== null) return found;
    }
    throw this.#unfit(hunk, done, moved);
  }

  /**
   * The place with `fuzz` lines of context left out, as patch (locate_hunk) has it: a hunk with less context before its changes than
   * behind them stands at the start of the file, one with less behind them at its end.
   */
  #search(hunk: Hunk, done: number, moved: number, fuzz: number): Found | null {
    const { lines } = hunk;
    const firstChange = lines.findIndex((l) => l.kind !== " ");
    if (firstChange === -1) return null;
    let lastChange = lines.length - 1;
    while (lines[lastChange]?.kind === " ") lastChange--;
    const [prefix, suffix] = [firstChange, lines.length - 1 - lastChange];
    const context = Math.max(prefix, suffix);
    // Nothing is left out that was not looked at with less fuzz.
    if (fuzz > context) return null;
    const cut = Math.max(0, fuzz + prefix - context);
    const tail = Math.max(0, fuzz + suffix - context);
    const used = lines.slice(cut, lines.length - tail);
    const old = used.filter(isOld).map((l) => l.text);
    const guess = firstLine(hunk) + cut + moved;
    const last = this.#lines.length - old.length;
    const found = (at: number): Found => ({ at, cut, fuzz, lines: used });
    const fits = (at: number): boolean => at >= done && at <= last && this.#fits(old, at);
    if (old.length === 0) {
      // Nothing can be compared: only an empty file is certain.
      if (this.#lines.length === 0) return found(0);
      throw this.#error(hunk, guess, "bare", null);
    }
    const atStart = fuzz + prefix - context < 0;
    const atEnd = fuzz + suffix - context < 0;
    if (atStart) return fits(cut) && (!atEnd || last === cut) ? found(cut) : null;
    if (atEnd) return fits(last) ? found(last) : null;
    if (fits(guess)) return found(guess);
    const others: number[] = [];
    for (let at = done; at <= last && others.length < 2; at++) if (at !== guess && this.#fits(old, at)) others.push(at);
    if (others.length > 1) throw this.#error(hunk, guess, "several", null);
    return others[0] === undefined ? null : found(others[0]);
  }

  #fits(old: readonly string[], at: number): boolean {
    let i = 0;
    while (i < old.length && this.#lines[at + i] === old[i]) i++;
    this.#work.take((i + 1) * COMPARED, APPLYING);
    return i === old.length;
  }

  #error(hunk: Hunk, at: number, why: Unfit, fuzz: number | null): PatchError {
    const old = hunk.lines.filter(isOld);
    const wrong = old.findIndex((l, i) => this.#lines[at + i] !== l.text);
    const place = at + Math.max(0, wrong);
    const expected = old[Math.max(0, wrong)]?.text ?? "";
    const found = this.#lines[place] ?? null;
    const fault = { kind: "unfit", path: this.#path, at: place + 1, why, expected, found, fuzz } as const;
    return new PatchError(fault, this.#patch.patch, hunk.line);
  }

  #unfit(hunk: Hunk, done: number, moved: number): PatchError {
    const at = Math.max(0, firstLine(hunk) + moved);
    const made = hunk.lines.filter(isNew).map((l) => l.text);
    if (made.length > 0 && this.#fits(made, Math.max(0, hunk.newStart - 1)) && hunk.lines.some((l) => l.kind === "+"))
      return this.#error(hunk, at, "applied", null);
    const fits = this.#fits(
      hunk.lines.filter(isOld).map((l) => l.text),
      at,
    );
    const why = fits ? "ends" : "context";
    for (let fuzz = this.#fuzz + 1; fuzz <= MOST_FUZZ; fuzz++) {
      try {
        if (this.#search(hunk, done, moved, fuzz) !== null) return this.#error(hunk, at, why, fuzz);
      } catch (error) {
        if (error instanceof TooMuchWork) throw error;
        break;
      }
    }
    return this.#error(hunk, at, why, null);
  }
}

/** Lines of fuzz with which a hunk is tried for the message: as many as patch uses by itself. */
const MOST_FUZZ = 2;

interface Found {
  /** Index of the first line that was compared. */
  readonly at: number;
  /** Lines of the hunk before it that were left out. */
  readonly cut: number;
  readonly fuzz: number;
  /** What is left of the hunk. */
  readonly lines: readonly HunkLine[];
}

/** Index of the line that a hunk names. With an empty old side it stands behind that line. */
function firstLine({ oldStart, lines }: Hunk): number {
  return lines.some(isOld) ? Math.max(0, oldStart - 1) : oldStart;
}

/** The runs of lines in which two texts differ; they end where the two get too far out of step. */
export function groupsOf(before: string, after: string, work = new Work("", before.length + after.length)): Group[] {
  const [a, b] = [linesOf(before), linesOf(after)];
  const groups: Group[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      i++;
      j++;
      continue;
    }
    const next = resync(a, b, [i, j], work);
    if (next === null) break;
    [i, j] = next;
    groups.push({ after: j, before: i + 1 });
  }
  return groups;
}

/** Lines that must be the same again for the two to be in step. */
const STEADY = 3;

/** Lines that may differ before that. */
const MOST_DIFFERENT = 3000;

/** Where two texts are in step again behind a difference: the pair of places with the least distance. */
function resync(
  a: readonly string[],
  b: readonly string[],
  [i, j]: readonly [number, number],
  work: Work,
): [number, number] | null {
  const most = Math.min(a.length - i + b.length - j, MOST_DIFFERENT);
  for (let distance = 1; distance <= most; distance++) {
    work.take(distance * COMPARED, APPLYING);
    for (let left = 0; left <= distance; left++) {
      const [x, y] = [i + left, j + distance - left];
      if (x > a.length || y > b.length) continue;
      let same = 0;
      while (same < STEADY && x + same < a.length && a[x + same] === b[y + same]) same++;
      if (same === STEADY || (x + same === a.length && y + same === b.length)) return [x, y];
    }
  }
  return null;
}
