// A stored index answers as the kernel that it was made of; damage is noticed.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readKernelFile } from "../../../src/kernel/detect.ts";
import { Kernel, type KernelParts } from "../../../src/kernel/kernel.ts";
import { readStored, StoredError, writeStored } from "../../../src/kernel/stored/stored.ts";
import { columnsOf, StoredSymbols } from "../../../src/kernel/stored/symbols.ts";
import { SymbolColumns } from "../../../src/kernel/symbols/symbolColumns.ts";

test("symbols are found as in a list in memory, whatever their order", () => {
  const name = fc.constantFrom("a", "b", "ab", "a.b", "_a", "\xff\xfe", "twice", "schedule", "z".repeat(300));
  const symbol = fc.tuple(name, fc.constantFrom("T", "t", "D"), fc.nat(2 ** 31), fc.nat(3));
  fc.assert(
    fc.property(fc.array(symbol, { maxLength: 60 }), (symbols) => {
      const list = new SymbolColumns();
      for (const [n, letter, high, low] of symbols) list.add(n, letter.charCodeAt(0), high, low);
      const stored = new StoredSymbols(columnsOf(list.all(), list.size));
      expect(stored.size).toBe(list.size);
      expect([...stored.names()]).toEqual([...list.names()]);
      expect([...stored.all()]).toEqual([...list.all()]);
      expect(stored.sortedAddresses()).toEqual(list.sortedAddresses());
      const repeated = [...list.names()].filter((n) => list.find(n).length > 1).length;
      expect([stored.countRepeated(), list.countRepeated()]).toEqual([repeated, repeated]);
      for (const n of ["", "nothing", "a", "aa", "ab", "a.b", "\xff\xfe", "twice", "z".repeat(300)]) {
        expect(stored.has(n)).toBe(list.has(n));
        expect(stored.find(n)).toEqual(list.find(n));
        expect(stored.findListed(n)).toEqual(list.findListed(n));
      }
    }),
  );
});

function partsOf(path: string): KernelParts {
  const file = readKernelFile(new Uint8Array(readFileSync(path)), path);
  if (file.kind === "vmlinux") return { vmlinux: file.vmlinux };
  if (file.kind === "symbols") return { list: file.list };
  throw new Error(file.kind);
}

describe.each(["vmlinux-x86_64", "vmlinux-ppc64le-orphan", "vmlinux-arm64", "System.map"])("%s", (name) => {
  const parts = partsOf(`test/fixtures/kernel/${name}`);
  const config = { source: "config", options: new Map([["CONFIG_X", "y"]]) };
  const symvers = { source: "m", exports: [{ name: "f", owner: "m", crc: 7, gplOnly: true, namespace: "NS" }] };
  const all = { ...parts, config, symvers };
  const kernel = new Kernel(all);
  const bytes = writeStored(all, kernel, "key");
  if (bytes === null) throw new Error("not stored");

  test("tells what the kernel tells", () => {
    const stored = new Kernel(readStored(bytes, "key"));
    for (const of of [
      "source",
      "release",
      "vermagic",
      "hasLivepatch",
      "hasExports",
      "machines",
      "structModule",
    ] as const)
      expect(stored[of], of).toEqual(kernel[of]);
    expect(stored.config).toEqual(kernel.config);
    expect(stored.exportsOfVmlinux).toEqual(kernel.exportsOfVmlinux);
    expect([...stored.names()]).toEqual([...kernel.names()]);
    const addresses = [...(kernel.list?.symbols() ?? [])].map((s) => BigInt(s.address));
    for (const n of kernel.names()) {
      expect(stored.find(n)).toEqual(kernel.find(n));
      expect(stored.exportOf(n)).toEqual(kernel.exportOf(n));
    }
    expect(stored.exportOf("f")).toEqual(kernel.exportOf("f"));
    for (const address of addresses) {
      const next = kernel.nextSymbol(address);
      expect(stored.nextSymbol(address)).toBe(next);
      expect(stored.hasFtraceSite(address, next ?? address + 16n)).toBe(
        kernel.hasFtraceSite(address, next ?? address + 16n),
      );
      expect(stored.findFtraceRecord(address, next ?? address + 16n)).toEqual(
        kernel.findFtraceRecord(address, next ?? address + 16n),
      );
    }
  });

  test("one byte changed, cut off, or of another key: not taken", () => {
    expect(() => readStored(bytes, "other")).toThrow(StoredError);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, change, isCut) => {
        const damaged = new Uint8Array(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ change;
        expect(() => readStored(isCut ? bytes.subarray(0, at) : damaged, "key")).toThrow(StoredError);
      }),
    );
  });
});
