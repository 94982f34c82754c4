// Files of which debug information stays on the disk: everything that is asked of them is as in the whole file.

import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { InputProblem } from "../../../src/cli/files/io.ts";
import { DEBUG, readModulePartly, readPartly } from "../../../src/cli/files/partlyRead.ts";
import { ElfError } from "../../../src/elf/error.ts";
import { type ElfFile, readElf } from "../../../src/elf/reader.ts";
import { diffObjects } from "../../../src/passes/diff/diff.ts";
import { buildElf } from "../../elf/build.ts";
import { captured, klplink } from "../run.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-partly-"));
afterAll(() => rmSync(folder, { recursive: true }));

const fixtures = "test/fixtures/dwarf";
const objects = readdirSync(fixtures)
  .filter((name) => name.endsWith(".o"))
  .map((name) => join(fixtures, name));
/** Any file, any section. */
const ANY = { ...DEBUG, leastFile: 0, leastSection: 1 };

const whole = (path: string): ElfFile => readElf(new Uint8Array(readFileSync(path)));

function mustRead(path: string): NonNullable<ReturnType<typeof readPartly>> {
  const partly = readPartly(path, ANY);
  if (partly === null) throw new Error(`${path}: not read in parts`);
  return partly;
}

/** All sections and all relocations of a file. */
function contentOf({ sections, relocations }: ElfFile): unknown {
  return {
    sections: Array.from({ length: sections.count }, (_, i) => [
      sections.name(i),
      Buffer.from(sections.data(i)).toString("hex"),
    ]),
    relocations: relocations.map((t) =>
      Array.from({ length: t.count }, (_, i) => [t.offset(i), t.info(i), t.addend(i)]),
    ),
  };
}

describe("a file in parts", () => {
  test.each(objects)("%s: the same sections and relocations", (path) => {
    const { bytes, apart, close } = mustRead(path);
    const file = whole(path);
    expect(contentOf(readElf(bytes, apart))).toEqual(contentOf(file));
    const names = [...apart.keys()].map((i) => file.sections.name(i));
    expect(names.some((n) => n.endsWith("debug_info"))).toBe(true);
    expect(names.every((n) => /^\.(?:rela)?\.?z?debug_/.test(n))).toBe(true);
    // Nothing of it is in memory.
    for (const i of apart.keys()) {
      const at = file.sections.offset(i);
      expect(bytes.subarray(at, at + file.sections.size(i)).every((b) => b === 0)).toBe(true);
    }
    close();
  });

  test("parts of sections, and of tables of relocations", () => {
    const path = join(fixtures, "linked.o");
    const { bytes, apart, close } = mustRead(path);
    const [file, partly] = [whole(path), readElf(bytes, apart)];
    const info = file.sections.findByName(".debug_info") ?? 0;
    const into = new Uint8Array(64);
    const part = partly.sections.bytesOf(info).part(10, 40, into);
    expect(part.buffer).toBe(into.buffer);
    expect([...part]).toEqual([...file.sections.data(info).subarray(10, 40)]);
    const table = partly.relocations.find((t) => t.target === info);
    const rows: number[][] = [];
    for (const [p, first] of table?.parts(7) ?? [])
      for (let i = 0; i < p.count; i++) rows.push([first + i, p.offset(i), p.symbol(i)]);
    const expected = file.relocations.find((t) => t.target === info);
    expect(rows).toHaveLength(expected?.count ?? 0);
    expect(rows.length).toBeGreaterThan(14);
    expect(rows).toEqual(rows.map((_, i) => [i, expected?.offset(i), expected?.symbol(i)]));
    close();
  });

  test("small files and those without debug information are not", () => {
    expect(readPartly(join(fixtures, "linked.o"), DEBUG)).toBeNull();
    expect(readPartly("test/fixtures/rules/move-reach.o", ANY)).toBeNull();
    expect(readPartly(join(folder, "missing"), ANY)).toBeNull();
    expect(readPartly("/dev/zero", ANY)).toBeNull();
    expect(readPartly(folder, ANY)).toBeNull();
  });

  test("a file that is cut off, or damaged anywhere, is not, or is refused as the whole is", () => {
    const bytes = readFileSync(join(fixtures, "linked.o"));
    const path = join(folder, "damaged.o");
    const outcome = (read: () => ElfFile): string => {
      try {
        read();
        return "good";
      } catch (error) {
        if (error instanceof ElfError) return error.message;
        throw error;
      }
    };
    let parts = 0;
    for (let at = 0; at < bytes.length; at += 37) {
      for (const damaged of [bytes.subarray(0, at), Buffer.from(bytes).fill(0xff, at, at + 3)]) {
        writeFileSync(path, damaged);
        const partly = readPartly(path, ANY);
        if (partly === null) continue;
        parts++;
        expect(outcome(() => readElf(partly.bytes, partly.apart))).toBe(
          outcome(() => readElf(new Uint8Array(damaged))),
        );
        partly.close();
      }
    }
    expect(parts).toBeGreaterThan(200);
  });

  test("sections that lie in debug information, or around it, are what they are in the whole file", () => {
    const path = join(folder, "overlapping.o");
    const original = readFileSync(join(fixtures, "linked.o"));
    const { sections } = whole(join(fixtures, "linked.o"));
    const info = sections.findByName(".debug_info") ?? 0;
    const table = Number(original.readBigUInt64LE(40));
    let refused = 0;
    for (let i = 1; i < sections.count; i++) {
      if (sections.name(i).includes("debug_") || !sections.hasBytes(i) || sections.size(i) === 0) continue;
      for (const by of [0, 1, sections.size(info) - 1]) {
        const bytes = Buffer.from(original);
        bytes.writeBigUInt64LE(BigInt(sections.offset(info) + by), table + 64 * i + 24);
        writeFileSync(path, bytes);
        const partly = readPartly(path, ANY);
        partly?.close();
        expect(partly).toBeNull();
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(20);
    writeFileSync(path, original);
    mustRead(path).close();
  });

  test.each([
    ["grows", (path: string) => appendFileSync(path, "more")],
    ["is cut off", (path: string) => truncateSync(path, 100)],
  ])("a file that %s meanwhile cannot be read", (_, change) => {
    const path = join(folder, "changed.o");
    writeFileSync(path, readFileSync(join(fixtures, "linked.o")));
    const { apart, close } = mustRead(path);
    change(path);
    const [section] = apart.values();
    expect(() => section?.part(0, 1)).toThrow(InputProblem);
    close();
  });

  test("what is found between two is the same", async () => {
    const paths = ["gcc-ppc64le-5.o", "linked.o"].map((name) => join(fixtures, name));
    const told = async (inputs: Parameters<typeof diffObjects>[1][]): Promise<string> => {
      const [one, other] = inputs;
      if (one === undefined || other === undefined) throw new Error("two");
      const { problems, diff } = await diffObjects(one, other);
      return JSON.stringify([problems, diff.functions.map((c) => [c.name, c.status, c.difference])]);
    };
    const partly = paths.map((path) => ({ ...mustRead(path), path }));
    const found = await told(partly);
    expect(found).toBe(await told(paths.map((path) => ({ bytes: new Uint8Array(readFileSync(path)), path }))));
    expect(found).toContain('"new"');
    for (const { close } of partly) close();
  });
});

describe("a large module, contents of whose sections stay in the file", () => {
  const TEXT = 0x40_0000;
  const object = (machine: number, size = TEXT): Uint8Array =>
    buildElf({
      machine,
      sections: [
        { name: ".text", type: 1, flags: 6, align: 16, data: new Uint8Array(size).fill(0x90, 64) },
        {
          name: ".rela.text",
          type: 4,
          flags: 0x40,
          link: ".symtab",
          info: ".text",
          align: 8,
          entsize: 24,
          relocations: Array.from({ length: 100 }, (_, i) => ({
            offset: i < 16 ? i * 4 : i * 4001,
            symbol: 1 + (i % 2),
            type: 2,
            addend: BigInt(i),
          })),
        },
        { name: ".data", type: 1, flags: 3, align: 8, data: Uint8Array.from({ length: 0x1_0000 }, (_, i) => i * 7) },
        { name: ".notes", type: 1, data: new Uint8Array(0x1_0001).fill(7) },
      ],
      symbols: [
        { name: "f", bind: 1, type: 2, home: ".text", value: 16n },
        { name: "d", bind: 1, type: 1, home: ".data", value: 8n },
      ],
    });
  const written = (name: string, bytes: Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };

  test("is read as the whole file is", async () => {
    const path = written("large.o", object(62));
    const { bytes, apart, close } = await readModulePartly(path, captured().context);
    expect([...(apart?.keys() ?? [])]).toEqual([1, 3, 4]);
    const file = readElf(bytes, apart);
    const kept = file.sections.data(1);
    expect(contentOf(file)).toEqual(contentOf(whole(path)));
    close();
    // What was asked for is still there.
    expect(file.sections.data(1).buffer).toBe(kept.buffer);
  });

  test.each([
    ["small", object(62, 0x1000)],
    ["of an architecture whose calls are looked at", object(21)],
    ["packed, or nothing that could be read", new Uint8Array(TEXT).fill(0x1f)],
  ])("is read at once where it is %s", async (_, bytes) => {
    const { apart } = await readModulePartly(written("other.o", bytes), captured().context);
    expect(apart).toBeNull();
  });

  test("its image and its tables are those of the same bytes on standard input", async () => {
    const bytes = object(62);
    const path = written("module.o", bytes);
    const image = join(folder, "image");
    const run = async (module: string): Promise<unknown> => {
      const args = [module, "--force", "--format", "json", "-o", image];
      const { status, stdout } = await klplink(["image", ...args], { input: bytes });
      const shown = await klplink(["show", module, "--symbols", "--relocations"], { input: bytes });
      const [, ...tables] = shown.stdout.split("\n");
      const { problems } =
        (JSON.parse(stdout) as { files: { problems: { code: string; title: string }[] }[] }).files[0] ?? {};
      return {
        status,
        problems: problems?.map(({ code, title }) => [code, title]),
        tables,
        image: readFileSync(image).toString("base64"),
      };
    };
    const [parts, all] = [await run(path), await run("-")];
    expect(parts).toEqual(all);
    // Places of relocations that had bytes in them are refused, and stay.
    expect(JSON.stringify(parts)).toContain("KLP");
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });
});
