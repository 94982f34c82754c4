// How the time of each command grows with what it is given: node bench/linear.mjs [WORD]...
//
// Each row is run at n, 2n and 4n of one thing. Printed are the seconds of processor time beyond those of `klplink --version` (least
// of three runs) and how many times as long each size takes as the one before: 2.0 is linear, and 2.4 is a slope of 1.2. With words,
// only the rows that have one of them in their names. Needs `npm run build`, gcc, binutils and GNU time.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { linkedPair } from "./linkedObject.mjs";
import * as make from "./objects.mjs";
import { inTurn } from "./process.mjs";
import { objectOfUnits } from "./units.mjs";

const words = process.argv.slice(2);
const klplink = fileURLToPath(new URL("../bin/klplink.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "klplink-linear-"));

const seconds = (args, input) => inTurn([{ command: [process.execPath, klplink, ...args], input }], 3)[0].cpu;

const objects = {
  relocations: [50_000, make.manyRelocations],
  "relocations of one place": [20_000, (n) => make.manyRelocations(n, true)],
  sections: [2_000, make.manySections],
  symbols: [50_000, make.manySymbols],
  "symbols of one name": [50_000, (n) => make.manySymbols(n, true)],
};
const commands = {
  check: (file) => ["check", file],
  show: (file) => ["show", file],
  image: (file) => ["image", file, "--force", "-o", join(folder, "out")],
  link: (file) => ["link", file, "--force", "-o", join(folder, "out")],
};
const dmesg = (n) =>
  "[    1.000000] usb 1-1: new device\n[    1.000001] mod: Unknown symbol a (err -2)\n".repeat(n / 2);
const listing = (n) => {
  const lines = ["ffffffff81000000 T printk", "ffffffff81000000 r __ksymtab_printk"];
  for (let i = 0; i < n; i++) lines.push(`ffffffffc0000000 t common\t[mod${i}]`);
  return `${lines.join("\n")}\n`;
};

const symbols = (n) => {
  const lines = ["ffffffff81000000 T printk", "ffffffff81000000 r __ksymtab_printk"];
  for (let i = 0; i < n; i++) lines.push(`${(0xffffffff82000000n + BigInt(i * 16)).toString(16)} t function_${i}`);
  return `${lines.join("\n")}\n`;
};

/** Writes what is to be verified: a module's copy as scripts/klplink-capture.sh makes it, with memory that is the file's. */
function loaded(name, count) {
  const root = mkdtempSync(join(folder, "loaded-"));
  for (const part of ["sections", "memory"]) mkdirSync(join(root, part));
  writeFileSync(join(root, "sections", ".data.table"), "0xffffffffc0100000\n");
  const table = new BigUint64Array(count).fill(0xffffffffc0100000n);
  writeFileSync(join(root, "memory", "ffffffffc0100000"), new Uint8Array(table.buffer));
  writeFileSync(
    join(root, "kallsyms"),
    `ffffffff81000000 T _stext\nffffffff82000000 D jiffies\nffffffffc0100000 d table\t[${name}]\n`,
  );
  return root;
}

function row(name, count, prepare) {
  if (words.length > 0 && !words.some((word) => name.includes(word))) return;
  const nothing = seconds(["--version"]);
  const times = [1, 2, 4].map((times) => {
    const { args, input } = prepare(count * times);
    return Math.max(seconds(args, input) - nothing, 0.01);
  });
  const growth = times.slice(1).map((t, i) => (t / times[i]).toFixed(1));
  console.log(
    `${name.padEnd(44)} ${String(count).padStart(7)}  ${times.map((t) => t.toFixed(3)).join("  ")}  × ${growth.join(", ")}`,
  );
}

try {
  console.log(`${"what, and how many".padEnd(52)}  seconds at n, 2n, 4n    growth`);
  for (const [thing, [count, of]] of Object.entries(objects)) {
    for (const [command, argsOf] of Object.entries(commands)) {
      row(`${command}, ${thing}`, count, (n) => {
        const file = join(folder, "in.o");
        writeFileSync(file, of(n));
        return { args: argsOf(file) };
      });
    }
  }
  row("check, modules", 200, (n) => {
    const modules = mkdtempSync(join(folder, "modules-"));
    const module = make.manyRelocations(10);
    for (let i = 0; i < n; i++) writeFileSync(join(modules, `m${i}.o`), module);
    return { args: ["check", modules] };
  });
  row("explain, lines of dmesg", 200_000, (n) => {
    writeFileSync(join(folder, "dmesg"), dmesg(n));
    return { args: ["explain"], input: join(folder, "dmesg") };
  });
  row("explain --module, different lines of dmesg", 2_000, (n) => {
    writeFileSync(join(folder, "in.o"), make.plain(n));
    const lines = Array.from(
      { length: n },
      (_, i) => `[    1.000001] in: Unknown symbol ${make.symbolName(i)} (err -2)\n`,
    );
    writeFileSync(join(folder, "dmesg"), lines.join(""));
    return { args: ["explain", "--module", join(folder, "in.o")], input: join(folder, "dmesg") };
  });
  row("sites, functions", 20_000, (n) => {
    writeFileSync(join(folder, "in.o"), make.manySites(n));
    return { args: ["sites", join(folder, "in.o")] };
  });
  row("check, functions with patch sites", 20_000, (n) => {
    writeFileSync(join(folder, "in.o"), make.manySites(n));
    return { args: ["check", join(folder, "in.o")] };
  });
  row("verify, relocations", 50_000, (n) => {
    writeFileSync(join(folder, "in.ko"), make.manyRelocations(n));
    return { args: ["verify", join(folder, "in.ko"), "--root", loaded("in", n)] };
  });
  row("diff, compiled files of a linked object", 8, (n) => {
    const [orig, patched] = linkedPair(mkdtempSync(join(folder, "pair-")), n);
    return { args: ["diff", orig, patched] };
  });
  for (const command of ["check", "show"]) {
    row(`${command}, units of debug information`, 100, (n) => {
      objectOfUnits(folder, n, join(folder, "in.o"));
      return { args: [command, join(folder, "in.o")] };
    });
  }
  row("check -k, lines of kallsyms", 100_000, (n) => {
    writeFileSync(join(folder, "kallsyms"), symbols(n));
    writeFileSync(join(folder, "in.o"), make.plain(100));
    return { args: ["check", join(folder, "in.o"), "-k", join(folder, "kallsyms")] };
  });
  row("show -k, lines of kallsyms", 100_000, (n) => {
    writeFileSync(join(folder, "kallsyms"), symbols(n));
    return { args: ["show", "-k", join(folder, "kallsyms")] };
  });
  for (const [name, of] of Object.entries({ plain: make.plain, kpatch: make.kpatch, objtool: make.objtool })) {
    row(`link -k, livepatch relocations (${name})`, 10_000, (n) => {
      writeFileSync(join(folder, "map"), make.kernelMap(n));
      writeFileSync(join(folder, "in.o"), of(n));
      return { args: ["link", join(folder, "in.o"), "-k", join(folder, "map"), "-q", "-o", join(folder, "out")] };
    });
  }
  row("check -k, modules with a symbol of one name", 20_000, (n) => {
    writeFileSync(join(folder, "kallsyms"), listing(n));
    writeFileSync(join(folder, "in.o"), make.plain(100));
    return { args: ["check", join(folder, "in.o"), "-k", join(folder, "kallsyms")] };
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
