import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's root folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Bytes of a file of the project. */
export const load = (path: string): Uint8Array => new Uint8Array(readFileSync(join(root, path)));
