// Debug information of functions that are moved apart, read by binutils and LLVM: each instruction has the line and the
// inlined calls that it had, and each range, location list and address in .debug_info is that of the same code.
// More objects than test/fixtures/moved holds, made by make.sh there.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { readModuleFacts } from "../../src/kernel/module/moduleFacts.ts";
import { link } from "../../src/passes/link.ts";
import { functionsOf, movedApart } from "../elf/dwarf/moved/moving.ts";
import { root } from "../helpers.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-moved-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(command: string, args: readonly string[], input = ""): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: "latin1",
    input,
    maxBuffer: 1 << 30,
    env: { ...process.env, LC_ALL: "C" },
  });
  if (error !== undefined || status !== 0) throw new Error(`${command}: ${error?.message ?? stderr}`);
  return stdout;
}

mkdirSync(join(folder, "objects"));
run("sh", [join(root, "test/fixtures/moved/make.sh"), join(folder, "objects")]);
writeFileSync(join(folder, "script"), "SECTIONS { }");

/** An object linked with every section at an address of its own, for tools that know no sections. */
class Linked {
  readonly path: string;
  /** By name: made of the object's symbols, whose order the link keeps. */
  readonly functions = new Map<string, { start: number; size: number }>();

  constructor(name: string, bytes: Uint8Array) {
    const object = join(folder, `${name}.o`);
    this.path = join(folder, name);
    writeFileSync(object, bytes);
    const how = ["-e", "0", "--no-warn-rwx-segments", "--unresolved-symbols=ignore-all"];
    run("powerpc64le-linux-gnu-ld", ["-T", join(folder, "script"), ...how, "-o", this.path, object]);
    const table = run("powerpc64le-linux-gnu-readelf", ["-sW", this.path]);
    for (const [, value, size, symbol] of table.matchAll(/: ([0-9a-f]{16})\s+(\d+) FUNC .* (\S+)$/gm)) {
      this.functions.set(symbol ?? "", { start: Number.parseInt(value ?? "", 16), size: Number(size) });
    }
  }

  /** Addresses of all instructions that the functions had in `old`. */
  addresses(old: Linked): string {
    return [...old.functions]
      .flatMap(([name, { size }]) => {
        const start = this.functions.get(name)?.start ?? Number.NaN;
        return Array.from({ length: size / 4 }, (_, i) => `0x${(start + i * 4).toString(16)}\n`);
      })
      .join("");
  }

  addr2line(old: Linked): string[] {
    const out = run("powerpc64le-linux-gnu-addr2line", ["-a", "-i", "-f", "-e", this.path], this.addresses(old));
    return out.split(/^0x[0-9a-f]+\n/m).slice(1);
  }

  symbolizer(old: Linked): string[] {
    return run("llvm-symbolizer-14", ["--inlines", `--obj=${this.path}`], this.addresses(old))
      .trim()
      .split("\n\n");
  }

  /** Address -> `function+offset`; the first byte behind a function's old size belongs to it, if it is an end. */
  #place(address: number, old: Linked, isEnd: boolean): string {
    const at = isEnd ? address - 1 : address;
    for (const [name, { start }] of this.functions) {
      const size = old.functions.get(name)?.size ?? 0;
      if (at >= start && at < start + size) return `${name}+${address - start}`;
    }
    return `?${address.toString(16)}`;
  }

  /** What llvm-dwarfdump shows of .debug_info, with `function+offset` for addresses, and without offsets in other sections. */
  info(old: Linked): string[] {
    const hex = (text: string): number => Number.parseInt(text, 16);
    return run("llvm-dwarfdump-14", ["--debug-info", this.path])
      .split("\n")
      .slice(1)
      .map((line) =>
        line
          .replace(/\[0x([0-9a-f]{16}), 0x([0-9a-f]{16})\)/g, (_all, start: string, end: string) =>
            start === end
              ? `[empty ${this.#place(hex(start), old, false)})`
              : `[${this.#place(hex(start), old, false)}, ${this.#place(hex(end), old, true)})`,
          )
          .replace(/(DW_AT_(?:high_pc|call_return_pc)\s+)\(0x([0-9a-f]{16})\)/, (_all, name: string, end: string) => {
            return `${name}(${this.#place(hex(end), old, true)})`;
          })
          .replace(/0x([0-9a-f]{16})/g, (_all, at: string) => this.#place(hex(at), old, false))
          .replace(/((?:rangelist|loclist) = )0x[0-9a-f]{8}/, "$1")
          .replace(
            /(DW_AT_(?:stmt_list|ranges|location|GNU_locviews|rnglists_base|loclists_base)\s+\()0x[0-9a-f]{8}/,
            "$1",
          ),
      );
  }

  /** Sets of .debug_aranges, as pairs of places. */
  aranges(old: Linked): string[] {
    return [...run("llvm-dwarfdump-14", ["--debug-aranges", this.path]).matchAll(/^\[0x(\S+), +0x(\S+)\)/gm)].map(
      ([, start, end]) =>
        `${this.#place(Number.parseInt(start ?? "", 16), old, false)} ${this.#place(Number.parseInt(end ?? "", 16), old, true)}`,
    );
  }

  verify(): string {
    return spawnSync("llvm-dwarfdump-14", ["--verify", this.path], { encoding: "latin1" }).stdout.replaceAll(
      this.path,
      "",
    );
  }
}

function complaints(path: string): string[] {
  const { stdout, stderr } = spawnSync("powerpc64le-linux-gnu-readelf", ["-w", path], {
    encoding: "latin1",
    maxBuffer: 1 << 30,
  });
  return `${stdout}\n${stderr}`
    .split("\n")
    .filter((line) => /warning|error/i.test(line) && !/section has relocations/.test(line));
}

const objects = readdirSync(join(folder, "objects")).sort();

test("compilers, versions and compressions are all there", () => {
  expect(objects).toEqual([
    ...["clang-4-sections.o", "clang-4.o", "clang-5-sections.o", "clang-5-zlib-gabi.o", "clang-5-zlib-gnu.o"],
    ...["clang-5-zstd.o", "clang-5.o", "gcc-2.o", "gcc-3.o", "gcc-4-sections.o", "gcc-4-zlib-gabi.o"],
    ...["gcc-4-zlib-gnu.o", "gcc-4-zstd.o", "gcc-4.o", "gcc-5-sections.o", "gcc-5.o", "gcc-unwind.o"],
  ]);
});

describe.each(objects)("%s", (object) => {
  const input = new Uint8Array(readFileSync(join(folder, "objects", object)));
  // LLVM 14 unpacks no zstd: it looks at the same object before it was packed.
  const plain = object.replace(/-zstd/, "");
  const before = new Linked(`old-${object}`, new Uint8Array(readFileSync(join(folder, "objects", plain))));

  const compare = (name: string, bytes: Uint8Array): void => {
    const after = new Linked(`${name}-${object}`, bytes);
    const moved = [...after.functions].filter(([f, { start }]) => start !== before.functions.get(f)?.start);
    expect(moved.length).toBeGreaterThan(5);
    expect(after.addr2line(before)).toEqual(before.addr2line(before));
    expect(after.symbolizer(before)).toEqual(before.symbolizer(before));
    const info = after.info(before);
    expect(info.filter((line) => line.includes("error")).length).toBe(0);
    expect(info).toEqual(before.info(before));
    expect(after.aranges(before)).toEqual(before.aranges(before));
    expect(complaints(join(folder, `${name}-${object}.o`))).toEqual([]);
    // LLVM 14 does not come to an end with the empty ranges that gcc writes, in the objects as compiled neither.
    if (object.startsWith("clang")) {
      expect(after.verify()).toMatch(/No errors/);
      expect(after.verify()).toBe(before.verify());
    }
  };

  test.each([
    ["little", (n: number) => 4 * ((n * 7) % 23)],
    ["much", (n: number) => 4000 * (n + 1)],
  ] as const)("moved apart, %s room", async (name, size) => {
    const { bytes, left } = await movedApart(input, size);
    expect(left).toEqual([]);
    compare(name, bytes);
  });

  test("with islands", async () => {
    const { output, problems, done } = link(input, {
      file: object,
      facts: await readModuleFacts(readElf(input), null),
    });
    expect(problems.filter((p) => p.code === "KLP311")).toEqual([]);
    expect(done.returnIslands).toBeGreaterThan(30);
    expect(functionsOf(output ?? new Uint8Array()).size).toBeGreaterThan(8);
    compare("islands", output ?? new Uint8Array());
  });
});
