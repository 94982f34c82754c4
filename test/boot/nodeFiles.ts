// Node and klplink for a guest of the host's own architecture: the binary that runs the tests, with its libraries.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { GuestFile } from "./cpio.ts";
import { mustRun, repo } from "./run.ts";

const KLPLINK = '#!/bin/sh\nexec /usr/bin/node /usr/lib/klplink/bin/klplink.js "$@"\n';

/** `klplink` stands in /usr/bin. */
export function nodeFiles(): GuestFile[] {
  const libraries = [...mustRun("ldd", [process.execPath]).matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((m) => m[1] ?? "");
  const below = (folder: string, to: string): GuestFile[] =>
    readdirSync(join(repo, folder)).map((name) => ({
      name: `${to}/${name}`,
      data: readFileSync(join(repo, folder, name)),
    }));
  return [
    { name: "usr/bin/node", data: readFileSync(process.execPath), executable: true },
    { name: "usr/bin/klplink", data: Buffer.from(KLPLINK), executable: true },
    ...[...new Set(libraries)].map((path) => ({ name: path.slice(1), data: readFileSync(path), executable: true })),
    { name: "usr/lib/klplink/package.json", data: readFileSync(join(repo, "package.json")) },
    ...below("bin", "usr/lib/klplink/bin"),
    { name: "usr/lib/klplink/dist/klplink.cjs", data: readFileSync(join(repo, "dist/klplink.cjs")) },
    ...below("dist/apart", "usr/lib/klplink/dist/apart"),
    ...below("dist/capstone", "usr/lib/klplink/dist/capstone"),
  ];
}
