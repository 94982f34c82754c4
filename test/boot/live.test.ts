// The capture script on running machines without Node: a busybox guest of a real kernel has a module loaded, the script
// copies what it needs there, and `klplink verify` and `klplink image` judge the copy here.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import type { ArchName } from "./capture.ts";
import { loadOrder, openDistro } from "./distro.ts";
import { buildModules, labKernels, treeOf } from "./kernels.ts";
import { labOf } from "./lab.ts";
import { mustRun, repo } from "./run.ts";
import { klplink } from "./scenario.ts";
import { bootShell } from "./shell.ts";

const lab = labOf(import.meta.url);

/** What the guest does. The copy leaves it as text on the console. */
const script = (module: string): string => `
for m in $(cat /list); do insmod /$m.ko || echo "insmod $m: $?"; done
sh /capture.sh ${module} /out
echo "@@ status $?"
echo "@@ begin"
tar -C /out -cf - . | gzip | base64
echo "@@ done"
`;

interface Kernel {
  readonly kernel: string;
  /** In load order; the last one is looked at. */
  readonly modules: ReadonlyMap<string, Uint8Array>;
  /** Its System.map, where it was built here. */
  readonly systemMap: string | null;
}

function kernelFor(arch: ArchName, folder: string): Kernel {
  if (arch === "x86_64") {
    const distro = openDistro(mustRun("bash", ["test/boot/fetch-distro.sh", "amd64", "6.12"]).trim());
    return { kernel: distro.kernel, modules: loadOrder(distro, ["overlay"]), systemMap: null };
  }
  const target = labKernels.find((k) => k.arch === arch);
  if (target === undefined) throw new Error(`no kernel for ${arch}`);
  const tree = treeOf(target);
  buildModules(target, tree, join(repo, "test/boot/image/varied"), join(folder, "varied"));
  return {
    kernel: join(tree, target.image),
    modules: new Map([["varied", readFileSync(join(folder, "varied/varied.ko"))]]),
    systemMap: join(tree, "System.map"),
  };
}

/** Boots, runs the script, and returns the console's text. */
function boot(arch: ArchName, { kernel, modules }: Kernel, folder: string): Promise<string> {
  const names = [...modules.keys()];
  const files = [
    { name: "list", data: Buffer.from(`${names.join("\n")}\n`) },
    { name: "capture.sh", data: readFileSync(join(repo, "scripts/klplink-capture.sh")) },
    ...names.map((name) => ({ name: `${name}.ko`, data: modules.get(name) ?? new Uint8Array(0) })),
  ];
  return bootShell({ arch, kernel, files, script: script(names.at(-1) ?? ""), folder });
}

describe.each(["ppc64le", "arm64", "x86_64"] as const)("%s", (arch) => {
  test("what the script copies from a guest verifies, and one flipped bit is found and placed", {
    timeout: 1_500_000,
  }, async () => {
    const folder = mkdtempSync(join(lab.folder, "live-"));
    const kernel = kernelFor(arch, folder);
    const console = await boot(arch, kernel, folder);
    expect(console).toContain("@@ status 0\n");
    const text = /@@ begin\n([\s\S]*)@@ done/.exec(console)?.[1] ?? "";
    expect(text, console.slice(-2000)).toMatch(/^[\w+/=\n]+$/);
    const root = join(folder, "copy");
    mkdirSync(root);
    const packed = join(folder, "copy.tar.gz");
    writeFileSync(packed, Buffer.from(text, "base64"));
    mustRun("tar", ["-C", root, "-xzf", packed]);
    const [name = "", bytes = new Uint8Array(0)] = [...kernel.modules].at(-1) ?? [];
    const ko = join(folder, `${name}.ko`);
    writeFileSync(ko, bytes);

    const state = ["--x86", "mitigations=off,locks=smp"];
    const good = klplink("verify", ko, "--root", root, ...state);
    expect(good, good.stderr + good.stdout).toMatchObject({ status: 0 });
    expect(good.stdout).toMatch(/^\w+: \d+ sections, \d+ bytes: \d+ equal, \d+ explained, 0 different$/m);
    // A small module is mostly struct module and data, which the kernel writes.
    const [, size, explained] = /, (\d+) bytes: \d+ equal, (\d+) explained/.exec(good.stdout) ?? [];
    expect(Number(explained) / Number(size)).toBeLessThan(name === "varied" ? 0.3 : 0.1);

    if (kernel.systemMap !== null) functionsOnly(root, ko, kernel.systemMap);

    // A bit of code.
    const at = Number(readElf(bytes).sections.size(readElf(bytes).sections.findByName(".text") ?? 0)) & ~7 & 0xff;
    const start = BigInt(readFileSync(join(root, "sections/.text"), "latin1").trim()) + BigInt(at);
    const [file, offset] = placeOf(join(root, "memory"), start);
    const memory = readFileSync(file);
    memory[offset] = (memory[offset] ?? 0) ^ 0x10;
    writeFileSync(file, memory);
    const bad = klplink("verify", ko, "--root", root, ...state);
    expect(bad.status).toBe(1);
    expect(bad.stderr).toContain(`error[KLP220]: 1 byte at 0x${start.toString(16)}: `);
    expect(bad.stderr).toContain(`.text+0x${at.toString(16)}`);
    expect(bad.stdout).toContain(" 1 different");
  });
});

/** As if the kernel listed no data of its own: its System.map has that, wherever the kernel was moved to; another's is refused. */
function functionsOnly(root: string, ko: string, systemMap: string): void {
  const path = join(root, "kallsyms");
  const all = readFileSync(path, "latin1");
  const lines = all.split("\n");
  writeFileSync(path, lines.filter((line) => line.includes("[") || !/^\w+ [bdr] /i.test(line)).join("\n"));
  const without = klplink("verify", ko, "--root", root);
  expect(without.stderr.replaceAll(/\n +/g, " ")).toMatch(
    /^error\[KLP224\]: \S+ lists functions only, and the module uses \d+ other symbols?: /,
  );
  expect(without.status).toBe(1);
  const good = klplink("verify", ko, "--root", root, "-k", systemMap);
  expect(good, good.stderr).toMatchObject({ status: 0 });
  expect(good.stdout).toContain(" 0 different");
  // Found by itself, where the script has copied it.
  writeFileSync(join(root, "System.map"), readFileSync(systemMap));
  expect(klplink("verify", ko, "--root", root)).toMatchObject({ status: 0, stdout: good.stdout });
  const other = labKernels.find((k) => treeOf(k) !== dirname(systemMap));
  if (other === undefined) throw new Error("no other kernel");
  const bad = klplink("verify", ko, "--root", root, "-k", join(treeOf(other), "System.map"));
  expect(bad.stderr).toMatch(/^error\[KLP223\]: /);
  expect(bad.status).toBe(3);
  writeFileSync(path, all);
}

/** The file that holds an address, and the offset in it. */
function placeOf(folder: string, address: bigint): [string, number] {
  for (const name of readdirSync(folder)) {
    const offset = address - BigInt(`0x${name}`);
    if (offset >= 0n && offset < BigInt(readFileSync(join(folder, name)).length))
      return [join(folder, name), Number(offset)];
  }
  throw new Error(`${address.toString(16)} was not copied`);
}
