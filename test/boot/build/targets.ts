// The kernels that `klplink build` makes livepatches for in the boot tests, and what it is told of them.

import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unwrapKernel } from "../../../src/kernel/image/wrapping/unwrap.ts";
import { type Machine, PC, VIRT } from "../boot.ts";
import { openDistro, readModule } from "../distro.ts";
import { mustRun } from "../run.ts";
import { type Edit, PKTGEN, RNG_CORE } from "./edits.ts";

export interface Target {
  /** What is booted. */
  readonly image: string;
  /** Arguments that say which kernel it is. */
  readonly about: readonly string[];
  /** The same without its configuration, where that is given apart. */
  readonly config: string;
  readonly symvers: string;
  /** What --source names. */
  readonly source: string;
  /** Text of a file of that source. */
  readonly read: (path: string) => string;
  readonly module: TargetModule;
}

/** A module of the kernel. */
export interface TargetModule {
  readonly name: string;
  /** Unpacked, as the guest loads it. */
  readonly path: string;
  /** Arguments that tell of it, if it is not found by itself. */
  readonly about: readonly string[];
  readonly edits: readonly Edit[];
  /** What it answers in a file: before, and in force. */
  readonly file: string;
  readonly answers: readonly [RegExp, RegExp];
}

export interface TargetKind {
  readonly name: string;
  readonly compiler: string;
  readonly machine?: Machine;
  /** A header that everything includes, and its guard. */
  readonly header: readonly [path: string, guard: string];
  /** @param folder for what is made of it */
  readonly open: (folder: string) => Target | Promise<Target>;
}

const readBelow = (source: string) => (path: string) => readFileSync(join(source, path), "latin1");

/**
 * A kernel that the tests built, from the folder of its source. Its configuration has no module; one that is compiled for it by
 * itself, as it is, is patched with a configuration that has it.
 */
function ownKernel(name: string, script: string, image: string, make: readonly string[], folder: string): Target {
  const kernel = mustRun("bash", [`test/boot/${script}`]).trim();
  const source = mustRun("bash", ["test/boot/prepare-source.sh", name]).trim();
  const work = join(folder, "hw_random");
  rmSync(work, { recursive: true, force: true });
  cpSync(join(source, "drivers/char/hw_random"), work, { recursive: true });
  mustRun("make", ["-s", "-C", kernel, `M=${work}`, ...make, "CONFIG_HW_RANDOM=m", "modules"]);
  const config = join(folder, "module.config");
  const own = readFileSync(join(kernel, ".config"), "latin1");
  writeFileSync(config, own.replace("# CONFIG_HW_RANDOM is not set", "CONFIG_HW_RANDOM=m"));
  const path = join(work, "rng-core.ko");
  return {
    image: join(kernel, image),
    about: ["-k", kernel],
    config: join(kernel, ".config"),
    symvers: join(kernel, "Module.symvers"),
    source,
    read: readBelow(source),
    module: {
      name: "rng_core",
      path,
      about: ["-m", `rng_core=${path}`, "--config", config],
      edits: RNG_CORE,
      file: "/sys/class/misc/hw_random/rng_current",
      answers: [/^none\n$/, /^none, 1\n$/],
    },
  };
}

/** The upstream version that Debian's kernel tells of itself, whatever its release is called. */
export async function upstreamOf(vmlinuz: string): Promise<string> {
  const { bytes } = await unwrapKernel(readFileSync(vmlinuz));
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = text.indexOf("Linux version ");
  const banner = text.toString("latin1", at, at + 400);
  const [, version] = / Debian (\d+\.\d+\.\d+)-/.exec(banner) ?? [];
  if (version === undefined) throw new Error(`${vmlinuz} does not tell its version: ${banner}`);
  return version;
}

/** Debian's kernel 6.1, by its release below a root folder as a machine has it, from the source package's tar file. */
async function debianKernel(folder: string): Promise<Target> {
  const kit = mustRun("bash", ["test/boot/fetch-headers.sh", "amd64", "6.1"]).trim();
  const release = readFileSync(join(kit, "release"), "utf8").trim();
  const distro = openDistro(join(kit, "kernel"));
  const root = join(folder, "root");
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, "boot"), { recursive: true });
  mkdirSync(join(root, "lib/modules", release), { recursive: true });
  symlinkSync(distro.kernel, join(root, `boot/vmlinuz-${release}`));
  symlinkSync(join(kit, "build/.config"), join(root, `boot/config-${release}`));
  symlinkSync(join(kit, "kernel/lib/modules", release, "kernel"), join(root, "lib/modules", release, "kernel"));
  symlinkSync(join(kit, "build"), join(root, "lib/modules", release, "build"));
  const tarball = mustRun("bash", ["test/boot/find-source.sh", "6.1", await upstreamOf(distro.kernel)]).trim();
  const packed = distro.modules.get("pktgen") ?? "";
  const path = join(folder, "pktgen.ko");
  writeFileSync(path, readModule(packed));
  const source = join(folder, "source");
  mkdirSync(source, { recursive: true });
  // All at once: to find one the whole tar file has to be unpacked.
  const files = ["init/main.c", "net/core/pktgen.c", "kernel/printk/printk.c", "kernel/livepatch/patch.c"];
  const headers = ["arch/x86/include/asm/cache.h", "include/uapi/linux/utsname.h"];
  const wanted = ["fs/proc/*", ...files, ...headers].map((path) => `linux-source-*/${path}`);
  mustRun("tar", ["-xf", tarball, "-C", source, "--strip-components=1", "--wildcards", ...wanted]);
  return {
    image: distro.kernel,
    about: ["-k", release, "--root", root],
    config: join(root, `boot/config-${release}`),
    symvers: join(kit, "build/Module.symvers"),
    source: tarball,
    read: readBelow(source),
    module: {
      name: "pktgen",
      path,
      about: [],
      edits: PKTGEN,
      file: "/proc/net/pktgen/pgctrl",
      answers: [/^Packet Generator [^\n]*\n$/, /^Packet Generator [^\n]*\npatched\n$/],
    },
  };
}

export const targets: readonly TargetKind[] = [
  {
    name: "ppc64le",
    compiler: "powerpc64le-linux-gnu-gcc",
    header: ["arch/powerpc/include/asm/cache.h", "_ASM_POWERPC_CACHE_H"],
    open: (folder) =>
      ownKernel(
        "ppc64le",
        "build-kernel.sh",
        "vmlinux",
        ["ARCH=powerpc", "CROSS_COMPILE=powerpc64le-linux-gnu-"],
        folder,
      ),
  },
  {
    name: "arm64",
    compiler: "aarch64-linux-gnu-gcc",
    header: ["arch/arm64/include/asm/cache.h", "__ASM_CACHE_H"],
    machine: VIRT,
    open: (folder) =>
      ownKernel(
        "arm64",
        "build-arm64-kernel.sh",
        "arch/arm64/boot/Image",
        ["ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-"],
        folder,
      ),
  },
  {
    name: "x86_64",
    compiler: "x86_64-linux-gnu-gcc",
    machine: PC,
    header: ["arch/x86/include/asm/cache.h", "_ASM_X86_CACHE_H"],
    open: debianKernel,
  },
];
