// Files of any size, through the command line as it is installed, in a heap that naive work would not fit in. Nothing is timed:
// work that grows with the square of these files would not end within the time that a test may take.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { klplinkSmall } from "../cli/run.ts";
import { type Built, type BuiltSection, buildElf } from "../elf/build.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-sizes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const INFO = Buffer.from(
  "license=GPL\0livepatch=Y\0depends=\0vermagic=6.12.57 SMP preempt mod_unload \0name=x\0",
  "latin1",
);
/** What every module has. */
const COMMON: readonly BuiltSection[] = [
  { name: ".modinfo", type: 1, flags: 2, data: new Uint8Array(INFO) },
  { name: ".gnu.linkonce.this_module", type: 1, flags: 3, align: 64, data: new Uint8Array(1344) },
];
const text = (size: number): BuiltSection => ({
  ...{ name: ".text", type: 1, flags: 6, align: 16, data: new Uint8Array(size) },
});
const rela = (name: string, target: string, relocations: BuiltSection["relocations"], flags = 0x40): BuiltSection => ({
  ...{ name, type: 4, flags, link: ".symtab", info: target, align: 8, entsize: 24, relocations: relocations ?? [] },
});
const list = <T>(n: number, of: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => of(i));
const F = { name: "f", type: 2, home: ".text", size: 64 };
const LIVEPATCH = 0x100042;
const livepatchSymbol = (i: number) => ({ name: `.klp.sym.vmlinux.s${i},0`, bind: 1, home: 0xff20 });

const MODULES: Readonly<Record<string, () => Built>> = {
  "1,000,000 relocations of one place": () => ({
    sections: [
      text(64),
      rela(
        ".rela.text",
        ".text",
        list(1_000_000, () => ({ offset: 8, symbol: 1, type: 1 })),
      ),
      ...COMMON,
    ],
    symbols: [F],
  }),
  "300,000 relocations of a type that no loader knows": () => ({
    sections: [
      text(2_400_000),
      rela(
        ".rela.text",
        ".text",
        list(300_000, (i) => ({ offset: 8 * i, symbol: 1, type: 255 })),
      ),
      ...COMMON,
    ],
    symbols: [F],
  }),
  "300,000 undefined symbols": () => ({
    sections: [
      text(2_400_000),
      rela(
        ".rela.text",
        ".text",
        list(300_000, (i) => ({ offset: 8 * i, symbol: i + 1, type: 1 })),
      ),
      ...COMMON,
    ],
    symbols: list(300_000, (i) => ({ name: `undefined_${i}`, bind: 1 })),
  }),
  "60,000 sections": () => ({
    sections: [
      text(64),
      ...COMMON,
      ...list(60_000, (i) => ({ name: `.data.${i}`, type: 1, flags: 3, align: 8, data: new Uint8Array(8) })),
    ],
    symbols: [F],
  }),
  "20,000 sections of code, and one of relocations for each": () => ({
    sections: [
      ...COMMON,
      ...list(20_000, (i) => ({ ...text(16), name: `.text.${i}` })),
      ...list(20_000, (i) => rela(`.rela.text.${i}`, `.text.${i}`, [{ offset: 8, symbol: 20_001, type: 1 }])),
    ],
    symbols: [
      ...list(20_000, (i) => ({ name: `f${i}`, type: 2, home: `.text.${i}`, size: 16 })),
      { name: "callee", bind: 1 },
    ],
  }),
  "20,000 livepatch sections": () => ({
    sections: [
      text(64),
      ...COMMON,
      ...list(20_000, () => rela(".klp.rela.vmlinux..text", ".text", [{ offset: 8, symbol: 2, type: 1 }], LIVEPATCH)),
    ],
    symbols: [F, livepatchSymbol(0)],
  }),
  "100,000 livepatch relocations, each of a symbol of its own": () => ({
    sections: [
      text(800_000),
      ...COMMON,
      rela(
        ".klp.rela.vmlinux..text",
        ".text",
        list(100_000, (i) => ({ offset: 8 * i, symbol: i + 2, type: 1 })),
        LIVEPATCH,
      ),
    ],
    symbols: [F, ...list(100_000, livepatchSymbol)],
  }),
  "1,000,000 symbols of one name": () => ({
    sections: [text(64), ...COMMON],
    symbols: list(1_000_000, (i) => ({ ...F, value: BigInt(i % 64), size: 1 })),
  }),
};

const NONZERO =
  "module: x: Skipping invalid relocation target, existing value is nonzero for type 1, loc 00000000aabbccdd, val ffffffffc0100010";

describe.each(Object.entries(MODULES))("%s", (_, built) => {
  const path = join(folder, "module.o");
  const out = join(folder, "out");
  const commands: readonly string[][] = [
    ["check", path],
    ["check", "--format", "json", path],
    ["check", "--format", "sarif", path],
    ["link", path, "-o", out],
    ["image", path, "--stage", "loaded", "-o", out],
    ["show", path],
    ["show", "--format", "json", path],
    ["sites", path],
    ["explain", "--module", path, "x: Unknown symbol undefined_77 (err -2)"],
    ["explain", "--module", path, NONZERO],
  ];

  test("every command ends as documented", async () => {
    writeFileSync(path, buildElf(built()));
    for (const args of commands) {
      const { status, stdout, stderr } = await klplinkSmall(args, 1024);
      expect([args.join(" "), status], stderr.slice(0, 300)).toEqual([args.join(" "), expect.toSatisfy(isDocumented)]);
      if (args[0] !== "show" && args[0] !== "sites") expect(stdout.length + stderr.length).toBeLessThan(16 << 20);
      if (args.includes("json")) expect(() => JSON.parse(stdout) as unknown).not.toThrow();
    }
  });
});

const isDocumented = (status: unknown): boolean => status === 0 || status === 1 || status === 3;

describe("lists of symbols", () => {
  /** Writes a file piece by piece. */
  const lines = (name: string, n: number, of: (i: number) => string): string => {
    const path = join(folder, name);
    writeFileSync(path, "");
    for (let at = 0; at < n; at += 10_000) {
      writeFileSync(path, list(Math.min(10_000, n - at), (i) => of(at + i)).join(""), { flag: "a" });
    }
    return path;
  };
  const module = (): string => {
    const path = join(folder, "uses.o");
    const built = MODULES["300,000 undefined symbols"];
    if (built === undefined) throw new Error("no module");
    writeFileSync(path, buildElf(built()));
    return path;
  };

  test.each([125_000, 500_000])("Module.symvers of %i lines", async (n) => {
    const symvers = lines(
      "symvers",
      n,
      (i) => `0x${i.toString(16).padStart(8, "0")}\tundefined_${2 * i}\tvmlinux\tEXPORT_SYMBOL\t\n`,
    );
    const { status, stderr } = await klplinkSmall(["check", module(), "-k", symvers], 1024);
    expect([status, stderr.slice(0, 200)]).toEqual([1, expect.stringContaining("KLP")]);
    // Every second one is not exported.
    expect(stderr).toContain(`KLP451`);
  });

  test.each([
    [16_000, 1, "KLP"],
    [1_000_000, 3, "more than 16384 modules"],
  ])("kallsyms of %i modules", async (n, expected, said) => {
    const symbols = lines(
      "kallsyms",
      n,
      (i) => `${(0xc000_0000 + 16 * i).toString(16).padStart(16, "f")} t same\t[mod_${i}]\n`,
    );
    const { status, stderr } = await klplinkSmall(["check", module(), "-k", symbols], 1024);
    expect([status, stderr.slice(0, 300)]).toEqual([expected, expect.stringContaining(said)]);
  });

  test("kallsyms of one name 1,000,000 times, of the kernel and of 16,000 modules", async () => {
    const symbols = lines(
      "kallsyms",
      1_000_000,
      (i) =>
        `${(0x8100_0000 + 16 * i).toString(16).padStart(16, "f")} t undefined_7${i % 2 === 0 ? "" : `\t[m${(i >> 1) % 16_000}]`}\n`,
    );
    const { status, stderr } = await klplinkSmall(["check", module(), "-k", symbols], 1024);
    expect([status, stderr.slice(0, 200)]).toEqual([1, expect.stringContaining("KLP")]);
    expect(stderr.length).toBeLessThan(16 << 20);
  });

  test("kallsyms of 10,000,000 symbols", async () => {
    const symbols = lines(
      "kallsyms",
      10_000_000,
      (i) => `${(0x8100_0000 + 16 * i).toString(16).padStart(16, "f")} ${"tTdD"[i % 4]} undefined_${i}\n`,
    );
    const { status, stderr } = await klplinkSmall(["check", module(), "-k", symbols], 1024);
    expect([status, stderr.slice(0, 200)]).toEqual([1, expect.stringContaining("KLP")]);
  });
});

describe("lines of a log", () => {
  /** So many pieces, one after the other. */
  function* pieces(n: number, of: (i: number) => string): Generator<string> {
    for (let i = 0; i < n; i++) yield of(i);
  }
  const SAID = "x: Unknown symbol f (err -2) Call Trace: <TASK> [<ffffffff81000000>] ";
  const trace = (i: number): string =>
    `[ ${i}.000001] Call Trace:\n[ ${i}.000002]  <TASK>\n[ ${i}.000002]  f${i % 1000}+0x${i.toString(16)}/0x20 [mod${i % 77}]\n`;
  test.each<[string, () => Iterable<string>]>([
    ["one line of 100 MB", () => pieces(1500, () => SAID.repeat(1000))],
    ["3,000,000 call traces", () => pieces(3000, (k) => list(1000, (i) => trace(1000 * k + i)).join(""))],
  ])("%s", async (_, log) => {
    const { status, stdout } = await klplinkSmall(["explain"], 128, log());
    expect([status, stdout.slice(0, 300)]).toEqual([1, expect.stringContaining("none of this is a line")]);
  });
});
