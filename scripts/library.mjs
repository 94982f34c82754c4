// dist/lib: the library as one module, for Node.js (index.js) and for browsers (browser.js), with its types in one file.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { rollup } from "rollup";
import { dts } from "rollup-plugin-dts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const shims = join(root, "scripts/browser");

/** Modules of Node.js that a browser has otherwise. */
const elsewhere = {
  name: "browser",
  setup({ onLoad, onResolve }) {
    const FILES = { "node:zlib": "zlib.mjs", "node:crypto": "crypto.mjs" };
    onResolve({ filter: /^node:/ }, ({ path }) => (path in FILES ? { path: join(shims, FILES[path]) } : null));
    // xz-decompress asks Node.js for what every browser has.
    onResolve({ filter: /^stream\/web$/ }, () => ({ path: "streams", namespace: "browser" }));
    onLoad({ filter: /./, namespace: "browser" }, () => ({ contents: "module.exports = globalThis;" }));
  },
};

/** @param plugins of the command line's build that this one needs, too @param note takes esbuild's results */
export async function buildLibrary(plugins, note) {
  const form = {
    absWorkingDir: root,
    entryPoints: ["src/index.ts"],
    bundle: true,
    format: "esm",
    target: "es2022",
    charset: "ascii",
    minifySyntax: true,
    legalComments: "eof",
    logLevel: "warning",
    metafile: true,
  };
  note(
    await build({
      ...form,
      outfile: "dist/lib/index.js",
      platform: "node",
      plugins,
      // Bundled CommonJS asks for modules of Node.js by require().
      banner: {
        js: 'import { createRequire as __require } from "node:module"; const require = __require(import.meta.url);',
      },
    }),
  );
  note(
    await build({
      ...form,
      outfile: "dist/lib/browser.js",
      platform: "browser",
      plugins: [elsewhere, ...plugins],
      inject: [join(shims, "buffer.mjs")],
      define: { process: "undefined" },
    }),
  );
  const bundle = await rollup({
    input: join(root, "src/index.ts"),
    plugins: [dts({ tsconfig: join(root, "tsconfig.lib.json") })],
    external: [/^node:/],
    onwarn: () => {},
  });
  await bundle.write({ file: join(root, "dist/lib/index.d.ts"), format: "es" });
  await bundle.close();
}
