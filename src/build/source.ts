// The source: what --source names, and the private copy of it.

import { createHash } from "node:crypto";
import {
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { problem } from "../diag/catalogue.ts";
import { isRegular } from "../elf/regularFile.ts";
import { isProductFile } from "./compiled/products.ts";
import { ARCH_FOLDERS, type MakeMachine } from "./machines.ts";
import type { Programs } from "./make.ts";
import { BuildStop } from "./stop.ts";
import { type Workspace, writeThrough } from "./workspace.ts";

export type Source =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "packed"; readonly path: string; readonly identity: string }
  | { readonly kind: "git"; readonly path: string; readonly commit: string };

const refused = (file: string, what: string): BuildStop => new BuildStop([problem("KLP818", { file }, { what })], 3);

/** What --source and --rev name. @throws BuildStop */
export async function openSource(path: string, revision: string | undefined, programs: Programs): Promise<Source> {
  if (!existsSync(path)) throw refused(path, "there is no such file");
  const real = realpathSync(path);
  const state = statSync(real);
  if (revision !== undefined) {
    if (/^-/.test(revision)) throw refused(path, `\`${revision}\` is no revision`);
    const ended = await programs.run("git", ["-C", real, "rev-parse", "--verify", "-q", `${revision}^{commit}`]);
    if (ended.status !== 0) throw refused(path, `it has no revision ${revision}`);
    return { kind: "git", path: real, commit: ended.stdout.trim() };
  }
  if (state.isDirectory()) {
    const what = treeFault(real);
    if (what !== null) throw refused(path, what);
    return { kind: "folder", path: real };
  }
  if (!/\.tar(?:\.(?:xz|gz|bz2|zst))?$|\.t[gx]z$/.test(real))
    throw refused(path, "it is neither a folder nor a tar file");
  return { kind: "packed", path: real, identity: `${state.size} ${state.mtimeMs}` };
}

function treeFault(folder: string): string | null {
  const hasAll = ["Makefile", "Kconfig", "arch", "scripts"].every((name) => existsSync(join(folder, name)));
  if (
    hasAll &&
    isRegular(join(folder, "Makefile")) &&
    /^PATCHLEVEL\s*=/m.test(readFileSync(join(folder, "Makefile"), "latin1"))
  )
    return null;
  if (existsSync(join(folder, "Makefile")) && existsSync(join(folder, "source")))
    return "it is an output folder of a build; its link `source` leads to the source";
  return "it is not the top folder of a kernel's source (no Makefile with PATCHLEVEL, Kconfig, arch, scripts)";
}

/** The version that the top makefile of a source tells: `6.12.117`, `7.0.0-rc3`; null if it tells none. */
export function sourceVersion(makefile: string): string | null {
  const part = (name: string): string => new RegExp(`^${name}\\s*=[ \\t]*(\\S*)`, "m").exec(makefile)?.[1] ?? "";
  const [version, patch] = [part("VERSION"), part("PATCHLEVEL")];
  return version === "" || patch === ""
    ? null
    : `${version}.${patch}.${part("SUBLEVEL") || "0"}${part("EXTRAVERSION")}`;
}

/** Whether a release may be of a source of that version. Of some distributions the last number is always 0 (6.1.0-57-amd64). */
export function isOfVersion(release: string, version: string): boolean {
  const [, major, minor, last] = /^(\d+)\.(\d+)\.(\d+)/.exec(release) ?? [];
  const [, a, b, c] = /^(\d+)\.(\d+)\.(\d+)/.exec(version) ?? [];
  return major === a && minor === b && (last === c || (last === "0" && /^\d+\.\d+\.0-\d/.test(release)));
}

/** Name of the private folder: one for each source and architecture. */
export function sourceKey(source: Source, machine: MakeMachine): string {
  const hash = createHash("sha256");
  const more = source.kind === "folder" ? "" : source.kind === "git" ? source.commit : source.identity;
  hash.update(JSON.stringify([2, source.kind, source.path, more, machine.arch]));
  return hash.digest("hex").slice(0, 16);
}

/** Whether a path of the source is needed to compile for an architecture. */
export function needed(machine: MakeMachine): (path: string, isFolder: boolean) => boolean {
  const others = new Set(ARCH_FOLDERS.filter((a) => a !== machine.folder && !machine.borrows.includes(a)));
  return (path, isFolder) => {
    const parts = path.split("/");
    const [first = "", second = "", third] = parts;
    if (first === ".git" || first === "debian") return false;
    if (first === "Documentation") return parts.length === 2 ? !isFolder : parts.length < 2;
    if (first === "tools") return second !== "testing" && second !== "perf";
    // Drivers read Kconfig files of other architectures, and scripts/checksyscalls.sh the list of system calls of x86.
    if (first === "arch" && third !== undefined && others.has(second))
      return isFolder || /^Kconfig|\.tbl$/.test(parts.at(-1) ?? "");
    if (first === "arch" && third === "boot" && parts[3] === "dts")
      return parts.length === 4 || /^Makefile$/.test(parts[4] ?? "");
    return true;
  };
}

/** Files of the source as they were when they were copied: path, and size with time. */
type Manifest = Record<string, string>;

/** Makes the private copy, or brings it up to date. @throws BuildStop */
export async function copySource(
  source: Source,
  workspace: Workspace,
  machine: MakeMachine,
  programs: Programs,
  show: (text: string) => void,
): Promise<void> {
  if (source.kind === "folder") {
    await copyFolder(source.path, workspace, needed(machine), programs, show);
    return;
  }
  const stamp = join(workspace.folder, "unpacked");
  if (existsSync(stamp)) return;
  rmSync(workspace.tree, { recursive: true, force: true });
  mkdirSync(workspace.tree, { recursive: true });
  show("unpacks the source");
  const others = ARCH_FOLDERS.filter((a) => a !== machine.folder && !machine.borrows.includes(a));
  const without = [
    "*/Documentation/*/*",
    "*/tools/testing",
    "*/tools/perf",
    "*/arch/*/boot/dts/*/*",
    ...others.flatMap((a) => ["c", "h", "S", "dts", "dtsi"].map((end) => `*/arch/${a}/*.${end}`)),
  ];
  const into = ["-C", workspace.tree, "--wildcards", ...without.map((w) => `--exclude=${w}`), "--no-same-owner"];
  if (source.kind === "packed") {
    const ended = await programs.run("tar", ["-xf", source.path, "--strip-components=1", ...into]);
    if (ended.status !== 0) throw refused(source.path, `tar cannot unpack it: ${ended.last.at(-1) ?? ""}`);
  } else {
    const file = join(workspace.folder, "source.tar");
    const made = await programs.run("git", ["-C", source.path, "archive", "--prefix=x/", "-o", file, source.commit]);
    if (made.status !== 0) throw refused(source.path, `git archive failed: ${made.last.at(-1) ?? ""}`);
    const ended = await programs.run("tar", ["-xf", file, "--strip-components=1", ...into]);
    rmSync(file, { force: true });
    if (ended.status !== 0) throw refused(source.path, `tar cannot unpack it: ${ended.last.at(-1) ?? ""}`);
  }
  const what = treeFault(workspace.tree);
  if (what !== null) throw refused(source.path, what);
  writeThrough(stamp, "");
}

/** So many files are copied between two words of progress, and looks whether the user ended it. */
const STEP = 500;

/**
 * Makes the private copy of a folder, or brings it up to date; products of builds in it are left out.
 * @param wanted whether a path, of a folder or not, is taken @throws Error of node:fs
 */
export async function copyFolder(
  from: string,
  workspace: Workspace,
  wanted: (path: string, isFolder: boolean) => boolean,
  programs: Programs,
  show: (text: string) => void,
): Promise<void> {
  show("looks for changes of the source");
  const path = join(workspace.folder, "manifest.json");
  const known: Manifest = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Manifest) : {};
  if (!existsSync(path)) rmSync(workspace.tree, { recursive: true, force: true });
  const now: Manifest = {};
  const changed: string[] = [];
  const walk = (below: string): void => {
    const folder = join(from, below);
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const name = below === "" ? entry.name : `${below}/${entry.name}`;
      if (!wanted(name, entry.isDirectory()) || isProduct(from, name, entry.isDirectory())) continue;
      if (entry.isDirectory()) {
        walk(name);
        continue;
      }
      if (!entry.isFile() && !entry.isSymbolicLink()) continue;
      const { size, mtimeMs, ino } = lstatSync(join(from, name));
      const state = entry.isSymbolicLink() ? `-> ${readlinkSync(join(from, name))}` : `${size} ${mtimeMs} ${ino}`;
      now[name] = state;
      if (known[name] !== state) changed.push(name);
    }
  };
  walk("");
  const gone = Object.keys(known).filter((name) => now[name] === undefined);
  if (changed.length === 0 && gone.length === 0) return;
  // Until all is copied the list is not the one of a whole copy: what is not in it is copied again.
  const done: Manifest = { ...known };
  for (const name of [...gone, ...changed]) delete done[name];
  writeThrough(path, JSON.stringify(done));
  for (const name of gone) rmSync(join(workspace.tree, name), { force: true });
  let folder = "";
  for (const [i, name] of changed.entries()) {
    if (i % STEP === 0) {
      show(`copies the source: ${i} of ${changed.length} files`);
      // Signals come between two turns.
      await new Promise((resolve) => setImmediate(resolve));
      if (programs.isInterrupted) break;
    }
    const parent = name.slice(0, Math.max(0, name.lastIndexOf("/")));
    if (parent !== folder || i === 0) mkdirSync(join(workspace.tree, parent), { recursive: true });
    folder = parent;
    copyOne(join(from, name), join(workspace.tree, name));
    done[name] = now[name] ?? "";
  }
  writeThrough(path, JSON.stringify(done));
}

function copyOne(from: string, to: string): void {
  rmSync(to, { force: true });
  const state = lstatSync(from);
  if (state.isSymbolicLink()) {
    symlinkSync(readlinkSync(from), to);
    return;
  }
  // Shares its blocks where the file system can; written to it is then one of its own.
  copyFileSync(from, to, constants.COPYFILE_FICLONE);
  utimesSync(to, state.atime, state.mtime);
}

/** Products of builds inside the source, which would make it an unclean one. */
function isProduct(root: string, name: string, isFolder: boolean): boolean {
  if (isFolder) {
    if (/^include\/(?:config|generated)$|^arch\/\w+\/include\/generated$|^\.tmp_|\/\.tmp_/.test(name)) return true;
    // An output folder (O=) inside the source.
    return !name.includes("/") && existsSync(join(root, name, ".config")) && existsSync(join(root, name, "Makefile"));
  }
  return isProductFile(name);
}
