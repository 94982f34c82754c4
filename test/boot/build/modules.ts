// Changes of the modules in test/boot/oot, which lie out of the kernel's tree, and patches of them.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "../run.ts";
import type { Edit } from "./edits.ts";

/** Two files, one of them a header that both of the module's sources include. */
export const LID: readonly Edit[] = [
  [
    "level/level.c",
    "\tlevel += amount;\n",
    "\tstatic int spilled;\n\n\tlevel += amount;\n\tif (level > TANK_FULL) {\n\t\tspilled += level - TANK_FULL;\n\t\tlevel = TANK_FULL;\n" +
      '\t\tpr_debug("spilled %d\\n", spilled);\n\t}\n',
  ],
  // Included by both of its files.
  ["level/level.h", '"litres"', '"l, with a lid"'],
];
/** A module of one file. */
export const BOTTOM: readonly Edit[] = [["klp_cup.c", "\treturn sips--;", "\treturn sips > 0 ? sips-- : 0;"]];
/** On top of LID: another function. */
export const LABEL: readonly Edit[] = [["tank_main.c", '"%d " TANK_UNIT', '"tank: %d " TANK_UNIT']];

/** The patch that git makes of edits. @param source the modules' folder @param folder for the patch, and what it is made of */
export function modulePatch(source: string, folder: string, title: string, edits: readonly Edit[]): string {
  for (const side of ["a", "b"] as const) {
    for (const path of new Set(edits.map((e) => e[0]))) {
      let text = readFileSync(join(source, path), "utf8");
      for (const [, from, to] of edits.filter((e) => e[0] === path && side === "b")) {
        if (text.split(from).length !== 2) throw new Error(`not once in ${path}: ${from}`);
        text = text.replace(from, () => to);
      }
      mkdirSync(join(folder, title, side, dirname(path)), { recursive: true });
      writeFileSync(join(folder, title, side, path), text);
    }
  }
  const made = run("git", ["diff", "--no-index", "--no-prefix", "a", "b"], join(folder, title));
  const file = join(folder, `${title}.patch`);
  writeFileSync(file, made.stdout);
  return file;
}
