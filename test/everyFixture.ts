// All relocatable objects among the fixtures, for properties that hold of every file.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ElfError } from "../src/elf/error.ts";
import { readElf } from "../src/elf/reader.ts";
import { load, root } from "./helpers.ts";

const found = new Map<string, Uint8Array>();

/** Bytes by path from the project's root; only what the reader takes. Damaged and packed files are not among them. */
export function objects(): ReadonlyMap<string, Uint8Array> {
  if (found.size > 0) return found;
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) walk(path);
      // Of pairs that differ in little, one serves for both.
      else if (/\.k?o$/.test(entry.name) && !entry.name.endsWith(".orig.o")) {
        const bytes = load(path);
        try {
          readElf(bytes);
          found.set(path, bytes);
        } catch (error) {
          if (!(error instanceof ElfError)) throw error;
        }
      }
    }
  };
  walk("test/fixtures");
  return found;
}
