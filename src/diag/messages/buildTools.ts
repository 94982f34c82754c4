// What the tools around a module's build print: modpost (scripts/mod/modpost.c), depmod (kmod, module-init-tools), dkms.

import { asClause, causeOf } from "../symbolCauses.ts";
import { type Fields, type Message, SAME_BUILD } from "./define.ts";

type Text = string | ((f: Fields) => string);
const asFunction = (text: Text): ((f: Fields) => string) => (typeof text === "string" ? () => text : text);

const row = (
  concerns: "place" | "file" | "machine",
  meaning: Text,
  help: Text,
  ...forms: (string | readonly string[])[]
): Message => ({
  forms: forms.flat(),
  by: "build tools",
  concerns,
  meaning: asFunction(meaning),
  help: asFunction(help),
});

/** A form of modpost, as it was before 5.x and as it is now, as an error and as a warning. */
const modpost = (form: string): string[] =>
  ["ERROR: modpost: ", "WARNING: modpost: ", "FATAL: modpost: ", "ERROR: ", "WARNING: ", "FATAL: "].map(
    (start) => `${start}${form}`,
  );

export const buildToolMessages: readonly Message[] = [
  {
    ...row(
      "place",
      (f) =>
        `The module uses ${f.symbol}, and neither vmlinux nor a module of this build exports it (modpost looks in Module.symvers). ${causeOf(f.symbol ?? "")?.why ?? "The loader will say `Unknown symbol`."}`,
      (f) =>
        causeOf(f.symbol ?? "")?.help ??
        "if another module of yours exports it, give its Module.symvers with KBUILD_EXTRA_SYMBOLS; if the kernel has it and does not export it, klplink makes it a livepatch symbol (KBUILD_MODPOST_WARN=1 lets the build go on)",
      modpost('"{symbol}" [{text}] undefined!'),
      '*** Warning: "{symbol}" [{text}] undefined!',
    ),
    codes: ["KLP401", "KLP410"],
  },
  row(
    "place",
    (f) => `${f.symbol} is exported for GPL-compatible modules only, and this module's licence is another one.`,
    'add MODULE_LICENSE("GPL") if that is the module\'s licence',
    modpost("GPL-incompatible module {text} uses GPL-only symbol '{symbol}'"),
    modpost("GPL-incompatible module {text} uses the GPL-only symbol '{symbol}'"),
  ),
  row(
    "place",
    (f) => `${f.symbol} is exported to modules that import the namespace ${f.name} only.`,
    (f) => `add MODULE_IMPORT_NS("${f.name}"); to the module's source (without the quotes before 6.13)`,
    modpost("module {text} uses symbol {symbol} from namespace {name}, but does not import it."),
  ),
  row(
    "file",
    "The module names no licence: it counts as proprietary, taints the kernel, and may use no symbol that is exported for GPL-compatible modules.",
    'add MODULE_LICENSE("GPL") (or the licence that it has) to one of its source files',
    modpost("missing MODULE_LICENSE() in {text}"),
  ),
  row(
    "file",
    "The build tree has no Module.symvers: modpost cannot tell which symbols the kernel exports, and writes no checksums, so a kernel with CONFIG_MODVERSIONS will say `no symbol version for …` or refuse the module.",
    "build the kernel whole once (`make`), or use the headers package of the kernel, which brings Module.symvers",
    modpost('Symbol version dump "{text}" is missing.'),
    modpost("Symbol version dump {text} is missing{text}"),
    modpost("Symbol info of vmlinux is missing. Unresolved symbol check will be entirely skipped."),
  ),
  row(
    "place",
    (f) => `${f.symbol} gets no checksum: genksyms saw no declaration of it (often a symbol exported from assembly).`,
    "declare it in a header that asm/asm-prototypes.h includes",
    modpost('EXPORT symbol "{symbol}" [{text}] version generation failed, symbol will not be versioned.'),
    modpost('"{symbol}" [{text}] has no CRC!'),
  ),
  row(
    "place",
    (f) => `Two objects of the build export ${f.symbol}; the loader would say \`exports duplicate symbol\`.`,
    "rename one of them, or drop an EXPORT_SYMBOL",
    modpost("{text}: '{symbol}' exported twice. Previous export was in {text}"),
    modpost('"{symbol}" [{text}] was exported without definition'),
  ),
  row(
    "place",
    (f) => `The name ${f.symbol} is too long for a checksum's entry (55 bytes, before 6.14's extended versions).`,
    "shorten the name",
    modpost('too long symbol "{symbol}" [{text}]'),
  ),
  row(
    "file",
    "Code or data that stays refers to code or data that the kernel frees after start (.init.*, .exit.*).",
    "mark both alike (__init, __exit, __refdata), or neither",
    modpost("{text}: section mismatch in reference: {text}"),
    modpost("Section mismatches detected.{text}"),
    modpost("{text}: Section mismatch in reference{text}"),
  ),
  row(
    "file",
    "kbuild found no vmlinux beside the headers, so the module gets no types (BTF). It loads all the same; only functions that it offers to BPF programs need them.",
    "nothing",
    "Skipping BTF generation for {text} due to unavailability of vmlinux",
    "Skipping BTF generation {text} due to unavailability of vmlinux",
  ),
  row(
    "file",
    "The module is compiled by another compiler than the kernel was: mostly harmless, but plugins, sanitizers and struct module (fields that depend on what the compiler can do) may differ, and the loader then refuses the module.",
    "install the compiler that /proc/version names, or give it: `make CC=gcc-12`",
    "warning: the compiler differs from the one used to build the kernel",
    "The kernel was built by: {text}",
  ),
  row(
    "place",
    (f) => {
      const cause = causeOf(f.symbol ?? "");
      return `depmod found a module that uses ${f.symbol}, which no module of this release and not its kernel exports: loading it will end with \`Unknown symbol\`${cause === null ? "" : `; ${asClause(cause.why)}`}.`;
    },
    (f) =>
      causeOf(f.symbol ?? "")?.help ??
      "build the module for this release; give depmod the System.map of the release (-F), and look whether a module that exports the symbol is missing",
    "depmod: WARNING: {text} needs unknown symbol {symbol}",
    "WARNING: {text} needs unknown symbol {symbol}",
    "{text} needs unknown symbol {symbol}",
  ),
  row(
    "place",
    (f) =>
      `depmod found a module whose checksum for ${f.symbol} is not that of the module or kernel that exports it: one of them is from another build, and the loader will say \`disagrees about version of symbol\`.`,
    SAME_BUILD,
    "depmod: WARNING: {text} disagrees about version of symbol {symbol}",
    "WARNING: {text} disagrees about version of symbol {symbol}",
  ),
  row(
    "file",
    "Two or more modules need symbols of each other, in a circle, so none of them can be loaded first.",
    "move what they share into a third module, or link them into one",
    "depmod: ERROR: Cycle detected: {text}",
    "depmod: ERROR: Found {number} modules in dependency cycles!",
    "depmod: WARNING: Module {text} ignored, due to loop",
    "WARNING: Module {text} ignored, due to loop",
    "WARNING: Loop detected: {text}",
  ),
  row(
    "file",
    "depmod could not read the symbols of a file below /lib/modules: it is damaged, empty (a full disk), for another architecture, or compressed in a way that this depmod was not built for.",
    "`klplink check FILE` says what is wrong with it; `depmod --version` lists the compressions",
    "depmod: ERROR: failed to load symbols from {text}: {text}",
    "depmod: ERROR: {text} failed to load symbols from {text}: {text}",
    "depmod: WARNING: Can't read module {text}: {text}",
  ),
  row(
    "machine",
    "depmod found no modules.order or modules.builtin of the release: the order of equal aliases, and what is built in, stay unknown. Harmless where only out-of-tree modules are installed.",
    "nothing",
    "depmod: WARNING: could not open modules.order at {text}: No such file or directory",
    "depmod: WARNING: could not open modules.builtin at {text}: No such file or directory",
    "depmod: WARNING: could not open modules.builtin.modinfo at {text}: No such file or directory",
    "depmod: WARNING: could not open {text}: No such file or directory",
  ),
  row(
    "machine",
    "dkms ran the module's make, and that failed: a matter of source and headers, not of the loader. Mostly the module's source is older than the kernel, whose functions changed.",
    "the first line with `error:` in make.log (the line behind names it) is the reason; take a newer release of the driver, or an older kernel",
    "Error! Bad return status for module build on kernel: {text}",
    "Error! Bad return status for module build on {text}",
    "Consult {text}make.log{text}",
    "Error! Build of {text} failed for: {text}",
    "Error! One or more modules failed to install during autoinstall.",
  ),
  row(
    "machine",
    "The headers of that release are not installed, or /lib/modules/RELEASE/build points nowhere, so dkms cannot build for it.",
    "install the package named (linux-headers-RELEASE, kernel-devel-RELEASE); where the archive no longer has it, boot a newer kernel and build for that",
    "Error! Your kernel headers for kernel {text} cannot be found{text}",
    "Error! Echo Your kernel headers for kernel {text} cannot be found{text}",
    "Your kernel headers for kernel {text} cannot be found{text}",
    "Error! Your kernel source for kernel {text} cannot be found{text}",
    "Please install the {text} package or use the --kernelsourcedir option to tell DKMS where it's located.",
    "Please install the {text} package,",
    "or use the --kernelsourcedir option to tell DKMS where it's located{text}",
  ),
  row(
    "machine",
    "dkms keeps the module of the kernel's own package, as that is as new: its own build is not installed.",
    "nothing is wrong if the kernel's module will do; else `dkms install --force`",
    "Error! Module version {text} for {text} is not newer than what is already found in kernel {text}",
  ),
  row(
    "machine",
    "dkms lacks its own files of the module: the build left no .ko, or the source or its dkms.conf is gone.",
    "`dkms status`; remove the module from dkms and add it again",
    "Error! Could not locate dkms.conf file.",
    "Error! Could not locate {text}.ko for module {text}",
    "Error! Could not locate {text} for module {text} in the DKMS tree.",
    "Error! DKMS tree already contains: {text}",
  ),
];
