// Reads and writes every module and object below some folders and compares what comes out:
//
//	node bench/roundtrip.mjs DIR...
//
// 1. Without an edit, the output is the input, byte for byte.
// 2. With edits that move every part of the file (a section grows and one vanishes, symbols and a relocation section
//    appear, a global symbol becomes local), everything that was not edited still says the same: contents of
//    sections, symbols, relocations, groups, whatever their numbers are now.
//
// Takes .o, .ko, .ko.gz, .ko.xz and .ko.zst (the last two through the xz and zstd programs). Files that are no
// relocatable ELF64 files are counted as refused. Exit status 1 on any difference or error. Needs `npm run build`.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

const { ElfEdits, ElfError, readElf, writeElf } = await import(
  process.env.KLPLINK_LIB ?? new URL("../dist/lib/index.js", import.meta.url).href
);

const SHT = {
  PROGBITS: 1,
  SYMTAB: 2,
  STRTAB: 3,
  RELA: 4,
  NOBITS: 8,
  REL: 9,
  GROUP: 17,
  SYMTAB_SHNDX: 18,
  ADDRSIG: 0x6fff4c03,
};
const SHN_LIVEPATCH = 0xff20;
/** A 64-bit absolute relocation, by e_machine (ppc64, x86_64, arm64). */
const ABSOLUTE = { 21: 38, 62: 1, 183: 257 };
const GROWTH = new Uint8Array(12).fill(0x60);
const ADDED = { local: "roundtrip_local", global: "roundtrip_global", section: ".klp.rela.vmlinux.roundtrip" };

class Difference extends Error {}

function same(what, before, after) {
  if (before !== after) throw new Difference(`${what}: ${before} became ${after}`);
}
function sameBytes(what, before, after) {
  same(`${what}: size`, before.length, after.length);
  if (Buffer.compare(before, after) !== 0) throw new Difference(`${what}: contents differ`);
}

/** A section that nothing refers to, so that it can be removed alone; null if there is none. */
function findRemovable(file, untouchable) {
  const { sections } = file;
  const used = new Set([0, untouchable, file.header.sectionNameIndex]);
  for (const [index, table] of file.symbolTables) {
    used.add(index);
    for (let i = 0; i < table.count; i++) used.add(table.sectionOf(i) ?? 0);
  }
  for (const table of file.relocations) used.add(table.section).add(table.target);
  for (const group of file.groups) for (const member of group.members) used.add(member);
  for (let i = 1; i < sections.count; i++) used.add(sections.link(i)).add(sections.info(i));
  for (let i = 1; i < sections.count; i++) if (sections.type(i) === SHT.PROGBITS && !used.has(i)) return i;
  return null;
}

/** The edits; what they touch is returned with them. */
function edit(file) {
  const { sections, symbols } = file;
  const edits = new ElfEdits(file);
  let grown = null;
  for (let i = 1; i < sections.count && grown === null; i++) {
    if (sections.type(i) === SHT.PROGBITS && sections.size(i) > 0) grown = i;
  }
  if (grown !== null) edits.append(grown, GROWTH, 4);
  const removed = grown === null ? null : findRemovable(file, grown);
  if (removed !== null) edits.removeSection(removed);
  let converted = null;
  if (symbols !== null) {
    const home = { kind: "reserved", index: SHN_LIVEPATCH };
    for (let i = symbols.count - 1; i > 0 && converted === null; i--) {
      if (symbols.isUndefined(i) && symbols.bind(i) === 1) converted = i;
    }
    if (converted !== null)
      edits.setSymbol(converted, { name: `.klp.sym.vmlinux.${symbols.name(converted)},0`, info: 0, home });
    const local = edits.addSymbol({ name: ADDED.local, info: 0, other: 0, home, value: 0n, size: 0 });
    edits.addSymbol({
      name: ADDED.global,
      info: 0x10,
      other: 0,
      home: { kind: "reserved", index: 0 },
      value: 0n,
      size: 0,
    });
    if (grown !== null) {
      const section = edits.addSection({
        name: ADDED.section,
        type: SHT.RELA,
        flags: 0x100042n,
        link: symbols.section,
        info: grown,
        addralign: 8,
        entsize: 24,
        data: new Uint8Array(0),
      });
      edits.addRelocation(section, { offset: 8, symbol: local, type: ABSOLUTE[file.header.machine] ?? 1, addend: -1n });
    }
  }
  return { edits, grown, removed, converted };
}

/** Index in the old file -> index in the new one. -1: removed. Checks that the order is kept and locals come first. */
function mapSymbols(before, after, toSection, converted) {
  const old = before.symbols;
  const now = after.symbols;
  const map = new Int32Array(old.count).fill(-1);
  const firstGlobal = after.sections.info(now.section);
  const kept = [[], []];
  for (let i = 0; i < now.count; i++) {
    same(`symbol ${i} is local`, i === 0 || now.bind(i) === 0, i < firstGlobal);
    const name = now.name(i);
    if (name === ADDED.local) same(`${name}: index`, SHN_LIVEPATCH, now.rawShndx(i));
    else if (name === ADDED.global) same(`${name}: index`, 0, now.rawShndx(i));
    else if (converted !== null && name === `.klp.sym.vmlinux.${old.name(converted)},0`) {
      same(`${name}: index`, SHN_LIVEPATCH, now.rawShndx(i));
      map[converted] = i;
    } else kept[i < firstGlobal ? 0 : 1].push(i);
  }
  const oldFirstGlobal = before.sections.info(old.section);
  const next = [0, 0];
  for (let i = 0; i < old.count; i++) {
    if (i === converted) continue;
    const half = i < oldFirstGlobal ? 0 : 1;
    const j = kept[half][next[half]++];
    if (j === undefined) throw new Difference(`symbol ${i} is lost`);
    map[i] = j;
    same(`symbol ${i}: name`, old.name(i), now.name(j));
    same(`symbol ${i}: info`, old.info(i), now.info(j));
    same(`symbol ${i}: other`, old.other(i), now.other(j));
    same(`symbol ${i}: value`, old.value(i), now.value(j));
    same(`symbol ${i}: size`, old.size(i), now.size(j));
    const home = old.sectionOf(i);
    if (home === null) same(`symbol ${i}: index`, old.rawShndx(i), now.rawShndx(j));
    else same(`symbol ${i}: section`, toSection[home], now.sectionOf(j));
  }
  same("number of symbols", next[0] + next[1], kept[0].length + kept[1].length);
  if (converted !== null && map[converted] < 0) throw new Difference(`symbol ${converted}, made local, is lost`);
  return map;
}

function uleb128s(bytes) {
  const out = [];
  let value = 0;
  let shift = 1;
  for (const byte of bytes) {
    value += (byte & 0x7f) * shift;
    shift *= 128;
    if (byte < 0x80) {
      out.push(value);
      value = 0;
      shift = 1;
    }
  }
  return out;
}

function compareSections(before, after, { grown, removed }, toSection, toSymbol) {
  const old = before.sections;
  const now = after.sections;
  for (let i = 1; i < old.count; i++) {
    const j = toSection[i];
    if (i === removed) continue;
    const what = `section ${i} (${old.name(i)})`;
    const type = old.type(i);
    for (const field of ["name", "type", "flags", "addr", "addralign", "entsize"])
      same(`${what}: ${field}`, old[field](i), now[field](j));
    same(`${what}: link`, toSection[old.link(i)], now.link(j));
    if (type === SHT.RELA || type === SHT.REL || (old.flags(i) & 0x40n) !== 0n)
      same(`${what}: info`, toSection[old.info(i)], now.info(j));
    else if (type === SHT.GROUP) same(`${what}: signature`, toSymbol[old.info(i)], now.info(j));
    else if (type !== SHT.SYMTAB) same(`${what}: info`, old.info(i), now.info(j));
    if (now.addralign(j) > 1 && now.hasBytes(j) && now.size(j) > 0) {
      // Some compilers' objects are not aligned in the file to begin with.
      if (old.offset(i) % old.addralign(i) === 0)
        same(`${what}: offset modulo alignment`, 0, now.offset(j) % now.addralign(j));
    }
    if (type === SHT.NOBITS) same(`${what}: size`, old.size(i), now.size(j));
    else if (i === grown) {
      const start = old.size(i) + ((4 - (old.size(i) % 4)) % 4);
      sameBytes(what, old.data(i), now.data(j).subarray(0, old.size(i)));
      sameBytes(`${what}: growth`, GROWTH, now.data(j).subarray(start));
    } else if (type === SHT.STRTAB) sameBytes(what, old.data(i), now.data(j).subarray(0, old.size(i)));
    else if (type === SHT.ADDRSIG && toSymbol !== null) {
      same(
        what,
        uleb128s(old.data(i))
          .map((s) => toSymbol[s])
          .join(),
        uleb128s(now.data(j)).join(),
      );
    } else if (![SHT.SYMTAB, SHT.RELA, SHT.REL, SHT.GROUP, SHT.SYMTAB_SHNDX].includes(type))
      sameBytes(what, old.data(i), now.data(j));
  }
}

function compareRelocations(before, after, toSection, toSymbol, grown) {
  const now = new Map(after.relocations.map((table) => [table.section, table]));
  for (const table of before.relocations) {
    const other = now.get(toSection[table.section]);
    if (other === undefined) throw new Difference(`relocation section ${table.section} is lost`);
    now.delete(other.section);
    same(`relocation section ${table.section}: rows`, table.count, other.count);
    for (let r = 0; r < table.count; r++) {
      const what = `relocation ${r} of section ${table.section}`;
      same(`${what}: offset`, table.offset(r), other.offset(r));
      same(`${what}: type`, table.type(r), other.type(r));
      same(`${what}: addend`, table.addend(r), other.addend(r));
      same(`${what}: symbol`, toSymbol === null ? table.symbol(r) : toSymbol[table.symbol(r)], other.symbol(r));
    }
  }
  same("number of added relocation sections", before.symbols !== null && grown !== null ? 1 : 0, now.size);
  for (const table of now.values()) {
    same("added relocation: symbol", ADDED.local, after.symbols.name(table.symbol(0)));
    same(
      "added relocation",
      `8 ${ABSOLUTE[before.header.machine] ?? 1} -1`,
      `${table.offset(0)} ${table.type(0)} ${table.addend(0)}`,
    );
    same("added relocation: target", toSection[grown], table.target);
  }
}

function compareGroups(before, after, toSection) {
  same("number of groups", before.groups.length, after.groups.length);
  for (const [k, group] of before.groups.entries()) {
    const other = after.groups[k];
    same(`group ${k}: section`, toSection[group.section], other.section);
    same(`group ${k}: flags`, group.flags, other.flags);
    same(`group ${k}: members`, group.members.map((m) => toSection[m]).join(), other.members.join());
  }
}

/** No two parts of the file lie over each other, unless they did so in `before`. */
function checkOverlap(before, after) {
  const overlaps = ({ sections, header }) => {
    const parts = [[header.sectionHeaderOffset, sections.count * 64]];
    for (let i = 1; i < sections.count; i++)
      if (sections.hasBytes(i) && sections.size(i) > 0) parts.push([sections.offset(i), sections.size(i)]);
    parts.sort((a, b) => a[0] - b[0]);
    let end = 64;
    return parts.some(([start, size]) => {
      const over = start < end;
      end = start + size;
      return over;
    });
  };
  if (overlaps(after) && !overlaps(before)) throw new Difference("parts of the output overlap");
}

function compareEdited(before, after, changes) {
  for (let at = 0; at < 64; at++) {
    // e_shoff, e_shnum and e_shstrndx may change.
    if ((at < 40 || at >= 48) && at < 60) same(`header byte ${at}`, before.bytes[at], after.bytes[at]);
  }
  const toSection = Array.from({ length: before.sections.count }, (_, i) =>
    changes.removed === null || i < changes.removed ? i : i === changes.removed ? -1 : i - 1,
  );
  const added = before.symbols !== null && changes.grown !== null ? 1 : 0;
  same("number of sections", before.sections.count - (changes.removed === null ? 0 : 1) + added, after.sections.count);
  same("section name table", toSection[before.header.sectionNameIndex], after.header.sectionNameIndex);
  const toSymbol = before.symbols === null ? null : mapSymbols(before, after, toSection, changes.converted);
  compareSections(before, after, changes, toSection, toSymbol);
  compareRelocations(before, after, toSection, toSymbol, changes.grown);
  compareGroups(before, after, toSection);
  checkOverlap(before, after);
}

function roundTrip(bytes, count) {
  const file = readElf(bytes);
  count.files++;
  count.bytes += bytes.length;
  count.sections += file.sections.count;
  for (const table of file.symbolTables.values()) count.symbols += table.count;
  for (const table of file.relocations) count.relocations += table.count;
  sameBytes("written without an edit", bytes, writeElf(new ElfEdits(file)));
  const changes = edit(file);
  if (changes.edits.isEmpty) return;
  const original = Buffer.from(bytes);
  const written = writeElf(changes.edits);
  sameBytes("the input, after writing an edit", original, bytes);
  compareEdited(file, readElf(written), changes);
  sameBytes("written a second time", written, writeElf(edit(file).edits));
  count.edited++;
  if (changes.removed !== null) count.shrunk++;
}

/** Standard output of a program. */
function run(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    const parts = [];
    child.stdout.on("data", (part) => parts.push(part));
    child.on("error", reject);
    child.on("close", (status) =>
      status === 0 ? resolve(Buffer.concat(parts)) : reject(new Error(`${program}: exit status ${status}`)),
    );
  });
}

async function load(path) {
  if (path.endsWith(".xz")) return run("xz", ["-dc", path]);
  if (path.endsWith(".zst")) return run("zstd", ["-qdc", path]);
  return path.endsWith(".gz") ? gunzipSync(readFileSync(path)) : readFileSync(path);
}

function find(folder) {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return find(path);
    return entry.isFile() && /\.(o|ko)(\.(gz|xz|zst))?$/.test(entry.name) ? [path] : [];
  });
}

const folders = process.argv.slice(2);
if (folders.length === 0) {
  console.error("usage: node bench/roundtrip.mjs DIR...");
  process.exit(2);
}
let bad = 0;
for (const folder of folders) {
  const paths = find(folder);
  const count = {
    files: 0,
    bytes: 0,
    sections: 0,
    symbols: 0,
    relocations: 0,
    edited: 0,
    shrunk: 0,
    refused: 0,
    differences: 0,
    errors: 0,
  };
  // Unpacking runs ahead in processes of its own.
  const ahead = [];
  for (let k = 0; k < paths.length; k++) {
    while (ahead.length < 4 && k + ahead.length < paths.length) {
      const loading = load(paths[k + ahead.length]);
      loading.catch(() => {});
      ahead.push(loading);
    }
    try {
      roundTrip(await ahead.shift(), count);
    } catch (error) {
      if (error instanceof ElfError && (error.kind === "unsupported" || error.kind === "not-elf")) {
        count.refused++;
        console.error(`${paths[k]}: refused: ${error.message}`);
        continue;
      }
      if (error instanceof Difference) count.differences++;
      else count.errors++;
      console.error(
        `${paths[k]}: ${error instanceof Difference ? "difference: " : ""}${error instanceof Difference ? error.message : error.stack}`,
      );
    }
  }
  bad += count.differences + count.errors + (paths.length === 0 ? 1 : 0);
  console.log(
    `${folder}: ${Object.entries(count)
      .map(([what, n]) => `${n} ${what}`)
      .join(", ")}`,
  );
}
process.exit(bad === 0 ? 0 : 1);
