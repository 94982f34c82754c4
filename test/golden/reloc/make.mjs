// Makes ppc64le.json, arm64.json and x86_64.json: what GNU as and ld (here: 2.40) make of each relocation type.
//   node test/golden/reloc/make.mjs        needs binutils for the three targets; takes about a minute
// Each case is one object with one relocation, linked at fixed addresses. A case holds
//   name; P, S (hex): address of the place, value of the symbol (A is 0); toc: the TOC base, where there is one;
//   in, out: bytes of the place before and after (hex, as they stand in memory); out is null when ld refuses the value,
//   and "veneer" when it would reach the target through code of its own, so that its verdict says nothing of the field.
// The ranges below are the ABI's (Power ELFv2 3.5, AAELF64 "Relocation", AMD64 psABI 4.4).

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const work = mkdtempSync(join(tmpdir(), "klplink-golden-"));
const hex = (v) => `0x${BigInt.asUintN(64, v).toString(16)}`;
const S = (bits, step = 1n) => [-(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - step];
const U = (bits, step = 1n) => [0n, (1n << BigInt(bits)) - step];
const ANY = null;

// name, value expression, bytes, range, step, words to put there first (the second has old bits in the field)
const P16 = ["0000", "ffff"];
const P32 = ["00000000", "ffffffff"];
const P64 = ["0000000000000000", "ffffffffffffffff"];
const le = (word) => word.match(/../g).reverse().join("");
const insn = (...words) => words.map(le);
const ppc = [
  ["R_PPC64_ADDR32", "abs", P32, U(32)],
  ["R_PPC64_REL24", "pc", insn("48000001", "4bfffffd"), S(26, 4n), 4n, "branch"],
  ["R_PPC64_REL32", "pc", P32, S(32)],
  ["R_PPC64_ADDR64", "abs", P64, ANY],
  ["R_PPC64_REL64", "pc", P64, ANY],
  ["R_PPC64_TOC16", "toc", P16, S(16)],
  ["R_PPC64_TOC16_LO", "toc", P16, ANY],
  ["R_PPC64_TOC16_HA", "toc", P16, [-0x80008000n, 0x7fff7fffn]],
  ["R_PPC64_TOC", "toc", P64, ANY],
  ["R_PPC64_TOC16_DS", "toc", ["0100", "ffff"], S(16, 4n), 4n],
  ["R_PPC64_TOC16_LO_DS", "toc", ["0100", "ffff"], ANY, 4n],
  ["R_PPC64_TOCSAVE", "pc", insn("60000000", "60000000"), ANY],
  ["R_PPC64_REL24_NOTOC", "pc", insn("48000001", "4bfffffd"), S(26, 4n), 4n, "branch"],
  // paddi r3,0,0,1 and the same with a field of ones
  ["R_PPC64_PCREL34", "pc", [le("06100000") + le("38600000"), le("0613ffff") + le("3860ffff")], S(34)],
  // pld r3,0 and the same with a field of ones; ld makes the GOT, whose entry S is
  [
    "R_PPC64_GOT_PCREL34",
    "got",
    [le("04100000") + le("e4600000"), le("0413ffff") + le("e460ffff")],
    S(34, 8n),
    8n,
    "got",
  ],
  ["R_PPC64_REL16_LO", "pc", P16, ANY],
  ["R_PPC64_REL16_HA", "pc", P16, [-0x80008000n, 0x7fff7fffn]],
];
const movw = insn("d2800003", "d29fffe3");
const arm = [
  ["R_AARCH64_NONE", "pc", insn("d503201f", "d503201f"), ANY],
  ["R_AARCH64_ABS64", "abs", P64, ANY],
  ["R_AARCH64_ABS32", "abs", P32, [-(1n << 31n), (1n << 32n) - 1n]],
  ["R_AARCH64_ABS16", "abs", P16, [-(1n << 15n), (1n << 16n) - 1n]],
  ["R_AARCH64_PREL64", "pc", P64, ANY],
  ["R_AARCH64_PREL32", "pc", P32, [-(1n << 31n), (1n << 32n) - 1n]],
  ["R_AARCH64_PREL16", "pc", P16, [-(1n << 15n), (1n << 16n) - 1n]],
  ["R_AARCH64_MOVW_UABS_G0", "abs", movw, U(16)],
  ["R_AARCH64_MOVW_UABS_G0_NC", "abs", movw, ANY],
  ["R_AARCH64_MOVW_UABS_G1", "abs", insn("d2a00003", "d2bfffe3"), U(32)],
  ["R_AARCH64_MOVW_UABS_G1_NC", "abs", insn("d2a00003", "d2bfffe3"), ANY],
  ["R_AARCH64_MOVW_UABS_G2", "abs", insn("d2c00003", "d2dfffe3"), U(48)],
  ["R_AARCH64_MOVW_UABS_G2_NC", "abs", insn("d2c00003", "d2dfffe3"), ANY],
  ["R_AARCH64_MOVW_UABS_G3", "abs", insn("d2e00003", "d2ffffe3"), ANY],
  ["R_AARCH64_MOVW_SABS_G0", "abs", movw, S(17)],
  ["R_AARCH64_MOVW_SABS_G1", "abs", insn("d2a00003", "92bfffe3"), S(33)],
  ["R_AARCH64_MOVW_SABS_G2", "abs", insn("d2c00003", "92dfffe3"), S(49)],
  ["R_AARCH64_LD_PREL_LO19", "pc", insn("58000003", "58ffffe3"), S(21, 4n), 4n],
  ["R_AARCH64_ADR_PREL_LO21", "pc", insn("10000004", "70ffffe4"), S(21)],
  ["R_AARCH64_ADR_PREL_PG_HI21", "page", insn("90000005", "f0ffffe5"), S(33, 0x1000n), 0x1000n],
  ["R_AARCH64_ADR_PREL_PG_HI21_NC", "page", insn("90000005", "f0ffffe5"), ANY, 0x1000n],
  ["R_AARCH64_ADD_ABS_LO12_NC", "abs", insn("910000a5", "913ffca5"), ANY],
  ["R_AARCH64_LDST8_ABS_LO12_NC", "abs", insn("394000a6", "397ffca6"), ANY],
  ["R_AARCH64_TSTBR14", "pc", insn("b6080007", "b60fffe7"), S(16, 4n), 4n],
  ["R_AARCH64_CONDBR19", "pc", insn("54000000", "54ffffe0"), S(21, 4n), 4n],
  ["R_AARCH64_JUMP26", "pc", insn("14000000", "17ffffff"), S(28, 4n), 4n, "branch"],
  ["R_AARCH64_CALL26", "pc", insn("94000000", "97ffffff"), S(28, 4n), 4n, "branch"],
  ["R_AARCH64_LDST16_ABS_LO12_NC", "abs", insn("794000a6", "797ffca6"), ANY, 2n],
  ["R_AARCH64_LDST32_ABS_LO12_NC", "abs", insn("b94000a6", "b97ffca6"), ANY, 4n],
  ["R_AARCH64_LDST64_ABS_LO12_NC", "abs", insn("f94000a6", "f97ffca6"), ANY, 8n],
  ["R_AARCH64_MOVW_PREL_G0", "pc", movw, S(17)],
  ["R_AARCH64_MOVW_PREL_G0_NC", "pc", movw, ANY],
  ["R_AARCH64_MOVW_PREL_G1", "pc", insn("d2a00003", "92bfffe3"), S(33)],
  ["R_AARCH64_MOVW_PREL_G1_NC", "pc", insn("d2a00003", "d2bfffe3"), ANY],
  ["R_AARCH64_MOVW_PREL_G2", "pc", insn("d2c00003", "92dfffe3"), S(49)],
  ["R_AARCH64_MOVW_PREL_G2_NC", "pc", insn("d2c00003", "d2dfffe3"), ANY],
  ["R_AARCH64_MOVW_PREL_G3", "pc", insn("d2e00003", "d2ffffe3"), ANY],
  ["R_AARCH64_LDST128_ABS_LO12_NC", "abs", insn("3dc000a6", "3dfffca6"), ANY, 16n],
];
const x86 = [
  ["R_X86_64_NONE", "pc", P32, ANY],
  ["R_X86_64_64", "abs", P64, ANY],
  ["R_X86_64_PC32", "pc", P32, S(32)],
  ["R_X86_64_PLT32", "pc", P32, S(32)],
  ["R_X86_64_32", "abs", P32, U(32)],
  ["R_X86_64_32S", "abs", P32, S(32)],
  ["R_X86_64_PC64", "pc", P64, ANY],
];
const arches = [
  { name: "ppc64le", tools: "powerpc64le-linux-gnu-", rows: ppc, P: 0xc008000000d40104n, toc: 0xc008000000d69000n },
  { name: "arm64", tools: "aarch64-linux-gnu-", rows: arm, P: 0xffff80007a7e1044n, toc: null },
  { name: "x86_64", tools: "x86_64-linux-gnu-", rows: x86, P: 0xffffffffc0100004n, toc: null },
];

/**
 * The bytes that ld leaves at the place; null if it refuses.
 * @param symbol value of the symbol; for "got": address of its GOT entry, the second of 8 bytes
 */
function link(arch, type, P, symbol, before, toc, kind) {
  const path = (suffix) => join(work, `t.${suffix}`);
  const bytes = before
    .match(/../g)
    .map((b) => `0x${b}`)
    .join(",");
  const tocPart = toc === null || kind === "got" ? "" : '.section .toc,"aw"\n.quad 1\n.section .data\n.quad .TOC.\n';
  const target = type === "R_PPC64_TOC" ? ".TOC." : "target";
  writeFileSync(path("s"), `.text\n.globl _start\n_start: .byte ${bytes}\n.reloc 0, ${type}, ${target}\n${tocPart}`);
  const got =
    kind === "got"
      ? `.got ${hex(symbol - 8n)} : SUBALIGN(8) { *(.got) *(.toc) } .data ${hex(symbol + 0x1000n)} : { *(.data) }`
      : toc === null
        ? ""
        : `.toc ${hex(toc - 0x8000n)} : { *(.got) *(.toc) } .data ${hex(toc + 0x1000n)} : { *(.data) }`;
  writeFileSync(
    path("ld"),
    `SECTIONS { .text ${hex(P)} : SUBALIGN(1) { *(.text) } ${got} /DISCARD/ : { *(.note*) *(.comment) } }`,
  );
  const power10 = /NOTOC|34/.test(type) ? ["-mpower10"] : [];
  execFileSync(`${arch.tools}as`, [
    ...(arch.name === "ppc64le" ? ["-mlittle", ...power10] : []),
    path("s"),
    "-o",
    path("o"),
  ]);
  const extra = arch.name === "ppc64le" ? ["--no-toc-optimize", "--no-power10-stubs"] : [];
  rmSync(path("elf"), { force: true });
  const run = spawnSync(
    `${arch.tools}ld`,
    [...extra, "-T", path("ld"), "--defsym", `target=${hex(symbol)}`, path("o"), "-o", path("elf")],
    { encoding: "utf8" },
  );
  if (run.status !== 0) {
    if (/truncated to fit|out of range|not a multiple|improper|unaligned|dangerous relocation/.test(run.stderr))
      return null;
    throw new Error(`${arch.name} ${type} ${hex(symbol)}: ${run.stderr}`);
  }
  const section = (name) => {
    execFileSync(`${arch.tools}objcopy`, ["-O", "binary", "-j", name, path("elf"), path("bin")]);
    return readFileSync(path("bin"));
  };
  if (kind === "got") {
    if (section(".got").readBigUInt64LE(8) !== symbol) throw new Error("the GOT has no such entry");
  } else if (toc !== null) {
    const found = section(".data").readBigUInt64LE(0);
    if (found !== toc) throw new Error(`the TOC base is ${hex(found)}, not ${hex(toc)}`);
  }
  return section(".text")
    .subarray(0, before.length / 2)
    .toString("hex");
}

function casesOf(arch, [type, value, words, range, step = 1n, kind]) {
  const [zero, old] = words;
  const list = [];
  if (range === null) {
    list.push(["zero", 0n, zero], ["pattern", 0x123456789abcdef0n, zero], ["negative", -0x123456780n * step, zero]);
    list.push(["carry", 0x18000n, zero]);
  } else {
    const [lowest, highest] = range;
    list.push(["lowest", lowest, zero], ["highest", highest, zero]);
    list.push(["past the lowest", lowest - step, zero], ["past the highest", highest + step, zero]);
    list.push(["middle", (highest / 3n / step) * step, zero]);
  }
  list.push(["old bits", 0x1230n * step, old]);
  // An entry of a GOT lies where 8 divides.
  if (step > 1n && kind !== "got") list.push(["misaligned by 1", 0x121n, zero], ["misaligned by 2", 0x122n, zero]);
  return list.map(([name, X, before]) => {
    // PC-relative 64-bit wrap-around is what the kernel relies on; ld sees the same sum.
    const P = kind === "got" ? arch.P & ~7n : arch.P;
    const base =
      value === "pc" || value === "got" ? P : value === "toc" ? arch.toc : value === "page" ? P & ~0xfffn : 0n;
    const symbol = BigInt.asUintN(64, base + X + (value === "page" && !name.startsWith("mis") ? 0x234n : 0n));
    const outside = range !== null && (X < range[0] || X > range[1]);
    const out = kind === "branch" && outside ? "veneer" : link(arch, type, P, symbol, before, arch.toc, kind);
    return { name, P: hex(P), S: hex(symbol), ...(arch.toc === null ? {} : { toc: hex(arch.toc) }), in: before, out };
  });
}

/** R_PPC64_ENTRY: the large-model prologue, rewritten when the TOC base is within reach of addis and addi. */
function entryCases(arch) {
  const prologue = le("e84cfff8") + le("7c426214");
  const other = le("e84cfff8") + le("60000000");
  const at = (name, v, before) => {
    const toc = arch.toc;
    const P = BigInt.asUintN(64, toc - v);
    return {
      name,
      P: hex(P),
      S: hex(P),
      toc: hex(toc),
      in: before,
      out: link(arch, "R_PPC64_ENTRY", P, P, before, toc),
    };
  };
  return [
    at("near", 0x29000n, prologue),
    at("negative", -0x12348n, prologue),
    at("lowest", -0x80008000n, prologue),
    at("highest", 0x7fff7ffcn, prologue),
    at("past the lowest", -0x80008004n, prologue),
    at("past the highest", 0x7fff8000n, prologue),
    at("another prologue", 0x29000n, other),
  ];
}

try {
  for (const arch of arches) {
    const golden = {};
    for (const row of arch.rows) golden[row[0]] = casesOf(arch, row);
    if (arch.name === "ppc64le") golden.R_PPC64_ENTRY = entryCases(arch);
    const lines = Object.entries(golden).map(
      ([type, cases]) => `  "${type}": [\n${cases.map((c) => `    ${JSON.stringify(c)}`).join(",\n")}\n  ]`,
    );
    writeFileSync(new URL(`${arch.name}.json`, import.meta.url), `{\n${lines.join(",\n")}\n}\n`);
    console.log(`${arch.name}: ${lines.length} types`);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
