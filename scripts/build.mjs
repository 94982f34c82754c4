// Builds dist/: the bundled command line (one CommonJS file, dynamic imports evaluated lazily inside it)
// and dist/lib, the public API as ES modules with declarations. `--bundle`: the command line alone.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { examplesPlugin } from "./examples.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const bundleOnly = process.argv.includes("--bundle");
const parts = bundleOnly ? ["dist/klplink.cjs", "dist/capstone", "dist/sources.sha256"] : ["dist"];
for (const part of parts) rmSync(join(root, part), { recursive: true, force: true });

/** Capstone stays a file of its own beside its WebAssembly: the bundle is as small as without it until it is needed. */
const apartCapstone = {
  name: "capstone",
  setup({ onResolve }) {
    onResolve({ filter: /^@alexaltea\/capstone-js$/ }, () => ({ path: "./capstone/capstone.js", external: true }));
  },
};

await build({
  absWorkingDir: root,
  entryPoints: ["src/cli/process.ts"],
  outfile: "dist/klplink.cjs",
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "eof",
  define: { KLPLINK_VERSION: JSON.stringify(version), "import.meta.url": "__klplinkUrl" },
  banner: { js: 'const __klplinkUrl=require("node:url").pathToFileURL(__filename).href;' },
  plugins: [apartCapstone, examplesPlugin],
  logLevel: "warning",
});

const capstone = dirname(createRequire(import.meta.url).resolve("@alexaltea/capstone-js/package.json"));
const beside = join(root, "dist/capstone");
mkdirSync(beside, { recursive: true });
for (const file of ["dist/capstone.js", "dist/capstone.wasm", "LICENSE"]) {
  copyFileSync(join(capstone, file), join(beside, basename(file)));
}
// The package is CommonJS, klplink's own is not.
writeFileSync(join(beside, "package.json"), '{ "type": "commonjs" }\n');

if (!bundleOnly) {
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.lib.json")], { stdio: "inherit" });
}
