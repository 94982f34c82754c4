// The patch's own tables: struct klp_patch, its objects and functions.

import { define } from "../define.ts";

export const KLP440 = define<{ readonly what: string; readonly help: string }>({
  level: "error",
  title: (d) => `klp_enable_patch refuses the patch: ${d.what}`,
  why: () => "the kernel says nothing; insmod fails with `Invalid parameters`, modprobe with `Invalid argument`",
  help: (d) => d.help,
  explain:
    "klp_enable_patch looks at the patch's tables first. A missing pointer or a name that is too long makes it return -EINVAL without a message; kmod's insmod has the words `Invalid parameters` for that number.",
});

export const KLP441 = define<{ readonly name: string; readonly object: string }>({
  level: "error",
  title: (d) => `two entries of ${d.object} replace ${d.name}`,
  why: () => "each entry gets a folder in sysfs, named after function and position; the second one cannot be made",
  help: () => "keep one of them, or give the other its own position",
  explain:
    "The kernel makes /sys/kernel/livepatch/PATCH/OBJECT/FUNCTION,POSITION for each entry, with position 0 shown as 1. Two equal ones fail with -EEXIST.",
});

export const KLP442 = define<{ readonly symbol: string; readonly object: string }>({
  level: "error",
  title: (d) => `${d.symbol} of ${d.object} cannot be patched: ftrace knows no place in it`,
  kernel: (d) => `livepatch: failed to find location for function '${d.symbol}'`,
  why: () => "the function was compiled without a profiling call: notrace, noinstr, assembly, or a .cold part",
  help: () => "patch its callers instead",
  explain:
    "A livepatch hooks a function at its profiling call. Functions that are not listed in __mcount_loc have none.",
});

export const KLP443 = define<{ readonly symbol: string; readonly where: string }>({
  level: "error",
  title: (d) => `the replacement of ${d.symbol} is ${d.where}`,
  why: () => "calls of the patched function would be sent there",
  help: () => "new_func must be a function of this module",
  explain: "new_func of an entry points to something that is not code of the livepatch module.",
});

export const KLP444 = define<{
  readonly function: string;
  readonly size: number;
  readonly seen: number;
  readonly next: string;
}>({
  level: "warning",
  title: (d) =>
    `the kernel takes ${d.function} for ${d.seen} bytes, not ${d.size}: ${d.next === "" ? "it ends" : d.next} follows`,
  why: () => "sizes are distances between symbols; the stack check would miss tasks in the rest of the function",
  help: () => "make labels in the function local: names that begin with .L",
  explain:
    "The livepatch core waits until no task is in a function. It knows the function's size only from the next symbol, so a named label inside cuts it short.",
});

export const KLP445 = define<Record<string, never>>({
  level: "error",
  title: () => "an object is called vmlinux: the kernel waits for a module of that name",
  why: () => "in struct klp_object the kernel itself has no name (NULL)",
  help: () => "leave the name out",
  explain: "klp_object.name is NULL for vmlinux and a module's name otherwise. A module cannot be called vmlinux.",
});

export const KLP446 = define<{ readonly name: string; readonly lacks: "type" | "flag" }>({
  level: "error",
  title: (d) =>
    d.lacks === "type"
      ? `${d.name} is not a relocation section any more`
      : `${d.name} is not marked as livepatch relocations (flag 0x100000)`,
  why: (d) =>
    d.lacks === "type"
      ? "GNU ld does not know such sections: `ld -r` has taken it for data"
      : "the loader takes it for ordinary relocations, and its symbols for addresses that are known already",
  help: () => "finish the file again from its intermediate form, after the last `ld -r`: klplink runs last",
  explain:
    "A section has the name of livepatch relocations (.klp.rela.OBJECT.SECTION), but not their type SHT_RELA or not the flag SHF_RELA_LIVEPATCH. The livepatch core goes by the flag, so what is in the section is never applied, or at the wrong time.",
});

export const KLP447 = define<{ readonly what: string; readonly section: string }>({
  level: "error",
  title: (d) => `${d.what} has no empty entry at its end`,
  why: (d) => `the kernel reads on behind ${d.section} and takes what it finds there for entries`,
  help: () => "end the array with an empty entry, `{ }`",
  explain:
    "klp_enable_patch goes through an array until it meets an entry of zeros. Here the array is the last thing of its section, and has none: what follows in memory depends on how the module is laid out.",
});

export const KLP448 = define<{ readonly what: string; readonly section: string }>({
  level: "error",
  title: (d) => `${d.what} stands in ${d.section}, which is read-only`,
  why: () => "klp_enable_patch writes lists, kobjects and states into it: the kernel oopses when the module is loaded",
  help: () => "leave out `const` (and `__ro_after_init`): the structures belong in .data",
  explain:
    "struct klp_patch, klp_object and klp_func hold what the kernel keeps of a livepatch while it is there. The loader makes read-only sections read-only before it calls the module's init function.",
});

export const KLP449 = define<{ readonly what: string; readonly section: string }>({
  level: "error",
  title: (d) => `${d.what} stands in ${d.section}, which is freed after init`,
  why: () =>
    "the kernel uses it for as long as the livepatch is there: it would read, write or run memory that is someone else's by then",
  help: () => "leave out `__init` and `__initdata`",
  explain:
    "The loader frees sections whose name begins with .init once the module's init function has returned (not on ppc64, whose loader keeps them). A livepatch's structures and replacement functions are used from then on. The tables of klp-build in .init.klp_objects are copied first, and may stand there.",
});

export const KLP453 = define<{ readonly object: string }>({
  level: "error",
  title: (d) => `the patch has two objects for ${d.object}`,
  why: () => "each object gets a folder in sysfs, named after it; the second one cannot be made",
  help: () => "put the functions of both into one array",
  explain:
    "The kernel makes /sys/kernel/livepatch/PATCH/OBJECT for each struct klp_object, vmlinux where it has no name. Two equal ones fail with -EEXIST.",
});

export const KLP454 = define<Record<string, never>>({
  level: "error",
  title: () => "the module is called vmlinux",
  kernel: () => "livepatch: vmlinux.ko: invalid module name",
  help: () => "give the module another name",
  explain:
    "The livepatch core takes vmlinux as the name of the kernel itself, so kernels with livepatch refuse any module of that name, since 5.8.",
});

export const KLP457 = define<{ readonly names: readonly string[] }>({
  level: "warning",
  title: (d) =>
    `KPATCH_FORCE_UNSAFE of ${d.names.join(", ")} has no effect: livepatch checks the stack for every function`,
  why: () => "only kpatch's own core, which is gone, could leave the check out",
  help: () => "leave it out; for a function that is always on some stack, patch those that it calls",
  explain:
    "A patch lists functions in .kpatch.force (KPATCH_FORCE_UNSAFE of kpatch-macros.h). kpatch.ko replaced them without looking whether a task was in them. The kernel's livepatch core has no such list: a patch of a function that is always on some stack never ends its transition. klplink's own header refuses the macro when the patch is compiled.",
});

export const KLP458 = define<{ readonly section: string; readonly kind: string }>({
  level: "error",
  title: (d) => `nothing in the module enables the patch that ${d.section} describes`,
  why: () => "the kernel does not look for such tables: code of the module reads them and calls klp_enable_patch",
  help: (d) =>
    d.kind === "kpatch"
      ? "link kpatch's livepatch-patch-hook.o into the module"
      : "link klplink-init.o into the module: `klplink glue FOLDER` writes its source, with a Kbuild file",
  explain:
    "The tables of kpatch and of klp-build are not kernel structures: code that is linked into the module makes struct klp_patch of them when the module is loaded. This module has the tables and not that code: it loads, and changes nothing.",
});
