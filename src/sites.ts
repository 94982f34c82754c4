// The sites pass: where ftrace can patch the functions of a file, and so which of them can be livepatched.

import { elfProblem, Unusable } from "./analysis.ts";
import { problem } from "./diag/catalogue.ts";
import { ET_REL, machineNames } from "./elf/consts.ts";
import { ElfError } from "./elf/error.ts";
import { elfType, readExecutable } from "./elf/executable.ts";
import { readElf } from "./elf/reader.ts";
import { CodeFile, siteArch } from "./ftrace/codeFile.ts";
import { findSites, type SiteReport } from "./ftrace/sites.ts";

export interface Sites {
  readonly file: CodeFile;
  readonly report: SiteReport;
}

/**
 * Finds the patch sites of a module, an object file or vmlinux.
 * @throws Unusable if the file cannot be read, or is of an architecture whose sites are not known.
 */
export function sites(bytes: Uint8Array, name: string): Sites {
  try {
    const type = elfType(bytes);
    const isLinked = type !== null && type !== ET_REL;
    const file = isLinked ? readExecutable(bytes) : readElf(bytes);
    const machine = "header" in file ? file.header.machine : file.machine;
    const arch = siteArch(machine);
    if (arch === null || !file.littleEndian) {
      const text = machineNames.get(machine) ?? `number ${machine}`;
      const data = { machine: file.littleEndian ? text : `${text}, big-endian` };
      throw new Unusable(problem("KLP106", { file: name, fileOffset: 18 }, data));
    }
    const code = new CodeFile(file, arch);
    return { file: code, report: findSites(code) };
  } catch (error) {
    if (error instanceof ElfError) throw new Unusable(elfProblem(error, name));
    throw error;
  }
}
