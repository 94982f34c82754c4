// Files that are wrong in ways that no tool at hand makes: each is told with a code, and none ends as a bug in klplink.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { jsonDataOf } from "../../src/diag/catalogue.ts";
import { readExecutable } from "../../src/elf/executable.ts";
import { SYM } from "../../src/elf/views/layout.ts";
import { image } from "../../src/passes/image/image.ts";
import { link } from "../../src/passes/link.ts";
import { klplink } from "../cli/run.ts";
import { buildElf, words } from "../elf/build.ts";
import { root } from "../helpers.ts";

// apply_relocate (kernel/module/main.c, include/linux/moduleloader.h) refuses such a section whatever it holds.
test.each([
  ["ppc64le", 21],
  ["x86_64", 62],
  ["arm64", 183],
])("image: an SHT_REL section without entries, %s", (_, machine) => {
  const bytes = buildElf({
    machine,
    sections: [
      { name: ".text", type: 1, flags: 6, align: 16, data: words([0, 0, 0, 0]) },
      { name: ".plt", type: 1, flags: 6, align: 16, data: new Uint8Array(1) },
      { name: ".init.plt", type: 1, flags: 6, align: 16, data: new Uint8Array(1) },
      { name: ".text.ftrace_trampoline", type: 1, flags: 6, align: 16, data: new Uint8Array(1) },
      { name: ".init.text.ftrace_trampoline", type: 1, flags: 6, align: 16, data: new Uint8Array(1) },
      { name: ".stubs", type: 1, flags: 6, align: 8, data: words([0, 0]) },
      { name: ".rel.text", type: 9, flags: 0x40, link: ".symtab", info: ".text", align: 8, entsize: 16 },
    ],
    symbols: [{ name: "f", type: 2, bind: 1, home: ".text" }],
  });
  const options = { file: "x.o", kernel: null, placement: { bases: new Map(), sections: new Map(), percpu: null } };
  const { problems } = image(bytes, { ...options, stage: "relocated" } as unknown as Parameters<typeof image>[1]);
  const found = problems.map((p) => [p.code, jsonDataOf(p)]);
  const what = ".rel.text has relocations without addends";
  expect(found).toContainEqual(["KLP206", { what, message: "module x: REL relocation unsupported" }]);
});

test("-k: a symbol of vmlinux names a section that is not there", async () => {
  const bytes = new Uint8Array(readFileSync(join(root, "test/fixtures/kernel/vmlinux-x86_64")));
  const { symbols, sections } = readExecutable(bytes);
  const row = sections.offset(symbols?.section ?? 0) + 3 * SYM.size;
  new DataView(bytes.buffer).setUint16(row + SYM.shndx, 0x7000, true);
  const folder = mkdtempSync(join(tmpdir(), "klplink-faults-"));
  try {
    const vmlinux = join(folder, "vmlinux");
    writeFileSync(vmlinux, bytes);
    const module = join(root, "test/fixtures/kernel/demo-mod.ko");
    for (const command of [["check"], ["sites"], ["image", "-o", join(folder, "out")]]) {
      const { status, stderr } = await klplink([...command, module, "-k", vmlinux]);
      expect([status, stderr]).toEqual([3, expect.stringContaining("error[KLP109]")]);
    }
    expect((await klplink(["sites", vmlinux])).status).toBe(3);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** An intermediate of kpatch in which something else names what a link takes away. */
const named = (info: number, home: string) =>
  buildElf({
    machine: 62,
    sections: [
      { name: ".group", type: 17, link: ".symtab", info, align: 4, entsize: 4, members: [".text"] },
      { name: ".text", type: 1, flags: 0x206, align: 16, data: words([0xc3c3_c3c3]) },
      { name: ".kpatch.strings", type: 1, flags: 0x32, align: 1, data: Uint8Array.of(0x66, 0) },
      { name: ".kpatch.symbols", type: 1, flags: 2, align: 8, data: new Uint8Array(0) },
      { name: ".kpatch.relocations", type: 1, flags: 2, align: 8, data: new Uint8Array(0) },
    ],
    symbols: [
      { name: "signature", home },
      { name: "f", type: 2, bind: 1, home: ".text", size: 4 },
    ],
  });

test.each([".kpatch.symbols", ".kpatch.relocations"])("link: a group named by a symbol of %s", (home) => {
  const { output, problems } = link(named(1, home), { file: "x.o" });
  expect(output).toBeNull();
  expect(problems.map((p) => [p.code, jsonDataOf(p)])).toEqual([
    ["KLP116", { what: "the signature of group 1 refers to symbol 1 (signature), which is removed" }],
  ]);
  // Named by a symbol that stays, the same file links.
  expect(link(named(2, home), { file: "x.o" }).problems.filter((p) => p.code === "KLP116")).toEqual([]);
});
