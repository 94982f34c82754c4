// The boot tests' scripts that fetch Debian packages, against archives that are made here: apt-get, apt-cache and dpkg-deb are scripts of
// this test's own, the packages folders. No network.

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { root } from "../helpers.ts";

/** What the index names as `PACKAGE VERSION`, and the files in it: none if the archive answers 404. */
type Archive = Readonly<Record<string, readonly string[] | 404 | "damaged">>;

/** `apt-get` as the scripts call it: `indextargets`, `update`, `download NAME=VERSION…`. */
const APT_GET = `
while [[ $1 == -* ]]; do [[ $1 == -o ]] && shift; shift; done
command=$1; shift
echo "$command $*" >>"$ARCHIVE/log"
case $command in
  indextargets) echo "Packages http://archive.example/debian main" ;;
  update) [[ -e $ARCHIVE/index ]] || { echo "E: no index" >&2; exit 100; } ;;
  download)
    for one; do
      file=$ARCHIVE/files/\${one/=/_}
      [[ -e $file ]] || { echo "E: Failed to fetch http://archive.example/$one.deb  404  Not Found [IP: 192.0.2.1 80]" >&2; exit 100; }
      echo "$file" >"\${one%%=*}.deb"
    done ;;
esac
`;
const APT_CACHE = `
while [[ $1 == -* ]]; do [[ $1 == -o ]] && shift; shift; done
command=$1; shift
case $command in
  show) for one; do echo "Package: x"; grep -F "$one: " "$ARCHIVE/depends" | sed 's/^.*: /Depends: /'; done ;;
  pkgnames) cut -d' ' -f1 "$ARCHIVE/index" ;;
  madison) for one; do awk -v one="$one" '$1 == one { printf "%30s | %10s | http://archive.example/debian sid/main Packages\\n", $1, $2 }' "$ARCHIVE/index"; done ;;
esac
`;
const DPKG_DEB = `
[[ -d $(cat "$2") ]] || { echo "dpkg-deb: error: '$2' is not a Debian format archive" >&2; exit 2; }
cp -r "$(cat "$2")/." "$3"
`;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "klplink-debian-"));
  for (const [name, text] of [
    ["apt-get", APT_GET],
    ["apt-cache", APT_CACHE],
    ["dpkg-deb", DPKG_DEB],
  ] as const) {
    put(`bin/${name}`, `#!/bin/bash${text}`);
    chmodSync(join(folder, "bin", name), 0o755);
  }
  put("keyring", "");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(path: string, text: string): void {
  const full = join(folder, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
}

function offer(archive: Archive): void {
  rmSync(join(folder, "archive"), { recursive: true, force: true });
  put(
    "archive/index",
    Object.keys(archive)
      .map((line) => `${line}\n`)
      .join(""),
  );
  for (const [line, files] of Object.entries(archive)) {
    const at = `archive/files/${line.replace(" ", "_")}`;
    if (files === "damaged") put(at, "");
    else if (files !== 404) for (const file of files) put(`${at}/${file}`, line);
  }
}

function fetch(script: "fetch-distro.sh" | "fetch-package.sh" | "fetch-headers.sh", ...args: string[]): Ran {
  return bash(join(root, "test/boot", script), ...args);
}

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The folder that was printed. */
  readonly at: string;
}

function bash(...args: string[]): Ran {
  const { status, stdout, stderr } = spawnSync("bash", args, {
    encoding: "utf8",
    env: {
      ...process.env,
      PATH: `${join(folder, "bin")}:${process.env.PATH ?? ""}`,
      ARCHIVE: join(folder, "archive"),
      KLPLINK_CACHE: join(folder, "cache"),
      KLPLINK_KEYRING: join(folder, "keyring"),
    },
  });
  return { status, stdout, stderr, at: stdout.trim() };
}

/** All files below a folder, and which package they are from. */
function contents(at: string): Record<string, string> {
  const files = readdirSync(at, { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
  return Object.fromEntries(
    files
      .map((e) => join(e.parentPath, e.name))
      .sort()
      .map((path) => [path.slice(at.length + 1), readFileSync(path, "utf8")]),
  );
}

/** The kernel and a module as 6.12 for bookworm has them. */
const old = (release: string): string[] => [
  `boot/vmlinuz-${release}`,
  `boot/config-${release}`,
  `lib/modules/${release}/kernel/fs/ext4/ext4.ko.xz`,
];

describe.skipIf(process.platform !== "linux")("fetch-distro.sh", () => {
  test("what the index names and the archive has no more is passed over, newest first, and each is said", () => {
    offer({
      "linux-image-6.12.95+deb12-amd64 6.12.95-1~bpo12+1": old("6.12.95+deb12-amd64"),
      "linux-image-6.12.117+deb13-amd64 6.12.117-1": 404,
      "linux-image-6.12.107+deb13-amd64 6.12.107-1": "damaged",
      "linux-image-6.12.9-amd64 6.12.9-1": old("6.12.9-amd64"),
    });
    const { status, stderr, at } = fetch("fetch-distro.sh", "amd64", "6.12");
    expect(status, stderr).toBe(0);
    expect(at).toBe(join(folder, "cache/debian/linux-6.12-amd64"));
    const taken = "linux-image-6.12.95+deb12-amd64 6.12.95-1~bpo12+1";
    expect(contents(at)).toEqual({
      "boot/vmlinuz-6.12.95+deb12-amd64": taken,
      "lib/modules/6.12.95+deb12-amd64/kernel/fs/ext4/ext4.ko.xz": taken,
    });
    const said = stderr.split("\n").filter((line) => / taken: /.test(line));
    expect(said).toEqual([
      "fetch-distro: linux-image-6.12.117+deb13-amd64 6.12.117-1 not taken: Failed to fetch http://archive.example/linux-image-6.12.117+deb13-amd64=6.12.117-1.deb  404  Not Found [IP: 192.0.2.1 80]",
      "fetch-distro: linux-image-6.12.107+deb13-amd64 6.12.107-1 not taken: dpkg-deb: error: 'linux-image-6.12.107+deb13-amd64.deb' is not a Debian format archive",
      `fetch-distro: taken: ${taken}`,
    ]);
    expect(readdirSync(join(folder, "cache/debian")).filter((name) => /unpacked|fetching/.test(name))).toEqual([]);
  });

  test("an older version of the same package, or the unsigned one, is as good", () => {
    const name = "linux-image-6.1.0-50-arm64";
    offer({ [`${name} 6.1.176-2`]: 404, [`${name} 6.1.176-1`]: old("6.1.0-50-arm64") });
    expect(contents(fetch("fetch-distro.sh", "arm64", "6.1").at)["boot/vmlinuz-6.1.0-50-arm64"]).toBe(
      `${name} 6.1.176-1`,
    );
    offer({
      "linux-image-6.12.1+deb13-arm64 6.12.1-1": 404,
      "linux-image-6.12.1+deb13-arm64-unsigned 6.12.1-1": old("6.12.1+deb13-arm64"),
    });
    expect(Object.keys(contents(fetch("fetch-distro.sh", "arm64", "6.12").at))).toContain(
      "boot/vmlinuz-6.12.1+deb13-arm64",
    );
  });

  test.each([
    ["kernel in boot, modules below usr", ["boot/vmlinux-R"], ["usr/lib/modules/R/kernel/a.ko"], null],
    ["all beside the modules", ["usr/lib/modules/R/vmlinuz"], ["usr/lib/modules/R/kernel/a.ko"], null],
    [
      "modules of their own package",
      ["usr/lib/modules/R/vmlinuz.unsigned"],
      ["usr/share/doc/x"],
      ["usr/lib/modules/R/kernel/a.ko"],
    ],
    [
      "modules of their own package, below lib",
      ["boot/vmlinuz-R"],
      ["lib/modules/R/modules.order"],
      ["lib/modules/R/kernel/a.ko"],
    ],
  ])("the layout is told by what is there: %s", (_, kernel, more, modules) => {
    const release = "7.2.13+deb14-powerpc64le";
    const named = (paths: readonly string[]): string[] => paths.map((path) => path.replace("R", release));
    offer({
      [`linux-image-${release} 7.2.13-1`]: ["usr/share/doc/meta"],
      [`linux-binary-unsigned-${release} 7.2.13-1`]: named([...kernel, ...more]),
      ...(modules === null ? {} : { [`linux-modules-${release} 7.2.13-1`]: named(modules) }),
    });
    const { stderr, at } = fetch("fetch-distro.sh", "ppc64el", "7.2");
    const image = kernel[0]?.includes("vmlinux") === true ? "vmlinux" : "vmlinuz";
    expect(
      Object.keys(contents(at)).filter((path) => !path.endsWith("order")),
      stderr,
    ).toEqual([`boot/${image}-${release}`, `lib/modules/${release}/kernel/a.ko`]);
  });

  test("a kernel whose modules are gone is passed over", () => {
    offer({
      "linux-binary-7.2.14+deb14-amd64 7.2.14-1": ["usr/lib/modules/7.2.14+deb14-amd64/vmlinuz"],
      "linux-modules-7.2.14+deb14-amd64 7.2.14-1": 404,
      "linux-image-7.2.9+deb14-amd64 7.2.9-1": old("7.2.9+deb14-amd64"),
    });
    const { stderr, at } = fetch("fetch-distro.sh", "amd64", "7.2");
    expect(stderr).toContain(
      "7.2.14-1 not taken: no modules are in it, and linux-modules-7.2.14+deb14-amd64: Failed to fetch",
    );
    expect(Object.keys(contents(at))).toContain("boot/vmlinuz-7.2.9+deb14-amd64");
  });

  test("the next higher series takes the place of one that is gone; other flavours and lower series do not", () => {
    offer({
      "linux-image-6.12.1-amd64 6.12.1-1": old("6.12.1-amd64"),
      "linux-image-7.20.1-amd64 7.20.1-1": old("7.20.1-amd64"),
      "linux-image-7.3.1-amd64 7.3.1-1": old("7.3.1-amd64"),
      "linux-image-7.2.1-cloud-amd64 7.2.1-1": old("7.2.1-cloud-amd64"),
      "linux-image-7.2.1-amd64-dbg 7.2.1-1": old("7.2.1-amd64"),
    });
    const { stderr, at } = fetch("fetch-distro.sh", "amd64", "7.2");
    expect(stderr).toContain("no kernel of 7.2 for amd64 can be had: 7.3 takes its place");
    expect(at).toBe(join(folder, "cache/debian/linux-7.2-amd64"));
    expect(Object.keys(contents(at))).toContain("boot/vmlinuz-7.3.1-amd64");
  });

  test("a fetched kernel is used without asking the archive", () => {
    offer({ "linux-image-6.1.0-50-amd64 6.1.176-1": old("6.1.0-50-amd64") });
    const first = fetch("fetch-distro.sh", "amd64", "6.1");
    rmSync(join(folder, "archive"), { recursive: true });
    mkdirSync(join(folder, "archive"));
    const again = fetch("fetch-distro.sh", "amd64", "6.1");
    expect(again).toEqual({ status: 0, stdout: first.stdout, stderr: "", at: first.at });
    expect(existsSync(join(folder, "archive/log"))).toBe(false);
  });

  test("when none can be had it fails, says why of each, and leaves nothing", () => {
    offer({
      "linux-image-6.12.2-amd64 6.12.2-1": 404,
      "linux-image-6.12.1-amd64 6.12.1-1": ["boot/config"],
      "linux-image-7.2.1-amd64 7.2.1-1": 404,
    });
    const { status, stdout, stderr } = fetch("fetch-distro.sh", "amd64", "6.12");
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("6.12.2-1 not taken: Failed to fetch");
    expect(stderr).toContain("6.12.1-1 not taken: no kernel is in it");
    expect(stderr).toContain("no kernel of 6.12 for amd64, nor of a higher series, can be had");
    expect(readdirSync(join(folder, "cache/debian")).filter((name) => !name.startsWith("."))).toEqual(["apt-amd64"]);
  });
});

describe.skipIf(process.platform !== "linux")("fetch-package.sh", () => {
  const at = (name: string): string => join(folder, "cache/debian", name);

  test("the newest version that can be had", () => {
    offer({
      "busybox-static 1:1.38.0-3": 404,
      "busybox-static 1:1.37.0-6": ["usr/bin/busybox"],
      "busybox-static 1:1.35.0-4": ["bin/busybox"],
    });
    const { stderr, at: folderOf } = fetch("fetch-package.sh", "ppc64el", "busybox-static");
    expect(folderOf).toBe(at("busybox-static-1.37.0-6-ppc64el"));
    expect(contents(folderOf)).toEqual({ "usr/bin/busybox": "busybox-static 1:1.37.0-6" });
    expect(stderr).toContain("busybox-static 1:1.38.0-3 not taken: Failed to fetch");
  });

  test("of several names the first that can be had", () => {
    offer({ "libelf1 0.188-1": ["usr/lib/libelf.so.1"] });
    expect(fetch("fetch-package.sh", "amd64", "libelf1t64", "libelf1").at).toBe(at("libelf1-0.188-1-amd64"));
  });

  test("the next higher series of the kernel's source takes the place of one that is gone", () => {
    offer({
      "linux-source-6.1 6.1.176-1": ["usr/src/linux-source-6.1.tar.xz"],
      "linux-source-7.3 7.3.2-1": ["usr/src/linux-source-7.3.tar.xz"],
      "linux-source-7.10 7.10.1-1": ["usr/src/linux-source-7.10.tar.xz"],
    });
    const { stderr, at: folderOf } = fetch("fetch-package.sh", "amd64", "linux-source-7.2");
    expect(folderOf).toBe(at("linux-source-7.3-7.3.2-1-amd64"));
    expect(stderr).toContain("no linux-source-7.2 can be had: linux-source-7.3 takes its place");
  });

  test("what was fetched before serves when the archive does not answer; else it fails", () => {
    offer({ "gawk 1-1": ["usr/bin/gawk"] });
    const first = fetch("fetch-package.sh", "arm64", "gawk").at;
    offer({ "gawk 1-2": 404, "mawk 1-1": 404 });
    const second = fetch("fetch-package.sh", "arm64", "gawk");
    expect([second.status, second.at]).toEqual([0, first]);
    expect(second.stderr).toContain("from the cache: gawk-1-1-arm64");
    const none = fetch("fetch-package.sh", "arm64", "mawk");
    expect([none.status, none.stdout]).toEqual([1, ""]);
    expect(none.stderr).toContain("the archive has no package mawk for arm64 that can be had");
  });
});

describe.skipIf(process.platform !== "linux")("fetch-headers.sh", () => {
  /** Kernel, headers, what all flavours have in common, and the programs. */
  const release = (
    name: string,
    version: string,
    common: readonly string[] | 404 = ["include/linux/kernel.h"],
  ): Archive => {
    const flavour = `usr/src/linux-headers-${name}-amd64`;
    return {
      [`linux-image-${name}-amd64 ${version}`]: old(`${name}-amd64`),
      [`linux-headers-${name}-amd64 ${version}`]: [`${flavour}/Makefile`, `${flavour}/.kernelvariables`],
      [`linux-headers-${name}-common ${version}`]:
        common === 404 ? 404 : common.map((f) => `usr/src/linux-headers-${name}-common/${f}`),
      [`linux-kbuild-${name} ${version}`]: [`usr/lib/linux-kbuild-${name}/scripts/Makefile.build`],
    };
  };
  const offerWith = (archive: Archive): void => {
    offer(archive);
    const depends = Object.keys(archive).flatMap((line) => {
      const [, name, version] = /^linux-headers-(.*)-amd64 (.*)$/.exec(line) ?? [];
      const needs = `linux-base (>= 4), linux-headers-${name}-common (= ${version}), linux-kbuild-${name}, gcc-14`;
      return name === undefined ? [] : [`linux-headers-${name}-amd64=${version}: ${needs}\n`];
    });
    put("archive/depends", depends.join(""));
    for (const line of Object.keys(archive)) {
      const [, name] = /^linux-headers-(.*)-amd64 /.exec(line) ?? [];
      const makefile = `archive/files/${line.replace(" ", "_")}/usr/src/linux-headers-${name}-amd64/Makefile`;
      if (name !== undefined) put(makefile, `include /usr/src/linux-headers-${name}-common/Makefile\n`);
    }
  };

  test("three packages in one folder, whose paths lead into it, and the kernel that they are for", () => {
    offerWith(release("6.12.95+deb12", "6.12.95-1"));
    const first = fetch("fetch-headers.sh", "amd64", "6.12");
    expect(first.status, first.stderr).toBe(0);
    const { at } = first;
    expect(readFileSync(join(at, "release"), "utf8")).toBe("6.12.95+deb12-amd64\n");
    expect(readFileSync(join(at, "build/Makefile"), "utf8")).toBe(
      `include ${at}/usr/src/linux-headers-6.12.95+deb12-common/Makefile\n`,
    );
    expect(existsSync(join(at, "usr/src/linux-headers-6.12.95+deb12-common/include/linux/kernel.h"))).toBe(true);
    expect(existsSync(join(at, "usr/lib/linux-kbuild-6.12.95+deb12/scripts/Makefile.build"))).toBe(true);
    expect(existsSync(join(at, "kernel/boot/vmlinuz-6.12.95+deb12-amd64"))).toBe(true);
    rmSync(join(folder, "archive"), { recursive: true });
    mkdirSync(join(folder, "archive"));
    expect(fetch("fetch-headers.sh", "amd64", "6.12")).toEqual({ ...first, stderr: "" });
    expect(existsSync(join(folder, "archive/log"))).toBe(false);
  });

  test("when the headers for the newest kernel are gone, another release is taken, kernel and all", () => {
    offerWith({ ...release("6.12.117+deb13", "6.12.117-1", 404), ...release("6.12.107+deb13", "6.12.107-1") });
    const { at, stderr } = fetch("fetch-headers.sh", "amd64", "6.12");
    expect(stderr).toMatch(/no headers for 6\.12\.117\+deb13-amd64: Failed to fetch .* 404 /);
    expect(readFileSync(join(at, "release"), "utf8")).toBe("6.12.107+deb13-amd64\n");
    expect(existsSync(join(at, "kernel/boot/vmlinuz-6.12.107+deb13-amd64"))).toBe(true);
    // The kernel without headers stays the one that others take.
    expect(existsSync(join(folder, "cache/debian/linux-6.12-amd64/boot/vmlinuz-6.12.117+deb13-amd64"))).toBe(true);
  });

  test("when no release has both, it fails", () => {
    offerWith(release("6.12.117+deb13", "6.12.117-1", 404));
    const { status, stdout, stderr } = fetch("fetch-headers.sh", "amd64", "6.12");
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(
      "no release of 6.12 for amd64, nor of a higher series, of which kernel and headers can be had",
    );
  });
});

describe.skipIf(process.platform !== "linux")("kernelBuild.sh", () => {
  /** A script like build-kernel.sh, whose building writes down the source only. */
  const build = (targets: string): Ran => {
    for (const name of ["gcc", "make", "bc", "bison", "flex", "perl", "xz"]) {
      put(`bin/${name}`, "#!/bin/bash\necho version 1\n");
      chmodSync(join(folder, "bin", name), 0o755);
    }
    put(
      "build-demo.sh",
      `set -euo pipefail
source "${join(root, "test/boot/kernelBuild.sh")}"
configs=() options=() targets=(${targets}) keep=()
settings() { echo CONFIG_MODULES=y; }
make_kernel() { mkdir "$2/linux" && cp "$1" "$2/linux/System.map"; }
build_kernel demo linux-source-90.2 x86_64 ""`,
    );
    return bash(join(folder, "build-demo.sh"));
  };

  test("a source that is not installed is fetched; the built kernel serves without asking the archive, until what it is made of changes", () => {
    const source = (version: string): string[] => [`usr/src/linux-source-${version}.tar.xz`];
    offer({ "linux-source-90.2 90.2.7-1": 404, "linux-source-90.2 90.2.6-1": source("90.2") });
    const first = build("vmlinux");
    expect(first.status, first.stderr).toBe(0);
    expect(first.at).toMatch(/\/kernel\/90\.2\.6-1-demo-[0-9a-f]{12}$/);
    expect(contents(first.at)).toEqual({ "System.map": "linux-source-90.2 90.2.6-1" });

    offer({ "linux-source-90.3 90.3.1-1": source("90.3") });
    rmSync(join(folder, "cache/debian"), { recursive: true });
    expect(build("vmlinux")).toEqual({ status: 0, stdout: first.stdout, stderr: "", at: first.at });
    expect(existsSync(join(folder, "archive/log"))).toBe(false);

    const other = build("bzImage");
    expect(other.at, other.stderr).toMatch(/\/kernel\/90\.3\.1-1-demo-[0-9a-f]{12}$/);
    expect(other.at.slice(-12)).not.toBe(first.at.slice(-12));
    expect(build("bzImage").at).toBe(other.at);
  });
});
