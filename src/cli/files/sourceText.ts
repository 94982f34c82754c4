import { readFileSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, join, sep } from "node:path";
import type { SourcePlace } from "../../diag/define.ts";
import type { SourceLine } from "../../diag/render/html/problem.ts";

/** Files that a compiler reads; debug information may name any other, which then is none of ours to show. */
const SOURCE = /\.(?:c|h|S|s|inc|rs)$/;
/** What a terminal takes for a command, or what turns the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
/** Larger files are not source, bytes. */
const LARGEST = 8 << 20;

/**
 * Looks up lines of the source for diagnostics. Only regular files below `folder` with a source's name are read: what debug
 * information calls its source may be any path of this machine.
 */
export function sourceReader(folder: string): (place: SourcePlace) => string | null {
  const find = sourceFinder(folder);
  return (place) => {
    const text = find(place)?.[place.line - 1]?.trim();
    return text === undefined ? null : text.replace(HIDDEN, " ");
  };
}

/** As {@link sourceReader}, with the lines beside it: as they are indented. */
export function linesAround(folder: string): (place: SourcePlace) => SourceLine[] {
  const find = sourceFinder(folder);
  return (place) => {
    const lines = find(place) ?? [];
    const first = Math.max(1, place.line - BESIDE);
    return lines.slice(first - 1, place.line + BESIDE).map((text, i) => ({
      line: first + i,
      text: text.replaceAll("\t", "        ").replace(HIDDEN, " ").trimEnd(),
      marked: first + i === place.line,
    }));
  };
}

/** Lines of the source on either side. */
const BESIDE = 2;

/** All lines of the file that a place is in; null where the file is not at hand, or has nothing on that line. */
function sourceFinder(folder: string): (place: SourcePlace) => readonly string[] | null {
  const files = new Map<string, readonly string[]>();
  return ({ file, directory, line }) => {
    if (line < 1 || !SOURCE.test(file)) return null;
    // In order: where the compiler found it, and the same path below this folder.
    for (const path of [isAbsolute(file) || directory === null ? file : join(directory, file), file]) {
      const full = isAbsolute(path) ? path : join(folder, path);
      let lines = files.get(full);
      if (lines === undefined) {
        lines = readLines(full, folder);
        files.set(full, lines);
      }
      const text = lines[line - 1]?.trim();
      if (text !== undefined && text !== "") return lines;
    }
    return null;
  };
}

function readLines(path: string, folder: string): readonly string[] {
  try {
    const real = realpathSync(path);
    if (!real.startsWith(realpathSync(folder) + sep) || !SOURCE.test(real)) return [];
    const { size } = statSync(real);
    return size > LARGEST || !statSync(real).isFile() ? [] : readFileSync(real, "utf8").split("\n");
  } catch {
    return [];
  }
}
