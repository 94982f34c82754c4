// What of a kernel is in a package, by where distributions put it: Debian and Ubuntu (linux-image, linux-binary, linux-modules,
// linux-headers), Fedora and RHEL (kernel-core, kernel-modules, kernel-devel), SUSE (kernel-default, kernel-default-devel), Arch
// (linux, linux-headers).

import { mayHoldCode } from "../../elf/codeless.ts";
import { normalModuleName } from "../module/modinfo.ts";
import type { ArchiveFile } from "./archive.ts";

/** The files of a package that tell of a kernel, the best of each kind. */
export interface PackageContents {
  /** As folders and file names have it; null if none does. */
  readonly release: string | null;
  readonly kernel: ArchiveFile | null;
  readonly map: ArchiveFile | null;
  readonly symvers: ArchiveFile | null;
  readonly config: ArchiveFile | null;
  /** By the modules' names; `_` in place of `-`. */
  readonly modules: ReadonlyMap<string, ArchiveFile>;
}

const KO = /\.ko(?:\.(?:gz|xz|zst))?$/;
/** A System.map below this is only a note that the list is elsewhere, bytes. */
const LEAST_MAP = 4096;
const MODULES = "(?:usr/)?lib/modules/([^/]+)";

/** Where a kind of file may be; the release is what is in brackets. The best place first. */
type Places = readonly RegExp[];

const KERNELS: Places = [
  /^usr\/lib\/debug\/(?:usr\/)?boot\/vmlinux-([^/]+?)(?:\.debug)?$/,
  /^usr\/lib\/debug\/(?:usr\/)?lib\/modules\/([^/]+)\/vmlinux(?:\.debug)?$/,
  new RegExp(`^${MODULES}/build/vmlinux$`),
  /^boot\/vmlinu[xz]-([^/]+)$/,
  new RegExp(`^${MODULES}/(?:vmlinu[xz]|Image|bzImage)(?:\\.\\w+)?$`),
  /^boot\/(?:Image|kernel|bzImage)-([^/]+)$/,
];
const MAPS: Places = [/^(?:usr\/lib\/debug\/)?boot\/System\.map-([^/]+)$/, new RegExp(`^${MODULES}/System\\.map$`)];
const SYMVERS: Places = [
  /^usr\/src\/linux-headers-([^/]+)\/Module\.symvers$/,
  /^usr\/src\/kernels\/([^/]+)\/Module\.symvers$/,
  /^usr\/src\/linux-([^/]+)-obj\/[^/]+\/[^/]+\/Module\.symvers$/,
  new RegExp(`^${MODULES}/(?:build/Module\\.symvers|symvers)(?:\\.\\w+)?$`),
  /^boot\/symvers-([^/]+?)(?:\.(?:gz|xz|zst))?$/,
];
const CONFIGS: Places = [
  /^boot\/config-([^/]+)$/,
  new RegExp(`^${MODULES}/(?:config|build/\\.config)$`),
  /^usr\/src\/(?:linux-headers-|kernels\/)([^/]+)\/\.config$/,
];

/** What a package has. @param wanted the release that counts where it has several; null: the first one of a kernel */
export function contentsOf(files: readonly ArchiveFile[], wanted: string | null = null): PackageContents {
  const kernel = bestOf(files, KERNELS, wanted, isKernel);
  const release = wanted ?? kernel?.release ?? null;
  const map = bestOf(files, MAPS, release, ({ bytes }) => bytes.length >= LEAST_MAP);
  const symvers = bestOf(files, SYMVERS, release);
  const config = bestOf(files, CONFIGS, release);
  const modules = new Map<string, ArchiveFile>();
  let ofModules: string | null = null;
  for (const file of files) {
    const [, found] = MODULE.exec(file.name) ?? [];
    if (found === undefined || !KO.test(file.name) || (release !== null && found !== release)) continue;
    ofModules ??= found;
    const name = moduleNameOf(file.name);
    // updates/ and extra/ go before what the kernel came with, as depmod's default order has it.
    if (!modules.has(name) || /\/(?:updates|extra)\//.test(file.name)) modules.set(name, file);
  }
  return {
    release: release ?? ofModules ?? symvers?.release ?? map?.release ?? config?.release ?? null,
    kernel: kernel?.file ?? null,
    map: map?.file ?? null,
    symvers: symvers?.file ?? null,
    config: config?.file ?? null,
    modules,
  };
}

const MODULE = new RegExp(`^${MODULES}/`);

/** `snd_hda_intel` of `…/snd-hda-intel.ko.xz`. */
const moduleNameOf = (path: string): string => normalModuleName(path.replace(/^.*\//, "").replace(KO, ""));

/** Not the vmlinux that packages of headers bring, which has the kernel's types alone. */
const isKernel = ({ bytes }: ArchiveFile): boolean =>
  bytes.length > 0 && mayHoldCode((size, at) => bytes.subarray(at, at + size));

function bestOf(
  files: readonly ArchiveFile[],
  places: Places,
  wanted: string | null,
  isFit: (file: ArchiveFile) => boolean = ({ bytes }) => bytes.length > 0,
): { file: ArchiveFile; release: string } | null {
  for (const place of places) {
    for (const file of files) {
      const [, release] = place.exec(file.name) ?? [];
      if (release === undefined || (wanted !== null && release !== wanted)) continue;
      if (isFit(file)) return { file, release };
    }
  }
  return null;
}

/** Words of a release or of a file's name: what stands between anything but letters and digits. */
const wordsOf = (text: string): string[] => text.split(/[^0-9A-Za-z]+/).filter((word) => word !== "");

/**
 * Whether the file of a package is called after a release: `linux-headers-6.12.9+deb13-amd64_6.12.9-1_amd64.deb`,
 * `kernel-devel-6.9.7-200.fc40.x86_64.rpm`, `linux-headers-6.9.7.arch1-1-x86_64.pkg.tar.zst` (of 6.9.7-arch1-1).
 */
export function isNamedAfter(fileName: string, release: string): boolean {
  const words = wordsOf(fileName.replace(/%2b/gi, "+"));
  const wanted = wordsOf(release);
  return words.some((_, at) => wanted.every((word, k) => words[at + k] === word));
}
