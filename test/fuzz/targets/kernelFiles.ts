// What -k opens: packages, what kernels are packed with, and the tables inside them.

import { OtherPackedError, otherPackingOf, unpackOther } from "../../../src/elf/containers/otherPackings.ts";
import { PackedError, unpack } from "../../../src/elf/containers/packed.ts";
import { isConfig, parseConfig } from "../../../src/kernel/config.ts";
import { findNames } from "../../../src/kernel/image/kallsyms/find.ts";
import { findOffsets } from "../../../src/kernel/image/kallsyms/offsets.ts";
import { symbolsOf } from "../../../src/kernel/image/kallsyms/symbols.ts";
import { ImageMemory } from "../../../src/kernel/image/memory.ts";
import { ArchiveError } from "../../../src/kernel/package/archive.ts";
import { contentsOf } from "../../../src/kernel/package/contents.ts";
import { cpioFiles, isCpio } from "../../../src/kernel/package/cpio.ts";
import { openPackage } from "../../../src/kernel/package/open.ts";
import { isTar, tarFiles } from "../../../src/kernel/package/tar.ts";
import { kallsymsTables, LAYOUTS, type Listed } from "../../kernel/image/kallsyms/tables.ts";
import { filesIn, type Target } from "../frame/target.ts";
import { editAny, editText } from "./mutators.ts";

const isRefusal = (error: unknown): error is Error =>
  [ArchiveError, PackedError, OtherPackedError].some((kind) => error instanceof kind);

const packages: Target = {
  count: 200,
  samples: () => filesIn(["test/fixtures/packages"], /\.(?:deb|rpm|zst|xz)$/),
  mutate: editAny,
  run: async (bytes) => {
    try {
      const found = await openPackage(bytes, await unpack(bytes));
      if (found === null) return { end: "another file" };
      const { release, modules, kernel } = contentsOf(found.files);
      return { end: found.kind, output: JSON.stringify([release, [...modules.keys()], kernel?.bytes.length]) };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return { end: "refused", output: error.message };
    }
  },
};

/** Archives without what packs them: damage reaches their headers. */
const archives: Target = {
  count: 800,
  samples: () => {
    const file = (name: string, content: string): string =>
      `070701${[1, 0o10_0644, 0, 0, 1, 0, content.length, 8, 1, 0, 0, name.length + 1, 0]
        .map((n) => n.toString(16).padStart(8, "0"))
        .join("")}${`${name}\0`.padEnd(Math.ceil((110 + name.length + 1) / 4) * 4 - 110, "\0")}${content.padEnd(
        Math.ceil(content.length / 4) * 4,
        "\0",
      )}`;
    const cpio =
      file("./boot/vmlinuz-6.1", "kernel") + file("./lib/modules/6.1/a-b.ko", "module") + file("TRAILER!!!", "");
    const tar = (name: string, content: string, type: string): Buffer => {
      const header = Buffer.alloc(512);
      header.write(name, 0, "latin1");
      header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
      header.write(`        ${type}`, 148);
      header.write("ustar\x0000", 257, "latin1");
      const sum = header.reduce((all, byte) => all + byte, 0);
      header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
      return Buffer.concat([header, Buffer.from(content), Buffer.alloc((512 - (content.length % 512)) % 512)]);
    };
    const long = "27 path=boot/vmlinuz-6.2.3\n";
    const parts = [
      tar("x", long, "x"),
      tar("short", "kernel", "0"),
      tar("b", "", "1"),
      tar("L", "boot/config-1\0", "L"),
    ];
    return [
      new Uint8Array(Buffer.from(cpio, "latin1")),
      new Uint8Array(Buffer.concat([...parts, tar("c", "CONFIG_X=y\n", "0"), Buffer.alloc(1024)])),
    ];
  },
  mutate: editAny,
  run: (bytes) => {
    try {
      if (!isTar(bytes) && !isCpio(bytes)) return { end: "another file" };
      const files = isTar(bytes) ? [...tarFiles(bytes)] : [...cpioFiles(bytes)];
      return { end: "read", output: JSON.stringify(files.map((f) => [f.name, f.bytes.length])) };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return { end: "refused", output: error.message };
    }
  },
};

const kernelPackings: Target = {
  count: 500,
  samples: () => filesIn(["test/fixtures/kernel"], /\.(?:lz4|lzma|bz2|lzo)$/),
  mutate: editAny,
  run: async (bytes) => {
    const packing = otherPackingOf(bytes);
    if (packing === null) return { end: "another file" };
    try {
      const content = await unpackOther(packing, bytes, 65_536);
      if (content.length > 65_536) throw new Error(`${content.length} bytes`);
      return { end: packing, output: content };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return { end: "refused", output: error.message };
    }
  },
};

const START = 0xffff_ffff_8200_0000n;
const BASE = 0xffff_ffff_8100_0000n;

const kallsyms: Target = {
  count: 400,
  samples: () =>
    Object.values(LAYOUTS).map((layout) => {
      const symbols = Array.from(
        { length: 600 },
        (_, i): Listed => ({ address: BASE + BigInt(16 * i), letter: "T", name: `function_symbol${i}` }),
      );
      const percpu: Listed[] = layout.code === "percpu" ? [{ address: 0n, letter: "A", name: "fixed" }] : [];
      return new Uint8Array(kallsymsTables([...percpu, ...symbols], layout, START, BASE));
    }),
  mutate: editAny,
  run: (bytes) => {
    const names = findNames(bytes, true);
    const offsets = names === null ? null : findOffsets(bytes, names, true);
    if (names === null || offsets === null) return { end: "no tables" };
    const memory = new ImageMemory([{ address: START, offset: 0, bytes }]);
    const symbols = symbolsOf(bytes, names, offsets, memory, true);
    if (symbols === null) return { end: "no place" };
    const [first] = symbols.all();
    return { end: offsets.code, output: `${symbols.size} ${first?.name} ${first?.address}` };
  },
};

const config: Target = {
  count: 300,
  samples: () => [
    new Uint8Array(Buffer.from('#\n# x\n#\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x"\n'.repeat(20))),
  ],
  mutate: editText,
  run: (bytes) =>
    isConfig(bytes) ? { end: "read", output: JSON.stringify([...parseConfig(bytes)]) } : { end: "another file" },
};

export const kernelFileTargets = { packages, archives, kernelPackings, kallsyms, config };
