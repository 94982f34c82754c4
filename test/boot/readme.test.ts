// What README and samples/patches say of `klplink build`, on real sources.

import { readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { labOf } from "./lab.ts";
import { mustRun, repo, run } from "./run.ts";

const lab = labOf(import.meta.url);
const patches = join(repo, "samples/patches");

test("README's livepatch from a patch: the command as it stands, and what it prints", { timeout: 900_000 }, () => {
  symlinkSync(join(repo, "samples"), join(lab.folder, "samples"));
  symlinkSync(mustRun("bash", ["test/boot/build-kernel.sh"]).trim(), join(lab.folder, "kernel"));
  symlinkSync(mustRun("bash", ["test/boot/prepare-source.sh", "ppc64le"]).trim(), join(lab.folder, "linux"));
  const text = readFileSync(join(repo, "README.md"), "utf8");
  const [, words = "", output = ""] = /^\$ klplink (build samples\/patches\/.*)\n((?:.+\n)+?)```$/m.exec(text) ?? [];
  const command = `cd ${lab.folder} && ${process.execPath} ${join(repo, "bin/klplink.js")} ${words}`;
  // Where in the code the difference lies depends on the compiler.
  const anyPlace = (said: string): string => said.replace(/\+0x[0-9a-f]+/g, "+0x…");
  const { status, stdout } = run("bash", ["-c", command]);
  expect([status, anyPlace(stdout)]).toEqual([0, anyPlace(output)]);
  // A second time with what must be refused.
  const refused = run("bash", ["-c", command.replace("meminfo.patch", "refused.patch")]);
  expect(refused).toMatchObject({ status: 1, stdout: "livepatch-refused.ko: not written\n" });
  expect(refused.stderr).toContain("error[KLP810]: the patch changes init/main.c");
});

test.each(["ppc64le", "arm64"])("the samples' patches fit the source of %s to the letter", (arch) => {
  const source = mustRun("bash", ["test/boot/prepare-source.sh", arch]).trim();
  for (const name of ["meminfo", "pktgen", "refused"]) {
    const tried = run("patch", ["-F0", "-p1", "--dry-run", "-d", source, "-i", join(patches, `${name}.patch`)]);
    expect(tried, tried.stdout).toMatchObject({ status: 0 });
  }
});
