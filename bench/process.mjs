// Whole processes, as the benches measure them: processor time (bash, in milliseconds) and memory (GNU time) as the system accounts for
// them, so that what else a machine does counts as little as can be. GNU time itself, a millisecond, is in all of them.
import { spawnSync } from "node:child_process";
import { existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const TIME = "/usr/bin/time";
if (!existsSync(TIME)) throw new Error(`${TIME} is missing (Debian: package time)`);
const report = join(tmpdir(), `klplink-bench-${process.pid}.time`);

const SCRIPT = 'TIMEFORMAT="%3R %3U %3S"; { time "$@" 2>&9; } 9>/dev/null 2>"$REPORT"';

/**
 * Runs a command once. @param input file for standard input
 * @returns seconds of wall and of processor time, MB of memory at most, and its exit status
 */
export function measure(command, input) {
  const stdio = [input === undefined ? "ignore" : openSync(input, "r"), "ignore", "ignore"];
  // With NODE_EXTRA_CA_CERTS, as some machines have it, each start of node reads all certificates: three times what it takes without.
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: undefined, REPORT: `${report}.seconds` };
  const words = ["-c", SCRIPT, "bash", TIME, "-q", "-o", report, "-f", "%M", ...command];
  const { status } = spawnSync("bash", words, { stdio, env });
  const last = (path) => readFileSync(path, "utf8").trim().split("\n").at(-1).split(" ").map(Number);
  const [wall, user, system] = last(env.REPORT);
  const [memory] = last(report);
  for (const path of [report, env.REPORT]) rmSync(path);
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
