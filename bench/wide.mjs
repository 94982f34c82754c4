// Runs `check` and `image` over whole trees of modules, and counts what they say:
//
//	node bench/wide.mjs FOLDER... [-k FILE]... [--only=N] [--json FILE]
//
// FOLDER holds a distribution's kernel as test/boot/fetch-distro.sh leaves it (boot/vmlinu[xz]-RELEASE and
// lib/modules/RELEASE), or just modules. Each module is checked on its own, with what is known of its kernel: a vmlinux
// that is an ELF file, a System.map that is more than a note, and the files given with -k; of the modules that it needs
// (`depends=`), with their files, as `-m` gives them. Then its image is made at both stages, at addresses of its own choice,
// and the share of bytes that cannot be told is measured.
//
// It prints a table for each folder: modules, errors and warnings by code, and the shares. Exit status 1 if any module has
// an error: a distribution's modules load. Needs `npm run build`.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";

const lib = process.env.KLPLINK_LIB ?? new URL("../dist/lib/index.js", import.meta.url).href;
const { check, image, Kernel, levelOf, ModuleFile, readElf, readKernelFile, titleOf, Unusable } = await import(lib);

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

/** What is known of the kernel, and the name of each file that told. */
function kernelFiles(folder, given) {
  const files = [...given];
  const boot = join(folder, "boot");
  for (const name of existsSync(boot) ? readdirSync(boot) : [])
    if (/^(vmlinu[xz]|System\.map)/.test(name)) files.push(join(boot, name));
  const parts = {};
  const sources = [];
  for (const path of files) {
    const bytes = readFileSync(path);
    let file;
    try {
      file = readKernelFile(bytes, basename(path));
    } catch (error) {
      if (given.includes(path)) throw error;
      continue; // A packed kernel, or a note in place of System.map.
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

/** Bytes in memory, and those that cannot be told. */
function share({ sections, unknown }) {
  let bytes = 0;
  let untold = 0;
  for (const section of sections) {
    bytes += section.bytes.length;
    const ranges = unknown.filter((u) => u.section === section.index);
    if (ranges.length === 0) continue;
    const mask = new Uint8Array(section.bytes.length);
    for (const { start, end } of ranges) mask.fill(1, start, end);
    for (const byte of mask) untold += byte;
  }
  return { bytes, untold };
}

/** A kernel that has every symbol, each at an address of its own: which one does not matter for what can be told. */
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

function runFolder(folder, given, only) {
  const paths = new Map([...modulesBelow(folder)].map((path) => [moduleName(path), path]));
  const { parts, sources } = kernelFiles(folder, given);
  const needed = new Map();
  /** The module's file, for those that need it. */
  const fileOf = (name) => {
    const path = paths.get(name);
    if (path === undefined) return null;
    if (!needed.has(name)) needed.set(name, new ModuleFile(readElf(unpacked(path)), basename(path), name));
    return needed.get(name);
  };
  const said = new Count();
  const shares = { relocated: { bytes: 0, untold: 0 }, loaded: { bytes: 0, untold: 0 } };
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
      const kernel = new Kernel({ ...parts, modules: others });
      const isTold = sources.length + others.length > 0;
      for (const p of check(bytes, { file, ...(isTold ? { kernel } : {}) }).problems) say("check", p);
      const addresses = standIns(elf.header.machine);
      for (const stage of ["relocated", "loaded"]) {
        const made = image(bytes, {
          file,
          kernel: addresses,
          placement: { bases: new Map(), sections: new Map(), percpu: null },
          stage,
        });
        for (const p of made.problems) say(`image ${stage}`, p);
        if (made.image === null) continue;
        const { bytes: all, untold } = share(made.image);
        shares[stage].bytes += all;
        shares[stage].untold += untold;
      }
    } catch (error) {
      if (error instanceof Unusable) say("read", error.problem);
      else said.add(`crash ${error.message}`, `${file}: ${error.stack}`);
    }
    // What few modules need is not kept.
    if (needed.size > 300) needed.clear();
    if (modules % 200 === 0) process.stderr.write(`${folder}: ${modules} of ${paths.size}\n`);
  }
  return { folder: basename(folder), modules, sources, shares, said: said.rows() };
}

const percent = ({ bytes, untold }) => (bytes === 0 ? "-" : `${((untold / bytes) * 100).toFixed(2)} %`);

function report({ folder, modules, sources, shares, said }) {
  console.log(`## ${folder}\n`);
  console.log(`${modules} modules; of the kernel: ${sources.join(", ") || "nothing"}.`);
  const { relocated, loaded } = shares;
  console.log(
    `Bytes in memory that cannot be told: ${percent(relocated)} of ${relocated.bytes} relocated, ${percent(loaded)} of ${loaded.bytes} loaded.\n`,
  );
  if (said.length === 0) {
    console.log("Nothing was said.\n");
    return;
  }
  console.log("| command, level, code | times | modules | for example |\n|---|---|---|---|");
  for (const [key, { count, modules: of, examples }] of said)
    console.log(`| ${key} | ${count} | ${of.size} | ${(examples[0] ?? "").split("\n")[0].replaceAll("|", "\\|")} |`);
  console.log();
}

const folders = [];
const given = [];
let only = Number.POSITIVE_INFINITY;
let json = null;
for (let argv = process.argv.slice(2); argv.length > 0; ) {
  const argument = argv.shift();
  if (argument === "-k") given.push(argv.shift());
  else if (argument === "--json") json = argv.shift();
  else if (argument.startsWith("--only=")) only = Number(argument.slice(7));
  else folders.push(argument);
}
if (folders.length === 0 || folders.some((f) => !existsSync(f) || !statSync(f).isDirectory())) {
  console.error("usage: node bench/wide.mjs FOLDER... [-k FILE]... [--only=N] [--json FILE]");
  process.exit(2);
}
const results = folders.map((folder) => {
  const result = runFolder(folder, given, only);
  report(result);
  return result;
});
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
