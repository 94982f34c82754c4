// A bundle's parts (scripts/bundle.mjs): each is read and compiled when something in it is first asked for, with the code that
// V8 made of it in an earlier run where that is at hand: beside the bundle where the build left it, or in the user's cache
// folder. Each command has its own, with the functions that its runs need.
//
// No code is taken on trust. The file's name holds a digest of the bundle, which the build writes into its first line, the version of
// Node and the processor; each part's code stands with a sum of itself, since V8 would run damaged code; V8 itself compares its own
// version, its flags and the length of the source. In the user's cache folder, file and folder must belong to the user
// who runs the command, and nobody else may write to them.
//
// One file, since each takes longer to find than to run.
"use strict";
const fs = require("node:fs");
const { join } = require("node:path");
const { Script } = require("node:vm");

const MAGIC = 0x32_63_6b_6c; // "lkc2"
/**
 * A file begins with words of 32 bits: MAGIC, the number of parts, a sum of the rows that follow; of each part its number, and of its code
 * the offset in bytes, a multiple of eight as V8 wants it, the length and the sum.
 */
const [HEAD, ROW, MOST_PARTS] = [16, 16, 255];

/** A command's name; `link`, the default, for all else. */
const commandOf = (word) => (word !== undefined && /^[a-z]{4,10}$/.test(word) ? word : "link");

/** A sum over one 32-bit word in 16: eight of each block that a disk may lose, of which some are not zero as what is lost may be. */
function sumOf(bytes, step = 16) {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  let sum = bytes.length;
  for (let i = 0; i < words.length; i += step) sum = (Math.imul(sum, 31) + words[i]) | 0;
  return sum;
}

/** The folder `code` in klplink's cache folder; null where there is no home. */
function userFolder() {
  const { XDG_CACHE_HOME, HOME } = process.env;
  const cache = XDG_CACHE_HOME?.startsWith("/") ? XDG_CACHE_HOME : HOME?.startsWith("/") ? join(HOME, ".cache") : null;
  return cache === null ? null : join(cache, "klplink", "code");
}

/** Whether only the user who runs this can have written it. */
const isOwn = (there) => there.uid === process.geteuid?.() && (there.mode & 0o022) === 0;

/** Bytes of a file, in memory of their own: views of words need its beginning aligned; null if there are fewer. */
function bytesAt(fd, offset, length) {
  const bytes = Buffer.allocUnsafeSlow(length);
  return fs.readSync(fd, bytes, 0, length, offset) === length ? bytes : null;
}

/** One file: which parts it has. It stays open, so that another run may put a new one in its place. */
class CodeFile {
  #fd = -1;
  /** Offset, length and sum of a part's code, by the part's number. */
  #rows = new Map();

  constructor(path, mustBeOwn) {
    try {
      this.#fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
      const there = fs.fstatSync(this.#fd);
      if (!there.isFile() || (mustBeOwn && !isOwn(there)) || there.size < HEAD || there.size > 1 << 26) return;
      const bytes = bytesAt(this.#fd, 0, Math.min(there.size, HEAD + ROW * MOST_PARTS));
      if (bytes === null) return;
      const head = new Int32Array(bytes.buffer, 0, bytes.length >> 2);
      const count = head[1];
      if (head[0] !== MAGIC || !(count >= 0 && HEAD + ROW * count <= bytes.length)) return;
      if (sumOf(bytes.subarray(HEAD, HEAD + ROW * count), 1) !== head[2]) return;
      for (let i = HEAD >> 2; count > this.#rows.size; i += ROW >> 2) {
        const [part, offset, length, sum] = head.subarray(i, i + 4);
        if (
          this.#rows.has(part) ||
          offset % 8 !== 0 ||
          !(offset >= HEAD && length > 0 && offset + length <= there.size)
        ) {
          this.#rows.clear();
          return;
        }
        this.#rows.set(part, { offset, length, sum });
      }
    } catch {
      // There is none.
    }
  }

  get parts() {
    return [...this.#rows.keys()];
  }

  /** A part's code; undefined if there is none, or it is damaged. */
  codeOf(part) {
    const row = this.#rows.get(part);
    if (row === undefined) return undefined;
    try {
      const bytes = bytesAt(this.#fd, row.offset, row.length);
      return bytes !== null && sumOf(bytes) === row.sum ? bytes : undefined;
    } catch {
      return undefined;
    }
  }
}

/** What is kept of one bundle for one command. */
class Code {
  #user = null;
  #built;
  /** @param dist folder of the bundle @param digest of the bundle @param command what runs */
  constructor(dist, digest, command) {
    this.name = `${command}-${digest}-${process.version}-${process.arch}`;
    this.#built = new CodeFile(join(dist, "code", this.name), false);
  }

  /** The user's file: looked at where the build's has not what is needed. */
  get user() {
    if (this.#user === null) {
      const folder = userFolder();
      let is = false;
      try {
        is = folder !== null && isOwn(fs.lstatSync(folder));
      } catch {
        // No such folder yet.
      }
      this.#user = is ? new CodeFile(join(folder, this.name), true) : NONE;
    }
    return this.#user;
  }

  codeOf(part) {
    return this.#built.codeOf(part) ?? this.user.codeOf(part);
  }
}
const NONE = { parts: [], codeOf: () => undefined };

/** A bundle's first line, a digest and where each part lies, has at most so many bytes; most have the first. */
const HEADS = [4096, 1 << 17];

/**
 * Opens a bundle.
 * @param read gives `length` bytes at `offset` of it as text; they are ASCII
 * @param filename of the bundle, for messages @param require what it gets modules by
 * @param codeOf gives what is kept of V8's code (Code) for the bundle's digest
 * @returns `need`, which returns what a part exports
 * @throws Error if the bundle is none
 */
function openBundle(read, filename, require, codeOf) {
  const headOf = (size) => /^\/\*([0-9a-f]{16})\*\/\/\*(\{.*\})\*\/ *\n/.exec(read(0, size));
  const [, digest, json] = headOf(HEADS[0]) ?? headOf(HEADS[1]) ?? [];
  if (digest === undefined) throw new Error(`${filename} is not klplink's`);
  const index = JSON.parse(json);
  const numbers = Object.keys(index);
  const code = codeOf(digest);
  const url = `file://${encodeURI(filename).replace(/[?#]/g, encodeURIComponent)}`;
  /** What parts export; null of one that has not come to its end: its names would be missing. */
  const parts = new Map();
  const fresh = [];

  function need(name) {
    const there = parts.get(name);
    if (there !== undefined) {
      if (there === null) throw new Error(`the part ${name} is needed while it begins`);
      return there;
    }
    parts.set(name, null);
    const [offset, length, lineOffset] = index[name];
    const part = numbers.indexOf(name);
    const cachedData = code.codeOf(part);
    const script = new Script(read(offset, length), { filename, lineOffset, cachedData });
    if (cachedData === undefined || script.cachedDataRejected !== false) {
      if (fresh.length === 0) process.on("exit", (status) => require("./codeKeeper.js").keep(code, fresh, status));
      fresh.push({ part, script });
    }
    try {
      const exports = script.runInThisContext()(need, require, require, url);
      parts.set(name, exports);
      return exports;
    } catch (error) {
      // Asked for again, it says the same: a file that it needs is missing.
      parts.delete(name);
      throw error;
    }
  }
  return need;
}

module.exports = { Code, HEAD, MAGIC, MOST_PARTS, ROW, commandOf, isOwn, openBundle, sumOf, userFolder };
