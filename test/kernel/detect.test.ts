import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { PackedError, packingOf, unpack } from "../../src/elf/containers/packed.ts";
import { ElfError } from "../../src/elf/error.ts";
import { readElf } from "../../src/elf/reader.ts";
import { readKernelFile } from "../../src/kernel/detect.ts";
import { readVmlinux } from "../../src/kernel/image/vmlinux.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { ModuleFile } from "../../src/kernel/module/moduleFile.ts";
import { parseSymbols, SymbolListError } from "../../src/kernel/symbols/parseSymbols.ts";
import { parseSymvers } from "../../src/kernel/symbols/symvers.ts";

// Files of test/fixtures/kernel (make.sh there remakes them): a kernel and a module in small. Expected values are those
// that their sources write down; GNU nm prints the same addresses and letters.

const folder = fileURLToPath(new URL("../fixtures/kernel/", import.meta.url));
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(folder + name));
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));
const at = (offset: number): bigint => 0xffffffff81000000n + BigInt(offset);

describe.each(["vmlinux-x86_64", "vmlinux-x86_64-flags", "vmlinux-ppc64le"])("%s", (name) => {
  const vmlinux = readVmlinux(read(name), name);
  const kernel = new Kernel({ vmlinux });

  test("symbols: letters of nm, positions by address, what kallsyms leaves out is not there", () => {
    const short = (symbol: string) => vmlinux.list.find(symbol).map((s) => [s.address, s.letter]);
    expect(short("_stext")).toEqual([[at(0), "T"]]);
    expect(short("show_one")).toEqual([[at(0x10), "t"]]);
    expect(short("weak_one")).toEqual([[at(0x30), "W"]]);
    expect(short("helper.isra.0")).toEqual([[at(0x80), "t"]]);
    // The symbol table has the one at 0x90 first.
    expect(short("twin")).toEqual([
      [at(0x20), "t"],
      [at(0x90), "t"],
    ]);
    expect(vmlinux.list.find("jiffies").map((s) => s.letter)).toEqual(["D"]);
    expect(vmlinux.list.find("cache").map((s) => s.letter)).toEqual(["b"]);
    for (const gone of ["$local_mapping", "__kstrtab_not_there", "__kstrtabns_exported_ns", "absolute_one"]) {
      expect(vmlinux.list.find(gone)).toEqual([]);
    }
  });

  test("exports with checksum, licence and namespace", () => {
    const one = { owner: "vmlinux", namespace: "" };
    expect([...vmlinux.exports.values()].sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
      { ...one, name: "_mcount", crc: 0x55555555, gplOnly: false },
      { ...one, name: "exported_gpl", crc: 0x22222222, gplOnly: true },
      // The kernel with flags calls it free for all licences.
      { ...one, name: "exported_ns", crc: 0x33333333, gplOnly: !name.endsWith("flags"), namespace: "DEMO_NS" },
      { ...one, name: "exported_one", crc: 0x11111111, gplOnly: false },
      { ...one, name: "klp_enable_patch", crc: 0x44444444, gplOnly: true },
    ]);
    expect(kernel.exports("exported_one")).toBe(true);
    expect(kernel.exports("show_one")).toBe(false);
    expect(kernel.hasExports).toBe(true);
  });

  test("release and vermagic", () => {
    expect(kernel.release).toBe("6.12.9-demo+");
    expect(kernel.vermagic).toBe("6.12.9-demo+ SMP preempt mod_unload modversions ");
  });

  test("where ftrace can patch: a record from the function's start to the next symbol", () => {
    const site = (name: string): boolean | null => {
      const address = kernel.find(name)[0]?.address ?? 0n;
      return kernel.hasFtraceSite(address, kernel.nextSymbol(address) ?? address);
    };
    expect(["_stext", "exported_one", "weak_one", "helper.isra.0"].map(site)).toEqual([true, true, true, true]);
    expect(site("no_site")).toBe(false);
    expect(new Kernel({ list: vmlinux.list }).hasFtraceSite(at(0), at(0x10))).toBeNull();
  });
});

test("vmlinux without a symbol table, and damaged headers, are refused with a place", () => {
  const good = read("vmlinux-x86_64");
  for (const [offset, value] of [
    [40, 0xff], // e_shoff
    [58, 1], // e_shentsize
    [60, 0xff], // e_shnum
  ] as const) {
    const bad = good.slice();
    bad[offset] = value;
    bad[offset + 1] = value;
    expect(() => readVmlinux(bad, "x")).toThrow(ElfError);
  }
  for (let size = 0; size < good.length; size += 97) {
    try {
      readKernelFile(good.slice(0, size), "x");
    } catch (error) {
      expect(error instanceof ElfError || error instanceof SymbolListError).toBe(true);
    }
  }
});

describe("detected by content", () => {
  test.each([
    ["vmlinux-x86_64", "vmlinux"],
    ["System.map", "symbols"],
  ])("%s: %s", (name, kind) => {
    expect(readKernelFile(read(name), name).kind).toBe(kind);
  });
  test("Module.symvers", () => {
    expect(readKernelFile(bytes("0x12345678\tfoo\tvmlinux\tEXPORT_SYMBOL\t\n"), "x").kind).toBe("symvers");
  });
  test("/proc/kallsyms with modules in brackets", () => {
    const text =
      "ffffffff81000000 T _stext\nffffffffc0000000 t foo\t[demo_mod]\nffffffffc0000000 r __ksymtab_foo\t[demo_mod]\n";
    const file = readKernelFile(bytes(text), "x");
    const kernel = new Kernel({ list: file.kind === "symbols" ? file.list : undefined });
    expect(kernel.find("foo")).toEqual([]);
    expect(kernel.modulesWith("foo")).toEqual([{ module: "demo_mod", exported: true }]);
  });
  test("a module is not a kernel", () => {
    expect(() => readKernelFile(read("demo-mod.ko"), "x")).toThrow(/give it with -m/);
  });
  test.each([
    // Offsets of the marks: Documentation/arch/x86/boot.rst, Documentation/arch/arm64/booting.rst.
    ["a bzImage", { 0: "MZ", 514: "HdrS" }, /a bootable kernel image/],
    ["an arm64 Image without tables", { 56: "ARM\x64" }, /neither a symbol table nor kallsyms/],
    ["bzip2", { 0: "BZh91AY&SY\0" }, /a \.bz2 file: unpack it first/],
  ])("%s is told by name", (_, marks, what) => {
    const file = new Uint8Array(0x400);
    for (const [offset, mark] of Object.entries(marks)) file.set(bytes(mark), Number(offset));
    expect(() => readKernelFile(file, "x")).toThrow(what);
  });
  test("the output of nm -S", () => {
    const line = "c00000000000c3e0 0000000000000128 t read_page\n";
    expect(() => readKernelFile(bytes(line), "x")).toThrow(/nm without -S/);
  });
  test("Debian's System.map of two lines says where the real one is", () => {
    const text = "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n";
    expect(() => parseSymbols(bytes(text), "x")).toThrow(/System.map is in the linux-image-<version>-dbg package/);
  });
});

test("System.map: sorted by address within a name; local labels, absolute symbols and their like take no part", () => {
  const list = parseSymbols(read("System.map"), "x");
  expect(list.find("twin").map((s) => s.address)).toEqual([at(0x20), at(0x300)]);
  expect(list.find(".Llocal")).toEqual([]);
  expect(list.find("absolute_one")).toEqual([]);
  expect(list.nextAddress(at(0x40))).toBe(at(0x300));
  expect(list.nextAddress(0xffffffff82000000n)).toBeNull();
});

describe("Module.symvers", () => {
  // scripts/mod/modpost.c, write_dump: since 5.7 `CRC NAME OWNER KIND NAMESPACE`; 5.4 to 5.6 had the namespace third;
  // before 5.4 there was none.
  test.each([
    ["0x8e17f6a1\tfoo\tdrivers/net/demo-mod\tEXPORT_SYMBOL_GPL\tNS\n", "NS"],
    ["0x8e17f6a1\tfoo\tNS\tdrivers/net/demo-mod\tEXPORT_SYMBOL_GPL\n", "NS"],
    ["0x8e17f6a1\tfoo\tdrivers/net/demo-mod\tEXPORT_SYMBOL_GPL\n", ""],
  ])("%j", (text, namespace) => {
    const expected = { name: "foo", owner: "demo_mod", crc: 0x8e17f6a1, gplOnly: true, namespace };
    expect(parseSymvers(bytes(text))).toEqual([expected]);
  });
  test("CRC 0 is none", () => {
    expect(parseSymvers(bytes("0x00000000\tfoo\tvmlinux\tEXPORT_SYMBOL\t\n"))[0]).toMatchObject({
      crc: null,
      gplOnly: false,
    });
  });
  test("another form: the line is told", () => {
    expect(() => parseSymvers(bytes("0x1\tfoo\tvmlinux\tEXPORT_SYMBOL\t\nnonsense\n"))).toThrow("line 2:");
  });
  test("fills in what System.map does not tell", () => {
    const kernel = new Kernel({
      list: parseSymbols(read("System.map"), "x"),
      symvers: { source: "y", exports: parseSymvers(bytes("0x5\tshow_one\tvmlinux\tEXPORT_SYMBOL_GPL\tNS\n")) },
    });
    expect(kernel.exports("show_one")).toBe(true);
    expect(kernel.exportOf("show_one")).toMatchObject({ crc: 5, gplOnly: true, namespace: "NS" });
  });
});

describe("a module", () => {
  const module = new ModuleFile(readElf(read("demo-mod.ko")), "demo-mod.ko");

  test("name, dependencies, exports", () => {
    expect(module.name).toBe("demo_mod");
    expect(module.depends).toEqual(["other_mod", "third"]);
    expect([...module.exports.values()]).toEqual([
      { name: "demo_export", owner: "demo_mod", crc: null, gplOnly: true, namespace: "DEMO_NS" },
    ]);
    expect(new ModuleFile(readElf(read("demo-mod.ko")), "x", "a-b").name).toBe("a_b");
  });

  test("positions: symbol table order, init symbols while it is coming, without them once it is live", () => {
    const places = (list: readonly { readonly section: string | null; readonly offset: number }[]) =>
      list.map((s) => `${s.section}+${s.offset}`);
    expect(places(module.find("setup"))).toEqual([".init.text+0", ".text+16"]);
    expect(places(module.findLive("setup"))).toEqual([".text+16"]);
    expect(places(module.find("only_here"))).toEqual([".text+0"]);
    expect(module.find("not_there")).toEqual([]);
  });
});

describe("packed files", () => {
  test.each(["System.map.gz", "System.map.xz", "System.map.zst"])("%s", async (name) => {
    expect(Buffer.from(await unpack(read(name))).toString()).toBe(readFileSync(`${folder}System.map`, "utf8"));
  });
  test("a module packed as kernels pack theirs", async () => {
    expect(Buffer.compare(await unpack(read("demo-mod.ko.xz")), read("demo-mod.ko"))).toBe(0);
  });
  test("what is not packed comes back", async () => {
    expect(packingOf(read("System.map"))).toBeNull();
    expect(Buffer.compare(await unpack(read("System.map")), read("System.map"))).toBe(0);
  });
  test.each(["System.map.gz", "System.map.xz", "System.map.zst"])("%s cut off or damaged", async (name) => {
    const whole = read(name);
    await expect(unpack(whole.slice(0, whole.length - 20))).rejects.toThrow(PackedError);
    const damaged = whole.slice();
    damaged.fill(0xaa, 12, 40);
    await expect(unpack(damaged)).rejects.toThrow(PackedError);
  });
  test("a zstd frame that asks for memory out of proportion", async () => {
    // RFC 8878: magic, descriptor (single segment, 8-byte content size), 2^40 bytes.
    const bomb = Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    await expect(unpack(bomb)).rejects.toThrow(/unpack to more than/);
  });
});

test("a vmlinux that has only its types: what it lacks, and what to give", () => {
  const bytes = readFileSync("test/fixtures/kernel/vmlinux-x86_64");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // The symbol table becomes a section like any other, and .data is called .BTF.
  const [SECTIONS, SYMTAB, ROW] = [Number(view.getBigUint64(40, true)), 11, 64];
  view.setUint32(SECTIONS + SYMTAB * ROW + 4, 1, true);
  expect(() => readKernelFile(bytes, "vmlinux")).toThrow(/the kernel has neither a symbol table nor kallsyms/);
  bytes.write(".BTF\0", bytes.indexOf("\0.data\0") + 1, "latin1");
  expect(() => readKernelFile(bytes, "vmlinux")).toThrow(
    /only its types \(BTF\), and neither a symbol table nor kallsyms: give the unstripped vmlinux \(package linux-image/,
  );
});
