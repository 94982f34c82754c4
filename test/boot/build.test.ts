// From a patch to a kernel that runs it: `klplink build` on real sources, for the kernels that were built of them, booted.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { boot, type Machine, VIRT } from "./boot.ts";
import { labOf } from "./lab.ts";
import { mustRun, type Ran, repo, run } from "./run.ts";
import { type Answers, complaints, klplink, type Planned } from "./scenario.ts";

const lab = labOf(import.meta.url);
/** Milliseconds; a limit against hanging. */
const LONG = 1_800_000;

interface Target {
  readonly name: string;
  readonly compiler: string;
  /** What is booted, and the arguments that say which kernel it is. */
  readonly kernel: () => { readonly image: string; readonly about: readonly string[] };
  readonly machine?: Machine;
  /** Whether all tests run with it; else the first one. */
  readonly everything: boolean;
}

type Edit = readonly [path: string, from: string, to: string];

const builtHere = (script: string, image: string) => (): ReturnType<Target["kernel"]> => {
  const folder = mustRun("bash", [`test/boot/${script}`]).trim();
  return { image: join(folder, image), about: ["-k", folder] };
};
const targets: readonly Target[] = [
  {
    name: "ppc64le",
    compiler: "powerpc64le-linux-gnu-gcc",
    kernel: builtHere("build-kernel.sh", "vmlinux"),
    everything: true,
  },
  {
    name: "arm64",
    compiler: "aarch64-linux-gnu-gcc",
    kernel: builtHere("build-arm64-kernel.sh", "arch/arm64/boot/Image"),
    machine: VIRT,
    // The steps are the same; what differs is the compiler, the objects, and the kernel that loads them.
    everything: false,
  },
];

/** Counts how often the file was read, behind what it says. */
const COUNT: readonly Edit[] = [
  [
    "fs/proc/version.c",
    "\tseq_printf(m, linux_proc_banner,",
    "\tstatic int reads;\n\n\tseq_printf(m, linux_proc_banner,",
  ],
  [
    "fs/proc/version.c",
    "\treturn 0;\n}\n\nstatic int __init",
    '\tseq_printf(m, "patched %d\\n", ++reads);\n\treturn 0;\n}\n\nstatic int __init',
  ],
];
/** Another file, which calls a new function of the first one. */
const TWO: readonly Edit[] = [
  [
    "fs/proc/version.c",
    "static int version_proc_show",
    'void version_note(struct seq_file *m);\nvoid version_note(struct seq_file *m)\n{\n\tseq_puts(m, "two files\\n");\n}\n\nstatic int version_proc_show',
  ],
  [
    "fs/proc/uptime.c",
    "static int uptime_proc_show",
    "void version_note(struct seq_file *m);\n\nstatic int uptime_proc_show",
  ],
  [
    "fs/proc/uptime.c",
    "\treturn 0;\n}\n\nstatic int __init",
    "\tversion_note(m);\n\treturn 0;\n}\n\nstatic int __init",
  ],
];
/** A header that all of fs/proc includes; one of its sources uses what is new. */
const HEADER: readonly Edit[] = [
  [
    "fs/proc/internal.h",
    "struct ctl_table_header;",
    '#define VERSION_NOTE "from a header\\n"\n\nstruct ctl_table_header;',
  ],
  [
    "fs/proc/version.c",
    "\treturn 0;\n}\n\nstatic int __init",
    "\tseq_puts(m, VERSION_NOTE);\n\treturn 0;\n}\n\nstatic int __init",
  ],
];

describe.each(targets)("$name", ({ name, compiler, kernel, machine, everything }) => {
  const folder = join(lab.folder, name);
  let source = "";
  let target: ReturnType<Target["kernel"]>;

  /** Text of a file of the source with some edits. */
  const edited = (path: string, edits: readonly Edit[]): string => {
    let text = readFileSync(join(source, path), "latin1");
    for (const [, from, to] of edits.filter((e) => e[0] === path)) {
      if (text.split(from).length !== 2) throw new Error(`not once in ${path}: ${from}`);
      text = text.replace(from, () => to);
    }
    return text;
  };
  /** The patch that git makes of edits; those of `before` are in the source that it is for. */
  function patch(title: string, edits: readonly Edit[], before: readonly Edit[] = []): string {
    const work = join(folder, `${title}.work`);
    rmSync(work, { recursive: true, force: true });
    for (const [side, all] of [
      ["a", before],
      ["b", [...before, ...edits]],
    ] as const) {
      for (const path of new Set(edits.map((e) => e[0]))) {
        mkdirSync(join(work, side, dirname(path)), { recursive: true });
        writeFileSync(join(work, side, path), edited(path, all), "latin1");
      }
    }
    const made = run("git", ["diff", "--no-index", "--no-prefix", "a", "b"], work);
    const file = join(folder, `${title}.patch`);
    writeFileSync(file, made.stdout);
    return file;
  }
  const build = (...args: string[]): Ran => klplink("build", ...args, "--source", source, ...target.about);
  /** Builds a livepatch and returns its path. */
  function livepatch(title: string, ...args: string[]): string {
    const output = join(folder, `livepatch-${title}.ko`);
    const ran = build(...args, "--name", title, "-o", output);
    expect(ran, ran.stderr + ran.stdout).toMatchObject({ status: 0 });
    expect(ran.stderr).not.toMatch(/^error/m);
    return output;
  }
  async function life(modules: readonly string[], plan: readonly Planned[]): Promise<string[]> {
    const init = join(folder, "init");
    mustRun(compiler, ["-static", "-O2", "-Wall", "-Wextra", "-o", init, "test/boot/guest.c"]);
    const files = modules.map((path) => ({ name: path.replace(/^.*\//, ""), data: readFileSync(path) }));
    const lines = plan.map((step) => step.line);
    return complaints(await boot(target.image, readFileSync(init), files, lines, machine), [...plan]);
  }
  const first = (path: string, more: string) => (answers: Answers) => `${answers.get(path) ?? "?"}${more}`;
  const enter = (title: string): Planned[] => [
    { line: `insmod /livepatch-${title}.ko` },
    { line: `wait /sys/kernel/livepatch/livepatch_${title}/transition 0` },
  ];
  const leave = (title: string): Planned[] => [
    { line: `write /sys/kernel/livepatch/livepatch_${title}/enabled 0` },
    { line: `gone /sys/kernel/livepatch/livepatch_${title}` },
    { line: `rmmod livepatch_${title}` },
  ];
  const version = "/proc/version";
  const plain: Planned = { line: `read ${version}` };
  const says = (more: string): Planned => ({ line: `read ${version}`, output: first(version, more) });

  beforeAll(() => {
    mkdirSync(folder, { recursive: true });
    source = mustRun("bash", ["test/boot/prepare-source.sh", name]).trim();
    target = kernel();
  }, LONG);

  test("one file: in force, and gone; then a cumulative patch takes its place", { timeout: LONG }, async () => {
    const one = patch("one", COUNT);
    const both = patch("both", HEADER, COUNT);
    const modules = [livepatch("one", one), livepatch("cumulative", one, both)];
    const plan = [
      plain,
      ...enter("one"),
      says("patched 1\n"),
      says("patched 2\n"),
      ...enter("cumulative"),
      { line: "gone /sys/kernel/livepatch/livepatch_one" },
      // Its variable is its own: the livepatch that had it is gone.
      says("patched 1\nfrom a header\n"),
      { line: "rmmod livepatch_one" },
      ...leave("cumulative"),
      says(""),
    ];
    expect(await life(modules, plan)).toEqual([]);
  });

  test.runIf(everything)(
    "two files, of which one calls what is new in the other; and a header",
    { timeout: LONG },
    async () => {
      const modules = [
        livepatch("two", patch("two", TWO)),
        livepatch("header", patch("header", HEADER), "--no-replace"),
      ];
      const plan: Planned[] = [
        plain,
        { line: "read /proc/uptime", output: /^[\d. ]+\n$/ },
        ...enter("two"),
        { line: "read /proc/uptime", output: /^[\d. ]+\ntwo files\n$/ },
        says(""),
        ...enter("header"),
        says("from a header\n"),
        ...leave("header"),
        ...leave("two"),
        { line: "read /proc/uptime", output: /^[\d. ]+\n$/ },
      ];
      expect(await life(modules, plan)).toEqual([]);
    },
  );

  test.runIf(everything)("what no livepatch can carry is refused, and why", { timeout: LONG }, () => {
    const boots = patch("boot", [
      ["init/main.c", "static int kernel_init(void *);", "static int kernel_init(void *);\nint more;"],
    ]);
    expect(refusal(build(boots))).toMatch(/^error\[KLP810\].*init\/main\.c/);
    const makes = patch("make", [["fs/proc/Makefile", "obj-y   += proc.o", "obj-y   += proc.o\nccflags-y += -DX"]]);
    expect(refusal(build(makes))).toMatch(/^error\[KLP810\].*fs\/proc\/Makefile/);
    const data = patch("data", [["fs/proc/stat.c", "\t.proc_flags\t= PROC_ENTRY_PERMANENT,\n", ""]]);
    expect(refusal(build(data))).toMatch(/^error\[KLP701\].*stat_proc_ops/);
    const wrong = patch("wrong", [
      ["fs/proc/version.c", "\treturn 0;\n}\n\nstatic int __init", "\treturn missing;\n}\n\nstatic int __init"],
    ]);
    expect(refusal(build(wrong))).toMatch(
      /^error\[KLP817\].*fs\/proc\/version\.c:\d+:\d+: error: .missing. undeclared/,
    );
  });

  // Behind loadavg_proc_show lies an overridden weak function of the kernel built here: its site is taken (test/boot/orphans.test.ts).
  test.runIf(everything)(
    "a patch of a function whose site the kernel may not find is warned of",
    { timeout: LONG },
    () => {
      const load = patch("load", [
        [
          "fs/proc/loadavg.c",
          "\treturn 0;\n}\n\nstatic int __init",
          '\tseq_puts(m, "");\n\treturn 0;\n}\n\nstatic int __init',
        ],
      ]);
      const ran = build(load, "--name", "load", "-o", join(folder, "livepatch-load.ko"));
      expect(ran, ran.stderr).toMatchObject({ status: 0 });
      expect(ran.stderr).toMatch(/^warning\[KLP603\]: the patch of loadavg_proc_show may/m);
    },
  );

  test.runIf(everything)("a patch that changes nothing is said to be one", { timeout: LONG }, () => {
    const nothing = patch("nothing", [
      [
        "fs/proc/version.c",
        "\treturn 0;\n}\n\nstatic int __init",
        "\t/* and no more */\n\n\treturn 0;\n}\n\nstatic int __init",
      ],
    ]);
    expect(build(nothing)).toMatchObject({
      status: 0,
      stdout: "no functional change: the patch applies, and the code stays the same\n",
    });
  });

  test.runIf(everything)(
    "ended at any step, it leaves the source as it was, and the next run makes the same",
    { timeout: LONG },
    async () => {
      const count = patch("count", COUNT);
      const before = stateOf(source);
      const good = readFileSync(livepatch("count", count));
      const output = join(folder, "livepatch-ended.ko");
      for (const [signal, step] of [
        ["SIGINT", "compiles the patched source"],
        ["SIGKILL", "compiles the patched source"],
        ["SIGTERM", "makes the module"],
        ["SIGKILL", "makes the module"],
      ] as const) {
        const ended = await endedAt(step, signal, [
          "build",
          count,
          "--name",
          "count",
          "-o",
          output,
          "--source",
          source,
          ...target.about,
        ]);
        expect(ended, `${signal}, ${step}`).toEqual(signal === "SIGKILL" ? { signal } : { status: 130 });
        expect(existsSync(output)).toBe(false);
        expect(stateOf(source)).toBe(before);
        expect(Buffer.compare(readFileSync(livepatch("count", count)), good), `after ${signal}, ${step}`).toBe(0);
      }
      expect(stateOf(source)).toBe(before);
    },
  );
});

/** Every file of a folder with its size and times: a file that was written to, or replaced, has another. */
const stateOf = (path: string): string =>
  createHash("sha256")
    .update(mustRun("find", [path, "-printf", "%p %s %i %T@ %C@\\n"]))
    .digest("hex");

/** Runs klplink and sends it a signal when it says that it is at a step. */
function endedAt(
  step: string,
  signal: NodeJS.Signals,
  args: readonly string[],
): Promise<{ status?: number; signal?: string }> {
  const child = spawn(process.execPath, ["bin/klplink.js", ...args], {
    cwd: repo,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (said.includes(step)) return;
    said += text;
    if (said.includes(step)) child.kill(signal);
  });
  return new Promise((resolve) =>
    child.on("close", (status, by) => resolve(by === null ? { status: status ?? -1 } : { signal: by })),
  );
}

/** The first diagnostic that a run ended with, in one line. */
function refusal({ status, stderr }: Ran): string {
  expect([status, stderr]).toEqual([1, stderr]);
  const [, first = ""] = /^(error\[(?:.|\n(?! {2}-->))*)/m.exec(stderr) ?? [];
  return first.replace(/\s+/g, " ");
}
