// What a real kernel has in memory straight after it relocated a module: QEMU stops at the entry of module_finalize,
// and its monitor writes the sections to files. Nothing in the guest is changed.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Captured, type CapturedSection, neededNames } from "../passes/image/captured.ts";
import { PC_CLOCK } from "./clock.ts";
import { cpio, type GuestFile } from "./cpio.ts";
import { mustRecognise } from "./recognised.ts";
import { missing } from "./run.ts";

export type ArchName = "ppc64le" | "arm64" | "x86_64";

interface Machine {
  readonly qemu: string;
  readonly args: readonly string[];
  readonly cpu: string;
  readonly append: string;
  /** Numbers of the registers with the first three arguments, and (ppc64le) of r2. */
  readonly arguments: readonly [number, number, number];
  readonly toc: number | null;
  readonly pc: number;
  /** Bytes from a function's symbol to where calls inside the kernel enter it (ELFv2: the local entry). */
  readonly entry: bigint;
}

export const machines: Readonly<Record<ArchName, Machine>> = {
  ppc64le: {
    qemu: "qemu-system-ppc64",
    // Software emulation of a POWER9 without the workarounds that need the host's help.
    args: ["-M", "pseries,cap-htm=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off"],
    cpu: "POWER9",
    append: "console=hvc0 disable_radix=off",
    arguments: [3, 4, 5],
    toc: 2,
    pc: 64,
    entry: 8n,
  },
  arm64: {
    qemu: "qemu-system-aarch64",
    args: ["-M", "virt,gic-version=2"],
    cpu: "cortex-a57",
    append: "console=ttyAMA0",
    arguments: [0, 1, 2],
    toc: null,
    pc: 32,
    entry: 0n,
  },
  x86_64: {
    qemu: "qemu-system-x86_64",
    args: ["-M", "q35"],
    cpu: "qemu64",
    append: `console=ttyS0,115200 mitigations=off noreplace-smp ${PC_CLOCK}`,
    // rdi, rsi, rdx
    arguments: [5, 4, 3],
    toc: null,
    pc: 16,
    entry: 0n,
  },
};

/** Reads the stopped guest's memory. */
export type ReadMemory = (address: bigint, size: number) => Promise<Buffer>;

export interface CaptureRun {
  readonly captured: Captured[];
  readonly console: string;
}

const LIMIT_MS = 1_200_000;
const SHF_ALLOC = 2n;

export interface CaptureOptions {
  readonly arch: ArchName;
  readonly kernel: string;
  /** capture.c, compiled. */
  readonly init: Uint8Array;
  /** By name, in the order in which they are loaded. */
  readonly modules: ReadonlyMap<string, Uint8Array>;
  /** Parameters that modules are given, `name=value` with blanks between them, by module. */
  readonly given?: ReadonlyMap<string, string>;
  /** Another CPU than usual, and kernel parameters that come last. */
  readonly cpu?: string;
  readonly parameters?: string;
  /** Called once with the kernel's symbols that the modules may need, as kallsyms text. */
  readonly start?: (kallsyms: string, memory: ReadMemory) => void | Promise<void>;
  /** Called at each module, while the guest stands still. */
  readonly each?: (captured: Captured) => void | Promise<void>;
  /** Called at each module again, just before its init function runs, with the memory as it is then. */
  readonly loaded?: (captured: Captured) => void | Promise<void>;
  /** Called once when all modules have been loaded and run; the names are those that stayed. */
  readonly running?: (loaded: ReadonlySet<string>, memory: ReadMemory) => void | Promise<void>;
}

/** Boots a kernel, loads modules, and stops at the entry of module_finalize for each. */
export async function capture(options: CaptureOptions): Promise<CaptureRun> {
  const { arch, kernel, modules } = options;
  const folder = mkdtempSync(join(tmpdir(), "klplink-capture-"));
  const machine = machines[arch];
  const initrd = join(folder, "initrd");
  const socket = join(folder, "gdb");
  const files: GuestFile[] = [...modules].map(([name, data]) => ({ name: `${name}.ko`, data }));
  const line = (name: string): string => `/${name}.ko ${options.given?.get(name) ?? ""}`.trimEnd();
  files.push({ name: "list", data: Buffer.from([...modules.keys()].map((name) => `${line(name)}\n`).join("")) });
  files.push({ name: "names", data: Buffer.from(`${sortedNames(modules.values())}\n`) });
  writeFileSync(initrd, cpio([{ name: "init", data: options.init, executable: true }, ...files]));
  const args = [
    ...machine.args,
    "-cpu",
    options.cpu ?? machine.cpu,
    "-m",
    "1024",
    "-smp",
    "1",
    "-nodefaults",
    "-no-reboot",
    "-display",
    "none",
  ];
  args.push("-serial", "stdio", "-kernel", kernel, "-initrd", initrd);
  // A later `mitigations=` does not undo all of an earlier one.
  const own = options.parameters?.includes("mitigations=") === true;
  const append = own ? machine.append.replace("mitigations=off ", "") : machine.append;
  args.push("-append", `${append} rdinit=/init loglevel=1 panic=-1 ${options.parameters ?? ""}`);
  args.push("-S", "-chardev", `socket,path=${socket},server=on,wait=off,id=gdb`, "-gdb", "chardev:gdb");
  const child = spawn(machine.qemu, args, { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {});
  const out: Buffer[] = [];
  let complaint = "";
  const ready = new Promise<void>((resolve) => {
    let tail = "";
    child.stdout.on("data", (data: Buffer) => {
      out.push(data);
      tail = (tail + data.toString("latin1")).slice(-1000);
      if (tail.includes("@@ ready")) resolve();
      // Not each kernel can switch the machine off.
      if (tail.includes("@@ end\n") || tail.includes("@@ end\r")) child.kill("SIGKILL");
    });
  });
  const console = (): string => Buffer.concat(out).toString("latin1").replaceAll("\r", "");
  child.stderr.on("data", (data: Buffer) => {
    complaint += data.toString();
  });
  const kill = (): boolean => child.kill("SIGKILL");
  const limit = setTimeout(kill, LIMIT_MS);
  process.once("exit", kill);
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", (error) => reject(missing(machine.qemu, error)));
    child.on("close", (code) => {
      if (code !== null && code !== 0) reject(new Error(`${machine.qemu}: exit status ${code}\n${complaint}`));
      else resolve();
    });
  });
  const captured: Captured[] = [];
  try {
    const gdb = await Gdb.connect(socket);
    // QEMU lets single registers be read only by a debugger that knows their descriptions.
    await gdb.command("qXfer:features:read:target.xml:0,ffb");
    gdb.go("c");
    await Promise.race([ready, ended]);
    await gdb.interrupt();
    const memory = reader(gdb, folder);
    const kallsyms = kallsymsOf(console());
    await untilInKernel(gdb, kallsyms, memory);
    const finalize = /^([0-9a-f]+) \S module_finalize$/m.exec(kallsyms)?.[1];
    if (finalize === undefined) throw new Error(`the kernel lists no module_finalize\n${console().slice(-2000)}`);
    await options.start?.(kallsyms, memory);
    // Without a TOC a function has one entry.
    const oneEntry = / relative_toc$/m.test(kallsyms) && !/ p_toc$/m.test(kallsyms);
    const local = (address: string): bigint => BigInt(`0x${address}`) + (oneEntry ? 0n : machine.entry);
    const stops = [local(finalize)];
    const init = /^([0-9a-f]+) \S do_init_module$/m.exec(kallsyms)?.[1];
    if (options.loaded !== undefined && init !== undefined) stops.push(local(init));
    // The guest reads the kernel's log when all is done.
    const syslog = /^([0-9a-f]+) \S do_syslog$/m.exec(kallsyms)?.[1];
    const last = syslog === undefined ? null : local(syslog);
    if (options.running !== undefined && last !== null) stops.push(last);
    const breakpoints = stops.map((address) => `1,${address.toString(16)},4`);
    for (const b of breakpoints) await gdb.command(`Z${b}`);
    child.stdin.write("\n");
    while (await gdb.resume("c")) {
      const pc = await gdb.register(machine.pc);
      if (pc === last) {
        const stayed = [...console().matchAll(/^@m \/(\S+)\.ko 0$/gm)].map((m) => m[1] ?? "");
        await options.running?.(new Set(stayed), memory);
      } else if (pc === stops[0]) {
        const one = await readModule(gdb, machine, memory);
        captured.push(one);
        await options.each?.(one);
      } else {
        const one = captured[captured.length - 1];
        if (one === undefined) throw new Error("do_init_module before module_finalize");
        const sections: CapturedSection[] = [];
        for (const s of one.sections) {
          const bytes = s.bytes.length === 0 ? s.bytes : await memory(s.address, s.bytes.length);
          sections.push({ ...s, bytes });
        }
        await options.loaded?.({ ...one, sections });
      }
      // Off the breakpoint by one step, or it stops there again.
      for (const b of breakpoints) await gdb.command(`z${b}`);
      if (!(await gdb.resume("s"))) break;
      for (const b of breakpoints) await gdb.command(`Z${b}`);
    }
    gdb.close();
    await ended;
    // Of many modules: what they print themselves is theirs; what the loader says has its own prefixes.
    const said = [...console().matchAll(/^@k <(\d+)>(?:\[ *[\d.]+\] )?(.*)$/gm)];
    mustRecognise(
      said.map(([, level, text]) => ({ level: Number(level) & 7, text: text ?? "" })),
      [],
    );
    return { captured, console: console() };
  } finally {
    clearTimeout(limit);
    process.removeListener("exit", kill);
    kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Lets the guest go on until it is stopped where the kernel's memory can be read: while init itself runs, the page tables of user
 * mode may not map it (arm64, ppc64le). Init waits for its line, so the kernel's idle loop is not far.
 */
async function untilInKernel(gdb: Gdb, kallsyms: string, memory: ReadMemory): Promise<void> {
  const finalize = /^([0-9a-f]+) \S module_finalize$/m.exec(kallsyms)?.[1];
  if (finalize === undefined) return;
  for (let tries = 0; ; tries++) {
    try {
      await memory(BigInt(`0x${finalize}`), 8);
      return;
    } catch (error) {
      if (tries === 100) throw error;
    }
    gdb.go("c");
    await new Promise((resolve) => setTimeout(resolve, 50));
    await gdb.interrupt();
  }
}

function reader(gdb: Gdb, folder: string): ReadMemory {
  const path = join(folder, "memory");
  return async (address, size) => {
    await gdb.monitor(`memsave 0x${address.toString(16)} ${size} "${path}"`);
    const bytes = readFileSync(path);
    if (bytes.length !== size)
      throw new Error(`memsave gave ${bytes.length} of ${size} bytes at ${address.toString(16)}`);
    rmSync(path);
    return bytes;
  };
}

async function readModule(gdb: Gdb, machine: Machine, memory: ReadMemory): Promise<Captured> {
  const [first, second, third] = machine.arguments;
  const header = await gdb.register(first);
  const headers = await gdb.register(second);
  const struct = await gdb.register(third);
  const ehdr = await memory(header, 64);
  const count = ehdr.readUInt16LE(60);
  const table = await memory(headers, count * 64);
  const name = await memory(struct + 24n, 56);
  const addresses: bigint[] = [];
  const sections: CapturedSection[] = [];
  for (let i = 0; i < count; i++) {
    const at = i * 64;
    const address = table.readBigUInt64LE(at + 16);
    const size = Number(table.readBigUInt64LE(at + 32));
    addresses.push(address);
    if (i === 0 || (table.readBigUInt64LE(at + 8) & SHF_ALLOC) === 0n) continue;
    const bytes = size === 0 ? new Uint8Array(0) : await memory(address, size);
    sections.push({ index: i, address, bytes });
  }
  const toc = machine.toc === null ? null : await gdb.register(machine.toc);
  return { module: name.toString("latin1").replace(/\0.*$/s, ""), addresses, sections, toc };
}

/** The few parts of the GDB remote protocol that are needed. */
class Gdb {
  readonly #socket: Socket;
  #buffer = "";
  #waiting: ((packet: string | null) => void) | null = null;
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (data: string) => {
      this.#buffer += data;
      this.#deliver();
    });
    const end = (): void => {
      this.#closed = true;
      this.#deliver();
    };
    socket.on("close", end);
    socket.on("error", end);
  }

  static async connect(path: string): Promise<Gdb> {
    for (let i = 0; i < 200; i++) {
      try {
        const socket = await new Promise<Socket>((resolve, reject) => {
          const s = connect(path);
          s.once("connect", () => resolve(s));
          s.once("error", reject);
        });
        return new Gdb(socket);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    throw new Error("QEMU's gdbstub does not answer");
  }

  #deliver(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    const match = /\$([^#]*)#[0-9a-f]{2}/.exec(this.#buffer);
    if (match !== null) {
      this.#buffer = this.#buffer.slice(match.index + match[0].length);
      this.#waiting = null;
      this.#socket.write("+");
      waiting(match[1] ?? "");
    } else if (this.#closed) {
      this.#waiting = null;
      waiting(null);
    }
  }

  #packet(): Promise<string | null> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#deliver();
    });
  }

  #send(text: string): void {
    const sum = [...text].reduce((s, c) => (s + c.charCodeAt(0)) & 0xff, 0);
    this.#socket.write(`$${text}#${sum.toString(16).padStart(2, "0")}`);
  }

  async command(text: string): Promise<string> {
    this.#send(text);
    const answer = await this.#packet();
    if (answer === null || /^E[0-9a-f]{2}$/.test(answer)) throw new Error(`gdbstub: ${text}: ${String(answer)}`);
    return answer;
  }

  /** Continues or steps; true when the guest stopped, false when it is gone. */
  async resume(how: "c" | "s"): Promise<boolean> {
    this.go(how);
    const answer = await this.#packet();
    return answer?.startsWith("T") === true;
  }

  /** Continues and does not wait. */
  go(how: "c" | "s"): void {
    this.#send(how);
  }

  /** Stops the running guest. */
  async interrupt(): Promise<void> {
    this.#socket.write("\x03");
    const answer = await this.#packet();
    if (answer?.startsWith("T") !== true) throw new Error(`gdbstub: interrupt: ${String(answer)}`);
  }

  /** One 64-bit register. (Reading all at once ends QEMU 7.2 on ppc64.) */
  async register(number: number): Promise<bigint> {
    return Buffer.from(await this.command(`p${number.toString(16)}`), "hex").readBigUInt64LE(0);
  }

  async monitor(text: string): Promise<string> {
    this.#send(`qRcmd,${Buffer.from(text).toString("hex")}`);
    let said = "";
    for (;;) {
      const answer = await this.#packet();
      if (answer === "OK") break;
      if (answer === null || !answer.startsWith("O")) throw new Error(`monitor: ${text}: ${String(answer)}`);
      said += Buffer.from(answer.slice(1), "hex").toString();
    }
    if (said.trim() !== "") throw new Error(`monitor: ${text}: ${said}`);
    return said;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Names to ask the kernel for, sorted as strcmp sorts. */
function sortedNames(modules: Iterable<Uint8Array>): string {
  const names = new Set<string>();
  for (const bytes of modules) for (const name of neededNames(bytes)) names.add(name);
  return [...names].sort((a, b) => Buffer.compare(Buffer.from(a, "latin1"), Buffer.from(b, "latin1"))).join("\n");
}

/** The `@s` lines of capture.c as kallsyms text. */
function kallsymsOf(text: string): string {
  return text
    .split("\n")
    .flatMap((line) => (line.startsWith("@s ") ? [line.slice(3)] : []))
    .join("\n");
}

/** The sections of a captured module as they are now, by address; what is gone (init memory) is left out. */
export async function dumpsOf(captured: Captured, memory: ReadMemory): Promise<Map<bigint, Uint8Array>> {
  const dumps = new Map<bigint, Uint8Array>();
  for (const section of captured.sections) {
    if (section.bytes.length === 0) continue;
    try {
      dumps.set(section.address, await memory(section.address, section.bytes.length));
    } catch {
      // Freed after init.
    }
  }
  return dumps;
}
