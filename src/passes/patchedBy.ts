// What a livepatch in force changes in a module that it patches.

import { findArch } from "../arch/index.ts";
import { normalModuleName } from "../kernel/module/modinfo.ts";
import { readPatches } from "../klp/patch/tables.ts";
import type { PatchedName } from "../load/facts.ts";
import { read } from "./input.ts";

/**
 * The functions of one object that a livepatch module replaces; none if it is for others only.
 * @throws Unusable if the file cannot be read
 */
export function patchedNames(livepatch: Uint8Array, file: string, object: string): PatchedName[] {
  const elf = read(livepatch, file);
  const arch = findArch(elf.header.machine);
  if (arch === null || elf.symbols === null) return [];
  return readPatches(elf, elf.symbols, arch.absolute)
    .flatMap((patch) => patch.objects)
    .filter((o) => normalModuleName(o.name) === object)
    .flatMap((o) => o.functions)
    .flatMap(({ oldName, position }) => (oldName === null ? [] : [{ name: oldName, position }]));
}
