// What a module exports, as the loader finds it: the tables __ksymtab and __ksymtab_gpl, and beside them checksums
// (__kcrctab…) and flags (__kflagstab). find_exported_symbol_in_section, kernel/module/main.c.

import { latin1, viewOf } from "../../base/bytes.ts";
import { SHN_ABS, SHN_LORESERVE, SHN_UNDEF } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { Export } from "../symbols/exports.ts";

const PREFIX = "__ksymtab_";
/** Flag of __kflagstab: only modules under a licence compatible with the GPL see the symbol (KSYM_FLAG_GPL_ONLY). */
const GPL_ONLY = 1;

interface Entry {
  readonly name: string;
  readonly namespace: string | null;
}

/** What a module exports, by name. @param owner the module's name */
export function readExports(file: ElfFile, owner: string): Map<string, Export> {
  const found = new Map<string, Export>();
  const { sections, symbols } = file;
  if (symbols === null) return found;
  /** Read when the table of exports does not tell one. */
  let namespaces: ReadonlyMap<string, string> | null = null;
  const namespaceOf = (name: string): string | null => {
    namespaces ??= namespacesOf(file, symbols);
    return namespaces.get(name) ?? null;
  };
  for (const [section, entries] of entriesOf(file, symbols)) {
    const table = section === 0 ? "" : sections.name(section);
    const crcOf = checksums(file, symbols, table.replace("__ksymtab", "__kcrctab"), entries.size);
    const flagTable = table === "__ksymtab" ? sections.findByName("__kflagstab") : null;
    const flags = flagTable === null ? null : sections.data(flagTable);
    // The tables have no holes: an entry's number is its place among them.
    const ascending = [...entries.keys()].sort((a, b) => a - b);
    for (const [index, offset] of ascending.entries()) {
      const entry = entries.get(offset);
      if (entry === undefined || found.has(entry.name)) continue;
      const flag = flags?.[index];
      const isGplTable = table === "" ? null : table.includes("_gpl");
      found.set(entry.name, {
        name: entry.name,
        owner,
        crc: crcOf(index),
        gplOnly: flag === undefined ? isGplTable : (flag & GPL_ONLY) !== 0,
        namespace: entry.namespace ?? namespaceOf(entry.name),
      });
    }
  }
  return found;
}

/**
 * Entries by section and offset: from the symbols that the build leaves at each, and from the tables themselves, which are all that
 * a stripped module has.
 */
function entriesOf(file: ElfFile, symbols: SymbolTable): Map<number, Map<number, Entry>> {
  const found = new Map<number, Map<number, Entry>>();
  const add = (section: number, offset: number, entry: Entry): void => {
    const of = found.get(section) ?? new Map<number, Entry>();
    found.set(section, of);
    if (!of.has(offset)) of.set(offset, entry);
  };
  for (const table of file.relocations) {
    if (!/^__ksymtab(?:_gpl)?$/.test(file.sections.name(table.target))) continue;
    for (const [offset, entry] of listed(file, symbols, table)) add(table.target, offset, entry);
  }
  for (const i of symbols.startingWith(PREFIX)) {
    const raw = symbols.rawShndx(i);
    if (raw === SHN_UNDEF || raw === SHN_ABS) continue;
    const section = symbols.sectionOf(i) ?? 0;
    const offset = symbols.offset(i);
    // Nearly always the table's relocations tell the same.
    if (found.get(section)?.has(offset) === true) continue;
    add(section, offset, { name: symbols.name(i).slice(PREFIX.length), namespace: null });
  }
  return found;
}

/**
 * struct kernel_symbol as relocations fill it: what is exported, its name, and from 5.4 on its namespace; each a pointer, or an
 * offset of 32 bits.
 */
function* listed(file: ElfFile, symbols: SymbolTable, table: RelocationTable): Generator<[number, Entry]> {
  const strings = file.sections.findByName("__ksymtab_strings");
  if (strings === null) return;
  const text = file.sections.data(strings);
  const texts = new Map<number, number>();
  const values: number[] = [];
  let width = 8;
  for (let row = 0; row < table.count; row++) {
    const symbol = table.symbol(row);
    const offset = table.offset(row);
    if (offset % 8 !== 0) width = 4;
    if (symbols.sectionOf(symbol) === strings) texts.set(offset, symbols.offset(symbol) + Number(table.addend(row)));
    else values.push(offset);
  }
  const stringAt = (offset: number): string | null => {
    const start = texts.get(offset) ?? -1;
    const end = start >= 0 && start < text.length ? text.indexOf(0, start) : -1;
    return end < 0 ? null : latin1(text, start, end);
  };
  for (const offset of values) {
    const name = stringAt(offset + width);
    if (name !== null && name !== "") yield [offset, { name, namespace: stringAt(offset + 2 * width) }];
  }
}

/** Reads a table of checksums; all are null if there is none. @param count number of entries in the table of symbols beside it */
function checksums(file: ElfFile, symbols: SymbolTable, name: string, count: number): (index: number) => number | null {
  const section = name.startsWith("__kcrctab") ? file.sections.findByName(name) : null;
  if (section === null || !file.sections.hasBytes(section)) return () => null;
  const data = file.sections.data(section);
  const view = viewOf(data);
  // Words of 32 bits; `unsigned long` before 4.11.
  const size = data.length >= count * 8 ? 8 : 4;
  const rows = new Map<number, { readonly table: RelocationTable; readonly row: number }>();
  for (const table of file.relocations) {
    if (table.target !== section) continue;
    for (let row = 0; row < table.count; row++) rows.set(table.offset(row), { table, row });
  }
  return (index) => {
    const at = index * size;
    if (at + 4 > data.length) return null;
    const filled = rows.get(at);
    if (filled === undefined) return view.getUint32(at, file.littleEndian);
    return checksumOf(file, symbols, filled.table, filled.row);
  };
}

/** Before 5.19 a checksum is the value of an absolute symbol, or stands where the entry points (CONFIG_MODULE_REL_CRCS). */
function checksumOf(file: ElfFile, symbols: SymbolTable, table: RelocationTable, row: number): number | null {
  const symbol = table.symbol(row);
  if (symbols.rawShndx(symbol) === SHN_ABS)
    return Number(BigInt.asUintN(32, symbols.value(symbol) + table.addend(row)));
  const section = symbols.sectionOf(symbol);
  if (section === null || symbols.rawShndx(symbol) >= SHN_LORESERVE || !file.sections.hasBytes(section)) return null;
  const data = file.sections.data(section);
  const at = symbols.offset(symbol) + Number(table.addend(row));
  return at >= 0 && at + 4 <= data.length ? viewOf(data).getUint32(at, file.littleEndian) : null;
}

/** Namespace of each export, from the string that its `__kstrtabns_NAME` names. */
function namespacesOf(file: ElfFile, symbols: SymbolTable): Map<string, string> {
  const found = new Map<string, string>();
  for (const i of symbols.startingWith("__kstrtabns_")) {
    const section = symbols.sectionOf(i);
    if (section === null) continue;
    const data = file.sections.data(section);
    const start = symbols.offset(i);
    const end = start < data.length ? data.indexOf(0, start) : -1;
    if (end >= 0) found.set(symbols.name(i).slice("__kstrtabns_".length), latin1(data, start, end));
  }
  return found;
}
