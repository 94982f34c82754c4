// Which tool made a file, by what the file holds.

import { SHF_RELA_LIVEPATCH, SHN_LIVEPATCH, SHT_RELA } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { KLP_SECTION_PREFIX } from "../symbols/names.ts";

/**
 * - `plain`: no livepatch data yet; undefined symbols are all there is.
 * - `kpatch`: the intermediate sections of kpatch's create-diff-object.
 * - `klp-convert`: annotations for klp-convert, of either dialect.
 * - `objtool`: the output of `objtool klp diff`, before `objtool klp post-link`.
 * - `final`: a finished livepatch module.
 */
export type Producer = "plain" | "kpatch" | "klp-convert" | "objtool" | "final";
export const PRODUCERS: readonly Producer[] = ["plain", "kpatch", "klp-convert", "objtool", "final"];

export const KPATCH_RELOCATIONS = ".kpatch.relocations";
export const KPATCH_SYMBOLS = ".kpatch.symbols";
/** klp-convert v1 to v7: arrays of {symbol u64, position u32}, one section an object. */
export const KLP_CONVERT_SECTION_PREFIX = ".klp.module_relocs.";
/** The klp-convert of 2024: `.klp.sym.rela.PATCHED.OWNER.NAME,POSITION`. */
export const KLP_CONVERT_SYMBOL_PREFIX = ".klp.sym.rela.";

/** Evidence of one producer. */
export interface Trace {
  readonly producer: Producer;
  /** The section or symbol that tells. */
  readonly what: string;
}

/** The object in the name of an `objtool klp diff` relocation section; "" where the symbol tells; null for others. */
export function objtoolSectionObject(name: string): string | null {
  if (name === "__klp_relocs" || name === ".klp.relocs") return "";
  return /^(?:__klp_relocs|\.klp\.relocs)\.(.+)$/.exec(name)?.[1] ?? null;
}

/** Whether a section is a producer's own, which the kernel does not read: with --keep it stays in the file. */
export function isIntermediate(name: string): boolean {
  return (
    name === KPATCH_RELOCATIONS ||
    name === KPATCH_SYMBOLS ||
    name.startsWith(KLP_CONVERT_SECTION_PREFIX) ||
    objtoolSectionObject(name) !== null
  );
}

/**
 * What a file holds of each producer, one trace each. None: a plain object. More than one (a mixture) cannot be
 * finished by any of the tools.
 */
export function findTraces(file: ElfFile, symbols: SymbolTable): Trace[] {
  const { sections } = file;
  const found = new Map<Producer, string>();
  const note = (producer: Producer, what: string): void => {
    if (!found.has(producer)) found.set(producer, what);
  };
  const objtool: number[] = [];
  for (let i = 1; i < sections.count; i++) {
    const name = sections.name(i);
    if (sections.type(i) === SHT_RELA) {
      if (name.startsWith(KLP_SECTION_PREFIX) || sections.hasFlags(i, SHF_RELA_LIVEPATCH)) note("final", name);
      continue;
    }
    if (name === KPATCH_RELOCATIONS || name === KPATCH_SYMBOLS) note("kpatch", name);
    else if (name.startsWith(KLP_CONVERT_SECTION_PREFIX)) note("klp-convert", name);
    else if (objtoolSectionObject(name) !== null) objtool.push(i);
  }
  for (let i = 1; i < symbols.count; i++) {
    if (!symbols.isUndefined(i)) continue;
    const name = symbols.name(i);
    if (name.startsWith(KLP_CONVERT_SYMBOL_PREFIX)) {
      note("klp-convert", name);
      break;
    }
  }
  const first = objtool[0];
  // objtool leaves its own sections in what it finishes; their symbols are livepatch symbols by then.
  if (first !== undefined && !(found.has("final") && isPostLinked(file, symbols, objtool))) {
    note("objtool", sections.name(first));
  }
  return [...found].map(([producer, what]) => ({ producer, what }));
}

function isPostLinked(file: ElfFile, symbols: SymbolTable, objtool: readonly number[]): boolean {
  return file.relocations.every((table) => {
    if (!objtool.includes(table.target)) return true;
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      if (symbols.isUndefined(symbol) && symbol !== 0 && symbols.rawShndx(symbol) !== SHN_LIVEPATCH) return false;
    }
    return true;
  });
}
