// Ratios of whole commands against named tools, outputs compared before times: `npm run bench -- [FOLDER]`.
//
// FOLDER holds a Debian kernel of amd64 as test/boot/fetch-distro.sh leaves it, with modules that are not packed (6.1); without it only
// what is made here is run. Needs binutils and GNU time. Each ratio is of the least of several runs in turn: wall time, and processor
// time in brackets. Where other work is done on the machine, the latter is the one to read. The floor is the same ratio of a program of a
// few lines (floor.mjs) that only reads, looks at and writes what the work cannot do without; of the first two, `klplink --version`.
import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
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
const floor = (...args) => ({ command: [process.execPath, join(root, "bench/floor.mjs"), ...args.map(String)] });
const RUNS = 5;
// Indexes of kernels: those of this run alone.
process.env.XDG_CACHE_HOME = join(scratch, "cache");

function output({ command: [name, ...args] }) {
  const done = spawnSync(name, args, { maxBuffer: 1 << 30 });
  if (done.error) throw new Error(`${name}: ${done.error.message}`);
  return done.stdout.toString("latin1");
}

function demand(isSo, what) {
  if (!isSo) throw new Error(`outputs differ: ${what}`);
}

/** Prints a row. @param aim of the ratio @param least what is measured as the floor */
function row(title, ours, against, other, { aim, least = null, runs = RUNS }) {
  const [a, b, c = null] = inTurn(least === null ? [ours, other] : [ours, other, least], runs);
  const ratio = (of, figure) => (of[figure] / Math.max(b[figure], 0.001)).toFixed(2);
  const both = (of) => `${ratio(of, "wall")} (${ratio(of, "cpu")})`;
  const run = `${a.wall.toFixed(2)} s, ${a.memory.toFixed(0)} MB`;
  console.log(`| ${[title, against, both(a), aim, c === null ? "" : both(c), run].join(" | ")} |`);
}

const relocations = (file) =>
  output(tool("readelf", "-rW", file)).match(/^[0-9a-f]{12,16} {2}[0-9a-f]{12,16} /gm)?.length ?? 0;

function small() {
  const sample = join(root, "samples/ppc64le/meminfo/meminfo.o");
  const good = join(root, "samples/ppc64le/meminfo/meminfo.klp.o");
  demand(output(klplink("check", good)).includes("no error found"), "check of a good module");
  row("check of a 20 KB module, nothing to say", klplink("check", good), "`node -e 0`", nothing, {
    aim: "1.25",
    least: klplink("--version"),
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
    least: klplink("--version"),
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
    const least = floor("copy", path("copied"), statSync(path("out.ko")).size, path("map"), path("in.o"));
    row(`link of 50,000 livepatch relocations (${name})`, link, "`node -e 0`", nothing, { aim: "4", least, runs: 3 });
  }
}

function large(file) {
  const count = relocations(file);
  const image = klplink("image", file, "--force", "-o", path("image"));
  demand(output(image).includes(`${count} relocations`), "relocations of the image");
  row("image of amdgpu.ko", image, "`ld -r`", tool("ld", "-r", file, "-o", path("linked")), {
    aim: "2",
    least: floor("copy", path("copied"), statSync(path("image")).size, file),
  });
  const read = tool("readelf", "-rW", file);
  row("check of amdgpu.ko", klplink("check", file), "`readelf -rW`", read, { aim: "1", least: floor("rows", file) });
  const text = output(klplink("show", file));
  const shown = text.split("\nRelocations\n")[1].trimEnd().split("\n").length - 1;
  demand(shown === count, "number of relocations");
  const lines = text.split("\n").length;
  row("show of amdgpu.ko", klplink("show", file), "`readelf -aW`", tool("readelf", "-aW", file), {
    aim: "2, 150 MB",
    least: floor("text", lines, Math.round(text.length / lines)),
    runs: 3,
  });
}

/** A list of symbols: what it adds to a check, by its size. */
function symbolFile() {
  const lines = Array.from(
    { length: 200_000 },
    (_, i) => `${(0xffffffff82000000n + BigInt(i * 16)).toString(16)} t some_function_${i}_of_a_kernel`,
  );
  const good = join(root, "samples/ppc64le/meminfo/meminfo.klp.o");
  lines.push("c000000000000000 T _stext", "c000000000001000 t load_module", "c000000000002000 T klp_enable_patch");
  // What it needs is there: what names are near a missing one is not what is measured.
  for (const name of output(tool("nm", "-u", good)).match(/\S+$/gm) ?? [])
    lines.push(`c000000090000000 T ${name}`, `c000000091000000 r __ksymtab_${name}`);
  for (const [, name] of output(tool("nm", good)).matchAll(/\.klp\.sym\.vmlinux\.([^,]+),/g))
    lines.push(`c000000092000000 t ${name}`);
  const map = `${lines.join("\n").replaceAll("ffffffff", "c0000000")}\n`;
  writeFileSync(path("System.map"), map);
  const [a, b] = inTurn([klplink("check", good, "-k", path("System.map")), klplink("check", good)], 9);
  const rate = (figure) => (map.length / 1e6 / Math.max(a[figure] - b[figure], 0.005)).toFixed(0);
  const cells = [
    `check -k, System.map of ${(map.length / 1e6).toFixed(0)} MB, MB a second beyond a check without`,
    "",
    `${rate("wall")} (${rate("cpu")})`,
    "200",
    "",
    `${a.wall.toFixed(2)} s, ${a.memory.toFixed(0)} MB`,
  ];
  console.log(`| ${cells.join(" | ")} |`);
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
  row("explain of 600 MB of dmesg", { ...klplink("explain"), input }, "`grep -c`", grep, {
    aim: "30",
    least: { ...floor("bytes"), input },
    runs: 1,
  });
  rmSync(path("dmesg"));
}

function tree(modules, kernel) {
  const files = readdirSync(modules, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ko"))
    .map((name) => join(modules, name));
  const { files: checked } = JSON.parse(output(klplink("check", "--format", "json", modules)));
  demand(checked.length === files.length, "number of modules");
  const cores = availableParallelism();
  const title = `check of a whole tree (${files.length} modules, ${cores} processors)`;
  row(title, klplink("check", modules), "`readelf -rW`, one process", tool("readelf", "-rW", ...files), {
    aim: "0.6 on 2",
    least: floor("files", modules),
    runs: 3,
  });
  const known = (what) => klplink("check", what, "-k", kernel);
  // The first run makes the index of the kernel.
  const one = files.find((name) => name.endsWith("/nfsv4.ko")) ?? files[0];
  output(known(one));
  row("check of nfsv4.ko with -k vmlinuz, the index made", known(one), "without", klplink("check", one), {
    aim: "1.3",
  });
  row("check of the whole tree with it", known(modules), "without", klplink("check", modules), {
    aim: "1.3",
    runs: 3,
  });
}

try {
  console.log("| work | against | wall (processor) | aim | floor | this run |\n|---|---|---|---|---|---|");
  small();
  links();
  dmesg();
  symbolFile();
  if (folder !== undefined) {
    const modules = join(folder, "lib/modules");
    const find = (name) => {
      const [found] = readdirSync(modules, { recursive: true, encoding: "utf8" }).filter((p) => p.endsWith(`/${name}`));
      if (found === undefined) throw new Error(`no ${name} in ${modules}`);
      return join(modules, found);
    };
    large(find("amdgpu.ko"));
    kallsyms(find("nfsv4.ko"));
    const boot = join(folder, "boot");
    tree(
      modules,
      join(
        boot,
        readdirSync(boot).find((name) => name.startsWith("vmlinuz")),
      ),
    );
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
