// Two builds of many files: what their trees do not tell, and what several files of one patch say of one thing.

import { define } from "../define.ts";

const SHOWN = 5;
const listed = (paths: readonly string[]): string =>
  paths.slice(0, SHOWN).join(", ") + (paths.length > SHOWN ? ` and ${paths.length - SHOWN} more` : "");

export const KLP717 = define<{ readonly paths: readonly string[]; readonly why: string }>({
  level: "warning",
  title: (d) =>
    `${d.paths.length === 1 ? "an object differs" : `${d.paths.length} objects differ`} and ${d.paths.length === 1 ? "is" : "are"} not compared: ${d.why}`,
  why: (d) => listed(d.paths),
  help: () => "if the patch changes that code, it takes effect with the next boot only",
  explain:
    "A kernel's build makes more than the kernel and its modules: vDSOs, code of real mode, the decompressor, the EFI stub. They run elsewhere, or before the kernel does, and no livepatch reaches them. An object of theirs that differs may be a part of the change, so it is named.",
});

export const KLP718 = define<{ readonly path: string; readonly why: string }>({
  level: "error",
  title: (d) => `${d.path} differs, and nothing says whether it belongs to the kernel or to a module: ${d.why}`,
  why: () => "a function of a module is patched when the module is there, one of the kernel at once",
  help: () => "say what it belongs to, with that object alone in both folders: --object vmlinux, or --object NAME",
  explain:
    "klplink reads which object file belongs to which module from what kbuild leaves beside it: the .cmd file with the compiler's options, the .mod files of the modules, and the archives of the kernel. Copies of a tree need them too.",
});

export const KLP719 = define<{ readonly path: string; readonly object: string }>({
  level: "warning",
  title: (d) => `${d.path} of ${d.object} is in the original tree only`,
  why: () => "its functions stay in the running kernel; nothing is done to them",
  help: () => "if they must not run any more, change those that call them, or what registers them",
  explain:
    "A livepatch replaces functions. It cannot take a file out of the kernel: what is still registered, or called by code that did not change, goes on.",
});

export const KLP720 = define<{ readonly paths: readonly string[]; readonly object: string }>({
  level: "warning",
  title: (d) => `${d.object} is a module of the patched tree only`,
  why: (d) => `its files are not compared: ${listed(d.paths)}`,
  help: () => "load it as it is; if it is not new, build it in the original tree as well",
  explain:
    "A module that the original tree does not have is not in the running kernel either. There is nothing to be replaced in it.",
});

export const KLP721 = define<{ readonly what: string; readonly object: string; readonly other: string }>({
  level: "error",
  title: (d) => `${d.what} of ${d.object} is given twice: here, and by ${d.other}`,
  why: () => "the kernel takes one of each kind for an object",
  help: (d) =>
    d.what.startsWith("the ")
      ? "let one callback do the work of both"
      : "functions of one name are told apart by their position: --sympos holds for all files of the patch",
  explain:
    "A livepatch has one list of functions and one set of callbacks for each object that it patches, whatever number of source files they come from.",
});

export const KLP746 = define<{
  readonly name: string;
  readonly isFunction: boolean;
  /** Each with the functions and variables that refer to the name. */
  readonly places: readonly { readonly file: string; readonly users: readonly string[] }[];
}>({
  level: "warning",
  title: (d) => `\`${d.name}\` is new, and code that the patch leaves alone goes by its being absent`,
  why: (d) =>
    `${listed(d.places.map((p) => `${p.file}: ${listed(p.users.map((u) => `\`${u}\``))}`))}: declared weak there and defined nowhere in the running kernel, so its address is zero in that code`,
  help: (d) =>
    `have the patch change those functions, too, so that they are replaced and ${d.isFunction ? "call" : "use"} the new one`,
  explain:
    "A reference to a name that is declared weak and that nothing defines is zero, and code tests for that. When a patch adds the definition, a new build of the kernel fills in its address, though no byte of the other object files changes. A livepatch replaces functions that differ; these do not, and the kernel's own keep the zero.",
});

export const KLP722 = define<{ readonly name: string; readonly module: string; readonly user: string }>({
  level: "warning",
  title: (d) => `\`${d.user}\` uses \`${d.name}\`, which is new in the module ${d.module}`,
  why: (d) =>
    `what \`${d.name}\` refers to in ${d.module} is filled in when ${d.module} is loaded; before that it must not be called`,
  help: (d) => `put the new function into a file of the kernel, or see to it that ${d.module} is loaded first`,
  explain:
    "Copies of a module's code lie in the livepatch module, and are there before the module is. Their references to it are not.",
});

export const KLP723 = define<{
  readonly orig: string;
  readonly patched: string;
  readonly objects: readonly number[] | null;
}>({
  level: "error",
  title: (d) =>
    d.objects === null
      ? `${d.patched} is not in ${d.orig}, and yet it is not new`
      : `no object file is in both ${d.orig} and ${d.patched}`,
  why: (d) =>
    d.objects === null
      ? "the lists of the original tree, or the kernel, have it: what changed in it cannot be known without the original object"
      : `the first has ${d.objects[0] ?? 0}, the second ${d.objects[1] ?? 0}`,
  help: (d) =>
    d.objects === null
      ? "build the original tree as far as the patched one"
      : "give the folders in which make ran, or that O= named; objects are paired by their paths below them",
  explain:
    "Two builds of one source have the same files, but for those that the patch adds. Objects are paired by their paths, so both folders must begin at the same place.",
});

export const KLP724 = define<Record<string, never>>({
  level: "error",
  title: () => "the file holds LLVM's intermediate code, not machine code",
  why: () => "the build optimises when it links (LTO): what runs is made then, of many files at once",
  help: () => "give the linked objects in place of it: vmlinux.o of both builds, or the module's .o (not .ko)",
  explain:
    "With CONFIG_LTO_CLANG an .o file of a source file is bitcode. Inlining goes across files, so only the linked object shows which functions a change reached.",
});
