// Writes what is generated and checked in: docs/diagnostics.md, docs/kernel-versions.md, the functions in
// docs/api.md, docs/klplink.1.
// `--check [FOLDER]` writes nothing and fails if one (of that checkout) is not current. The samples' output
// stands in test/diag/expected.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { apiPage } from "./api.mjs";
import { examplesPlugin, readExamples } from "./examples.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
/** A module of the sources. */
async function load(path) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [path],
    bundle: true,
    format: "esm",
    platform: "node",
    plugins: [examplesPlugin],
    write: false,
    logLevel: "warning",
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}
const { referenceOf } = await load("src/diag/render/docs.ts");
const { versionTable } = await load("src/kernel/versionFacts.ts");

const files = {
  "docs/diagnostics.md": referenceOf(readExamples()),
  "docs/kernel-versions.md": versionTable(),
  "docs/api.md": apiPage(root),
  "docs/klplink.1": execFileSync(process.execPath, [join(root, "bin/klplink.js"), "man"], { encoding: "utf8" }),
};

const [, , mode, folder = root] = process.argv;
let stale = 0;
for (const [path, text] of Object.entries(files)) {
  const full = join(folder, path);
  if (existsSync(full) && readFileSync(full, "utf8") === text) continue;
  if (mode === "--check") {
    stale++;
    console.error(`${path} is not current: run \`npm run build && npm run docs\``);
  } else {
    writeFileSync(full, text);
    console.log(`wrote ${path}`);
  }
}
process.exitCode = stale > 0 ? 1 : 0;
