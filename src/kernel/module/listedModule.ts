// A module, of which only the symbol table is known, as readelf listed it.

import {
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHT_NOBITS,
  STB_GLOBAL,
  STB_LOCAL,
  STB_WEAK,
  STT_FILE,
  STT_FUNC,
  STT_NOTYPE,
  STT_OBJECT,
} from "../../elf/consts.ts";
import { readElf } from "../../elf/reader.ts";
import { NewObject, type NewSection } from "../../elf/writer/newObject.ts";
import { codeSections, type ReadelfSymbol } from "../symbols/readelfText.ts";
import { ModuleFile } from "./moduleFile.ts";

const BINDS: Readonly<Record<string, number>> = { LOCAL: STB_LOCAL, GLOBAL: STB_GLOBAL, WEAK: STB_WEAK };
const TYPES: Readonly<Record<string, number>> = { FUNC: STT_FUNC, OBJECT: STT_OBJECT, FILE: STT_FILE };
/** Symbols in a larger section than any module has are of no use, and would overflow its offsets. */
const MOST = 1n << 32n;

/** @param name of the module @param source the listing's name, for messages @param machine e_machine */
export function listedModule(
  symbols: readonly ReadelfSymbol[],
  name: string,
  source: string,
  machine: number,
): ModuleFile {
  const out = new NewObject();
  const code = codeSections(symbols);
  const sections = new Map<string, NewSection>();
  const sectionOf = (number: string): NewSection => {
    const flags = BigInt(SHF_ALLOC | (code.has(number) ? SHF_EXECINSTR : 0));
    const known =
      sections.get(number) ?? out.section({ name: `section ${number}`, type: SHT_NOBITS, flags, entsize: 0 });
    sections.set(number, known);
    return known;
  };
  for (const { value, size, type, bind, section, name } of symbols) {
    const isDefined = /^\d+$/.test(section);
    if (type === "SECTION" || value + size >= MOST || (!isDefined && type !== "FILE")) continue;
    const home = isDefined ? sectionOf(section) : "absolute";
    if (isDefined) {
      const end = Number(value + size);
      const { size: before } = home as NewSection;
      if (end > before) (home as NewSection).append(new Uint8Array(0), 1, end - before);
    }
    const info = { type: TYPES[type] ?? STT_NOTYPE, bind: BINDS[bind] ?? STB_GLOBAL, other: 0 };
    out.symbol({ name, section: home, value, size: Number(size), ...info });
  }
  return new ModuleFile(readElf(out.build(machine, 0, true)), source, name);
}
