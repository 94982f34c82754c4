import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
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
