// What a target of the fuzz tests is: one parser or one command, the files that its inputs are made from, and what is done with each.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../helpers.ts";

/** What came of one input: the same for the same bytes and seed, whenever it runs. */
export interface Outcome {
  /** How it ended, in a word or a status: `refused`, `read`, `0`. They are counted. */
  readonly end: string;
  /** What came out, as far as it must be the same every time. */
  readonly output?: string | Uint8Array;
}

export interface Target {
  /** Files that inputs are made from; called once. */
  readonly samples: () => readonly Uint8Array[];
  /** The input of a seed; always the same. @param others all samples, to take parts from */
  readonly mutate: (sample: Uint8Array, seed: number, others: readonly Uint8Array[]) => Uint8Array;
  /** Does all that the target is about. @throws anything for a broken promise: errors that are documented are caught inside */
  readonly run: (bytes: Uint8Array, seed: number) => Outcome | Promise<Outcome>;
  /** How many inputs `npm test` gives it. */
  readonly count: number;
}

const all = new Map<string, readonly Uint8Array[]>();

/** Files below folders of the project whose path matches, in the order of their paths; large ones are left out. */
export function filesIn(folders: readonly string[], pattern: RegExp, largest = 200_000): readonly Uint8Array[] {
  const key = `${folders.join()} ${pattern.source} ${largest}`;
  let files = all.get(key);
  if (files === undefined) {
    files = folders
      .flatMap((folder) =>
        readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((p) => `${folder}/${p}`),
      )
      .filter((path) => pattern.test(path))
      .sort()
      .map((path) => new Uint8Array(readFileSync(join(root, path))))
      .filter((bytes) => bytes.length <= largest);
    all.set(key, files);
  }
  if (files.length === 0) throw new Error(`no file in ${key}`);
  return files;
}

const SAMPLES = [
  "samples",
  "test/fixtures/elf",
  "test/fixtures/move",
  "test/fixtures/dwarf",
  "test/fixtures/diag",
  "test/fixtures/klp",
];

/** Objects and modules of all kinds; what the reader refuses is among them. */
export const objectFiles = (): readonly Uint8Array[] => filesIn(SAMPLES, /\.k?o$/);
