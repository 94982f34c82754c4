// The table of architectures. A new one is a file beside this one, with its tables in reloc/ and its code in stubs/.

import type { ArchName } from "../base/archName.ts";
import type { Arch } from "./arch.ts";
import { arm64 } from "./arm64.ts";
import { ppc64le } from "./ppc64le.ts";
import { x86_64 } from "./x86_64.ts";

export type { Arch } from "./arch.ts";

const byName: Readonly<Record<ArchName, Arch>> = { ppc64le, arm64, x86_64 };
const rows: readonly Arch[] = Object.values(byName);

/** The row of an e_machine; null if klplink does not link it. */
export function findArch(machine: number): Arch | null {
  return rows.find((row) => row.machine === machine) ?? null;
}

/** The row of an architecture's name; null if there is none. */
export function findArchByName(name: string): Arch | null {
  return rows.find((row) => row.name === name) ?? null;
}
