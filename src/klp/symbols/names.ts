// Names of livepatch symbols and sections (Documentation/livepatch/module-elf-format; the parsers are
// klp_resolve_symbols and klp_write_section_relocs in the kernel's kernel/livepatch/core.c).

import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";

export const KLP_SYMBOL_PREFIX = ".klp.sym.";
export const KLP_SECTION_PREFIX = ".klp.rela.";

/** So many bytes the kernel reads of a symbol's own name. */
export const LONGEST_KLP_NAME = 511;

export interface KlpSymbolName {
  readonly object: string;
  readonly name: string;
  /** 0: the name must be unique; n: the n-th symbol of that name. */
  readonly position: number;
}

/** `.klp.sym.OBJECT.NAME,POSITION` */
export function formatKlpSymbol({ object, name, position }: KlpSymbolName): string {
  return `${KLP_SYMBOL_PREFIX}${object}.${name},${position}`;
}

/** The parts of a livepatch symbol's name, as the kernel reads them; null if it would refuse the name. */
export function parseKlpSymbol(text: string): KlpSymbolName | null {
  // `.klp.sym.%55[^.].%511[^,],%lu`, by hand: a module may have very many.
  if (!text.startsWith(KLP_SYMBOL_PREFIX)) return null;
  const object = KLP_SYMBOL_PREFIX.length;
  const dot = text.indexOf(".", object);
  const comma = text.indexOf(",", dot + 1);
  if (dot - object < 1 || dot - object > 55 || comma - dot < 2 || comma - dot > LONGEST_KLP_NAME + 1) return null;
  const position = positionAt(text, comma + 1);
  return position === null ? null : { object: text.slice(object, dot), name: text.slice(dot + 1, comma), position };
}

/** The number that follows, behind any blanks; null if none does. */
function positionAt(text: string, start: number): number | null {
  // One digit at the end, as nearly all are.
  const digit = text.charCodeAt(start) - 0x30;
  if (start + 1 === text.length && digit >= 0 && digit <= 9) return digit;
  const digits = /\s*(\d+)/y;
  digits.lastIndex = start;
  const position = digits.exec(text)?.[1];
  return position === undefined ? null : Number(position);
}

/** `.klp.rela.OBJECT.SECTION`; a section name keeps its own dot, so two dots stand before `text`. */
export function formatKlpSection(object: string, section: string): string {
  return `${KLP_SECTION_PREFIX}${object}.${section}`;
}

/** The object of a livepatch relocation section's name, as the kernel reads it (at most 55 bytes); null if none. */
export function parseKlpSectionObject(name: string): string | null {
  if (!name.startsWith(KLP_SECTION_PREFIX)) return null;
  return /^\.klp\.rela\.([^.]{1,55})/.exec(name)?.[1] ?? null;
}

/** A symbol's name for people: `show_val_kb` for `.klp.sym.vmlinux.show_val_kb,1`. */
export function shortName(name: string): string {
  // The annotation of klp-convert names two objects.
  const annotated = /^\.klp\.sym\.rela\.[^.]+\.[^.]+\.([^,]+),\d+$/.exec(name)?.[1];
  if (annotated !== undefined) return annotated;
  return parseKlpSymbol(name)?.name ?? name;
}

/** What a symbol is called in messages: its name for people, or that of the section that it stands for. */
export function labelOf(file: ElfFile, symbols: SymbolTable, symbol: number): string {
  const name = shortName(symbols.name(symbol));
  if (name !== "") return name;
  const section = symbols.sectionOf(symbol);
  return section === null ? "" : file.sections.name(section);
}
