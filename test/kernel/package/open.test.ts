// Packages made by dpkg-deb, rpmbuild, bsdtar and tar (test/fixtures/packages/make.sh): their files are what was put into them.

import { readFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OtherPackedError } from "../../../src/elf/containers/otherPackings.ts";
import { PackedError, unpack } from "../../../src/elf/containers/packed.ts";
import { ArchiveError } from "../../../src/kernel/package/archive.ts";
import { contentsOf, isNamedAfter } from "../../../src/kernel/package/contents.ts";
import { openPackage, type Package } from "../../../src/kernel/package/open.ts";
import { tarFiles } from "../../../src/kernel/package/tar.ts";
import { withoutCode } from "../../elf/withoutCode.ts";

const folder = "test/fixtures/packages";
const fixture = (name: string): Buffer => readFileSync(`${folder}/${name}`);
const kernel = readFileSync("test/fixtures/kernel/vmlinux-x86_64");
const module = readFileSync("test/fixtures/kernel/demo-mod.ko");

async function open(bytes: Uint8Array): Promise<Package> {
  const found = await openPackage(bytes, await unpack(bytes));
  if (found === null) throw new Error("not a package");
  return found;
}

const same = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && Buffer.compare(a, b) === 0;

describe("what is in", () => {
  const rows: [string, string, { kernel?: string; symvers?: string; config?: string; module?: string }][] = [
    [
      "debian/linux-binary-6.9.7-demo_6.9.7-1_amd64.deb",
      "6.9.7-demo",
      { kernel: "usr/lib/modules/6.9.7-demo/vmlinuz", config: "boot/config-6.9.7-demo" },
    ],
    [
      "debian/linux-modules-6.9.7-demo_6.9.7-1_amd64.deb",
      "6.9.7-demo",
      { module: "usr/lib/modules/6.9.7-demo/kernel/drivers/demo-mod.ko.xz" },
    ],
    [
      "debian/linux-headers-6.9.7-demo_6.9.7-1_amd64.deb",
      "6.9.7-demo",
      { symvers: "usr/src/linux-headers-6.9.7-demo/Module.symvers" },
    ],
    [
      "fedora/kernel-core-6.9.7-demo.x86_64.rpm",
      "6.9.7-demo.x86_64",
      { kernel: "lib/modules/6.9.7-demo.x86_64/vmlinuz", config: "lib/modules/6.9.7-demo.x86_64/config" },
    ],
    [
      "fedora/kernel-modules-6.9.7-demo.x86_64.rpm",
      "6.9.7-demo.x86_64",
      { module: "lib/modules/6.9.7-demo.x86_64/kernel/drivers/demo-mod.ko.xz" },
    ],
    [
      "fedora/kernel-devel-6.9.7-demo.x86_64.rpm",
      "6.9.7-demo.x86_64",
      { symvers: "usr/src/kernels/6.9.7-demo.x86_64/Module.symvers" },
    ],
    [
      "arch/linux-6.9.7.arch1-1-x86_64.pkg.tar.zst",
      "6.9.7-arch1-1",
      {
        kernel: "usr/lib/modules/6.9.7-arch1-1/vmlinuz",
        module: "usr/lib/modules/6.9.7-arch1-1/kernel/drivers/demo-mod.ko.xz",
      },
    ],
    [
      "arch/linux-headers-6.9.7.arch1-1-x86_64.pkg.tar.zst",
      "6.9.7-arch1-1",
      {
        symvers: "usr/lib/modules/6.9.7-arch1-1/build/Module.symvers",
        config: "usr/lib/modules/6.9.7-arch1-1/build/.config",
      },
    ],
    [
      "arch/linux-6.9.7-demo-x86.tar.xz",
      "6.9.7-demo",
      {
        kernel: "boot/vmlinuz-6.9.7-demo",
        module: `lib/modules/6.9.7-demo/kernel/${"a".repeat(150)}/demo-mod.ko.xz`,
      },
    ],
  ];
  test.each(rows)("%s", async (name, release, names) => {
    const found = contentsOf((await open(fixture(name))).files);
    expect(found.release).toBe(release);
    const told = { kernel: found.kernel?.name, symvers: found.symvers?.name, config: found.config?.name };
    expect({ ...told, module: found.modules.get("demo_mod")?.name }).toEqual({
      kernel: undefined,
      symvers: undefined,
      config: undefined,
      module: undefined,
      ...names,
    });
    if (names.kernel !== undefined) expect(same(found.kernel?.bytes, kernel)).toBe(true);
    const packed = found.modules.get("demo_mod")?.bytes;
    if (packed !== undefined) expect(same(await unpack(packed), module)).toBe(true);
  });
});

test("packages are called after releases", () => {
  const fits: [string, string][] = [
    ["linux-headers-6.12.117+deb13-amd64_6.12.117-1_amd64.deb", "6.12.117+deb13-amd64"],
    ["linux-headers-6.12.117%2bdeb13-amd64_6.12.117-1_amd64.deb", "6.12.117+deb13-amd64"],
    ["linux-modules-5.15.0-107-generic_5.15.0-107.117_amd64.deb", "5.15.0-107-generic"],
    ["kernel-devel-6.9.7-200.fc40.x86_64.rpm", "6.9.7-200.fc40.x86_64"],
    ["linux-headers-6.9.7.arch1-1-x86_64.pkg.tar.zst", "6.9.7-arch1-1"],
  ];
  for (const [file, release] of fits) expect(isNamedAfter(file, release), file).toBe(true);
  expect(isNamedAfter("linux-modules-5.15.0-107-generic_5.15.0-107.117_amd64.deb", "5.15.0-10-generic")).toBe(false);
  expect(isNamedAfter("linux-headers-6.12.117+deb13-amd64_6.12.117-1_amd64.deb", "6.12.11")).toBe(false);
});

describe("damage is told", () => {
  test.each<[string, Buffer, RegExp]>([
    ["a .deb cut off", fixture(rowsOf("deb")).subarray(0, 900), /cut off/],
    ["a .deb without data", fixture(rowsOf("deb")).subarray(0, 72), /no data\.tar/],
    ["an .rpm cut off in a header", fixture(rowsOf("rpm")).subarray(0, 400), /does not fit|cut off/],
    ["an .rpm cut off behind its headers", fixture(rowsOf("rpm")).subarray(0, 7000), /damaged or cut off/],
    ["an .rpm of another form", Buffer.from(fixture(rowsOf("rpm"))).fill("drpm", ...cpioWord()), /in the form drpm/],
  ])("%s", async (_, bytes, what) => {
    const error = await openPackage(bytes).catch((e: unknown) => e);
    expect(error instanceof ArchiveError || error instanceof PackedError, String(error)).toBe(true);
    expect((error as Error).message).toMatch(what);
  });

  function rowsOf(kind: "deb" | "rpm"): string {
    return kind === "deb"
      ? "debian/linux-binary-6.9.7-demo_6.9.7-1_amd64.deb"
      : "fedora/kernel-core-6.9.7-demo.x86_64.rpm";
  }
  function cpioWord(): [number, number] {
    const at = fixture(rowsOf("rpm")).indexOf("\0cpio\0") + 1;
    return [at, at + 4];
  }

  test("a tar archive with a wrong checksum, and one cut off", async () => {
    const archive = Buffer.from(await unpack(fixture("arch/linux-6.9.7-demo-x86.tar.xz")));
    expect(() => [...tarFiles(Buffer.from(archive).fill("x", 100, 101))]).toThrow(/checksum is wrong/);
    expect(() => [...tarFiles(archive.subarray(0, archive.length - 10_240 - 300))]).toThrow(/cut off/);
  });

  test("one byte changed, or cut off anywhere: a word of what is wrong, or the files", async () => {
    const all = ["debian/linux-headers-6.9.7-demo_6.9.7-1_amd64.deb", "fedora/kernel-devel-6.9.7-demo.x86_64.rpm"];
    const tar = gzipSync(await unpack(fixture("arch/linux-headers-6.9.7.arch1-1-x86_64.pkg.tar.zst")));
    const inputs = [...all.map(fixture), gunzipSync(tar)];
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), fc.nat(255), fc.boolean(), async (which, place, value, isCut) => {
        const bytes = Buffer.from(inputs[which % inputs.length] ?? "");
        const at = place % bytes.length;
        if (!isCut) bytes[at] = value;
        try {
          await openPackage(isCut ? bytes.subarray(0, at) : bytes);
        } catch (error) {
          if (![ArchiveError, PackedError, OtherPackedError].some((kind) => error instanceof kind)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});

test("a vmlinux of types alone, as packages of headers have it, is not the kernel", () => {
  const types = { name: "usr/lib/modules/6.9.7-demo/build/vmlinux", bytes: withoutCode(kernel) };
  const image = { name: "boot/vmlinuz-6.9.7-demo", bytes: kernel };
  expect(contentsOf([types]).kernel).toBeNull();
  expect(contentsOf([types, image]).kernel).toBe(image);
  expect(contentsOf([{ ...types, bytes: kernel }, image]).kernel?.name).toBe(types.name);
});
