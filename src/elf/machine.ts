// What the processor supplements say of each machine, as far as reading a file depends on it.

import type { ArchName } from "../base/archName.ts";
import { EM_AARCH64, EM_PPC64, EM_X86_64 } from "./consts.ts";

export interface ElfMachine {
  /** e_machine. */
  readonly machine: number;
  /** The byte order that klplink takes of it. */
  readonly littleEndian: boolean;
  /** Bytes that an absolute relocation (S + A) writes, by its type: those that occur in debug sections. */
  readonly absolutes: ReadonlyMap<number, 4 | 8>;
  /** Whether the low bits of e_flags are the version of the ABI. */
  readonly hasAbiFlags: boolean;
  /** Whether st_other tells a local entry point of functions. */
  readonly hasLocalEntries: boolean;
}

const types = (...rows: readonly (readonly [number, 4 | 8])[]): ReadonlyMap<number, 4 | 8> => new Map(rows);

export const elfMachines: Readonly<Record<ArchName, ElfMachine>> = {
  ppc64le: {
    machine: EM_PPC64,
    littleEndian: true,
    // R_PPC64_ADDR32, ADDR64, UADDR32, UADDR64
    absolutes: types([1, 4], [38, 8], [24, 4], [43, 8]),
    hasAbiFlags: true,
    hasLocalEntries: true,
  },
  arm64: {
    machine: EM_AARCH64,
    littleEndian: true,
    // R_AARCH64_ABS64, ABS32
    absolutes: types([257, 8], [258, 4]),
    hasAbiFlags: false,
    hasLocalEntries: false,
  },
  x86_64: {
    machine: EM_X86_64,
    littleEndian: true,
    // R_X86_64_64, 32, 32S
    absolutes: types([1, 8], [10, 4], [11, 4]),
    hasAbiFlags: false,
    hasLocalEntries: false,
  },
};

const names = new Map(
  (Object.keys(elfMachines) as ArchName[]).map((name) => [elfMachines[name].machine, name] as const),
);

/** The architecture of an e_machine; null if klplink does not know it. */
export const archNameOf = (machine: number): ArchName | null => names.get(machine) ?? null;

/** The row of an e_machine; null if klplink does not know it. */
export function findElfMachine(machine: number): ElfMachine | null {
  const name = archNameOf(machine);
  return name === null ? null : elfMachines[name];
}
