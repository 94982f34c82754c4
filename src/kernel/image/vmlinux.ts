// What vmlinux as an ELF file tells: symbols as kallsyms will have them, exports, release, places that ftrace can patch.

import { type Addr, addr } from "../../base/brand.ts";
import { viewOf } from "../../base/bytes.ts";
import { hasCode } from "../../elf/codeless.ts";
import {
  SHF_EXECINSTR,
  SHF_WRITE,
  SHN_ABS,
  SHN_UNDEF,
  SHT_NOBITS,
  SHT_RELA,
  STB_LOCAL,
  STB_WEAK,
  STT_FILE,
  STT_FUNC,
  STT_OBJECT,
  STT_SECTION,
} from "../../elf/consts.ts";
import { type ElfExecutable, readExecutable } from "../../elf/executable.ts";
import { RelocationTable } from "../../elf/views/relas.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { findConfig } from "../config.ts";
import { findKernelMachine, type KernelMachine } from "../machines.ts";
import type { Export } from "../symbols/exports.ts";
import { isLeftOutOfKallsyms } from "../symbols/kallsymsFilter.ts";
import { fileKey, type SourceFiles } from "../symbols/placedSymbols.ts";
import { SymbolColumns } from "../symbols/symbolColumns.ts";
import { SymbolList } from "../symbols/symbolList.ts";
import type { FtraceRecords } from "./ftraceLookup.ts";
import { readLinkedIds } from "./linkedIds.ts";
import { livepatchStackOf } from "./livepatchStack.ts";
import { readFtraceSites } from "./mcountLoc.ts";
import { ImageMemory } from "./memory.ts";
import { readSealed } from "./sealed.ts";
import { findRelease, findVermagic, stringSections } from "./strings.ts";
import { rangesOf, readStripped } from "./stripped.ts";
import type { Vmlinux } from "./vmlinuxFacts.ts";

export type { Vmlinux };

/** @throws ElfError if the file cannot be read, or has neither a symbol table nor kallsyms. */
export const readVmlinux = (bytes: Uint8Array, source: string): Vmlinux => vmlinuxOf(readExecutable(bytes), source);

/** As {@link readVmlinux}, of a file that is read already. @throws ElfError */
export function vmlinuxOf(file: ElfExecutable, source: string): Vmlinux {
  // The vmlinux of a linux-headers package has types alone, and symbols of nothing but those.
  if (file.symbols === null || !hasCode(file.sections)) return readStripped(file, source);
  const { list, marks } = readSymbols(file, file.symbols, source);
  const memory = ImageMemory.of(file);
  const release = findRelease(stringSections(file));
  const ftraceSites = readFtraceSites(
    file,
    memory,
    (name) => marks.bounds.get(name),
    (start, stop, sites) => fillFromRelocations(file, start, stop, sites),
  );
  const row = findKernelMachine(file.machine);
  const { symbols } = file;
  return {
    list,
    exports: readExports(file, memory, marks),
    release,
    vermagic: release === null ? null : findVermagic(stringSections(file), release),
    ftraceSites,
    ftraceRecords:
      ftraceSites === null || row === null ? null : readFtraceRecords(file, file.symbols, row, ftraceSites, marks),
    sealed: readSealed(memory, rangesOf(file), file.littleEndian),
    machine: file.machine,
    livepatchStack: row?.hasLivepatchStack === true ? livepatchStackOf(list, memory, file.littleEndian) : null,
    btf: findBtf(file),
    config: findConfig(stringSections(file)),
    debug: [".debug_info", ".zdebug_info"].some((name) => file.sections.findByName(name) !== null) ? file : null,
    sourceFiles: () => readSourceFiles(symbols),
    sizeOf: sizesOf(symbols),
    linkedIds: () => readLinkedIds(file.sections, symbols, file.littleEndian),
  };
}

/** Locals stand behind the STT_FILE symbol of their source (ELF gABI, symbol table). */
function readSourceFiles(symbols: SymbolTable): SourceFiles | null {
  const names: string[] = [];
  const of = new Map<string, number>();
  for (let i = 1; i < symbols.count; i++) {
    if (symbols.bind(i) !== STB_LOCAL) continue;
    const type = symbols.type(i);
    if (type === STT_FILE) names.push(symbols.name(i));
    else if (type !== STT_SECTION && names.length > 0 && symbols.rawShndx(i) !== SHN_UNDEF)
      of.set(fileKey(symbols.name(i), symbols.value(i)), names.length - 1);
  }
  return names.length === 0 ? null : { names, of };
}

/** Bytes of functions, found when the first is asked for. */
function sizesOf(symbols: SymbolTable): (name: string, address: bigint) => number | null {
  let known: Map<string, number> | null = null;
  return (name, address) => {
    if (known === null) {
      known = new Map();
      for (let i = 1; i < symbols.count; i++) {
        const size = symbols.type(i) === STT_FUNC && !symbols.isUndefined(i) ? symbols.size(i) : 0;
        if (size > 0) known.set(fileKey(symbols.name(i), symbols.value(i)), size);
      }
    }
    return known.get(fileKey(name, address)) ?? null;
  };
}

function findBtf({ sections }: ElfExecutable): Uint8Array | null {
  const section = sections.findByName(".BTF");
  return section === null || !sections.hasBytes(section) ? null : sections.data(section);
}

interface Marks {
  /** `__ksymtab_NAME` by NAME. */
  readonly exports: ReadonlyMap<string, Addr>;
  /** Address of the namespace of an export, `__kstrtabns_NAME` by NAME. */
  readonly namespaces: ReadonlyMap<string, Addr>;
  /** `__start_…` and `__stop_…` symbols, `__init_begin` and `__init_end`. */
  readonly bounds: ReadonlyMap<string, Addr>;
}

function readSymbols(file: ElfExecutable, symbols: SymbolTable, source: string): { list: SymbolList; marks: Marks } {
  const vmlinux = new SymbolColumns();
  const exports = new Map<string, Addr>();
  const namespaces = new Map<string, Addr>();
  const bounds = new Map<string, Addr>();
  const letters = sectionLetters(file);
  for (let i = 1; i < symbols.count; i++) {
    const type = symbols.type(i);
    const raw = symbols.rawShndx(i);
    if (type === STT_SECTION || type === STT_FILE || raw === SHN_UNDEF) continue;
    const name = symbols.name(i);
    if (name === "") continue;
    const address = symbols.value(i);
    if (name.startsWith("__ksymtab_")) exports.set(name.slice(10), address);
    else if (name.startsWith("__kstrtabns_")) namespaces.set(name.slice(12), address);
    else if (name.startsWith("__start_") || name.startsWith("__stop_") || name.startsWith("__init_"))
      bounds.set(name, address);
    // Absolute symbols are dropped by kallsyms, whatever their binding.
    if (raw === SHN_ABS) continue;
    const lower = letters[symbols.sectionOf(i) ?? 0] ?? "?";
    const bind = symbols.bind(i);
    const letter =
      bind === STB_LOCAL ? lower : bind === STB_WEAK ? (type === STT_OBJECT ? "V" : "W") : lower.toUpperCase();
    if (isLeftOutOfKallsyms(name, letter)) continue;
    vmlinux.add(name, letter.charCodeAt(0), Number(address >> 32n), Number(address & 0xffff_ffffn));
  }
  return { list: new SymbolList(source, "vmlinux", vmlinux, new Map()), marks: { exports, namespaces, bounds } };
}

/** The letter that nm would print for a local symbol of each section. */
function sectionLetters({ sections }: ElfExecutable): string[] {
  return Array.from({ length: sections.count }, (_, i) => {
    if (sections.hasFlags(i, SHF_EXECINSTR)) return "t";
    if (sections.type(i) === SHT_NOBITS) return "b";
    return sections.hasFlags(i, SHF_WRITE) ? "d" : "r";
  });
}

/** Size of struct kernel_symbol: three pointers, or three 32-bit offsets (HAVE_ARCH_PREL32_RELOCATIONS). */
const entrySize = (machine: number): number => (findKernelMachine(machine)?.relativeExports === false ? 24 : 12);

function readExports(file: ElfExecutable, memory: ImageMemory, marks: Marks): Map<string, Export> {
  const { bounds } = marks;
  const start = bounds.get("__start___ksymtab");
  const gplStart = bounds.get("__start___ksymtab_gpl");
  const gplStop = bounds.get("__stop___ksymtab_gpl");
  const flags = bounds.get("__start___kflagstab");
  const size = BigInt(entrySize(file.machine));
  const table = (name: string): bigint | null => {
    const from = bounds.get(`__start_${name}`);
    const to = bounds.get(`__stop_${name}`);
    return from === undefined || (to !== undefined && to === from) ? null : from;
  };
  const crcs = table("__kcrctab");
  const gplCrcs = table("__kcrctab_gpl");
  // Without CONFIG_MODVERSIONS the tables are empty, and one begins where the other does.
  const hasCrcs = bounds.get("__start___kcrctab") !== bounds.get("__start___kcrctab_gpl") || flags !== undefined;
  const u32 = (address: bigint): number | null => {
    const found = memory.at(address);
    return found === null || found.bytes.length < 4 ? null : viewOf(found.bytes).getUint32(0, file.littleEndian);
  };
  const found = new Map<string, Export>();
  for (const [name, entry] of marks.exports) {
    const isGplTable = gplStart !== undefined && gplStop !== undefined && entry >= gplStart && entry < gplStop;
    const base = isGplTable ? gplStart : start;
    const index = base === undefined ? null : (entry - base) / size;
    const crcBase = isGplTable ? gplCrcs : crcs;
    let gplOnly: boolean | null = gplStart === undefined ? null : isGplTable;
    if (flags !== undefined && index !== null) {
      const flag = memory.at(flags + index)?.bytes[0];
      gplOnly = flag === undefined ? null : (flag & 1) !== 0;
    }
    const namespaceAt = marks.namespaces.get(name);
    const crc = hasCrcs && crcBase !== null && index !== null ? u32(crcBase + index * 4n) : null;
    found.set(name, {
      name,
      owner: "vmlinux",
      crc,
      gplOnly,
      namespace: namespaceAt === undefined ? null : memory.string(namespaceAt),
    });
  }
  return found;
}

/** Records with those that belong to no function: behind the end of the nearest function symbol before them. */
function readFtraceRecords(
  { sections }: ElfExecutable,
  symbols: SymbolTable,
  machine: KernelMachine,
  sites: BigUint64Array,
  { bounds }: Marks,
): FtraceRecords {
  const starts: bigint[] = [];
  const ends = new Map<bigint, bigint>();
  for (let i = 1; i < symbols.count; i++) {
    const section = symbols.sectionOf(i);
    if (symbols.type(i) !== STT_FUNC || section === null || !sections.hasFlags(section, SHF_EXECINSTR)) continue;
    const start = symbols.value(i);
    const end = start + BigInt(symbols.size(i));
    const known = ends.get(start);
    if (known === undefined) starts.push(start);
    if (known === undefined || end > known) ends.set(start, end);
  }
  const ascending = BigUint64Array.from(starts).sort();
  const orphans: bigint[] = [];
  let k = -1;
  for (const site of sites) {
    while (k + 1 < ascending.length && (ascending[k + 1] ?? 0n) <= site) k++;
    if (k < 0) continue;
    const start = ascending[k] ?? 0n;
    const end = ends.get(start) ?? 0n;
    // A function of unknown size reaches as far as it likes.
    if (end > start && site >= end) orphans.push(site);
  }
  const start = bounds.get("__init_begin");
  const end = bounds.get("__init_end");
  const init = start === undefined || end === undefined ? null : { start, end };
  return { sites, orphans: BigUint64Array.from(orphans), init, machine };
}

function fillFromRelocations(file: ElfExecutable, start: bigint, stop: bigint, sites: BigUint64Array): void {
  const { sections } = file;
  for (let i = 1; i < sections.count; i++) {
    if (sections.type(i) !== SHT_RELA) continue;
    const table = new RelocationTable(i, 0, true, sections.data(i), file.littleEndian);
    const view = viewOf(sections.data(i));
    for (let row = 0; row < table.count; row++) {
      const place = view.getBigUint64(row * table.rowSize, file.littleEndian);
      if (place >= start && place < stop) sites[Number((place - start) / 8n)] = addr(table.addend(row));
    }
  }
}
