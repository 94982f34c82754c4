// Learns which modules the usual runs need, and writes scripts/parts.json: what such a run loads is one part of the bundle
// (bundle.mjs). A list that is out of date costs time and nothing else. `node scripts/parts.mjs`
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { buildBundle, partOfOne } from "./bundle.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const sample = "samples/ppc64le/meminfo/meminfo.o";
const map = "samples/ppc64le/meminfo/System.map";
const linked = {
  ppc64le: "samples/ppc64le/meminfo/meminfo.klp.o",
  arm64: "samples/arm64/convert/convert.klp.o",
  x86_64: "samples/x86_64/convert/convert.klp.o",
};

/**
 * Runs by the part that holds what they need and no part above them. Of what runs of several architectures need, all may need; what one
 * of them needs alone is a part of its own.
 */
const LESSONS = {
  check: Object.fromEntries(Object.entries(linked).map(([arch, file]) => [arch, ["check", file]])),
  problem: { all: ["check", sample] },
  link: { all: ["link", sample, "-k", map, "-o", "-"] },
  image: { all: ["image", linked.ppc64le, "-k", map, "-o", "-", "--force"] },
  show: { all: ["show", sample] },
};

const define = { KLPLINK_VERSION: '"0"', KLPLINK_BUILD: '"parts"' };
const work = mkdtempSync(join(tmpdir(), "klplink-parts-"));
try {
  for (const part of ["bin", "dist"]) cpSync(join(root, part), join(work, part), { recursive: true });
  await buildBundle({ root, outfile: join(work, "dist/klplink.cjs"), define, isLearning: true });
  const paths = new Map(
    readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .map((path) => `src/${path.replaceAll(sep, "/")}`)
      .map((path) => [partOfOne(path), path]),
  );
  /** Paths of the modules that a run loads. */
  function loadedBy(run) {
    const args = ["--require", join(root, "scripts/loadedParts.cjs"), join(work, "bin/klplink.js"), ...run];
    const { stderr, status } = spawnSync(process.execPath, args, { cwd: root, env: { XDG_CACHE_HOME: work } });
    if (status !== 0 && status !== 1) throw new Error(`klplink ${run.join(" ")}: ${stderr}`);
    const names = JSON.parse(stderr.toString().trim().split("\n").at(-1));
    return names.map((name) => paths.get(name)).filter((path) => path !== undefined);
  }
  const taken = new Set();
  const parts = {};
  for (const [part, runs] of Object.entries(LESSONS)) {
    const needed = new Map();
    for (const [arch, run] of Object.entries(runs)) {
      for (const path of loadedBy(run)) if (!taken.has(path)) needed.set(path, [...(needed.get(path) ?? []), arch]);
    }
    for (const [path, by] of needed) {
      taken.add(path);
      const name = by.length === 1 && by[0] !== "all" ? by[0] : part;
      parts[name] = [...(parts[name] ?? []), path].sort();
    }
  }
  writeFileSync(join(root, "scripts/parts.json"), `${JSON.stringify({ parts }, null, 2)}\n`);
  for (const [part, list] of Object.entries(parts)) console.log(`${part}: ${list.length} modules`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
