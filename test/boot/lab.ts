import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { inject } from "vitest";
import type { Lab } from "./setup.ts";

/** The run's lab, with a folder of its own for a test file: two run at a time. @param url of the test file */
export function labOf(url: string): Lab {
  const lab = inject("lab");
  const folder = join(lab.folder, basename(new URL(url).pathname, ".test.ts"));
  mkdirSync(folder, { recursive: true });
  return { ...lab, folder };
}
