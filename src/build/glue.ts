// The source that enables a livepatch: files of this package, compiled by kbuild beside a diff object.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface GlueFile {
  /** Path below the folder that they are written to. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The glue's files, as they come with klplink. */
export function glueFiles(): GlueFile[] {
  const own = embeddedFiles();
  if (own !== null) return own;
  const root = glueFolder();
  const walk = (below: string): string[] =>
    readdirSync(join(root, below), { withFileTypes: true }).flatMap((entry) => {
      const name = below === "" ? entry.name : `${below}/${entry.name}`;
      return entry.isDirectory() ? walk(name) : [name];
    });
  return walk("")
    .sort()
    .map((name) => ({ name, bytes: readFileSync(join(root, name)) }));
}

/** Of the single executable (scripts/single.mjs), which has them in it; null elsewhere. */
function embeddedFiles(): GlueFile[] | null {
  // Node.js 20.0 has no such module, nor this way to ask for it.
  const sea = (process as Partial<Pick<typeof process, "getBuiltinModule">>).getBuiltinModule?.("node:sea");
  if (sea?.isSea() !== true) return null;
  const names = JSON.parse(sea.getAsset("glue.json", "utf8")) as string[];
  return names.map((name) => ({ name, bytes: new Uint8Array(sea.getAsset(`glue/${name}`)) }));
}

/** The package's folder `glue`: beside `dist` or `src`. */
function glueFolder(): string {
  let at = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(at, "glue", "klplink-init.c"))) {
    const above = dirname(at);
    if (above === at) throw new Error("the package has lost its folder `glue`");
    at = above;
  }
  return join(at, "glue");
}
