import { spawnSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { builtCommand } from "../built.ts";
import { root } from "../helpers.ts";
import { klplink } from "./run.ts";

const meminfo = "samples/ppc64le/meminfo/meminfo.o";
const map = "samples/ppc64le/meminfo/System.map";
const golden = readFileSync(join(root, "samples/ppc64le/meminfo/meminfo.klp.o"));
const ESCAPE = "\u001b[";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "klplink-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("link", () => {
  test("the default output stands beside the input", async () => {
    const input = join(folder, "mod.o");
    copyFileSync(join(root, meminfo), input);
    const run = await klplink([input, "-k", map]);
    expect(run).toMatchObject({ status: 0, stderr: "" });
    expect(readFileSync(join(folder, "mod.klp.o")).equals(golden)).toBe(true);
    expect(readFileSync(input).equals(readFileSync(join(root, meminfo)))).toBe(true);
  });

  test("a pipe in, a pipe out", async () => {
    const run = await klplink(["-", "-k", map], { input: readFileSync(join(root, meminfo)) });
    expect(run.status).toBe(0);
    expect(golden.equals(run.stdoutBytes)).toBe(true);
    expect(run.stderr).toBe("<stdin>: 1 livepatch symbol (3 relocations), 3 return islands, 36 bytes added\n");
  });

  test("the symbol list from a pipe", async () => {
    const run = await klplink([meminfo, "-k", "-", "-o", "-"], { input: readFileSync(join(root, map)) });
    expect(golden.equals(run.stdoutBytes)).toBe(true);
  });

  test("-q says nothing when all is well", async () => {
    expect(await klplink([meminfo, "-k", map, "-q", "-o", join(folder, "q.o")])).toMatchObject({
      stdout: "",
      stderr: "",
    });
  });

  test("nothing is written when an error is found", async () => {
    const output = join(folder, "none.o");
    const list = join(folder, "wrong.map");
    writeFileSync(
      list,
      readFileSync(join(root, map), "latin1").replaceAll("show_val_kb", "show_val_kb.isra.0"),
      "latin1",
    );
    const run = await klplink([meminfo, "-k", list, "-o", output]);
    expect(run.status).toBe(1);
    expect(run.stderr).toContain("error[KLP401]: show_val_kb is not in ");
    expect(run.stderr).toContain("did you mean `show_val_kb.isra.0`");
    expect(run.stdout).toBe(`${meminfo}: not linked, nothing written\n`);
    expect(existsSync(output)).toBe(false);
  });

  test("--toc-restore nop never rewrites a call; --force writes in spite of errors", async () => {
    const output = join(folder, "forced.o");
    const refused = await klplink([meminfo, "-k", map, "--toc-restore", "nop", "-o", output]);
    expect(refused.status).toBe(1);
    expect(existsSync(output)).toBe(false);
    const forced = await klplink([meminfo, "-k", map, "--toc-restore", "nop", "--force", "-o", output]);
    expect(forced.status).toBe(1);
    expect(forced.stdout).toContain("1 livepatch symbol (3 relocations)");
    const shown = JSON.parse((await klplink(["show", "--toc", "--format", "json", output])).stdout) as {
      calls: { verdict: string }[];
      strategies: { option: string | null; sites: number | null; bytes: number; applicable: string }[];
    };
    expect(shown.calls.filter((c) => c.verdict === "no-nop").length).toBe(3);
    const compared = shown.strategies.map(({ option, sites, bytes, applicable }) => [option, sites, bytes, applicable]);
    const place = "the livepatch stack's place is not known: give -k vmlinux or --livepatch-stack";
    expect(compared).toEqual([
      ["island", 3, 36, "yes"],
      ["nop", 0, 0, "no: 3 calls without a nop, 0 sibling calls"],
      ["epilogue", 3, 36, "no: no replacement function in the module's data"],
      ["mini-frame", 3, 36, "no: no replacement function in the module's data"],
      // One stub, for three calls to one function, and its slot.
      ["shadow-stack", 3, 116, `no: ${place}`],
    ]);
    const given = (await klplink(["show", "--toc", "--livepatch-stack", "2312,16", "--format", "json", output])).stdout;
    expect((JSON.parse(given) as typeof shown).strategies.at(-1)).toMatchObject({ bytes: 116, applicable: "yes" });
    for (const bad of ["12", "a,b", "1,2,3", ""]) {
      expect((await klplink(["show", "--toc", "--livepatch-stack", bad, output])).status).toBe(2);
    }
    // What is left to do can be done from there, without a symbol list.
    const fixed = await klplink([output, "-o", "-"]);
    expect(fixed.status).toBe(0);
    expect(fixed.stderr).toContain("3 return islands");
  });

  test("the output must not be the input, unless it is asked for", async () => {
    const input = join(folder, "self.o");
    copyFileSync(join(root, meminfo), input);
    const refused = await klplink([input, "-k", map, "-o", input]);
    expect(refused).toMatchObject({ status: 2, stdout: "" });
    expect(refused.stderr).toContain("is the input; say --in-place");
    expect(readFileSync(input).equals(readFileSync(join(root, meminfo)))).toBe(true);
    expect((await klplink([input, "-k", map, "--in-place"])).status).toBe(0);
    expect(readFileSync(input).equals(golden)).toBe(true);
  });

  test("nor another file that the run reads", async () => {
    const input = join(folder, "read.o");
    copyFileSync(join(root, meminfo), input);
    const list = join(folder, "read.map");
    copyFileSync(join(root, map), list);
    for (const args of [
      [input, "-k", list, "-o", list],
      ["image", input, "-k", list, "-o", list],
      ["image", input, "-k", list, "--map", list],
      [meminfo, "-k", list, "-m", `mod=${input}`, "-o", input],
      [meminfo, "-k", list, "--reference", input, "-o", input],
    ]) {
      const refused = await klplink(args);
      expect(refused).toMatchObject({ status: 2, stdout: "" });
      expect(refused.stderr).toContain("is one of the files that are read");
    }
    expect(readFileSync(list).equals(readFileSync(join(root, map)))).toBe(true);
    expect(readFileSync(input).equals(readFileSync(join(root, meminfo)))).toBe(true);
  });

  test("an unwritable output leaves nothing behind", async () => {
    const run = await klplink([meminfo, "-k", map, "-o", join(folder, "no", "such", "out.o")]);
    expect(run.status).toBe(3);
    expect(run.stderr).toContain("error[KLP105]: cannot be written: no such folder");
    expect(readdirSync(folder).filter((f) => f.includes("tmp"))).toEqual([]);
  });
});

describe("check", () => {
  test("JSON on standard output: the loader's first refusal, and each call's word", async () => {
    const run = await klplink(["check", meminfo, "-k", map, "--format", "json"]);
    expect(run).toMatchObject({ status: 1, stderr: "" });
    const report = JSON.parse(run.stdout) as {
      schema: string;
      errors: number;
      files: {
        problems: { code: string; kernel: string; first: boolean; function: string; functionOffset: number }[];
      }[];
    };
    expect(report.schema).toBe("klplink-diagnostics/1");
    expect(report.errors).toBe(4);
    const problems = report.files[0]?.problems ?? [];
    expect(problems.map((p) => [p.code, p.first])).toEqual([
      ["KLP410", true],
      ["KLP301", false],
      ["KLP301", false],
      ["KLP301", false],
    ]);
    // Words behind the three calls, by `objdump -d` of the object: addis r4,r2; ld r5,0(r30); addi r1,r1,128.
    expect(problems.slice(1).map((p) => /got ([0-9a-f]{8})/.exec(p.kernel)?.[1])).toEqual([
      "3c820000",
      "e8be0000",
      "38210080",
    ]);
  });

  test("a folder that cannot be read is named, and the rest is checked", async () => {
    // Deeper than a path may be long, which nobody can open by its name.
    const deep = mkdtempSync(join(folder, "deep-"));
    copyFileSync(join(root, meminfo), join(deep, "z.o"));
    const name = "d".repeat(250);
    const make = `for (let i = 0; i < 18; i++) { fs.mkdirSync("${name}"); process.chdir("${name}"); }`;
    expect(spawnSync(process.execPath, ["-e", make], { cwd: deep }).status).toBe(0);
    const run = await klplink(["check", deep]);
    spawnSync("rm", ["-rf", deep]);
    expect(run.status).toBe(3);
    expect(run.stderr).toContain("KLP104");
    expect(run.stdout).toContain("z.o: 3 errors");
  });

  test("a folder is searched; the worst status wins", async () => {
    const run = await klplink(["check", "samples/ppc64le", "-q"]);
    expect(run.status).toBe(1);
    expect((await klplink(["check", "samples/ppc64le/clean", "README.md"])).status).toBe(3);
  });

  test("links below a folder are followed to files; one that leads nowhere is told", async () => {
    const below = mkdtempSync(join(folder, "links-"));
    symlinkSync(join(root, "samples/ppc64le/clean/clean.o"), join(below, "good.ko"));
    expect(await klplink(["check", below])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("good.ko: no error"),
    });
    symlinkSync("nowhere.ko", join(below, "dangling.ko"));
    const run = await klplink(["check", below]);
    expect(run.status).toBe(3);
    expect(run.stderr).toContain("error[KLP104]: cannot be read: no such file");
  });

  test("a folder without modules is wrong usage", async () => {
    expect(await klplink(["check", "docs"])).toMatchObject({ status: 2 });
  });

  test("old kernels have another wording", async () => {
    const run = await klplink(["check", meminfo, "--kernel-version", "4.14"]);
    expect(run.stderr).toContain("kernel: module_64: meminfo: Expect noop after relocate, got 3c820000");
  });
});

describe("show", () => {
  test("local entries, livepatch fields and call verdicts", async () => {
    const { stdout, status } = await klplink(["show", "samples/ppc64le/meminfo/meminfo.klp.o"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/FUNC +GLOBAL +DEFAULT +\+8 +\d+ \.text\.meminfo_proc_show +meminfo_proc_show/);
    expect(stdout).toMatch(/KLP +\.klp\.sym\.vmlinux\.show_val_kb,0 +vmlinux +0/);
    expect(stdout).toMatch(/0xe0 +meminfo_proc_show\+0xd8 +\.klp\.sym\.vmlinux\.show_val_kb,0 +nop/);
  });

  test("a big-endian object is listed", async () => {
    const run = await klplink(["show", "test/fixtures/elf/bigendian.o"]);
    expect(run.status).toBe(0);
    expect(run.stdout).toContain("ppc64, big-endian");
  });
});

describe("usage", () => {
  test("no arguments: the help, on standard error", async () => {
    const run = await klplink([]);
    expect(run).toMatchObject({ status: 2, stdout: "" });
    expect(run.stderr).toContain("Usage: klplink <module>");
  });
  test("--help and --version are results", async () => {
    expect(await klplink(["--help"])).toMatchObject({ status: 0, stderr: "" });
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    expect((await klplink(["--version"])).stdout).toBe(`${version}\n`);
    for (const command of ["link", "check", "show"]) {
      const run = await klplink([command, "--help"]);
      expect(run.status).toBe(0);
      expect(run.stdout).toContain("Examples:");
    }
  });
  for (const args of [
    ["--no-such-option", meminfo],
    [meminfo, "--toc-restore", "magic"],
    [meminfo, "--format", "xml"],
    [meminfo, "--kernel-version", "new"],
    [meminfo, "-k", map, "--sympos", "show_val_kb"],
    [meminfo, "--sympos", "show_val_kb=1"],
    [meminfo, "-k", map, "-k", map],
    [meminfo, "--in-place", "-o", "x.o"],
    ["check"],
  ]) {
    test(`klplink ${args.join(" ")}`, async () => {
      const run = await klplink(args);
      expect(run).toMatchObject({ status: 2, stdout: "" });
      expect(run.stderr).not.toBe("");
    });
  }
  test("a mistyped command is recognised", async () => {
    expect((await klplink(["chekc", meminfo])).stderr).toContain(`did you mean \`klplink check ${meminfo}\`?`);
  });
});

describe("files that cannot be used", () => {
  for (const [args, code] of [
    [["no-such-file.o"], "KLP104"],
    [["samples"], "KLP104"],
    [[map], "KLP101"],
    [["README.md"], "KLP101"],
    [["test/fixtures/elf/bigendian.o"], "KLP106"],
    [[meminfo, "-k", meminfo], "KLP109"],
    [[meminfo, "-k", "no-such-map"], "KLP104"],
  ] as const) {
    test(`klplink ${args.join(" ")}`, async () => {
      const run = await klplink([...args, "-o", join(folder, "never.o")]);
      expect(run).toMatchObject({ status: 3, stdout: "" });
      expect(run.stderr).toMatch(new RegExp(`^error\\[${code}\\]: `));
      expect(existsSync(join(folder, "never.o"))).toBe(false);
    });
  }
});

describe("colour", () => {
  const coloured = async (args: readonly string[], env: NodeJS.ProcessEnv): Promise<boolean> =>
    (await klplink(["check", meminfo, ...args], { env })).stderr.includes(ESCAPE);
  test("none in a pipe; --color, NO_COLOR and FORCE_COLOR are obeyed", async () => {
    expect(await coloured([], {})).toBe(false);
    expect(await coloured(["--color", "always"], {})).toBe(true);
    expect(await coloured([], { FORCE_COLOR: "1" })).toBe(true);
    expect(await coloured([], { FORCE_COLOR: "1", NO_COLOR: "1" })).toBe(false);
    expect(await coloured(["--color", "always"], { NO_COLOR: "1" })).toBe(true);
    expect(await coloured(["--color", "never"], { FORCE_COLOR: "1" })).toBe(false);
  });
});

describe("files of another architecture", () => {
  const x86 = "samples/x86_64/convert";
  const wrong: readonly (readonly string[])[] = [
    ["check", meminfo, "-k", `${x86}/System.map`],
    ["check", meminfo, "-k", "test/fixtures/kernel/vmlinux-x86_64"],
    ["check", meminfo, "-m", "test/fixtures/kernel/demo-mod.ko"],
    ["check", meminfo, "--reference", "test/fixtures/kernel/demo-mod.ko"],
    [meminfo, "-k", "samples/arm64/convert/System.map", "-o", "-"],
    ["image", meminfo, "-k", `${x86}/System.map`, "-o", "-"],
    ["sites", meminfo, "-k", "test/fixtures/kernel/vmlinux-x86_64"],
  ];

  test.each(wrong)("klplink %s %s %s %s", async (...args) => {
    const run = await klplink(args);
    expect(run.status).toBe(3);
    expect(run.stderr.replaceAll(/\s+/g, " ")).toMatch(
      /error\[KLP111\]: the module is for ppc64le, and \S+ for (?:x86_64|arm64)/,
    );
    expect(run.stdout).not.toContain("\x7fELF");
  });
});

describe("standard output takes nothing", () => {
  const commands: readonly (readonly string[])[] = [
    [meminfo, "-k", map, "-o", "-"],
    ["show", meminfo],
    ["check", meminfo, "--format", "json"],
    ["explain", "KLP301"],
    ["--help"],
  ];

  test.runIf(existsSync("/dev/full")).each(commands)("klplink %s", (...args) => {
    const full = openSync("/dev/full", "w");
    try {
      const run = spawnSync(process.execPath, [builtCommand(), ...args], {
        cwd: root,
        encoding: "utf8",
        stdio: ["ignore", full, "pipe"],
      });
      expect(run.status).toBe(3);
      expect(run.stderr).toContain("cannot be written: no space left");
      expect(run.stderr).not.toContain("    at ");
    } finally {
      closeSync(full);
    }
  });
});
