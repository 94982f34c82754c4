// What the module loader prints: kernel/module/*.c (kernel/module.c before 5.19).

import type { Code } from "../definitions.ts";
import { causeOf } from "../symbolCauses.ts";
import { checkCommand, type Fields, type Message, REBUILD, SAME_BUILD, sentence } from "./define.ts";

/** Why the loader does not know a symbol: by the error, then by what the file shows, else all that it can be. */
function unknownSymbol(f: Fields, found: readonly Code[] = []): { readonly meaning: string; readonly help: string } {
  if (f.errno === "-22") {
    return {
      meaning: `${f.symbol} is exported, but may not be used: its checksum (CRC), its namespace or the licence of the module that exports it does not fit; a line before this one says which.`,
      help: "explain that line, too: `dmesg | klplink explain`",
    };
  }
  if (f.errno === "-16") {
    return {
      meaning: `${f.symbol} is exported by a module that had not finished its initialisation; a line before this one names it.`,
      help: "look for a module that hangs while it loads",
    };
  }
  // ppc64 leaves out the leading dot.
  if (/^\.?klp\.sym\./.test(f.symbol ?? "")) {
    return {
      meaning: `${f.symbol} is undefined in the module, and nothing exports a symbol of that full name: the loader did not take it for a livepatch symbol.`,
      help: "the symbol lost its mark SHN_LIVEPATCH, as GNU `ld -r` does: run klplink after the last `ld -r`",
    };
  }
  const cause = found.includes("KLP503") ? null : causeOf(f.symbol ?? "");
  if (cause !== null) {
    return {
      meaning: `${f.symbol} is undefined in the module, and nothing exports it. ${cause.why}`,
      help: cause.help,
    };
  }
  const link = `\`klplink ${f.module ?? "MODULE"}.ko -k System.map\` makes it a livepatch symbol`;
  const unseen = "An undefined symbol is never looked up among functions that are not exported.";
  if (found.includes("KLP503")) {
    return {
      meaning: `${f.symbol} is exported for GPL-compatible modules only, and the module's licence is missing or another one.`,
      help: 'add MODULE_LICENSE("GPL") if that is the module\'s licence',
    };
  }
  if (found.length > 0) {
    return {
      meaning: `${f.symbol} is undefined in the module, and neither the kernel nor a loaded module exports it. ${unseen}`,
      help: `${link} if the kernel has it`,
    };
  }
  return {
    meaning: `${f.symbol} is undefined in the module, and no export that it may use has this name: neither the kernel nor a loaded module exports it, or it is exported for GPL-compatible modules only (EXPORT_SYMBOL_GPL) and the module's licence is missing or another one. ${unseen}`,
    help: `if it is not exported, but in the kernel, ${link}; if it is exported, check MODULE_LICENSE; with --module and -k \`klplink explain\` says which it is`,
  };
}

/** Why a symbol is not known: nothing exports it to the module; or what exports it does not fit. */
const ABSENT: readonly Code[] = ["KLP401", "KLP403", "KLP408", "KLP410", "KLP503"];
const MISFIT: readonly Code[] = ["KLP504", "KLP505", "KLP506"];

export const loaderMessages: readonly Message[] = [
  // Symbols.
  {
    forms: ["{module}: Unknown symbol {symbol} (err {errno})", "{module}: Unknown symbol {symbol}"],
    by: "module loader",
    concerns: "place",
    codes: [...ABSENT, ...MISFIT],
    leaves: (f) => (f.errno === "-22" ? MISFIT : ABSENT),
    meaning: (f, found) => unknownSymbol(f, found).meaning,
    help: (f, found) => unknownSymbol(f, found).help,
  },
  {
    forms: [
      "{module}: disagrees about version of symbol {symbol}",
      "{module}: no symbol version for {symbol}",
      "{module}: no extended symbol version for {symbol}",
    ],
    by: "module loader",
    concerns: (f) => (f.symbol === "module_layout" ? "file" : "place"),
    meaning: (f) =>
      f.symbol === "module_layout"
        ? "The checksum of module_layout, which stands for struct module and all that it is made of, is missing in the module or differs from the kernel's (CONFIG_MODVERSIONS): the module was built for another release or configuration of the kernel, even where the version looks the same."
        : `The checksum of ${f.symbol} in the module is missing or differs from the kernel's (CONFIG_MODVERSIONS): its type, or one that it uses, is another one there. If ${f.symbol} belongs to a module, the one that is loaded is not the one of the build.`,
    help: () => SAME_BUILD,
  },
  {
    forms: [
      "{module}: module uses symbol ({symbol}) from namespace {name}, but does not import it.",
      "{module}: module uses symbol {symbol} from namespace {name}, but does not import it.",
    ],
    by: "module loader",
    concerns: "place",
    meaning: (f) => `${f.symbol} is exported to modules that import the namespace ${f.name} only.`,
    help: (f) => `add MODULE_IMPORT_NS("${f.name}"); to the module's source`,
  },
  {
    forms: ["{module}: module tries to import module namespace: {name}"],
    by: "module loader",
    concerns: "file",
    meaning: () => "Namespaces called module:… are granted by the exporter and cannot be imported.",
    help: () => "the symbol must become a livepatch symbol, or the exporter must name this module",
  },
  {
    forms: [
      "{module}: module using GPL-only symbols uses symbols {symbol} from proprietary module {name}.",
      "{module}: module using GPL-only symbols uses symbols from proprietary module {name}.",
      "{module}: module using GPL-only symbols uses symbol {symbol} from proprietary module {name}.",
    ],
    by: "module loader",
    concerns: (f) => (f.symbol === undefined ? "file" : "place"),
    meaning: (f) =>
      `The module uses symbols that are exported for GPL-compatible modules only, and symbols of ${f.name ?? "a module"}, which is proprietary: kernels from 5.9 on refuse the two together. The symbols of ${f.name ?? "that module"} then come up as \`Unknown symbol … (err -22)\`.`,
    help: (f) =>
      `check MODULE_LICENSE of ${f.name ?? "the other module"} and of this one; a licence cannot be worked around`,
  },
  {
    forms: ["{module}: exports duplicate symbol {symbol} (owned by {name})"],
    by: "module loader",
    concerns: "place",
    meaning: (f) =>
      f.name === "kernel" || f.name === "vmlinux"
        ? `The kernel itself exports ${f.symbol} already: the code of this module is built into the kernel that runs (CONFIG_…=y), or a copied file brought the EXPORT_SYMBOL along. There is no other module to unload.`
        : `${f.name} exports ${f.symbol} already: it is another module with the same code, or a copied file brought the EXPORT_SYMBOL along.`,
    help: (f) =>
      f.name === "kernel" || f.name === "vmlinux"
        ? `use what is built in (\`grep ${f.module ?? "MODULE"} /lib/modules/$(uname -r)/modules.builtin\` lists it), or boot a kernel with it as a module or without it; in a module of your own rename the symbol or drop EXPORT_SYMBOL`
        : `unload ${f.name} first (\`modprobe -r ${f.name}\`), or rename the symbol; a livepatch exports nothing`,
  },
  sentence(
    "module loader",
    "place",
    "The module has common symbols (tentative definitions), which the loader does not place.",
    "compile with -fno-common",
    "{module}: please compile with -fno-common",
  ),
  sentence(
    "module loader",
    "machine",
    "Another module with symbols that this one needs did not finish its initialisation in 30 seconds.",
    "look for a module that hangs while it loads",
    "{module}: gave up waiting for init of module {text}.",
  ),
  // The file.
  {
    forms: ["{module}: module has no symbols (stripped?)"],
    by: "module loader",
    concerns: "file",
    codes: ["KLP107"],
    meaning: () => "The file has no symbol table, or several.",
    help: () => "load the unstripped file; `strip --strip-debug` keeps what a module needs",
  },
  {
    forms: ["{module}: version magic '{text}' should be '{name}'"],
    by: "module loader",
    concerns: "file",
    meaning: () => "The module was built for another kernel release or configuration than the one that runs.",
    help: () => SAME_BUILD,
  },
  {
    forms: ["{module}: module is marked as livepatch module, but livepatch support is disabled"],
    by: "module loader",
    concerns: "machine",
    meaning: () => "The kernel was built without CONFIG_LIVEPATCH.",
    help: () => "boot a kernel with CONFIG_LIVEPATCH=y",
  },
  {
    forms: [
      "Invalid ELF header len {number}",
      "Invalid ELF header type: {number} != {text}",
      "Invalid ELF section header size",
      "Invalid ELF section hdr(type {text})",
      "Invalid ELF section header overflow",
      "ELF Spec violation: section 0 type({number})!=SH_NULL or non-zero len or addr",
      "Invalid ELF section in module (section {sectionIndex} type {number})",
      "Invalid ELF section name index: {text}",
      "Invalid ELF section name table type: {number}",
      "Invalid ELF section name in module (section {sectionIndex} type {number})",
      "Invalid ELF sh_link!=SHN_UNDEF({number}) {text}",
      "Invalid ELF symbol string table type: {number}",
      "ELF Spec violation: section name table isn't null terminated",
      "empty section name table",
      "empty symbol string table",
      "symbol string table missing leading NUL",
      "symbol string table isn't NUL terminated",
      "symbol name out of bounds in string table",
      "{module}: Symbol {symbol} has an invalid section index {number} (max {text})",
      "{module}: truncated",
    ],
    by: "module loader",
    concerns: "file",
    codes: ["KLP102", "KLP101"],
    meaning: () => "The file is not a well-formed ELF64 module: cut off, still compressed, or damaged by a tool.",
    help: (f) => `${REBUILD}; \`${checkCommand(f)}\` names the wrong field and its offset`,
  },
  {
    forms: ["Invalid ELF header magic: != {text}", "Invalid ELF header magic", "Invalid ELF header"],
    by: "module loader",
    concerns: "file",
    codes: ["KLP101"],
    meaning: () =>
      "The file does not begin as an ELF file does (7f 45 4c 46): it is still compressed (.ko.xz, .ko.zst, .ko.gz) and the tool or the kernel cannot unpack it, or it is not a module at all: empty, text, a web page or a Git LFS pointer that was saved in its place.",
    help: () =>
      "`file MODULE.ko` says what it is; unpack it first (`xz -d`, `zstd -d`), or use modprobe of a kmod built with that compression (`modprobe --version` lists them), or a kernel with CONFIG_MODULE_DECOMPRESS",
  },
  {
    forms: ["Invalid architecture in ELF header: {number}", "Invalid module architecture in ELF header: {number}"],
    by: "module loader",
    concerns: "file",
    codes: ["KLP106"],
    meaning: () =>
      "The module was built for another architecture (the number is e_machine), or on ppc64 for the other ABI (e_flags).",
    help: () => "build with the cross compiler and ARCH of the kernel that runs",
  },
  {
    forms: [
      "Only one .modinfo section must exist.",
      "module {module}: Exactly one .gnu.linkonce.this_module section must exist.",
      "module {module}: Only one .gnu.linkonce.this_module section must exist.",
      "module {module}: .gnu.linkonce.this_module section must have a size set",
      "module {module}: .gnu.linkonce.this_module must occupy memory during process execution",
      "{module}: No module found in object",
      "No module found in object",
    ],
    by: "module loader",
    concerns: "file",
    meaning: () =>
      "The file is an object, not a finished module: the parts that kbuild adds at the last link (MODULE.mod.o) are missing or there twice.",
    help: () => "link it with kbuild (`obj-m += …`); load the .ko, not the .o",
  },
  {
    forms: [
      "module {module}: .gnu.linkonce.this_module section size must match the kernel's built struct module size at run time",
    ],
    by: "module loader",
    concerns: "file",
    meaning: () => "struct module has another size in this kernel: the module was built with another configuration.",
    help: () => SAME_BUILD,
  },
  {
    forms: ["{module}: section {section} (index {sectionIndex}) has invalid WRITE|EXEC flags"],
    by: "module loader",
    concerns: "place",
    meaning: (f) => `Section ${f.section} is writable and executable, which CONFIG_STRICT_MODULE_RWX forbids.`,
    help: () =>
      'find the assembly that declares the section with flags "awx"; a linker script that mixes .data and .text does it, too',
  },
  sentence(
    "module loader",
    "file",
    "The extended version sections disagree.",
    SAME_BUILD,
    "extended version crc+name presence does not match",
    "more extended version crcs than names",
  ),
  sentence(
    "module loader",
    "machine",
    "The kernel was told not to load it (module_blacklist= on its command line).",
    "change the kernel's command line",
    "Module {module} is blacklisted",
  ),
  sentence(
    "module loader",
    "file",
    "Modules must be signed with a key that this kernel knows.",
    "sign the finished module (scripts/sign-file); klplink drops a signature that no longer fits",
    "Loading of {text} is rejected",
    "{module}: not signed with expected PKCS#7 message",
    "{module}: PKCS#7 signature info has unexpected non-zero params",
  ),
  sentence(
    "module loader",
    "machine",
    "The kernel is locked down (kernel_lockdown(7); Secure Boot switches it on), and takes modules that are signed with a key it knows, only.",
    "sign the finished module (scripts/sign-file) with a key that is enrolled (`mokutil --import`), or boot without Secure Boot",
    "Lockdown: {name}: unsigned module loading is restricted; see man kernel_lockdown.7",
    "Lockdown: {name}: Loading of unsigned module{text} is restricted; see man kernel_lockdown.7",
    "Lockdown: Loading of unsigned module{text} is restricted; see man kernel_lockdown.7",
  ),
  sentence(
    "module loader",
    "machine",
    "A module of that name is loaded already.",
    "unload it first (a livepatch: disable it in /sys/kernel/livepatch), or use another name",
    "{module}: module is already loaded",
    "sysfs: cannot create duplicate filename '/module/{name}'",
  ),
  sentence(
    "module loader",
    "file",
    "Per-CPU data of the module could not be placed.",
    "reduce per-CPU data, or its alignment",
    "{module}: Could not allocate {number} bytes percpu data",
    "{module}: per-cpu alignment {number} > {text}",
  ),
  sentence(
    "module loader",
    "file",
    "The kernel could not unpack the compressed module itself.",
    "pack it again with the tool and the settings of the kernel's build (xz: --check=crc32), or load it unpacked",
    "not a gzip compressed module",
    "not an xz compressed module",
    "not a zstd compressed module",
    "ZSTD-compressed data has an incomplete frame header",
    "ZSTD-compressed data has too large a window size",
    "Can't initialize ZSTD stream",
    "ZSTD-decompression failed with status {number}",
    "decompression failed with status {number}",
    "failed to initialize decompressor: {number}",
  ),
  sentence(
    "module loader",
    "file",
    "The module's init function returned a positive number, which the kernel takes for success.",
    "return 0 or a negative error",
    "{module}: '{name}'->init suspiciously returned {number}, it should follow 0/-E convention{text}",
  ),
  sentence(
    "module loader",
    "machine",
    "A parameter of the module was misspelled or is not known to it.",
    "look at `modinfo -p MODULE.ko`",
    "{module}: unknown parameter '{name}' ignored",
    "{module}: parameters '{name}' after `--' ignored",
    "{module}: Ignoring obsolete parameters",
  ),
  sentence(
    "module loader",
    "file",
    "The hash of the module, or of its signer, is on the kernel's blacklist.",
    "rebuild and sign it anew",
    "Module hash {text} is blacklisted",
  ),
  sentence(
    "module loader",
    "file",
    "The module has both .ctors and .init_array; the kernel runs one of them only.",
    "build all its objects with one compiler",
    "{module}: has both .ctors and .init_array.",
  ),
  sentence(
    "module loader",
    "file",
    "A symbol was asked for by name that is exported to GPL modules only.",
    "check MODULE_LICENSE",
    "failing symbol_get of non-GPLONLY symbol {symbol}.",
  ),
  sentence(
    "module loader",
    "file",
    "A notice: the module lacks what the loader compares (checksums, or vermagic). This kernel is configured to load it unchecked (CONFIG_MODULE_FORCE_LOAD).",
    "build the module with kbuild, with the Module.symvers of the kernel",
    "{module}: {text}: kernel tainted.",
  ),
  sentence(
    "module loader",
    "file",
    "A notice: the kernel is tainted. The module loads all the same.",
    "nothing",
    "{module}: loading out-of-tree module taints kernel.",
    "{module}: module license '{text}' taints kernel.",
    "{module}: module verification failed: signature and/or required key missing - tainting kernel",
    "{module}: tainting kernel with TAINT_LIVEPATCH",
    "{module}: module uses symbols {text} from proprietary module {name}, inheriting taint.",
    "{module}: module is from the staging directory, the quality is unknown, you have been warned.",
    "{module}: loading test module taints kernel.",
    "{module}: module license taints kernel.",
    "{module}: loading module not compiled with retpoline compiler.",
  ),
  sentence(
    "module loader",
    "file",
    "A summary; a line before it names the cause.",
    "look at the lines before this one",
    "{module}: loading module anyway...",
    "Could not add fail-tracking for module: {module}",
  ),
  {
    forms: ["{module}: no flags for exported symbols"],
    by: "module loader",
    concerns: "file",
    kernels: "7.x",
    meaning: () =>
      "The module exports symbols, but has no section __kflagstab, which since 7.0 tells GPL exports from others: it was built with an older kernel's scripts.",
    help: () => SAME_BUILD,
  },
  {
    forms: ["{module}: ignoring obsolete section {section}"],
    by: "module loader",
    concerns: "place",
    kernels: "7.x",
    meaning: (f) =>
      `${f.section} was where GPL exports stood before 7.0; what is in it is not exported. The module loads all the same.`,
    help: () => SAME_BUILD,
  },
  sentence(
    "module loader",
    "file",
    "The module's init function returned a positive number, which the kernel takes for success.",
    "return 0 or a negative error",
    "{module}: init suspiciously returned {number}, it should follow 0/-E convention",
  ),
  sentence(
    "module loader",
    "machine",
    "Memory that was to become read-only after the module's init function stays writable.",
    "it loads all the same; look for earlier messages about memory permissions",
    "{module}: module_enable_rodata_ro_after_init() returned {number}, ro_after_init data might still be writable",
  ),
  sentence(
    "module loader",
    "file",
    "The module was removed while memory that it had allocated was still in use.",
    "free everything in the module's exit function",
    "{module}: memory allocation(s) from the module still alive, cannot unload cleanly",
  ),
  sentence(
    "module loader",
    "machine",
    "The kernel asked for a module to be loaded, and too many such requests are under way, or the same one twice.",
    "look at what asks for it: an autoload loop, or a module whose init function hangs",
    "request_module: modprobe {name} cannot be processed, kmod busy with {number} threads for more than {number} seconds now",
    "module-autoload: duplicate request for module {name}",
  ),
  sentence(
    "module loader",
    "machine",
    "The kernel had no memory, or no place in sysfs, for its own records.",
    "look for out-of-memory messages before it",
    "{module}: adding tainted module to the unloaded tainted modules list failed.",
    "{module}: module sysfs not initialized",
    "Failed to create 'compression' attribute",
    "digest memory buffer allocate fail",
  ),
  sentence(
    "module loader",
    "machine",
    "A part of a report of another fault: which modules are loaded, or were, with their taints.",
    "nothing",
    "Modules linked in:{text}",
    "Unloaded tainted modules:{text}",
  ),
];
