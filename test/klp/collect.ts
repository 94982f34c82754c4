import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Problem } from "../../src/diag/catalogue.ts";

/**
 * With KLPLINK_COLLECT=FOLDER, keeps the first and smallest module for each code that a test triggers: the samples of
 * test/fixtures/diag/broken. Otherwise nothing.
 */
export function collect(bytes: Uint8Array, problems: readonly Problem[]): void {
  const folder = process.env.KLPLINK_COLLECT;
  if (folder === undefined || problems.length > 2) return;
  for (const { code } of problems) keep(code, bytes);
}

/** Keeps one file under a name of its own, by the rule of {@link collect}. */
export function keep(name: string, bytes: Uint8Array): void {
  const folder = process.env.KLPLINK_COLLECT;
  if (folder === undefined) return;
  const path = `${folder}/${name}.ko`;
  if (!existsSync(path) || bytes.length < readFileSync(path).length) writeFileSync(path, bytes);
}
