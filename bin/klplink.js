#!/usr/bin/env node
// Starts the command line, dist/klplink.cjs, with the code that V8 made of it in an earlier run where that is at hand
// (parts.js). CommonJS, and as few modules of Node as possible: they take longer to load than a small module to check.
"use strict";
const fs = require("node:fs");
const { dirname, join } = require("node:path");
const { Code, commandOf, openBundle } = require("./parts.js");

const dist = join(dirname(__dirname), "dist");
/** Opens a bundle below dist/; returns its `need`; null if it is not there. @param command that its code is kept for */
function open(id, command) {
  const path = join(dist, id);
  let fd = -1;
  try {
    // Open until the process ends: what is put in its place meanwhile is another one.
    fd = fs.openSync(path);
  } catch {
    return null;
  }
  const read = (offset, length) => {
    const bytes = Buffer.allocUnsafeSlow(length);
    return bytes.latin1Slice(0, fs.readSync(fd, bytes, 0, length, offset));
  };
  return openBundle(read, path, load, (digest) => new Code(dist, digest, command));
}

/** require() of a bundle. */
function load(id) {
  if (id === "./codeKeeper.js") return require(id);
  if (id.endsWith(".wasm")) return fs.readFileSync(join(dist, id));
  return require(id.startsWith("./") ? join(dist, id) : id);
}

/** In a fresh checkout nothing is built: the first run does it, so that installing has nothing to do. */
function built() {
  const script = join(dirname(__dirname), "scripts/build.mjs");
  if (!fs.existsSync(script)) return null;
  process.stderr.write("klplink: the first run of a checkout builds it\n");
  require("node:child_process").spawnSync(process.execPath, [script, "--bundle"], { stdio: ["ignore", 2, 2] });
  return open("klplink.cjs", commandOf(process.argv[2]));
}

const need = open("klplink.cjs", commandOf(process.argv[2])) ?? built();
if (need !== null) need("start");
else {
  process.stderr.write("klplink: dist/klplink.cjs is missing: run `npm run build` first\n");
  process.exitCode = 70;
}
