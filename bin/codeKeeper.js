// Keeps the code that V8 made in this run for the next ones (parts.js). Nothing is said where that cannot be: the next
// run takes a few hundredths of a second longer.
"use strict";
const fs = require("node:fs");
const { dirname, join } = require("node:path");
const { HEAD, isOwn, MAGIC, MOST_PARTS, ROW, sumOf, userFolder } = require("./parts.js");

/** So many files stay: those of a few versions of klplink or Node. */
const MOST = 48;

/** Makes the folder, if it is the user's to make; whether it may be written to. */
function ensureFolder(folder) {
  // Of the home's `.cache` or what stands in its place, and of what is above that. The superuser with another user's home
  // leaves that alone.
  const cache = dirname(dirname(folder));
  if (!isOwn(fs.statSync(fs.existsSync(cache) ? cache : dirname(cache)))) return false;
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  return isOwn(fs.lstatSync(folder));
}

/** Takes the oldest files away where there are too many. */
function prune(folder) {
  const names = fs.readdirSync(folder);
  if (names.length <= MOST) return;
  const byAge = names
    .map((name) => ({ path: join(folder, name), time: fs.lstatSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => b.time - a.time);
  for (const { path } of byAge.slice(MOST)) fs.rmSync(path, { force: true });
}

/** Takes away what runs that were killed had not finished: their processes are no more. */
function removeLeft(folder) {
  for (const file of fs.readdirSync(folder)) {
    const pid = Number(/\.(\d+)\.tmp$/.exec(file)?.[1] ?? process.pid);
    try {
      process.kill(pid, 0);
    } catch (error) {
      if (error.code === "ESRCH") fs.rmSync(join(folder, file), { force: true });
    }
  }
}

/** A file (parts.js says how it is laid out). @param codes of parts, by their numbers */
function fileOf(codes) {
  const head = Buffer.alloc(HEAD + ROW * codes.size);
  const pieces = [head];
  let [row, end] = [HEAD, head.length];
  for (const [part, bytes] of codes) {
    const room = Buffer.alloc(-end & 7);
    [part, end + room.length, bytes.length, sumOf(bytes)].forEach(
      (word, i) => void head.writeInt32LE(word, row + 4 * i),
    );
    row += ROW;
    pieces.push(room, bytes);
    end += room.length + bytes.length;
  }
  [MAGIC, codes.size, sumOf(head.subarray(HEAD), 1)].forEach((word, i) => void head.writeInt32LE(word, 4 * i));
  return Buffer.concat(pieces);
}

/**
 * Keeps what this run compiled, beside what was kept for other parts.
 * @param code a Code of parts.js @param fresh parts, by number, and their scripts
 * @param status exit status: a run that failed before its work has not compiled what the next one needs
 */
function keep(code, fresh, status) {
  // Flags of V8 are part of what code must fit: those of this run alone are not kept.
  if (status > 1 || process.execArgv.length > 0 || process.env.NODE_OPTIONS) return;
  const folder = userFolder();
  try {
    if (folder === null || !ensureFolder(folder)) return;
    removeLeft(folder);
    const codes = new Map();
    for (const { part, script } of fresh) codes.set(part, Buffer.from(new Uint8Array(script.createCachedData())));
    for (const part of code.user.parts) {
      const bytes = codes.has(part) ? undefined : code.user.codeOf(part);
      if (bytes !== undefined) codes.set(part, bytes);
    }
    if (codes.size > MOST_PARTS) return;
    const path = join(folder, code.name);
    const temporary = `${path}.${process.pid}.tmp`;
    try {
      fs.writeFileSync(temporary, fileOf(codes), { flag: "wx", mode: 0o600 });
      fs.renameSync(temporary, path);
    } finally {
      fs.rmSync(temporary, { force: true });
    }
    prune(folder);
  } catch {
    // A folder that cannot be written to, a full disk.
  }
}

module.exports = { keep };
