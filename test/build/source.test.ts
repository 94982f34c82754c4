import { expect, test } from "vitest";
import { makeMachines } from "../../src/build/machines.ts";
import { isOfVersion, needed, sourceVersion } from "../../src/build/source.ts";

test("what is copied of a source, for an architecture", () => {
  const wanted = needed(makeMachines.arm64);
  const files = (...paths: string[]): boolean[] => paths.map((path) => wanted(path, false));
  expect(
    files("arch/arm64/kernel/a.c", "arch/arm/xen/p2m.c", "arch/Kconfig", "fs/proc/a.c", "Documentation/Kconfig"),
  ).not.toContain(false);
  // Read by drivers' Kconfig files, and by scripts/checksyscalls.sh.
  expect(files("arch/x86/ras/Kconfig", "arch/x86/entry/syscalls/syscall_32.tbl")).toEqual([true, true]);
  expect(
    files(
      "arch/x86/kernel/a.c",
      "arch/arm64/boot/dts/vendor/a.dts",
      "Documentation/arch/x.rst",
      ".git/config",
      "tools/testing/a.c",
    ),
  ).not.toContain(true);
});

test("the version of a source, and releases of it", () => {
  const makefile = "# SPDX\nVERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 176\nEXTRAVERSION =\nNAME = x\n";
  expect(sourceVersion(makefile)).toBe("6.1.176");
  expect(sourceVersion(makefile.replace("EXTRAVERSION =", "EXTRAVERSION = -rc3"))).toBe("6.1.176-rc3");
  expect(sourceVersion("all:\n")).toBeNull();
  const known = ["6.1.176", "6.1.176+deb12-amd64", "6.1.0-57-amd64", "6.1.175", "6.12.176", "6.1.0"];
  expect(known.map((release) => isOfVersion(release, "6.1.176"))).toEqual([true, true, true, false, false, false]);
});
