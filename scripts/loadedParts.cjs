// With `node --require`: says at the end of a run, on the last line of standard error, which parts of dist/klplink.cjs it loaded.
"use strict";
const vm = require("node:vm");
const { Script } = vm;

const lines = [];
vm.Script = class extends Script {
  constructor(text, options) {
    super(text, options);
    if (options?.filename?.endsWith("/klplink.cjs")) lines.push([options.filename, options.lineOffset]);
  }
};
process.on("exit", () => {
  const { readFileSync, writeSync } = require("node:fs");
  const names = lines.map(([filename, line]) => {
    const index = JSON.parse(/\/\*(\{.*\})\*\//.exec(readFileSync(filename, "latin1"))[1]);
    return Object.keys(index).find((name) => index[name][2] === line);
  });
  writeSync(2, `${JSON.stringify(names)}\n`);
});
