// Builds dist/: the bundled command line (one function, dynamic imports evaluated lazily inside it), the code that this
// Node makes of it (dist/code, for the checkout alone: not in the package), and dist/lib, the public API (library.mjs).
// `--bundle`: the command line alone.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { APART, buildBundle, fileApart } from "./bundle.mjs";
import { writeCapstoneBeside } from "./capstone.mjs";
import { examplesPlugin } from "./examples.mjs";
import { packagesOf, writeNotices, writeSbom } from "./notices.mjs";
import { buildPage } from "./page.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const bundleOnly = process.argv.includes("--bundle");
const parts = bundleOnly
  ? ["dist/klplink.cjs", "dist/code", "dist/apart", "dist/capstone", "dist/sources.sha256"]
  : ["dist"];
for (const part of parts) rmSync(join(root, part), { recursive: true, force: true });
const capstone = writeCapstoneBeside(root, join(root, "dist/capstone"));

/** seek-bzip calls Buffer as old programs do, which Node.js warns of outside node_modules. */
const plainBuffers = {
  name: "seek-bzip",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]seek-bzip[\\/]lib[\\/]\w+\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replaceAll("new Buffer(", "Buffer.alloc("),
      loader: "js",
    }));
  },
};

const form = {
  absWorkingDir: root,
  charset: "ascii",
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "eof",
  logLevel: "warning",
  metafile: true,
};
/** Files that went into what is built. */
const inputs = new Set();
const note = ({ metafile }) => {
  for (const path of Object.keys(metafile.inputs)) inputs.add(path);
};
/** What these export as default is what require() gives: import() of CommonJS takes that for the default. */
const DEFAULT_ONLY = ["ora"];
for (const name of APART) {
  const footer = DEFAULT_ONLY.includes(name) ? { js: "module.exports = module.exports.default;" } : {};
  const plugins = [examplesPlugin, plainBuffers];
  // zstddec would load its WebAssembly by fetch(), which takes Node.js longer than all else.
  const define = { fetch: "undefined" };
  const outfile = join("dist", fileApart(name));
  note(await build({ ...form, define, entryPoints: [name], outfile, plugins, footer }));
}

await buildBundle({
  root,
  outfile: join(root, "dist/klplink.cjs"),
  define: {
    KLPLINK_VERSION: JSON.stringify(version),
    KLPLINK_BUILD: JSON.stringify(`build:${digestOfSources()}`),
  },
  note,
});
inputs.add(await capstone);
await makeCode();

/** A digest of all that the command line is made of: what one build keeps, another one of the same version must not take. */
function digestOfSources() {
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .map((path) => join("src", path))
    .filter((path) => path.endsWith(".ts"))
    .sort();
  const hash = createHash("sha256");
  for (const path of [...files, "package-lock.json"])
    hash.update(`${path.replaceAll(sep, "/")}\0`).update(readFileSync(join(root, path)));
  return hash.digest("hex").slice(0, 16);
}

/**
 * The code that this Node makes of them, by runs as they are made most: the first run of a checkout is as fast as the others. Node and
 * V8 say what it fits; elsewhere the user's cache folder gets its own.
 */
async function makeCode() {
  const cache = mkdtempSync(join(tmpdir(), "klplink-code-"));
  const sample = "samples/ppc64le/meminfo/meminfo.o";
  const linked = "samples/ppc64le/meminfo/meminfo.klp.o";
  const map = "samples/ppc64le/meminfo/System.map";
  const runs = [
    // Modules that are linked, and of other architectures, have rules of their own.
    ["check", sample, linked, ...["arm64", "x86_64"].map((arch) => `samples/${arch}/convert/convert.klp.o`)],
    ["link", sample, "-k", map, "-o", "-"],
    ["image", sample, "-k", map, "-o", "-", "--force"],
    ["show", sample],
    ["sites", sample],
    ["explain", "-m", sample, "livepatch_meminfo: Expected nop after call, got e8410018"],
    ["diff", sample, sample],
  ];
  const { NODE_OPTIONS: _options, ...env } = process.env;
  try {
    const options = { cwd: root, env: { ...env, XDG_CACHE_HOME: cache }, stdio: "ignore" };
    const start = (run) =>
      new Promise((ended) => {
        spawn(process.execPath, [join(root, "bin/klplink.js"), ...run], options)
          .on("exit", ended)
          .on("error", ended);
      });
    await Promise.all(runs.map(start));
    const from = join(cache, "klplink/code");
    mkdirSync(join(root, "dist/code"));
    for (const name of readdirSync(from)) writeFileSync(join(root, "dist/code", name), readFileSync(join(from, name)));
  } catch {
    // The command line works without.
  } finally {
    rmSync(cache, { recursive: true, force: true });
  }
}

if (!bundleOnly) {
  const { buildLibrary } = await import("./library.mjs");
  await buildLibrary([examplesPlugin, plainBuffers], note);
  for (const path of await buildPage(root, version)) inputs.add(path);
  writeSbom(root, packagesOf(inputs));
}
writeNotices(root, packagesOf(inputs));
