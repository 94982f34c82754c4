// The code that V8 made of a file of dist/ in an earlier run, as V8 serialises it: beside the file where the build left it,
// or in the user's cache folder. Each command has its own, with the functions that its runs need.
//
// None is taken on trust. The name holds a digest of the file, which the build writes into its first line, the version of
// Node and the processor; the content holds a sum of itself, since V8 would run damaged code; V8 itself compares its own
// version, its flags and the length of the source. In the user's cache folder, file and folder must belong to the user
// who runs the command, and nobody else may write to them.
"use strict";
const fs = require("node:fs");
const { join } = require("node:path");

/** Bytes in front of what V8 serialised: MAGIC, and its sum. V8 wants it to begin at a multiple of eight. */
const HEAD = 8;
const MAGIC = 0x31_63_6b_6c; // "lkc1"

/** A command's name; `link`, the default, for all else. */
const commandOf = (word) => (word !== undefined && /^[a-z]{4,10}$/.test(word) ? word : "link");

/** The text of a file of ASCII characters; null if there is none. */
function readText(path) {
  try {
    return fs.readFileSync(path, "latin1");
  } catch {
    return null;
  }
}

/** A sum over one 32-bit word in 16: eight of each block that a disk may lose, of which some are not zero as what is lost may be. */
function sumOf(bytes) {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  let sum = bytes.length;
  for (let i = 0; i < words.length; i += 16) sum = (Math.imul(sum, 31) + words[i]) | 0;
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

/** What a file holds behind its head; undefined if it is not there, damaged, or may be another user's. */
function readCode(path, mustBeOwn) {
  let fd = -1;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    const there = fs.fstatSync(fd);
    if (!there.isFile() || (mustBeOwn && !isOwn(there)) || there.size <= HEAD || there.size > 1 << 25) return undefined;
    // Memory of its own: a view of words needs its beginning aligned.
    const bytes = Buffer.allocUnsafeSlow(there.size);
    if (fs.readSync(fd, bytes, 0, there.size, 0) !== there.size || bytes.readInt32LE(0) !== MAGIC) return undefined;
    const data = bytes.subarray(HEAD);
    return sumOf(data) === bytes.readInt32LE(4) ? data : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd >= 0) fs.closeSync(fd);
  }
}

/**
 * The code of a file of dist/ for a command, and where to keep it if there is none that fits.
 * @param dist the folder of the file @param source its text, whose first line is `/*DIGEST*` + `/`
 */
function findCode(dist, source, command) {
  const digest = /^\/\*([0-9a-f]{16})\*\//.exec(source.slice(0, 24))?.[1];
  if (digest === undefined) return { name: null, data: undefined };
  const name = `${command}-${digest}-${process.version}-${process.arch}`;
  let data = readCode(join(dist, "code", name), false);
  if (data === undefined) {
    const folder = userFolder();
    try {
      if (folder !== null && isOwn(fs.lstatSync(folder))) data = readCode(join(folder, name), true);
    } catch {
      // No such folder yet.
    }
  }
  return { name, data };
}

module.exports = { HEAD, MAGIC, commandOf, findCode, isOwn, readText, sumOf, userFolder };
