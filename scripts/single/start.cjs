// What the single executable runs in place of bin/klplink.js: the files of dist/ are in it, as assets of Node.js's single executables.
"use strict";
const { dirname, join } = require("node:path");
const sea = require("node:sea");
const { Script } = require("node:vm");
const { commandOf, findCode } = require("../../bin/codeCache.js");
const { keep } = require("../../bin/codeKeeper.js");

/** Where the files would be: messages and URLs have names, and nothing is read from there. */
const folder = dirname(process.execPath);
/** No code of V8's lies beside the executable: only the user's cache has some. */
const NOWHERE = "/dev/null";

/** Files that are functions, as the bundle is, and what their code is called. */
const FUNCTIONS = { "capstone/capstone.js": "capstone" };

const textOf = (name) => sea.getAsset(name, "latin1");

/** Runs a file that is a function; returns what it exports. @param load its require() */
function run(name, part, load) {
  const filename = join(folder, name);
  const source = textOf(name);
  const code = findCode(NOWHERE, source, part);
  const script = new Script(source, { filename, cachedData: code.data });
  if (code.data === undefined || script.cachedDataRejected !== false)
    process.on("exit", (status) => keep(code, script, status));
  const module = { exports: {} };
  script.runInThisContext()(load, load, module, module.exports, filename, dirname(filename));
  return module.exports;
}

/** Node.js's files, with one that is in here. */
const withWasm = () => {
  const fs = require("node:fs");
  const name = "capstone/capstone.wasm";
  const wasm = join(folder, name);
  const readFileSync = (path, ...more) =>
    path === wasm ? Buffer.from(sea.getAsset(name)) : fs.readFileSync(path, ...more);
  return { ...fs, readFileSync };
};

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
  if (!loaded.has(name)) {
    const part = FUNCTIONS[name];
    const inside = (wanted) => (/^(?:node:)?fs$/.test(wanted) ? withWasm() : load(wanted));
    loaded.set(name, part === undefined ? loadCommon(name) : run(name, part, inside));
  }
  return loaded.get(name);
}

run("klplink.cjs", commandOf(process.argv[2]), load);
