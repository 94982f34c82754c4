// What the loader refuses in the form of a finished module before it looks at a symbol: elf_validity_check and its parts
// (kernel/module/main.c), module_elf_check_arch (arch/powerpc/kernel/module_64.c), module_enforce_rwx_sections
// (kernel/module/strict_rwx.c); and what simplify_symbols refuses whatever the kernel has.

import { hex, printable } from "../../base/bytes.ts";
import { LOADING } from "../../base/loadOrder.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Place } from "../../diag/define.ts";
import { ProblemList } from "../../diag/problemList.ts";
import {
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_WRITE,
  SHN_LORESERVE,
  SHN_XINDEX,
  SHT_NOBITS,
  SHT_NULL,
} from "../../elf/consts.ts";
import { findElfMachine } from "../../elf/machine.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { sectionIndexFault } from "../loader/simplify.ts";
import type { KernelVersion } from "../version.ts";
import { hasFact } from "../versionFacts.ts";

const THIS_MODULE = ".gnu.linkonce.this_module";

/**
 * Whether a file is a module that could be loaded as it is: it holds a struct module, which modpost writes and kbuild links in
 * last. `NAME.mod.o` is that struct alone, before the link.
 */
export function isFinishedModule(file: ElfFile, path: string): boolean {
  return file.sections.findByName(THIS_MODULE) !== null && !path.endsWith(".mod.o");
}

/** What any kernel of that version refuses in a module's headers and sections. */
export function checkForm(file: ElfFile, module: string, version: KernelVersion | null, path: string): Problem[] {
  return [
    ...checkSectionCount(file, version, path),
    ...checkAbi(file, version, path),
    ...checkStringTable(file, version, path),
    ...checkName(module, version, path),
    ...checkModuleSections(file, module, version, path),
    ...checkWritableCode(file, module, version, path),
  ];
}

/** Section header 0, which holds the number of sections where e_shnum cannot; the loader reads e_shnum only. */
function checkSectionCount({ header, sections }: ElfFile, version: KernelVersion | null, path: string): Problem[] {
  const more = { loadOrder: LOADING.header };
  const refuse = (fileOffset: number, what: string, message: string, help: string): Problem[] => [
    problem("KLP233", { file: path, fileOffset }, { what, message, help }, more),
  ];
  const start = header.sectionHeaderOffset;
  const nullHeader = `ELF Spec violation: section 0 type(${sections.type(0)})!=SH_NULL or non-zero len or addr`;
  if (header.sectionCount >= SHN_LORESERVE) {
    const what = `the module has ${header.sectionCount} sections, more than e_shnum can tell`;
    const index = Math.min(header.sectionNameIndex, SHN_XINDEX);
    const shown = index >= SHN_LORESERVE ? SHN_XINDEX : index;
    const names = `Invalid ELF section name index: ${shown} || e_shstrndx (${shown}) >= e_shnum (0)`;
    const message = hasFact(version, "stringTableChecked") ? nullHeader : names;
    // e_shnum stands at 60.
    return refuse(60, what, message, "merge sections when the module is linked (the kernel's module.lds does)");
  }
  if (sections.type(0) === SHT_NULL && sections.size(0) === 0 && sections.addr(0) === 0n) return [];
  return refuse(
    start,
    "section header 0 is not all zero",
    nullHeader,
    "build the module anew: a tool behind the link has changed it",
  );
}

/** elf_validity_cache_strtab: what ends or begins within the table would be read beyond it. */
function checkStringTable({ sections, symbols }: ElfFile, version: KernelVersion | null, path: string): Problem[] {
  if (symbols === null || !hasFact(version, "stringTableChecked")) return [];
  const table = sections.link(symbols.section);
  const data = sections.data(table);
  const fault =
    data.length === 0
      ? "empty symbol string table"
      : data[0] !== 0
        ? "symbol string table missing leading NUL"
        : data.at(-1) !== 0
          ? "symbol string table isn't NUL terminated"
          : null;
  if (fault === null) return [];
  const at = { file: path, section: printable(sections.name(table)), offset: 0 };
  const help = "build the module anew: a tool behind the link has changed it";
  const what = "the symbol string table does not begin and end with a zero byte";
  return [problem("KLP233", at, { what, message: fault, help }, { loadOrder: LOADING.strings })];
}

/** klp_module_coming: called for each module, when its relocations are done. */
function checkName(module: string, version: KernelVersion | null, path: string): Problem[] {
  if (module !== "vmlinux" || !hasFact(version, "vmlinuxAtLoad")) return [];
  const at = { file: path, section: THIS_MODULE, offset: 0 };
  return [problem("KLP454", at, {}, { loadOrder: LOADING.coming })];
}

/** The two low bits of e_flags are the ABI's version: 2 for every ppc64le kernel, not looked at before 6.2. */
function checkAbi({ header }: ElfFile, version: KernelVersion | null, path: string): Problem[] {
  const abi = header.flags & 3;
  if (findElfMachine(header.machine)?.hasAbiFlags !== true || abi === 2 || !hasFact(version, "ppcChecksAbi")) return [];
  // e_flags stands at 48.
  const at = { file: path, fileOffset: 48 };
  return [problem("KLP231", at, { machine: header.machine, flags: header.flags, abi }, { loadOrder: LOADING.header })];
}

/** Sections that must be there once; struct module, .modinfo, the extended checksums. */
function checkModuleSections(
  { sections }: ElfFile,
  module: string,
  version: KernelVersion | null,
  path: string,
): Problem[] {
  const problems: Problem[] = [];
  const indices = (name: string): number[] => {
    const found: number[] = [];
    for (let i = 1; i < sections.count; i++) if (sections.name(i) === name) found.push(i);
    return found;
  };
  const refuse = (section: string, what: string, message: string, loadOrder: readonly number[]): void => {
    const at: Place = { file: path, section, offset: 0 };
    problems.push(problem("KLP232", at, { what, message }, { loadOrder }));
  };
  if (!hasFact(version, "thisModuleChecked")) return [];
  const infos = indices(".modinfo");
  if (infos.length > 1) {
    const what = `the module has ${infos.length} sections .modinfo`;
    refuse(".modinfo", what, "Only one .modinfo section must exist.", LOADING.modinfo);
  }
  const own = indices(THIS_MODULE);
  const [first] = own;
  if (own.length > 1) {
    const count = hasFact(version, "thisModuleExactlyOne") ? "Exactly one" : "Only one";
    const message = `module ${module}: ${count} ${THIS_MODULE} section must exist.`;
    refuse(THIS_MODULE, `the module has ${own.length} sections ${THIS_MODULE}`, message, LOADING.structModule);
  } else if (first !== undefined && sections.type(first) === SHT_NOBITS) {
    const message = `module ${module}: ${THIS_MODULE} section must have a size set`;
    refuse(THIS_MODULE, `${THIS_MODULE} holds no bytes (SHT_NOBITS)`, message, LOADING.structModule);
  } else if (first !== undefined && !sections.hasFlags(first, SHF_ALLOC)) {
    const message = `module ${module}: ${THIS_MODULE} must occupy memory during process execution`;
    refuse(THIS_MODULE, `${THIS_MODULE} is not loaded (no SHF_ALLOC)`, message, LOADING.structModule);
  }
  if (hasFact(version, "extendedVersions")) {
    const crcs = indices("__version_ext_crcs").length > 0;
    const names = indices("__version_ext_names").length > 0;
    if (crcs !== names) {
      const what = `__version_ext_${crcs ? "crcs" : "names"} is there without __version_ext_${crcs ? "names" : "crcs"}`;
      const message = "extended version crc+name presence does not match";
      refuse(`__version_ext_${crcs ? "crcs" : "names"}`, what, message, LOADING.extendedVersions);
    }
  }
  return problems;
}

/** CONFIG_STRICT_MODULE_RWX, which x86_64, arm64 and ppc64le kernels of distributions have: loaded or not, no section is both. */
function checkWritableCode(
  { sections }: ElfFile,
  module: string,
  version: KernelVersion | null,
  path: string,
): Problem[] {
  if (!hasFact(version, "writableCodeRefused")) return [];
  for (let i = 0; i < sections.count; i++) {
    if (!sections.hasFlags(i, SHF_WRITE | SHF_EXECINSTR)) continue;
    const name = printable(sections.name(i));
    const at = { file: path, section: name, offset: 0 };
    // The loader stops at the first.
    return [problem("KLP230", at, { module, name, index: i }, { loadOrder: LOADING.writableCode })];
  }
  return [];
}

/** Symbols whose section index the loader does not take; it goes through all of them. */
export function checkSectionIndices(file: ElfFile, symbols: SymbolTable, module: string, path: string): Problem[] {
  const problems = new ProblemList();
  for (let i = 1; i < symbols.count; i++) {
    const kind = sectionIndexFault(symbols, i);
    if (kind !== null)
      problems.push(sectionIndexProblem(file, symbols, i, kind, { module, path, loadOrder: LOADING.symbol(i) }));
  }
  return problems.all();
}

/** One such symbol, in the loader's words. */
export function sectionIndexProblem(
  { sections }: ElfFile,
  symbols: SymbolTable,
  symbol: number,
  kind: "common" | "section",
  {
    module,
    path,
    loadOrder,
  }: { readonly module: string; readonly path: string; readonly loadOrder: readonly number[] },
): Problem {
  const shown = printable(symbols.name(symbol));
  const at = { file: path };
  if (kind === "common") {
    const message = `${module}: please compile with -fno-common`;
    return problem("KLP207", at, { symbol: shown, message, what: `${shown} is a common symbol` }, { loadOrder });
  }
  const index = symbols.rawShndx(symbol);
  const message = `${module}: Symbol ${shown} has an invalid section index ${index} (max ${sections.count - 1})`;
  const what = `${shown} has section index ${hex(index)}, which the loader does not know`;
  return problem("KLP207", at, { symbol: shown, message, what }, { loadOrder });
}
