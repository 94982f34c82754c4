// Runs kpatch's create-diff-object over all pairs of test/fixtures/diff/pairs and writes what it makes of them to kpatch.json:
//   node kpatch.mjs PROGRAM        PROGRAM: as test/tools/create-diff-object.sh prints it
// Each pair: its exit status in words, the functions that it calls changed and new, what it says when it refuses.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const pairs = join(here, "../../fixtures/diff/pairs");
const [, , program] = process.argv;
if (program === undefined) throw new Error("which create-diff-object?");
const folder = mkdtempSync(join(tmpdir(), "klplink-pairs-"));

/** Sizes of the entries of the kernel's tables, which kpatch-build reads from DWARF: those of 6.1. */
const sizes = { ALT: 12, BUG: 12, EX: 12, JUMP: 16, PARA: 16, ORC: 6, PRINTK_INDEX: 48, FIXUP: 48, STATIC_CALL: 8 };
const env = { PATH: process.env.PATH, LC_ALL: "C" };
for (const [name, size] of Object.entries(sizes)) env[`${name}_STRUCT_SIZE`] = String(size);

const run = (command, args, more = {}) =>
  spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26, cwd: folder, ...more });
const undefinedOf = (path) =>
  run("nm", ["-u", path])
    .stdout.split("\n")
    .flatMap((l) => l.trim().split(/\s+/)[1] ?? []);
/** 2: a change that it does not know how to take; 1: an error of another kind. */
const STATUS = { 0: "changed", 1: "failed", 2: "refused", 3: "unchanged" };

function verdict(name, arch) {
  const [before, after] = ["orig", "patched"].map((which) => join(pairs, `${name}.${which}.o`));
  // The parent's symbols: those of the object itself stand in for vmlinux; what it does not define is exported.
  writeFileSync(
    join(folder, "symtab"),
    run("readelf", ["-sW", before]).stdout.replaceAll(/\[<localentry>: \d+\]/g, ""),
  );
  const names = [...new Set([...undefinedOf(before), ...undefinedOf(after)])].sort();
  writeFileSync(join(folder, "symvers"), names.map((n) => `0x00000000\t${n}\tvmlinux\tEXPORT_SYMBOL\t\n`).join(""));
  copyFileSync(before, join(folder, "before.o"));
  copyFileSync(after, join(folder, "after.o"));
  // struct exception_table_entry has no data on ppc64le.
  const own = arch === "ppc64le" ? { ...env, EX_STRUCT_SIZE: "8" } : env;
  const args = ["before.o", "after.o", "vmlinux", "symtab", "symvers", "patch", "out.o"];
  const done = run(program, args, { env: own, timeout: 60_000 });
  const said = `${done.stdout}\n${done.stderr}`.split("\n").map((l) => l.replaceAll(/^\S*before\.o: /g, "").trim());
  const of = (pattern) => said.flatMap((line) => pattern.exec(line)?.[1] ?? []).sort();
  const errors = said.flatMap(
    (line) => /^(?:program: )?ERROR: (?:\S+: \w+: \d+: |before\.o: )?(.*)/.exec(line)?.[1] ?? [],
  );
  const warnings = said.filter(
    (line) => line !== "" && !/^(?:changed|new) function: |^(?:program: )?ERROR: /.test(line),
  );
  const status = STATUS[done.status] ?? (done.signal === null ? `status ${done.status}` : `ended by ${done.signal}`);
  return {
    status,
    changed: of(/^changed function: (.+)$/),
    new: of(/^new function: (.+)$/),
    ...(errors.length === 0 ? {} : { errors }),
    ...(warnings.length === 0 ? {} : { said: warnings }),
  };
}

const results = {};
for (const file of readdirSync(pairs).sort()) {
  const match = /^(.+)\.(x86_64|arm64|ppc64le)\.orig\.o$/.exec(file);
  if (match === null) continue;
  const [, name, arch] = match;
  results[`${name}.${arch}`] = verdict(`${name}.${arch}`, arch);
}
rmSync(folder, { recursive: true });
const text = Object.entries(results).map(([name, found]) => `  ${JSON.stringify(name)}: ${JSON.stringify(found)}`);
writeFileSync(join(here, "kpatch.json"), `{\n${text.join(",\n")}\n}\n`);
