// Two build trees of any size, as kbuild leaves them after `make` of single objects: objects of a kernel, of which some differ. Needs gcc.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Functions of a file: with its debug information an object has about the size of a kernel's. */
const FUNCTIONS = 400;
const IN_FOLDER = 30;

const FLAGS =
  "-D__KERNEL__ -O2 -g -ffunction-sections -fdata-sections -fno-PIE -mcmodel=kernel -mno-red-zone -ffreestanding -w -c";

/** @param more what is added in one function, in which two builds differ */
function source(more) {
  let text = "extern int outer(int, const void *);\n";
  for (let i = 0; i < FUNCTIONS; i++) {
    text += `struct s${i} { int a${i}; struct s${Math.max(0, i - 1)} *next; char name[${i + 1}]; };\n`;
    text += `static int state_${i} = ${i}; int f${i}(struct s${i} *s, int x) { ${i === 7 ? `x += ${more};` : ""} return outer(x * ${i + 3} + s->a${i}, s->name) + state_${i}++; }\n`;
  }
  return text;
}

/**
 * @param count objects of each tree
 * @param changed how many of them differ, in function f7
 * @returns the folders of both, the paths of those that differ, and the bytes of one object
 */
export function treePair(folder, count, changed) {
  const objects = [1, 2].map((more) => {
    writeFileSync(join(folder, "object.c"), source(more));
    execFileSync("gcc", [...FLAGS.split(" "), "object.c", "-o", `${more}.o`], { cwd: folder });
    return join(folder, `${more}.o`);
  });
  const step = Math.floor(count / changed);
  const differing = Array.from({ length: changed }, (_, i) => i * step + (step >> 1));
  const pathOf = (i) => `d${Math.floor(i / IN_FOLDER)}/f${i}.o`;
  const trees = ["orig", "patched"].map((name, which) => {
    const top = join(folder, name);
    for (let i = 0; i < count; i++) {
      const path = join(top, pathOf(i));
      if (i % IN_FOLDER === 0) mkdirSync(join(top, `d${i / IN_FOLDER}`), { recursive: true });
      copyFileSync(objects[which === 1 && differing.includes(i) ? 1 : 0], path);
      const command = `savedcmd_${pathOf(i)} := gcc ${FLAGS} -o ${pathOf(i)} ${pathOf(i).replace(/o$/, "c")}\n`;
      writeFileSync(path.replace(/f(\d+\.o)$/, ".f$1.cmd"), command);
    }
    return top;
  });
  return { trees, differing: differing.map(pathOf).sort(), object: objects[0] };
}
