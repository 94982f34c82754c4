import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { behind, isSameFile, OutputError, replaceWhole, writeWhole } from "../../src/elf/output.ts";
import { readRegular } from "../../src/elf/regularFile.ts";
import { temporaryPath } from "../../src/elf/temporary.ts";
import { builtCommand } from "../built.ts";
import { type Run, klplink as run } from "../cli/run.ts";

// The output file: whole or not at all, and never over the input. Failures are those of a real file system; where root
// may do what others may not, a full device (/dev/full) and a limit on file size stand in.

const root = fileURLToPath(new URL("../../", import.meta.url));
const sample = `${root}samples/ppc64le/meminfo/`;
const top = mkdtempSync(join(tmpdir(), "klplink-output-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));

let folder = top;
let count = 0;
beforeEach(() => {
  folder = join(top, String(count++));
  mkdirSync(folder);
});
const at = (name: string): string => join(folder, name);
const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => i & 0xff);

/** Root may write everywhere; what others may not is seen as another user. */
function asOrdinaryUser(action: () => void): void {
  const isRoot = process.getuid?.() === 0;
  chmodSync(top, 0o755);
  if (isRoot) process.seteuid?.(65_534);
  try {
    action();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

describe("writeWhole", () => {
  test("a new file, with the mode that is asked for whatever the umask says", () => {
    const before = process.umask(0o077);
    try {
      for (const mode of [0o644, 0o600, 0o755, 0o444, 0o666]) {
        writeWhole(at(mode.toString(8)), bytes, mode);
        expect((statSync(at(mode.toString(8))).mode & 0o7777).toString(8)).toBe(mode.toString(8));
      }
    } finally {
      process.umask(before);
    }
    expect(readFileSync(at("644")).equals(bytes)).toBe(true);
    expect(readdirSync(folder)).toHaveLength(5);
  });

  test("set-user-id and the like are not carried over", () => {
    writeWhole(at("out"), bytes, 0o6755);
    expect(statSync(at("out")).mode & 0o7777).toBe(0o755);
  });

  test("an existing file is replaced, not written into: who has it open keeps the old one", () => {
    writeFileSync(at("out"), "old");
    linkSync(at("out"), at("other name"));
    writeWhole(at("out"), bytes, 0o644);
    expect(readFileSync(at("out")).equals(bytes)).toBe(true);
    expect(readFileSync(at("other name"), "utf8")).toBe("old");
  });

  test("in pieces, some of them empty", () => {
    const pieces = [new Uint8Array(0), bytes.subarray(0, 3), new Uint8Array(0), bytes.subarray(3)];
    writeWhole(at("out"), pieces, 0o644);
    expect(readFileSync(at("out")).equals(bytes)).toBe(true);
    for (let n = 0; n <= bytes.length; n++) {
      const left = behind(pieces, n);
      expect(Buffer.concat(left).equals(bytes.subarray(n))).toBe(true);
      expect(left.every((piece) => piece.length > 0)).toBe(true);
    }
  });

  test("an empty output", () => {
    writeWhole(at("out"), new Uint8Array(0), 0o644);
    expect(statSync(at("out")).size).toBe(0);
  });

  test("through a symbolic link: the link stays, its target is replaced", () => {
    mkdirSync(at("elsewhere"));
    writeFileSync(at("elsewhere/real"), "old");
    symlinkSync("elsewhere/real", at("link"));
    writeWhole(at("link"), bytes, 0o640);
    expect(readlinkSync(at("link"))).toBe("elsewhere/real");
    expect(readFileSync(at("elsewhere/real")).equals(bytes)).toBe(true);
    expect(readdirSync(at("elsewhere"))).toEqual(["real"]);
    expect(readdirSync(folder).sort()).toEqual(["elsewhere", "link"]);
  });

  test("a symbolic link to a file that is not there yet: it is made there", () => {
    mkdirSync(at("elsewhere"));
    symlinkSync("elsewhere/new", at("link"));
    writeWhole(at("link"), bytes, 0o644);
    expect(lstatSync(at("link")).isSymbolicLink()).toBe(true);
    expect(readFileSync(at("elsewhere/new")).equals(bytes)).toBe(true);
  });

  test("symbolic links in a circle", () => {
    symlinkSync("b", at("a"));
    symlinkSync("a", at("b"));
    expect(() => writeWhole(at("a"), bytes, 0o644)).toThrow(OutputError);
    expect(readdirSync(folder).sort()).toEqual(["a", "b"]);
  });

  test("a name as long as the file system takes", () => {
    const name = `${"n".repeat(252)}.ko`;
    writeWhole(at(name), bytes, 0o644);
    expect(readFileSync(at(name)).equals(bytes)).toBe(true);
  });

  test("what a killed run left behind does not stand in the way", () => {
    // A process that is no more, one that is, and one of another machine that sees the folder, whose numbers mean nothing here.
    const { pid } = spawnSync("true");
    const [, , here] = /^(\.klplink-)(.*)-\d+-\d+\.tmp$/.exec(basename(temporaryPath(folder))) ?? [];
    const names = [`${here}-${pid}-0`, `${here}-${process.ppid}-0`, `00000000-1-${pid}-0`].map(
      (n) => `.klplink-${n}.tmp`,
    );
    for (const name of names) writeFileSync(at(name), "left behind");
    writeWhole(at("out"), bytes, 0o644);
    expect(readFileSync(at("out")).equals(bytes)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual([...names.slice(1), "out"].sort());
  });

  test.each<readonly [string, () => string, RegExp]>([
    ["a folder", () => folder, /it is a folder/],
    ["in a folder that is not there", () => at("missing/out"), /no such folder/],
    [
      "below a file",
      () => {
        writeFileSync(at("file"), "");
        return at("file/out");
      },
      /a part of the path is not a folder/,
    ],
    ["a name that is too long", () => at("n".repeat(300)), /too long/],
    ["a device that is full", () => "/dev/full", /no space left/],
  ])("%s: refused, with the reason, and nothing is left", (_, path, why) => {
    const target = path();
    const before = readdirSync(folder);
    expect(() => writeWhole(target, bytes, 0o644)).toThrow(
      expect.objectContaining({ name: "OutputError", path: target }),
    );
    expect(() => writeWhole(target, bytes, 0o644)).toThrow(why);
    expect(readdirSync(folder)).toEqual(before);
  });

  test("an unwritable folder", () => {
    writeFileSync(at("out"), "old");
    chmodSync(folder, 0o555);
    asOrdinaryUser(() => {
      expect(() => writeWhole(at("out"), bytes, 0o644)).toThrow(/permission denied/);
      expect(() => writeWhole(at("new"), bytes, 0o644)).toThrow(/permission denied/);
    });
    chmodSync(folder, 0o755);
    expect(readFileSync(at("out"), "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["out"]);
  });

  test("in place of a file: owner, mode and special bits stay, other names are told", () => {
    writeFileSync(at("in"), "old");
    linkSync(at("in"), at("other"));
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(at("in"), 1234, 5678);
    chmodSync(at("in"), 0o2751);
    const { uid, gid } = statSync(at("in"));
    const { state } = readRegular(at("in"));
    expect(replaceWhole(at("in"), bytes, state).otherNames).toBe(1);
    const now = statSync(at("in"));
    expect([now.uid, now.gid, now.mode & 0o7777]).toEqual([uid, gid, 0o2751]);
    expect(readFileSync(at("in")).equals(bytes)).toBe(true);
    expect(readFileSync(at("other"), "utf8")).toBe("old");
    expect(readdirSync(folder).sort()).toEqual(["in", "other"]);
  });

  test("in place of another user's file: the owner is said to be lost", () => {
    if (process.getuid?.() !== 0) return expect(process.getuid?.()).toBeGreaterThan(0);
    writeFileSync(at("in"), "old");
    chmodSync(folder, 0o777);
    const { state } = readRegular(at("in"));
    asOrdinaryUser(() =>
      expect(replaceWhole(at("in"), bytes, state).lost).toEqual(expect.arrayContaining(["its owner"])),
    );
  });

  test("in place of a file that changed after it was read: refused, and nothing is left", () => {
    writeFileSync(at("in"), "old");
    const { state } = readRegular(at("in"));
    writeFileSync(at("in"), "newer");
    expect(() => replaceWhole(at("in"), bytes, state)).toThrow(/changed after it was read/);
    expect(readFileSync(at("in"), "utf8")).toBe("newer");
    expect(readdirSync(folder)).toEqual(["in"]);
  });

  test("isSameFile", () => {
    writeFileSync(at("a"), "1");
    writeFileSync(at("b"), "1");
    linkSync(at("a"), at("hard"));
    symlinkSync("a", at("soft"));
    expect(isSameFile(at("a"), at("hard"))).toBe(true);
    expect(isSameFile(at("a"), at("soft"))).toBe(true);
    expect(isSameFile(at("a"), join(folder, ".", "a"))).toBe(true);
    expect(isSameFile(at("a"), at("b"))).toBe(false);
    expect(isSameFile(at("a"), at("none"))).toBe(false);
  });
});

describe("command line", () => {
  const klplink = (args: readonly string[]): Promise<Run> => run(args, { cwd: folder });
  /** A shell's command in which KLPLINK stands for klplink, as built, with its arguments. */
  const inShell = (args: readonly string[], shell: string): { status: number; stdout: Buffer; stderr: string } => {
    const command = [process.execPath, builtCommand(), ...args];
    const quoted = command.map((word) => `'${word}'`).join(" ");
    const { status, stdout, stderr } = spawnSync("sh", ["-c", shell.replace("KLPLINK", quoted)], {
      cwd: folder,
      env: { ...process.env, NO_COLOR: "1" },
    });
    return { status: status ?? -1, stdout, stderr: String(stderr) };
  };
  const original = readFileSync(`${sample}meminfo.o`);
  const kernel = ["-k", `${sample}System.map`];
  let expected: Buffer;
  beforeEach(async () => {
    writeFileSync(at("in.ko"), original, { mode: 0o640 });
    expected = Buffer.from((await klplink(["in.ko", ...kernel, "-o", "-"])).stdoutBytes);
    expect(expected.length).toBeGreaterThan(original.length);
  });
  const untouched = (): void => {
    expect(readFileSync(at("in.ko")).equals(original)).toBe(true);
    expect(statSync(at("in.ko")).mode & 0o777).toBe(0o640);
  };

  test("the default output has the mode of the input; the input is untouched", async () => {
    chmodSync(at("in.ko"), 0o640);
    expect((await klplink(["in.ko", ...kernel])).status).toBe(0);
    expect(readFileSync(at("in.klp.ko")).equals(expected)).toBe(true);
    expect(statSync(at("in.klp.ko")).mode & 0o777).toBe(0o640);
    expect(readdirSync(folder).sort()).toEqual(["in.klp.ko", "in.ko"]);
    untouched();
  });

  test.each(["the same path", "a symbolic link", "a hard link", "a link to the folder"])(
    "-o names the input through %s: refused",
    async (how) => {
      if (how === "a symbolic link") symlinkSync("in.ko", at("out.ko"));
      if (how === "a hard link") linkSync(at("in.ko"), at("out.ko"));
      if (how === "a link to the folder") symlinkSync(".", at("here"));
      const path = how === "the same path" ? "./in.ko" : how === "a link to the folder" ? "here/in.ko" : "out.ko";
      const before = readdirSync(folder);
      const { status, stderr } = await klplink(["in.ko", ...kernel, "-o", path]);
      expect(status).toBe(2);
      expect(stderr).toContain("--in-place");
      expect(readdirSync(folder)).toEqual(before);
      untouched();
    },
  );

  test("the default output is a link to the input: refused", async () => {
    symlinkSync("in.ko", at("in.klp.ko"));
    expect((await klplink(["in.ko", ...kernel])).status).toBe(2);
    untouched();
  });

  test("--in-place overwrites the input and keeps its mode", async () => {
    expect((await klplink(["in.ko", ...kernel, "--in-place"])).status).toBe(0);
    expect(readFileSync(at("in.ko")).equals(expected)).toBe(true);
    expect(statSync(at("in.ko")).mode & 0o777).toBe(0o640);
    expect(readdirSync(folder)).toEqual(["in.ko"]);
  });

  test("--in-place of a read-only file: refused, unless it is forced", async () => {
    chmodSync(at("in.ko"), 0o440);
    const refused = await klplink(["in.ko", ...kernel, "--in-place"]);
    expect([refused.status, refused.stderr]).toEqual([3, expect.stringContaining("it is read-only")]);
    expect(refused.stderr).toContain("chmod u+w in.ko");
    expect(readFileSync(at("in.ko")).equals(original)).toBe(true);
    expect((await klplink(["in.ko", ...kernel, "--in-place", "--force"])).status).toBe(0);
    expect(readFileSync(at("in.ko")).equals(expected)).toBe(true);
    expect(statSync(at("in.ko")).mode & 0o777).toBe(0o440);
  });

  test("--in-place says that other names keep the old content", async () => {
    linkSync(at("in.ko"), at("second.ko"));
    const { stdout } = await klplink(["in.ko", ...kernel, "--in-place"]);
    expect(stdout).toContain("note: in.ko has another name (hard link), which keeps the old content");
    expect(readFileSync(at("second.ko")).equals(original)).toBe(true);
  });

  test("a reader that goes away: the status says it, and nothing else does", () => {
    // 2,000 lines, of which one is read; a pipe takes 64 KiB.
    const { status, stdout, stderr } = inShell(["show", `${root}test/fixtures/kernel/vmlinux-x86_64`], "KLPLINK; true");
    expect([status, stdout.length, stderr]).toEqual([0, 0, expect.stringContaining("KLP101")]);
    const long = inShell(["show", "in.ko"], "{ KLPLINK; echo $? >status; } | true; cat status");
    expect([String(long.stdout).trim(), long.stderr]).toEqual(["3", ""]);
    expect(inShell(["show", "in.ko"], "KLPLINK | head -1").stderr).toBe("");
  });

  test("--in-place through a symbolic link keeps the link", async () => {
    symlinkSync("in.ko", at("link.ko"));
    expect((await klplink(["link.ko", ...kernel, "--in-place"])).status).toBe(0);
    expect(readlinkSync(at("link.ko"))).toBe("in.ko");
    expect(readFileSync(at("in.ko")).equals(expected)).toBe(true);
  });

  test("to standard output, /dev/stdout, a pipe by name; from standard input", () => {
    expect(inShell(["in.ko", ...kernel, "-o", "/dev/stdout", "-q"], "KLPLINK | cat").stdout.equals(expected)).toBe(
      true,
    );
    const fifo = "mkfifo pipe; (cat pipe > got) & KLPLINK; wait";
    expect(inShell(["in.ko", ...kernel, "-o", "pipe"], fifo).status).toBe(0);
    expect(readFileSync(at("got")).equals(expected)).toBe(true);
    expect(lstatSync(at("pipe")).isFIFO()).toBe(true);
    expect(inShell(["-", ...kernel], "KLPLINK < in.ko").stdout.equals(expected)).toBe(true);
    untouched();
  });

  test("a limit on file size stops it half-way: exit status 3, the old output is unchanged, nothing else is left", () => {
    writeFileSync(at("out.ko"), "old");
    const { status, stderr } = inShell(["in.ko", ...kernel, "-o", "out.ko"], "trap '' XFSZ; ulimit -f 2; KLPLINK");
    expect(stderr).toContain("error[KLP105]");
    expect(status).toBe(3);
    expect(readFileSync(at("out.ko"), "utf8")).toBe("old");
    expect(readdirSync(folder).sort()).toEqual(["in.ko", "out.ko"]);
    untouched();
  });

  test("an output that cannot be written: exit status 3, and why", async () => {
    for (const [path, why] of [
      ["missing/out.ko", "no such folder"],
      [".", "it is a folder"],
      ["in.ko/out.ko", "a part of the path is not a folder"],
      ["/dev/full", "no space left"],
    ] as const) {
      const { status, stderr } = await klplink(["in.ko", ...kernel, "-o", path]);
      expect({ path, status }).toEqual({ path, status: 3 });
      expect(stderr).toContain(`error[KLP105]: cannot be written: ${why}`);
    }
    expect(readdirSync(folder)).toEqual(["in.ko"]);
    untouched();
  });

  test("an error in the module: nothing is written, an older output stays", async () => {
    writeFileSync(at("in.klp.ko"), "old");
    writeFileSync(at("System.map"), "0000000000000001 T other\n0000000000000002 r __ksymtab_other\n");
    expect((await klplink(["in.ko", "-k", "System.map"])).status).toBe(1);
    expect(readFileSync(at("in.klp.ko"), "utf8")).toBe("old");
    untouched();
  });

  test("check and show write nothing", async () => {
    await klplink(["check", "in.ko", ...kernel]);
    await klplink(["check", "--format", "json", "."]);
    expect((await klplink(["show", "in.ko"])).status).toBe(0);
    expect(readdirSync(folder)).toEqual(["in.ko"]);
    expect(existsSync(at("in.klp.ko"))).toBe(false);
    untouched();
  });
});
