// Boots a kernel with busybox as its whole user space, and runs a shell script there.

import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ArchName, machines } from "./capture.ts";
import { cpio, type GuestFile } from "./cpio.ts";
import { missing, mustRun } from "./run.ts";

const debian = { ppc64le: "ppc64el", arm64: "arm64", x86_64: "amd64" } as const;

/**
 * Runs before each script: busybox's commands, /proc, /sys, /dev/null, and a console that the kernel leaves alone (a slow host
 * makes it complain of itself).
 */
const PROLOGUE = `
/busybox mkdir -p /bin /dev /proc /sys /tmp /root
/busybox --install -s /bin
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mknod -m 666 /dev/null c 1 3
echo 0 >/proc/sys/kernel/printk
`;

export interface Guest {
  readonly arch: ArchName;
  readonly kernel: string;
  readonly files: readonly GuestFile[];
  readonly script: string;
  /** A folder for the initramfs. */
  readonly folder: string;
  /** Another CPU, other kernel parameters and another size of memory (MiB) than usual. */
  readonly cpu?: string;
  readonly append?: string;
  readonly memory?: number;
  /** More of QEMU's arguments. */
  readonly devices?: readonly string[];
  /** Seconds; a limit against hanging, for scripts that take longer than most. */
  readonly limit?: number;
}

/** Seconds; a limit against hanging. */
const LIMIT = 900;

/**
 * The console's text. The machine is stopped when the script is at its end: from here, as soon as its last line has come, because a guest
 * that powers itself off at once loses what its console has not sent yet.
 */
export function bootShell({ arch, kernel, files, script, folder, ...more }: Guest): Promise<string> {
  const box = mustRun("bash", ["test/boot/fetch-package.sh", debian[arch], "busybox-static"]).trim();
  const busybox = ["usr/bin/busybox", "bin/busybox"].map((p) => join(box, p)).find((p) => existsSync(p));
  if (busybox === undefined) throw new Error(`${box} holds no busybox`);
  const initrd = join(folder, "initrd");
  const all: GuestFile[] = [
    { name: "busybox", data: readFileSync(busybox), executable: true },
    { name: "script", data: Buffer.from(`${PROLOGUE}${script}\necho "@@ end"\nsleep 30\npoweroff -f\n`) },
    ...files,
  ];
  writeFileSync(initrd, cpio(all));
  const machine = machines[arch];
  const args = [...machine.args, "-cpu", more.cpu ?? machine.cpu, "-m", String(more.memory ?? 1024), "-smp", "1"];
  args.push("-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-kernel", kernel, "-initrd", initrd);
  args.push(...(more.devices ?? []));
  args.push("-append", `${more.append ?? machine.append} loglevel=1 nowatchdog panic=-1 rdinit=/busybox -- sh /script`);
  return new Promise((resolve, reject) => {
    const child = spawn("timeout", ["--kill-after=5", String(more.limit ?? LIMIT), machine.qemu, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const end = (): boolean => child.kill();
    process.once("exit", end);
    const out: Buffer[] = [];
    let tail = "";
    child.stdout.on("data", (data: Buffer) => {
      out.push(data);
      tail = (tail + data.toString("latin1")).slice(-100);
      if (/@@ end\r?\n/.test(tail)) child.kill();
    });
    child.on("error", (error) => reject(missing(machine.qemu, error)));
    child.on("close", () => {
      process.removeListener("exit", end);
      resolve(Buffer.concat(out).toString("latin1").replaceAll("\r", ""));
    });
  });
}
