// Boots a kernel with tracer.c as its whole user space and reads its memory through QEMU's monitor: with the function
// tracer off, and on. Nothing in the guest is changed for it, and no address is guessed: the guest prints them.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ArchName, ReadMemory } from "./capture.ts";
import { PC_CLOCK } from "./clock.ts";
import { cpio, type GuestFile } from "./cpio.ts";
import { missing, mustRun } from "./run.ts";

interface Machine {
  readonly qemu: string;
  readonly compiler: string;
  readonly args: readonly string[];
  readonly append: string;
}

export const machines: Readonly<Record<ArchName, Machine>> = {
  ppc64le: {
    qemu: "qemu-system-ppc64",
    compiler: "powerpc64le-linux-gnu-gcc",
    // Software emulation of a POWER9 without the workarounds that need the host's help.
    args: [
      "-M",
      "pseries,cap-htm=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off",
      "-cpu",
      "POWER9",
    ],
    // With nosmap the monitor sees a process's memory while its kernel part runs, too.
    append: "console=hvc0 disable_radix=off nosmap",
  },
  arm64: {
    qemu: "qemu-system-aarch64",
    compiler: "aarch64-linux-gnu-gcc",
    args: ["-M", "virt,gic-version=2", "-cpu", "cortex-a57"],
    append: "console=ttyAMA0 kpti=off",
  },
  x86_64: {
    qemu: "qemu-system-x86_64",
    compiler: "x86_64-linux-gnu-gcc",
    args: ["-M", "q35,accel=tcg", "-cpu", "qemu64"],
    append: `console=ttyS0,115200 mitigations=off noreplace-smp ${PC_CLOCK}`,
  },
};

/** What the guest tells, and its memory while it stands still. */
export interface Guest {
  /** The lines of available_filter_functions, without the count of a line of their own. */
  readonly functions: readonly string[];
  /** Module -> section -> address, of all modules that are loaded. */
  readonly sections: ReadonlyMap<string, ReadonlyMap<string, bigint>>;
  /** The lines of /proc/kallsyms. */
  readonly kallsyms: readonly string[];
  readonly memory: ReadMemory;
}

export interface TraceOptions {
  readonly arch: ArchName;
  /** Another CPU than usual. */
  readonly cpu?: string | undefined;
  /** What QEMU boots. */
  readonly kernel: string;
  /** A folder for the compiled init. */
  readonly folder: string;
  /** By name, in the order in which they are loaded. */
  readonly modules?: ReadonlyMap<string, Uint8Array>;
  /** The tracer is off: sites are as load left them. */
  readonly off: (guest: Guest) => Promise<void>;
  /** The function tracer is on. */
  readonly on: (guest: Guest) => Promise<void>;
}

/** Milliseconds; a limit against hanging: the slowest boot here takes a small part of it. */
const LIMIT = 900_000;

/** Boots, and returns the errno of each module that was to be loaded. */
export async function trace(options: TraceOptions): Promise<ReadonlyMap<string, number>> {
  const machine = machines[options.arch];
  const work = mkdtempSync(join(tmpdir(), "klplink-trace-"));
  const init = join(options.folder, `tracer.${options.arch}`);
  const source = new URL("tracer.c", import.meta.url).pathname;
  mustRun(machine.compiler, ["-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", init, source]);
  const modules = options.modules ?? new Map<string, Uint8Array>();
  const files: GuestFile[] = [{ name: "init", data: readFileSync(init), executable: true }];
  for (const [name, data] of modules) files.push({ name: `${name}.ko`, data });
  files.push({ name: "list", data: Buffer.from([...modules.keys()].map((name) => `/${name}.ko\n`).join("")) });
  const initrd = join(work, "initrd");
  const socket = join(work, "monitor");
  writeFileSync(initrd, cpio(files));
  const cpu = options.cpu === undefined ? [] : ["-cpu", options.cpu];
  const args = [...machine.args, ...cpu, "-m", "2048", "-smp", "1", "-nodefaults", "-no-reboot", "-display", "none"];
  args.push("-serial", "stdio", "-monitor", `unix:${socket},server=on,wait=off`);
  args.push("-kernel", options.kernel, "-initrd", initrd);
  args.push("-append", `${machine.append} nokaslr rdinit=/init loglevel=1 panic=-1`);
  const child = spawn(machine.qemu, args, { stdio: ["pipe", "pipe", "pipe"] });
  const kill = (): boolean => child.kill("SIGKILL");
  const limit = setTimeout(kill, LIMIT);
  process.once("exit", kill);
  const console = new Console();
  child.stdin.on("error", () => {});
  child.stdout.on("data", (data: Buffer) => console.take(data.toString("latin1")));
  let complaint = "";
  child.stderr.on("data", (data: Buffer) => {
    complaint += data.toString();
  });
  child.on("error", (error) => console.fail(missing(machine.qemu, error)));
  child.on("close", (code) =>
    console.fail(new Error(`the guest ended (status ${code}): ${complaint}\n${console.tail()}`)),
  );
  try {
    let monitor: Monitor | null = null;
    let functions: readonly string[] = [];
    let kallsyms: readonly string[] = [];
    let sections: Guest["sections"] = new Map();
    for (;;) {
      const line = await console.next(/^@@ (give|stop|failed|end).*$/);
      if (line === "@@ end") break;
      if (line.startsWith("@@ failed")) throw new Error(`${line}\n${console.tail()}`);
      monitor ??= await Monitor.connect(socket);
      const memory = monitor.reader(join(work, "memory"));
      const [, what, name, address, size] = line.split(" ");
      if (what === "give") {
        const bytes = await memory(BigInt(`0x${address}`), Number(size));
        const lines = bytes
          .toString("latin1")
          .split("\n")
          .filter((l) => l !== "");
        if (name === "functions") functions = lines.map((l) => l.replace(/ \(\d+\).*$/, ""));
        else if (name === "kallsyms") kallsyms = lines;
        else sections = sectionsOf(lines);
      } else {
        const guest = { functions, sections, kallsyms, memory };
        await (name === "off" ? options.off(guest) : options.on(guest));
      }
      child.stdin.write("\n");
    }
    const results = [...console.text.matchAll(/^@m \/(\S+)\.ko (\d+)$/gm)];
    return new Map(results.map(([, name = "", errno]) => [name, Number(errno)]));
  } finally {
    clearTimeout(limit);
    process.removeListener("exit", kill);
    child.removeAllListeners("close");
    kill();
    rmSync(work, { recursive: true, force: true });
  }
}

function sectionsOf(lines: readonly string[]): Map<string, Map<string, bigint>> {
  const modules = new Map<string, Map<string, bigint>>();
  for (const line of lines) {
    const [module = "", section = "", address = ""] = line.split(" ");
    if (!address.startsWith("0x")) continue;
    const known = modules.get(module);
    if (known === undefined) modules.set(module, new Map([[section, BigInt(address)]]));
    else known.set(section, BigInt(address));
  }
  return modules;
}

/** The guest's console, line by line. */
class Console {
  text = "";
  #read = 0;
  #error: Error | null = null;
  #wake: (() => void) | null = null;

  take(text: string): void {
    this.text += text.replaceAll("\r", "");
    this.#wake?.();
  }
  fail(error: Error): void {
    this.#error ??= error;
    this.#wake?.();
  }
  tail(): string {
    return this.text.slice(-2000);
  }
  /** The next whole line that fits. */
  async next(wanted: RegExp): Promise<string> {
    for (;;) {
      for (let end = this.text.indexOf("\n", this.#read); end >= 0; end = this.text.indexOf("\n", this.#read)) {
        const line = this.text.slice(this.#read, end);
        this.#read = end + 1;
        if (wanted.test(line)) return line;
      }
      if (this.#error !== null) throw this.#error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

const PROMPT = "(qemu) ";
const TRIES = 200;

/** QEMU's human monitor: a command, then text up to the prompt. */
class Monitor {
  readonly #socket: Socket;
  #said = "";
  #closed = false;
  #wake: (() => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (data: string) => {
      this.#said += data;
      this.#wake?.();
    });
    const end = (): void => {
      this.#closed = true;
      this.#wake?.();
    };
    socket.on("close", end);
    socket.on("error", end);
  }

  static async connect(path: string): Promise<Monitor> {
    const monitor = new Monitor(connect(path));
    await monitor.#prompt();
    return monitor;
  }

  async #prompt(): Promise<string> {
    while (!this.#said.includes(PROMPT)) {
      if (this.#closed) throw new Error("QEMU's monitor is gone");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const said = this.#said;
    this.#said = "";
    return said;
  }

  async #command(text: string): Promise<string> {
    this.#socket.write(`${text}\n`);
    return await this.#prompt();
  }

  /**
   * Reads memory at virtual addresses, through a file at `path`. What is mapped depends on what the processor does at that
   * moment (arm64 and ppc64le: in user mode nothing of the kernel): it is tried again a little later.
   */
  reader(path: string): ReadMemory {
    return async (address, size) => {
      if (size === 0) return Buffer.alloc(0);
      let bytes: Buffer = Buffer.alloc(0);
      let said = "";
      for (let tries = 0; tries < TRIES && bytes.length !== size; tries++) {
        if (tries > 0) await new Promise((resolve) => setTimeout(resolve, 5));
        await this.#command("stop");
        said = await this.#command(`memsave 0x${address.toString(16)} ${size} "${path}"`);
        await this.#command("cont");
        bytes = readFileSync(path);
        rmSync(path);
      }
      if (bytes.length !== size) throw new Error(`memsave ${address.toString(16)} ${size}: ${said.slice(-200)}`);
      return bytes;
    };
  }
}
