// What the loader refuses in the form of a finished module before it looks at a symbol: elf_validity_check and its parts
// (kernel/module/main.c), module_elf_check_arch (arch/powerpc/kernel/module_64.c), module_enforce_rwx_sections
// (kernel/module/strict_rwx.c); and what simplify_symbols refuses whatever the kernel has.

import { printable } from "../../base/bytes.ts";
import { LOADING } from "../../base/loadOrder.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { ModuleSectionFault } from "../../diag/codes/module.ts";
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
  if (header.sectionCount >= SHN_LORESERVE) {
    const index = Math.min(header.sectionNameIndex, SHN_XINDEX);
    // e_shnum stands at 60.
    const at = { file: path, fileOffset: 60 };
    const data = {
      fault: "too many sections",
      count: header.sectionCount,
      nameIndex: index >= SHN_LORESERVE ? SHN_XINDEX : index,
      nullType: hasFact(version, "stringTableChecked") ? sections.type(0) : null,
    } as const;
    return [problem("KLP233", at, data, more)];
  }
  if (sections.type(0) === SHT_NULL && sections.size(0) === 0 && sections.addr(0) === 0n) return [];
  const at = { file: path, fileOffset: header.sectionHeaderOffset };
  return [problem("KLP233", at, { fault: "null section", nullType: sections.type(0) }, more)];
}

/** elf_validity_cache_strtab: what ends or begins within the table would be read beyond it. */
function checkStringTable({ sections, symbols }: ElfFile, version: KernelVersion | null, path: string): Problem[] {
  if (symbols === null || !hasFact(version, "stringTableChecked")) return [];
  const table = sections.link(symbols.section);
  const data = sections.data(table);
  const fault =
    data.length === 0
      ? "empty string table"
      : data[0] !== 0
        ? "string table without first zero"
        : data.at(-1) !== 0
          ? "string table without last zero"
          : null;
  if (fault === null) return [];
  const at = { file: path, section: printable(sections.name(table)), offset: 0 };
  return [problem("KLP233", at, { fault }, { loadOrder: LOADING.strings })];
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
  const refuse = (section: string, data: ModuleSectionFault, loadOrder: readonly number[]): void => {
    problems.push(problem("KLP232", { file: path, section, offset: 0 }, data, { loadOrder }));
  };
  if (!hasFact(version, "thisModuleChecked")) return [];
  const infos = indices(".modinfo");
  if (infos.length > 1) refuse(".modinfo", { fault: "several .modinfo", count: infos.length }, LOADING.modinfo);
  const own = indices(THIS_MODULE);
  const [first] = own;
  if (own.length > 1) {
    const exactly = hasFact(version, "thisModuleExactlyOne");
    refuse(THIS_MODULE, { fault: "several modules", module, count: own.length, exactly }, LOADING.structModule);
  } else if (first !== undefined && sections.type(first) === SHT_NOBITS) {
    refuse(THIS_MODULE, { fault: "no bytes", module }, LOADING.structModule);
  } else if (first !== undefined && !sections.hasFlags(first, SHF_ALLOC)) {
    refuse(THIS_MODULE, { fault: "not loaded", module }, LOADING.structModule);
  }
  if (hasFact(version, "extendedVersions")) {
    const crcs = indices("__version_ext_crcs").length > 0;
    const names = indices("__version_ext_names").length > 0;
    const [there, missing] = crcs
      ? (["__version_ext_crcs", "__version_ext_names"] as const)
      : (["__version_ext_names", "__version_ext_crcs"] as const);
    if (crcs !== names) refuse(there, { fault: "half of checksums", there, missing }, LOADING.extendedVersions);
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

/** One such symbol. */
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
  const which = { module, symbol: printable(symbols.name(symbol)) };
  const data =
    kind === "common"
      ? { fault: kind, ...which }
      : { fault: kind, ...which, index: symbols.rawShndx(symbol), sections: sections.count };
  return problem("KLP207", { file: path }, data, { loadOrder });
}
