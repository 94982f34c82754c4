// Boots a kernel under QEMU with guest.c as its whole user space, and reads what that printed back into steps.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PC_CLOCK } from "./clock.ts";
import { cpio, type GuestFile } from "./cpio.ts";
import { moduleNameOf, mustRecognise } from "./recognised.ts";
import { missing, notFound } from "./run.ts";

export type { GuestFile } from "./cpio.ts";

export interface Step {
  line: string;
  /** The errno of the step (0: good), "signal N", "hung", or "lost" when the machine ended before the step did. */
  result: number | string;
  /** What the step read, verbatim. */
  output: string;
  /** What the kernel logged during the step. */
  log: LogLine[];
}

export interface LogLine {
  /** 0 (emergency) to 7 (debugging). */
  level: number;
  text: string;
}

export interface Boot {
  steps: Step[];
  /** The guest ran its script to the end and switched the machine off. */
  complete: boolean;
  console: string;
}

/** Seconds; a limit against hanging: the slowest boot here takes a small part of it, on a busy host too. */
const LIMIT = 600;

/** A busy host can stop the machine for longer than a kernel waits; it must not call that a stall. */
const NO_WATCHDOGS = "rcupdate.rcu_cpu_stall_suppress=1 nowatchdog";

export interface Machine {
  qemu: string;
  args: readonly string[];
  append: string;
  /** The kernel cannot switch the machine off: it is stopped when the guest says that its script is at an end. */
  stop?: boolean;
}

/** Software emulation of a POWER9 without the workarounds that need the host's help; nothing but a console. */
const POWER9: Machine = {
  qemu: "qemu-system-ppc64",
  args: [
    "-M",
    "pseries,cap-htm=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off",
    "-cpu",
    "POWER9",
  ],
  append: "console=hvc0 disable_radix=off",
};

/** The same machine with a CPU for kernels with PC-relative addressing. */
export const POWER10: Machine = { ...POWER9, args: [...POWER9.args, "-cpu", "power10"] };

/** A PC with a serial console. */
export const PC: Machine = {
  qemu: "qemu-system-x86_64",
  args: ["-M", "q35,accel=tcg", "-cpu", "qemu64"],
  append: `console=ttyS0,115200 mitigations=off noreplace-smp ${PC_CLOCK}`,
  stop: true,
};

/** A board of virtual devices with a Cortex-A57. */
export const VIRT: Machine = {
  qemu: "qemu-system-aarch64",
  args: ["-M", "virt,gic-version=2", "-cpu", "cortex-a57"],
  append: "console=ttyAMA0",
  stop: true,
};

// Exit statuses of timeout.
const TIMED_OUT = 124;
const NOT_FOUND = 127;
const KILLED = 137;

export async function boot(
  vmlinux: string,
  init: Uint8Array,
  files: readonly GuestFile[],
  script: readonly string[],
  machine = POWER9,
): Promise<Boot> {
  const folder = mkdtempSync(join(tmpdir(), "klplink-boot-"));
  try {
    const initrd = join(folder, "initrd");
    const lines = Buffer.from(script.map((line) => `${line}\n`).join(""));
    writeFileSync(
      initrd,
      cpio([{ name: "init", data: init, executable: true }, { name: "script", data: lines }, ...files]),
    );
    let result = parse(await qemu(vmlinux, initrd, machine));
    // The kernel never came to run a first step: that says something of the emulation, and nothing of a module.
    if (result.steps.length === 0) result = parse(await qemu(vmlinux, initrd, machine));
    if (result.steps.length === 0) throw new Error(`the guest did not begin:\n${result.console.slice(-2000)}`);
    const names = files.flatMap((f) => moduleNameOf(f.name, f.data) ?? []);
    mustRecognise(
      result.steps.flatMap((s) => s.log),
      names,
    );
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function qemu(vmlinux: string, initrd: string, machine: Machine): Promise<string> {
  // Only the kernel's last words go to the console by themselves; the guest prints the log step by step.
  const append = `${machine.append} rdinit=/init loglevel=1 panic=-1 ${NO_WATCHDOGS}`;
  const args = [...machine.args, "-m", "768", "-smp", "1", "-nodefaults", "-no-reboot", "-display", "none"];
  args.push("-serial", "stdio", "-kernel", vmlinux, "-initrd", initrd, "-append", append);
  return new Promise((resolve, reject) => {
    // timeout ends the machine even if this process is killed before it could.
    const child = spawn("timeout", ["--kill-after=5", String(LIMIT), machine.qemu, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const out: Buffer[] = [];
    let complaint = "";
    const end = (): boolean => child.kill();
    process.once("exit", end);
    let stopped = false;
    child.stdout.on("data", (data: Buffer) => {
      out.push(data);
      if (machine.stop !== true || stopped || !Buffer.concat(out.slice(-8)).includes("@@ end")) return;
      stopped = true;
      child.kill();
    });
    child.stderr.on("data", (data: Buffer) => {
      complaint += data.toString();
    });
    child.on("error", (error) => {
      process.removeListener("exit", end);
      reject(missing("timeout", error));
    });
    child.on("close", (code) => {
      process.removeListener("exit", end);
      if (code === NOT_FOUND) reject(notFound(machine.qemu));
      else if (stopped || code === 0 || code === TIMED_OUT || code === KILLED)
        resolve(Buffer.concat(out).toString("latin1").replaceAll("\r", ""));
      else reject(new Error(`${machine.qemu}: exit status ${code}\n${complaint}`));
    });
  });
}

/** The console text as steps; lines that guest.c did not mark are the kernel's and stay in `console`. */
export function parse(text: string): Boot {
  const steps: Step[] = [];
  let complete = false;
  for (const line of text.split("\n")) {
    if (line === "@@ end") complete = true;
    const begins = /^@@ step \d+ (.*)$/.exec(line)?.[1];
    if (begins !== undefined) {
      steps.push({ line: begins, result: "lost", output: "", log: [] });
      continue;
    }
    const step = steps.at(-1);
    if (step === undefined) continue;
    if (line.startsWith("@| ")) step.output += `${line.slice(3)}\n`;
    else if (line.startsWith("@\\ ")) step.output += line.slice(3);
    else if (line.startsWith("@k ")) step.log.push(logLine(line.slice(3)));
    const result = /^@@ done \d+ (.*)$/.exec(line)?.[1];
    if (result !== undefined) step.result = /^\d+$/.test(result) ? Number(result) : result;
  }
  return { steps, complete, console: text };
}

/** "<5>text"; a continuation line has no level of its own and counts as harmless. */
function logLine(line: string): LogLine {
  const [, level, text] = /^<(\d+)>(.*)$/.exec(line) ?? [];
  return level === undefined || text === undefined ? { level: 7, text: line } : { level: Number(level) & 7, text };
}
