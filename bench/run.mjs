// Ratios of whole commands against named tools, outputs compared before times: `npm run bench -- [FOLDER]`.
//
// FOLDER holds a Debian kernel of amd64 as test/boot/fetch-distro.sh leaves it, with modules that are not packed (6.1); without it only
// what is made here is run. Needs binutils and GNU time. Each ratio is of the least of several runs in turn: wall time, and processor
// time in brackets. Where other work is done on the machine, the latter is the one to read.
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as make from "./objects.mjs";
import { inTurn } from "./process.mjs";

const [folder] = process.argv.slice(2);
const root = fileURLToPath(new URL("..", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "klplink-bench-"));
const path = (name) => join(scratch, name);
const klplink = (...args) => ({ command: [process.execPath, join(root, "bin/klplink.js"), ...args] });
const tool = (...command) => ({ command });
const nothing = tool(process.execPath, "-e", "0");
const RUNS = 5;

function output({ command: [name, ...args] }) {
  const done = spawnSync(name, args, { maxBuffer: 1 << 30 });
  if (done.error) throw new Error(`${name}: ${done.error.message}`);
  return done.stdout.toString("latin1");
}

function demand(isSo, what) {
  if (!isSo) throw new Error(`outputs differ: ${what}`);
}

/** Prints a row. @param aim of the ratio */
function row(title, ours, against, other, { aim, runs = RUNS }) {
  const [a, b] = inTurn([ours, other], runs);
  const ratio = (figure) => (a[figure] / Math.max(b[figure], 0.01)).toFixed(2);
  const cells = [
    title,
    against,
    `${ratio("wall")} (${ratio("cpu")})`,
    aim,
    `${a.wall.toFixed(2)} s, ${a.memory.toFixed(0)} MB`,
  ];
  console.log(`| ${cells.join(" | ")} |`);
}

const relocations = (file) =>
  output(tool("readelf", "-rW", file)).match(/^[0-9a-f]{12,16} {2}[0-9a-f]{12,16} /gm)?.length ?? 0;

function small() {
  const sample = join(root, "samples/ppc64le/meminfo/meminfo.o");
  const good = join(root, "samples/ppc64le/meminfo/meminfo.klp.o");
  demand(output(klplink("check", good)).includes("no error found"), "check of a good module");
  row("check of a 20 KB module, nothing to say", klplink("check", good), "`node -e 0`", nothing, {
    aim: "1.25",
    runs: 15,
  });
  const [problem] = JSON.parse(output(klplink("check", "--format", "json", sample))).files[0].problems;
  const dump = output(tool("powerpc64le-linux-gnu-objdump", "-d", "-j", ".text.meminfo_proc_show", sample));
  for (const { offset, text } of problem.instructions) {
    const there = new RegExp(`^ *${offset.toString(16)}:\\t[^\\t]+\\t(\\w+)`, "m").exec(dump)?.[1];
    demand(text.split(/\s/)[0] === there, `instruction at ${offset}: ${text}`);
  }
  row("check of the README's sample, one diagnostic", klplink("check", sample), "`node -e 0`", nothing, {
    aim: "2",
    runs: 15,
  });
}

function links() {
  writeFileSync(path("map"), make.kernelMap(50_000));
  for (const [name, of] of Object.entries({ kpatch: make.kpatch, objtool: make.objtool, plain: make.plain })) {
    writeFileSync(path("in.o"), of(50_000));
    const link = klplink("link", path("in.o"), "-k", path("map"), "-q", "-o", path("out.ko"));
    output(link);
    demand(relocations(path("out.ko")) >= 50_000, "number of livepatch relocations");
    row(`link of 50,000 livepatch relocations (${name})`, link, "`node -e 0`", nothing, { aim: "4", runs: 3 });
  }
}

function large(file) {
  const count = relocations(file);
  const image = klplink("image", file, "--force", "-o", path("image"));
  demand(output(image).includes(`${count} relocations`), "relocations of the image");
  row("image of amdgpu.ko", image, "`ld -r`", tool("ld", "-r", file, "-o", path("linked")), { aim: "2" });
  const read = tool("readelf", "-rW", file);
  row("check of amdgpu.ko", klplink("check", file), "`readelf -rW`", read, { aim: "1" });
  const shown = output(klplink("show", file)).split("\nRelocations\n")[1].trimEnd().split("\n").length - 1;
  demand(shown === count, "number of relocations");
  row("show of amdgpu.ko", klplink("show", file), "`readelf -aW`", tool("readelf", "-aW", file), {
    aim: "2, 150 MB",
    runs: 3,
  });
}

function kallsyms(file) {
  const undefined_ = output(tool("nm", "-u", file)).match(/\S+$/gm) ?? [];
  const lines = readFileSync(path("map"), "latin1").trimEnd().split("\n");
  for (let i = lines.length; i < 200_000; i++)
    lines.push(`${(0xffffffff83000000n + BigInt(i * 16)).toString(16)} t function_${i}`);
  for (const name of undefined_) lines.push(`ffffffff90000000 T ${name}`, `ffffffff91000000 r __ksymtab_${name}`);
  writeFileSync(path("kallsyms"), `${lines.join("\n")}\n`);
  const image = (...more) => klplink("image", file, "--force", "-o", path("image"), ...more);
  row("image of nfsv4.ko with kallsyms (200,000 symbols)", image("-k", path("kallsyms")), "without", image(), {
    aim: "1.5",
  });
  const check = (...more) => klplink("check", file, ...more);
  row("check of nfsv4.ko with it", check("-k", path("kallsyms")), "without", check(), { aim: "1.3" });
}

/** 600 MB of dmesg, of which every fifth line is one that explain knows. */
function dmesg() {
  const lines = `${"[    1.000000] usb 1-1: new device\n".repeat(4)}[    1.000001] mod: Unknown symbol a (err -2)\n`;
  const some = lines.repeat(20_000);
  const file = openSync(path("dmesg"), "w");
  let known = 0;
  for (let size = 0; size < 600e6; size += some.length) {
    writeSync(file, some);
    known += 20_000;
  }
  closeSync(file);
  // Where its output is thrown away, grep ends at the first line that it finds.
  const grep = tool("sh", "-c", 'grep -c "Unknown symbol" "$1" | cat', "sh", path("dmesg"));
  demand(Number(output(grep)) === known, "number of lines");
  const input = path("dmesg");
  row("explain of 600 MB of dmesg", { ...klplink("explain"), input }, "`grep -c`", grep, { aim: "30", runs: 1 });
  rmSync(path("dmesg"));
}

function tree(modules) {
  const files = readdirSync(modules, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ko"))
    .map((name) => join(modules, name));
  const { files: checked } = JSON.parse(output(klplink("check", "--format", "json", modules)));
  demand(checked.length === files.length, "number of modules");
  const cores = availableParallelism();
  const title = `check of a whole tree (${files.length} modules, ${cores} processors)`;
  row(title, klplink("check", modules), "`readelf -rW`, one process", tool("readelf", "-rW", ...files), {
    aim: "0.6 on 2",
    runs: 1,
  });
}

try {
  console.log("| work | against | wall (processor) | aim | this run |\n|---|---|---|---|---|");
  small();
  links();
  dmesg();
  if (folder !== undefined) {
    const modules = join(folder, "lib/modules");
    const find = (name) => {
      const [found] = readdirSync(modules, { recursive: true, encoding: "utf8" }).filter((p) => p.endsWith(`/${name}`));
      if (found === undefined) throw new Error(`no ${name} in ${modules}`);
      return join(modules, found);
    };
    large(find("amdgpu.ko"));
    kallsyms(find("nfsv4.ko"));
    tree(modules);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
