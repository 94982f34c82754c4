// docs/guide.md, "On the machine that runs it", typed on such a machine: Debian's 6.1 kernel, with this machine's root folder as its own. DRIVERS_FOLDER
// has the cache of klplink.

import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { upstreamOf } from "../../test/boot/build/targets.ts";
import { PC_CLOCK } from "../../test/boot/clock.ts";
import { loadOrder, openDistro } from "../../test/boot/distro.ts";
import { guestScript, takeOutputs } from "../../test/boot/guideGuest.ts";
import { commandsBelow, mustBe } from "../../test/boot/guidePage.ts";
import { mustRun, repo, run } from "../../test/boot/run.ts";
import { bootShell } from "../../test/boot/shell.ts";

const { DRIVERS_FOLDER: work = "" } = process.env;
/** Seconds; a limit against hanging. */
const LIMIT = 5000;
const title = "On the machine that runs it";
const back = "Taking it back";

test("the commands of the guide, on the kernel that they are about", { timeout: 2 * LIMIT * 1000 }, async () => {
  const [commands, after] = [commandsBelow(title), commandsBelow(back)];
  const kit = mustRun("bash", ["test/boot/fetch-headers.sh", "amd64", "6.1"]).trim();
  const release = readFileSync(join(kit, "release"), "utf8").trim();
  const distro = openDistro(join(kit, "kernel"));
  const { kernel } = distro;
  const tarball = mustRun("bash", ["test/boot/find-source.sh", "6.1", await upstreamOf(kernel)]).trim();
  const drivers = loadOrder(distro, ["virtio_pci", "9pnet_virtio", "9p", "overlay"]);

  // Files of that kernel in their places; all else of the root folder is this machine's.
  const places = mkdtempSync(join(work, "places-"));
  const cache = join(work, "cache");
  mkdirSync(cache, { recursive: true });
  const put = (from: string, to: string): string => `mkdir -p $(dirname /new/${to})\nln -sfn ${from} /new/${to}\n`;
  const machine = [
    put(kernel, `boot/vmlinuz-${release}`),
    put(join(kit, "build/.config"), `boot/config-${release}`),
    put(join(kit, "build"), `lib/modules/${release}/build`),
    put(join(kit, "kernel/lib/modules", release, "kernel"), `lib/modules/${release}/kernel`),
    put(tarball, "usr/src/linux-source-6.1.tar.xz"),
    put(join(repo, "samples"), "home/samples"),
    put(join(repo, "bin/klplink.js"), "usr/local/bin/klplink"),
  ];

  // The same source, configuration and compiler: what is prepared here, for another patch, serves there.
  const root = join(places, "root");
  const modules = join(root, "lib/modules", release);
  for (const folder of [modules, join(root, "boot")]) mkdirSync(folder, { recursive: true });
  symlinkSync(kernel, join(root, `boot/vmlinuz-${release}`));
  symlinkSync(join(kit, "build/.config"), join(root, `boot/config-${release}`));
  symlinkSync(join(kit, "build"), join(modules, "build"));
  symlinkSync(join(kit, "kernel/lib/modules", release, "kernel"), join(modules, "kernel"));
  const env = ["env", `KLPLINK_CACHE=${cache}`, process.execPath, "bin/klplink.js"];
  const about = ["--source", tarball, "-k", release, "--root", root, "-o", join(places, "other.ko")];
  const prepared = run("nice", [...env, "build", "samples/patches/pktgen.patch", ...about], repo);
  expect(prepared, prepared.stderr).toMatchObject({ status: 0 });

  const all = [...commands, ...after];
  const script = `
for m in ${[...drivers.keys()].join(" ")}; do insmod /drivers/$m.ko || echo "insmod $m: $?"; done
mkdir /host /over /new
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 host /host || echo "mount host: $?"
mount -t tmpfs -o size=3g tmpfs /over
mkdir /over/upper /over/work
mount -t overlay -o lowerdir=/host,upperdir=/over/upper,workdir=/over/work overlay /new || echo "mount overlay: $?"
${machine.join("")}
mount -t proc proc /new/proc
mount -t sysfs sysfs /new/sys
mount -t devtmpfs devtmpfs /new/dev
cp /typed /new/home/typed
chroot /new /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin HOME=/home KLPLINK_CACHE=${cache} bash /home/typed
`;
  const typed = `cd /home\n${guestScript(all)}`;
  const console = await bootShell({
    arch: "x86_64",
    kernel,
    folder: places,
    cpu: "max",
    memory: 5120,
    limit: LIMIT,
    append: `console=ttyS0,115200 mitigations=off ${PC_CLOCK}`,
    devices: ["-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"],
    files: [
      ...[...drivers].map(([name, data]) => ({ name: `drivers/${name}.ko`, data })),
      { name: "typed", data: Buffer.from(typed) },
    ],
    script,
  });
  appendFileSync(join(work, "console"), console);
  rmSync(places, { recursive: true });
  takeOutputs(console, all);
  mustBe(title, commands);
  mustBe(back, after);
});
