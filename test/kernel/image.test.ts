// Modules of our own, loaded into the lab's kernel: the image equals memory straight after relocation.
// With KLPLINK_UPDATE_CAPTURES=1 what was seen becomes test/golden/image.

import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, inject, test } from "vitest";
import { titleOf } from "../../src/diag/catalogue.ts";
import { addressesOf } from "../../src/kernel/addresses.ts";
import { parseSymbols } from "../../src/kernel/parseSymbols.ts";
import { type Captured, writeGolden } from "../image/captured.ts";
import { compare, imageOf, verifyCaptured } from "../image/compare.ts";
import { capture, dumpsOf } from "./capture.ts";
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

/** What is wrong at later stages, and how many modules came so far. */
const later: string[] = [];
let loaded = 0;
const running: string[] = [];
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
  const kernel = addressesOf(parseSymbols(systemMap, "System.map"));
  const run = await capture({
    arch: "ppc64le",
    kernel: lab.vmlinux,
    init: readFileSync(init),
    modules,
    loaded: (captured) => {
      const bytes = modules.get(captured.module);
      if (bytes === undefined) return;
      const result = imageOf(bytes, captured, kernel, { stage: "loaded" });
      later.push(...compare(result, captured).differences.map((d) => `${captured.module}, loaded: ${d}`));
      loaded++;
    },
    running: async (stayed, memory) => {
      for (const [name, { bytes, captured }] of seen) {
        if (!stayed.has(name)) continue;
        const { problems, sections } = verifyCaptured(bytes, captured, kernel, await dumpsOf(captured, memory));
        later.push(...problems.map((p) => `${name}, running: ${titleOf(p)}`));
        if (sections.length > 5) running.push(name);
      }
    },
    each: (captured) => {
      const bytes = modules.get(captured.module);
      if (bytes !== undefined) seen.set(captured.module, { bytes, captured });
    },
  });
  expect(run.captured).toHaveLength(names.length);
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

test("before init, and in use: every byte is foreseen or explained", () => {
  expect(later).toEqual([]);
  expect(loaded).toBe(names.length);
  // The second livepatch is refused while the first one is still in transition.
  expect(running.slice(0, 2)).toEqual(names.slice(0, 2));
});

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
