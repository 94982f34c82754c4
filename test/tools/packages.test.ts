// Packages of a kernel in place: Debian's own, held against what dpkg-deb unpacks; and those that rpmbuild, dpkg-deb and bsdtar make of
// an unpacked Debian kernel, held against its files.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadKernel } from "../../src/cli/files/kernel/kernel.ts";
import { contentsOf } from "../../src/kernel/package/contents.ts";
import { openPackage } from "../../src/kernel/package/open.ts";
import { openDistro } from "../boot/distro.ts";
import { mustRun } from "../boot/run.ts";
import { captured } from "../cli/run.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "klplink-packages-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("Debian's own packages hold what dpkg-deb says", { timeout: 300_000 }, async () => {
  const debs = mustRun("bash", ["test/boot/fetch-deb.sh", "amd64"]).trim();
  const paths = readdirSync(debs).map((name) => join(debs, name));
  expect(paths.length).toBe(2);
  for (const [i, path] of paths.entries()) {
    const there = join(folder, `deb${i}`);
    execFileSync("dpkg-deb", ["-x", path, there]);
    const found = await openPackage(readFileSync(path));
    const files = readdirSync(there, { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
    expect(found?.files.map(({ name }) => name).sort()).toEqual(
      files.map((e) => join(e.parentPath, e.name).slice(there.length + 1)).sort(),
    );
    for (const { name, bytes } of found?.files ?? [])
      expect(Buffer.compare(readFileSync(join(there, name)), bytes), name).toBe(0);
  }
  // The kernel and, from the package beside it, its exports.
  const kernelPackage = paths.find((path) => path.includes("linux-binary-")) ?? "";
  const { kernel, sources } = await loadKernel([kernelPackage], [], captured().context);
  expect(sources[0]?.inputs.map(({ kind }) => kind)).toEqual(["kernel", "symvers", "config"]);
  const config = kernel.config?.options;
  expect(config?.get("CONFIG_LIVEPATCH")).toBe("y");
  expect(kernel.release).toBe(contentsOf((await openPackage(readFileSync(kernelPackage)))?.files ?? []).release);
});

/** A folder as a package would have it: a Debian kernel and a few of its modules. */
function kernelTree(debian: string): { tree: string; release: string } {
  const { kernel, modules } = openDistro(mustRun("bash", ["test/boot/fetch-distro.sh", debian, "6.12"]).trim());
  const release = kernel.replace(/^.*\/vmlinu[xz]-/, "");
  const tree = join(folder, debian);
  mkdirSync(join(tree, "boot"), { recursive: true });
  cpSync(kernel, join(tree, `boot/vmlinuz-${release}`));
  for (const name of ["udf", "crc_itu_t", "cdrom", "isofs"]) {
    const path = modules.get(name) ?? "";
    const into = join(tree, path.slice(path.indexOf("lib/modules")));
    mkdirSync(join(into, ".."), { recursive: true });
    cpSync(path, into);
  }
  return { tree, release };
}

test.each(["amd64", "ppc64el"])("packages made of Debian's 6.12 for %s", { timeout: 600_000 }, async (debian) => {
  const { tree, release } = kernelTree(debian);
  const made: string[] = [];
  mkdirSync(join(tree, "DEBIAN"));
  const control =
    "Package: linux-image\nVersion: 1\nArchitecture: all\nMaintainer: n <n@example.org>\nDescription: t\n";
  writeFileSync(join(tree, "DEBIAN/control"), control);
  for (const packing of ["gzip", "zstd"]) {
    made.push(join(folder, `${packing}-${debian}.deb`));
    execFileSync("dpkg-deb", [`-Z${packing}`, "-z1", "-b", tree, made.at(-1) ?? ""]);
  }
  rmSync(join(tree, "DEBIAN"), { recursive: true });
  made.push(join(folder, `linux-${debian}.pkg.tar.zst`));
  execFileSync("bash", ["-c", `bsdtar -C ${tree} -cf - boot lib | zstd -q -1 -o ${made.at(-1)}`]);
  const spec = join(folder, `${debian}.spec`);
  writeFileSync(
    spec,
    `Name: kernel-core\nVersion: 1\nRelease: 1\nSummary: t\nLicense: none\nAutoReqProv: no\n%description\nt\n%define _binary_payload w1.zstdio\n%define _build_id_links none\n%define __os_install_post %{nil}\n%install\nmkdir -p %{buildroot} && cp -a ${tree}/. %{buildroot}/\n%files\n/\n`,
  );
  execFileSync("rpmbuild", [
    "--quiet",
    "--define",
    `_topdir ${folder}/rpm-${debian}`,
    "--target",
    "noarch",
    "-bb",
    spec,
  ]);
  made.push(join(folder, `rpm-${debian}/RPMS/noarch/kernel-core-1-1.noarch.rpm`));

  const { context } = captured();
  const lines = (symbols: Iterable<{ address: bigint; letter: string; name: string }> | undefined): string =>
    [...(symbols ?? [])].map((s) => `${s.address.toString(16)} ${s.letter} ${s.name}`).join("\n");
  const expected = await loadKernel([join(tree, `boot/vmlinuz-${release}`)], [], context);
  const { modules } = openDistro(tree);
  for (const path of made) {
    const { kernel } = await loadKernel([path], ["udf", "crc-itu-t"], context);
    expect(kernel.release).toBe(release);
    expect(lines(kernel.list?.symbols()) === lines(expected.kernel.list?.symbols()), path).toBe(true);
    const given = await loadKernel([], [modules.get("udf") ?? "", modules.get("crc_itu_t") ?? ""], context);
    expect([...kernel.modules.keys()]).toEqual(["udf", "crc_itu_t"]);
    for (const [name, module] of given.kernel.modules)
      expect([...(kernel.modules.get(name)?.names() ?? [])]).toEqual([...module.names()]);
  }
});
