// Packed debug sections that are not read are told by every command that would look at them (KLP126). The object is the assembler's; its
// header fields of packed sections (gABI, Elf64_Chdr) are changed by hand.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { refusedSections, sectionContent } from "../../../src/elf/containers/compressed.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { klplink } from "../../cli/run.ts";
import { root } from "../../helpers.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-left-out-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const large = new Uint8Array(gunzipSync(readFileSync(join(root, "test/fixtures/diag/large-debug.o.gz"))));
const at = readElf(large);
const INFO = at.sections.findByName(".debug_info") ?? 0;
const STR = at.sections.findByName(".debug_str") ?? 0;

/** The object with another header of .debug_info, and none that is too large. */
function changed(change: (view: DataView, start: number) => void): Uint8Array {
  const bytes = large.slice();
  change(new DataView(bytes.buffer), at.sections.offset(INFO));
  return bytes;
}
const type = (n: number) => changed((view, start) => view.setUint32(start, n, true));
const size = (n: bigint) => changed((view, start) => view.setBigUint64(start + 8, n, true));

const IN = join(folder, "in.o");
const OUT = join(folder, "out");
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  check: ["check", IN],
  "check a folder": ["check", folder],
  link: ["link", IN, "-o", OUT],
  image: ["image", IN, "-o", OUT, "--force"],
  show: ["show", IN],
  "show as JSON": ["show", IN, "--format", "json"],
  explain: ["explain", "x: Unknown symbol f (err -2)", "-m", IN],
  "explain as JSON": ["explain", "x: Unknown symbol f (err -2)", "-m", IN, "--format", "json"],
  sites: ["sites", IN],
  diff: ["diff", IN, IN],
};

describe.each(Object.entries(COMMANDS))("%s", (_, args) => {
  test.each<[string, Uint8Array, string, string]>([
    ["too large", large, ".debug_info is too large", "objcopy --decompress-debug-sections"],
    ["of an unknown kind", type(77), ".debug_info is packed in a way that klplink does not read", "unpack it first"],
    ["that cannot be", size(1n << 60n), ".debug_info is damaged", "build or copy the file again"],
  ])("a section %s", async (_, bytes, said, help) => {
    writeFileSync(IN, bytes);
    rmSync(OUT, { force: true });
    const { status, stdout, stderr } = await klplink(args);
    expect(status).toBeLessThan(2);
    const told = stderr.replace(/\s+/g, " ");
    expect(told).toContain(`warning[KLP126]: debug information is left out: ${said}`);
    expect(told).toMatch(/--> \S*in\.o \.debug_info/);
    expect(told).toContain(help);
    if (args.includes("json")) JSON.parse(stdout);
  });

  test("nothing is said of a file whose sections are read", async () => {
    writeFileSync(
      IN,
      size(80_000_000n).fill(0, at.sections.headerOffset(INFO) + 8, at.sections.headerOffset(INFO) + 16),
    );
    rmSync(OUT, { force: true });
    expect((await klplink(args)).stderr).not.toContain("KLP126");
  });
});

test("packed data that are damaged are told once they were read", async () => {
  const bytes = size(3000n);
  const file = readElf(bytes);
  expect(refusedSections(file)).toEqual([]);
  await expect(sectionContent(file, INFO)).rejects.toThrow(/^\.debug_info: /);
  expect(refusedSections(file).map(({ section, error }) => [section, error.why])).toEqual([[INFO, "damaged"]]);
  await expect(sectionContent(file, STR)).resolves.toHaveLength(3000);
});

test("which sections are read does not depend on which is read first", async () => {
  for (const order of [
    [INFO, STR],
    [STR, INFO],
  ]) {
    const file = readElf(large.slice());
    const got: number[] = [];
    for (const section of order) {
      const content = await sectionContent(file, section).catch(() => null);
      if (content !== null) got.push(section);
    }
    expect(got).toEqual([STR]);
    expect(refusedSections(file).map((r) => r.section)).toEqual([INFO]);
  }
});
