// What the target says of names that other files use: which of them it has already, which weak function is its own, and which function it
// takes the landing pad from.

import { describe, expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import { readVmlinux } from "../../../src/kernel/image/vmlinux.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
import { readStored, writeStored } from "../../../src/kernel/stored/stored.ts";
import { diffObjects, extractDiff } from "../../../src/passes/diff/diff.ts";
import { load } from "../../helpers.ts";
import { kernelWith } from "../targetOf.ts";

const pairs = "test/fixtures/diff/pairs";

async function problemsOf(path: string, kernelOf: (orig: Uint8Array) => Kernel, object = "vmlinux"): Promise<string[]> {
  const [orig, patched] = [load(`${path}.orig.o`), load(`${path}.patched.o`)];
  const result = await diffObjects({ bytes: orig, path: "orig.o" }, { bytes: patched, path: "patched.o" });
  const { problems } = extractDiff(result, { kernel: kernelOf(orig), object });
  // Functions of a kernel that is made for a test have no size of their own.
  return problems
    .filter((p) => p.code !== "KLP743")
    .map((p) => `${p.code} ${"name" in p.data ? String(p.data.name) : ""}`);
}

describe.each(["x86_64", "arm64", "ppc64le"])("%s", (arch) => {
  test("a new global function is none that the kernel has already", async () => {
    const path = `${pairs}/new-global.${arch}`;
    expect(await problemsOf(path, (orig) => kernelWith(orig, ["ext"]))).toEqual([]);
    expect(await problemsOf(path, (orig) => kernelWith(orig, ["ext"], [], ["fresh"]))).toEqual(["KLP740 fresh"]);
  });

  test("a weak function that changed is the kernel's own if the kernel's is weak", async () => {
    const path = `${pairs}/weak-function.${arch}`;
    expect(await problemsOf(path, (orig) => kernelWith(orig, ["ext"]))).toEqual([]);
    // Another file's definition, which is not weak.
    expect(await problemsOf(path, (orig) => kernelWith(orig, ["ext"], ["f"], ["f"]))).toEqual(["KLP739 f"]);
  });
});

describe("functions that the kernel seals", () => {
  const vmlinux = readVmlinux(load("test/fixtures/diff/sealed/vmlinux"), "vmlinux");

  test("of those that kernel.s lists the address is not handed out", async () => {
    const path = "test/fixtures/diff/sealed/sealed.x86_64";
    const wanted = ["KLP733 sealed_here", "KLP733 sealed_one"];
    expect((await problemsOf(path, () => new Kernel({ vmlinux }))).sort()).toEqual(wanted);
    expect(await problemsOf(path, () => new Kernel({ list: vmlinux.list }))).toEqual([]);
  });

  test("so it is with functions of modules, of the patched one and of another", async () => {
    const path = "test/fixtures/diff/sealed/sealed.x86_64";
    const moduleOf = (name: string): ModuleFile =>
      new ModuleFile(readElf(load(`test/fixtures/diff/sealed/${name}.ko`)), `${name}.ko`);
    const [holder, other] = [moduleOf("holder"), moduleOf("other")];
    const base = kernelWith(load(`${path}.orig.o`), ["ext", "sink"], ["open_here", "sealed_here", "f", "g"]);
    const kernel = base.withModules([holder, other]);
    expect((await problemsOf(path, () => kernel, "holder")).sort()).toEqual([
      "KLP733 sealed_here",
      "KLP733 sealed_one",
    ]);
    // By module.s.
    const names = ["sealed_here", "open_here", "absent"];
    expect(names.map((n) => kernel.isSealed(n, 0, "holder"))).toEqual([true, false, null]);
    expect(["sealed_one", "open_one"].map((n) => kernel.isSealed(n, 0, "other"))).toEqual([true, false]);
    expect(kernel.isSealed("sealed_one", 0, "absent")).toBeNull();
  });

  test("they are kept with what is known of a kernel", () => {
    const file = writeStored({ vmlinux }, new Kernel({ vmlinux }), "key");
    const again = new Kernel(readStored(file ?? new Uint8Array(0), "key"));
    const names = ["sealed_here", "sealed_one", "open_here", "open_one", "absent"];
    expect(names.map((n) => again.isSealed(n, 0))).toEqual([true, true, false, false, null]);
  });
});
