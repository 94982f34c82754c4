// Where the loader puts a module's sections: layout_sections, layout_symtab and module_memory_alloc in
// kernel/module/{main,kallsyms}.c. Since 6.4 each kind of memory is an allocation of its own; before, there were two
// (core and init), with the kinds one after another and page borders between what gets different protections.

import { alignUp } from "../../base/bytes.ts";
import {
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_WRITE,
  SHN_LORESERVE,
  SHN_UNDEF,
  SHT_NOBITS,
  SHT_SYMTAB,
} from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import { SYMBOL_WORDS, type SymbolTable } from "../../elf/views/symbols.ts";
import type { KernelVersion } from "../version.ts";
import { hasFact } from "../versionFacts.ts";

/** Kinds of module memory, in the kernel's order. Before 6.4 only text and init.text have a base of their own. */
export const REGIONS = ["text", "data", "rodata", "ro_after_init", "init.text", "init.data", "init.rodata"] as const;
export type Region = (typeof REGIONS)[number];

/** A section header as it is when sections are laid out. */
export interface LoadedSection {
  readonly name: string;
  /** sh_flags, low 32 bits, with the loader's own changes. */
  readonly flags: number;
  /** Bytes. */
  readonly size: number;
  /** Bytes; 0 and 1 mean none. */
  readonly alignment: number;
  /** No bytes in the file: zero in memory. */
  readonly nobits: boolean;
}

export interface RegionPlace {
  readonly region: Region;
  /** Bytes from the region's base. */
  readonly offset: number;
}

export interface Layout {
  /** By section index; null for a section that is not loaded. */
  readonly places: readonly (RegionPlace | null)[];
  /** Bytes of each region that is not empty, before rounding up to pages. */
  readonly sizes: ReadonlyMap<Region, number>;
}

export interface LayoutOptions {
  /** Whether each kind of memory has a base of its own (6.4 and later). */
  readonly separate: boolean;
  /** Bytes; borders before 6.4, and the rounding of sizes. */
  readonly pageSize: number;
  readonly isInit: (name: string) => boolean;
  /** Section indices of the symbol table and its names, and the module's livepatch mark (it keeps every symbol). */
  readonly symtab: number;
  readonly strtab: number;
  readonly symbols: SymbolTable;
  readonly isLivepatch: boolean;
}

export const SHF_RO_AFTER_INIT = 0x0020_0000;
export const PERCPU_SECTION = ".data..percpu";
/** Allocated sections by their flags that the loader reads in place and does not load. */
const NOT_LOADED = new Set([".modinfo", "__versions", "__version_ext_crcs", "__version_ext_names"]);
/** sizeof(struct mod_kallsyms) and its alignment. */
const KALLSYMS_SIZE = 32;
const KALLSYMS_ALIGNMENT = 8;

const PASSES: readonly {
  readonly needs: number;
  readonly without: number;
  readonly core: Region;
  readonly init: Region | null;
}[] = [
  { needs: SHF_EXECINSTR | SHF_ALLOC, without: 0, core: "text", init: "init.text" },
  { needs: SHF_ALLOC, without: SHF_WRITE, core: "rodata", init: "init.rodata" },
  { needs: SHF_RO_AFTER_INIT | SHF_ALLOC, without: 0, core: "ro_after_init", init: null },
  { needs: SHF_WRITE | SHF_ALLOC, without: 0, core: "data", init: "init.data" },
];

/** Whether a section that is allocated by its flags stays out of memory all the same. */
export function staysOut(name: string): boolean {
  return NOT_LOADED.has(name) || name === PERCPU_SECTION;
}

/**
 * Whether the relocations of a section are applied while the module loads: apply_relocations. Of what is not in the module's
 * memory, only the per-CPU template, since 6.13.
 * @param isAllocated SHF_ALLOC in the section's own flags
 */
export function isRelocated(name: string, isAllocated: boolean, version: KernelVersion | null): boolean {
  if (name === PERCPU_SECTION) return hasFact(version, "percpuRelocated");
  return isAllocated && !staysOut(name);
}

/** Lays sections out (index 0 is the null section). */
export function layOut(sections: readonly LoadedSection[], options: LayoutOptions): Layout {
  const { separate, pageSize } = options;
  const places: (RegionPlace | null)[] = sections.map(() => null);
  const sizes = new Map<Region, number>();
  /** Before 6.4 all kinds share the counter of their half. */
  const counter = (region: Region): Region => (separate ? region : region.startsWith("init.") ? "init.text" : "text");
  const append = (region: Region, size: number, alignment: number): number => {
    const key = counter(region);
    const offset = alignUp(sizes.get(key) ?? 0, alignment);
    sizes.set(key, offset + size);
    return offset;
  };
  const put = (i: number, region: Region): void => {
    const section = sections[i];
    if (section === undefined) return;
    const offset = append(region, section.size, section.alignment);
    places[i] = { region: counter(region), offset };
  };
  const border = (region: Region): void => {
    if (separate) return;
    const key = counter(region);
    const size = sizes.get(key);
    if (size !== undefined) sizes.set(key, alignUp(size, pageSize));
  };
  for (const init of [false, true]) {
    for (const pass of PASSES) {
      const region = init ? pass.init : pass.core;
      for (const [i, section] of sections.entries()) {
        if (region === null || i === 0 || places[i] !== null) continue;
        if ((section.flags & pass.needs) !== pass.needs || (section.flags & pass.without) !== 0) continue;
        if (options.isInit(section.name) !== init) continue;
        put(i, region);
      }
      border(region ?? "init.text");
    }
  }
  // layout_symtab: the whole table goes into init memory, a copy of the symbols to keep into core data.
  put(options.symtab, "init.data");
  const { count, nameBytes } = coreSymbols(sections, places, options);
  append("data", count * 24, sections[options.symtab]?.alignment ?? 8);
  append("data", nameBytes + count, 1);
  border("data");
  put(options.strtab, "init.data");
  append("init.data", KALLSYMS_SIZE, KALLSYMS_ALIGNMENT);
  append("init.data", options.symbols.count, 1);
  border("init.data");
  return { places, sizes };
}

/** Symbols that stay after init, and the bytes of their names (is_core_symbol; with CONFIG_KALLSYMS_ALL). */
function coreSymbols(
  sections: readonly LoadedSection[],
  places: readonly (RegionPlace | null)[],
  { symbols, isLivepatch, isInit }: LayoutOptions,
): { count: number; nameBytes: number } {
  const isKept = Uint8Array.from(sections, ({ name }, i) =>
    name === PERCPU_SECTION || (places[i] !== null && !isInit(name)) ? 1 : 0,
  );
  const words = symbols.words();
  let count = 0;
  let nameBytes = 0;
  for (let i = 0, at = 0; i < symbols.count; i++, at += SYMBOL_WORDS.count) {
    const nameAt = words[at + SYMBOL_WORDS.name] ?? 0;
    // The null symbol is always kept.
    if (i !== 0 && !isLivepatch) {
      const raw = (words[at + SYMBOL_WORDS.mixed] ?? 0) >>> 16;
      const section = raw < SHN_LORESERVE ? raw : (symbols.sectionOf(i) ?? SHN_UNDEF);
      if (nameAt === 0 || section === SHN_UNDEF || isKept[section] !== 1) continue;
    }
    count++;
    nameBytes += symbols.names.lengthAt(nameAt) + 1;
  }
  return { count, nameBytes };
}

/** Section headers as layout_sections meets them. @param change what the architecture's loader changes first */
export function loadedSections(
  file: ElfFile,
  change: (section: number) => { size?: number; alignment?: number; nobits?: boolean; flags?: number } | undefined,
  hasStaticCallSites: boolean,
): LoadedSection[] {
  const { sections } = file;
  return Array.from({ length: sections.count }, (_, i) => {
    const name = sections.name(i);
    const changed = change(i) ?? {};
    let flags = changed.flags ?? Number(sections.flags(i) & 0xffff_ffffn);
    if (staysOut(name)) flags &= ~SHF_ALLOC;
    if (name === ".data..ro_after_init" || name === "__jump_table") flags |= SHF_RO_AFTER_INIT;
    if (name === ".static_call_sites" && hasStaticCallSites) flags |= SHF_RO_AFTER_INIT;
    return {
      name,
      flags,
      size: changed.size ?? sections.size(i),
      alignment: changed.alignment ?? sections.addralign(i),
      nobits: changed.nobits ?? sections.type(i) === SHT_NOBITS,
    };
  });
}

/** Section indices of the symbol table and of its names, as the loader picks them (one SHT_SYMTAB only). */
export function symtabOf(file: ElfFile): { symtab: number; strtab: number } | null {
  for (let i = 1; i < file.sections.count; i++) {
    if (file.sections.type(i) === SHT_SYMTAB) return { symtab: i, strtab: file.sections.link(i) };
  }
  return null;
}

/** What a user said about addresses. */
export interface Placement {
  /** Base of each region; for a kernel before 6.4 text and init.text. */
  readonly bases: ReadonlyMap<Region, bigint>;
  /** Addresses of single sections by name, as /sys/module/NAME/sections lists them. */
  readonly sections: ReadonlyMap<string, bigint>;
  /** Addresses of single sections by index; they come before those by name. */
  readonly byIndex?: ReadonlyMap<number, bigint>;
  /** Address of the module's per-CPU data. */
  readonly percpu: bigint | null;
}

export interface Placed {
  /** Address of each section; 0 for those that are not loaded. */
  readonly addresses: bigint[];
  readonly bases: ReadonlyMap<Region, bigint>;
  /** Sections whose given address does not follow from the others of their region. */
  readonly conflicts: readonly { readonly section: number; readonly given: bigint; readonly expected: bigint }[];
}

/**
 * Gives each section its address. What is not given follows from what is: a region's base from any of its sections,
 * a region without a base behind the last one that has one, or at `start`.
 */
export function place(
  layout: Layout,
  sections: readonly LoadedSection[],
  placement: Placement,
  start: bigint,
  pageSize: number,
): Placed {
  const bases = new Map(placement.bases);
  const given = sections.map(
    (s, i) => placement.byIndex?.get(i) ?? (i === 0 ? undefined : placement.sections.get(s.name)),
  );
  const conflicts: { section: number; given: bigint; expected: bigint }[] = [];
  for (const [i, at] of layout.places.entries()) {
    const address = given[i];
    if (at === null || address === undefined || bases.has(at.region)) continue;
    bases.set(at.region, BigInt.asUintN(64, address - BigInt(at.offset)));
  }
  const page = BigInt(pageSize);
  const roundUp = (v: bigint): bigint => ((v + page - 1n) / page) * page;
  let next = roundUp(start);
  for (const [region, base] of bases) {
    const end = roundUp(base + BigInt(layout.sizes.get(region) ?? 0));
    if (end > next) next = end;
  }
  for (const region of REGIONS) {
    const size = layout.sizes.get(region);
    if (size === undefined || bases.has(region)) continue;
    bases.set(region, next);
    next = roundUp(next + BigInt(Math.max(size, 1)));
  }
  const addresses = layout.places.map((at, i) => {
    const section = sections[i];
    if (section?.name === PERCPU_SECTION && placement.percpu !== null) return placement.percpu;
    if (at === null) return 0n;
    const expected = BigInt.asUintN(64, (bases.get(at.region) ?? 0n) + BigInt(at.offset));
    const address = given[i];
    if (address === undefined || address === expected) return expected;
    conflicts.push({ section: i, given: address, expected });
    return address;
  });
  return { addresses, bases, conflicts };
}
