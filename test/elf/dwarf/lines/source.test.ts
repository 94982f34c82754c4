// Source lines of every call in the objects of test/fixtures/dwarf, against binutils and LLVM (make.sh there remakes both).

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { SourceIndex } from "../../../../src/elf/dwarf/lines/source.ts";
import { readElf } from "../../../../src/elf/reader.ts";

const folder = new URL("../../../fixtures/dwarf/", import.meta.url);

interface Lookup {
  readonly section: string;
  readonly offset: number;
  /** `function path:line`, the innermost first. */
  readonly addr2line: readonly string[];
  /** `file:line:column` */
  readonly dwarfdump: string;
  /** `function path:line:column`, the innermost first. */
  readonly symbolizer: readonly string[];
}

const lookups = JSON.parse(readFileSync(new URL("lookups.json", folder), "utf8")) as Record<string, Lookup[]>;

/** Full path without `../`: the tools differ in how they put the parts together. */
const normal = (path: string): string => path.replaceAll("/./", "/");

describe.each(Object.entries(lookups))("%s", (object, calls) => {
  test(`${calls.length} calls`, async () => {
    expect(calls.length).toBeGreaterThan(object.startsWith("sample-") ? 1 : 10);
    const file = readElf(readFileSync(new URL(object, folder)));
    const index = await SourceIndex.read(file);
    const found = calls.map(({ section, offset }) =>
      (index.find(file.sections.findByName(section) ?? 0, offset) ?? []).map((f) => {
        const path = f.file.startsWith("/") ? f.file : `${f.directory}/${f.file}`;
        return { function: f.function, path: normal(path), line: f.line, column: f.column };
      }),
    );
    expect(index.fault).toBeNull();
    expect(found.map(([f]) => `${f?.path}:${f?.line}`)).toEqual(
      calls.map((c) => normal(c.addr2line[0] ?? "").replace(/^\S+ /, "")),
    );
    // Of split debug information only the line table is in the object.
    if (object.startsWith("split-")) {
      expect(found.map(([f]) => `${f?.path.replace(/^.*\//, "")}:${f?.line}:${f?.column}`)).toEqual(
        calls.map((c) => c.dwarfdump),
      );
      return;
    }
    // binutils 2.40 does not follow the indexed range lists of clang's DWARF 5, and so misses inlined calls there.
    if (!/clang-(?:.*-)?5\.o$/.test(object)) {
      expect(found.map((frames) => frames.map((f) => `${f.function} ${f.path}:${f.line}`))).toEqual(
        calls.map((c) => c.addr2line.map(normal)),
      );
    }
    // LLVM takes the outermost name from the symbol table, where a cold part has a name of its own.
    expect(found.map((frames) => frames.map((f) => `${f.function} ${f.path}:${f.line}:${f.column}`))).toEqual(
      calls.map((c) => c.symbolizer.map((frame) => normal(frame).replace(/^(\w+)\.cold /, "$1 "))),
    );
    expect(found.map(([f]) => `${f?.path.replace(/^.*\//, "")}:${f?.line}:${f?.column}`)).toEqual(
      calls.map((c) => c.dwarfdump),
    );
  });
});

test("the samples have inlined calls, two deep, and code in cold parts", () => {
  const all = Object.values(lookups).flat();
  expect(all.some((c) => c.addr2line.length >= 3)).toBe(true);
  expect(all.some((c) => c.section.startsWith(".text.unlikely"))).toBe(true);
});

test("compilers, DWARF versions, architectures and compressions are all there", () => {
  const names = Object.keys(lookups);
  for (const arch of ["ppc64le", "arm64", "x86_64"]) {
    for (const compiler of ["gcc", "clang"]) {
      for (const version of [4, 5]) {
        expect(names).toContain(`${compiler}-${arch}-${version}.o`);
        expect(
          names.filter((n) => n.startsWith("sample-") && n.endsWith(`-${arch}-${compiler}-${version}.o`)),
        ).not.toEqual([]);
      }
    }
    for (const kind of ["zlib-gabi", "zstd"]) {
      expect(names).toContain(arch === "ppc64le" ? `linked-${kind}.o` : `gcc-${arch}-5-${kind}.o`);
    }
  }
  expect(names.filter((n) => n.startsWith("split-"))).toHaveLength(2);
});
