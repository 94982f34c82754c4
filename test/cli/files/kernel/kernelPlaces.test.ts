import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { release as running, tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { kernelPlaces } from "../../../../src/cli/files/kernel/kernelPlaces.ts";
import { withoutCode } from "../../../elf/withoutCode.ts";
import { klplink } from "../../run.ts";

// Places: Debian's, Fedora's and the kernel's own installers (scripts/package, scripts/Makefile.modinst).
const RELEASE = "6.12.95+deb12-amd64";
let root: string;
const put = (path: string, content: string | Uint8Array = "x".repeat(5000)): string => {
  const full = join(root, path);
  mkdirSync(join(full, ".."), { recursive: true });
  writeFileSync(full, content);
  return full;
};
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "klplink-root-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));
const filesOf = (name: string): readonly string[] | undefined => kernelPlaces(name, root)?.files;

describe("the best file of each kind", () => {
  test("Debian: the bootable kernel, and the exports of the headers; a System.map that is a note does not count", () => {
    put(
      `boot/System.map-${RELEASE}`,
      "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n",
    );
    const image = put(`boot/vmlinuz-${RELEASE}`);
    const symvers = put(`usr/src/linux-headers-${RELEASE}/Module.symvers`);
    expect(filesOf(RELEASE)).toEqual([image, symvers]);
  });
  test("with debug information before all, a build's vmlinux before the bootable kernel", () => {
    put(`boot/vmlinuz-${RELEASE}`);
    const built = put(`lib/modules/${RELEASE}/build/vmlinux`);
    expect(filesOf(RELEASE)).toEqual([built]);
    const debug = put(`usr/lib/debug/boot/vmlinux-${RELEASE}`);
    expect(filesOf(RELEASE)).toEqual([debug]);
  });
  test("the vmlinux of linux-headers has types alone: it is not the kernel", async () => {
    const vmlinux = readFileSync("test/fixtures/kernel/vmlinux-x86_64");
    const types = put(`lib/modules/${RELEASE}/build/vmlinux`, withoutCode(vmlinux));
    const symvers = put(`lib/modules/${RELEASE}/build/Module.symvers`);
    expect(filesOf(RELEASE)).toEqual([symvers]);
    const image = put(`boot/vmlinuz-${RELEASE}`, vmlinux);
    expect(filesOf(RELEASE)).toEqual([image, symvers]);
    // Given by itself it is refused: a list of a few symbols would call all others missing.
    const { status, stderr } = await klplink(["show", "-k", types]);
    expect([status, stderr.replace(/\n +/g, " ")]).toEqual([
      3,
      expect.stringContaining("the kernel has neither a symbol table nor kallsyms"),
    ]);
  });
  test("Fedora: below lib/modules", () => {
    const image = put(`lib/modules/${RELEASE}/vmlinuz`);
    const symvers = put(`lib/modules/${RELEASE}/symvers.xz`);
    put(`lib/modules/${RELEASE}/System.map`);
    expect(filesOf(RELEASE)).toEqual([image, symvers]);
  });
  test("a real System.map where there is no kernel, or none that may be read", () => {
    const map = put(`boot/System.map-${RELEASE}`);
    expect(filesOf(RELEASE)).toEqual([map]);
    const image = put(`boot/vmlinuz-${RELEASE}`);
    chmodSync(image, 0);
    // Root may read everything.
    if (process.getuid?.() !== 0)
      expect(kernelPlaces(RELEASE, root)).toMatchObject({ files: [map], forbidden: [image] });
  });
  test("a build folder, and a folder of modules", () => {
    const vmlinux = put("linux/vmlinux");
    put("linux/System.map");
    const symvers = put("linux/Module.symvers");
    expect(filesOf(join(root, "linux"))).toEqual([vmlinux, symvers]);
  });
});

test("what is not a name of a kernel is the path of a file", () => {
  const file = put("6.1");
  expect(kernelPlaces(file, root)).toBeNull();
  expect(kernelPlaces("-", root)).toBeNull();
  expect(kernelPlaces("System.map", root)).toBeNull();
  expect(kernelPlaces("./6.1.2", root)).toBeNull();
  expect(kernelPlaces("running", root)?.name).toBe(running());
  expect(filesOf("6.1.2")).toEqual([]);
});

describe("the kernel that runs the system below a folder", () => {
  const OSRELEASE = "proc/sys/kernel/osrelease";
  const VERSION = `Linux version ${RELEASE} (debian-kernel@lists.debian.org) (gcc-12 12.2.0) #1 SMP\n`;
  const runningIn = (name = "running") => {
    const { name: release, files, running } = kernelPlaces(name, root) ?? {};
    return { release, files, running };
  };

  test("is the one that its /proc names: its list of symbols counts, and its configuration", () => {
    const list = put("proc/kallsyms", "");
    const config = put("proc/config.gz");
    const version = put("proc/version", VERSION);
    const wanted = { release: RELEASE, files: [list, config] };
    expect(runningIn()).toEqual({ ...wanted, running: { release: RELEASE, source: version } });
    const source = put(OSRELEASE, `${RELEASE}\n`);
    expect(runningIn()).toEqual({ ...wanted, running: { release: RELEASE, source } });
    expect(runningIn(RELEASE)).toEqual(runningIn());
    // Of another one, that list says nothing.
    expect(runningIn("6.1.2")).toEqual({ release: "6.1.2", files: [], running: null });
  });

  test.each([
    ["nothing", ""],
    ["no release", "none\n"],
    ["one too many", `${RELEASE} ${RELEASE}\n`],
    ["no end", "6.1".padEnd(1 << 20, "0")],
  ])("where /proc says %s of it, that is not one", (_, text) => {
    put(OSRELEASE, text);
    put("proc/version", text === "" ? "" : `Linux ${text}`);
    expect(runningIn()).toMatchObject({ release: running(), running: null });
  });

  test("a pipe in its place is not waited for, and the other file serves", () => {
    mkdirSync(join(root, "proc/sys/kernel"), { recursive: true });
    execFileSync("mkfifo", [join(root, OSRELEASE)]);
    const source = put("proc/version", VERSION);
    expect(runningIn().running).toEqual({ release: RELEASE, source });
  });

  test("of this machine uname agrees with /proc", () => {
    const here = kernelPlaces("running", "/");
    expect(here?.running).toMatchObject({ release: running() });
    expect(kernelPlaces(running(), "/")).toEqual(here);
  });

  describe("where only the list of its symbols is there", () => {
    beforeEach(() => {
      cpSync("test/fixtures/kernel/System.map", put("proc/kallsyms"));
      put(OSRELEASE, `${RELEASE}\n`);
    });

    test("show tells its release, and from where; a kernel's own word goes before", async () => {
      const shown = async (): Promise<unknown> => {
        const { stdout } = await klplink(["show", "-k", "running", "--root", root, "--format", "json"]);
        return JSON.parse(stdout).facts.release;
      };
      expect(await shown()).toEqual({ value: RELEASE, from: join(root, OSRELEASE) });
      const image = put(`boot/vmlinuz-${RELEASE}`);
      cpSync("test/fixtures/kernel/vmlinux-x86_64", image);
      expect(await shown()).toEqual({ value: "6.12.9-demo+", from: `banner in ${image}` });
      rmSync(image);
      rmSync(join(root, OSRELEASE));
      put("proc/version", VERSION);
      const { stdout } = await klplink(["show", "-k", "running", "--root", root]);
      expect(stdout).toMatch(/^release +6\.12\.95\+deb12-amd64 +\S+\/proc\/version$/m);
    });

    test("check holds modules against it, also where an index of the rest is kept", async () => {
      // So much that it is worth one.
      const lines = Array.from(
        { length: 30_000 },
        (_, i) => `0x${i.toString(16).padStart(8, "0")}\te${i}\tvmlinux\tEXPORT_SYMBOL\t\n`,
      );
      put(`lib/modules/${RELEASE}/symvers.gz`, gzipSync(lines.join(""), { level: 0 }));
      const env = { XDG_CACHE_HOME: join(root, "cache") };
      const told = async (): Promise<string[]> => {
        const args = ["check", "test/fixtures/kernel/demo-mod.ko", "-k", "running", "--root", root, "--format", "json"];
        const { stdout } = await klplink(args, { env });
        const { files } = JSON.parse(stdout) as {
          files: { problems: { code: string; data: { kernel?: string } }[] }[];
        };
        return files.flatMap((f) => f.problems.flatMap((p) => (p.code === "KLP502" ? [p.data.kernel ?? ""] : [])));
      };
      const first = await told();
      expect(first).toEqual([expect.stringContaining(RELEASE)]);
      expect(readdirSync(join(root, "cache/klplink/kernels"))).toHaveLength(1);
      expect(await told()).toEqual(first);
    });
  });
});

describe("klplink", () => {
  const fixtures = "test/fixtures/kernel";
  beforeEach(() => {
    cpSync(`${fixtures}/vmlinux-x86_64`, put(`boot/vmlinuz-${RELEASE}`));
    cpSync(`${fixtures}/demo-mod.ko`, put(`lib/modules/${RELEASE}/kernel/drivers/demo-mod.ko`));
  });
  test("-k RELEASE is the kernel in its place, -m NAME a module of it", async () => {
    const args = ["check", `${fixtures}/demo-mod.ko`, "--format", "json"];
    const named = await klplink([...args, "-k", RELEASE, "-m", "demo_mod", "--root", root]);
    const given = await klplink([
      ...args,
      "-k",
      join(root, `boot/vmlinuz-${RELEASE}`),
      "-m",
      `${fixtures}/demo-mod.ko`,
    ]);
    expect(named.status).toBe(given.status);
    expect(JSON.parse(named.stdout)).toEqual(JSON.parse(given.stdout));
  });
  test("of a kernel that is not there, it is said", async () => {
    const { status, stderr } = await klplink(["check", `${fixtures}/demo-mod.ko`, "-k", "6.1.99", "--root", root]);
    expect(status).toBe(3);
    expect(stderr).toContain("no file of such a kernel was found");
  });
  test("no output takes the place of a file that a release stands for", async () => {
    const image = join(root, `boot/vmlinuz-${RELEASE}`);
    const run = await klplink([`${fixtures}/demo-mod.ko`, "-k", RELEASE, "--root", root, "-o", image]);
    expect(run.status).toBe(2);
    expect(run.stderr).toContain("is one of the files that are read");
  });
});
