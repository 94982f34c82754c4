// The built command line, for tests that need it as it is installed: built anew when the sources are not those it was
// built from, so that no test runs a stale one. Only the bundle: dist/lib stays as it is.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./helpers.ts";

const dist = join(root, "dist");
/** Beside node_modules' packages, which a checkout may share: named for this one. */
const lock = join(root, "node_modules", `.klplink-${sha256(root).slice(0, 16)}.lock`);

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Digest of everything that the bundle is made from, packages by their versions. */
function sourcesDigest(): string {
  const hash = createHash("sha256");
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => `src/${path}`)
    .sort();
  const examples = readdirSync(join(root, "test/diag/expected"))
    .map((name) => `test/diag/expected/${name}`)
    .sort();
  const capstone = readdirSync(join(root, "scripts/capstone"))
    .map((name) => `scripts/capstone/${name}`)
    .sort();
  for (const path of [
    ...files,
    ...examples,
    ...capstone,
    "scripts/capstone.mjs",
    "scripts/build.mjs",
    "scripts/bundle.mjs",
    "scripts/parts.json",
    "scripts/notices.mjs",
    "scripts/examples.mjs",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
  ]) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update("\0");
  }
  return hash.digest("hex");
}

const isCurrent = (digest: string): boolean => {
  const path = join(dist, "sources.sha256");
  return existsSync(join(dist, "klplink.cjs")) && existsSync(path) && readFileSync(path, "utf8") === digest;
};

/** Takes the lock, or waits for the process that has it and does not outlive it. */
function locked(work: () => void): void {
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    try {
      process.kill(Number(readFileSync(lock, "utf8")), 0);
    } catch (error) {
      // Its owner is gone, or it was just released.
      if ((error as NodeJS.ErrnoException).code === "ESRCH") rmSync(lock, { force: true });
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  }
  try {
    work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function ensureBuilt(): void {
  const digest = sourcesDigest();
  if (isCurrent(digest)) return;
  locked(() => {
    if (isCurrent(digest)) return;
    const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/build.mjs", "--bundle"], { cwd: root });
    if (status !== 0) throw new Error(`scripts/build.mjs failed:\n${stdout}${stderr}`);
    writeFileSync(join(dist, "sources.sha256"), digest);
  });
}

let path: string | null = null;

/** bin/klplink.js, with a bundle that is current. */
export function builtCommand(): string {
  if (path === null) {
    ensureBuilt();
    path = join(root, "bin/klplink.js");
  }
  return path;
}

/** For Vitest's globalSetup, where every test needs it. */
export default function setup(): void {
  builtCommand();
}
