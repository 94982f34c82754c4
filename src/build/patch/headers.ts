// Headers that patches for kpatch and for klp-build include (kpatch-macros.h, linux/livepatch_helpers.h): those that come with
// klplink, where compilers look last, so that a kernel's own header of the same name goes first.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Config } from "../config.ts";
import { glueFiles } from "../glue.ts";

/** Writes the headers below a private folder, those that are not there yet. @returns flags of the compiler @throws Error of node:fs */
export function patchHeaderFlags(folder: string): string[] {
  const to = join(folder, "headers");
  for (const { name, bytes } of glueFiles().filter((f) => f.name.endsWith(".h"))) {
    const path = join(to, name);
    if (existsSync(path) && readFileSync(path).equals(bytes)) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
  return [`-idirafter ${to}`];
}

/** The kernel's own header of macros for patches; 7.2 has it, 6.12 has not. */
const HELPERS = "include/linux/livepatch_helpers.h";

/**
 * Flags that give the kernel's own header what it has for one architecture alone: KLP_SYSCALL_DEFINE1 to 6 stand for
 * __KLP_SYSCALL_DEFINEx, which 7.2 defines behind `#ifdef CONFIG_X86_64`. Elsewhere it is what the kernel makes system calls of.
 * @param tree the kernel's source
 */
export function helperFlags(tree: string, config: Config): string[] {
  const path = join(tree, HELPERS);
  if (!existsSync(path)) return [];
  const [before, after] = readFileSync(path, "latin1").split(/^#define __KLP_SYSCALL_DEFINEx\(/m);
  const option = before
    ?.match(/^#\w+.*$/gm)
    ?.at(-1)
    ?.match(/^#ifdef (CONFIG_\w+)$/)?.[1];
  return after === undefined || option === undefined || config.has(option)
    ? []
    : ["-D__KLP_SYSCALL_DEFINEx=__SYSCALL_DEFINEx"];
}
