// What `klplink diff` takes, and how that grows: node bench/diff.mjs [linked|peers|trees] [FILES]. Without a name all three. Processor time
// and memory of whole processes; what is found is compared. Needs `npm run build`, gcc, binutils, GNU time.
//   linked   two linked objects of n, 2n and 4n source files, without and with debug information
//   peers    the same, smaller, beside Debian's create-diff-object and 7.2's objtool (test/tools/create-diff-object.sh, original-tools.sh)
//   trees    two trees of 3,000 objects, of which three differ
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { linkedPair } from "./linkedObject.mjs";
import { measure } from "./process.mjs";
import { treePair } from "./treePair.mjs";

const [, , ...args] = process.argv;
const names = ["linked", "peers", "trees"];
const chosen = args.filter((a) => names.includes(a));
const files = Number(args.find((a) => /^\d+$/.test(a)) ?? 64);
const klplink = fileURLToPath(new URL("../bin/klplink.js", import.meta.url));
const read = (command, list, options = {}) =>
  execFileSync(command, list, { encoding: "utf8", maxBuffer: 1 << 30, ...options });
const symbolsOf = (path) => Number(/'\.symtab' contains (\d+)/.exec(read("readelf", ["-sW", path]))[1]);
/** Seconds after which a peer is stopped. */
const LONGEST = 600;

function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), "klplink-diff-"));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Paths and functions that a run calls changed. */
function changed(list) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [klplink, "diff", ...list, "--format", "json"], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  if (status !== 0) throw new Error(`status ${status}: ${stderr}`);
  const { files: found } = JSON.parse(stdout);
  const { differing } = found[0];
  const functions = found.flatMap((f) => (f.functions ?? []).filter((c) => c.status !== "same").map((c) => c.name));
  return { functions, differing };
}

function hold(found, expected) {
  if (JSON.stringify(found) !== JSON.stringify(expected)) throw new Error(`found ${found}, not ${expected}`);
}

const shown = ({ cpu, wall, memory }) =>
  `${cpu.toFixed(1)} s, ${wall.toFixed(1)} s by the clock, ${memory.toFixed(0)} MB`;

function linked() {
  for (const flags of [[], ["-g"]]) {
    for (const times of [1, 2, 4]) {
      inFolder((folder) => {
        const [orig, patched] = linkedPair(folder, files * times, flags);
        hold(changed([orig, patched]).functions, [`global_7_of_${(files * times) >> 1}`]);
        const what = flags.length === 0 ? "without debug information" : "with debug information";
        const run = measure([process.execPath, klplink, "diff", orig, patched]);
        console.log(`${String(symbolsOf(orig)).padStart(8)} symbols, ${what}: ${shown(run)}`);
      });
    }
  }
}

/** Sizes of the entries of the kernel's tables, which kpatch-build reads from debug information: those of 6.1. */
const SIZES = { ALT: 12, BUG: 12, EX: 12, JUMP: 16, PARA: 16, ORC: 6, PRINTK_INDEX: 48, FIXUP: 48, STATIC_CALL: 8 };
const tool = (script) => read("bash", [fileURLToPath(new URL(`../test/tools/${script}`, import.meta.url))]).trim();

/** Time of a peer's run; it is not waited for longer than LONGEST. @param expected of its output */
function peer(name, command, folder, expected, env = {}) {
  const words = Object.entries(env).map(([n, v]) => `${n}=${v}`);
  const done = measure(["env", "-C", folder, ...words, "timeout", String(LONGEST), ...command]);
  if (done.status === 124) return console.log(`         ${name}: not done after ${LONGEST} s`);
  const found = read("sh", ["-c", `nm out.o 2>/dev/null | grep -c ' ${expected}$' || true`], { cwd: folder }).trim();
  return console.log(
    `         ${name}: ${shown(done)}, status ${done.status}${found === "0" ? ", without the function" : ""}`,
  );
}

function peers() {
  const [createDiffObject, objtool] = [tool("create-diff-object.sh"), join(tool("original-tools.sh"), "objtool")];
  const most = Math.max(4, files >> 1);
  for (const count of [most >> 2, most >> 1, most]) {
    inFolder((folder) => {
      // Entries of tables of 6.1 have not what 7.2's objtool asks for; create-diff-object wants each function in a section of its own.
      const [orig, patched] = linkedPair(folder, count, ["-DWITHOUT_TABLES"], 0);
      const wanted = `global_7_of_${count >> 1}`;
      console.log(
        `${String(symbolsOf(orig)).padStart(8)} symbols, klplink: ${shown(measure([process.execPath, klplink, "diff", orig, patched]))}`,
      );
      const undefinedNames = read("nm", ["-u", orig]).match(/\S+$/gm) ?? [];
      writeFileSync(
        join(folder, "Module.symvers"),
        undefinedNames.map((n) => `0x00000000\t${n}\tvmlinux\tEXPORT_SYMBOL\t\n`).join(""),
      );
      writeFileSync(join(folder, "symtab"), read("readelf", ["-sW", orig]));
      const env = Object.fromEntries(Object.entries(SIZES).map(([n, size]) => [`${n}_STRUCT_SIZE`, String(size)]));
      const command = ["orig.o", "patched.o", "vmlinux", "symtab", "Module.symvers", "patch", "out.o"];
      peer("create-diff-object", [createDiffObject, ...command], folder, wanted, env);
      rmSync(join(folder, "out.o"), { force: true });
      const own = join(folder, "objtool");
      mkdirSync(own);
      writeFileSync(join(own, "modinfo"), "name=mod\0license=GPL\0");
      copyFileSync(join(folder, "Module.symvers"), join(own, "Module.symvers"));
      for (const path of [orig, patched]) {
        const copy = join(own, path === orig ? "orig.o" : "patched.o");
        read("objcopy", ["--add-section", `.modinfo=${join(own, "modinfo")}`, path, copy]);
      }
      const script = `for o in orig.o patched.o; do ${objtool} klp checksum $o || exit 1; done; exec ${objtool} klp diff orig.o patched.o out.o`;
      peer("objtool klp checksum, twice, and klp diff", ["sh", "-c", script], own, wanted);
    });
  }
}

function trees() {
  inFolder((folder) => {
    const { trees: both, differing, object } = treePair(folder, 3000, 3);
    const found = changed(both);
    hold(found.differing, differing);
    hold(found.functions, ["f7", "f7", "f7"]);
    const runs = [1, 2, 3].map(() => measure([process.execPath, klplink, "diff", ...both]));
    const best = runs.reduce((a, b) => (a.wall < b.wall ? a : b));
    console.log(
      `3,000 objects of ${(statSync(object).size / 1024).toFixed(0)} KB, of which three differ: ${shown(best)}`,
    );
  });
}

for (const [name, run] of Object.entries({ linked, peers, trees }))
  if (chosen.length === 0 || chosen.includes(name)) run();
