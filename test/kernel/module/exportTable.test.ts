import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
import { parseSymvers } from "../../../src/kernel/symbols/symvers.ts";
import { root } from "../../helpers.ts";

// What test/fixtures/tree/exporter.s says in assembler; test/boot/trees.test.ts has the exports of Debian's modules, as modpost listed them.
const wanted = [
  { name: "tree_gpl", owner: "tree_exporter", crc: 0x600d_f00d, gplOnly: true, namespace: "" },
  { name: "tree_open", owner: "tree_exporter", crc: 0x1122_3344, gplOnly: false, namespace: "" },
  { name: "tree_spaced", owner: "tree_exporter", crc: 0x9988_7766, gplOnly: false, namespace: "TREE_NS" },
];

test.each([
  ["exporter.ko", "offsets of 32 bits"],
  ["exporter-ppc64le.ko", "pointers"],
  ["exporter-arm64.ko", "arm64"],
  ["exporter-stripped.ko", "without the symbols of its tables"],
  ["exporter-absolute.ko", "checksums are values of symbols"],
  ["exporter-relative.ko", "checksums stand elsewhere"],
  ["exporter-flags.ko", "one table, with flags"],
])("exports of %s: %s", (name) => {
  const module = new ModuleFile(readElf(readFileSync(join(root, "test/fixtures/tree", name))), name);
  expect([...module.exports.values()].sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual(wanted);
});

test("a module's own checksum counts before that of a list; a list tells what an object does not know yet", () => {
  const open = (path: string): ModuleFile =>
    new ModuleFile(readElf(readFileSync(join(root, "test/fixtures", path))), path);
  const kernel = new Kernel({
    modules: [open("tree/exporter.ko"), open("kernel/demo-mod.ko")],
    symvers: {
      source: "Module.symvers",
      exports: parseSymvers(
        Buffer.from(
          "0x00000001\ttree_open\ttree-exporter\tEXPORT_SYMBOL\t\n0x00000002\tdemo_export\tdemo-mod\tEXPORT_SYMBOL_GPL\tDEMO_NS\n",
        ),
      ),
    },
  });
  expect(kernel.exportOf("tree_open")?.crc).toBe(0x1122_3344);
  expect(kernel.exportOf("demo_export")?.crc).toBe(2);
});
