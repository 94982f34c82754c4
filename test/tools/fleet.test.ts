// The lines of docs/fleet.md that divide a run, as they stand there: with GNU parallel (on this machine alone), and those of the CI jobs,
// run by bash as GitHub's runners do. Merged, they are the whole run.

import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../helpers.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-shards-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const docs = readFileSync(join(root, "docs/fleet.md"), "utf8");

function bash(line: string): { readonly status: number | null; readonly stdout: string } {
  const env = {
    ...process.env,
    PATH: `${folder}/bin:${process.env.PATH ?? ""}`,
    XDG_CACHE_HOME: join(folder, "cache"),
  };
  const run = spawnSync("bash", ["-e", "-o", "pipefail", "-c", line], { cwd: folder, env, encoding: "utf8" });
  if (run.status === 127) throw new Error(`${line}: ${run.stderr} (apt-get install parallel)`);
  return { status: run.status, stdout: run.stdout };
}

beforeAll(() => {
  for (const name of ["bin", "kernels"]) mkdirSync(join(folder, name));
  const program = `#!/bin/sh\nexec '${process.execPath}' '${join(root, "bin/klplink.js")}' "$@"\n`;
  writeFileSync(join(folder, "bin/klplink"), program, { mode: 0o755 });
  copyFileSync(join(root, "test/fixtures/diag/broken/KLP414.ko"), join(folder, "patch.ko"));
  for (const [i, name] of ["x86_64", "x86_64-orphan", "ppc64le", "x86_64-flags", "arm64"].entries())
    copyFileSync(join(root, `test/fixtures/kernel/vmlinux-${name}`), join(folder, `kernels/vmlinuz-6.${i}.0`));
});

describe("parts of a run, merged", () => {
  const whole = (): string => bash("klplink check patch.ko --against kernels/ --format json || test $? -eq 1").stdout;

  test("with GNU parallel", () => {
    const [, line = "", merge = ""] = /^ {4}(seq .*)\n {4}(klplink merge .*)$/m.exec(docs) ?? [];
    expect(line).toContain(" -S host1,host2 --wd . ");
    expect(bash(line.replace(" -S host1,host2 --wd .", "")).status).toBe(0);
    const merged = bash(`${merge} --format json || test $? -eq 1`);
    expect(JSON.parse(merged.stdout).kernels).toHaveLength(5);
    expect(merged.stdout).toBe(whole());
    bash("rm part-*.json");
  });

  test("with the lines of the CI jobs", () => {
    const [part = "", merge = ""] = [...docs.matchAll(/^ +- run: (klplink .*)$/gm)].map((m) => m[1] ?? "");
    const [, count = ""] = /^ +part: \[(.*)\]$/m.exec(docs) ?? [];
    const parts = count.split(", ");
    expect(parts).toHaveLength(4);
    for (const one of parts) expect(bash(part.replaceAll(`$\{{ matrix.part }}`, one)).status).toBe(0);
    const annotated = bash(merge);
    expect(annotated.status).toBe(1);
    expect(annotated.stdout).toBe(
      bash("klplink check patch.ko --against kernels/ --format github || test $? -eq 1").stdout,
    );
    expect(annotated.stdout).toContain("::error file=patch.ko,");
  });
});
