// Whole processes, as the benches measure them: processor time and memory as the system accounts for them (GNU time), so that what
// else a machine does counts as little as can be.
import { spawnSync } from "node:child_process";
import { existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const TIME = "/usr/bin/time";
if (!existsSync(TIME)) throw new Error(`${TIME} is missing (Debian: package time)`);
const report = join(tmpdir(), `klplink-bench-${process.pid}.time`);

/**
 * Runs a command once. @param input file for standard input
 * @returns seconds of wall and of processor time, MB of memory at most, and its exit status
 */
export function measure(command, input) {
  const stdio = [input === undefined ? "ignore" : openSync(input, "r"), "ignore", "ignore"];
  const { status } = spawnSync(TIME, ["-q", "-o", report, "-f", "%e %U %S %M", ...command], { stdio });
  const [wall, user, system, memory] = readFileSync(report, "utf8").trim().split("\n").at(-1).split(" ").map(Number);
  rmSync(report);
  if (status === null || status === 70 || status > 125) throw new Error(`${command.join(" ")}: status ${status}`);
  return { wall, cpu: user + system, memory: memory / 1024, status };
}

/** The least of several runs in turn: of each command its figures. */
export function inTurn(commands, runs) {
  const all = commands.map(() => []);
  for (let i = 0; i < runs; i++)
    for (const [k, { command, input }] of commands.entries()) all[k].push(measure(command, input));
  return all.map((list) => ({
    wall: Math.min(...list.map((r) => r.wall)),
    cpu: Math.min(...list.map((r) => r.cpu)),
    memory: Math.max(...list.map((r) => r.memory)),
  }));
}
