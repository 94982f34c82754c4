// `klplink explain` on what kernels of three architectures say to modules with one fault each (spoiled.ts): every line is
// recognised (recognised.ts), and with its module leads to the place that was spoiled.

import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { levelOf } from "../../src/diag/catalogue.ts";
import { recogniseLine } from "../../src/diag/messages/recognise.ts";
import { type Explanation, findPlaces } from "../../src/passes/explain/explain.ts";
import { boot, type Machine, PC, VIRT } from "./boot.ts";
import { labOf } from "./lab.ts";
import { buildOwn } from "./own.ts";
import { mustRun, repo } from "./run.ts";
import { type Spoiled, spoil } from "./spoiled.ts";

const lab = labOf(import.meta.url);
/** Milliseconds; a limit against hanging: a cold cache builds a kernel. */
const LONG = 900_000;

interface Row {
  readonly arch: "ppc64le" | "x86_64" | "arm64";
  readonly tree: () => string;
  readonly image: string;
  readonly cross: string;
  readonly make: string;
  readonly machine?: Machine;
}

const rows: readonly Row[] = [
  {
    arch: "ppc64le",
    tree: () => join(lab.vmlinux, ".."),
    image: "vmlinux",
    cross: "powerpc64le-linux-gnu-",
    make: "powerpc",
  },
  {
    arch: "x86_64",
    tree: () => mustRun("bash", ["test/boot/build-x86_64-kernel.sh"]).trim(),
    image: "arch/x86/boot/bzImage",
    cross: "x86_64-linux-gnu-",
    make: "x86_64",
    machine: PC,
  },
  {
    arch: "arm64",
    tree: () => mustRun("bash", ["test/boot/build-arm64-kernel.sh"]).trim(),
    image: "arch/arm64/boot/Image",
    cross: "aarch64-linux-gnu-",
    make: "arm64",
    machine: VIRT,
  },
];

/** A module with one of everything, built for a kernel. */
function goodModule({ arch, cross, make }: Row, tree: string, folder: string): Uint8Array {
  const build = (sources: string): string => {
    const to = join(folder, sources.replace("/", "-"));
    cpSync(join(repo, "test/boot", sources), to, { recursive: true });
    const options = [`ARCH=${make}`, `CROSS_COMPILE=${cross}`, "KBUILD_MODPOST_WARN=1"];
    mustRun("make", ["-s", "-C", tree, `M=${to}`, ...options, "modules"]);
    return to;
  };
  if (arch === "ppc64le") return readFileSync(join(build("image/varied"), "varied.ko"));
  const own = buildOwn(arch, readFileSync(join(build("producers"), "lp_target.ko")), folder);
  if (arch === "x86_64") {
    // The kernel built here has one CPU, and no number of them.
    const at = Buffer.from(own.buffer, own.byteOffset, own.length).indexOf("\0nr_cpu_ids\0") + 1;
    own.set(Buffer.from("jiffies\0"), at);
  }
  return own;
}

async function candidatesOf(line: string, { bytes }: Spoiled): Promise<Explanation> {
  const recognised = recogniseLine(line);
  if (recognised === null) throw new Error(`not recognised: ${line}`);
  return findPlaces(bytes, recognised, { file: "spoiled.ko" }, () => Promise.resolve(null));
}

describe.each(rows)("$arch", (row) => {
  test("each fault: the line leads to the place", { timeout: LONG }, async () => {
    const tree = row.tree();
    const folder = join(lab.folder, `lines-${row.arch}`);
    mkdirSync(folder);
    const init = join(folder, "init");
    mustRun(`${row.cross}gcc`, ["-static", "-O2", "-Wall", "-Wextra", "-o", init, "test/boot/guest.c"]);
    const good = goodModule(row, tree, folder);
    const spoiled = [...spoil(row.arch, good)];
    const files = [["good", good] as const, ...spoiled.map(([name, { bytes }]) => [name, bytes] as const)];
    const { steps } = await boot(
      join(tree, row.image),
      readFileSync(init),
      files.map(([name, data]) => ({ name: `${name}.ko`, data })),
      files.map(([name]) => `insmod /${name}.ko`),
      row.machine,
    );
    expect(steps.map((s) => s.result !== 0)).toEqual(files.map(([name]) => name !== "good"));
    const wrong: string[] = [];
    let places = 0;
    for (const [i, [, one]] of spoiled.entries()) {
      // Without what says that the module taints the kernel.
      const lines = (steps[i + 1]?.log ?? [])
        .map((l) => l.text)
        .filter((l) => recogniseLine(l)?.message.help?.({}) !== "nothing");
      expect(lines.length, one.what).toBeGreaterThanOrEqual(1);
      const found = await candidatesOf(lines[0] ?? "", one);
      const [best] = found.candidates;
      if (one.at !== null) {
        places++;
        const isRight = best?.at.section === one.at.section && best.at.offset === one.at.offset;
        const isSure = best !== undefined && best.certainty !== "possible";
        if (!isRight || !isSure) {
          const shown =
            best === undefined
              ? "nothing"
              : `${best.at.section}+0x${best.at.offset?.toString(16)} (${best.certainty}: ${best.because})`;
          wrong.push(`${one.what}: ${lines[0]}: ${shown}, not ${one.at.section}+0x${one.at.offset.toString(16)}`);
        }
      } else if (one.symbol !== null && /Unknown symbol/.test(lines[0] ?? "")) {
        if (best?.certainty !== "use") wrong.push(`${one.what}: ${lines[0]}: ${best?.certainty}`);
        expect(found.problems.filter((p) => levelOf(p) === "error").length).toBeLessThanOrEqual(1);
      }
    }
    expect(wrong).toEqual([]);
    expect(places).toBeGreaterThanOrEqual(row.arch === "x86_64" ? 4 : 8);
  });
});
