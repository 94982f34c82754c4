// Inputs that once broke something. They are kept for ever, packed: crashes/TARGET/NAME.gz, where NAME ends in the seed that chose the
// options (`-s17`).

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { root } from "../../helpers.ts";

const folder = join(root, "test/fuzz/crashes");

export interface Crash {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly seed: number;
}

export function crashesOf(target: string): Crash[] {
  const own = join(folder, target);
  if (!existsSync(own)) return [];
  return readdirSync(own)
    .filter((name) => name.endsWith(".gz"))
    .sort()
    .map((name) => ({
      name,
      bytes: new Uint8Array(gunzipSync(readFileSync(join(own, name)))),
      seed: Number(/-s(\d+)\.gz$/.exec(name)?.[1] ?? 0),
    }));
}

/** Keeps an input; the path of its file. @param what a few words of what it broke */
export function keepCrash(target: string, what: string, bytes: Uint8Array, seed: number): string {
  const own = join(folder, target);
  mkdirSync(own, { recursive: true });
  const words = what.replace(/\W+/g, "-").replace(/^-|-$/g, "").slice(0, 48).toLowerCase();
  const path = join(own, `${words}-s${seed}.gz`);
  writeFileSync(path, gzipSync(bytes, { level: 9 }));
  return path;
}
