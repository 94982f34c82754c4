// Remakes what tools made and the tests compare with: `npm run golden`, or `npm run golden -- NAME…` for some of it.
// A step whose tools are missing is left out, and said. In the end stands which files are others than before: those of
// another version of a tool differ without being wrong, so the versions are printed (test/golden/README.md has those of
// the files that are checked in). Kernel captures (test/golden/image) need `KLPLINK_UPDATE_CAPTURES=1 npm run test:boot`.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const BINUTILS = ["x86_64-linux-gnu-as", "powerpc64le-linux-gnu-as", "aarch64-linux-gnu-as"];
const GCC = ["gcc", "powerpc64le-linux-gnu-gcc", "aarch64-linux-gnu-gcc"];
const LLVM = ["clang-14", "llvm-dwarfdump-14"];
const script = (folder) => ["bash", `test/${folder}/make.sh`];
const suite = (...args) => ["npx", "vitest", "run", ...args];

/** In this order: later ones read what earlier ones make. @type {{name: string, run: string[], tools: string[], env?: object}[]} */
const steps = [
  { name: "fixtures/types", run: script("fixtures/types"), tools: [...GCC, "clang"] },
  { name: "fixtures/kernel", run: script("fixtures/kernel"), tools: [...BINUTILS, "gzip", "xz", "zstd"] },
  { name: "fixtures/sites", run: script("fixtures/sites"), tools: [...GCC, ...BINUTILS, "clang-14"] },
  { name: "fixtures/rules", run: script("fixtures/rules"), tools: BINUTILS },
  { name: "fixtures/klp", run: script("fixtures/klp"), tools: BINUTILS },
  { name: "fixtures/klplink", run: script("fixtures/klplink"), tools: GCC },
  // The same livepatch in the forms of kpatch and objtool, for their own tools to read.
  {
    name: "fixtures/klplink/forms",
    run: suite("test/klp/producers/forms.test.ts", "-t", "is written"),
    tools: [],
    env: { KLPLINK_UPDATE_FORMS: "1" },
  },
  { name: "fixtures/diff/pairs", run: script("fixtures/diff/pairs"), tools: [...GCC, "clang-14"] },
  { name: "fixtures/diff/sealed", run: script("fixtures/diff/sealed"), tools: GCC },
  { name: "fixtures/diff/sizes", run: script("fixtures/diff/sizes"), tools: [...GCC, ...BINUTILS] },
  { name: "fixtures/diff/literals", run: script("fixtures/diff/literals"), tools: GCC },
  { name: "fixtures/diff/kcfi", run: script("fixtures/diff/kcfi"), tools: ["clang-16"] },
  { name: "fixtures/diff/namesakes", run: script("fixtures/diff/namesakes"), tools: GCC },
  {
    name: "fixtures/diff/linktime",
    run: script("fixtures/diff/linktime"),
    tools: ["clang-14", "ld.lld-14", "llvm-dwarfdump-14"],
  },
  { name: "fixtures/diff/meaning", run: script("fixtures/diff/meaning"), tools: [...GCC, "clang-14"] },
  {
    name: "build/failed/said",
    run: script("build/failed/said"),
    tools: ["gcc-12", "clang-14", "ld.lld-14", "apt-get"],
  },
  // Fetches kpatch's create-diff-object.
  { name: "golden/pairs", run: script("golden/pairs"), tools: ["apt-get", "readelf", "nm"] },
  { name: "fixtures/move", run: script("fixtures/move"), tools: [...GCC, ...BINUTILS] },
  { name: "fixtures/diff/cases", run: script("fixtures/diff/cases"), tools: GCC },
  { name: "fixtures/elf", run: script("fixtures/elf"), tools: [...GCC, ...BINUTILS, ...LLVM] },
  { name: "fixtures/dwarf", run: script("fixtures/dwarf"), tools: [...GCC, ...BINUTILS, ...LLVM] },
  { name: "fixtures/moved", run: script("fixtures/moved"), tools: [...GCC, ...BINUTILS, ...LLVM] },
  { name: "fixtures/diag/modules", run: script("fixtures/diag/modules"), tools: BINUTILS },
  { name: "fixtures/diag/image", run: script("fixtures/diag/image"), tools: BINUTILS },
  { name: "fixtures/diag", run: script("fixtures/diag"), tools: [...GCC, ...BINUTILS, ...LLVM] },
  { name: "golden/readelf", run: script("golden/readelf"), tools: ["readelf"] },
  { name: "golden/reloc", run: ["node", "test/golden/reloc/make.mjs"], tools: BINUTILS },
  { name: "golden/savres", run: script("golden/savres"), tools: BINUTILS },
  // Builds the original tools first, from what test/tools/original-tools.sh fetches.
  { name: "golden/originals", run: script("golden/originals"), tools: [...GCC, "apt-get"] },
  { name: "golden/relinked", run: script("golden/relinked"), tools: BINUTILS },
  {
    name: "golden/heapsort",
    run: [...script("golden/heapsort"), process.env.LINUX_6_1 ?? "", process.env.LINUX_6_12 ?? ""],
    tools: ["gcc"],
    needs: ["LINUX_6_1", "LINUX_6_12"],
  },
  { name: "fixtures/tree", run: script("fixtures/tree"), tools: BINUTILS },
  // After fixtures/kernel, which it packs.
  {
    name: "fixtures/packages",
    run: script("fixtures/packages"),
    tools: ["dpkg-deb", "rpmbuild", "bsdtar", "xz", "zstd"],
  },
  // objtool of a kernel's kbuild package.
  { name: "fixtures/later", run: script("fixtures/later"), tools: ["gcc", ...BINUTILS], needs: ["OBJTOOL"] },
  // What kbuild leaves in its trees; headers are fetched.
  { name: "fixtures/trees", run: script("fixtures/trees"), tools: ["gcc", "apt-get"], needs: ["LINUX_6_12"] },
  { name: "fixtures/diff/trees", run: script("fixtures/diff/trees"), tools: ["x86_64-linux-gnu-gcc"] },
  { name: "fixtures/diff/packed", run: script("fixtures/diff/packed"), tools: ["x86_64-linux-gnu-objcopy"] },
  // What klplink itself says of all that.
  { name: "samples", run: suite("test/samples.test.ts", "-u"), tools: [] },
  { name: "diag/expected", run: suite("test/diag/samples.test.ts", "-u"), tools: [] },
  {
    name: "pages",
    run: suite("test/readme.test.ts", "test/guides.test.ts", "test/passes/image/messages.test.ts"),
    tools: [],
    env: { UPDATE_README: "1", UPDATE_GUIDES: "1", UPDATE_MESSAGES: "1" },
  },
  { name: "docs", run: ["npm", "run", "docs"], tools: [] },
];

const has = (tool) => spawnSync("sh", ["-c", `command -v "$0"`, tool]).status === 0;
const versionOf = (tool) => spawnSync(tool, ["--version"], { encoding: "utf8" }).stdout?.split("\n")[0] ?? "";
/** Files that differ from the checkout. */
const changed = () =>
  new Set(
    spawnSync("git", ["status", "--porcelain", "--untracked-files=all"], { cwd: root, encoding: "utf8" })
      .stdout.split("\n")
      .filter((line) => line !== "")
      .map((line) => line.slice(3)),
  );

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !steps.some((s) => s.name === name));
if (unknown.length > 0) {
  console.error(`no such step: ${unknown.join(", ")}; there are ${steps.map((s) => s.name).join(", ")}`);
  process.exit(2);
}
const chosen = steps.filter((s) => wanted.length === 0 || wanted.includes(s.name));
for (const tool of new Set(chosen.flatMap((s) => s.tools))) if (has(tool)) console.log(`${tool}: ${versionOf(tool)}`);

const before = changed();
let failed = 0;
for (const { name, run, tools, needs = [], env = {} } of chosen) {
  const missing = [...tools.filter((t) => !has(t)), ...needs.filter((v) => process.env[v] === undefined)];
  if (missing.length > 0) {
    console.log(`${name}: left out, ${missing.join(", ")} missing`);
    continue;
  }
  const [command, ...args] = run;
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  console.log(`${name}: ${status === 0 ? "made" : `failed (${status})\n${stdout}${stderr}`}`);
  if (status !== 0) failed++;
}
const differ = [...changed()].filter((path) => !before.has(path));
console.log(differ.length === 0 ? "no file is another than before" : `other than before:\n  ${differ.join("\n  ")}`);
process.exitCode = failed > 0 ? 1 : 0;
