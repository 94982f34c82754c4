// What the livepatches of producers/ do in their lives, once they are finished.

import { answered, type Planned } from "./scenario.ts";

export const producers = ["lp_plain", "lp_kpatch", "lp_convert", "lp_convert_name", "lp_objtool"];

export const producerLife = (name: string): Planned[] => [
  { line: `insmod /${name}.ko` },
  { line: `wait /sys/kernel/livepatch/${name}/transition 0` },
  { line: "read /proc/cmdline", output: (first) => `${name}: ${answered(first, "/proc/version")}` },
  // Only now comes the module that is patched: relocations against it are applied late.
  { line: "insmod /lp_target.ko" },
  { line: "read /proc/lp_target", output: () => `${name}: 4711\n` },
  { line: `write /sys/kernel/livepatch/${name}/enabled 0` },
  { line: `gone /sys/kernel/livepatch/${name}` },
  { line: `rmmod ${name}` },
  { line: "read /proc/lp_target", output: () => "target 4711\n" },
  { line: "read /proc/cmdline", output: (first) => answered(first, "/proc/cmdline") },
  { line: "rmmod lp_target" },
];
