// Ratios of whole commands against named tools, outputs compared before times: `npm run bench`.
// Needs readelf (binutils) and powerpc64le-linux-gnu-objdump. Figures are medians of interleaved runs; compare ratios, not seconds.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ElfEdits, readElf, writeElf } from "../dist/lib/index.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const klplink = [process.execPath, join(root, "bin/klplink.js")];
const folder = mkdtempSync(join(tmpdir(), "klplink-bench-"));
const RUNS = 7;

/** A module with `calls` calls without a nop, made from a sample by repeating its call and relocation. */
function manyCalls(calls) {
  const file = readElf(new Uint8Array(readFileSync(join(root, "samples/ppc64le/meminfo/meminfo.o"))));
  const edits = new ElfEdits(file);
  const text = file.sections.findByName(".text.meminfo_proc_show");
  const table = file.relocations.find((t) => t.target === text);
  const symbols = edits.symbolTable();
  const code = Buffer.alloc(calls * 8);
  for (let i = 0; i < calls; i++) {
    code.writeUInt32LE(0x48000001, i * 8);
    code.writeUInt32LE(0x38600000, i * 8 + 4); // li r3,0
  }
  const start = edits.append(text, code, 4);
  let callee = 0;
  for (let i = 1; i < symbols.count; i++) if (symbols.name(i) === "show_val_kb") callee = i;
  for (let i = 0; i < calls; i++) {
    edits.addRelocation(table.section, { offset: start + i * 8, symbol: callee, type: 10, addend: 0n });
  }
  for (let i = 1; i < symbols.count; i++) {
    if (symbols.name(i) === "meminfo_proc_show") edits.setSymbol(i, { size: start + calls * 8 - 8 });
  }
  return writeElf(edits);
}

function run([command, ...args]) {
  const done = spawnSync(command, args, { maxBuffer: 1 << 30 });
  if (done.error) throw new Error(`${command}: ${done.error.message}`);
  return done;
}

function seconds(command) {
  const start = process.hrtime.bigint();
  run(command);
  return Number(process.hrtime.bigint() - start) / 1e9;
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

function compare(title, ours, other) {
  const pairs = Array.from({ length: RUNS }, () => [seconds(ours), seconds(other)]);
  const ratios = pairs.map(([a, b]) => a / b);
  const range = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
  console.log(`${title.padEnd(64)} ${median(ratios).toFixed(2)}  (${range})`);
}

function demand(condition, what) {
  if (!condition) throw new Error(`outputs differ: ${what}`);
}

try {
  const path = (name) => join(folder, name);
  const map = join(root, "samples/ppc64le/meminfo/System.map");
  for (const calls of [50_000, 100_000]) writeFileSync(path(`${calls}.o`), manyCalls(calls));

  const sample = join(root, "samples/ppc64le/meminfo/meminfo.o");
  console.log("whole processes, ratio of wall time, median of interleaved pairs (range)");
  const good = join(root, "samples/ppc64le/meminfo/meminfo.klp.o");
  // The sample has errors, so instructions are shown: they are objdump's, by its mnemonics.
  const said = JSON.parse(run([...klplink, "check", "--format", "json", sample]).stdout).files[0].problems[0]
    .instructions;
  const dumped = run([
    "powerpc64le-linux-gnu-objdump",
    "-d",
    "-j",
    ".text.meminfo_proc_show",
    sample,
  ]).stdout.toString();
  for (const { offset, text } of said) {
    const there = new RegExp(`^ *${offset.toString(16)}:\\t[^\\t]+\\t(\\w+)`, "m").exec(dumped)?.[1];
    demand(text.split(/\s/)[0] === there, `instruction at ${offset}: ${text}`);
  }
  const nothing = [process.execPath, "-e", "0"];
  compare("check, nothing to say / node -e 0", [...klplink, "check", good], nothing);
  compare("check, one diagnostic with instructions / node -e 0", [...klplink, "check", sample], nothing);
  compare(
    "the same as SARIF, without instructions / node -e 0",
    [...klplink, "check", "--format", "sarif", sample],
    nothing,
  );

  const shown = JSON.parse(run([...klplink, "show", "--relocations", "--format", "json", path("50000.o")]).stdout);
  const listed = run(["readelf", "-rW", path("50000.o")])
    .stdout.toString()
    .match(/^[0-9a-f]{16} {2}[0-9a-f]{16} /gm);
  demand(shown.relocations.length === listed.length, "number of relocations");
  compare(
    "relocations of a module with 50,000 calls: show / readelf -rW",
    [...klplink, "show", "--relocations", path("50000.o")],
    ["readelf", "-rW", path("50000.o")],
  );

  const link = (calls) => [...klplink, path(`${calls}.o`), "-k", map, "-q", "-o", path(`${calls}.klp.o`)];
  for (const calls of [50_000, 100_000]) {
    run(link(calls));
    const file = readElf(new Uint8Array(readFileSync(path(`${calls}.klp.o`))));
    const moved = file.relocations.find((t) => file.sections.name(t.section).startsWith(".klp.rela."));
    demand(moved.count === calls + 3, "number of livepatch relocations");
  }
  compare("link, 100,000 calls / 50,000 calls (2 is linear)", link(100_000), link(50_000));
  compare("link, 50,000 calls / node -e 0", link(50_000), [process.execPath, "-e", "0"]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
