// What is shipped: the same bytes wherever and whenever it is built, with the licences of all that is in it, and a list of it.

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { root } from "../helpers.ts";

// Beside each other and of different lengths, since paths are what gets into builds.
const top = mkdtempSync(join(tmpdir(), "klplink-supply-"));
const places = [join(top, "a"), join(top, "another/and deeper")] as const;
afterAll(() => rmSync(top, { recursive: true, force: true }));

function build(folder: string, env: NodeJS.ProcessEnv): void {
  mkdirSync(folder, { recursive: true });
  for (const entry of readdirSync(root)) {
    if (["dist", "node_modules", ".git", "coverage"].includes(entry)) continue;
    cpSync(join(root, entry), join(folder, entry), {
      recursive: true,
      filter: (path) => !/\/test\/(?:\.|boot|golden)/.test(path),
    });
  }
  spawnSync("cp", ["-a", join(root, "node_modules"), folder]);
  const { status, stderr } = spawnSync(process.execPath, ["scripts/build.mjs"], {
    cwd: folder,
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(stderr.toString());
}

const shipped = (folder: string): string[] =>
  readdirSync(join(folder, "dist"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/dist\/code/.test(entry.parentPath ?? entry.path))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
    .sort();

test("two folders, two time zones, two languages: equal bytes", () => {
  build(places[0], { TZ: "UTC", LANG: "C", SOURCE_DATE_EPOCH: "1" });
  build(places[1], { TZ: "Asia/Kathmandu", LANG: "de_DE.UTF-8", SOURCE_DATE_EPOCH: "2000000000" });
  const [a, b] = places.map(shipped);
  expect(a).toEqual(b);
  expect(a).toEqual(
    expect.arrayContaining(["dist/klplink.cjs", "dist/NOTICES.txt", "dist/sbom.cdx.json", "dist/lib/index.js"]),
  );
  const different = (a ?? []).filter(
    (path) => !readFileSync(join(places[0], path)).equals(readFileSync(join(places[1], path))),
  );
  expect(different).toEqual([]);
});

/** Packages that the lock file has for what the sources import, as they are installed. */
test("the licence of each package that is bundled, and of what is inside them", () => {
  const notices = readFileSync(join(places[0], "dist/NOTICES.txt"), "utf8");
  const sbom = JSON.parse(readFileSync(join(places[0], "dist/sbom.cdx.json"), "utf8")) as {
    bomFormat: string;
    components: { name: string; version: string; purl: string; hashes: unknown[]; licenses: unknown[] }[];
  };
  expect(sbom.bomFormat).toBe("CycloneDX");
  for (const { name, version, purl, hashes, licenses } of sbom.components) {
    expect(notices).toContain(`${name} ${version} (`);
    expect([purl, hashes.length, licenses.length]).toEqual([`pkg:npm/${name.replace("@", "%40")}@${version}`, 1, 1]);
  }
  // What package.json says is bundled; tools that only build and test are not.
  const names = sbom.components.map((c) => c.name);
  for (const name of ["chalk", "commander", "ora", "xz-decompress", "zstddec", "@alexaltea/capstone-js"])
    expect(names).toContain(name);
  for (const name of ["vitest", "esbuild", "typescript", "fast-check"]) expect(names).not.toContain(name);
  expect(notices).toContain("University of Illinois/NCSA");
  expect(notices).toContain("COSEINC");
  expect(notices).toContain("Meta Platforms");
  expect(notices).toContain("XZ Embedded");
  expect(notices.match(/Copyright/gi)?.length).toBeGreaterThan(names.length);
});

test("the package holds them", () => {
  const { stdout } = spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: places[0] });
  const [{ files }] = JSON.parse(stdout.toString()) as [{ files: { path: string }[] }];
  const paths = files.map((f) => f.path);
  expect(paths).toEqual(
    expect.arrayContaining(["dist/NOTICES.txt", "dist/sbom.cdx.json", "dist/capstone/LICENSE", "LICENSE"]),
  );
  expect(paths.filter((p) => p.startsWith("dist/code"))).toEqual([]);
  for (const path of paths) expect(existsSync(join(places[0], path))).toBe(true);
});
