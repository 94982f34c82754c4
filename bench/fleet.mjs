// One module against many kernels, cold and from the index, as ratios of processor time to `node -e 0`:
//
//	node bench/fleet.mjs MODULE KERNEL...
//
// The kernels are copied with a byte more until there are twenty of different content. Needs `npm run build`.

import { spawnSync } from "node:child_process";
import { appendFileSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const klplink = fileURLToPath(new URL("../bin/klplink.js", import.meta.url));
const [module, ...given] = process.argv.slice(2);
if (module === undefined || given.length === 0) {
  console.error("usage: node bench/fleet.mjs MODULE KERNEL...");
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), "klplink-fleet-"));
const env = { ...process.env, XDG_CACHE_HOME: join(folder, "cache") };

/** Processor time of a process and its threads, and the time that passed, seconds. */
function seconds(args) {
  const start = process.hrtime.bigint();
  const run = spawnSync(
    "bash",
    ["-c", 'TIMEFORMAT="%U %S"; time "$@" >"$0"', join(folder, "out"), process.execPath, ...args],
    { env, encoding: "utf8" },
  );
  const passed = Number(process.hrtime.bigint() - start) / 1e9;
  const [user = 0, system = 0] = (run.stderr.trim().split("\n").at(-1) ?? "").split(" ").map(Number);
  return { cpu: user + system, passed };
}

try {
  const kernels = Array.from({ length: 20 }, (_, i) => {
    const from = given[i % given.length];
    const path = join(folder, `${i}-${basename(from)}`);
    copyFileSync(from, path);
    appendFileSync(path, "x".repeat(i + 1));
    return path;
  });
  const nothing = seconds(["-e", "0"]);
  const check = [klplink, "check", module, "--against", ...kernels, "--format", "json"];
  for (const [what, args] of [
    ["show -k, one kernel", [klplink, "show", "-k", kernels[0]]],
    ["20 kernels, each read", check],
    ["20 kernels, from the index", check],
  ]) {
    const { cpu, passed } = seconds(args);
    console.log(
      `${what.padEnd(28)} ${(cpu / nothing.cpu).toFixed(1)} times node -e 0 (${cpu.toFixed(2)} s of processor time, ${passed.toFixed(1)} s)`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
