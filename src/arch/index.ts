// The table of architectures. A new one is a file beside this one, with its tables in reloc/ and its code in stubs/.

import type { ArchName } from "../base/archName.ts";
import { archNameOf } from "../elf/machine.ts";
import type { Arch } from "./arch.ts";
import { arm64 } from "./arm64.ts";
import { ppc64le } from "./ppc64le.ts";
import { x86_64 } from "./x86_64.ts";

export type { Arch } from "./arch.ts";

/** A run that needs one architecture does without the tables of the others. */
const byName: Readonly<Record<ArchName, () => Arch>> = {
  ppc64le: () => ppc64le,
  arm64: () => arm64,
  x86_64: () => x86_64,
};

/** The row of an e_machine; null if klplink does not link it. */
export function findArch(machine: number): Arch | null {
  const name = archNameOf(machine);
  return name === null ? null : byName[name]();
}

/** The row of an architecture's name; null if there is none. */
export function findArchByName(name: string): Arch | null {
  return Object.hasOwn(byName, name) ? byName[name as ArchName]() : null;
}
