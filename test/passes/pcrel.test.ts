// Modules for kernels without a TOC: nothing is to be restored behind a call, and the commands say so. The modules are those that
// such a kernel has loaded (test/golden/image).

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { check } from "../../src/passes/check.ts";
import { link } from "../../src/passes/link.ts";
import { klplink } from "../cli/run.ts";

const path = "test/golden/image/ppc64le-pcrel-late/module.ko";
const module = new Uint8Array(readFileSync(new URL(`../../${path}`, import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), "klplink-pcrel-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("link leaves every call alone, whichever way r2 shall come back", () => {
  for (const tocRestore of ["island", "nop", "epilogue", "mini-frame", "shadow-stack"] as const) {
    const { problems, changed, output } = link(module, { file: "late.ko", tocRestore });
    expect(problems, tocRestore).toEqual([]);
    expect(changed, tocRestore).toBe(false);
    expect(Buffer.compare(output ?? new Uint8Array(0), module), tocRestore).toBe(0);
  }
});

test("check finds nothing", () => expect(check(module, { file: "late.ko" }).problems).toEqual([]));

test("show --toc says that there is no TOC", async () => {
  const { status, stdout } = await klplink(["show", "--toc", path]);
  expect(status).toBe(0);
  expect(stdout).toContain("Calls (R_PPC64_REL24, R_PPC64_REL24_NOTOC)");
  expect(stdout.match(/ pcrel +no TOC on this kernel: nothing to restore/g)).toHaveLength(5);
  expect(stdout).toContain("The kernel is built without a TOC");
  expect(stdout).not.toContain("How r2 can come back");
});

test("show --toc -k: the kernel tells", async () => {
  const list = join(folder, "System.map");
  const toc = "test/golden/image/ppc64le-late/module.ko";
  for (const [lines, expected] of [
    ["c00000000000c48c T relative_toc\n", "The kernel is built without a TOC"],
    ["c00000000000c48c T relative_toc\nc00000000000c4a8 t p_toc\n", "How r2 can come back"],
  ] as const) {
    writeFileSync(list, `c000000000000000 T _text\n${lines}`);
    const { status, stdout, stderr } = await klplink(["show", "--toc", toc, "-k", list]);
    expect(status, stderr).toBe(0);
    expect(stdout).toContain(expected);
  }
});

test("a relocation that waits for a module: text is written by REL24_NOTOC and PCREL34, not by GOT_PCREL34", () => {
  const late = (type: number): string[] => {
    const bytes = module.slice();
    const file = readElf(bytes);
    const table = file.relocations.find((t) => file.sections.name(t.section) === ".klp.rela.late_target..text");
    if (table === undefined) throw new Error("no late calls");
    new DataView(bytes.buffer).setUint32(file.sections.offset(table.section) + 8, type, true);
    return check(bytes, { file: "late.ko" }).problems.flatMap((p) => (p.code === "KLP431" ? [p.code] : []));
  };
  expect(late(116)).toEqual([]);
  expect(late(132)).toEqual([]);
  expect(late(133)).toEqual(["KLP431"]);
});
