// Writes what every command says of every fixture into a folder, so that two states of the sources can be compared byte for byte:
//   node scripts/outputs.mjs /tmp/before; (change something); node scripts/outputs.mjs /tmp/after; diff -r /tmp/before /tmp/after
// A second argument takes only the fixtures whose path contains it. Binary output is written as its size and digest.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Readable, Writable } from "node:stream";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { examplesPlugin } from "./examples.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const [, , folder, only = ""] = process.argv;
if (folder === undefined) throw new Error("usage: node scripts/outputs.mjs FOLDER [PART-OF-A-PATH]");
const out = resolve(folder);
process.chdir(root);

/** The command line of the sources as they stand, as a module of this process. */
async function command() {
  // Beside node_modules, where its packages are found.
  const outfile = join(root, "node_modules", `.outputs-${process.pid}.mjs`);
  await build({
    absWorkingDir: root,
    entryPoints: ["src/cli/main.ts"],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    packages: "external",
    plugins: [examplesPlugin],
    logLevel: "warning",
  });
  try {
    return (await import(pathToFileURL(outfile).href)).main;
  } finally {
    rmSync(outfile);
  }
}

const main = await command();

function capture(fd) {
  const chunks = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return { stream: Object.assign(stream, { fd }), bytes: () => Buffer.concat(chunks) };
}

const isText = (bytes) => !bytes.includes(0) && Buffer.from(bytes.toString("utf8")).equals(bytes);
const shown = (bytes) =>
  isText(bytes)
    ? bytes.toString("utf8")
    : `(${bytes.length} bytes, sha256 ${createHash("sha256").update(bytes).digest("hex")})\n`;

/** Times differ from run to run. */
const timeless = (text) => text.replace(/"milliseconds": \d+/g, '"milliseconds": 0');

/** One run of a command: its arguments, exit status and what it wrote. */
async function run(args, input) {
  const [stdout, stderr] = [capture(1), capture(2)];
  const context = {
    version: "0",
    env: { PATH: process.env.PATH, LANG: "C.UTF-8" },
    stdin: Readable.from(input === undefined ? [] : [Buffer.from(input)]),
    stdout: stdout.stream,
    stderr: stderr.stream,
  };
  const status = await main(args, context);
  return `$ klplink ${args.join(" ")}\nstatus ${status}\n--- stdout\n${timeless(shown(stdout.bytes()))}--- stderr\n${shown(stderr.bytes())}\n`;
}

async function write(name, runs) {
  if (!name.includes(only)) return;
  let text = "";
  for (const [args, input] of runs) text += await run(args, input);
  const path = join(out, `${name}.txt`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const FORMATS = ["text", "json", "sarif", "github"];
const STRATEGIES = ["epilogue", "mini-frame", "shadow-stack", "nop"];
const MAP = "test/fixtures/kernel/System.map";

/** What is asked of a module. */
function moduleRuns(path) {
  const bytes = readFileSync(path);
  const isPpc = bytes.length > 20 && bytes[18] === 21;
  const runs = [
    ["link", path, "-o", "-"],
    ["link", path, "-o", "-", "--force"],
    ["link", path, "-o", "-", "--force", "-k", MAP],
    ...(isPpc
      ? STRATEGIES.flatMap((how) => [
          ["link", path, "-o", "-", "--toc-restore", how],
          ["link", path, "-o", "-", "--force", "--toc-restore", how, "--livepatch-stack", "2312,16"],
        ])
      : []),
    ...(isPpc ? [["link", path, "-o", "-", "--siblings", "framed"]] : []),
    ...FORMATS.map((format) => ["check", path, "--format", format]),
    ["check", path, "-k", MAP, "--kernel-version", "6.1"],
    ["check", path, "-k", MAP, "--kernel-version", "6.12"],
    ["show", path],
    ["show", path, "--toc"],
    ["show", path, "--format", "json"],
    ["show", path, "--toc", "--format", "json"],
    ["sites", path],
    ["sites", path, "--format", "json"],
    ["sites", path, "--as", "nop"],
    ["sites", path, "--as", "call", "--target", "0xffffffff81061a40"],
    ["image", path, "-o", "-", "--force"],
    ["image", path, "-o", "-", "--force", "-k", MAP, "--stage", "loaded"],
    ["image", path, "-o", "/dev/null", "--force", "--map"],
    ["image", path, "-o", "/dev/null", "--format", "json"],
  ];
  return runs.map((args) => [args]);
}

const files = (where, wanted) =>
  readdirSync(where, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && wanted.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();

const modules = ["test/fixtures", "samples", "test/golden", "test/fuzz"].flatMap((at) =>
  files(at, /\.k?o(?:\.xz|\.gz)?$/),
);
for (const path of modules) await write(path, moduleRuns(path));

// Kernels' images.
const kernels = files("test/fixtures", /^vmlinux-|-vmlinux$/);
for (const path of kernels) {
  await write(path, [[["sites", path]], [["sites", path, "--format", "json"]]]);
  await write(
    `${path}.with`,
    modules
      .filter((m) => m.includes("fixtures/klp/"))
      .flatMap((module) => [[["sites", module, "-k", path]], [["check", module, "-k", path]]]),
  );
}

// Lines of dmesg, each alone, all together, and with modules.
const dmesg = files("test/fixtures/dmesg", /\.txt$/);
for (const path of dmesg) {
  const lines = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("\t")[0]);
  await write(path, [
    ...lines.flatMap((line) => ["text", "json"].map((format) => [["explain", "--format", format, "--", line]])),
    [["explain"], readFileSync(path)],
    [["explain", "--format", "json"], readFileSync(path)],
    ...modules
      .filter((m) => m.startsWith("samples/") || m.includes("/diag/image/") || m.includes("relinked"))
      .map((m) => [["explain", "-m", m], readFileSync(path)]),
  ]);
}
const codes = files("src/diag/codes", /\.ts$/).flatMap(
  (path) => readFileSync(path, "utf8").match(/\bKLP\d{3}\b/g) ?? [],
);
await write(
  "codes",
  [...new Set(codes)].sort().flatMap((code) => ["text", "json"].map((f) => [["explain", "--format", f, code]])),
);

// The model checker.
const { stdout: protocols } = await (async () => {
  const stdout = capture(1);
  const context = { version: "0", env: {}, stdin: Readable.from([]), stdout: stdout.stream, stderr: capture(2).stream };
  await main(["model", "--list"], context);
  return { stdout: stdout.bytes().toString("utf8") };
})();
const names = [...protocols.matchAll(/^ *([A-Z]\w*(?:-[\w-]+)?) /gm)].map((m) => m[1]);
await write("model", [
  [["model", "--list"]],
  [["model", "--list", "--format", "json"]],
  ...names.flatMap((name) => [[["model", name, "--format", "json"]], [["model", name, "--source"]]]),
]);

// Memory of loaded modules.
const captures = files("test/fixtures/diag/image", /^release$/).map(dirname);
await write(
  "verify",
  captures.flatMap((at) =>
    modules
      .filter((m) => m.includes("/diag/image/"))
      .flatMap((module) => ["text", "json"].map((format) => [["verify", module, "--root", at, "--format", format]])),
  ),
);

// Texts.
const commands = ["link", "check", "show", "sites", "image", "verify", "explain", "model", "completion"];
await write("help", [
  [["--help"]],
  ...commands.map((name) => [["help", name]]),
  [["man"]],
  ...["bash", "zsh", "fish"].map((shell) => [["completion", shell]]),
]);
