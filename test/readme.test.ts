// The README shows real output: every ```console block is run, in order, and must print what stands there.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { klplink } from "./cli/run.ts";
import { root } from "./helpers.ts";

const path = join(root, "README.md");

test("the README's output is klplink's", () => {
  const folder = mkdtempSync(join(tmpdir(), "klplink-readme-"));
  try {
    cpSync(join(root, "samples"), join(folder, "samples"), { recursive: true });
    const text = readFileSync(path, "utf8");
    let commands = 0;
    const real = text.replace(/```console\n([\s\S]*?)```/g, (_, block: string) => {
      const lines = block.split("\n").filter((line) => line.startsWith("$ klplink "));
      const output = lines.map((line) => {
        commands++;
        const run = klplink(line.slice("$ klplink ".length).split(" "), { cwd: folder });
        return `${line}\n${run.stderr}${run.stdout}`;
      });
      return `\`\`\`console\n${output.join("")}\`\`\``;
    });
    // `UPDATE_README=1 npx vitest run test/readme` writes it anew, for review.
    if (process.env.UPDATE_README === "1") writeFileSync(path, real);
    expect(commands).toBe(3);
    expect(text).toBe(real);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
