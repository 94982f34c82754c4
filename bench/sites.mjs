// Counts the patch sites of many modules with klplink and, independently, with readelf and objdump, and compares.
// `node bench/sites.mjs [--most N] FOLDER...`: folders are searched for .ko and .ko.xz. Needs xz, readelf and an objdump
// for the modules' architecture (OBJDUMP, default objdump). Exit status 1 if any count differs.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sites } from "../dist/lib/index.js";

const args = process.argv.slice(2);
const most = args[0] === "--most" ? Number(args.splice(0, 2)[1]) : Number.POSITIVE_INFINITY;
const OBJDUMP = {
  x86_64: "x86_64-linux-gnu-objdump",
  arm64: "aarch64-linux-gnu-objdump",
  ppc64le: "powerpc64le-linux-gnu-objdump",
};

const run = (command, ...rest) => {
  const { stdout, error, status } = spawnSync(command, rest, { maxBuffer: 1 << 30 });
  if (error !== undefined || status !== 0) throw error ?? new Error(`${command}: exit status ${status}`);
  return stdout;
};

const search = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((e) => {
    const path = join(folder, e.name);
    return e.isDirectory() ? search(path) : /\.ko(?:\.xz)?$/.test(e.name) ? [path] : [];
  });

/** Entries of the table of sites, as readelf shows its relocations. */
function readelfEntries(path, arch) {
  const table = arch === "arm64" ? "__patchable_function_entries" : "__mcount_loc";
  let isTable = false;
  let count = 0;
  for (const line of run("readelf", "-rW", path).toString().split("\n")) {
    if (line.startsWith("Relocation section")) isTable = line.includes(`'.rela${table}'`);
    else if (isTable && /^[0-9a-f]{16} /.test(line)) count++;
  }
  return count;
}

/** Calls to profiling functions in the disassembly; null where there are none to count (arm64: nops). */
function objdumpCalls(path, arch) {
  if (arch === "arm64") return null;
  const text = run(OBJDUMP[arch], "-drw", path).toString();
  return text.match(/R_(?:X86_64_PLT32|X86_64_PC32|PPC64_REL24)\s+(?:__fentry__|_mcount)\b/g)?.length ?? 0;
}

const folder = mkdtempSync(join(tmpdir(), "klplink-sites-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const total = new Map();
let isDifferent = false;
const files = args.flatMap((path) => search(path).sort().slice(0, most));
for (const path of files) {
  const file = join(folder, "module.ko");
  writeFileSync(file, path.endsWith(".xz") ? run("xz", "-dc", path) : readFileSync(path));
  const { file: code, report } = sites(readFileSync(file), path);
  const sum = total.get(code.arch) ?? { modules: 0, entries: 0, usable: 0, overridden: 0, calls: 0 };
  total.set(code.arch, sum);
  const entries = report.tables.entries.length;
  const usable = report.functions.filter((f) => f.reason === null).length;
  const overridden = report.disagreements.filter((d) => d.kind === "overridden").length;
  sum.modules++;
  sum.entries += entries;
  sum.usable += usable;
  sum.overridden += overridden;
  const counted = readelfEntries(file, code.arch);
  const calls = objdumpCalls(file, code.arch);
  sum.calls += calls ?? 0;
  const isSame = entries === counted && usable + overridden === counted && (calls === null || calls === counted);
  if (!isSame) {
    isDifferent = true;
    console.log(
      `${path}: ${usable} sites, ${overridden} overridden, ${entries} entries; readelf ${counted}, objdump ${calls}`,
    );
  }
}
for (const [arch, sum] of total) {
  console.log(
    `${arch}: ${sum.modules} modules, ${sum.entries} entries: ${sum.usable} usable sites, ${sum.overridden} of overridden weak functions; objdump ${arch === "arm64" ? "shows nops" : `counts ${sum.calls} calls`}`,
  );
}
process.exitCode = isDifferent || files.length === 0 ? 1 : 0;
