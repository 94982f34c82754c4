// Source changes of files that are built into the kernel, each with what the running kernel says before, with and after it.

import type { LogLine } from "../boot.ts";
import type { Planned } from "../scenario.ts";

/** A step that may make the kernel warn: what must come of its log, in words; null when all is as it should be. */
export interface Step extends Planned {
  readonly warns?: (log: readonly LogLine[]) => string | null;
}

export interface Change {
  /** The livepatch's name without "lp_". */
  readonly name: string;
  /** Path of the source in the kernel's tree, without ".c". */
  readonly file: string;
  /** Texts of the source that are there once, and what takes their place. */
  readonly edits: readonly (readonly [from: string, to: string])[];
  /** Functions that diff must call changed: no more, no fewer. Without what a compiler adds behind a dot. */
  readonly changed: readonly string[];
  /** Functions that diff must call new. */
  readonly fresh?: readonly string[];
  /** Relocation sections that the code that is taken must bring along, by architecture: else the change does not show what it is for. */
  readonly brings?: Partial<Record<"ppc64le" | "arm64" | "x86_64", readonly string[]>>;
  /** While the old code runs: before the livepatch, and again when it is gone. */
  readonly before: readonly Step[];
  readonly during: (source: string) => readonly Step[];
  readonly after: readonly Step[];
}

const says = (path: string, text: string | RegExp): Step => ({
  line: `read ${path}`,
  output: typeof text === "string" ? () => text : text,
});
const answers = (line: string, text: string): Step => ({ line, output: () => `${text}\n` });

const CAPS = "/sys/kernel/fscaps";
const SCORE = "/proc/1/oom_score_adj";
const TRACING = "/sys/kernel/tracing";
const EVENT = `${TRACING}/events/oom/oom_score_adj_update/enable`;
const CONSOLE = "/proc/sys/kernel/printk";
/** Actions of syslog(2): the console's level off, on, set; and one that only the patched function knows. */
const [OFF, ON, LEVEL, FRESH] = [6, 7, 8, 11];
/** Bits of the types of entries below /proc/self: directories, regular files, links. */
const TYPES = 4 | 8 | 10;
const EFAULT = "14";

/** The number of the line of a source that holds a text once. */
function lineOf(source: string, text: string): number {
  const [before, ...after] = source.split(text);
  if (before === undefined || after.length !== 1) throw new Error(`not once in the source: ${text}`);
  return before.split("\n").length;
}

/** The words of log lines, without the time that some kernels put before them. */
const words = (log: readonly LogLine[]): string[] => log.map((l) => l.text.replace(/^\[ *\d+\.\d+\] /, ""));

/** The warnings of a log are those of these lines of a file, in this order, in one function. */
function warnings(log: readonly LogLine[], file: string, lines: readonly number[], name: string): string | null {
  const found = words(log).filter((text) => text.startsWith("WARNING: "));
  const right = lines.map((line) => new RegExp(`^WARNING: .*\\b${file}\\.c:${line}\\b.* ${name}\\+0x`));
  const same = found.length === right.length && right.every((r, i) => r.test(found[i] ?? ""));
  return same ? null : `${JSON.stringify(found)}, expected lines ${lines.join(", ")} of ${file}.c`;
}

const versionRead = (source: string): Step[] => {
  const once = lineOf(source, "WARN_ON_ONCE(m->count == 5)");
  const always = lineOf(source, "WARN(m->size > 0");
  const read = (lines: readonly number[]): Step => ({
    ...says("/proc/version", /^this Linux version .*\n$/),
    warns: (log) =>
      words(log).includes("klplink: the version is read")
        ? warnings(log, "fs/proc/version", lines, "version_proc_show")
        : "the warning's own words are not in the log",
  });
  return [read([once, always]), read([always])];
};

export const changes: readonly Change[] = [
  {
    // A string.
    name: "string",
    file: "kernel/ksysfs",
    edits: [['"%d\\n", file_caps_enabled', '"capabilities of files: %d\\n", file_caps_enabled']],
    changed: ["fscaps_show"],
    before: [says(CAPS, "1\n")],
    during: () => [says(CAPS, "capabilities of files: 1\n")],
    after: [says(CAPS, "1\n")],
  },
  {
    // A case more in a large switch, which is a jump table where the compiler makes them; calls of local functions of the file that
    // stay where they are (each step's log is read by one); a new function with a static variable of its own; and one that was
    // there already, whose value must live through both changes: the console's level before it was turned off.
    name: "syslog",
    file: "kernel/printk/printk",
    edits: [
      [
        "int do_syslog(int type,",
        "static noinline int klplink_count(void)\n{\n\tstatic int calls = 40;\n\n\treturn ++calls;\n}\n\nint do_syslog(int type,",
      ],
      [
        "\tcase SYSLOG_ACTION_SIZE_BUFFER:\n",
        `\tcase ${FRESH}:\n\t\terror = klplink_count();\n\t\tbreak;\n\tcase SYSLOG_ACTION_SIZE_BUFFER:\n`,
      ],
    ],
    changed: ["do_syslog"],
    fresh: ["klplink_count"],
    before: [{ line: `syslog ${LEVEL} 3` }, says(CONSOLE, /^3\t/), { line: `syslog ${OFF} 0` }, says(CONSOLE, /^1\t/)],
    during: () => [
      answers(`syslog ${FRESH} 0`, "41"),
      { line: `syslog ${ON} 0` },
      says(CONSOLE, /^3\t/),
      answers(`syslog ${FRESH} 0`, "42"),
      { line: `syslog ${OFF} 0` },
      says(CONSOLE, /^1\t/),
    ],
    after: [{ line: `syslog ${ON} 0` }, says(CONSOLE, /^3\t/), { line: `syslog ${LEVEL} 1` }],
  },
  {
    // A jump label whose key is the kernel's: a tracepoint, turned on and off while the livepatch is in force; its call is a static
    // call on x86_64. And a call of a local function at the end of another one, which is a sibling call.
    name: "oom",
    file: "fs/proc/base",
    edits: [
      ["\ttask->signal->oom_score_adj = oom_adj;", "\ttask->signal->oom_score_adj = oom_adj / 2;"],
      [
        "static ssize_t oom_score_adj_read(struct file *file, char __user *buf,\n\t\t\t\t\tsize_t count, loff_t *ppos)\n{\n",
        "static ssize_t oom_score_adj_read(struct file *file, char __user *buf,\n\t\t\t\t\tsize_t count, loff_t *ppos)\n{\n\treturn oom_adj_read(file, buf, count, ppos);\n}\n\nstatic ssize_t __maybe_unused klplink_unused(struct file *file, char __user *buf, size_t count, loff_t *ppos)\n{\n",
      ],
    ],
    changed: ["__set_oom_adj", "oom_score_adj_read"],
    brings: { ppc64le: ["__jump_table"], arm64: ["__jump_table"], x86_64: ["__jump_table"] },
    before: [
      { line: `write ${SCORE} 500` },
      says(SCORE, "500\n"),
      { line: `mount tracefs ${TRACING}` },
      says(EVENT, "0\n"),
    ],
    during: () => [
      { line: `write ${SCORE} 600` },
      says(`${TRACING}/trace`, /^(?!.*oom_score_adj=)/s),
      { line: `write ${EVENT} 1` },
      { line: `write ${SCORE} 700` },
      // 350 by the new function; the old way to say it: 350 * 17 / 1000.
      says(`${TRACING}/trace`, /^(?!.*oom_score_adj=300).* pid=1 comm=init oom_score_adj=350\n/s),
      says(SCORE, "5\n"),
    ],
    after: [
      says(SCORE, "350\n"),
      { line: `write ${SCORE} 800` },
      says(`${TRACING}/trace`, /oom_score_adj=350\n.*oom_score_adj=800\n/s),
      { line: `write ${EVENT} 0` },
      { line: `write ${SCORE} 0` },
    ],
  },
  {
    // Warnings behind changed lines, one of them said once only.
    name: "warn",
    file: "fs/proc/version",
    edits: [
      [
        "\tseq_printf(m, linux_proc_banner,",
        '\tseq_puts(m, "this ");\n\tWARN_ON_ONCE(m->count == 0);\n\tWARN_ON_ONCE(m->count == 5);\n\n\tWARN(m->size > 0, "klplink: %s\\n", "the version is read");\n\tseq_printf(m, linux_proc_banner,',
      ],
    ],
    changed: ["version_proc_show"],
    brings: { ppc64le: ["__bug_table"], arm64: ["__bug_table"], x86_64: ["__bug_table"] },
    before: [says("/proc/version", /^Linux version /)],
    during: versionRead,
    after: [says("/proc/version", /^Linux version /)],
  },
  {
    // A new static key with a branch on it.
    name: "key",
    file: "fs/proc/uptime",
    edits: [
      ["static int uptime_proc_show(", "static DEFINE_STATIC_KEY_FALSE(klplink_read);\n\nstatic int uptime_proc_show("],
      [
        "\tidle_nsec = 0;\n",
        '\tidle_nsec = 0;\n\tif (static_branch_unlikely(&klplink_read))\n\t\tseq_puts(m, "again ");\n\telse\n\t\tstatic_branch_enable(&klplink_read);\n',
      ],
    ],
    changed: ["uptime_proc_show"],
    brings: { ppc64le: ["__jump_table"], arm64: ["__jump_table"], x86_64: ["__jump_table"] },
    before: [says("/proc/uptime", /^\d/)],
    during: () => [says("/proc/uptime", /^\d/), says("/proc/uptime", /^again \d/), says("/proc/uptime", /^again \d/)],
    after: [says("/proc/uptime", /^\d/)],
  },
  {
    // Writing to the user's memory, which may not be there: entries for exceptions, and alternatives on x86_64.
    name: "fault",
    file: "fs/readdir",
    edits: [["unsafe_put_user(d_type, &dirent->d_type", "unsafe_put_user(d_type | 0x40, &dirent->d_type"]],
    changed: ["filldir64"],
    brings: {
      ppc64le: ["__ex_table"],
      arm64: ["__ex_table"],
      x86_64: ["__ex_table", ".altinstructions"],
    },
    before: [answers("types /proc/self", String(TYPES)), answers("notypes /proc/self", EFAULT)],
    during: () => [answers("types /proc/self", String(TYPES | 0x40)), answers("notypes /proc/self", EFAULT)],
    after: [answers("types /proc/self", String(TYPES))],
  },
];
