// The sites pass: where ftrace can patch the functions of a file, and so which of them can be livepatched.

import { ET_REL } from "../elf/consts.ts";
import { readSubprograms, type Subprograms } from "../elf/dwarf/lines/subprograms.ts";
import { ElfError } from "../elf/error.ts";
import { type ElfExecutable, elfType, readExecutable } from "../elf/executable.ts";
import { type ElfFile, readElf } from "../elf/reader.ts";
import { CodeFile } from "../ftrace/codeFile.ts";
import { findSites, type SiteReason, type SiteReport } from "../ftrace/sites.ts";
import { elfProblem, noSymbols, supportedArch, Unusable } from "./input.ts";

export interface Sites {
  readonly file: CodeFile;
  readonly report: SiteReport;
  /** What the sites were read from. */
  readonly elf: ElfFile | ElfExecutable;
}

/**
 * Finds the patch sites of a module, an object file or vmlinux.
 * @throws Unusable if the file cannot be read, or is of an architecture whose sites are not known.
 */
export function sites(bytes: Uint8Array, name: string): Sites {
  try {
    const type = elfType(bytes);
    return sitesOf(type !== null && type !== ET_REL ? readExecutable(bytes) : readElf(bytes), name);
  } catch (error) {
    if (error instanceof ElfError) throw new Unusable(elfProblem(error, name));
    throw error;
  }
}

/** As {@link sites}, of a file that is read already. @throws Unusable if it is of an architecture whose sites are not known */
export function sitesOf(file: ElfFile | ElfExecutable, name: string): Sites {
  const machine = "header" in file ? file.header.machine : file.machine;
  const arch = supportedArch(machine, file.littleEndian, name);
  if (file.symbols === null) throw noSymbols(name, false, "header" in file ? name : null);
  const code = new CodeFile(file, arch.name);
  return { file: code, report: findSites(code, arch.sites), elf: file };
}

/** Reasons that debug information can make more exact. */
const isVague: ReadonlySet<SiteReason> = new Set(["none", "label", "nops", "no table"]);

/**
 * The same with what debug information tells of functions without a site, where a relocatable file has it: whether they are
 * written in assembler, or C that was compiled without a profiling call.
 */
export async function withDebugInfo(
  found: Sites,
): Promise<{ readonly sites: Sites; readonly debug: Subprograms | null }> {
  const { elf, report } = found;
  const debug = "header" in elf ? await readSubprograms(elf) : null;
  if (debug === null) return { sites: found, debug };
  const functions = report.functions.map((s) => {
    if (s.reason === null || !isVague.has(s.reason) || s.entry?.isCall === true) return s;
    const isAssembler = debug.isAssembler(s.function.section, s.function.start);
    if (isAssembler === null || (!isAssembler && s.reason === "no table")) return s;
    return { ...s, reason: isAssembler ? "assembler" : "notrace" } as const;
  });
  return { sites: { ...found, report: { ...report, functions } }, debug };
}
