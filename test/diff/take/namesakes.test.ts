// Which of several symbols of a name is the object's: three files called core.c, linked c, a, b (../fixtures/diff/namesakes), so that those
// of a are the second ones; and lists that do not tell.

import { describe, expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import { readKernelFile } from "../../../src/kernel/detect.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
import { fileKey } from "../../../src/kernel/symbols/placedSymbols.ts";
import { diffObjects, extractDiff } from "../../../src/passes/diff/diff.ts";
import { load } from "../../helpers.ts";

const folder = "test/fixtures/diff/namesakes";
const diffOf = (arch: string) =>
  diffObjects(
    { bytes: load(`${folder}/core.${arch}.orig.o`), path: "orig.o" },
    { bytes: load(`${folder}/core.${arch}.patched.o`), path: "patched.o" },
  );

/** The positions of the symbols that taken code names, and what could not be told. */
async function positions(arch: string, kernel: Kernel, object = "vmlinux") {
  const { bytes, problems } = extractDiff(await diffOf(arch), { kernel, object });
  const names: string[] = [];
  const symbols = bytes === null ? null : readElf(bytes).symbols;
  for (let i = 1; i < (symbols?.count ?? 0); i++) {
    const found = /^\.klp\.sym\.rela\.\w+\.\w+\.(.+)$/.exec(symbols?.name(i) ?? "");
    if (found !== null) names.push(found[1] ?? "");
  }
  return { names: names.sort(), problems: problems.map((p) => `${p.code} ${"name" in p.data ? p.data.name : ""}`) };
}

function kernelOf(bytes: Uint8Array): Kernel {
  const file = readKernelFile(bytes, "vmlinux");
  if (file.kind === "vmlinux") return new Kernel({ vmlinux: file.vmlinux });
  if (file.kind === "symbols") return new Kernel({ list: file.list });
  throw new Error(file.kind);
}

/** The same symbols as a System.map has them: without the names of files. @param change applied to each line's symbol */
function mapOf(arch: string, change: (name: string, nth: number) => string | null = (n) => n): Kernel {
  const { list } = kernelOf(load(`${folder}/vmlinux.${arch}`));
  const seen = new Map<string, number>();
  const lines = [...(list?.symbols() ?? [])]
    .sort((a, b) => (a.address < b.address ? -1 : 1))
    .flatMap(({ name, address, letter }) => {
      const nth = (seen.get(name) ?? 0) + 1;
      seen.set(name, nth);
      const kept = change(name, nth);
      return kept === null ? [] : [`${address.toString(16)} ${letter} ${kept}`];
    });
  return kernelOf(new TextEncoder().encode(`${lines.join("\n")}\n`));
}

const ALL = ["a_before,0", "a_behind,0", "a_inner,0", "c_entry,0", "helper,2", "state,2"];

describe.each(["x86_64", "arm64", "ppc64le"])("%s", (arch) => {
  // `twice` of a is global, b's is static: by address the global one is the first.
  const wanted = { names: [...ALL, "twice,1"].sort(), problems: [] };

  test("by the source files that vmlinux names", async () => {
    expect(await positions(arch, kernelOf(load(`${folder}/vmlinux.${arch}`)))).toEqual(wanted);
  });

  test("by the neighbours alone, where a list has no files", async () => {
    expect(await positions(arch, mapOf(arch))).toEqual(wanted);
  });

  test("in a module, whose symbol table counts", async () => {
    const vmlinux = kernelOf(load(`${folder}/vmlinux.${arch}`));
    const module = new ModuleFile(readElf(load(`${folder}/mod.${arch}.o`)), "mod.ko", "mod");
    const found = await positions(arch, vmlinux.withModules([module]), "mod");
    expect(found.problems).toEqual([]);
    // In a symbol table locals stand before globals: b's static one is the first.
    expect(found.names).toEqual([...ALL, "twice,2"].sort());
  });

  test("nothing is guessed where the neighbours do not tell", async () => {
    // What is certainly the object's own is gone on both sides.
    const bare = mapOf(arch, (name) => (/^a_/.test(name) ? `x${name}` : name));
    expect((await positions(arch, bare)).problems).toContain("KLP708 helper");
    // The object's own function was inlined there, and the next file begins with another of its name.
    const inlined = mapOf(arch, (name, nth) =>
      name === "helper" && nth === 2 ? null : name === "b_inner" ? null : name,
    );
    const { problems } = await positions(arch, inlined);
    expect(problems).toContain("KLP708 helper");
    const data = mapOf(arch, (name) => (name === "a_behind" ? "other" : name));
    expect((await positions(arch, data)).problems).toContain("KLP708 state");
  });

  test("files and neighbours that contradict each other tell nothing", async () => {
    const vmlinux = vmlinuxOf(arch);
    const files = vmlinux.sourceFiles();
    const [, second, third] = vmlinux.list.find("helper").map((h) => fileKey("helper", h.address));
    const of = new Map(files?.of);
    of.set(third ?? "", files?.of.get(second ?? "") ?? -1);
    of.set(second ?? "", files?.of.get(third ?? "") ?? -1);
    const both = new Kernel({ vmlinux: { ...vmlinux, sourceFiles: () => ({ names: files?.names ?? [], of }) } });
    const { problems, names } = await positions(arch, both);
    expect(names.filter((n) => n.startsWith("helper"))).toEqual([]);
    expect(problems).toContain("KLP708 helper");
  });
});

function vmlinuxOf(arch: string) {
  const file = readKernelFile(load(`${folder}/vmlinux.${arch}`), "vmlinux");
  if (file.kind !== "vmlinux") throw new Error("no vmlinux");
  return file.vmlinux;
}
