// What a run of Node.js cannot go below, as programs of a few lines: node bench/floor.mjs WHAT ARGUMENTS.
//   copy OUT SIZE FILE...   reads files, and writes SIZE bytes to OUT as a link does: beside it, to the disk, renamed
//   rows FILE               reads a file, and looks once at each 24 bytes, as at a row of a relocation or symbol table
//   bytes                   looks once at each byte of standard input
//   text COUNT LENGTH       writes COUNT lines of LENGTH characters, each with a number of its own
//   files FOLDER            reads each .ko below a folder, one after the other
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, readSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";

const [, , what, ...args] = process.argv;

function writeAll(fd, bytes) {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

const kinds = {
  copy([out, size, ...files]) {
    const bytes = new Uint8Array(Number(size));
    for (const file of files) bytes.set(readFileSync(file).subarray(0, bytes.length));
    const fd = openSync(`${out}.new`, "w");
    writeAll(fd, bytes);
    fsyncSync(fd);
    closeSync(fd);
    renameSync(`${out}.new`, out);
  },
  rows([file]) {
    const bytes = readFileSync(file);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let sum = 0;
    for (let at = 0; at + 24 <= bytes.length; at += 24)
      sum = (sum + view.getUint32(at, true) + view.getUint32(at + 8, true) + view.getInt32(at + 16, true)) | 0;
    return sum;
  },
  bytes() {
    const room = Buffer.alloc(1 << 18);
    let sum = 0;
    for (let count = -1; count !== 0; ) {
      count = readSync(0, room, 0, room.length, null);
      for (let i = 0; i < count; i++) sum = (Math.imul(sum, 31) + room[i]) | 0;
    }
    return sum;
  },
  text([count, length]) {
    const filler = "x".repeat(Math.max(0, Number(length) - 17));
    let lines = [];
    for (let i = 0; i < Number(count); i++) {
      lines.push(`${i.toString(16).padStart(16, "0")}${filler}\n`);
      if (lines.length < 1024) continue;
      writeAll(1, Buffer.from(lines.join(""), "latin1"));
      lines = [];
    }
    writeAll(1, Buffer.from(lines.join(""), "latin1"));
  },
  files([folder]) {
    let size = 0;
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }))
      if (name.endsWith(".ko")) size += readFileSync(join(folder, name)).length;
    return size;
  },
};

const run = kinds[what];
if (run === undefined) throw new Error(`no such kind: ${what}`);
globalThis.result = run(args);
