// Builds dist/klplink.html: the passes for a browser, in one file that is opened from disk. What they take of Node is replaced by
// libraries (scripts/browser); Capstone's WebAssembly lies in it, packed.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { examplesPlugin } from "./examples.mjs";
import { licencesOf, packagesOf } from "./notices.mjs";

/** Modules of Node, and what stands in for them; of the others nothing is called in a browser. */
const REPLACED = { "node:zlib": "zlib.mjs", "node:crypto": "crypto.mjs" };
/** @param root of the project */
const browser = (root) => ({
  name: "browser",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^node:/ }, ({ path }) =>
      path in REPLACED ? { path: join(root, "scripts/browser", REPLACED[path]) } : { path, namespace: "none" },
    );
    // xz-decompress asks Node.js for what every browser has.
    onResolve({ filter: /^stream\/web$/ }, () => ({ path: "streams", namespace: "streams" }));
    onLoad({ filter: /./, namespace: "streams" }, () => ({ contents: "module.exports = globalThis;" }));
    // CommonJS, of which any name may be imported: calling one says that it is not there.
    onLoad({ filter: /./, namespace: "none" }, ({ path }) => ({
      contents: `module.exports = new Proxy({}, { get: (_, name) => name === "__esModule" ? undefined : () => { throw new Error("no ${path} in a browser: " + String(name)); } });`,
    }));
    onResolve({ filter: /^@alexaltea\/capstone-js$/ }, ({ importer }) =>
      importer.includes("/scripts/page/") ? null : { path: join(root, "scripts/page/capstone.mjs") },
    );
    onResolve({ filter: /^klplink:capstone$/ }, () => ({ path: "wasm", namespace: "wasm" }));
    onLoad({ filter: /./, namespace: "wasm" }, () => {
      const wasm = createRequire(import.meta.url)
        .resolve("@alexaltea/capstone-js")
        .replace(/js$/, "wasm");
      return {
        contents: `export default ${JSON.stringify(gzipSync(readFileSync(wasm), { level: 9 }).toString("base64"))};`,
      };
    });
  },
});

/** Builds the page. @returns the files that went into it */
export async function buildPage(root, version, output = join(root, "dist/klplink.html")) {
  const form = {
    absWorkingDir: root,
    charset: "ascii",
    bundle: true,
    minifySyntax: true,
    minifyWhitespace: true,
    logLevel: "warning",
    legalComments: "none",
    write: false,
  };
  const { outputFiles, metafile } = await build({
    ...form,
    entryPoints: ["src/web/page.ts"],
    platform: "browser",
    target: ["chrome109", "firefox115", "safari16.4"],
    format: "iife",
    mainFields: ["browser", "module", "main"],
    // zstddec would load its WebAssembly by fetch(), which the page may not.
    define: {
      KLPLINK_VERSION: JSON.stringify(version),
      fetch: "undefined",
      global: "globalThis",
      "process.env.NODE_ENV": '"production"',
    },
    inject: [join(root, "scripts/page/globals.mjs")],
    plugins: [browser(root), examplesPlugin],
    metafile: true,
  });
  const shell = await build({ ...form, entryPoints: ["src/web/shell.ts"], platform: "node", format: "esm" });
  const { pageShell } = await import(
    `data:text/javascript;base64,${Buffer.from(shell.outputFiles[0].contents).toString("base64")}`
  );
  // A script element ends at its end tag, wherever it stands.
  const code = outputFiles[0].text.replace(/<\/(?=script)/gi, "<\\/").replace(/<!--/g, "<\\!--");
  const notices = licencesOf(root, packagesOf(new Set(Object.keys(metafile.inputs))));
  writeFileSync(output, pageShell(code, version, notices));
  return Object.keys(metafile.inputs);
}
