// What the single executable runs in place of bin/klplink.js: the files of dist/ are in it, as assets of Node.js's single executables.
"use strict";
const { dirname, join } = require("node:path");
const sea = require("node:sea");
const { Script } = require("node:vm");
const { keep } = require("../../bin/codeKeeper.js");
const { Code, commandOf, openBundle } = require("../../bin/parts.js");

/** Where the files would be: messages and URLs have names, and nothing is read from there. */
const folder = dirname(process.execPath);
/** No code of V8's lies beside the executable: only the user's cache has some. */
const NOWHERE = "/dev/null";

const textOf = (name) => sea.getAsset(name, "latin1");

/** Opens a bundle; returns its `need`. @param command that its code is kept for @param load its require() */
function open(name, command, load) {
  const bytes = Buffer.from(sea.getRawAsset(name));
  const read = (offset, length) => bytes.latin1Slice(offset, Math.min(offset + length, bytes.length));
  const from = (id) => (id === "./codeKeeper.js" ? { keep } : load(id));
  return openBundle(read, join(folder, name), from, (digest) => new Code(NOWHERE, digest, command));
}

/** A file of CommonJS. */
function loadCommon(name) {
  const module = { exports: {} };
  const head = "(function(exports,require,module,__filename,__dirname){";
  const script = new Script(`${head}${textOf(name)}\n})`, { filename: join(folder, name) });
  script.runInThisContext()(module.exports, load, module, join(folder, name), folder);
  return module.exports;
}

const loaded = new Map();

/** require() of the bundle. */
function load(id) {
  if (!id.startsWith("./")) return require(id);
  const name = id.slice(2);
  if (name.endsWith(".wasm")) return Buffer.from(sea.getRawAsset(name));
  if (!loaded.has(name)) loaded.set(name, loadCommon(name));
  return loaded.get(name);
}

open("klplink.cjs", commandOf(process.argv[2]), load)("start");
