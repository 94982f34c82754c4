// Reads patch files: those of git (diff, format-patch), and plain unified ones (diff -u, quilt).
//
// Of the libraries for it none is exact enough. jsdiff 9 refuses what `git format-patch` writes (the signature behind the last hunk),
// takes lines with other ends of line for the same, and decodes names; parse-diff and gitdiff-parser know nothing of quoted names,
// of a missing newline at the end, or of hunks that are cut off, and do not apply anything.

import { type FilePatch, type Hunk, type HunkLine, linesOf, PatchError, type PatchFault } from "./file.ts";
import { gitNames, headerName, isNoTime, pathFault, strip } from "./names.ts";

const NONE = "/dev/null";
/** Lines of a patch, each of which takes a hundred bytes of memory however short it is. No livepatch has a hundredth of them. */
const MOST_LINES = 1_000_000;
const HUNK = /^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@/;

type Names = Pick<FilePatch, "from" | "to" | "kind"> & { readonly other?: string | null };

/** What the lines before the hunks say of a file. */
interface Header {
  readonly line: number;
  /** As they stand there, with the parts that are to be cut off. */
  names: readonly [string, string] | null;
  old: string | null;
  new: string | null;
  renamed: [string | null, string | null];
  copied: [string | null, string | null];
  mode: number | null;
  oldMode: number | null;
  isNew: boolean;
  isRemoved: boolean;
  isBinary: boolean;
  isGit: boolean;
}

/**
 * Takes a patch file apart. Text around the patches, as of a mail, is passed over.
 * @param bytes the file @param name its name for messages @param count parts to cut off names in front, as `patch -p`
 * @throws PatchError
 */
export function parsePatch(bytes: Uint8Array, name: string, count = 1): FilePatch[] {
  return new Parser(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1"), name, count).read();
}

class Parser {
  readonly #lines: readonly string[];
  readonly #name: string;
  readonly #count: number;
  #at = 0;
  /** Whether lines of the file that is read end in CR LF where the patch's own lines do: a mail made it so. */
  #dropCr = false;

  constructor(text: string, name: string, count: number) {
    this.#name = name;
    this.#count = count;
    let lines = 0;
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) lines++;
    if (lines > MOST_LINES) throw this.#fault({ kind: "malformed", what: `it has more than ${MOST_LINES} lines` }, 1);
    this.#lines = linesOf(text);
  }

  read(): FilePatch[] {
    const found: FilePatch[] = [];
    while (this.#at < this.#lines.length) {
      const line = this.#line();
      if (line.startsWith("diff --git ")) found.push(this.#git());
      else if (this.#isPair()) found.push(this.#plain());
      else if (/^diff --(?:cc|combined) |^@@@ /.test(line)) this.#fail("it is the diff of a merge");
      else if (/^\*\*\* /.test(line) && this.#line(1).startsWith("--- ") && this.#line(2).startsWith("*******"))
        this.#fail("it is a context diff, not a unified one (diff -u)");
      else if (HUNK.test(line)) this.#fail("a hunk without the name of a file before it");
      else this.#at++;
    }
    return found;
  }

  /** A line without its end. */
  #line(ahead = 0): string {
    return (this.#lines[this.#at + ahead] ?? "").replace(/\r?\n$/, "");
  }

  #isPair = (): boolean => this.#line().startsWith("--- ") && this.#line(1).startsWith("+++ ");

  #fault(fault: PatchFault, line = this.#at + 1): PatchError {
    return new PatchError(fault, this.#name, line);
  }

  #fail(what: string): never {
    throw this.#fault({ kind: "malformed", what });
  }

  #git(): FilePatch {
    const header = this.#header(true);
    header.names = gitNames(this.#line().slice("diff --git ".length), this.#count);
    this.#at++;
    while (this.#at < this.#lines.length && this.#gitLine(header, this.#line())) this.#at++;
    if (this.#line() === "GIT binary patch" || /^Binary files .* differ$/.test(this.#line())) header.isBinary = true;
    return this.#file(header);
  }

  /** Takes a line that only git writes; false if it is none. */
  #gitLine(header: Header, line: string): boolean {
    const [, word = "", rest = ""] =
      /^((?:old|new|new file|deleted file) mode|(?:rename|copy) (?:from|to)|(?:dis)?similarity index|index) (.*)$/.exec(
        line,
      ) ?? [];
    const name = (): string =>
      (rest.startsWith('"') ? headerName(rest) : rest) ?? this.#fail("a quoted name does not end");
    switch (word) {
      case "":
        return false;
      case "new file mode":
      case "new mode":
        header.isNew ||= word === "new file mode";
        header.mode = this.#mode(rest);
        return true;
      case "deleted file mode":
      case "old mode":
        header.isRemoved ||= word === "deleted file mode";
        header.oldMode = this.#mode(rest);
        return true;
      case "rename from":
        header.renamed[0] = name();
        return true;
      case "rename to":
        header.renamed[1] = name();
        return true;
      case "copy from":
        header.copied[0] = name();
        return true;
      case "copy to":
        header.copied[1] = name();
        return true;
      case "index": {
        const mode = / (\d{6})$/.exec(rest)?.[1];
        if (mode !== undefined) header.oldMode = this.#mode(mode);
        return true;
      }
      default:
        return true;
    }
  }

  #mode(text: string): number {
    if (!/^[0-7]{6}$/.test(text)) this.#fail(`\`${text}\` is no mode of a file`);
    return Number.parseInt(text, 8);
  }

  #plain(): FilePatch {
    return this.#file(this.#header(false));
  }

  #header(isGit: boolean): Header {
    return {
      line: this.#at + 1,
      names: null,
      old: null,
      new: null,
      renamed: [null, null],
      copied: [null, null],
      mode: null,
      oldMode: null,
      isNew: false,
      isRemoved: false,
      isBinary: false,
      isGit,
    };
  }

  #file(header: Header): FilePatch {
    const hunks: Hunk[] = [];
    if (this.#isPair()) {
      this.#dropCr = /\r\n$/.test(this.#lines[this.#at] ?? "") && /\r\n$/.test(this.#lines[this.#at + 1] ?? "");
      const sides = [this.#line().slice(4), this.#line(1).slice(4)] as const;
      const names = sides.map(headerName);
      if (names[0] == null || names[1] == null) this.#fail("a name does not end, or is longer than a path can be");
      // git does not write times; where diff does, the epoch stands for a file that is not there.
      header.old = !header.isGit && isNoTime(sides[0]) ? NONE : (names[0] ?? NONE);
      header.new = !header.isGit && isNoTime(sides[1]) ? NONE : (names[1] ?? NONE);
      this.#at += 2;
      if (!HUNK.test(this.#line())) this.#fail("no hunk (`@@ -1,7 +1,8 @@`) follows the names");
    }
    while (HUNK.test(this.#line())) hunks.push(this.#hunk());
    return this.#finish(header, hunks);
  }

  #hunk(): Hunk {
    const line = this.#at + 1;
    const [, a, b, c, d] = HUNK.exec(this.#line()) ?? [];
    const [oldStart, newStart] = [Number(a), Number(c)];
    let old = b === undefined ? 1 : Number(b);
    let now = d === undefined ? 1 : Number(d);
    this.#at++;
    const lines: HunkLine[] = [];
    while (old > 0 || now > 0 || (this.#lines[this.#at] ?? "").startsWith("\\ ")) {
      const raw = this.#lines[this.#at];
      if (raw === undefined) throw this.#fault({ kind: "malformed", what: "the hunk is cut off" }, line);
      if (raw.startsWith("\\ ")) {
        const last = lines.pop();
        if (last === undefined || !last.text.endsWith("\n")) this.#fail("`\\ No newline` without a line before it");
        lines.push({ kind: last.kind, text: last.text.replace(/\n$/, "") });
        this.#at++;
        continue;
      }
      const text = this.#dropCr ? raw.replace(/\r\n$/, "\n") : raw;
      // Some mailers take away the space of a line that is otherwise empty.
      const kind = text === "\n" || text === "\r\n" ? " " : text[0];
      if (kind !== " " && kind !== "+" && kind !== "-") this.#fail("a line of a hunk begins with space, + or -");
      if (kind !== "+" && --old < 0) this.#fail("the hunk has more old lines than its first line says");
      if (kind !== "-" && --now < 0) this.#fail("the hunk has more new lines than its first line says");
      lines.push({ kind, text: text === "\n" || text === "\r\n" ? text : text.slice(1) });
      this.#at++;
    }
    // What looks like more of it is not passed over as text.
    const after = this.#line();
    if (/^\+|^-(?!- ?$|-- )/.test(after) && after !== "--")
      this.#fail("the hunk has more lines than its first line says");
    return { oldStart, newStart, lines, line };
  }

  #finish(header: Header, hunks: Hunk[]): FilePatch {
    const { from, to, kind, other = null } = this.#paths(header, hunks);
    for (const path of [from, to, other ?? to]) {
      const why = pathFault(path);
      if (why !== null) throw this.#fault({ kind: "path", path, why }, header.line);
    }
    const type = (header.mode ?? header.oldMode ?? 0o100644) & 0o170000;
    const path = to;
    if (header.isBinary) throw this.#fault({ kind: "binary", path, what: "binary" }, header.line);
    if (type === 0o120000) throw this.#fault({ kind: "binary", path, what: "link" }, header.line);
    if (type === 0o160000) throw this.#fault({ kind: "binary", path, what: "submodule" }, header.line);
    const mode = header.mode === null ? null : header.mode & 0o777;
    return { kind, from, to, other, mode, hunks, patch: this.#name, line: header.line };
  }

  /** What becomes of which file. */
  #paths(header: Header, hunks: readonly Hunk[]): Names {
    const { renamed, copied, names } = header;
    // These names are written without anything in front.
    if (renamed[0] !== null && renamed[1] !== null) return { kind: "renamed", from: renamed[0], to: renamed[1] };
    if (copied[0] !== null && copied[1] !== null) return { kind: "copied", from: copied[0], to: copied[1] };
    const old = header.old ?? names?.[0] ?? null;
    const now = header.new ?? names?.[1] ?? null;
    if (old === null || now === null)
      throw this.#fault({ kind: "malformed", what: "the name of the file cannot be told" }, header.line);
    const cut = (name: string): string => {
      const found = strip(name, this.#count);
      if (found !== null) return found;
      const why = `it has not ${this.#count} part${this.#count === 1 ? "" : "s"} to cut off`;
      throw this.#fault({ kind: "path", path: name, why }, header.line);
    };
    if (old === NONE && now === NONE)
      throw this.#fault({ kind: "malformed", what: "both names are /dev/null" }, header.line);
    if (header.isNew || old === NONE) {
      if (hunks.length > 1 || hunks.some((h) => h.lines.some((l) => l.kind !== "+")))
        throw this.#fault({ kind: "malformed", what: "a new file has old lines" }, header.line);
      const to = cut(now === NONE ? old : now);
      return { kind: "new", from: to, to };
    }
    if (header.isRemoved || now === NONE) {
      if (hunks.length > 1 || hunks.some((h) => h.lines.some((l) => l.kind !== "-")))
        throw this.#fault({ kind: "malformed", what: "a removed file has new lines" }, header.line);
      const from = cut(old);
      return { kind: "removed", from, to: from };
    }
    // Of plain diffs the old name is often another: x.c.orig, linux-6.1.orig/x.c.
    const to = cut(now);
    return { kind: "change", from: to, to, other: header.isGit || cut(old) === to ? null : cut(old) };
  }
}
