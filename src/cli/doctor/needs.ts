// Programs and headers that commands need, and the packages that have them.

import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Families of distributions that name their packages alike. */
export type PackageFamily = "deb" | "rpm" | "suse";

export interface Requirement {
  readonly what: string;
  /** Package by family; absent: not known there. */
  readonly packages: Readonly<Partial<Record<PackageFamily, string>>>;
}

export interface Installer {
  readonly kind: PackageFamily;
  readonly command: string;
}

/** How packages are installed where `root` is the top folder; null: another family of distributions. */
export function installerOf(root: string): Installer | null {
  let text: string;
  try {
    text = readFileSync(join(root, "etc/os-release"), "utf8");
  } catch {
    return null;
  }
  const ids = [...text.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap(([, words = ""]) => words.split(" "));
  const isOf = (...names: readonly string[]): boolean => names.some((name) => ids.includes(name));
  if (isOf("debian", "ubuntu")) return { kind: "deb", command: "apt-get install" };
  if (isOf("fedora", "rhel", "centos")) return { kind: "rpm", command: "dnf install" };
  if (isOf("suse", "opensuse")) return { kind: "suse", command: "zypper install" };
  return null;
}

/** A program of the same package everywhere, unless `others` says. */
export const program = (what: string, deb: string, rpm: string = deb, suse: string = rpm): Requirement => ({
  what,
  packages: { deb, rpm, suse },
});

/** Whether a program is in PATH. @param root the top folder of absolute paths */
export function hasProgram(name: string, root: string, path: string): boolean {
  return path.split(delimiter).some((folder) => {
    if (!folder.startsWith("/")) return false;
    const file = join(root, folder, name);
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

/** Whether a header is where compilers look: /usr/include, or the folder of an architecture in it. */
export function hasHeader(name: string, root: string): boolean {
  const folder = join(root, "usr/include");
  if (existsSync(join(folder, name))) return true;
  try {
    return readdirSync(folder).some((entry) => entry.includes("-linux-") && existsSync(join(folder, entry, name)));
  } catch {
    return false;
  }
}
