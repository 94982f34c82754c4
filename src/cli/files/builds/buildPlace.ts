// What `klplink build` builds: the kernel's source, or the folder of a module out of it and the headers that it is built with.

import { createHash } from "node:crypto";
import { existsSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import type { MakeMachine } from "../../../build/machines.ts";
import type { Programs } from "../../../build/make.ts";
import { configOfHeaders, headersFault, releaseOfHeaders } from "../../../build/moduleFolder.ts";
import { copyFolder, copySource, openSource, sourceKey } from "../../../build/source.ts";
import { BuildStop } from "../../../build/stop.ts";
import type { Workspace } from "../../../build/workspace.ts";
import { problem } from "../../../diag/catalogue.ts";
import { UsageError } from "../io.ts";

/** Headers of a kernel, with its configuration. */
export interface Headers {
  readonly folder: string;
  readonly config: { readonly name: string; readonly text: string };
}

export interface BuildPlace {
  /** Name of the private folder. */
  readonly key: string;
  /** The source as the user named it. */
  readonly name: string;
  /** Null: the kernel's own source. */
  readonly headers: Headers | null;
  /** Makes the private copy. @throws BuildStop */
  readonly copy: (workspace: Workspace, show: (text: string) => void) => Promise<void>;
}

/** What of the command line says it. */
interface Named {
  readonly source?: string;
  readonly rev?: string;
  readonly oot?: string;
  readonly kernel?: readonly string[];
  readonly root?: string;
}

export const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** @param release of the kernel; null: not known @throws BuildStop, UsageError */
export async function openPlace(
  named: Named,
  release: string | null,
  machine: MakeMachine,
  programs: Programs,
): Promise<BuildPlace> {
  if (named.oot !== undefined) return modulePlace(named.oot, named, release, machine, programs);
  if (named.source === undefined)
    throw new UsageError("build needs the kernel's source: give it with --source (or --oot, for a module out of it)");
  const source = await openSource(named.source, named.rev, programs);
  const copy: BuildPlace["copy"] = (workspace, show) => copySource(source, workspace, machine, programs, show);
  return { key: sourceKey(source, machine), name: named.source, headers: null, copy };
}

function modulePlace(
  path: string,
  named: Named,
  release: string | null,
  machine: MakeMachine,
  programs: Programs,
): BuildPlace {
  const fault = !isFolder(path)
    ? "there is no such folder"
    : ["Kbuild", "Makefile"].some((name) => existsSync(join(path, name)))
      ? null
      : "it has neither a Kbuild nor a Makefile";
  if (fault !== null) throw new BuildStop([problem("KLP842", { file: path }, { what: fault })], 3);
  const headers = openHeaders(named, release);
  const real = realpathSync(path);
  const key = createHash("sha256")
    .update(JSON.stringify(["oot", 1, real, headers.folder, machine.arch]))
    .digest("hex");
  const wanted = (name: string): boolean => name !== ".git";
  const copy: BuildPlace["copy"] = (workspace, show) => copyFolder(real, workspace, wanted, programs, show);
  return { key: key.slice(0, 16), name: path, headers, copy };
}

/** The headers: those that --source names, a folder of -k that has them, else those of the release, where distributions put them. */
function openHeaders({ source, kernel, root }: Named, release: string | null): Headers {
  const at = (path: string): string => join(root ?? "/", path);
  const released =
    release === null
      ? []
      : [at(`lib/modules/${release}/build`), at(`usr/src/linux-headers-${release}`), at(`usr/src/kernels/${release}`)];
  const places =
    source !== undefined
      ? [source]
      : [...(kernel ?? []).filter(isFolder), ...released].filter((p) => headersFault(p) === null);
  const [folder] = places;
  if (folder === undefined)
    throw new BuildStop([problem("KLP841", { file: named(release) }, { release, what: null })], 3);
  const what = isFolder(folder) ? headersFault(folder) : "there is no such folder";
  const config = what === null ? configOfHeaders(folder) : null;
  if (what !== null || config === null)
    throw new BuildStop(
      [problem("KLP841", { file: folder }, { release, what: what ?? "it has no configuration (.config)" })],
      3,
    );
  const real = realpathSync(folder);
  const own = releaseOfHeaders(real);
  if (release !== null && own !== null && own !== release)
    throw new BuildStop([problem("KLP840", { file: folder }, { headers: own, kernel: release })], 1);
  return { folder: real, config };
}

const named = (release: string | null): string => (release === null ? "linux-headers" : `linux-headers-${release}`);
