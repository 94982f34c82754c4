// How much memory a run takes at its peak, as the system counts it (maxRSS of the process): at most three times what it reads and unpacks, and
// 150 MB, of which node itself takes 50. Files that are made to take more are refused, or are told in part.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { builtCommand } from "../built.ts";
import { type Built, buildElf } from "../elf/build.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-memory-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const MB = 1_000_000;
const IN = join(folder, "in.o");
const OUT = join(folder, "out");

interface Ran {
  readonly status: number | null;
  /** Bytes. */
  readonly peak: number;
  readonly said: string;
}

/** Runs klplink in a small heap. */
function run(args: readonly string[]): Promise<Ran> {
  // The process tells at its end what the system has counted.
  const tell = `process.on("exit", () => require("fs").writeSync(3, String(process.resourceUsage().maxRSS * 1024)));`;
  const told = join(folder, "tell.cjs");
  writeFileSync(told, tell);
  const child = spawn(process.execPath, ["--max-old-space-size=256", "-r", told, builtCommand(), ...args], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let said = "";
  let peak = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (d: Buffer) => (said += d.toString()));
  child.stdio[3]?.on("data", (d: Buffer) => (peak += d.toString()));
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, peak: Number(peak), said })));
}

const TEXT = { name: ".text", type: 1, flags: 6, align: 16, data: new Uint8Array(64) } as const;

/** A compressed section of zeros: header of SHF_COMPRESSED, then zlib data. */
function compressed(size: number): Uint8Array {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(1, 0);
  head.writeBigUInt64LE(BigInt(size), 8);
  head.writeBigUInt64LE(1n, 16);
  return new Uint8Array(Buffer.concat([head, deflateSync(Buffer.alloc(size))]));
}

const packed = compressed(100 * MB);

/** A line program that makes a row of each byte. */
function lines(rows: number, opcode: number): Uint8Array {
  const head = Buffer.from([
    0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 1, 1, 1, 251, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0, 97, 0, 0, 0, 0, 0,
  ]);
  const begin = Buffer.from([0, 9, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
  const bytes = Buffer.concat([head, begin, Buffer.alloc(rows, opcode), Buffer.from([0, 1, 1])]);
  bytes.writeUInt32LE(bytes.length - 4, 0);
  bytes.writeUInt32LE(head.length - 10, 6);
  return new Uint8Array(bytes);
}

const ABBREVIATIONS = Uint8Array.from([1, 0x11, 0, 0x10, 0x17, 0x11, 0x01, 0x12, 0x06, 0, 0, 0]);
function withLines(line: Uint8Array): Built {
  const info = Buffer.alloc(11 + 1 + 4 + 8 + 4);
  info.writeUInt32LE(info.length - 4, 0);
  info.writeUInt16LE(4, 4);
  info.writeUInt8(8, 10);
  info.writeUInt8(1, 11);
  info.writeUInt32LE(64, 24);
  const rela = (target: string, offset: number) => ({
    ...{ name: `.rela${target}`, type: 4, flags: 0x40, link: ".symtab", info: target, align: 8, entsize: 24 },
    relocations: [{ offset, symbol: 1, type: 1 }],
  });
  return {
    machine: 62,
    sections: [
      TEXT,
      // Something to be told of, at a place that has a line.
      { ...rela(".text", 8), relocations: [{ offset: 8, symbol: 1, type: 255 }] },
      { name: ".debug_info", type: 1, data: new Uint8Array(info) },
      rela(".debug_info", 16),
      { name: ".debug_abbrev", type: 1, data: ABBREVIATIONS },
      { name: ".debug_line", type: 1, data: line },
      rela(".debug_line", 38),
    ],
    symbols: [{ name: "", type: 3, home: ".text" }],
  };
}

const FILES: Readonly<Record<string, () => Built>> = {
  "40 compressed sections of 100 MB": () => ({
    machine: 62,
    sections: [
      TEXT,
      ...["info", "abbrev", "line", "str", "line_str", "str_offsets", "addr", "ranges", "rnglists", "loc"].flatMap(
        (name) =>
          Array.from({ length: 4 }, () => ({
            name: `.debug_${name}`,
            type: 1,
            flags: 0x800,
            data: packed,
          })),
      ),
    ],
    symbols: [{ name: "", type: 3, home: ".text" }],
  }),
  "a line program of 20 MB, a row a byte": () => withLines(lines(20 * MB, 14)),
  "a line program of 20 MB that stands still": () => withLines(lines(20 * MB, 1)),
};

const made = new Map<() => Built, Uint8Array>();
function once(built: () => Built): Uint8Array {
  const bytes = made.get(built) ?? buildElf(built());
  made.set(built, bytes);
  return bytes;
}

describe.each(Object.entries(FILES))("%s", (_, built) => {
  test.each([
    ["check"],
    ["show"],
    ["image", "-o", OUT, "--force"],
    ["link", "-o", OUT, "--force"],
    ["explain", "x: Unknown symbol f (err -2)", "-m"],
  ])("%s", async (...args) => {
    const bytes = once(built);
    writeFileSync(IN, bytes);
    const { status, peak, said } = await run([...args, IN]);
    expect([status, said]).toEqual([expect.toSatisfy((s) => s === 0 || s === 1 || s === 3), expect.any(String)]);
    expect(peak).toBeGreaterThan(10 * MB);
    // What may be unpacked of it counts as read.
    expect(peak).toBeLessThan(3 * (bytes.length + 0x400_0000) + 150 * MB);
  });
});

test("files that unpack to 2 GB are refused", async () => {
  const part = gzipSync(Buffer.alloc(512 * MB), { level: 9 });
  const path = join(folder, "bomb.ko.gz");
  writeFileSync(path, Buffer.concat([part, part, part, part]));
  for (const args of [["check"], ["check", IN, "-k"], ["check", IN, "-m"], ["show"], ["link", "-o", OUT]]) {
    const { status, peak, said } = await run([...args, path]);
    expect([status, said]).toEqual([3, expect.stringMatching(/unpack/)]);
    expect(peak).toBeLessThan(3 * (2 * MB + 0x400_0000) + 150 * MB);
  }
});

describe("many files that each unpack to what one may, and together to gigabytes", () => {
  const many = join(folder, "many");
  const [map, small] = [join(folder, "System.map"), join(many, "a.ko.gz")];
  const names = Array.from({ length: 120 }, (_, i) => join(many, `m${i}.ko.gz`));
  let read = 0;
  let compressed = 0;
  beforeAll(() => {
    for (const name of [many, join(folder, "objects")]) mkdirSync(name);
    writeFileSync(map, "ffffffff81000000 T _text\n");
    const module = (name: string, size: number): Buffer =>
      gzipSync(
        buildElf({
          machine: 62,
          sections: [
            TEXT,
            { name: ".modinfo", type: 1, flags: 2, data: new Uint8Array(Buffer.from(`name=${name}\0license=GPL\0`)) },
            { name: ".data", type: 1, flags: 3, data: new Uint8Array(size) },
          ],
          symbols: [{ name: "f", home: ".text" }],
        }),
        { level: 9 },
      );
    writeFileSync(small, module("a", 8));
    for (const [i, name] of names.entries()) {
      // Packing it takes longer than all else: names of one length are put in.
      const bytes = i === 0 ? module("m000", 60 * MB) : readFileSync(names[0] ?? "");
      writeFileSync(name, bytes);
      read += bytes.length;
    }
    const object = once(FILES["40 compressed sections of 100 MB"] as () => Built);
    for (let n = 0; n < 60; n++) writeFileSync(join(folder, "objects", `o${n}.o`), object);
    compressed = 60 * object.length;
  });

  const codesOf = ({ said }: Ran): number => said.split('"code": "KLP125"').length - 1;
  test.each<[string, () => readonly string[], number]>([
    // In threads, where there are several processors: the sum of them all counts.
    ["a folder", () => ["check", many], 120],
    ["modules of -m", () => ["check", small, ...names.slice(0, 40).flatMap((name, i) => ["-m", `m${i}=${name}`])], 1],
    ["kernels", () => ["check", small, "--against", ...names.slice(0, 40)], 40],
    ["modules against a kernel", () => ["check", ...names, "--against", map], 119],
  ])("%s", async (_, args, refused) => {
    const ran = await run([...args(), "--format", "json"]);
    expect([ran.status, codesOf(ran)]).toEqual([3, expect.toSatisfy((n: number) => n >= refused)]);
    expect(ran.peak).toBeLessThan(3 * (read + 0x400_0000) + 150 * MB);
  });

  test("objects with compressed sections", async () => {
    const { status, peak } = await run(["check", join(folder, "objects"), "--format", "json"]);
    expect(status).toBeLessThan(2);
    expect(peak).toBeLessThan(3 * compressed + 150 * MB);
  });
});
