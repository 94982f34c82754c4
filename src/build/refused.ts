// What no livepatch can carry, told by paths and by words of the patch, before anything is compiled.

import { type Problem, problem } from "../diag/catalogue.ts";
import type { FilePatch } from "./patch/file.ts";

interface Row {
  readonly path: RegExp;
  /** It is a place in the kernel's source, and says nothing of a folder out of it. */
  readonly isOfKernel?: true;
  readonly why: string;
  readonly help: string;
}

const LEAVE_OUT = "leave the file out of the patch; what it is for needs a new kernel";

/** In this order; the first that fits is said. */
const rows: readonly Row[] = [
  {
    path: /(?:^|\/)Kconfig[^/]*$|^scripts\/kconfig\/|(?:^|\/)configs\/|\.config$/,
    why: "it configures the build, and the running kernel is built",
    help: "leave the file out of the patch: the configuration stays that of the running kernel",
  },
  {
    path: /(?:^|\/)(?:Makefile|Kbuild)(?:\.[^/]*)?$|\.mk$|^scripts\/(?!mod\/devicetable)/,
    why: "it says how the kernel is built: another build of the same functions is no change that a livepatch can carry",
    help: "leave the file out of the patch; for a new source file, put its code into one that is there",
  },
  {
    path: /^(?:tools|Documentation|usr|LICENSES)\//,
    isOfKernel: true,
    why: "it is no part of the running kernel",
    help: "leave the file out of the patch",
  },
  {
    isOfKernel: true,
    path: /(?:^|\/)vdso(?:32|64)?\//,
    why: "a vDSO is code of processes, mapped into each of them",
    help: LEAVE_OUT,
  },
  {
    isOfKernel: true,
    path: /^arch\/[^/]+\/(?:boot|purgatory|realmode|coreboot)\/|^drivers\/firmware\/efi\/libstub\/|^arch\/x86\/platform\/efi\/runtime-map/,
    why: "it runs before the kernel, or outside of it",
    help: LEAVE_OUT,
  },
  {
    isOfKernel: true,
    path: /^lib\/(?:decompress[^/]*|inflate|unxz|zlib_inflate\/|zstd\/decompress\/(?:huf|zstd)_.*_stub)/,
    why: "it unpacks the kernel and its first file system, and is compiled into the boot code as well",
    help: LEAVE_OUT,
  },
  {
    isOfKernel: true,
    path: /^init\/|^arch\/powerpc\/kernel\/prom_init\.c$|^arch\/[^/]+\/kernel\/(?:head|early|setup_percpu)[^/]*\.c$|^arch\/arm64\/kernel\/pi\//,
    why: "it runs when the kernel starts, and is gone from memory then",
    help: "redo its effect in a callback of the livepatch, or in another file",
  },
  {
    path: /\.[sS]$|\.lds(?:\.[sSh])?$/,
    why: "it is assembler or a linker script: functions in it have no place where a livepatch could redirect them",
    help: "patch the C functions that call it",
  },
  { path: /\.rs$/, why: "it is Rust, whose names change with every build", help: LEAVE_OUT },
  { path: /\.dtsi?$/, why: "it is a device tree, which the kernel got when it started", help: LEAVE_OUT },
  {
    path: /(?<!\.[ch])$/,
    why: "it is no C source and no header",
    help: "leave the file out of the patch",
  },
];

/** Documentation and the like: what has no effect on code, and is passed over without a word of error. */
const WITHOUT_EFFECT = /^Documentation\/|^(?:MAINTAINERS|CREDITS|\.mailmap|\.gitignore)$|\/\.gitignore$|\.rst$/;

/** Whether a file cannot have an effect on the running kernel by its nature. */
export const hasNoEffect = (path: string): boolean => WITHOUT_EFFECT.test(path);

/** One problem for each file that a livepatch cannot carry. @param isOut whether the files are those of a module out of the kernel's source */
export function refusedFiles(patches: readonly FilePatch[], isOut = false): Problem[] {
  const problems: Problem[] = [];
  const told = new Set<string>();
  for (const { from, to, kind, patch, line } of patches) {
    const path = kind === "removed" ? from : to;
    if (told.has(path) || hasNoEffect(path)) continue;
    const row = rows.find((r) => !(isOut && r.isOfKernel === true) && r.path.test(path));
    if (row === undefined) continue;
    told.add(path);
    problems.push(problem("KLP810", { file: patch, line }, { path, why: row.why, help: row.help }));
  }
  return problems;
}

/** Macros of kpatch that stood for what its own core did, and livepatch does not. */
const words: readonly { readonly macro: string; readonly why: string; readonly help: string }[] = [
  {
    macro: "KPATCH_FORCE_UNSAFE",
    why: "livepatch looks at the stack of every task for every function, and only kpatch's own core, which is gone, could leave that out",
    help: "leave the line out; where a function is always on some stack, patch what it calls",
  },
  {
    macro: "KPATCH_LOAD_HOOK",
    why: "hooks were run by kpatch's own core, which is gone; livepatch has callbacks",
    help: "use KPATCH_PRE_PATCH_CALLBACK, whose function takes a patch_object and returns int",
  },
  {
    macro: "KPATCH_UNLOAD_HOOK",
    why: "hooks were run by kpatch's own core, which is gone; livepatch has callbacks",
    help: "use KPATCH_POST_UNPATCH_CALLBACK, whose function takes a patch_object",
  },
];

/** One problem for each line that a patch adds in words that livepatch has nothing for. */
export function refusedWords(patches: readonly FilePatch[]): Problem[] {
  const problems: Problem[] = [];
  for (const { hunks, patch: file } of patches)
    for (const hunk of hunks)
      for (const [i, { kind, text }] of hunk.lines.entries()) {
        const [, macro = "", name = ""] = kind === "+" ? (/^\s*(KPATCH_\w+)\s*\(\s*(\w*)/.exec(text) ?? []) : [];
        const row = words.find((w) => w.macro === macro);
        if (row === undefined) continue;
        problems.push(problem("KLP826", { file, line: hunk.line + 1 + i }, { ...row, function: name }));
      }
  return problems;
}
