// Tables that the kernel reads from a module: sizes, entries of __mcount_loc, targets outside their section.

import { entrySizes } from "../../arch/specialSections.ts";
import { printable } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Place } from "../../diag/define.ts";
import { ProblemList } from "../../diag/problemList.ts";
import { SHF_ALLOC, SHF_EXECINSTR } from "../../elf/consts.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { CodeFile } from "../../ftrace/codeFile.ts";
import { buildOf } from "../../ftrace/sites.ts";
import { relocName } from "../../reloc/def.ts";
import { placeIn } from "../place.ts";
import type { RuleContext } from "./context.ts";

/** Sections whose size is not a multiple of their entry. */
export function checkTableSizes({ file, path, arch, version }: RuleContext): Problem[] {
  const { sections } = file;
  const problems = new ProblemList();
  for (let i = 1; i < sections.count; i++) {
    if (!sections.hasFlags(i, SHF_ALLOC)) continue;
    const name = sections.name(i);
    const counted = arch.specialSections.get(name)?.counted;
    if (counted === undefined) continue;
    const sizes = entrySizes(file, i, arch, version);
    const [entry] = sizes;
    const size = sections.size(i);
    if (entry === undefined || sizes.some((s) => size % s === 0)) continue;
    const at = { file: path, section: name, offset: size - (size % entry) };
    problems.push(problem("KLP436", at, { name, size, entries: sizes, counted }));
  }
  return problems.all();
}

/** Entries of ftrace's tables that lead to something else than ftrace changes. */
export function checkProfilingPlaces(context: RuleContext): Problem[] {
  const { file, symbols, functions, arch, path } = context;
  const { sections } = file;
  const problems = new ProblemList();
  const called = calledPlaces(context);
  const code = new CodeFile(file, arch.name);
  const build = buildOf(code, arch.sites);
  for (const table of file.relocations) {
    const list = arch.siteTables.find((name) => name === sections.name(table.target));
    if (list === undefined) continue;
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      const section = symbols.sectionOf(symbol);
      const offset = symbols.offset(symbol) + Number(table.addend(row));
      const isCode = section !== null && sections.hasFlags(section, SHF_EXECINSTR) && sections.hasBytes(section);
      const isCalled = (at: number): boolean => called.has(`${section}:${at}`);
      const fault =
        isCode && offset >= 0 ? arch.sites.faultAt(code, { section, offset }, list, isCalled, build) : { when: "load" };
      if (fault === null) continue;
      const at: Place = { file: path, section: list, offset: table.offset(row) };
      const placeName = (to: number): string => {
        const owner = section === null ? null : functions.at(section, to);
        if (owner !== null) return `${printable(owner.name)}+0x${(to - owner.start).toString(16)}`;
        return `${printable(section === null ? symbols.name(symbol) : sections.name(section))}+0x${to.toString(16)}`;
      };
      const found = "at" in fault ? { wanted: fault.expected, there: placeName(fault.at), when: fault.when } : null;
      problems.push(problem("KLP437", at, { list, where: placeName(offset), found }));
    }
  }
  return problems.all();
}

const PROFILING = new Set(["_mcount", "mcount", "__fentry__"]);

/** `section:offset` of relocations in code against a profiling function. */
function calledPlaces({ file, symbols }: RuleContext): Set<string> {
  const places = new Set<string>();
  for (const table of file.relocations) {
    if (!file.sections.hasFlags(table.target, SHF_EXECINSTR)) continue;
    for (let row = 0; row < table.count; row++) {
      if (PROFILING.has(symbols.name(table.symbol(row)))) places.add(`${table.target}:${table.offset(row)}`);
    }
  }
  return places;
}

/**
 * Relocations of livepatch modules whose symbol plus addend lies outside the symbol's section. The addend of a
 * biased type is 4 to 8 below what is meant.
 */
export function checkTargets(context: RuleContext): Problem[] {
  const { file, symbols, arch } = context;
  const { sections } = file;
  const problems = new ProblemList();
  const check = (table: RelocationTable, row: number): void => {
    const symbol = table.symbol(row);
    const section = symbols.sectionOf(symbol);
    if (section === null || !sections.hasFlags(section, SHF_ALLOC)) return;
    const type = table.type(row);
    const value = symbols.offset(symbol) + Number(table.addend(row));
    const isBiased = arch.biased.has(type) && sections.hasFlags(table.target, SHF_EXECINSTR);
    const size = sections.size(section);
    if (isBiased ? value + 8 >= 0 && value + 4 <= size : value >= 0 && value <= size) return;
    const at = placeIn(context, table.target, table.offset(row));
    const meant = isBiased ? value + 4 : value;
    const place = `${printable(sections.name(section))}${meant < 0 ? "-" : "+"}0x${Math.abs(meant).toString(16)}`;
    problems.push(problem("KLP438", at, { name: relocName(arch.relocs, type), place, size }));
  };
  for (const table of file.relocations) {
    if (!sections.hasFlags(table.target, SHF_ALLOC) || !table.hasAddends) continue;
    // Fields of the feature tables of ppc64 are relative to their entry, not to themselves.
    if (/^__\w*fixup$/.test(sections.name(table.target))) continue;
    for (let row = 0; row < table.count; row++) check(table, row);
  }
  return problems.all();
}
