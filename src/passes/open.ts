// One opened module: what the passes ask of a file, read once and kept for all of them.

import type { Arch } from "../arch/index.ts";
import { SHT_SYMTAB } from "../elf/consts.ts";
import { SourceIndex } from "../elf/dwarf/lines/source.ts";
import { ElfError } from "../elf/error.ts";
import { type ElfFile, readElf } from "../elf/reader.ts";
import type { SectionBytes } from "../elf/views/sectionBytes.ts";
import type { SymbolTable } from "../elf/views/symbols.ts";
import { isFinishedModule } from "../kernel/module/formRules.ts";
import { ModInfo, readModInfo } from "../kernel/module/modinfo.ts";
import { findModuleName } from "../kernel/module/moduleFile.ts";
import { type KernelVersion, parseKernelVersion } from "../kernel/version.ts";
import { FunctionIndex } from "../klp/functions.ts";
import { noSymbols, read, supportedArch } from "./input.ts";

/** A relocatable file of an architecture that klplink links, with its one symbol table. */
export class Subject {
  /** Name of the input for messages. */
  readonly path: string;
  readonly file: ElfFile;
  readonly arch: Arch;
  readonly symbols: SymbolTable;
  /** Name of the module. */
  readonly module: string;
  /** To the loader a module without .modinfo is one whose .modinfo is empty; null for an object without. */
  readonly modInfo: ModInfo | null;
  /** The kernel's version by vermagic; null if that does not tell. */
  readonly version: KernelVersion | null;
  /** What {@link keeper} keeps, by its memories. */
  readonly kept = new Map<object, unknown[]>();
  #functions: FunctionIndex | null = null;
  #source: Promise<SourceIndex> | null = null;

  /** @throws Unusable KLP106 or KLP107 */
  constructor(file: ElfFile, path: string) {
    this.path = path;
    this.file = file;
    this.arch = supportedArch(file.header.machine, file.littleEndian, path);
    this.modInfo = readModInfo(file) ?? (isFinishedModule(file, path) ? new ModInfo(new Uint8Array(0)) : null);
    this.module = findModuleName(file, this.modInfo, path);
    if (file.symbols === null) {
      const tables = [...file.symbolTables.keys()].filter((s) => file.sections.type(s) === SHT_SYMTAB);
      throw noSymbols(path, tables.length > 1, this.module);
    }
    this.symbols = file.symbols;
    this.version = parseKernelVersion(this.modInfo?.get("vermagic") ?? "");
  }

  get functions(): FunctionIndex {
    this.#functions ??= new FunctionIndex(this.file, this.symbols);
    return this.#functions;
  }

  /** Source lines of code, as far as debug information tells them. @param most as {@link SourceIndex.read} has it; the first time counts */
  source(most?: number): Promise<SourceIndex> {
    this.#source ??= SourceIndex.read(this.file, most);
    return this.#source;
  }
}

/** @throws Unusable if the bytes are not a relocatable file that klplink can work with: KLP101, KLP102, KLP106, KLP107. */
export const openModule = (bytes: Uint8Array, path: string): Subject => new Subject(read(bytes, path), path);

/** As {@link openModule}, of a file that is read already. @throws Unusable KLP106 or KLP107 */
export const openFile = (file: ElfFile, path: string): Subject => new Subject(file, path);

/**
 * The file alone; null if the bytes are not a relocatable ELF64 file: {@link openModule} says why.
 * @param apart as {@link readElf} has it
 */
export function tryRead(bytes: Uint8Array, apart: ReadonlyMap<number, SectionBytes> | null = null): ElfFile | null {
  try {
    return readElf(bytes, apart);
  } catch (error) {
    if (error instanceof ElfError) return null;
    throw error;
  }
}

/**
 * A memory for what a pass finds out about a subject. A result is found again by what it was made with: `keys`, compared by
 * identity, in the order given.
 */
export function keeper<T>(): (subject: Subject, keys: readonly unknown[], make: () => T) => T {
  const own = {};
  return (subject, keys, make) => {
    const entries = (subject.kept.get(own) ?? []) as { readonly keys: readonly unknown[]; readonly value: T }[];
    subject.kept.set(own, entries);
    const known = entries.find((e) => e.keys.length === keys.length && e.keys.every((k, i) => k === keys[i]));
    if (known !== undefined) return known.value;
    const value = make();
    entries.push({ keys, value });
    return value;
  };
}
