// `npm run fuzz`: bundles the targets of test/fuzz, since Node.js 20 takes no TypeScript, and runs test/fuzz/frame/main.ts.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { examplesPlugin } from "./examples.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
// Beside packages, which are not bundled; a run of its own each, since several may run at the same time.
const folder = join(root, "test", ".fuzz");
mkdirSync(folder, { recursive: true });
const outfile = join(folder, `fuzz-${process.pid}.mjs`);
await build({
  absWorkingDir: root,
  entryPoints: ["test/fuzz/frame/main.ts"],
  outfile,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  packages: "external",
  sourcemap: "inline",
  // The sources' own folder, for those that look for files beside them.
  define: {
    KLPLINK_VERSION: JSON.stringify(version),
    KLPLINK_BUILD: JSON.stringify("fuzz"),
    "import.meta.url": "globalThis.klplinkTestUrl",
  },
  banner: { js: 'globalThis.klplinkTestUrl ??= new URL("../helpers.ts", import.meta.url).href;' },
  plugins: [examplesPlugin],
  logLevel: "warning",
});
try {
  const { status } = spawnSync(process.execPath, ["--enable-source-maps", outfile, ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(outfile, { force: true });
}
