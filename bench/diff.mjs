// How `klplink diff` of two linked objects grows with them: node bench/diff.mjs [FILES]. At n, 2n and 4n source files: symbols, seconds of
// processor time, MB of memory, without and with debug information. Needs `npm run build`, gcc and binutils.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { linkedPair } from "./linkedObject.mjs";
import { measure } from "./process.mjs";

const files = Number(process.argv[2] ?? 64);
const klplink = fileURLToPath(new URL("../bin/klplink.js", import.meta.url));
const symbolsOf = (path) =>
  /'\.symtab' contains (\d+)/.exec(execFileSync("readelf", ["-sW", path], { encoding: "utf8", maxBuffer: 1 << 30 }))[1];

for (const flags of [[], ["-g"]]) {
  for (const times of [1, 2, 4]) {
    const folder = mkdtempSync(join(tmpdir(), "klplink-diff-"));
    try {
      const [orig, patched] = linkedPair(folder, files * times, flags);
      const { cpu, memory } = measure([process.execPath, klplink, "diff", orig, patched]);
      const what = flags.length === 0 ? "without debug information" : "with debug information";
      console.log(`${symbolsOf(orig).padStart(8)} symbols, ${what}: ${cpu.toFixed(1)} s, ${memory.toFixed(0)} MB`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}
