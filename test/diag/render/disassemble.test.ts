// dist/capstone says of each instruction what npm's Capstone says: by an architecture's own module where that has what it takes, else by
// the whole one. No expected value is this project's: each comes from npm's package as it is.
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import load, { type Capstone, type Decoder } from "@alexaltea/capstone-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  codeOf,
  EXPORTED,
  loaderOf,
  parse,
  Recorder,
  type Recording,
  recorded,
  reduced,
  wasmPath,
} from "../../../scripts/capstone.mjs";
import type { ArchName } from "../../../src/base/archName.ts";
import { builtCommand } from "../../built.ts";
import { root } from "../../helpers.ts";

/** A decoder of dist/capstone. */
type Reduced = Decoder & { readonly isWhole: boolean };

const ARCHES: Readonly<Record<ArchName, { machine: number; open: (cs: Capstone) => Decoder }>> = {
  ppc64le: { machine: 21, open: (cs) => new cs.Capstone(cs.ARCH_PPC, cs.MODE_64 | cs.MODE_LITTLE_ENDIAN) },
  arm64: { machine: 183, open: (cs) => new cs.Capstone(cs.ARCH_ARM64, cs.MODE_ARM) },
  x86_64: {
    machine: 62,
    open: (cs) => {
      const decoder = new cs.Capstone(cs.ARCH_X86, cs.MODE_64);
      decoder.option(cs.OPT_SYNTAX, cs.OPT_SYNTAX_ATT);
      return decoder;
    },
  },
};
const NAMES = Object.keys(ARCHES) as ArchName[];
const NOP: Readonly<Record<ArchName, string>> = { ppc64le: "00000060", arm64: "1f2003d5", x86_64: "90" };

const folder = mkdtempSync(join(tmpdir(), "klplink-capstone-"));
let npm: Capstone;

beforeAll(async () => {
  builtCommand();
  npm = await load();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the bundle would load from a folder. */
const loadFrom = (place: string): Promise<Capstone> => loaderOf((name) => readFileSync(join(place, name)))();

/** What a decoder says of bytes: size and text; null: nothing. */
function said(decoder: Decoder, bytes: Uint8Array, address: number): string | null {
  try {
    const [found] = decoder.disasm(bytes, address, 1);
    return found === undefined ? null : `${found.size} ${found.mnemonic} ${found.op_str}`;
  } catch {
    return null;
  }
}

/** Code of the object files below some folders. */
function codeBelow(arch: ArchName, ...folders: string[]): Buffer[] {
  return folders.flatMap((name) =>
    readdirSync(join(root, name), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".o"))
      .sort()
      .flatMap((path) => {
        const bytes = readFileSync(join(root, name, path));
        const head = bytes.toString("latin1", 0, 6);
        if (head !== "\x7fELF\x02\x01" || bytes.length < 64 || bytes.readUInt16LE(18) !== ARCHES[arch].machine)
          return [];
        try {
          return [...codeOf(bytes)];
        } catch {
          return []; // A fixture that is no object file in order.
        }
      }),
  );
}

/** Each different instruction of code, with its address. */
function instructionsOf(arch: ArchName, code: readonly Buffer[]): Map<string, { bytes: Uint8Array; at: number }> {
  const found = new Map<string, { bytes: Uint8Array; at: number }>();
  const decoder = ARCHES[arch].open(npm);
  for (const section of code)
    for (let at = 0; at < section.length; ) {
      const bytes = section.subarray(at, at + (arch === "x86_64" ? 15 : 4));
      const size = arch === "x86_64" ? Number.parseInt(said(decoder, bytes, at) ?? "1", 10) : 4;
      found.set(section.toString("hex", at, at + size), { bytes, at });
      at += size;
    }
  decoder.close();
  return found;
}

/** Bytes that look random: those of a linear congruence (Numerical Recipes), from its upper bits. */
function* randomBytes(length: number, count: number): Generator<Uint8Array> {
  let state = 20261130;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  };
  for (let i = 0; i < count; i++) yield Uint8Array.from({ length }, next);
}

/** Fails at the first instruction that two decoders differ in. @returns how many were decoded */
function compare(ours: Decoder, theirs: Decoder, instructions: Iterable<{ bytes: Uint8Array; at: number }>): number {
  let decoded = 0;
  for (const { bytes, at } of instructions) {
    const expected = said(theirs, bytes, at);
    if (expected !== null) decoded++;
    const found = said(ours, bytes, at);
    if (found !== expected)
      expect({ bytes: Buffer.from(bytes).toString("hex"), at, found }).toEqual({ found: expected });
  }
  return decoded;
}

describe.each(NAMES)("%s", (arch) => {
  const { open } = ARCHES[arch];

  test("the instructions of all samples and fixtures, by its own module", async () => {
    const ours = open(await loadFrom(join(root, "dist/capstone"))) as Reduced;
    const instructions = instructionsOf(arch, codeBelow(arch, "samples", "test/fixtures"));
    expect(compare(ours, open(npm), instructions.values())).toBeGreaterThan(300);
    expect(ours.isWhole).toBe(false);
  });

  test("any bytes, near and far, also where they end early", async () => {
    const cs = await loadFrom(join(root, "dist/capstone"));
    const theirs = open(npm);
    let ours = open(cs) as Reduced;
    let decoded = 0;
    let index = 0;
    for (const bytes of randomBytes(arch === "x86_64" ? 15 : 4, 6_000)) {
      const short = arch === "x86_64" && index % 4 === 0 ? bytes.subarray(0, 1 + (index % 15)) : bytes;
      decoded += compare(ours, theirs, [{ bytes: short, at: (index++ % 7) * 0x1234_5678 }]);
      if (ours.isWhole) ours = open(cs) as Reduced;
    }
    expect(decoded).toBeGreaterThan(900);
  });

  test("without its own module, or with a damaged one, by the whole one", async () => {
    copyFileSync(join(root, "dist/capstone/capstone.wasm"), join(folder, "capstone.wasm"));
    const own = join(folder, `${arch}.wasm`);
    rmSync(own, { force: true });
    const without = open(await loadFrom(folder)) as Reduced;
    writeFileSync(own, readFileSync(join(root, "dist/capstone", `${arch}.wasm`)).subarray(0, 5000));
    const damaged = open(await loadFrom(folder)) as Reduced;
    const bytes = Buffer.from(NOP[arch], "hex");
    for (const decoder of [without, damaged]) {
      expect(said(decoder, bytes, 0)).toBe(said(open(npm), bytes, 0));
      expect(decoder.isWhole).toBe(true);
    }
  });
});

describe("a module that has too little", () => {
  let whole: ReturnType<typeof parse>;
  let recording: Recording;
  beforeAll(() => {
    whole = parse(readFileSync(wasmPath()));
    recording = recorded(whole);
    copyFileSync(join(root, "dist/capstone/capstone.wasm"), join(folder, "capstone.wasm"));
  });

  /** What a nop of an architecture needs: by a point's number, by a block's. */
  function needOfNop(arch: ArchName): { hasRun: (point: number) => boolean; isTouched: (block: number) => boolean } {
    const recorder = new Recorder(recording, arch);
    recorder.decode(Buffer.from(NOP[arch], "hex"));
    const notes = Buffer.from(recorder.notes);
    return {
      hasRun: (point) => notes[point] === 1,
      isTouched: (block) => notes[recording.pointCount + block] === 1,
    };
  }

  /** The middle of the data's blocks stays free, as the module's map of them needs room. */
  const nearlyAll = (block: number): boolean => block < 1000 || block > 4000;

  test.each(
    NAMES.flatMap((arch) => [
      { arch, what: "code" },
      { arch, what: "data" },
    ]),
  )("$arch, too little $what: the whole one says the same", async ({ arch, what }) => {
    const need = needOfNop(arch);
    const kept =
      what === "code"
        ? { ...need, isTouched: (block: number) => need.isTouched(block) || nearlyAll(block) }
        : { ...need, hasRun: () => true };
    writeFileSync(join(folder, `${arch}.wasm`), reduced(whole, { ...kept, exported: EXPORTED }));
    const cs = await loadFrom(folder);
    const theirs = ARCHES[arch].open(npm);
    const nop = { bytes: Buffer.from(NOP[arch], "hex"), at: 0 };
    let takenOver = 0;
    for (const instruction of [...instructionsOf(arch, codeBelow(arch, "samples")).values()].slice(0, 40)) {
      const ours = ARCHES[arch].open(cs) as Reduced;
      compare(ours, theirs, [nop]);
      expect(ours.isWhole).toBe(false);
      compare(ours, theirs, [instruction, nop]);
      if (ours.isWhole) takenOver++;
    }
    expect(takenOver).toBeGreaterThan(5);
  });
});

test("a module of another form is refused, with what it has", () => {
  const bytes = readFileSync(wasmPath());
  expect(() => parse(Buffer.concat([Buffer.from("00"), bytes.subarray(1)]))).toThrow("the head is not what");
  expect(dirname(wasmPath())).toContain("capstone-js");
});
