// The README shows real output: every ```console block is run, in order, and must print what stands there.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withOutput } from "./consoleBlocks.ts";
import { root } from "./helpers.ts";

const path = join(root, "README.md");

test("the README's output is klplink's", async () => {
  const folder = mkdtempSync(join(tmpdir(), "klplink-readme-"));
  try {
    cpSync(join(root, "samples"), join(folder, "samples"), { recursive: true });
    const text = readFileSync(path, "utf8");
    const { text: real, commands } = await withOutput(text, folder, (line) =>
      (line.match(/'[^']*'|\S+/g) ?? []).map((word) => word.replace(/^'(.*)'$/, "$1")),
    );
    // `UPDATE_README=1 npx vitest run test/readme` writes it anew, for review.
    if (process.env.UPDATE_README === "1") writeFileSync(path, real);
    expect(commands).toBe(5);
    expect(readFileSync(path, "utf8")).toBe(real);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
