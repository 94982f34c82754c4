// Objects of any size, for the benches: livepatch relocations in the forms of three tools, many sections, many symbols. Needs
// `npm run build`.
const { ElfEdits, readElf, writeElf } = await import(
  process.env.KLPLINK_LIB ?? new URL("../dist/lib/index.js", import.meta.url).href
);

const R_X86_64_64 = 1;
const R_X86_64_PLT32 = 4;

/** The smallest relocatable x86_64 file: a null section, section names, symbols and their names. */
export function emptyObject() {
  const names = Buffer.from("\0.shstrtab\0.symtab\0.strtab\0");
  const symbols = Buffer.alloc(24);
  const strings = Buffer.alloc(1);
  const parts = [names, symbols, strings];
  const offsets = [];
  let at = 64;
  for (const part of parts) {
    at = Math.ceil(at / 8) * 8;
    offsets.push(at);
    at += part.length;
  }
  const table = Math.ceil(at / 8) * 8;
  const out = Buffer.alloc(table + 4 * 64);
  out.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  out.writeUInt16LE(1, 16);
  out.writeUInt16LE(62, 18);
  out.writeUInt32LE(1, 20);
  out.writeBigUInt64LE(BigInt(table), 40);
  out.writeUInt16LE(64, 52);
  out.writeUInt16LE(64, 58);
  out.writeUInt16LE(4, 60);
  out.writeUInt16LE(1, 62);
  const header = (i, name, type, link, info, align, entsize) => {
    const h = table + i * 64;
    out.writeUInt32LE(name, h);
    out.writeUInt32LE(type, h + 4);
    out.writeBigUInt64LE(BigInt(offsets[i - 1]), h + 24);
    out.writeBigUInt64LE(BigInt(parts[i - 1].length), h + 32);
    out.writeUInt32LE(link, h + 40);
    out.writeUInt32LE(info, h + 44);
    out.writeBigUInt64LE(BigInt(align), h + 48);
    out.writeBigUInt64LE(BigInt(entsize), h + 56);
  };
  for (const [k, part] of parts.entries()) out.set(part, offsets[k]);
  header(1, 1, 3, 0, 0, 1, 0);
  header(2, 11, 2, 3, 1, 8, 24);
  header(3, 19, 3, 0, 0, 1, 0);
  return new Uint8Array(out);
}

const reserved = (index) => ({ kind: "reserved", index });
export const symbolName = (i) => `local_function_number_${i}`;
export const data = (size) => ({
  type: 1,
  flags: 3n,
  link: 0,
  info: 0,
  addralign: 8,
  entsize: 0,
  data: new Uint8Array(size),
});

/** Relocations of a section, added to `edits`. */
export function relocations(edits, target, name) {
  return edits.addSection({
    name,
    type: 4,
    flags: 0x40n,
    link: edits.symbolTable().section,
    info: target,
    addralign: 8,
    entsize: 24,
    data: new Uint8Array(0),
  });
}

export function start(count) {
  const edits = new ElfEdits(readElf(emptyObject()));
  const target = edits.addSection({ name: ".data.table", ...data(count * 8) });
  const base = edits.addSymbol({
    name: "table",
    info: 0x11,
    other: 0,
    home: { kind: "section", section: target },
    value: 0n,
    size: count * 8,
  });
  return { edits, target, base };
}

export const undefinedSymbol = (edits, name, info) =>
  edits.addSymbol({ name, info, other: 0, home: reserved(0), value: 0n, size: 0 });

export function plain(count) {
  const { edits, target } = start(count);
  const table = relocations(edits, target, ".rela.data.table");
  for (let i = 0; i < count; i++) {
    const symbol = undefinedSymbol(edits, symbolName(i), 0x10);
    edits.addRelocation(table, { offset: i * 8, symbol, type: R_X86_64_64, addend: 0n });
  }
  return writeElf(edits);
}

export function kpatch(count) {
  const { edits, base } = start(count);
  const texts = [Buffer.from("vmlinux\0")];
  const places = [];
  let at = 8;
  for (let i = 0; i < count; i++) {
    const text = Buffer.from(`${symbolName(i)}\0`);
    places.push(at);
    at += text.length;
    texts.push(text);
  }
  const add = (name, bytes) => {
    const section = edits.addSection({ name, ...data(0), flags: 2n, data: bytes });
    const symbol = edits.addSymbol({
      name: "",
      info: 3,
      other: 0,
      home: { kind: "section", section },
      value: 0n,
      size: 0,
    });
    return { symbol, table: relocations(edits, section, `.rela${name}`) };
  };
  const strings = edits.addSection({
    name: ".kpatch.strings",
    ...data(0),
    flags: 2n,
    data: new Uint8Array(Buffer.concat(texts)),
  });
  const stringSymbol = edits.addSymbol({
    name: "",
    info: 3,
    other: 0,
    home: { kind: "section", section: strings },
    value: 0n,
    size: 0,
  });
  const symbolBytes = new Uint8Array(count * 40);
  const entryBytes = new Uint8Array(count * 40);
  const view = new DataView(entryBytes.buffer);
  for (let i = 0; i < count; i++) {
    symbolBytes[i * 40 + 16] = 1;
    view.setUint32(i * 40 + 8, R_X86_64_64, true);
  }
  const symbols = add(".kpatch.symbols", symbolBytes);
  const entries = add(".kpatch.relocations", entryBytes);
  const pointer = (table, offset, symbol, addend) =>
    edits.addRelocation(table, { offset, symbol, type: R_X86_64_64, addend: BigInt(addend) });
  for (let i = 0; i < count; i++) {
    pointer(symbols.table, i * 40 + 24, stringSymbol, places[i]);
    pointer(symbols.table, i * 40 + 32, stringSymbol, 0);
    pointer(entries.table, i * 40, base, i * 8);
    pointer(entries.table, i * 40 + 24, stringSymbol, 0);
    pointer(entries.table, i * 40 + 32, symbols.symbol, i * 40);
  }
  return writeElf(edits);
}

export function objtool(count) {
  const { edits, target, base } = start(count);
  const own = relocations(edits, target, ".rela.data.table");
  const bytes = new Uint8Array(count * 24);
  const view = new DataView(bytes.buffer);
  const section = edits.addSection({ name: "__klp_relocs.vmlinux", ...data(0), flags: 2n, data: bytes });
  const table = relocations(edits, section, ".rela__klp_relocs.vmlinux");
  for (let i = 0; i < count; i++) {
    view.setUint32(i * 24 + 16, R_X86_64_64, true);
    const symbol = undefinedSymbol(edits, `.klp.sym.vmlinux.${symbolName(i)},0`, 0x20);
    const tombstone = undefinedSymbol(edits, `.klp.tombstone.${symbolName(i)}`, 0x20);
    edits.addRelocation(own, { offset: i * 8, symbol: tombstone, type: R_X86_64_64, addend: 0n });
    edits.addRelocation(table, { offset: i * 24, symbol: base, type: R_X86_64_64, addend: BigInt(i * 8) });
    edits.addRelocation(table, { offset: i * 24 + 8, symbol, type: R_X86_64_64, addend: 0n });
  }
  return writeElf(edits);
}

/** `count` sections of eight bytes, each with a relocation section of one row. */
export function manySections(count) {
  const { edits, base } = start(1);
  for (let i = 0; i < count; i++) {
    const section = edits.addSection({ name: `.data.s${i}`, ...data(8) });
    const table = relocations(edits, section, `.rela.data.s${i}`);
    edits.addRelocation(table, { offset: 0, symbol: base, type: R_X86_64_64, addend: 0n });
  }
  return writeElf(edits);
}

/** `count` relocations of one section against one symbol. @param isOnePlace all of the same place */
export function manyRelocations(count, isOnePlace = false) {
  const { edits, target, base } = start(count);
  const table = relocations(edits, target, ".rela.data.table");
  for (let i = 0; i < count; i++) {
    edits.addRelocation(table, { offset: isOnePlace ? 0 : i * 8, symbol: base, type: R_X86_64_64, addend: 0n });
  }
  return writeElf(edits);
}

/** `count` symbols at one place. @param isOneName all of the same name */
export function manySymbols(count, isOneName = false) {
  const { edits, target } = start(1);
  for (let i = 0; i < count; i++) {
    const name = isOneName ? "same" : symbolName(i);
    edits.addSymbol({ name, info: 1, other: 0, home: { kind: "section", section: target }, value: 0n, size: 8 });
  }
  return writeElf(edits);
}

/** System.map of a kernel that has what plain(), kpatch() and objtool() name. */
export function kernelMap(count) {
  const lines = ["ffffffff81000000 r __ksymtab_other"];
  for (let i = 0; i < count; i++)
    lines.push(`${(0xffffffff82000000n + BigInt(i * 16)).toString(16)} t ${symbolName(i)}`);
  return `${lines.join("\n")}\n`;
}

/** Code of x86_64: `count` functions of 16 bytes, each with a patch site at its first byte and its row in __mcount_loc. */
export function manySites(count) {
  const edits = new ElfEdits(readElf(emptyObject()));
  const bytes = new Uint8Array(count * 16).fill(0x90);
  for (let i = 0; i < count; i++) {
    bytes.set([0xe8, 0, 0, 0, 0], i * 16);
    bytes[i * 16 + 15] = 0xc3;
  }
  const text = edits.addSection({ name: ".text", ...data(0), flags: 6n, addralign: 16, data: bytes });
  const list = edits.addSection({ name: "__mcount_loc", ...data(count * 8) });
  const home = { kind: "section", section: text };
  const start = edits.addSymbol({ name: "", info: 3, other: 0, home, value: 0n, size: 0 });
  for (let i = 0; i < count; i++)
    edits.addSymbol({ name: symbolName(i), info: 0x12, other: 0, home, value: BigInt(i * 16), size: 16 });
  const fentry = undefinedSymbol(edits, "__fentry__", 0x10);
  const calls = relocations(edits, text, ".rela.text");
  const rows = relocations(edits, list, ".rela__mcount_loc");
  for (let i = 0; i < count; i++) {
    edits.addRelocation(calls, { offset: i * 16 + 1, symbol: fentry, type: R_X86_64_PLT32, addend: -4n });
    edits.addRelocation(rows, { offset: i * 8, symbol: start, type: R_X86_64_64, addend: BigInt(i * 16) });
  }
  return writeElf(edits);
}
