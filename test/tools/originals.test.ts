// The goldens of test/klp/producers/originals.test.ts are what the original tools make today: the tools are run again.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { mustRun } from "../boot/run.ts";
import { meaning } from "../klp/producers/originals.ts";

const goldens = fileURLToPath(new URL("../golden/originals/", import.meta.url));

test("create-klp-module and objtool klp post-link make the goldens", { timeout: 900_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "klplink-originals-"));
  try {
    mustRun("bash", [join(goldens, "make.sh"), folder]);
    const made = readdirSync(folder).sort();
    expect(made).toEqual(
      readdirSync(goldens)
        .filter((name) => name.endsWith(".o"))
        .sort(),
    );
    const read = (at: string, name: string) => meaning(new Uint8Array(readFileSync(join(at, name))));
    for (const name of made) expect(read(folder, name), name).toEqual(read(goldens, name));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
