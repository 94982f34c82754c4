// Objects that are ELF files of the right machine, and still hold nothing that a kernel could load.

import { type Problem, problem } from "../../diag/catalogue.ts";
import { SHF_EXECINSTR } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { isFinishedModule } from "./formRules.ts";

/**
 * Objects for a compiler's link step, and objects of PowerPC's other ABI.
 * @param path name of the file for messages
 * @param hasTwoAbis whether e_flags tell the ABI: 64-bit PowerPC, the machine with a TOC
 */
export function checkObjectForm(file: ElfFile, symbols: SymbolTable, path: string, hasTwoAbis: boolean): Problem[] {
  return [...checkLto(file, symbols, path), ...(hasTwoAbis ? checkFirstAbi(file, path) : [])];
}

/** gcc's slim objects: `.gnu.lto_` sections hold the program, and no section holds machine code (gcc/lto-streamer.h). */
function checkLto({ sections }: ElfFile, symbols: SymbolTable, path: string): Problem[] {
  let section: string | null = null;
  let hasCode = false;
  for (let i = 1; i < sections.count; i++) {
    if (sections.name(i).startsWith(".gnu.lto_")) section ??= sections.name(i);
    hasCode ||= sections.hasFlags(i, SHF_EXECINSTR) && sections.size(i) > 0;
  }
  if (symbols.called("__gnu_lto_slim").length > 0)
    return [problem("KLP112", { file: path }, { what: "__gnu_lto_slim says so" })];
  if (section === null || hasCode) return [];
  return [problem("KLP112", { file: path, section, offset: 0 }, { what: "all of it stands in .gnu.lto_ sections" })];
}

/** File offset of e_flags. */
const FLAGS = 48;

/** ELFv1 of 64-bit PowerPC (64-bit ELF V1 ABI 1.9; e_flags as in ELF V2 ABI 2.1.1). */
function checkFirstAbi(file: ElfFile, path: string): Problem[] {
  const { sections, header } = file;
  const abi = header.flags & 3;
  const descriptors = sections.findByName(".opd");
  const hasDescriptors = abi < 2 && descriptors !== null && sections.size(descriptors) > 0;
  // Of a finished module's e_flags alone the loader has its own word (KLP231).
  if (!hasDescriptors && (abi !== 1 || isFinishedModule(file, path))) return [];
  const at = hasDescriptors ? { file: path, section: ".opd", offset: 0 } : { file: path, fileOffset: FLAGS };
  return [problem("KLP113", at, { abi, hasDescriptors })];
}
