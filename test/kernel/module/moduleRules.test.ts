// Checksums of imports, against what the kernel exports: check_version (kernel/module/version.c) takes the first entry of a name.

import { expect, test } from "vitest";
import { fromLatin1, viewOf } from "../../../src/base/bytes.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { ModInfo } from "../../../src/kernel/module/modinfo.ts";
import { checkModule } from "../../../src/kernel/module/moduleRules.ts";
import { buildElf } from "../../elf/build.ts";

/** A module that imports some names, with its __versions. */
function moduleOf(names: readonly string[], versions: readonly (readonly [string, number])[]): Uint8Array {
  const data = new Uint8Array(versions.length * 64);
  for (const [k, [name, crc]] of versions.entries()) {
    viewOf(data).setUint32(k * 64, crc, true);
    data.set(fromLatin1(name.slice(0, 56)), k * 64 + 8);
  }
  return buildElf({
    machine: 62,
    sections: [
      { name: ".text", type: 1, flags: 6, align: 16, data: new Uint8Array(16) },
      { name: "__versions", type: 1, flags: 2, align: 8, data },
    ],
    symbols: names.map((name) => ({ name, bind: 1 })),
  });
}

/** By symbol: the code of what is wrong. */
function found(bytes: Uint8Array, kernel: Kernel): Map<unknown, string> {
  const file = readElf(bytes);
  const { symbols } = file;
  if (symbols === null) throw new Error("no symbols");
  const modInfo = new ModInfo(fromLatin1("license=GPL\0"));
  const context = { file, symbols, modInfo, module: "m", kernel, version: null, isVersionGiven: false };
  const problems = checkModule({ ...context, reference: null, path: "m.o" });
  return new Map(problems.map((p) => ["symbol" in p.data ? p.data.symbol : null, p.code]));
}

test.each([3, 16, 17, 100])("of %i imports each is compared with the first entry of its name", (count) => {
  const long = "l".repeat(56);
  const names = ["a", "b", long, ...Array.from({ length: count - 3 }, (_, i) => `name_${i}`)].reverse();
  const crcOf = new Map(names.map((name, i) => [name, 1000 + i]));
  const exports = names.map((name) => {
    const crc = crcOf.get(name) ?? 0;
    return { name, owner: "vmlinux", crc, gplOnly: false, namespace: null };
  });
  const kernel = new Kernel({ symvers: { source: "Module.symvers", exports } });
  const right = names.map((name) => [name, crcOf.get(name) ?? 0] as const);
  expect(found(moduleOf(names, right), kernel)).toEqual(new Map());
  // What comes later under the same name does not count; names that begin alike are others.
  const more = [...right, ["a", 1], [long, 2], ["a_longer_one", 3], ["", 4]] as const;
  expect(found(moduleOf(names, more), kernel)).toEqual(new Map());
  const wrong = more.flatMap(([name, crc], i) => (name === "b" ? [] : [[name, i === 0 ? crc + 1 : crc] as const]));
  expect(found(moduleOf(names, wrong), kernel)).toEqual(
    new Map([
      [names[0], "KLP505"],
      ["b", "KLP506"],
    ]),
  );
});
