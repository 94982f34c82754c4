// Sibling calls (modules/klp_sibling.c): loaded as they are, and then the kernel oopses; good after klplink.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { labOf } from "./lab.ts";
import { ROUNDS, siblingLife } from "./lives.ts";
import { forgottenToc } from "./sabotage.ts";
import { bootWith, complaints, klplink, LOAD, stepOf, textOf } from "./scenario.ts";

const lab = labOf(import.meta.url);
const built = join(lab.modules, "klp_sibling.ko");
const linked = join(lab.folder, "klp_sibling.linked.ko");

const life = siblingLife;
const script = life.map((planned) => planned.line);

describe("sibling calls", () => {
  let linkRun: ReturnType<typeof klplink>;

  beforeAll(() => {
    linkRun = klplink(built, "-k", lab.systemMap, "-o", linked);
  });

  test("as they are: loaded without a word, and the first use oopses the kernel", async () => {
    const asIs = join(lab.folder, "klp_sibling.as-is.ko");
    const { status, stderr } = klplink(built, "-k", lab.systemMap, "--toc-restore", "nop", "--force", "-o", asIs);
    expect(status, stderr).toBe(1);
    const patched = "wait /sys/kernel/livepatch/klp_sibling/transition 0";
    const result = await bootWith(lab, readFileSync(asIs), [LOAD, patched, "read /proc/cmdline", "read /proc/uptime"]);
    expect(complaints({ ...result, complete: true }, [{ line: LOAD }, { line: patched }])).toEqual([]);
    expect(textOf(stepOf(result, "read /proc/cmdline"))).toMatch(/^Oops: Kernel access of bad area, sig: 11 \[#1\]$/m);
    expect(stepOf(result, "read /proc/cmdline").result).not.toBe(0);
    expect(stepOf(result, "read /proc/uptime").result).not.toBe(0);
  });

  test("klplink check finds both before the kernel does", () => {
    const { status, stdout, stderr } = klplink("check", "--format", "json", built);
    expect(status, stderr).toBe(1);
    const { files } = JSON.parse(stdout) as { files: { problems: { code: string; function: string | null }[] }[] };
    const siblings = files.flatMap((file) => file.problems).filter((problem) => problem.code === "KLP302");
    expect(siblings.map((problem) => problem.function).sort()).toEqual(["klp_sibling_cmdline", "klp_sibling_uptime"]);
  });

  test(`after klplink: right in ${ROUNDS} rounds, entered by ftrace and by a local call, disabled and removed`, async () => {
    expect(linkRun, linkRun.stderr).toMatchObject({ status: 0 });
    expect(complaints(await bootWith(lab, readFileSync(linked), script), life)).toEqual([]);
  });

  test("a local-call island that does not bring r2 back is caught", async () => {
    expect(linkRun, linkRun.stderr).toMatchObject({ status: 0 });
    const found = complaints(await bootWith(lab, forgottenToc(linked, ".text.klp_sibling_execdomains"), script), life);
    expect(found[0]).toMatch(/^read \/proc\/execdomains: /); // it loads, and its first use goes wrong
  });
});
