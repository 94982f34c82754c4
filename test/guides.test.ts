// The guides show real output: every ```console block is run, in order, and must print what stands there. They can be
// followed literally: the folder that a page says to `cd` into, of this repository, is all that the commands get.
// `UPDATE_GUIDES=1 npx vitest run test/guides` writes them anew, for review.

import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { withOutput } from "./consoleBlocks.ts";
import { root } from "./helpers.ts";

/** Words of a command line; single quotes keep blanks. */
const words = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? "");

test.each(["docs/expect-noop.md", "docs/from-an-object.md"])("%s", async (page) => {
  const folder = mkdtempSync(join(tmpdir(), "klplink-guide-"));
  try {
    const path = join(root, page);
    const text = readFileSync(path, "utf8");
    const [, start] = /^```sh\ncd (\S+)\n```$/m.exec(text) ?? [];
    expect(start).toBeDefined();
    cpSync(join(root, start ?? ""), folder, { recursive: true });
    const { text: real, commands } = await withOutput(text, folder, words, (run) =>
      expect(run.status === 0 || run.status === 1, run.stderr).toBe(true),
    );
    if (process.env.UPDATE_GUIDES === "1") writeFileSync(path, real);
    expect(commands).toBeGreaterThanOrEqual(4);
    // What a command writes is what the folder has already: who follows the page leaves the checkout as it was.
    for (const name of readdirSync(folder)) {
      expect(readFileSync(join(folder, name)).equals(readFileSync(join(root, start ?? "", name))), name).toBe(true);
    }
    expect(readFileSync(path, "utf8")).toBe(real);
    // Links lead somewhere.
    for (const [, link] of text.matchAll(/\]\(([^)#]+)\)/g)) {
      expect(existsSync(join(dirname(path), link ?? "")), link).toBe(true);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
