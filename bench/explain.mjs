// `klplink explain` over a long log against `grep -c`: node bench/explain.mjs [megabytes] [file with lines to repeat, e.g. of dmesg].
// The lines are repeated with times of their own; one in a thousand is a message. Outputs are compared before times.
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const klplink = fileURLToPath(new URL("../bin/klplink.js", import.meta.url));
const megabytes = Number(process.argv[2] ?? 600);
const given = process.argv[3];
const plain = [
  "usb 1-1: new high-speed USB device number 2 using xhci_hcd",
  "EXT4-fs (sda1): mounted filesystem with ordered data mode. Quota mode: none.",
  "pci 0000:00:1f.2: BAR 5 [mem 0xfebf1000-0xfebf1fff]",
  "loop: module loaded",
  'audit: type=1400 audit(1763683200.412:12): apparmor="STATUS" operation="profile_load" name="lsb_release" pid=412',
  "systemd[1]: Failed to start systemd-modules-load.service - Load Kernel Modules.",
];
const lines =
  given === undefined
    ? plain
    : readFileSync(given, "utf8")
        .split("\n")
        .map((line) => line.replace(/^\[[ \d.]+\] /, ""));
const SYMBOLS = 50;
const RUNS = 5;

const folder = mkdtempSync(join(tmpdir(), "klplink-bench-"));
const log = join(folder, "dmesg.txt");

/** Writes the log; returns how many of its lines are messages. */
function make() {
  const file = openSync(log, "w");
  let messages = 0;
  for (let length = 0, n = 0; length < megabytes * 1e6; ) {
    let block = "";
    for (let i = 0; i < 10_000; i++, n++) {
      const isMessage = n % 1000 === 999;
      const text = isMessage ? `mod: Unknown symbol s${messages++ % SYMBOLS} (err -2)` : lines[n % lines.length];
      block += `[${(n / 1000).toFixed(6).padStart(12)}] ${text}\n`;
    }
    length += writeSync(file, block);
  }
  closeSync(file);
  return messages;
}

/** Output and seconds of a command that reads the log. */
function run(command) {
  const input = openSync(log, "r");
  const start = process.hrtime.bigint();
  const done = spawnSync(command[0], command.slice(1), { stdio: [input, "pipe", "inherit"], maxBuffer: 1 << 30 });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  closeSync(input);
  return [done.stdout.toString(), seconds];
}

try {
  const messages = make();
  const grep = ["grep", "-c", "Unknown symbol"];
  // Half the heap of a small machine's default: the log does not fit.
  const explain = [process.execPath, "--max-old-space-size=64", klplink, "explain", "--format", "json"];
  const counted = JSON.parse(run(explain)[0]).lines.filter(({ line }) => line.includes("Unknown symbol"));
  const sum = counted.reduce((all, { count }) => all + count, 0);
  if (Number(run(grep)[0]) !== messages || sum !== messages || counted.length !== SYMBOLS) {
    throw new Error(`grep counts ${run(grep)[0].trim()}, explain ${sum}, of ${messages}`);
  }
  const ratios = Array.from({ length: RUNS }, () => run(explain)[1] / run(grep)[1]).sort((a, b) => a - b);
  const range = `${ratios[0].toFixed(1)} to ${ratios.at(-1).toFixed(1)}`;
  console.log(`explain, ${megabytes} MB of dmesg / grep -c: ${ratios[RUNS >> 1].toFixed(1)} (${range}), heap of 64 MB`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
