// Commands of docs/guide.md that are typed in a guest whose user space is busybox or more: a shell script for test/boot/shell.ts, and what
// each of them printed.

import type { Command } from "./guidePage.ts";

/** A livepatch takes a moment until all tasks run its code, or no longer do. The page says so and has no command for it. */
const settled = `for n in $(seq 1 300); do
  grep -qs 1 /sys/kernel/livepatch/*/transition || break
  sleep 1
done`;

/** The lines of a script that runs the commands. */
export function guestScript(commands: readonly Command[]): string {
  const each = commands.map(({ line }) => `echo "@@ command"\n{ ${line}; } 2>&1 </dev/null | cat\n${settled}\n`);
  return `${each.join("")}echo "@@ command"\n`;
}

/** Gives each command what it printed, but for words of progress. @param console of the guest; throws if it did not come to an end */
export function takeOutputs(console: string, commands: readonly Command[]): void {
  const parts = console.split(/^@@ command\n/m).slice(1, -1);
  if (parts.length !== commands.length) throw new Error(`the guest did not come to an end:\n${console}`);
  for (const [i, command] of commands.entries()) command.output = (parts[i] ?? "").replace(/^klplink: .*\n/gm, "");
}
