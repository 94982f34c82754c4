// How the time for livepatch relocations grows with their number:
//
//	node bench/convert.mjs [COUNT...]
//
// Makes modules with COUNT (default 50,000 and 100,000) relocations of each kind, and finishes them: plain undefined symbols,
// kpatch's .kpatch.relocations, objtool's __klp_relocs. Prints seconds for each and the growth from one count to the next:
// 2.0 is linear for the default counts. The results of the kinds are compared: same symbols, same relocations.
// Needs `npm run build`.
import { createHash } from "node:crypto";

const { ElfEdits, link, parseSymbols, readElf, writeElf } = await import(
  process.env.KLPLINK_LIB ?? new URL("../dist/lib/index.js", import.meta.url).href
);

const R_X86_64_64 = 1;
const counts = process.argv.slice(2).map(Number);
if (counts.length === 0) counts.push(50_000, 100_000);

/** The smallest relocatable x86_64 file: a null section, section names, symbols and their names. */
function emptyObject() {
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
const symbolName = (i) => `local_function_number_${i}`;
const data = (size) => ({ type: 1, flags: 3n, link: 0, info: 0, addralign: 8, entsize: 0, data: new Uint8Array(size) });

/** Relocations of a section, added to `edits`. */
function relocations(edits, target, name) {
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

function start(count) {
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

const undefinedSymbol = (edits, name, info) =>
  edits.addSymbol({ name, info, other: 0, home: reserved(0), value: 0n, size: 0 });

function plain(count) {
  const { edits, target } = start(count);
  const table = relocations(edits, target, ".rela.data.table");
  for (let i = 0; i < count; i++) {
    const symbol = undefinedSymbol(edits, symbolName(i), 0x10);
    edits.addRelocation(table, { offset: i * 8, symbol, type: R_X86_64_64, addend: 0n });
  }
  return writeElf(edits);
}

function kpatch(count) {
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

function objtool(count) {
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

/** A digest of all livepatch relocations of a file, whatever their order. */
function digest(bytes) {
  const file = readElf(bytes);
  const lines = [];
  for (const table of file.relocations) {
    const name = file.sections.name(table.section);
    if (!name.startsWith(".klp.rela.")) continue;
    for (let row = 0; row < table.count; row++) {
      lines.push(
        `${name} ${table.offset(row)} ${table.type(row)} ${file.symbols.name(table.symbol(row))} ${table.addend(row)}`,
      );
    }
  }
  return `${lines.length} ${createHash("sha256").update(lines.sort().join("\n")).digest("hex").slice(0, 12)}`;
}

const most = Math.max(...counts);
const map = ["ffffffff81000000 r __ksymtab_other"];
for (let i = 0; i < most; i++) map.push(`${(0xffffffff82000000n + BigInt(i * 16)).toString(16)} t ${symbolName(i)}`);
let began = performance.now();
const symbols = parseSymbols(Buffer.from(map.join("\n")), "System.map");
console.log(`${most} kernel symbols read: ${((performance.now() - began) / 1000).toFixed(2)} s`);

const results = new Map();
for (const [name, make] of Object.entries({ plain, kpatch, objtool })) {
  let before = null;
  for (const count of counts) {
    const input = make(count);
    began = performance.now();
    const result = link(input, { file: name, symbols });
    const seconds = (performance.now() - began) / 1000;
    if (result.output === null)
      throw new Error(`${name}: ${result.problems.length} problems, ${result.problems[0]?.code}`);
    const found = digest(result.output);
    if ((results.get(count) ?? found) !== found) throw new Error(`${name}: other relocations than before`);
    results.set(count, found);
    const growth = before === null ? "" : `, ${(seconds / before).toFixed(1)} times as long`;
    console.log(`${name}: ${count} relocations in ${seconds.toFixed(2)} s${growth}`);
    before = seconds;
  }
}
