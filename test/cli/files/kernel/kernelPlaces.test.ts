import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { release as running, tmpdir } from "node:os";
import { join } from "node:path";
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
