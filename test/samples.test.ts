// Each sample through the built command line: what is said (expect.txt beside it, with exit statuses) and what
// is written (NAME.klp.o). Both are snapshots of klplink's own output, for review; that the outputs are right
// is shown by the kernel tests and, for their form, by the tools (test/boot, test/tools).

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { klplink, type Run } from "./cli/run.ts";
import { root } from "./helpers.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-samples-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function objects(path: string): string[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const below = join(path, entry.name);
    if (entry.isDirectory()) return objects(below);
    return /\.o$/.test(entry.name) && !/\.klp\.o$/.test(entry.name) ? [below] : [];
  });
}

const transcript = (command: string, run: Run): string =>
  `$ klplink ${command}\n${run.stderr}${run.stdout}[exit status ${run.status}]\n`;

const found = objects(join(root, "samples")).map((path) => relative(root, path));

test("there are samples of all three architectures", () => {
  const folders = new Set(found.map((path) => path.split("/")[1]));
  expect([...folders].sort()).toEqual(["arm64", "ppc64le", "x86_64"]);
});

describe.each(found)("%s", (object) => {
  const map = join(object, "..", "System.map");
  const output = join(folder, `${object.replaceAll("/", "-")}.klp.o`);
  const golden = join(root, object.replace(/\.o$/, ".klp.o"));

  test("says what it did when it is written, and writes the expected object", async () => {
    const checked = await klplink(["check", object, "-k", map]);
    const linked = await klplink([object, "-k", map, "-o", output]);
    const said = linked.stdout.replace(output, basename(golden));
    const text =
      transcript(`check ${object} -k ${map}`, checked) +
      "\n" +
      transcript(`${object} -k ${map} -o ${basename(golden)}`, { ...linked, stdout: said });
    await expect(text).toMatchFileSnapshot(join(root, object, "..", "expect.txt"));
    expect(linked.status).toBe(0);
    expect(readFileSync(output).equals(readFileSync(golden))).toBe(true);
  });

  test("linking the output again changes nothing", async () => {
    const again = await klplink([golden, "-k", map, "-o", "-"]);
    expect(again.status).toBe(0);
    expect(readFileSync(golden).equals(again.stdoutBytes)).toBe(true);
    expect(again.stderr).toContain("nothing to do, identical to the input");
    expect((await klplink(["check", golden, "-k", map])).status).toBe(0);
  });
});
