// Bytes become an ElfFile, or a problem that says why they cannot.

import { type Arch, findArch } from "../arch/index.ts";
import { printable } from "../base/bytes.ts";
import { TooMuchWork } from "../base/work.ts";
import { type Problem, problem } from "../diag/catalogue.ts";
import { machineNames } from "../elf/consts.ts";
import { ElfError } from "../elf/error.ts";
import { type ElfFile, readElf } from "../elf/reader.ts";
import { EHDR } from "../elf/views/layout.ts";
import type { SectionBytes } from "../elf/views/sectionBytes.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { MachineOf } from "../kernel/machines.ts";
import type { SymbolList } from "../kernel/symbols/symbolList.ts";

/** The input cannot be used at all; the problem says why. */
export class Unusable extends Error {
  readonly problem: Problem;
  constructor(p: Problem) {
    super(p.code);
    this.name = "Unusable";
    this.problem = p;
  }
}

/** The problem that an {@link ElfError} stands for. */
export function elfProblem(error: ElfError, file: string): Problem {
  const { place } = error;
  const inSection = place === null ? {} : { section: printable(place.section), offset: place.offset };
  const at = { file, fileOffset: error.offset, ...inSection };
  switch (error.kind) {
    case "not-elf":
    case "unsupported":
      return problem("KLP101", at, { what: error.what });
    case "malformed":
      return problem("KLP102", at, { what: error.what });
    case "edit":
      return problem("KLP103", at, { what: error.what });
    case "removed":
      return problem("KLP116", at, { what: error.what });
  }
}

/**
 * @param machine e_machine of the module
 * @param files what was given of the kernel
 * @throws Unusable KLP111 if one of them is of another architecture
 */
export function refuseOtherMachine(file: string, machine: number, files: readonly MachineOf[]): void {
  const other = files.find((f) => f.machine !== machine);
  if (other === undefined) return;
  const nameOf = (m: number): string => findArch(m)?.name ?? machineNames.get(m) ?? `machine number ${m}`;
  const data = { own: nameOf(machine), source: other.source, other: nameOf(other.machine) };
  throw new Unusable(problem("KLP111", { file, fileOffset: EHDR.machine }, data));
}

/** The row of a file's architecture. @throws Unusable KLP106 if klplink does not link it, or not in that byte order */
export function supportedArch(machine: number, littleEndian: boolean, path: string): Arch {
  const arch = findArch(machine);
  if (arch !== null && arch.littleEndian === littleEndian) return arch;
  const name = machineNames.get(machine) ?? `number ${machine}`;
  const data = { machine: littleEndian ? name : `${name}, big-endian` };
  throw new Unusable(problem("KLP106", { file: path, fileOffset: EHDR.machine }, data));
}

/**
 * KLP107: a file without a symbol table, or with several.
 * @param module as the loader names it; null for a file that no loader takes
 */
export const noSymbols = (path: string, several: boolean, module: string | null): Unusable =>
  new Unusable(problem("KLP107", { file: path }, { several, module }));

/** What an action gives. @throws Unusable KLP127 in the place of TooMuchWork */
export async function inProportion<T>(action: () => T | Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw error instanceof TooMuchWork ? new Unusable(workProblem(error)) : error;
  }
}

/** As {@link inProportion}, of what waits for nothing. */
export function inProportionNow<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw error instanceof TooMuchWork ? new Unusable(workProblem(error)) : error;
  }
}

export const workProblem = ({ path, what, bytes }: TooMuchWork): Problem =>
  problem("KLP127", { file: path }, { what, bytes });

/** @param apart as {@link readElf} has it @throws Unusable if the bytes are not a relocatable ELF64 file. */
export function read(bytes: Uint8Array, file: string, apart: ReadonlyMap<number, SectionBytes> | null = null): ElfFile {
  try {
    return readElf(bytes, apart);
  } catch (error) {
    if (error instanceof ElfError) throw new Unusable(elfProblem(error, file));
    throw error;
  }
}

/** The kernel that the options tell of; null if they tell of none. */
export const givenKernel = (options: { readonly kernel?: Kernel; readonly symbols?: SymbolList }): Kernel | null =>
  options.kernel ?? (options.symbols === undefined ? null : new Kernel({ list: options.symbols }));
