// `klplink verify` and the capture script, on a machine made of files: a capture of a real kernel behind a kcore file.

import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import { addressesOf } from "../../../src/kernel/running/addresses.ts";
import { parseSymbols } from "../../../src/kernel/symbols/parseSymbols.ts";
import { image } from "../../../src/passes/image/image.ts";
import { type BuiltSection, buildElf } from "../../elf/build.ts";
import { root } from "../../helpers.ts";
import { goldenCaptures } from "../../passes/image/captured.ts";
import { klplink } from "../run.ts";

const golden = goldenCaptures().find((g) => g.name === "ppc64le-varied");
if (golden === undefined) throw new Error("test/golden/image/ppc64le-varied is missing");
const { module, captured, kallsyms } = golden;
const elf = readElf(module);
const hex16 = (v: bigint): string => v.toString(16).padStart(16, "0");
const PAGE = 0x10000n;

let folder = "";
let ko = "";

/** The module's memory as it is when it runs: the captured bytes, with the rewrites of the time until init. */
function runningMemory(): { start: bigint; bytes: Uint8Array } {
  const kernel = addressesOf(parseSymbols(Buffer.from(`${kallsyms}\n`), "kallsyms"));
  const byIndex = new Map(captured.sections.map((s) => [s.index, s.address]));
  const made = image(module, {
    file: "varied.ko",
    kernel,
    stage: "loaded",
    placement: { bases: new Map(), sections: new Map(), byIndex, percpu: PERCPU },
    kernelToc: captured.toc ?? 0n,
  }).image;
  const sections = made?.sections ?? [];
  const start = sections.reduce((low, s) => (s.address < low ? s.address : low), sections[0]?.address ?? 0n);
  const bytes = new Uint8Array(Number(PAGE) * 8);
  for (const s of sections) if (s.address - start < BigInt(bytes.length)) bytes.set(s.bytes, Number(s.address - start));
  return { start, bytes };
}

/** The kernel's address of the module's per-CPU data, from the captured symbol table. */
const PERCPU = ((): bigint => {
  const symtab = Buffer.from(captured.sections.find((s) => s.index === elf.symbols?.section)?.bytes ?? []);
  for (let i = 1; elf.symbols !== null && i < elf.symbols.count; i++) {
    if (elf.symbols.name(i) !== "varied_count") continue;
    return symtab.readBigUInt64LE(i * 24 + 8) - elf.symbols.value(i);
  }
  throw new Error("varied_count is not in the capture");
})();

/** A kcore file: an ELF core with pieces of other memory first, one below and one above. */
function kcoreOf(start: bigint, bytes: Uint8Array): Buffer {
  const headers = 64 + 4 * 56;
  const offset = 0x1000;
  const file = Buffer.alloc(offset + bytes.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(4, 16);
  file.writeUInt16LE(21, 18);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(4, 56);
  const header = (i: number, type: number, at: number, address: bigint, size: number): void => {
    file.writeUInt32LE(type, 64 + i * 56);
    file.writeBigUInt64LE(BigInt(at), 64 + i * 56 + 8);
    file.writeBigUInt64LE(address, 64 + i * 56 + 16);
    file.writeBigUInt64LE(BigInt(size), 64 + i * 56 + 32);
  };
  header(0, 4, headers, 0n, 0);
  header(1, 1, headers, 0xc000000000000000n, 16);
  header(2, 1, headers, start + 0x1000_0000n, 16);
  header(3, 1, offset, start, bytes.length);
  file.set(bytes, offset);
  return file;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "klplink-verify-"));
  ko = join(folder, "varied.ko");
  writeFileSync(ko, module);
  const sys = join(folder, "sys/module/varied");
  mkdirSync(join(sys, "sections"), { recursive: true });
  for (const s of captured.sections) {
    if (s.bytes.length === 0) continue;
    writeFileSync(join(sys, "sections", elf.sections.name(s.index)), `0x${hex16(s.address)}\n`);
  }
  const { start, bytes } = runningMemory();
  writeFileSync(join(sys, "coresize"), `${bytes.length}\n`);
  mkdirSync(join(folder, "proc/sys/kernel"), { recursive: true });
  const own = `${hex16(PERCPU)} d varied_count\t[varied]\n`;
  writeFileSync(join(folder, "proc/kallsyms"), `${kallsyms}\n${own}`);
  writeFileSync(join(folder, "proc/sys/kernel/osrelease"), "6.1.0\n");
  writeFileSync(join(folder, "proc/kcore"), kcoreOf(start, bytes));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function copy(to: string, module_ = "varied", more: NodeJS.ProcessEnv = {}): ReturnType<typeof spawnSync> {
  const env = { ...process.env, KLPLINK_SYS: join(folder, "sys"), KLPLINK_PROC: join(folder, "proc"), ...more };
  return spawnSync("sh", [join(root, "scripts/klplink-capture.sh"), module_, to], { env, encoding: "utf8" });
}

describe("the capture script", () => {
  test("copies what is needed, and the copy verifies", async () => {
    const to = join(folder, "copy");
    const run = copy(to);
    expect(run.stderr).toBe("");
    expect(run.status).toBe(0);
    expect(readdirSync(join(to, "memory")).length).toBeGreaterThan(0);
    const done = await klplink(["verify", ko, "--root", to]);
    expect(done.stderr).toBe("");
    expect(done.status).toBe(0);
    expect(done.stdout).toMatch(/^varied: \d+ sections, (\d+) bytes: \d+ equal, \d+ explained, 0 different$/m);
  });

  test("one flipped bit is found and placed", async () => {
    const to = join(folder, "flipped");
    expect(copy(to).status).toBe(0);
    const text = captured.sections.find((s) => elf.sections.name(s.index) === ".rodata.str1.8");
    const [name = ""] = readdirSync(join(to, "memory"));
    const path = join(to, "memory", name);
    const bytes = readFileSync(path);
    const at = Number((text?.address ?? 0n) - BigInt(`0x${name}`)) + 3;
    bytes[at] = (bytes[at] ?? 0) ^ 4;
    writeFileSync(path, bytes);
    const done = await klplink(["verify", ko, "--root", to]);
    expect(done.status).toBe(1);
    expect(done.stderr).toMatch(/^error\[KLP220\]: 1 byte at 0x[0-9a-f]{16}: /m);
    expect(done.stderr).toContain(".rodata.str1.8+0x3");
    expect(done.stdout).toContain(" 1 different");
  });

  test("from a kernel that lists functions only: its System.map, its types, and where the modules are that it needs", () => {
    const boot = join(folder, "boot");
    mkdirSync(boot);
    writeFileSync(join(boot, "System.map-6.1.0"), "c000000000000000 T _stext\nc000000000400000 D data\n");
    mkdirSync(join(folder, "sys/module/needed/holders/varied"), { recursive: true });
    mkdirSync(join(folder, "sys/module/needed/sections"));
    writeFileSync(join(folder, "sys/module/needed/sections/.data"), "0xc008000000990000\n");
    mkdirSync(join(folder, "sys/kernel/btf"), { recursive: true });
    writeFileSync(join(folder, "sys/kernel/btf/vmlinux"), "types");
    const proc = join(folder, "proc-functions");
    cpSync(join(folder, "proc"), proc, { recursive: true });
    const all = readFileSync(join(proc, "kallsyms"), "utf8");
    const told = join(folder, "told");
    expect(copy(told, "varied", { KLPLINK_BOOT: boot }).status).toBe(0);
    expect(readdirSync(told).sort()).toEqual(["kallsyms", "memory", "release", "sections"]);

    writeFileSync(join(proc, "kallsyms"), all.replaceAll(/^\w+ [bdr] .*\n/gim, ""));
    const to = join(folder, "functions");
    expect(copy(to, "varied", { KLPLINK_BOOT: boot, KLPLINK_PROC: proc }).status).toBe(0);
    expect(readFileSync(join(to, "System.map"), "utf8")).toContain(" D data");
    expect(readFileSync(join(to, "btf"), "utf8")).toBe("types");
    expect(readFileSync(join(to, "modules/needed/.data"), "utf8")).toBe("0xc008000000990000\n");

    // Debian's System.map is only a note.
    writeFileSync(join(boot, "System.map-6.1.0"), "ffffffffffffffff B The real System.map is in the package\n");
    const noted = join(folder, "noted");
    expect(copy(noted, "varied", { KLPLINK_BOOT: boot, KLPLINK_PROC: proc }).status).toBe(0);
    expect(readdirSync(noted)).not.toContain("System.map");
  });

  test("into a folder that holds a copy: old memory would be taken for new", () => {
    const to = join(folder, "twice");
    expect(copy(to).status).toBe(0);
    const again = copy(to);
    expect(again.status).toBe(1);
    expect(again.stderr).toBe(`klplink-capture: ${to} holds a copy already: name a new folder\n`);
  });

  test("a module that is not loaded", () => {
    const run = copy(join(folder, "none"), "absent");
    expect(run.status).toBe(1);
    expect(run.stderr).toBe("klplink-capture: module absent is not loaded\n");
  });
});

test("memory straight from a kcore file", async () => {
  const to = join(folder, "copy2");
  expect(copy(to).status).toBe(0);
  rmSync(join(to, "memory"), { recursive: true });
  writeFileSync(join(to, "kcore"), readFileSync(join(folder, "proc/kcore")));
  const done = await klplink(["verify", ko, "--root", to, "-v", "--format", "text"]);
  expect(done.status).toBe(0);
  expect(done.stdout).toMatch(/^ {2}\.text: \d+ bytes, \d+ equal, 0 explained, 0 different$/m);
});

test("hidden addresses are named, not compared", async () => {
  const to = join(folder, "hidden");
  expect(copy(to).status).toBe(0);
  for (const name of readdirSync(join(to, "sections")))
    writeFileSync(join(to, "sections", name), "0x0000000000000000\n");
  const done = await klplink(["verify", ko, "--root", to]);
  expect(done.status).toBe(3);
  expect(done.stderr).toMatch(/^error\[KLP221\]: the section addresses are hidden/m);
});

describe("kinds of memory that lie closer together than the module is large", () => {
  const base = 0xffffffffc0400000n;
  const section = (name: string, flags: number, data: Uint8Array, align: number): BuiltSection => ({
    name,
    type: 1,
    flags,
    data,
    align,
  });
  const info = Buffer.from("name=close\0vermagic=6.12.9-demo SMP mod_unload \0");
  const constants = Buffer.from(Array.from({ length: 0x4000 }, (_, i) => (i * 7) & 0xff));
  const sections = [
    section(".text", 6, Buffer.from([0xc3]), 16),
    section(".rodata", 2, constants, 16),
    section(".data", 3, Buffer.alloc(8, 5), 16),
    section(".modinfo", 2, info, 1),
    section(".gnu.linkonce.this_module", 3, Buffer.alloc(1280), 64),
  ];
  const places = new Map([
    [".text", 0],
    [".rodata", 0x4000],
    [".data", 0x20000],
    [".gnu.linkonce.this_module", 0x20040],
  ]);

  /** Copies and verifies, with a byte of the kernel's memory changed. */
  const run = async (name: string, flipped: number | null): ReturnType<typeof klplink> => {
    const machine = join(folder, name);
    const file = join(machine, "close.ko");
    const sys = join(machine, "sys/module/close");
    mkdirSync(join(sys, "sections"), { recursive: true });
    mkdirSync(join(machine, "proc/sys/kernel"), { recursive: true });
    writeFileSync(file, buildElf({ machine: 62, sections, symbols: [] }));
    const memory = Buffer.alloc(0x40000);
    for (const { name, data } of sections) {
      const at = places.get(name);
      if (at === undefined || data === undefined) continue;
      memory.set(data, at);
      writeFileSync(join(sys, "sections", name), `0x${hex16(base + BigInt(at))}\n`);
    }
    if (flipped !== null) memory[flipped] = (memory[flipped] ?? 0) ^ 1;
    writeFileSync(join(sys, "coresize"), `${0x6000}\n`);
    writeFileSync(join(machine, "proc/kcore"), kcoreOf(base, memory));
    writeFileSync(join(machine, "proc/kallsyms"), "ffffffff81000000 T _text\nffffffff81400000 D data\n");
    writeFileSync(join(machine, "proc/sys/kernel/osrelease"), "6.12.9-demo\n");
    const to = join(machine, "copy");
    const done = copy(to, "close", { KLPLINK_SYS: join(machine, "sys"), KLPLINK_PROC: join(machine, "proc") });
    expect(done.status, String(done.stderr)).toBe(0);
    return await klplink(["verify", file, "--root", to]);
  };

  test("all of each section is copied", async () => {
    const done = await run("close", null);
    expect(done.stderr).toBe("");
    expect(done.stdout).toMatch(/^close: 4 sections, 17673 bytes: 17673 equal, 0 explained, 0 different$/m);
    expect(done.status).toBe(0);
  });

  test.each([[0x4000], [0x6100], [0x7fff]])("a flipped bit %i bytes behind the text is found", async (at) => {
    const done = await run(`close-${at}`, at);
    const offset = (at - 0x4000).toString(16);
    expect(done.stderr).toMatch(
      new RegExp(`^error\\[KLP220\\]: 1 byte at 0x[0-9a-f]{16}: .*\\n.* \\.rodata\\+0x${offset}$`, "m"),
    );
    expect(done.status).toBe(1);
  });
});

describe("what cannot be read is said, and never passes for equal", () => {
  const said = (stderr: string): string => stderr.replaceAll(/\n +/g, " ");
  const spoiled = async (name: string, spoil: (to: string) => void): ReturnType<typeof klplink> => {
    const to = join(folder, name);
    // What the script copies, made once.
    const whole = join(folder, "whole");
    if (!existsSync(whole)) expect(copy(whole).status).toBe(0);
    cpSync(whole, to, { recursive: true });
    spoil(to);
    return await klplink(["verify", ko, "--root", to]);
  };
  /** Cuts the memory in front of a section, so that this one and what follows is missing. */
  const cutAt = (to: string, section: string): void => {
    const [name = ""] = readdirSync(join(to, "memory"));
    const address = captured.sections.find((s) => elf.sections.name(s.index) === section)?.address ?? 0n;
    truncateSync(join(to, "memory", name), Number(address - BigInt(`0x${name}`)));
  };

  test("memory of some sections: the others are compared", async () => {
    const done = await spoiled("cut", (to) => cutAt(to, ".rodata.str1.8"));
    expect(said(done.stderr)).toMatch(/^error\[KLP221\]: the memory of .*\.rodata\.str1\.8.* cannot be read --> /m);
    expect(done.stdout).toMatch(/^varied: \d+ sections, \d+ bytes: .* 0 different; \d+ not compared$/m);
    expect(done.stdout).toMatch(/^ {2}\.rodata\.str1\.8: not compared: its memory cannot be read$/m);
    expect(done.stdout).not.toMatch(/ \.text: not compared/);
    expect(done.status).toBe(3);
  });

  test("and a different byte in those is what counts", async () => {
    const done = await spoiled("cut-different", (to) => {
      cutAt(to, ".rodata.str1.8");
      const [name = ""] = readdirSync(join(to, "memory"));
      const path = join(to, "memory", name);
      const bytes = readFileSync(path);
      const text = captured.sections.find((s) => elf.sections.name(s.index) === ".text");
      const at = Number((text?.address ?? 0n) - BigInt(`0x${name}`)) + (text?.bytes.length ?? 0) - 4;
      bytes[at] = (bytes[at] ?? 0) ^ 4;
      writeFileSync(path, bytes);
    });
    expect(done.stderr).toContain("KLP220");
    expect(done.stderr).toContain("KLP221");
    expect(done.status).toBe(1);
  });

  test.each([
    ["removed", (path: string) => rmSync(path)],
    ["empty", (path: string) => truncateSync(path, 0)],
  ])("all memory: %s", async (what, spoil) => {
    const done = await spoiled(`memory-${what}`, (to) => {
      for (const name of readdirSync(join(to, "memory"))) spoil(join(to, "memory", name));
    });
    expect(said(done.stderr)).toMatch(/^error\[KLP221\]: the memory of .*, … \(\d+ sections\) cannot be read/m);
    expect(done.stdout).toMatch(/^varied: 0 sections, 0 bytes: .*; \d+ not compared$/m);
    expect(done.status).toBe(3);
  });

  test("a missing address is not guessed", async () => {
    const done = await spoiled("no-address", (to) => rmSync(join(to, "sections/.rodata.str1.8")));
    expect(done.stderr).toMatch(/^error\[KLP221\]: the address of \.rodata\.str1\.8 is missing$/m);
    expect(done.stderr).not.toContain("KLP220");
    expect(done.stdout).toMatch(/^ {2}\.rodata\.str1\.8: not compared: its address is missing$/m);
    expect(done.status).toBe(3);
  });

  test("a kernel without CONFIG_KALLSYMS has no symbol table in memory, an older one another name for init sections", async () => {
    const done = await spoiled("listed-otherwise", (to) => {
      for (const name of [".symtab", ".strtab"]) rmSync(join(to, "sections", name));
      renameSync(join(to, "sections/.init.text"), join(to, "sections/_init.text"));
    });
    expect(done.stderr).toBe("");
    expect(done.status).toBe(0);
  });

  const text = (to: string): string => join(to, "sections/.text");
  test.each([
    ["abc", (to: string) => writeFileSync(text(to), "abc\n"), "the address of .text is damaged"],
    ["17 digits", (to: string) => writeFileSync(text(to), "0xc00800000010f0000\n"), "the address of .text is damaged"],
    ["no text", (to: string) => writeFileSync(text(to), ""), "the address of .text is damaged"],
    ["a folder", (to: string) => mkdirSync(join(to, "sections/x")), "the section addresses of varied cannot be read"],
    [
      "none",
      (to: string) => {
        for (const name of readdirSync(join(to, "sections"))) rmSync(join(to, "sections", name));
      },
      "there are no section addresses of varied",
    ],
  ])("damaged addresses: %s", async (what, spoil, title) => {
    const done = await spoiled(`damaged-${what}`, spoil);
    expect(done.stderr).toContain(`error[KLP221]: ${title}\n`);
    expect(done.stdout).toBe("");
    expect(done.status).toBe(3);
  });
});

test("a module that is not loaded here", async () => {
  const done = await klplink(["verify", ko]);
  expect(done.status).toBe(3);
  expect(done.stderr).toMatch(/^error\[KLP221\]: module varied is not loaded/m);
});

test("a folder that the capture script did not fill", async () => {
  const done = await klplink(["verify", ko, "--root", join(folder, "nothing")]);
  expect(done.status).toBe(3);
  expect(done.stderr).toMatch(/^error\[KLP221\]: the folder holds no copy of varied\n.*\n {2}= help: {3}give --root/m);
});

test("a build id whose own address is missing is not looked for elsewhere", async () => {
  const to = join(folder, "rebuilt");
  cpSync(join(root, "test/fixtures/diag/image/rebuilt"), to, { recursive: true });
  const built = join(root, "test/fixtures/diag/image/built.ko");
  expect((await klplink(["verify", built, "--root", to])).stderr).toContain("KLP222");
  rmSync(join(to, "sections/.note.gnu.build-id"));
  const done = await klplink(["verify", built, "--root", to]);
  expect(done.status).toBe(3);
  expect(done.stderr).toContain("error[KLP221]: the address of .note.gnu.build-id is missing");
  expect(done.stderr).not.toContain("KLP222");
});
