#!/usr/bin/env node
// Starts the command line; nothing else.
import { existsSync } from "node:fs";
import module, { createRequire } from "node:module";

module.enableCompileCache?.();
const bundle = new URL("../dist/klplink.cjs", import.meta.url);
if (existsSync(bundle)) createRequire(import.meta.url)(bundle.pathname);
else {
  process.stderr.write("klplink: dist/klplink.cjs is missing: run `npm run build` first\n");
  process.exitCode = 70;
}
