#!/usr/bin/env node
// Starts the command line, dist/klplink.cjs, with the code that V8 made of it in an earlier run where that is at hand
// (codeCache.js). CommonJS, and as few modules of Node as possible: they take longer to load than a small module to check.
"use strict";
const { dirname, join } = require("node:path");
const { Script } = require("node:vm");
const { commandOf, findCode, readText } = require("./codeCache.js");

const dist = join(dirname(__dirname), "dist");

/** Files of dist/ that are functions, as the bundle is, and what their code is called. */
const FUNCTIONS = { "./capstone/capstone.js": "capstone" };

/** Runs a file of dist/ that is a function; returns what it exports. */
function run(id, part, source = readText(join(dist, id))) {
  const filename = join(dist, id);
  const code = findCode(dist, source, part);
  const script = new Script(source, { filename, cachedData: code.data });
  if (code.data === undefined || script.cachedDataRejected !== false) {
    process.on("exit", (status) => require("./codeKeeper.js").keep(code, script, status));
  }
  const module = { exports: {} };
  // Twice: what is loaded late would be put into the bundle by its own name.
  script.runInThisContext()(load, load, module, module.exports, filename, dirname(filename));
  return module.exports;
}

/** require() of the bundle. */
function load(id) {
  if (id in FUNCTIONS) return run(id, FUNCTIONS[id]);
  return require(id.startsWith("./") ? join(dist, id) : id);
}

/** In a fresh checkout nothing is built: the first run does it, so that installing has nothing to do. */
function built() {
  const script = join(dirname(__dirname), "scripts/build.mjs");
  if (readText(script) === null) return null;
  process.stderr.write("klplink: the first run of a checkout builds it\n");
  require("node:child_process").spawnSync(process.execPath, [script, "--bundle"], { stdio: ["ignore", 2, 2] });
  return readText(join(dist, "klplink.cjs"));
}

const bundle = readText(join(dist, "klplink.cjs")) ?? built();
if (bundle !== null) run("klplink.cjs", commandOf(process.argv[2]), bundle);
else {
  process.stderr.write("klplink: dist/klplink.cjs is missing: run `npm run build` first\n");
  process.exitCode = 70;
}
