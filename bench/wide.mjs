// Runs `check` and `image` over whole trees of modules, and counts what they say:
//
//	node bench/wide.mjs FOLDER [-k FILE]... [--checks] [--only=N] [--json FILE]
//	node bench/wide.mjs --docs docs/wide.md RESULT.json...
//
// FOLDER holds a distribution's kernel as test/boot/fetch-distro.sh leaves it (boot/vmlinu[xz]-RELEASE and
// lib/modules/RELEASE), or just modules. Each module is checked twice: with the modules of the tree that it needs
// (`depends=`), and with what is known of its kernel, too: the vmlinux or vmlinuz, a System.map that is more than a note,
// and the files given with -k. Then images are made, at addresses of its own choice and with the kernel's BTF if it has
// one, with less and with more of what they depend on, and the share of bytes that they cannot tell is measured. --checks
// leaves the images out.
//
// It prints what was said, by code, and the shares. Exit status 1 if any module has an error: a distribution's modules
// load. --docs writes the tables of docs/wide.md from what --json wrote. Needs `npm run build`.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { build } from "esbuild";

const lib = process.env.KLPLINK_LIB ?? new URL("../dist/lib/index.js", import.meta.url).href;
const { btfTypes, check, image, Kernel, levelOf, ModuleFile, readElf, readKernelFile, titleOf, Unusable } =
  await import(lib);

/** Where a kernel might lie, by e_machine (ppc64, x86_64, arm64). */
const KERNEL_BASE = { 21: 0xc000_0000_0000_0000n, 62: 0xffff_ffff_8100_0000n, 183: 0xffff_8000_8000_0000n };
/** What every kernel of these has, beside what modules name. */
const OWN =
  /^(ftrace_caller|ftrace_regs_caller|ftrace_nop_ops|\.TOC\.|_text|_stext|__SCK__.*|__static_call_return0|__x86_return_thunk)$/;

function* modulesBelow(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* modulesBelow(path);
    else if (entry.isFile() && /\.ko(\.(gz|xz|zst))?$/.test(entry.name)) yield path;
  }
}

function unpacked(path) {
  if (path.endsWith(".gz")) return gunzipSync(readFileSync(path));
  const tool = { xz: "xz", zst: "zstd" }[path.slice(path.lastIndexOf(".") + 1)];
  if (tool === undefined) return readFileSync(path);
  const run = spawnSync(tool, ["-dc", path], { maxBuffer: 1 << 28 });
  if (run.status !== 0) throw new Error(`${path}: ${tool}: ${run.stderr}`);
  return run.stdout;
}

const moduleName = (path) =>
  basename(path)
    .replace(/\.ko.*$/, "")
    .replaceAll("-", "_");

/** The part of klplink that unwraps bootable kernels: it is not in the library, which brings no decompressors. */
const folder = mkdtempSync(join(tmpdir(), "klplink-wide-"));
await build({
  entryPoints: [fileURLToPath(new URL("../src/kernel/image/wrapping/unwrap.ts", import.meta.url))],
  outfile: join(folder, "unwrap.cjs"),
  bundle: true,
  platform: "node",
  format: "cjs",
});
const { unwrapKernel } = createRequire(import.meta.url)(join(folder, "unwrap.cjs"));
rmSync(folder, { recursive: true });

const readKernel = async (path) => readKernelFile((await unwrapKernel(readFileSync(path))).bytes, basename(path));

/** The kernel's types, from its BTF; null if it has none. */
function typesIn(vmlinux) {
  const btf = vmlinux === undefined ? null : new Kernel({ vmlinux }).btf;
  return btf === null ? null : btfTypes(btf);
}

/** What is known of the kernel, and the name of each file that told. */
async function kernelFiles(folder, given) {
  const files = [...given];
  const boot = join(folder, "boot");
  for (const name of existsSync(boot) ? readdirSync(boot) : [])
    if (/^(vmlinu[xz]|System\.map)/.test(name)) files.push(join(boot, name));
  const parts = {};
  const sources = [];
  for (const path of files) {
    let file;
    try {
      file = await readKernel(path);
    } catch (error) {
      if (given.includes(path)) throw error;
      continue; // A note in place of System.map.
    }
    if (file.kind === "symbols") parts.list ??= file.list;
    else if (file.kind === "vmlinux") parts.vmlinux ??= file.vmlinux;
    else if (file.kind === "symvers") parts.symvers ??= { source: basename(path), exports: file.exports };
    else continue;
    sources.push(basename(path));
  }
  return { parts, sources };
}

class Count {
  #rows = new Map();
  add(key, example) {
    const row = this.#rows.get(key) ?? { count: 0, modules: new Set(), examples: [] };
    row.count++;
    row.modules.add(example.split(":")[0]);
    if (row.examples.length < 3) row.examples.push(example);
    this.#rows.set(key, row);
  }
  rows() {
    return [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

/** Bytes in memory, and those that cannot be known, by what the image says of them. */
function share({ sections, unknown }, sum) {
  const bySection = new Map();
  for (const u of unknown) {
    const known = bySection.get(u.section);
    if (known === undefined) bySection.set(u.section, [u]);
    else known.push(u);
  }
  for (const section of sections) {
    sum.bytes += section.bytes.length;
    const ranges = bySection.get(section.index);
    if (ranges === undefined) continue;
    const mask = new Uint8Array(section.bytes.length);
    for (const { start, end, reason } of ranges) {
      let fresh = 0;
      for (let i = start; i < end; i++) {
        if (mask[i] === 0) fresh++;
        mask[i] = 1;
      }
      sum.untold += fresh;
      sum.reasons[reason] = (sum.reasons[reason] ?? 0) + fresh;
    }
  }
}

/** A kernel that has every symbol, each at an address of its own: which one does not matter for what can be known. */
function standIns(machine) {
  const start = KERNEL_BASE[machine] ?? 0n;
  const known = new Map();
  const of = (name) => {
    if (!known.has(name)) known.set(name, start + BigInt(known.size + 1) * 16n);
    return known.get(name);
  };
  return {
    source: "stand-ins",
    exported: of,
    inObject: (object, name) => (object === "vmlinux" && OWN.test(name) ? [of(name)] : []),
    names: () => known.keys(),
  };
}

/** What an image is made with: straight after relocation, before init with nothing given, and with all that can be known. */
const STAGES = {
  relocated: { stage: "relocated" },
  loaded: { stage: "loaded" },
  "loaded, told": {
    stage: "loaded",
    parameters: [],
    patched: [],
    x86: { returns: "plain", indirect: "plain", calls: "plain", locks: "smp" },
  },
};

const release = (folder) => {
  const lib = join(folder, "lib/modules");
  return existsSync(lib) ? (readdirSync(lib)[0] ?? null) : null;
};

async function runFolder(folder, { given, only, stages }) {
  const paths = new Map([...modulesBelow(folder)].map((path) => [moduleName(path), path]));
  const { parts, sources } = await kernelFiles(folder, given);
  const types = typesIn(parts.vmlinux);
  const needed = new Map();
  /** The module's file, for those that need it. */
  const fileOf = (name) => {
    const path = paths.get(name);
    if (path === undefined) return null;
    if (!needed.has(name)) needed.set(name, new ModuleFile(readElf(unpacked(path)), basename(path), name));
    return needed.get(name);
  };
  const said = new Count();
  const shares = {};
  let modules = 0;
  for (const path of [...paths.values()].slice(0, only)) {
    modules++;
    const file = basename(path);
    const say = (command, p) => said.add(`${command} ${levelOf(p)} ${p.code}`, `${file}: ${titleOf(p)}`);
    try {
      const bytes = unpacked(path);
      const elf = readElf(bytes);
      const modinfo = elf.sections.findByName(".modinfo");
      const text = modinfo === null ? "" : Buffer.from(elf.sections.data(modinfo)).toString("latin1");
      const depends = /(?:^|\0)depends=([^\0]*)/.exec(text)?.[1] ?? "";
      const others = depends.split(",").flatMap((d) => (d === "" ? [] : (fileOf(d.replaceAll("-", "_")) ?? [])));
      const alone = others.length === 0 ? {} : { kernel: new Kernel({ modules: others }) };
      for (const p of check(bytes, { file, ...alone }).problems) say("check", p);
      if (sources.length > 0) {
        const kernel = new Kernel({ ...parts, modules: others });
        for (const p of check(bytes, { file, kernel }).problems) say("check -k", p);
      }
      const addresses = standIns(elf.header.machine);
      for (const [name, options] of Object.entries(stages)) {
        const made = image(bytes, {
          file,
          kernel: addresses,
          placement: { bases: new Map(), sections: new Map(), percpu: null },
          types,
          ...options,
        });
        for (const p of made.problems) say(`image ${name}`, p);
        shares[name] ??= { bytes: 0, untold: 0, reasons: {} };
        if (made.image !== null) share(made.image, shares[name]);
      }
    } catch (error) {
      if (error instanceof Unusable) say("read", error.problem);
      else said.add(`crash ${error.message}`, `${file}: ${error.stack}`);
    }
    // What few modules need is not kept.
    if (needed.size > 300) needed.clear();
    if (modules % 200 === 0) process.stderr.write(`${folder}: ${modules} of ${paths.size}\n`);
  }
  return {
    folder: basename(folder),
    release: release(folder),
    modules,
    sources,
    types: types !== null,
    shares,
    said: said.rows(),
  };
}

const percent = (sum) =>
  sum === undefined || sum.bytes === 0 ? "-" : `${((sum.untold / sum.bytes) * 100).toFixed(2)} %`;

function report({ folder, modules, sources, shares, said }) {
  console.log(`## ${folder}\n`);
  console.log(`${modules} modules; of the kernel: ${sources.join(", ") || "nothing"}.`);
  for (const [name, sum] of Object.entries(shares))
    console.log(`- ${name}: ${percent(sum)} of ${sum.bytes} bytes cannot be known`);
  console.log();
  if (said.length === 0) {
    console.log("Nothing was said.\n");
    return;
  }
  console.log("| command, level, code | times | modules | for example |\n|---|---|---|---|");
  for (const [key, { count, modules: of, examples }] of said)
    console.log(`| ${key} | ${count} | ${of.size} | ${(examples[0] ?? "").split("\n")[0].replaceAll("|", "\\|")} |`);
  console.log();
}

/** Counts of one command and level, `KLP450: 3`. */
function counts(said, command, level) {
  const rows = Object.entries(said).filter(([key]) => key.startsWith(`${command} ${level} `));
  const total = rows.reduce((sum, [, { count }]) => sum + count, 0);
  const each = rows.map(([key, { count }]) => `${key.split(" ").at(-1)}: ${count}`);
  return `${total}${each.length === 0 ? "" : ` (${each.join(", ")})`}`;
}

/** Of all images: their keys begin with `image`. */
const imageCounts = (said, level) =>
  counts(
    Object.fromEntries(
      Object.entries(said)
        .filter(([key]) => key.startsWith("image ") && key.includes(` ${level} `))
        .map(([key, row]) => [`image ${level} ${key.split(" ").at(-1)}`, row]),
    ),
    "image",
    level,
  );

const DEBIAN = /^linux-([\d.]+)-(\w+)$/;
const nameOf = ({ folder, release }) => {
  const arch = DEBIAN.exec(folder)?.[2];
  return arch === undefined ? folder : `Debian ${/^[\d.]+(?:-\d+)?/.exec(release)?.[0]}, ${arch}`;
};

/** What `--json` wrote of several trees, as the tables of docs/wide.md. */
function docsTables(results) {
  const lines = [
    "| tree | modules | `check`: errors, warnings | given of the kernel | `check -k`: errors, warnings | `image` |",
    "|---|---|---|---|---|---|",
  ];
  for (const r of results) {
    const both = (command) => `${counts(r.said, command, "error")}, ${counts(r.said, command, "warning")}`;
    const other = Object.keys(r.said).filter((key) => /^(?:crash|read)/.test(key));
    const hasImages = r.shares.relocated !== undefined;
    const images = hasImages ? `${imageCounts(r.said, "error")}, ${imageCounts(r.said, "warning")}` : "not run";
    lines.push(
      `| ${[nameOf(r), r.modules, both("check"), r.sources.map((f) => f.replace(/-.*$/, "")).join(", "), both("check -k"), images].join(" | ")} |`,
    );
    if (other.length > 0) lines.push(`| ${nameOf(r)}: ${other.join("; ")} | | | | | |`);
  }
  lines.push(
    "",
    "| tree | kernel's types | MB in memory | relocated | loaded, nothing given | loaded, all given |",
    "|---|---|---|---|---|---|",
  );
  const measured = results.filter((r) => r.shares.relocated !== undefined);
  for (const r of measured) {
    const { bytes } = r.shares.relocated;
    lines.push(
      `| ${[nameOf(r), r.types ? "BTF" : "-", (bytes / 1e6).toFixed(0), ...Object.keys(STAGES).map((name) => percent(r.shares[name]))].join(" | ")} |`,
    );
  }
  lines.push("", "| what the bytes of the last column are, in all trees | share |", "|---|---|");
  const reasons = new Map();
  let untold = 0;
  for (const r of measured) {
    const last = Object.keys(STAGES).findLast((name) => r.shares[name] !== undefined);
    untold += r.shares[last].untold;
    for (const [reason, n] of Object.entries(r.shares[last].reasons))
      reasons.set(reason, (reasons.get(reason) ?? 0) + n);
  }
  for (const [reason, n] of [...reasons].sort(([, a], [, b]) => b - a)) {
    if (n / untold < 0.005) break;
    lines.push(`| ${reason} | ${((n / untold) * 100).toFixed(1)} % |`);
  }
  return lines.join("\n");
}

/** A tree's results with what a later run with --checks said. */
function checkedAgain(before, { said, sources, shares }) {
  if (Object.keys(shares).length > 0) throw new Error(`${before.folder}: two results with images`);
  const images = Object.entries(before.said).filter(([key]) => key.startsWith("image "));
  return { ...before, sources, said: { ...said, ...Object.fromEntries(images) } };
}

const MARKS = ["<!-- made by bench/wide.mjs -->", "<!-- end -->"];

function writeDocs(path, inputs) {
  const text = readFileSync(path, "utf8");
  const [start, end] = MARKS.map((mark) => text.indexOf(mark));
  if (start < 0 || end < start) throw new Error(`${path} has no place for the tables`);
  const byFolder = new Map();
  for (const result of inputs.flatMap((input) => JSON.parse(readFileSync(input, "utf8")))) {
    const before = byFolder.get(result.folder);
    byFolder.set(result.folder, before === undefined ? result : checkedAgain(before, result));
  }
  const tables = docsTables([...byFolder.values()]);
  writeFileSync(path, `${text.slice(0, start)}${MARKS[0]}\n\n${tables}\n\n${text.slice(end)}`);
}

const folders = [];
const given = [];
let only = Number.POSITIVE_INFINITY;
let json = null;
let docs = null;
let stages = STAGES;
for (let argv = process.argv.slice(2); argv.length > 0; ) {
  const argument = argv.shift();
  if (argument === "-k") given.push(argv.shift());
  else if (argument === "--json") json = argv.shift();
  else if (argument === "--checks") stages = {};
  else if (argument === "--docs") docs = argv.shift();
  else if (argument.startsWith("--only=")) only = Number(argument.slice(7));
  else folders.push(argument);
}
if (docs !== null) {
  writeDocs(docs, folders);
  process.exit(0);
}
if (folders.length === 0 || folders.some((f) => !existsSync(f) || !statSync(f).isDirectory())) {
  console.error("usage: node bench/wide.mjs FOLDER... [-k FILE]... [--only=N] [--json FILE], or --docs FILE RESULT...");
  process.exit(2);
}
const results = [];
for (const folder of folders) {
  const result = await runFolder(folder, { given, only, stages });
  report(result);
  results.push(result);
}
if (json !== null) {
  const plain = results.map(({ said, ...rest }) => ({
    ...rest,
    said: Object.fromEntries(
      said.map(([key, { count, modules, examples }]) => [key, { count, modules: [...modules], examples }]),
    ),
  }));
  writeFileSync(json, `${JSON.stringify(plain, null, 1)}\n`);
}
process.exit(results.some((r) => r.said.some(([key]) => / error |^crash/.test(key))) ? 1 : 0);
