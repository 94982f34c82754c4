// Commands offered for copying, held against what a shell makes of them.

import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { shellFile, shellWord } from "../../src/base/shell.ts";
import { builtCommand } from "../built.ts";
import { klplink } from "../cli/run.ts";
import { root } from "../helpers.ts";

const ODD = [
  "a b",
  "it's",
  "$HOME",
  "*",
  "a;b",
  "`x`",
  "",
  "a\nb",
  "\x1b[31m'\\7",
  "\u202egpj.ko",
  "\u009b\t",
  "~/x",
  '"',
  "\\",
  "#x",
  "ä",
  "!x",
  "(err -2)",
];

test("bash gives back the very text", () => {
  const { stdout } = spawnSync("bash", ["-c", `printf '%s\\0' ${ODD.map(shellWord).join(" ")}`]);
  expect(stdout.toString().split("\0").slice(0, -1)).toEqual(ODD);
});

test("plain names stay as they are, and none is taken for an option", () => {
  for (const plain of ["mod.o", "./a/b-c_d.ko", "f=2", "vmlinux:f=1", "-"]) expect(shellFile(plain)).toBe(plain);
  expect(shellFile("-d.o")).toBe("./-d.o");
  expect(shellFile("-my mod.o")).toBe("'./-my mod.o'");
});

test("the commands that check offers fix the file, whatever its name", async () => {
  const folder = mkdtempSync(join(tmpdir(), "klplink-shell-"));
  try {
    const sample = join(root, "samples/ppc64le/meminfo");
    copyFileSync(join(sample, "System.map"), join(folder, "my map"));
    for (const name of ["my mod.o", "-d.o"]) {
      copyFileSync(join(sample, "meminfo.o"), join(folder, name));
      const { stderr } = await klplink(["check", "-k", "my map", "--", name], { cwd: folder });
      const offered = /; `klplink (.*)` fixes all/.exec(stderr)?.[1];
      expect(offered).toBe(`${shellFile(name)} -k 'my map'`);
      const command = `"$0" "$1" ${offered} -o out.o && "$0" "$1" check out.o -k 'my map'`;
      const done = spawnSync("sh", ["-c", command, process.execPath, builtCommand()], { cwd: folder });
      expect(done.status, done.stderr.toString()).toBe(0);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("every command shows the files that it was given as a shell takes them", async () => {
  const folder = mkdtempSync(join(tmpdir(), "klplink-shell-"));
  const [name, missing] = ["it's $x y.ko", "no 'such' (file).ko"];
  const map = "a map";
  try {
    copyFileSync(join(root, "test/fixtures/kernel/demo-mod.ko"), join(folder, name));
    writeFileSync(join(folder, map), "ffffffff81000000 T _text\n");
    const runs: readonly (readonly string[])[] = [
      ["check", name],
      ["check", name, "-k", map],
      ["check", name, "-k", missing],
      ["check", name, "-m", missing],
      ["check", name, "--reference", missing],
      ["check", "."],
      ["check", missing],
      ["link", name, "-o", `${name}.out`],
      ["link", name],
      ["link", name, "-o", name],
      ["link", name, "-o", `${missing}/out`],
      ["link", name, "--in-place"],
      ["image", name, "-o", "out file"],
      ["image", name, "-o", `${missing}/out`],
      ["image", name, "--raw", "raw folder"],
      ["image", name, "-o", "out", "--sections", missing],
      ["show", name],
      ["show", missing],
      ["sites", name],
      ["sites", missing],
      ["diff", name, name],
      ["diff", name, missing],
      ["verify", missing],
      ["explain", "-m", name, "x: Unknown symbol f (err -2)"],
      ["explain", "-m", missing, "x: Unknown symbol f (err -2)"],
      ["model", missing],
      ["glue", "glue folder"],
    ];
    const raw: string[] = [];
    let shown = 0;
    for (const args of runs) {
      const { stdout, stderr } = await klplink(args, { cwd: folder });
      const text = (stdout + stderr).replace(/\s+/g, " ");
      for (const given of [name, missing, "out file", "raw folder", "glue folder", `${missing}/out`]) {
        const quoted = [given, `${given}.out`, `./${given}`].map(shellWord);
        if (quoted.some((word) => text.includes(word))) shown++;
        const left = quoted.reduce((all, word) => all.replaceAll(word, "QUOTED"), text);
        if (left.includes(given))
          raw.push(`${args.join(" ")}: ${left.slice(Math.max(0, left.indexOf(given) - 60), left.indexOf(given) + 60)}`);
      }
    }
    expect(raw).toEqual([]);
    expect(shown).toBeGreaterThan(runs.length / 2);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
