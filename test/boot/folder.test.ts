// What `check FOLDER` says of modules that use each other, without a word of it in depends=, is what a kernel prints when they are loaded:
// a checksum that is not the exporter's, a namespace that is not imported, a licence, and a licence inherited. Built against Debian's
// headers, spoiled in one way each, and loaded into that kernel.

import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { capture } from "./capture.ts";
import { openDistro } from "./distro.ts";
import { captureInit, compilerOf } from "./kernels.ts";
import { labOf } from "./lab.ts";
import { mustRun, repo } from "./run.ts";
import { klplink } from "./scenario.ts";

const lab = labOf(import.meta.url);

/** Replaces bytes in a section by as many others. */
function replaced(module: Uint8Array, section: string, from: string, to: string): Buffer {
  const { sections } = readElf(module);
  const index = sections.findByName(section) ?? 0;
  const bytes = Buffer.from(module);
  const at = bytes.indexOf(from, sections.offset(index), "latin1");
  if (at < 0 || at >= sections.offset(index) + sections.size(index) || from.length !== to.length)
    throw new Error(`${section} has no ${from}`);
  bytes.write(to, at, "latin1");
  return bytes;
}

/** Flips a bit of the checksum in front of a name. */
function otherChecksum(module: Uint8Array, name: string): Buffer {
  const bytes = Buffer.from(module);
  const { sections } = readElf(module);
  const start = sections.offset(sections.findByName("__versions") ?? 0);
  const at = bytes.indexOf(`${name}\0`, start, "latin1") - 8;
  bytes.writeUInt32LE((bytes.readUInt32LE(at) ^ 1) >>> 0, at);
  return bytes;
}

const SPOILED: Readonly<Record<string, (module: Uint8Array) => Uint8Array>> = {
  fold_good: (module) => module,
  fold_crc: (module) => otherChecksum(module, "fold_gpl"),
  fold_ns: (module) => replaced(module, ".modinfo", "import_ns=", "import_xx="),
  fold_licence: (module) => replaced(module, ".modinfo", "license=GPL\0", "license=XXX\0"),
  fold_taint: (module) => module,
};

test("what check says of a folder's modules is what the kernel says of them", { timeout: 900_000 }, async () => {
  const kit = mustRun("bash", ["test/boot/fetch-headers.sh", "amd64", "6.12"]).trim();
  const source = join(lab.folder, "folder-source");
  cpSync(join(repo, "test/boot/folder"), source, { recursive: true });
  // The headers were made for another gcc, and BTF needs pahole.
  const make = ["CC=x86_64-linux-gnu-gcc", "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", "CONFIG_DEBUG_INFO_BTF_MODULES="];
  mustRun("make", ["-s", "-C", join(kit, "build"), `M=${source}`, ...make, "modules"]);
  const folder = join(lab.folder, "folder");
  mkdirSync(folder);
  const modules = new Map<string, Uint8Array>();
  for (const name of ["fold_exporter", "fold_closed", ...Object.keys(SPOILED)]) {
    const bytes = readFileSync(join(source, `${name}.ko`));
    const spoil = SPOILED[name];
    modules.set(name, spoil === undefined ? bytes : spoil(replaced(bytes, ".modinfo", "depends=fold", "dep_nds=fold")));
    writeFileSync(join(folder, `${name}.ko`), modules.get(name) ?? "");
  }

  const init = join(lab.folder, "folder.init");
  captureInit(compilerOf("x86_64"), init);
  const { kernel } = openDistro(join(kit, "kernel"));
  const { console } = await capture({ arch: "x86_64", kernel, init: readFileSync(init), modules });
  const printed = (name: string): string[] =>
    [...console.matchAll(/^@k <\d+>(?:\[ *[\d.]+\] )?(.*)$/gm)].flatMap(([, line = ""]) =>
      line.startsWith(`${name}: `) && /symbol/.test(line) ? [line] : [],
    );
  const result = (name: string): string | undefined => new RegExp(`^@m /${name}\\.ko (\\d+)$`, "m").exec(console)?.[1];

  const checked = klplink("check", folder, "-k", join(kit, "build/Module.symvers"), "--format", "json");
  const { files } = JSON.parse(checked.stdout) as {
    files: { module: string; problems: { level: string; kernel: string | null; help: string | null }[] }[];
  };
  expect(files.map((f) => f.module).sort()).toEqual([...modules.keys()].sort());
  expect(checked.stdout).not.toContain("-m ");
  for (const { module, problems } of files) {
    const said = problems.flatMap((p) => (p.level === "error" ? [p.kernel ?? ""] : []));
    // That it inherits is not a refusal yet.
    const lines = printed(module).filter((line) => !line.endsWith("inheriting taint."));
    expect(said.length > 0, `${module}: ${result(module)}`).toBe(result(module) !== "0");
    for (const line of said) expect(printed(module), module).toContain(line);
    for (const line of lines) {
      // A symbol that is refused is reported as unknown, too.
      const symbol = /Unknown symbol (\w+)/.exec(line)?.[1];
      expect(symbol === undefined ? said.includes(line) : said.some((s) => s.includes(symbol)), line).toBe(true);
    }
  }
  expect(files.filter((f) => f.problems.some((p) => p.level === "error")).map((f) => f.module)).toEqual([
    "fold_crc",
    "fold_licence",
    "fold_ns",
    "fold_taint",
  ]);
});
