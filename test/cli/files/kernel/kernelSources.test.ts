// -k PACKAGE: what klplink says of a module is what it says with the same kernel, module and lists given as files.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { klplink } from "../../run.ts";

const packages = "test/fixtures/packages";
const kernel = "test/fixtures/kernel";
const checked = "test/fixtures/diag/broken/KLP411.ko";
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "klplink-packages-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What `check` says, without the names of files. */
async function said(...args: string[]): Promise<unknown> {
  const { status, stdout } = await klplink(["check", checked, "--format", "json", ...args]);
  const [file] = JSON.parse(stdout).files;
  return { status, unchecked: file.unchecked, problems: file.problems.map((p: { title: string }) => p.title) };
}

describe("a package is its kernel, its modules and its lists", () => {
  test.each([
    `${packages}/debian/linux-binary-6.9.7-demo_6.9.7-1_amd64.deb`,
    `${packages}/fedora/kernel-core-6.9.7-demo.x86_64.rpm`,
    `${packages}/arch/linux-6.9.7.arch1-1-x86_64.pkg.tar.zst`,
    // The kernel lies beside these.
    `${packages}/debian/linux-modules-6.9.7-demo_6.9.7-1_amd64.deb`,
    `${packages}/debian/linux-headers-6.9.7-demo_6.9.7-1_amd64.deb`,
    `${packages}/fedora/kernel-devel-6.9.7-demo.x86_64.rpm`,
    `${packages}/debian`,
  ])("%s", async (path) => {
    writeFileSync(
      join(folder, "Module.symvers"),
      "0x0000abcd\tdemo_only_listed\tdrivers/demo-mod\tEXPORT_SYMBOL_GPL\t\n",
    );
    const files = [
      "-k",
      `${kernel}/vmlinux-x86_64`,
      "-k",
      join(folder, "Module.symvers"),
      "-m",
      `${kernel}/demo-mod.ko`,
    ];
    const given = await said(...files);
    expect(given).toMatchObject({ status: 1 });
    expect(await said("-k", path, "-m", "demo-mod")).toEqual(given);
    expect(await said("-k", path, "-m", "demo_mod")).toEqual(given);
  });

  test("`make tarxz-pkg`", async () => {
    const files = ["-k", `${kernel}/vmlinux-x86_64`, "-m", `${kernel}/demo-mod.ko`];
    const tar = `${packages}/arch/linux-6.9.7-demo-x86.tar.xz`;
    expect(await said("-k", tar, "-m", "demo-mod")).toEqual(await said(...files));
  });
});

describe("what is missing is said", () => {
  test("no kernel in it nor beside it: which package to get", async () => {
    for (const [path, what] of [
      [`${packages}/modules/linux-modules-6.9.7-demo_6.9.7-1_amd64.deb`, "linux-image-6.9.7-demo"],
      ["kernel-devel-6.9.7-demo.x86_64.rpm", "kernel-core-6.9.7-demo.x86_64"],
    ] as const) {
      const there = path.includes("/") ? path : join(folder, path);
      if (!path.includes("/")) cpSync(`${packages}/fedora/${path}`, there);
      const { status, stderr } = await klplink(["check", checked, "-k", there]);
      expect(status).toBe(3);
      expect(stderr).toContain("error[KLP118]");
      expect(stderr.replace(/\s+/g, " ")).toContain(what);
    }
  });
  test("a damaged package", async () => {
    const path = join(folder, "cut.rpm");
    writeFileSync(path, readFileSync(`${packages}/fedora/kernel-core-6.9.7-demo.x86_64.rpm`).subarray(0, 7000));
    const { status, stderr } = await klplink(["check", checked, "-k", path]);
    expect(status).toBe(3);
    expect(stderr).toContain("error[KLP119]: the package cannot be read");
  });
  test("a module that is not in it", async () => {
    const deb = `${packages}/debian/linux-binary-6.9.7-demo_6.9.7-1_amd64.deb`;
    const { status, stderr } = await klplink(["check", checked, "-k", deb, "-m", "zram"]);
    expect(status).toBe(3);
    expect(stderr).toContain("zram");
  });
});

describe("modules by name", () => {
  const debian = `${packages}/debian`;
  test("check NAME is check of the file, `-` and `_` are the same", async () => {
    const named = await klplink(["check", "demo-mod", "demo_mod", "-k", debian, "--format", "json"]);
    const given = await klplink(["check", `${kernel}/demo-mod.ko`, "-k", debian, "--format", "json"]);
    const titles = (run: { stdout: string }): string[][] =>
      JSON.parse(run.stdout).files.map((f: { problems: { title: string }[] }) => f.problems.map((p) => p.title));
    expect(titles(named)).toEqual([...titles(given), ...titles(given)]);
    expect(JSON.parse(named.stdout).files[0].module).toBe("demo_mod");
  });
  test("a name that the kernel has not", async () => {
    const { status, stderr } = await klplink(["check", "zram", "-k", debian]);
    expect(status).toBe(3);
    expect(stderr).toContain("error[KLP120]");
  });
  test("what the module patches is taken from the kernel's modules without -m", async () => {
    const without = await said("-k", debian);
    const withModule = await said("-k", debian, "-m", "demo_mod");
    expect(without).toEqual(withModule);
    const bare = await said("-k", `${kernel}/vmlinux-x86_64`);
    expect(JSON.stringify(bare)).toContain("-m demo_mod.ko");
  });
  test("-v says what was taken, and what nothing tells", async () => {
    const { stderr } = await klplink(["check", checked, "-k", debian, "-v"]);
    const prefix = `${debian}/linux-`;
    expect(stderr).toContain(
      `kernel ${debian}:\n  symbols and exports: ${prefix}binary-6.9.7-demo_6.9.7-1_amd64.deb: usr/lib/modules/6.9.7-demo/vmlinuz\n  exports of modules, checksums: ${prefix}headers-6.9.7-demo_6.9.7-1_amd64.deb: usr/src/linux-headers-6.9.7-demo/Module.symvers\n  configuration: ${prefix}binary-6.9.7-demo_6.9.7-1_amd64.deb: boot/config-6.9.7-demo\n`,
    );
    const alone = await klplink(["check", checked, "-k", `${packages}/arch/linux-6.9.7-demo-x86.tar.xz`, "-v"]);
    expect(alone.stderr).toContain("  not known: exports of modules that are not given: no Module.symvers");
    expect((await klplink(["check", checked, "-k", debian])).stderr).not.toContain("symbols and exports:");
  });
});

test("what a module needs is also taken from modules.dep, where the module itself does not say", async () => {
  const root = join(folder, "system");
  const modules = join(root, "lib/modules/6.9.7-demo");
  mkdirSync(join(modules, "kernel"), { recursive: true });
  mkdirSync(join(root, "boot"));
  cpSync(`${kernel}/vmlinux-x86_64`, join(root, "boot/vmlinuz-6.9.7-demo"));
  cpSync("test/fixtures/tree/user.ko", join(modules, "kernel/tree_user.ko"));
  cpSync("test/fixtures/tree/exporter.ko", join(modules, "kernel/tree-exporter.ko"));
  const found = async (): Promise<string[]> => {
    const run = ["check", "tree_user", "-k", "6.9.7-demo", "--root", root, "--format", "json"];
    const { files } = JSON.parse((await klplink(run)).stdout) as { files: { problems: { kernel: string }[] }[] };
    return files.flatMap((f) => f.problems.map((p) => p.kernel));
  };
  expect(await found()).toContain("tree_user: Unknown symbol tree_open (err -2)");
  writeFileSync(join(modules, "modules.dep"), "kernel/tree_user.ko:\nkernel/tree-exporter.ko:\n");
  expect(await found()).toContain("tree_user: Unknown symbol tree_open (err -2)");
  writeFileSync(
    join(modules, "modules.dep"),
    "kernel/tree_user.ko: kernel/tree-exporter.ko\nkernel/tree-exporter.ko:\n",
  );
  expect(await found()).toEqual([]);
});
