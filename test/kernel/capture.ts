// What a real kernel has in memory straight after it relocated a module: QEMU stops at the entry of module_finalize,
// and its monitor writes the sections to files. Nothing in the guest is changed.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Captured, CapturedSection } from "../image/captured.ts";
import { cpio, type GuestFile } from "./cpio.ts";
import { missing } from "./run.ts";

export type ArchName = "ppc64le" | "arm64" | "x86_64";

interface Machine {
  readonly qemu: string;
  readonly args: readonly string[];
  readonly append: string;
  /** Numbers of the registers with the first three arguments, and (ppc64le) of r2. */
  readonly arguments: readonly [number, number, number];
  readonly toc: number | null;
  /** Bytes from a function's symbol to where calls inside the kernel enter it (ELFv2: the local entry). */
  readonly entry: bigint;
}

const machines: Readonly<Record<ArchName, Machine>> = {
  ppc64le: {
    qemu: "qemu-system-ppc64",
    // Software emulation of a POWER9 without the workarounds that need the host's help.
    args: [
      "-M",
      "pseries,cap-htm=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off",
      "-cpu",
      "POWER9",
    ],
    append: "console=hvc0 disable_radix=off",
    arguments: [3, 4, 5],
    toc: 2,
    entry: 8n,
  },
  arm64: {
    qemu: "qemu-system-aarch64",
    args: ["-M", "virt,gic-version=2", "-cpu", "cortex-a57"],
    append: "console=ttyAMA0 nokaslr",
    arguments: [0, 1, 2],
    toc: null,
    entry: 0n,
  },
  x86_64: {
    qemu: "qemu-system-x86_64",
    args: ["-M", "q35", "-cpu", "qemu64"],
    append: "console=ttyS0,115200 nokaslr mitigations=off noreplace-smp tsc=unstable clocksource=acpi_pm",
    // rdi, rsi, rdx
    arguments: [5, 4, 3],
    toc: null,
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

/**
 * Boots a kernel with capture.c as init.
 * @param stopAt address of module_finalize; null: only list symbols
 */
export async function capture(
  arch: ArchName,
  kernel: string,
  init: Uint8Array,
  files: readonly GuestFile[],
  stopAt: bigint | null,
  each: (captured: Captured, memory: ReadMemory) => void | Promise<void> = () => {},
): Promise<CaptureRun> {
  const folder = mkdtempSync(join(tmpdir(), "klplink-capture-"));
  const machine = machines[arch];
  const initrd = join(folder, "initrd");
  const socket = join(folder, "gdb");
  writeFileSync(initrd, cpio([{ name: "init", data: init, executable: true }, ...files]));
  const args = [...machine.args, "-m", "1024", "-smp", "1", "-nodefaults", "-no-reboot", "-display", "none"];
  args.push("-serial", "stdio", "-kernel", kernel, "-initrd", initrd);
  args.push("-append", `${machine.append} rdinit=/init loglevel=1 panic=-1`);
  if (stopAt !== null)
    args.push("-S", "-chardev", `socket,path=${socket},server=on,wait=off,id=gdb`, "-gdb", "chardev:gdb");
  const child = spawn(machine.qemu, args, { stdio: ["ignore", "pipe", "pipe"] });
  const out: Buffer[] = [];
  let complaint = "";
  child.stdout.on("data", (data: Buffer) => out.push(data));
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
    if (stopAt !== null) {
      const gdb = await Gdb.connect(socket);
      // QEMU lets single registers be read only by a debugger that knows their descriptions.
      await gdb.command("qXfer:features:read:target.xml:0,ffb");
      const memory = reader(gdb, folder);
      const breakpoint = `1,${(stopAt + machine.entry).toString(16)},4`;
      await gdb.command(`Z${breakpoint}`);
      while (await gdb.resume("c")) {
        const one = await readModule(gdb, machine, memory);
        captured.push(one);
        await each(one, memory);
        // Off the breakpoint by one step, or it stops there again.
        await gdb.command(`z${breakpoint}`);
        if (!(await gdb.resume("s"))) break;
        await gdb.command(`Z${breakpoint}`);
      }
      gdb.close();
    }
    await ended;
    return { captured, console: Buffer.concat(out).toString("latin1").replaceAll("\r", "") };
  } finally {
    clearTimeout(limit);
    process.removeListener("exit", kill);
    kill();
    rmSync(folder, { recursive: true, force: true });
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
    this.#send(how);
    const answer = await this.#packet();
    return answer?.startsWith("T") === true;
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
