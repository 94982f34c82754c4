// What the test modules do in their lives: modules/klp_nonop.c and modules/klp_sibling.c, linked so that they work.

import { answered, lifeCycle, type Planned } from "./scenario.ts";

/** Rounds in which each patched file of klp_sibling is read. */
export const ROUNDS = 20;
const UPTIME = /^\d+\.\d\d \d+\.\d\d\n$/;

/** The n-th read of the patched file; the module counts two a read. */
const patched = (n: number): Planned => ({
  line: "read /proc/cmdline",
  output: (first) =>
    `klp_nonop ${answered(first, "/proc/version")}reads=${2 * n - 1} and reads=${2 * n}: mark=6b6c706c696e6b21 after=4711\n`,
});

export const nonopLife = lifeCycle(
  "klp_nonop",
  [
    { line: "read /proc/version", output: /^Linux version / },
    { line: "read /proc/cmdline", output: /rdinit=/ },
  ],
  [patched(1), patched(2), patched(3)],
  [{ line: "read /proc/cmdline", output: (first) => answered(first, "/proc/cmdline") }],
);
/** One round reads each patched file once; uptime's function runs twice, the second time by the local call. */
const round = (n: number): Planned[] => [
  { line: "read /proc/cmdline", output: (first) => answered(first, "/proc/filesystems") },
  { line: "read /proc/uptime", output: (first) => answered(first, "/proc/version") },
  {
    line: "read /proc/execdomains",
    output: (first) =>
      `${answered(first, "/proc/version")}execdomains=${n} mark=7369626c696e6721 ret=0\ncmdline=${n} uptime=${2 * n}\n`,
  },
];

export const siblingLife = lifeCycle(
  "klp_sibling",
  [
    { line: "read /proc/version", output: /^Linux version / },
    { line: "read /proc/filesystems", output: /^nodev\tsysfs$/m },
    { line: "read /proc/cmdline", output: /rdinit=/ },
    { line: "read /proc/uptime", output: UPTIME },
    { line: "read /proc/execdomains", output: /\[kernel\]$/m },
  ],
  Array.from({ length: ROUNDS }, (_, i) => round(i + 1)).flat(),
  [
    { line: "read /proc/cmdline", output: (first) => answered(first, "/proc/cmdline") },
    { line: "read /proc/uptime", output: UPTIME },
    { line: "read /proc/execdomains", output: (first) => answered(first, "/proc/execdomains") },
  ],
);
