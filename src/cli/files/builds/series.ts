// Patches of a series: what quilt and distributions keep in a folder, with a file that says the order.

import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { problem } from "../../../diag/catalogue.ts";
import { readRegular } from "../../../elf/regularFile.ts";
import { InputProblem, unreadable } from "../io.ts";
import { isFolder } from "./buildPlace.ts";

export interface NamedPatch {
  readonly path: string;
  /** Parts to cut off its paths, as the series says; null: it says nothing. */
  readonly strip: number | null;
}

/**
 * The patches that arguments name: files, and in place of a file `series`, or of a folder with one, those that it lists
 * (quilt(1): a patch a line, with -pN behind it, and comments).
 * @throws InputProblem
 */
export function namedPatches(paths: readonly string[]): NamedPatch[] {
  return paths.flatMap((path) => {
    const series = seriesOf(path);
    if (series === null) return [{ path, strip: null }];
    const listed = readList(series)
      .split(/\r?\n/)
      .map((line) => line.replace(/(?:^|\s)#.*$/, "").trim())
      .filter((line) => line !== "");
    if (listed.length === 0)
      throw new InputProblem(problem("KLP801", { file: series }, { what: "the series lists no patch" }));
    const seen = new Set<string>();
    return listed.map((line) => {
      const [name = "", option] = line.split(/\s+/);
      const strip = /^-p(\d{1,2})$/.exec(option ?? "")?.[1];
      const patch = join(dirname(series), name);
      if (seen.has(patch))
        throw new InputProblem(problem("KLP801", { file: series }, { what: `${name} is listed twice` }));
      seen.add(patch);
      return { path: patch, strip: strip === undefined ? null : Number(strip) };
    });
  });
}

function seriesOf(path: string): string | null {
  if (isFolder(path)) return ["series", "patches/series"].map((name) => join(path, name)).find(existsSync) ?? null;
  return basename(path) === "series" && existsSync(path) ? path : null;
}

/** @throws InputProblem */
function readList(path: string): string {
  try {
    return Buffer.from(readRegular(path).bytes).toString();
  } catch (error) {
    throw unreadable(path, error);
  }
}
