// Names of static functions and variables that link-time optimisation made global: `f.llvm.HASH`.

import { canonicalName } from "../../diff/canon/names.ts";
import { readElf } from "../../elf/reader.ts";
import { ElfEdits } from "../../elf/writer/edits.ts";
import { writeElf } from "../../elf/writer.ts";
import type { ModuleFile } from "../../kernel/module/moduleFile.ts";

/** A name that ThinLTO gave (llvm/lib/Transforms/Utils/FunctionImportUtils.cpp; `ModuleSummaryIndex::getGlobalNameForLocal`). */
const PROMOTED = /\.llvm\.\d+$/;

/**
 * A linked object with the names that a module of the kernel has. The number is a hash of the bitcode, with paths and debug information in
 * it, so each build gives another one; the kernel looks functions up by the whole name. Where the module has several names that differ in
 * the number alone, they stay as they are.
 */
export function asInModule(bytes: Uint8Array, module: ModuleFile): Uint8Array {
  const theirs = new Map<string, string | null>();
  for (const name of module.names()) {
    if (!PROMOTED.test(name)) continue;
    const plain = canonicalName(name);
    theirs.set(plain, theirs.has(plain) ? null : name);
  }
  const file = readElf(bytes);
  const edits = new ElfEdits(file);
  let isChanged = false;
  const { symbols } = file;
  for (let i = 1; i < (symbols?.count ?? 0); i++) {
    const own = symbols?.name(i) ?? "";
    const name = PROMOTED.test(own) ? (theirs.get(canonicalName(own)) ?? own) : own;
    if (name === own) continue;
    edits.setSymbol(i, { name });
    isChanged = true;
  }
  return isChanged ? writeElf(edits) : bytes;
}
