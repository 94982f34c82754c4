// Objects compiled twice in one folder: of the source as it is, and as patches make it.

import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { PatchedFile } from "../patch/apply.ts";
import { BuildStop } from "../stop.ts";
import { copyTimes, type Workspace } from "../workspace.ts";
import { commandFile } from "./dependents.ts";
import { notedVersions, type Versions } from "./versions.ts";

/** An object before and after, as files of the private folder. */
export interface ObjectPair {
  /** Path from the top of the tree. */
  readonly path: string;
  /** Null: it was not made. */
  readonly orig: string;
  readonly patched: string;
  /** `vmlinux`, or the names of the modules that it is a part of. */
  readonly owners: readonly string[];
  /** Checksums of its exports, before and after. */
  readonly versions: { readonly orig: Versions; readonly patched: Versions };
}

interface Twice {
  readonly workspace: Workspace;
  /** Folder below which the objects are made. */
  readonly out: string;
  readonly objects: readonly string[];
  /** Other objects, of which the originals are kept as well. */
  readonly beside?: readonly string[];
  readonly files: readonly PatchedFile[];
  /** Modules whose linked objects they are, if they are no objects of source files. */
  readonly isLinked?: boolean;
  /** Makes the objects of what the tree has. */
  readonly compile: (step: string) => Promise<void>;
}

/** Where the objects of the source as it is are kept. */
export const originalsIn = (workspace: Workspace): string => join(workspace.folder, "pairs/orig");

/**
 * Compiles objects of the source as it is, and as the patches make it. Tree and objects are then as they were.
 * @throws BuildStop KLP817, Interrupted
 */
export async function compileTwice({
  workspace,
  out,
  objects,
  beside = [],
  files,
  isLinked,
  compile,
}: Twice): Promise<ObjectPair[]> {
  const folder = join(workspace.folder, "pairs");
  const originals = originalsIn(workspace);
  rmSync(folder, { recursive: true, force: true });
  await compile("compiles the original");
  const saved: [string, string][] = [];
  const save = (path: string): void => {
    const to = join(originals, path);
    mkdirSync(dirname(to), { recursive: true });
    if (!existsSync(join(out, path))) return;
    copyFileSync(join(out, path), to);
    copyTimes(join(out, path), to);
    saved.push([to, join(out, path)]);
  };
  for (const object of new Set([...objects, ...beside])) {
    save(object);
    save(commandFile(object));
  }
  const versions = new Map<string, Versions>();
  try {
    await compilePatched({ workspace, out, files, compile });
    for (const object of objects) {
      const to = join(folder, "patched", object);
      mkdirSync(dirname(to), { recursive: true });
      copyFileSync(join(out, object), to);
      versions.set(object, notedVersions(join(out, commandFile(object))));
    }
  } finally {
    workspace.recover();
  }
  for (const [from, to] of saved) {
    copyFileSync(from, to);
    copyTimes(from, to);
  }
  return objects.map((path) => {
    const command = join(originals, commandFile(path));
    const owners =
      isLinked === true
        ? [moduleOf(path)]
        : existsSync(command)
          ? ownersOf(readFileSync(command, "latin1"))
          : ["vmlinux"];
    return {
      path,
      orig: join(originals, path),
      patched: join(folder, "patched", path),
      owners,
      versions: { orig: notedVersions(command), patched: versions.get(path) ?? new Map() },
    };
  });
}

/**
 * Compiles the patched files. Where that fails, once more without #line directives: a compiler then tells lines as the patched file has
 * them, and shows their text.
 * @throws BuildStop KLP817, Interrupted
 */
async function compilePatched(how: Pick<Twice, "workspace" | "out" | "files" | "compile">): Promise<void> {
  const { workspace, out, files, compile } = how;
  const step = "compiles the patched source";
  workspace.swapIn(files, out);
  try {
    await compile(step);
  } catch (error) {
    const isOfMake =
      error instanceof BuildStop && error.problems.some((p) => p.code === "KLP817" && p.data.lines.length > 0);
    if (!isOfMake || !files.some((f) => f.plain !== undefined && f.plain !== f.text)) throw error;
    workspace.recover();
    workspace.swapIn(
      files.map((f) => ({ ...f, text: f.plain ?? f.text })),
      out,
    );
    await compile(step);
    throw error;
  }
}

/** The module that becomes of its linked object. */
const moduleOf = (path: string): string => basename(path, ".o").replaceAll("-", "_");

/** What an object is a part of, by the definitions that it was compiled with (6.1 to 7.2: scripts/Makefile.lib, modname_flags). */
function ownersOf(command: string): string[] {
  const line = command.slice(0, command.indexOf("\n"));
  if (!/ -DMODULE\b/.test(line)) return ["vmlinux"];
  const name = /-DKBUILD_MODNAME='"([^"']+)"'|-DKBUILD_MODNAME=\\?"([\w:-]+)/.exec(line);
  return (name?.[1] ?? name?.[2] ?? "").split(":").map((n) => n.replaceAll("-", "_"));
}
