// Modules with one fault each, made from a good one, for each message that the loader has.

import { readElf } from "../../src/elf/reader.ts";

export interface Spoiled {
  readonly what: string;
  readonly bytes: Uint8Array;
  /** The place at which the loader stops; null if the fault is none of a place. */
  readonly at: { readonly section: string; readonly offset: number } | null;
  /** The symbol at which it stops; null if the fault is none of a symbol. */
  readonly symbol: string | null;
}

class Spoiler {
  readonly bytes: Uint8Array;
  at: Spoiled["at"] = null;
  named: string | null = null;
  readonly #view: DataView;
  constructor(good: Uint8Array, name: string) {
    this.bytes = new Uint8Array(good);
    this.#view = new DataView(this.bytes.buffer);
    const { sections } = readElf(good);
    const struct = sections.findByName(".gnu.linkonce.this_module") ?? 0;
    this.bytes.fill(0, sections.offset(struct) + 24, sections.offset(struct) + 80);
    this.bytes.set(Buffer.from(name), sections.offset(struct) + 24);
  }

  /** Changes the first relocation of `type` in a loaded section; `offset` moves its place. */
  relocation(
    type: number,
    change: { type?: number; symbol?: number; addend?: (a: bigint) => bigint; only?: (offset: number) => boolean },
  ): this {
    const file = readElf(this.bytes);
    for (const table of file.relocations) {
      if (!file.sections.hasFlags(table.target, 2)) continue;
      for (let row = 0; row < table.count; row++) {
        if (table.type(row) !== type) continue;
        if (file.sections.name(table.target) === ".gnu.linkonce.this_module") continue;
        const at = file.sections.offset(table.section) + row * 24;
        this.at = { section: file.sections.name(table.target), offset: table.offset(row) };
        if (change.type !== undefined) this.#view.setUint32(at + 8, change.type, true);
        if (change.symbol !== undefined) this.#view.setUint32(at + 12, change.symbol, true);
        if (change.addend !== undefined) this.#view.setBigInt64(at + 16, change.addend(table.addend(row)), true);
        return this;
      }
    }
    throw new Error(`no relocation of type ${type}`);
  }

  /** The symbol of a section. */
  sectionSymbol(name: string): number {
    const { symbols, sections } = readElf(this.bytes);
    for (let i = 1; symbols !== null && i < symbols.count; i++) {
      const section = symbols.sectionOf(i);
      if (symbols.type(i) === 3 && section !== null && sections.name(section) === name) return i;
    }
    throw new Error(`no symbol for ${name}`);
  }

  /** Writes a field of a section header; a size is added. */
  header(name: string, field: "type" | "addralign" | "size", value: number): this {
    const view = new DataView(this.bytes.buffer);
    const i = readElf(this.bytes).sections.findByName(name);
    if (i === null) throw new Error(`no section ${name}`);
    const at = Number(view.getBigUint64(40, true)) + i * 64;
    if (field === "type") {
      view.setUint32(at + 4, value, true);
      // The size of an entry without addend; the kernel does not look at it.
      view.setBigUint64(at + 56, 16n, true);
    } else if (field === "addralign") view.setBigUint64(at + 48, BigInt(value), true);
    else view.setBigUint64(at + 32, view.getBigUint64(at + 32, true) + BigInt(value), true);
    return this;
  }

  /**
   * Lets .stubs begin 4 bytes off a multiple of 8: code before it (on ppc64 init code, too) loses its last word, if that is
   * needed.
   */
  stubsOffAlignment(): this {
    this.header(".stubs", "addralign", 4);
    const { sections } = readElf(this.bytes);
    const before: number[] = [];
    for (let i = 1; i < sections.count && sections.name(i) !== ".stubs"; i++)
      if (sections.hasFlags(i, 6)) before.push(i);
    const startWith = (shorter: number | null): number =>
      before.reduce((at, i) => {
        const alignment = Math.max(sections.addralign(i), 1);
        return Math.ceil(at / alignment) * alignment + sections.size(i) - (i === shorter ? 4 : 0);
      }, 0);
    const shorter = [null, ...before].find((i) => (i === null || sections.size(i) > 4) && startWith(i) % 8 === 4);
    if (shorter === undefined) throw new Error("no code whose size decides");
    return shorter === null ? this : this.header(sections.name(shorter), "size", -4);
  }

  /** Sets a byte at the place of the first relocation of `type`. */
  place(type: number): this {
    const file = readElf(this.bytes);
    for (const table of file.relocations) {
      if (!file.sections.hasFlags(table.target, 2)) continue;
      for (let row = 0; row < table.count; row++) {
        if (table.type(row) !== type) continue;
        this.bytes[file.sections.offset(table.target) + table.offset(row)] = 0x5a;
        return this;
      }
    }
    throw new Error(`no relocation of type ${type}`);
  }

  /** Replaces the first nop behind a call to an undefined symbol other than the profiler's. */
  nop(word: number): this {
    const file = readElf(this.bytes);
    for (const table of file.relocations) {
      for (let row = 0; row < table.count; row++) {
        if (table.type(row) !== 10 || file.symbols === null) continue;
        const symbol = table.symbol(row);
        if (!file.symbols.isUndefined(symbol) || file.symbols.name(symbol) === "_mcount") continue;
        const at = file.sections.offset(table.target) + table.offset(row) + 4;
        if (this.#view.getUint32(at, true) !== 0x6000_0000) continue;
        this.at = { section: file.sections.name(table.target), offset: table.offset(row) };
        this.#view.setUint32(at, word, true);
        return this;
      }
    }
    throw new Error("no call with a nop");
  }

  /** Renames a section without changing any length. */
  section(from: string, to: string): this {
    const { sections, header } = readElf(this.bytes);
    const i = sections.findByName(from) ?? 0;
    this.bytes.set(Buffer.from(to), sections.offset(header.sectionNameIndex) + sections.nameOffset(i));
    return this;
  }

  /** Takes the object out of the name of the first livepatch relocation section for vmlinux. */
  klpSection(): this {
    const { sections } = readElf(this.bytes);
    for (let i = 1; i < sections.count; i++) {
      const name = sections.name(i);
      if (name.startsWith(".klp.rela.vmlinux.")) return this.section(name, name.replace("vmlinux", ".mlinux"));
    }
    throw new Error("no livepatch relocations for vmlinux");
  }

  /** Lets the first livepatch relocation section for a module refer to a symbol of vmlinux. */
  klpAccess(symbol: string): this {
    const { sections, symbols, relocations } = readElf(this.bytes);
    const table = relocations.find((t) => /^\.klp\.rela\.(?!vmlinux\.)/.test(sections.name(t.section)));
    const found = Array.from({ length: symbols?.count ?? 0 }, (_, i) => i).find((i) => symbols?.name(i) === symbol);
    if (table === undefined || found === undefined) throw new Error(`no ${symbol}, or no section for a module`);
    for (let row = 0; row < table.count; row++)
      this.#view.setUint32(sections.offset(table.section) + row * 24 + 12, found, true);
    return this;
  }

  symbol(name: string, change: { name?: string; shndx?: number }): this {
    const { symbols, sections } = readElf(this.bytes);
    for (let i = 1; symbols !== null && i < symbols.count; i++) {
      if (symbols.name(i) !== name) continue;
      this.named = change.name ?? name;
      if (change.shndx !== undefined)
        this.#view.setUint16(sections.offset(symbols.section) + i * 24 + 6, change.shndx, true);
      if (change.name !== undefined) {
        this.bytes.set(
          Buffer.from(change.name),
          sections.offset(sections.link(symbols.section)) + symbols.nameOffset(i),
        );
      }
      return this;
    }
    throw new Error(`no symbol ${name}`);
  }
}

type Step = readonly [what: string, spoil: (s: Spoiler) => Spoiler];

const common: readonly Step[] = [
  ["an unknown symbol", (s) => s.symbol("kfree", { name: "kfrex" })],
  ["a common symbol", (s) => s.symbol("kfree", { shndx: 0xfff2 })],
  ["a reserved section index", (s) => s.symbol("kfree", { shndx: 0xff33 })],
  ["relocations without addends", (s) => s.header(".rela.gnu.linkonce.this_module", "type", 9)],
];

const far24: readonly Step[] = [
  ["REL24 too far", (s) => s.relocation(10, { symbol: s.sectionSymbol(".text"), addend: () => 0x400_0000n })],
  ["REL24 too far back", (s) => s.relocation(10, { symbol: s.sectionSymbol(".text"), addend: () => -0x400_0000n })],
  ["REL24 misaligned", (s) => s.relocation(10, { symbol: s.sectionSymbol(".text"), addend: () => 2n })],
];

const VERSION = ".klp.sym.vmlinux.version_proc_show,0";

const steps = {
  ppc64le: [
    ...common,
    ["R_PPC64_NONE", (s) => s.relocation(26, { type: 0 })],
    ["R_PPC64_REL14", (s) => s.relocation(10, { type: 11 })],
    ["REL32 too far", (s) => s.relocation(26, { addend: (a) => a + 0x1_0000_0000n })],
    ["TOC16 too far", (s) => s.relocation(64, { type: 47, addend: () => 0x2_0001n })],
    ["TOC16_DS too far", (s) => s.relocation(64, { type: 63, addend: () => -0x2_0000n })],
    ["TOC16_DS misaligned", (s) => s.relocation(64, { type: 63, addend: (a) => a + 2n })],
    ["TOC16_LO_DS misaligned", (s) => s.relocation(64, { addend: (a) => a + 1n })],
    ["another word behind a call", (s) => s.nop(0x3d22_0000)],
    ["no .stubs", (s) => s.section(".stubs", ".stubx")],
    ...far24,
  ],
  // A module of a distribution, which may have no REL32.
  "ppc64le distribution": [
    ["R_PPC64_REL14", (s) => s.relocation(10, { type: 11 })],
    ["another word behind a call", (s) => s.nop(0x3d22_0000)],
    ["no .stubs", (s) => s.section(".stubs", ".stubx")],
    ["stubs that are not aligned", (s) => s.stubsOffAlignment()],
    ...far24,
  ],
  "ppc64le-pcrel": [
    ...common,
    ["R_PPC64_NONE", (s) => s.relocation(132, { type: 0 })],
    ["R_PPC64_TOC16_LO_DS", (s) => s.relocation(132, { type: 64 })],
    ["R_PPC64_TOC", (s) => s.relocation(38, { type: 51 })],
    ["R_PPC64_TOCSAVE", (s) => s.relocation(116, { type: 109 })],
    ["R_PPC64_PCREL_OPT", (s) => s.relocation(132, { type: 123 })],
    [
      "PCREL34 too far",
      (s) => s.relocation(132, { symbol: s.sectionSymbol(".text"), addend: () => 0x2_0000_0000n + 0x10000n }),
    ],
    [
      "PCREL34 too far back",
      (s) => s.relocation(132, { symbol: s.sectionSymbol(".text"), addend: () => -0x2_0000_0000n }),
    ],
    ["REL24_NOTOC too far", (s) => s.relocation(116, { symbol: s.sectionSymbol(".text"), addend: () => 0x400_0000n })],
    ["REL24_NOTOC misaligned", (s) => s.relocation(116, { symbol: s.sectionSymbol(".text"), addend: () => 2n })],
    [
      "REL24 too far back",
      (s) => s.relocation(116, { type: 10, symbol: s.sectionSymbol(".text"), addend: () => -0x400_0000n }),
    ],
    ["no .stubs", (s) => s.section(".stubs", ".stubx")],
    ["no .mygot", (s) => s.section(".mygot", ".mygox")],
  ],
  // A livepatch, for any architecture. What the kernel says does not name the module.
  livepatch: [
    ["a name without a position", (s) => s.symbol(VERSION, { name: VERSION.replace(",", ";") })],
    ["a name that vmlinux does not have", (s) => s.symbol(VERSION, { name: VERSION.replace("show", "shaw") })],
    ["a position that there is not", (s) => s.symbol(VERSION, { name: VERSION.replace(",0", ",7") })],
    ["a symbol that is not marked", (s) => s.symbol(VERSION, { shndx: 0xfff1 })],
    ["a section without an object", (s) => s.klpSection()],
    // Each of the kernels built here has several functions called type_show.
    ["an ambiguous name", (s) => s.symbol(VERSION, { name: ".klp.sym.vmlinux.type_show,0\0" })],
    ["vmlinux from a module's section", (s) => s.klpAccess(VERSION)],
  ],
  arm64: [
    ...common,
    ["R_AARCH64_ADR_GOT_PAGE", (s) => s.relocation(283, { type: 311 })],
    ["ABS32 too large", (s) => s.relocation(261, { type: 258, symbol: 0, addend: () => 0x1_0000_0000n })],
    ["ABS16 negative", (s) => s.relocation(261, { type: 259, symbol: 0, addend: () => -1n })],
    ["PREL32 too far", (s) => s.relocation(261, { symbol: 0, addend: () => 0x1234n })],
    ["MOVW_UABS_G0 too large", (s) => s.relocation(264, { type: 263, symbol: 0, addend: () => 0x10000n })],
    ["MOVW_SABS_G1 too small", (s) => s.relocation(264, { type: 271, symbol: 0, addend: () => -0x1_0000_0001n })],
    ["TSTBR14 too far", (s) => s.relocation(279, { symbol: 0, addend: () => 0x1000n })],
    ["ADR_PREL_LO21 too far", (s) => s.relocation(274, { symbol: 0, addend: () => 0n })],
    ["ADR_PREL_PG_HI21 too far", (s) => s.relocation(275, { symbol: 0, addend: () => 0x7777n })],
    ["no .plt", (s) => s.section(".plt", ".plx")],
  ],
  x86_64: [
    ...common,
    ["R_X86_64_GOTPCREL", (s) => s.relocation(4, { type: 9 })],
    ["32 of a kernel address", (s) => s.relocation(11, { type: 10, symbol: 0, addend: () => 0x1_0000_0000n })],
    ["32S too large", (s) => s.relocation(11, { symbol: 0, addend: () => 0x8000_0000n })],
    [
      "a place that is not zero, for an absolute value",
      (s) => s.relocation(11, { symbol: 0, addend: () => 0x1234n }).place(11),
    ],
  ],
} satisfies Record<string, readonly Step[]>;

/** One module for each fault, by its name (`s0`, `s1`, …). */
export function spoil(arch: keyof typeof steps, good: Uint8Array): Map<string, Spoiled> {
  const made = new Map<string, Spoiled>();
  for (const [what, change] of steps[arch]) {
    const name = `s${made.size}x`;
    const { bytes, at, named } = change(new Spoiler(good, name));
    made.set(name, { what, bytes, at, symbol: named });
  }
  return made;
}
