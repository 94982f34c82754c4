// Symbols of the target that taken code names: functions of the same module in other objects, and namespaces of exports.

import { describe, expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import { readKernelFile } from "../../../src/kernel/detect.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { readModInfo } from "../../../src/kernel/module/modinfo.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
import { diffObjects, extractDiff } from "../../../src/passes/diff/diff.ts";
import { load } from "../../helpers.ts";
import { kernelWith } from "../targetOf.ts";

const diffOf = (pair: string) =>
  diffObjects(
    { bytes: load(`test/fixtures/diff/${pair}.orig.o`), path: "orig.o" },
    { bytes: load(`test/fixtures/diff/${pair}.patched.o`), path: "patched.o" },
  );

describe.each(["x86_64", "arm64", "ppc64le"])("%s", (arch) => {
  test("a function of the same module in another object waits for the module, and is counted in it", async () => {
    const vmlinux = readKernelFile(load(`test/fixtures/diff/namesakes/vmlinux.${arch}`), "vmlinux");
    const mod = new ModuleFile(readElf(load(`test/fixtures/diff/namesakes/mod.${arch}.o`)), "mod.ko", "mod");
    const kernel = new Kernel({ ...(vmlinux.kind === "vmlinux" ? vmlinux : {}), modules: [mod] });
    const { bytes } = extractDiff(await diffOf(`namesakes/core.${arch}`), { kernel, object: "mod" });
    const { symbols } = readElf(bytes as Uint8Array);
    const names = Array.from({ length: symbols?.count ?? 0 }, (_, i) => symbols?.name(i) ?? "");
    expect(names).toContain(".klp.sym.rela.mod.mod.c_entry,0");
    // What vmlinux alone has, and does not export, does not wait for it.
    expect(names.filter((n) => n.endsWith(".ext,0"))).toEqual([]);
  });

  test("an export in a namespace brings its namespace along; one for named modules is none", async () => {
    const pair = `cases/constant.${arch}`;
    const orig = load(`test/fixtures/diff/${pair}.orig.o`);
    const taken = async (namespace: string) => {
      const symvers = `0x00000000\text\tvmlinux\tEXPORT_SYMBOL_GPL\t${namespace}\n`;
      const exports = readKernelFile(new TextEncoder().encode(symvers), "Module.symvers");
      if (exports.kind !== "symvers") throw new Error("no list of exports");
      const { list } = kernelWith(orig, []);
      const kernel = new Kernel({ ...(list === null ? {} : { list }), symvers: { ...exports, source: "symvers" } });
      const { bytes } = extractDiff(await diffOf(pair), { kernel, object: "vmlinux" });
      const file = readElf(bytes as Uint8Array);
      const names = Array.from({ length: file.symbols?.count ?? 0 }, (_, i) => file.symbols?.name(i) ?? "");
      return {
        namespace: readModInfo(file)?.get("import_ns") ?? null,
        ext: names.find((n) => /(?:^|\.)ext(?:,|$)/.test(n)),
      };
    };
    expect(await taken("CRYPTO_INTERNAL")).toEqual({ namespace: "CRYPTO_INTERNAL", ext: "ext" });
    expect(await taken("")).toEqual({ namespace: null, ext: "ext" });
    expect(await taken("module:kvm")).toEqual({ namespace: null, ext: ".klp.sym.rela.vmlinux.vmlinux.ext,0" });
  });
});
