// `klplink verify` on the machine that has the modules loaded: Node itself runs in guests of real kernels (x86_64), and klplink
// compares what is loaded there with files, as a user would have it do.

import { mkdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { PC_CLOCK } from "./clock.ts";
import type { GuestFile } from "./cpio.ts";
import { loadOrder, openDistro } from "./distro.ts";
import { buildModules, labKernels, treeOf } from "./kernels.ts";
import { labOf } from "./lab.ts";
import { nodeFiles } from "./nodeFiles.ts";
import { mustRun, repo } from "./run.ts";
import { klplink } from "./scenario.ts";
import { bootShell } from "./shell.ts";

const lab = labOf(import.meta.url);
/** Milliseconds; a limit against hanging. */
const LONG = 1_500_000;
const MITIGATIONS_OFF = "mitigations=off,locks=smp";

interface Ran {
  readonly status: number;
  readonly output: string;
}

/** Each `run NAME COMMAND…` prints what the command says, through a pipe, and its exit status. */
const script = (lines: string): string => `
export PATH=/bin:/usr/bin
run() {
  name=$1
  shift
  echo "@@ run $name"
  { "$@" 2>&1; echo "@@ status $?"; } </dev/null | cat
}
${lines}
`;

/** What each run printed, by its name. */
function results(console: string): Map<string, Ran> {
  const found = new Map<string, Ran>();
  for (const part of console.split("@@ run ").slice(1)) {
    const [, name = "", output = "", status] = /^(\S+)\n([\s\S]*?)@@ status (\d+)\n/.exec(part) ?? [];
    if (status === undefined) throw new Error(`${name} did not end:\n${part}`);
    found.set(name, { status: Number(status), output });
  }
  return found;
}

/** The module with one bit of its code changed. */
function flipped(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly at: number } {
  const { sections } = readElf(bytes);
  const text = sections.findByName(".text") ?? 0;
  const at = (sections.size(text) >> 1) & ~0xf;
  const copy = new Uint8Array(bytes);
  const offset = sections.offset(text) + at;
  copy[offset] = (copy[offset] ?? 0) ^ 0x10;
  return { bytes: copy, at };
}

const users = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/sh\n";
const common = (): GuestFile[] => [...nodeFiles(), { name: "etc/passwd", data: Buffer.from(users) }];

const EQUAL = /^(\w+): \d+ sections, \d+ bytes: \d+ equal, \d+ explained, 0 different$/m;

describe("a distribution's kernel with its mitigations, its address-space randomisation and its packed modules", () => {
  const wanted = ["overlay", "ext4", "bridge"];
  let ran = new Map<string, Ran>();
  let bad: ReturnType<typeof flipped> = { bytes: new Uint8Array(0), at: 0 };
  const get = (name: string): Ran => ran.get(name) ?? { status: -1, output: "not run" };

  beforeAll(async () => {
    const root = mustRun("bash", ["test/boot/fetch-distro.sh", "amd64", "6.12"]).trim();
    const distro = openDistro(root);
    const modules = loadOrder(distro, wanted);
    bad = flipped(modules.get("overlay") ?? new Uint8Array(0));
    const folder = join(lab.folder, "verify-distro");
    mkdirSync(folder);
    // As the package installs them: packed, below /lib/modules.
    const installed = [...modules.keys()].map((name) => {
      const path = distro.modules.get(name) ?? "";
      return { name: relative(root, path), data: readFileSync(path) };
    });
    const lib = /^lib\/modules\/[^/]+/.exec(installed[0]?.name ?? "")?.[0] ?? "";
    const console = await bootShell({
      arch: "x86_64",
      kernel: distro.kernel,
      folder,
      files: [
        ...common(),
        ...installed,
        { name: `${lib}/modules.order`, data: Buffer.from("") },
        { name: `${lib}/modules.builtin`, data: Buffer.from("") },
        { name: "flipped/overlay.ko", data: bad.bytes },
        { name: "other/overlay.ko", data: otherBuild(modules.get("overlay") ?? new Uint8Array(0)) },
      ],
      cpu: "max",
      memory: 2048,
      append: `console=ttyS0,115200 ${PC_CLOCK}`,
      script: script(`
depmod
for m in ${wanted.join(" ")}; do modprobe $m || echo "modprobe $m: $?"; done
run names klplink verify ${wanted.join(" ")}
run json klplink verify overlay --format json
run flipped klplink verify /flipped/overlay.ko
run other klplink verify /other/overlay.ko
run absent klplink verify btrfs
run builtin klplink verify printk
run user su nobody -s /bin/sh -c 'klplink verify overlay'
echo 2 >/proc/sys/kernel/kptr_restrict
run hidden klplink verify overlay
echo 1 >/proc/sys/kernel/kptr_restrict
run restricted klplink verify overlay
cat >/tmp/map.js <<'JS'
const [list, map, functions] = process.argv.slice(2);
const lines = require("fs").readFileSync(list, "latin1").trimEnd().split("\\n");
const text = BigInt("0x" + lines.find((line) => line.endsWith(" T _text")).split(" ")[0]);
const shift = text - 0xffffffff81000000n;
const linked = (line) => {
  const address = BigInt("0x" + line.slice(0, 16));
  return (address >> 63n ? address - shift : address).toString(16).padStart(16, "0") + line.slice(16);
};
const isData = (line) => /^\\w+ [bdr] /i.test(line);
require("fs").writeFileSync(map, lines.filter((line) => !line.includes("[")).map(linked).join("\\n") + "\\n");
require("fs").writeFileSync(functions, lines.filter((line) => !isData(line)).join("\\n") + "\\n");
console.log("moved by 0x" + shift.toString(16));
JS
run moved node /tmp/map.js /proc/kallsyms /tmp/System.map /tmp/functions
mount -o bind /tmp/functions /proc/kallsyms
run functions klplink verify ext4
run map klplink verify ext4 -k /tmp/System.map
mkdir -p /boot
cp /tmp/System.map /boot/System.map-$(uname -r)
run boot klplink verify ext4
umount /proc/kallsyms
mount -t securityfs securityfs /sys/kernel/security
echo confidentiality >/sys/kernel/security/lockdown
run locked klplink verify overlay
mount -t tmpfs tmpfs /tmp
: >/tmp/empty
mount -o bind /tmp/empty /proc/kcore
run masked klplink verify overlay
rm -r /lib/modules
run nofile klplink verify overlay
`),
    });
    ran = results(console);
  }, LONG);

  test("modules by their names: found, unpacked, equal", () => {
    const { status, output } = get("names");
    expect(status, output).toBe(0);
    expect([...output.matchAll(new RegExp(EQUAL, "gm"))].map((m) => m[1])).toEqual(wanted);
  });

  test("and as JSON", () => {
    const { status, output } = get("json");
    expect(status, output).toBe(0);
    const { files } = JSON.parse(output) as { files: { module: string; sections: { different: number }[] }[] };
    expect(files.map((f) => f.module)).toEqual(["overlay"]);
    expect(files[0]?.sections.length).toBeGreaterThan(10);
    for (const section of files[0]?.sections ?? []) expect(section.different).toBe(0);
  });

  test("a file with one bit changed: the place is told", () => {
    const { status, output } = get("flipped");
    expect(status).toBe(1);
    expect(output).toMatch(/^error\[KLP220\]: 1 byte at 0x[0-9a-f]{16}: /m);
    expect(output).toContain(`.text+0x${bad.at.toString(16)})`);
    expect(output).toMatch(/^overlay: .* 1 different$/m);
  });

  test("a file of another build: its build id is told", () => {
    const { status, output } = get("other");
    expect(status).toBe(1);
    expect(output).toMatch(/^error\[KLP222\]: another build of the module is loaded: build id/m);
  });

  test.each([
    ["absent", "module btrfs is not loaded", "load it first"],
    ["builtin", "printk is built into the kernel", "only modules can be compared"],
    ["user", "the section addresses of overlay may not be read", "run as root"],
    ["hidden", "the section addresses are hidden", "kernel.kptr_restrict=0 or 1"],
    ["locked", "the kernel is locked down: its memory may not be read", "lockdown=confidentiality"],
    ["masked", "the kernel's memory cannot be read: not an ELF64 core file", "in a container"],
    ["nofile", "no file of module overlay below /lib/modules/", "klplink verify PATH/MODULE.ko"],
  ])("%s: %s", (name, what, way) => {
    const { status, output } = get(name);
    const said = output.replaceAll(/\n +/g, " ");
    expect(said).toContain(`error[KLP221]: ${what}`);
    expect(said).toContain(way);
    expect(status).toBe(3);
  });

  test("a kernel that lists functions only: what is missing is said", () => {
    const { status, output } = get("functions");
    const said = output.replaceAll(/\n +/g, " ");
    expect(said).toMatch(
      /^error\[KLP224\]: \/proc\/kallsyms lists functions only, and the module uses \d+ other symbols: /,
    );
    expect(said).toContain("-k /boot/System.map-$(uname -r)");
    expect(status).toBe(1);
  });

  // Data of vmlinux, of the module jbd2, and the module's own per-CPU data.
  test("and with its System.map the same module is equal, wherever the kernel was moved to", () => {
    expect(get("moved").output).toMatch(/^moved by 0x[1-9a-f][0-9a-f]+$/m);
    for (const { status, output } of [get("map"), get("boot")]) {
      expect(status, output).toBe(0);
      expect(output).toMatch(EQUAL);
    }
  });

  test("kptr_restrict=1 hides nothing from root", () => {
    expect(get("restricted").output).toMatch(EQUAL);
    expect(get("restricted").status).toBe(0);
  });
});

/** The module with another build id, and as if the compiler had numbered something else. */
function otherBuild(bytes: Uint8Array): Uint8Array {
  const { sections } = readElf(bytes);
  const copy = new Uint8Array(bytes);
  const note = sections.offset(sections.findByName(".note.gnu.build-id") ?? 0);
  for (let i = 16; i < 36; i++) copy[note + i] = (copy[note + i] ?? 0) ^ 0xff;
  return copy;
}

describe("a kernel of our own with livepatches in force", () => {
  let ran = new Map<string, Ran>();
  const get = (name: string): Ran => ran.get(name) ?? { status: -1, output: "not run" };

  beforeAll(async () => {
    const target = labKernels.find((k) => k.arch === "x86_64");
    if (target === undefined) throw new Error("no kernel for x86_64");
    const tree = treeOf(target);
    const folder = join(lab.folder, "verify-own");
    mkdirSync(folder);
    buildModules(target, tree, join(repo, "test/boot/image/varied"), join(folder, "varied"));
    buildModules(target, tree, join(repo, "test/boot/image/late"), join(folder, "late"));
    const object = join(folder, "late/late_target.ko");
    const linked = join(folder, "late.ko");
    const run = klplink(join(folder, "late/late.ko"), "-k", join(tree, "System.map"), "-m", object, "-o", linked);
    expect(run, run.stderr).toMatchObject({ status: 0 });
    const file = (name: string, path: string): GuestFile => ({ name, data: readFileSync(path) });
    const console = await bootShell({
      arch: "x86_64",
      kernel: join(tree, target.image),
      folder,
      files: [
        ...common(),
        file("m/varied.ko", join(folder, "varied/varied.ko")),
        file("m/late.ko", linked),
        file("m/late_target.ko", object),
        file("System.map", join(tree, "System.map")),
      ],
      memory: 2048,
      script: script(`
insmod /m/varied.ko || echo "insmod varied: $?"
insmod /m/late.ko || echo "insmod late: $?"
while [ "$(cat /sys/kernel/livepatch/late/transition)" != 0 ]; do sleep 1; done
run before klplink verify /m/late.ko /m/varied.ko --x86 ${MITIGATIONS_OFF} -v
insmod /m/late_target.ko || echo "insmod late_target: $?"
while [ "$(cat /sys/kernel/livepatch/late/transition)" != 0 ]; do sleep 1; done
run patched cat /proc/cmdline
run after klplink verify /m/late.ko /m/late_target.ko --x86 ${MITIGATIONS_OFF} -v
run map klplink verify /m/varied.ko -k /System.map --x86 ${MITIGATIONS_OFF}
run unfound klplink verify varied
`),
    });
    ran = results(console);
  }, LONG);

  test("a livepatch in force, before the module comes that it patches", () => {
    const { status, output } = get("before");
    expect(status, output).toBe(0);
    expect([...output.matchAll(new RegExp(EQUAL, "gm"))].map((m) => m[1])).toEqual(["late", "varied"]);
  });

  test("and after: its late relocations are part of the comparison, and so are the patched module's sites", () => {
    expect(get("patched").output).toMatch(/^late$/m);
    const { status, output } = get("after");
    expect(status, output).toBe(0);
    expect([...output.matchAll(new RegExp(EQUAL, "gm"))].map((m) => m[1])).toEqual(["late", "late_target"]);
    // Code that holds late relocations is compared, not passed over.
    expect(output).toMatch(/^ {2}\.text\.late_new_answer: (\d+) bytes, /m);
  });

  test("with the kernel's System.map too", () => {
    expect(get("map").status, get("map").output).toBe(0);
  });

  test("a module that was loaded from somewhere else has no file", () => {
    expect(get("unfound").status).toBe(3);
    expect(get("unfound").output).toMatch(/^error\[KLP221\]: no file of module varied below/m);
  });
});
