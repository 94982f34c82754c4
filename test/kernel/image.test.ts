// Modules of our own, loaded into the lab's kernel: the image equals memory straight after relocation.
// With KLPLINK_UPDATE_CAPTURES=1 what was seen becomes test/golden/image.

import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, inject, test } from "vitest";
import { addressesOf } from "../../src/kernel/addresses.ts";
import { parseSymbols } from "../../src/kernel/parseSymbols.ts";
import { type Captured, writeGolden } from "../image/captured.ts";
import { compare, imageOf } from "../image/compare.ts";
import { capture } from "./capture.ts";
import { foreseen, saidAbout, withoutAddresses } from "./refusals.ts";
import { mustRun } from "./run.ts";
import { klplink } from "./scenario.ts";
import { spoil } from "./spoiled.ts";

const lab = inject("lab");
const here = fileURLToPath(new URL(".", import.meta.url));
const systemMap = readFileSync(lab.systemMap);
const names = ["varied", "klp_nonop", "klp_sibling"];

/** The module as it was loaded, and what it looked like in memory. */
const seen = new Map<string, { bytes: Uint8Array; captured: Captured }>();

let captureInit = "";

beforeAll(async () => {
  const folder = join(lab.folder, "image");
  mkdirSync(folder);
  cpSync(join(here, "image"), folder, { recursive: true });
  const cross = ["ARCH=powerpc", "CROSS_COMPILE=powerpc64le-linux-gnu-"];
  mustRun("make", ["-s", "-C", dirname(lab.vmlinux), `M=${folder}`, ...cross, "modules"]);
  const init = join(folder, "capture");
  captureInit = init;
  const flags = ["-static", "-O2", "-Wall", "-Wextra", "-Werror"];
  mustRun("powerpc64le-linux-gnu-gcc", [...flags, "-o", init, join(here, "capture.c")]);
  const modules = new Map<string, Uint8Array>([["varied", readFileSync(join(folder, "varied.ko"))]]);
  for (const name of names.slice(1)) {
    const linked = join(folder, `${name}.ko`);
    const run = klplink(join(lab.modules, `${name}.ko`), "-k", lab.systemMap, "-o", linked);
    expect(run, run.stderr).toMatchObject({ status: 0 });
    modules.set(name, readFileSync(linked));
  }
  const run = await capture({ arch: "ppc64le", kernel: lab.vmlinux, init: readFileSync(init), modules });
  for (const captured of run.captured) {
    const bytes = modules.get(captured.module);
    if (bytes !== undefined) seen.set(captured.module, { bytes, captured });
  }
}, 300_000);

test("what the kernel says to spoiled modules is what klplink foresees", async () => {
  const good = seen.get("varied")?.bytes;
  if (good === undefined) throw new Error("varied was not loaded");
  const spoiled = spoil("ppc64le", good);
  const modules = new Map([...spoiled].map(([name, { bytes }]) => [name, bytes]));
  const { console } = await capture({ arch: "ppc64le", kernel: lab.vmlinux, init: readFileSync(captureInit), modules });
  const kernel = addressesOf(parseSymbols(systemMap, "System.map"));
  for (const [name, one] of spoiled) {
    const said = saidAbout(name, console);
    expect(said, one.what).toHaveLength(1);
    expect(withoutAddresses(foreseen(one, kernel)), one.what).toBe(withoutAddresses(said[0] ?? ""));
  }
}, 300_000);

describe.each(names)("%s", (name) => {
  test("the image is what the kernel had in memory", () => {
    const one = seen.get(name);
    if (one === undefined) throw new Error(`${name} was not loaded`);
    const result = imageOf(one.bytes, one.captured, addressesOf(parseSymbols(systemMap, "System.map")));
    expect(result.problems).toEqual([]);
    const { differences, compared } = compare(result, one.captured);
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(1000);
    if (process.env.KLPLINK_UPDATE_CAPTURES === "1") {
      const release = /Linux version (\S+)/.exec(readFileSync(lab.vmlinux, "latin1"))?.[1] ?? "";
      writeGolden(`ppc64le-${name}`, `ppc64le ${release}`, one.bytes, one.captured, systemMap.toString("latin1"));
    }
  });
});
