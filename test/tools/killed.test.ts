// Runs that are killed at random moments, or that find the disk full: what was there is there, or what was to be, whole; and the next run
// leaves nothing of the killed one behind. KLPLINK_KILLS sets how many runs each way is given (the long form: 2000).

import { spawn, spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { builtCommand } from "../built.ts";
import { buildElf } from "../elf/build.ts";

const kills = Number(process.env.KLPLINK_KILLS ?? 3);
const folder = mkdtempSync(join(tmpdir(), "klplink-killed-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const IN = join(folder, "work/in.ko");
const RAW = join(folder, "work/raw");
const LARGE = join(folder, "large.ko");
const MAP = join(folder, "System.map");
const kernel = ["-k", MAP];

// A module with much data, so that writing it takes a while, and one symbol that a link resolves.
const MODINFO = "license=GPL\0livepatch=Y\0depends=\0vermagic=6.12.57 SMP preempt mod_unload \0name=in\0";
writeFileSync(
  MAP,
  "ffffffff81000000 T _text\nffffffff81000010 t callee\nffffffff81000020 T klp_enable_patch\nffffffff81000030 r __ksymtab_klp_enable_patch\n",
);
writeFileSync(
  LARGE,
  buildElf({
    machine: 62,
    sections: [
      { name: ".text", type: 1, flags: 6, align: 16, data: new Uint8Array(64) },
      {
        name: ".rela.text",
        type: 4,
        flags: 0x40,
        link: ".symtab",
        info: ".text",
        align: 8,
        entsize: 24,
        relocations: [{ offset: 8, symbol: 2, type: 1 }],
      },
      { name: ".data", type: 1, flags: 3, align: 16, data: new Uint8Array(16 << 20).fill(7) },
      { name: ".modinfo", type: 1, flags: 2, data: new Uint8Array(Buffer.from(MODINFO, "latin1")) },
      { name: ".gnu.linkonce.this_module", type: 1, flags: 3, align: 64, data: new Uint8Array(1344) },
    ],
    symbols: [
      { name: "f", type: 2, home: ".text", size: 64 },
      { name: "callee", bind: 1 },
    ],
  }),
);

/** Fresh surroundings: one input. */
function prepare(): void {
  rmSync(join(folder, "work"), { recursive: true, force: true });
  mkdirSync(join(folder, "work"));
  copyFileSync(LARGE, IN);
}

const run = (args: readonly string[]) => spawnSync(process.execPath, [builtCommand(), ...args], { cwd: folder });

/** Starts a run and ends it after some milliseconds; what it ended by. */
function killed(args: readonly string[], signal: NodeJS.Signals, after: number): Promise<string | number | null> {
  const child = spawn(process.execPath, [builtCommand(), ...args], { cwd: folder, stdio: "ignore" });
  const timer = setTimeout(() => child.kill(signal), after);
  return new Promise((resolve) =>
    child.on("exit", (status, by) => {
      clearTimeout(timer);
      resolve(by ?? status);
    }),
  );
}

/** Moments over the whole of a run, always the same. */
function moments(args: readonly string[]): number[] {
  prepare();
  const start = performance.now();
  run(args);
  const took = performance.now() - start;
  // The second half is where outputs are written.
  return Array.from({ length: kills }, (_, i) => took * (0.4 + (0.65 * i) / kills));
}

const left = (): string[] => readdirSync(join(folder, "work")).filter((name) => name.startsWith(".klplink-"));

const WAYS: Record<string, { readonly args: readonly string[]; readonly place: string }> = {
  "link --in-place": { args: ["link", IN, ...kernel, "--in-place", "--force"], place: IN },
  "link -o": { args: ["link", IN, ...kernel, "-o", `${IN}.out`], place: `${IN}.out` },
  image: { args: ["image", IN, ...kernel, "-o", `${IN}.elf`, "--force"], place: `${IN}.elf` },
  "image --raw": { args: ["image", IN, ...kernel, "--raw", RAW, "--force"], place: RAW },
};

/** What stands at a place, to be compared; null: nothing. */
function contentOf(place: string): string | null {
  const there = statSync(place, { throwIfNoEntry: false });
  if (there === undefined) return null;
  if (!there.isDirectory()) return readFileSync(place).toString("base64");
  return readdirSync(place)
    .sort()
    .map((name) => `${name}: ${readFileSync(join(place, name)).toString("base64")}`)
    .join("\n");
}

describe.each(Object.entries(WAYS))("%s", (_, { args, place }) => {
  test.each(["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"] as const)("ended by %s", async (signal) => {
    prepare();
    const before = contentOf(place);
    run(args);
    const after = contentOf(place);
    expect(after).not.toBe(before);
    const ends = new Map<string | number | null, number>();
    for (const moment of moments(args)) {
      prepare();
      const end = await killed(args, signal, moment);
      ends.set(end, (ends.get(end) ?? 0) + 1);
      const now = contentOf(place);
      expect([now === before || now === after, end, moment]).toEqual([true, end, moment]);
      if (signal !== "SIGKILL") expect(left()).toEqual([]);
      // The next run takes away what SIGKILL left.
      run(args);
      expect([left(), contentOf(place) === after]).toEqual([[], true]);
    }
    if (process.env.KLPLINK_KILLS !== undefined) console.log(args[0], args.at(-1), signal, [...ends]);
    expect(ends.get(signal)).toBeGreaterThan(0);
  });

  test.each([0, 1, 64, 1024])("a limit of %i KiB for files", (limit) => {
    prepare();
    const before = contentOf(place);
    const words = [process.execPath, builtCommand(), ...args].map((w) => `'${w}'`).join(" ");
    // The input is there already; what is written hits the limit.
    const { status, stderr } = spawnSync("bash", ["-c", `trap '' XFSZ; ulimit -f ${limit}; ${words}`], { cwd: folder });
    expect([status, stderr.toString()]).toEqual([3, expect.stringContaining("KLP105")]);
    expect([contentOf(place), left()]).toEqual([before, []]);
  });
});

// A file system of its own (tmpfs) in a mount namespace: that needs root, or namespaces of users.
test.each(Object.entries(WAYS))("%s: a disk that is really full, then one with room", (_, { args, place }) => {
  prepare();
  const before = contentOf(place);
  run(args);
  const after = contentOf(place);
  const words = [process.execPath, builtCommand(), ...args].map((w) => `'${w}'`).join(" ");
  const work = join(folder, "work");
  // The input has 16 MiB: a second one has no room.
  const script = `
    mount -t tmpfs -o size=24m none '${work}' && cp '${LARGE}' '${IN}' || exit 99
    ${words} >&2; echo "$?"; ls -A '${work}'; cmp '${LARGE}' '${IN}' && echo same
    mount -o remount,size=100m none '${work}'
    ${words} >/dev/null 2>&1; echo "$?"; ls -A '${work}'; cp -r '${place}' '${folder}/made'`;
  rmSync(join(folder, "made"), { recursive: true, force: true });
  const { stdout, stderr } = spawnSync(
    "unshare",
    [...(process.getuid?.() === 0 ? [] : ["-r"]), "-m", "bash", "-c", script],
    {
      cwd: folder,
    },
  );
  const beside = place === IN ? [] : [place.slice(work.length + 1)];
  const status = String(run(args).status);
  const lines = ["3", "in.ko", "same", status, "in.ko", ...beside];
  expect([stdout.toString().trim().split("\n"), stderr.toString()]).toEqual([
    lines,
    expect.stringMatching(/KLP105.*no space left/s),
  ]);
  expect([before === after, contentOf(join(folder, "made")) === after]).toEqual([false, true]);
});

test("standard output that is full is an error", () => {
  const words = [process.execPath, builtCommand()].map((w) => `'${w}'`).join(" ");
  for (const command of [
    `show '${IN}'`,
    `check '${IN}'`,
    `link '${IN}' -o -`,
    "explain KLP301",
    "model --list",
    "--help",
  ]) {
    prepare();
    const { status, stderr } = spawnSync("bash", ["-c", `${words} ${command} >/dev/full`], { cwd: folder });
    expect([command, status, stderr.toString()]).toEqual([command, 3, expect.stringContaining("no space left")]);
  }
});
