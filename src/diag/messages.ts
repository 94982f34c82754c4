// What kernels print about a module, in all spellings between 4.15 and 7.2, and what it means. One row a message.
// Sources: kernel/module/{main,version,signing}.c (kernel/module.c before 5.19), arch/{powerpc,arm64,x86,s390}/kernel/module*.c,
// kernel/livepatch/core.c, kernel/trace/ftrace.c, arch/powerpc/kernel/trace/ftrace.c.

import type { Code } from "./catalogue.ts";

/** What the parts of a message are. */
export type Field =
  | "module"
  | "symbol"
  | "word"
  | "type"
  | "value"
  | "address"
  | "errno"
  | "section"
  | "sectionIndex"
  | "row"
  | "object"
  | "name"
  | "number"
  | "text";

const PATTERNS: Readonly<Record<Field, string>> = {
  module: "[\\w-]+",
  symbol: "[^\\s']+",
  word: "[0-9a-f]{8}",
  type: "\\d+",
  value: "-?(?:0x)?[0-9a-f]+",
  address: "(?:\\(____ptrval____\\)|[^\\s+]+\\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?|(?:0x)?[0-9a-f]+)(?: \\[\\w+\\])?",
  errno: "-?\\d+",
  section: "\\S+",
  sectionIndex: "\\d+",
  row: "\\d+",
  object: "[^\\s']+",
  name: "[^']+?",
  number: "-?\\d+",
  text: ".*?",
};

export type Fields = Readonly<Partial<Record<Field, string>>>;

export type Speaker = "module loader" | "relocation" | "livepatch" | "ftrace" | "insmod or modprobe";

export interface Message {
  /** As the kernel's format string, `{field}` for each conversion; several where the wording changed. */
  readonly forms: readonly string[];
  readonly by: Speaker;
  /** Architectures that print it; absent: all. */
  readonly arch?: "ppc64le" | "arm64" | "x86_64" | "s390x";
  /** Kernels that print it, where not all do. */
  readonly kernels?: string;
  /** The diagnostics that stand for it. */
  readonly codes?: readonly Code[];
  /** One or two sentences. */
  readonly meaning: (f: Fields) => string;
  readonly help?: (f: Fields) => string;
}

/** `pr_fmt` of the files that print them. Some lines of dmesg have none, and some loggers cut it. */
const PREFIX = "(?:(?:module_64|module|Modules|kmod|livepatch|ftrace-powerpc|ftrace|x86/modules): )*";

const check = (f: Fields): string => `klplink check ${f.module ?? "MODULE"}.ko`;
const SAME_BUILD =
  "build the module against the very kernel that is to load it (its headers, configuration and compiler)";
const REBUILD = "build the file again; check that it was copied whole";
const NEW_KERNEL_FLAGS = "compile with the kernel's own flags, through its build system";

/** Rows whose form is one fixed sentence. */
const plain = (by: Speaker, meaning: string, help: string, ...forms: string[]): Message => ({
  forms,
  by,
  meaning: () => meaning,
  help: () => help,
});

export const messages: readonly Message[] = [
  // Calls and relocations, powerpc.
  {
    forms: ["{module}: Expect noop after relocate, got {word}"],
    by: "relocation",
    arch: "ppc64le",
    kernels: "up to about 4.15",
    codes: ["KLP301", "KLP306"],
    meaning: () =>
      "A call leaves the module through a stub, and the word behind it is no nop (60000000) that the loader could turn into `ld r2,24(r1)`: after the call the module would work with another module's TOC.",
    help: (f) =>
      `\`${check(f)}\` names the call and its line; \`klplink ${f.module ?? "MODULE"}.ko\` mends the file without a rebuild`,
  },
  {
    forms: [
      "{module}: Expected nop after call, got {word} at {address}",
      "{module}: Expected nop after call, got {word}",
    ],
    by: "relocation",
    arch: "ppc64le",
    kernels: "from about 4.16",
    codes: ["KLP301", "KLP306", "KLP309"],
    meaning: () =>
      "A call leaves the module through a stub, and the word behind it is no nop (60000000) that the loader could turn into `ld r2,24(r1)`: after the call the module would work with another module's TOC. The address is that of the word behind the call.",
    help: (f) =>
      `\`${check(f)}\` names the call and its line; \`klplink ${f.module ?? "MODULE"}.ko\` mends the file without a rebuild`,
  },
  {
    forms: ["{module}: Unknown ADD relocation: {type}"],
    by: "relocation",
    arch: "ppc64le",
    codes: ["KLP201"],
    meaning: () => "The module has a relocation of a type that this architecture's loader does not apply.",
    help: () => NEW_KERNEL_FLAGS,
  },
  {
    forms: ["{module}: REL24 {number} out of range!", "{module}: REL24 -{number} out of range!"],
    by: "relocation",
    arch: "ppc64le",
    meaning: (f) =>
      `A branch over ${f.number} bytes does not fit in its 24 bits (±32 MiB), or its distance is no multiple of 4. Calls that leave the module go through a stub; this one went straight to an address.`,
    help: () =>
      "a symbol of the module itself is too far away, or a livepatch symbol was called on a kernel before 4.16",
  },
  {
    forms: ["{module}: REL32 {number} out of range!", "{module}: REL34 {number} out of range!"],
    by: "relocation",
    arch: "ppc64le",
    meaning: (f) => `A distance of ${f.number} bytes does not fit in the field of its relocation.`,
    help: () => NEW_KERNEL_FLAGS,
  },
  {
    forms: [
      "{module}: bad TOC16 relocation ({value})",
      "{module}: bad TOC16_DS relocation ({value})",
      "{module}: bad TOC16_LO_DS relocation ({value})",
    ],
    by: "relocation",
    arch: "ppc64le",
    meaning: (f) =>
      `An entry of the TOC lies ${f.value} from r2: too far for 16 bits (more than 64 KiB of TOC), or not at a multiple of 4.`,
    help: () => "compile with -mcmodel=large, as the kernel does for modules",
  },
  {
    forms: [
      "{module}: doesn't contain .stubs.",
      "{module}: doesn't contain .mygot.",
      "{module}: doesn't contain .toc or .stubs.",
    ],
    by: "module loader",
    arch: "ppc64le",
    meaning: () =>
      "A ppc64 module must have an (empty) section .stubs, and on kernels with PC-relative code .mygot, which the loader fills with its stubs. They come from the kernel's headers when a module is built by kbuild.",
    help: () => "link the object into a module with kbuild; an object file cannot be loaded as it is",
  },
  {
    forms: [
      "{module}: Address of stub entry is not 8-byte aligned",
      "{module}: Address {address} of stub out of range of {text}.",
      "{module}: Address of {address} out of range of kernel_toc.",
      "Address of {address} out of range of kernel_toc.",
      "{module}: Address of {address} out of range of 34-bit relative address.",
    ],
    by: "relocation",
    arch: "ppc64le",
    meaning: () => "The loader could not build a stub: it is misplaced, or too far from the TOC.",
    help: () => "the section .stubs must be aligned to 8 bytes, and module and kernel within 2 GiB of each other",
  },
  {
    forms: [
      "{module}: stub {value} not in module {text}",
      "{module}: fault reading magic for stub {value} for {text}",
      "{module}: bad magic for stub {value} for {text}",
      "{module}: fault reading funcdata for stub {value} for {text}",
    ],
    by: "ftrace",
    arch: "ppc64le",
    meaning: () => "The branch at a function's entry does not lead to a stub that the loader made for this module.",
    help: () => "the entry of the function, or the stub, was changed by something else than the kernel",
  },
  // Relocations, arm64.
  {
    forms: ["module {module}: unsupported RELA relocation: {type}"],
    by: "relocation",
    arch: "arm64",
    codes: ["KLP201"],
    meaning: () => "The module has a relocation of a type that this architecture's loader does not apply.",
    help: () => `${NEW_KERNEL_FLAGS} (no -fPIC: the loader has no GOT)`,
  },
  {
    forms: ["module {module}: overflow in relocation type {type} val {value}"],
    by: "relocation",
    arch: "arm64",
    meaning: () => "A value does not fit in the field of its relocation; the value is printed in hexadecimal.",
    help: () => `${NEW_KERNEL_FLAGS}; an absolute 32-bit field cannot hold a kernel address`,
  },
  {
    forms: ["{module}: module PLT section(s) missing", "{module}: module symtab section missing"],
    by: "module loader",
    arch: "arm64",
    meaning: () =>
      "An arm64 module must have the sections .plt and .init.plt, which the kernel's linker script for modules makes, and a symbol table.",
    help: () => "link the object into a module with kbuild; an object file cannot be loaded as it is",
  },
  {
    forms: [
      "do_reloc: unknown relocation operation {number}",
      "Invalid {number}-bit data relocation ({text})",
      "Invalid length ({number}) for data relocation",
    ],
    by: "relocation",
    arch: "arm64",
    meaning: () =>
      "The loader's own table of relocations is at odds with itself: a fault of the kernel, not of the module.",
    help: () => "report it to the maintainers of the kernel",
  },
  // Relocations, x86.
  {
    forms: ["{module}: Unknown rela relocation: {type}", "{module}: Unknown relocation: {type}"],
    by: "relocation",
    arch: "x86_64",
    codes: ["KLP201"],
    meaning: () => "The module has a relocation of a type that this architecture's loader does not apply.",
    help: () => `${NEW_KERNEL_FLAGS} (no -fPIC: the loader has no GOT)`,
  },
  {
    forms: ["overflow in relocation type {type} val {value} sec {sectionIndex} idx {row}"],
    by: "relocation",
    arch: "x86_64",
    kernels: "7.x",
    meaning: () =>
      "A value does not fit in the 32 bits of its relocation. `sec` is the relocation section's number and `idx` the entry in it, so the place is exact.",
    help: () => "compile with -mcmodel=kernel; R_X86_64_32 cannot hold any kernel address, R_X86_64_32S can",
  },
  {
    forms: ["overflow in relocation type {type} val {value}"],
    by: "relocation",
    arch: "x86_64",
    meaning: () => "A value does not fit in the 32 bits of its relocation; the value is printed in hexadecimal.",
    help: () => "compile with -mcmodel=kernel; R_X86_64_32 cannot hold any kernel address, R_X86_64_32S can",
  },
  {
    forms: ["`{module}' likely not compiled with -mcmodel=kernel"],
    by: "relocation",
    arch: "x86_64",
    meaning: () => "The kernel's own guess at the overflow that it reports one line before.",
    help: () => "compile with -mcmodel=kernel, through the kernel's build system",
  },
  {
    forms: [
      "Invalid relocation target, existing value is nonzero for sec {sectionIndex}, idx {row}, type {type}, loc {address}, val {value}",
      "Invalid relocation target, existing value is nonzero for type {type}, loc {address}, val {value}",
      "Skipping invalid relocation target, existing value is nonzero for type {type}, loc {address}, val {value}",
    ],
    by: "relocation",
    arch: "x86_64",
    meaning: () =>
      "The bytes at a relocation's place must be zero in the file, and were not: two relocations write the same place, the file is a copy of a loaded module, or a patched module was loaded a second time on a kernel before 6.3.",
    help: () => "start from the module as the compiler and linker made it",
  },
  {
    forms: [
      "Invalid relocation target, existing value does not match expected value for sec {sectionIndex}, idx {row}, type {type}, loc {address}, val {value}",
      "Invalid relocation target, existing value does not match expected value for type {type}, loc {address}, val {value}",
    ],
    by: "relocation",
    arch: "x86_64",
    kernels: "from 6.3",
    meaning: () =>
      "While a patched module was unloaded, the kernel took livepatch relocations back and found other bytes than it had written. A warning; the next load of that module will fail.",
    help: () => "unload the livepatch as well before the module is loaded again",
  },
  // Relocations, s390.
  {
    forms: [
      "module {module}: no symbol table",
      "module {module}: unknown relocation: {type}",
      "module {module}: relocation error for symbol {symbol} (r_type {type}, value {value})",
    ],
    by: "relocation",
    arch: "s390x",
    meaning: () => "A relocation that the loader does not apply, or whose value does not fit.",
    help: () => NEW_KERNEL_FLAGS,
  },
  plain(
    "relocation",
    "The module has SHT_REL relocations; this architecture's loader takes SHT_RELA only.",
    NEW_KERNEL_FLAGS,
    "module {module}: REL relocation unsupported",
  ),

  // Symbols.
  {
    forms: ["{module}: Unknown symbol {symbol} (err {errno})", "{module}: Unknown symbol {symbol}"],
    by: "module loader",
    codes: ["KLP401", "KLP403", "KLP408", "KLP410"],
    meaning: (f) =>
      f.errno === "-22"
        ? `${f.symbol} exists, but may not be used: its version (CRC) or its namespace does not agree; a line before this one says which.`
        : `${f.symbol} is undefined in the module, and neither the kernel nor a loaded module exports it. An undefined symbol is never looked up among functions that are not exported.`,
    help: (f) =>
      f.symbol?.startsWith(".klp.sym.") === true
        ? "the symbol lost its mark SHN_LIVEPATCH, as GNU `ld -r` does: run klplink after the last `ld -r`"
        : `\`klplink ${f.module ?? "MODULE"}.ko -k System.map\` makes it a livepatch symbol if the kernel has it`,
  },
  {
    forms: [
      "{module}: disagrees about version of symbol {symbol}",
      "{module}: no symbol version for {symbol}",
      "{module}: no extended symbol version for {symbol}",
    ],
    by: "module loader",
    meaning: (f) =>
      `The checksum of ${f.symbol} in the module is missing or differs from the kernel's (CONFIG_MODVERSIONS).`,
    help: () => SAME_BUILD,
  },
  {
    forms: [
      "{module}: module uses symbol ({symbol}) from namespace {name}, but does not import it.",
      "{module}: module uses symbol {symbol} from namespace {name}, but does not import it.",
    ],
    by: "module loader",
    meaning: (f) => `${f.symbol} is exported to modules that import the namespace ${f.name} only.`,
    help: (f) => `add MODULE_IMPORT_NS("${f.name}"); to the module's source`,
  },
  {
    forms: ["{module}: module tries to import module namespace: {name}"],
    by: "module loader",
    meaning: () => "Namespaces called module:… are granted by the exporter and cannot be imported.",
    help: () => "the symbol must become a livepatch symbol, or the exporter must name this module",
  },
  {
    forms: ["{module}: module using GPL-only symbols uses symbols {symbol} from proprietary module {name}."],
    by: "module loader",
    meaning: () => "A module with GPL-only symbols may not use symbols of a proprietary one.",
    help: () => "check MODULE_LICENSE in both modules",
  },
  {
    forms: ["{module}: exports duplicate symbol {symbol} (owned by {name})"],
    by: "module loader",
    meaning: (f) => `${f.name} exports ${f.symbol} already.`,
    help: () => "unload the other module, or rename the symbol",
  },
  plain(
    "module loader",
    "The module has common symbols (tentative definitions), which the loader does not place.",
    "compile with -fno-common",
    "{module}: please compile with -fno-common",
  ),
  plain(
    "module loader",
    "Another module with symbols that this one needs did not finish its initialisation in 30 seconds.",
    "look for a module that hangs while it loads",
    "{module}: gave up waiting for init of module {text}.",
  ),

  // The file.
  {
    forms: ["{module}: module has no symbols (stripped?)"],
    by: "module loader",
    codes: ["KLP107"],
    meaning: () => "The file has no symbol table, or several.",
    help: () => "load the unstripped file; `strip --strip-debug` keeps what a module needs",
  },
  {
    forms: ["{module}: version magic '{text}' should be '{name}'"],
    by: "module loader",
    meaning: () => "The module was built for another kernel release or configuration than the one that runs.",
    help: () => SAME_BUILD,
  },
  {
    forms: ["{module}: module is marked as livepatch module, but livepatch support is disabled"],
    by: "module loader",
    meaning: () => "The kernel was built without CONFIG_LIVEPATCH.",
    help: () => "boot a kernel with CONFIG_LIVEPATCH=y",
  },
  {
    forms: [
      "Invalid ELF header len {number}",
      "Invalid ELF header magic: != {text}",
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
    codes: ["KLP102", "KLP101"],
    meaning: () => "The file is no well-formed ELF64 module: cut off, still compressed, or damaged by a tool.",
    help: (f) => `${REBUILD}; \`${check(f)}\` names the wrong field and its offset`,
  },
  {
    forms: ["Invalid architecture in ELF header: {number}", "Invalid module architecture in ELF header: {number}"],
    by: "module loader",
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
    meaning: () =>
      "The file is an object, not a finished module: the parts that kbuild adds at the last link (MODULE.mod.o) are missing or there twice.",
    help: () => "link it with kbuild (`obj-m += …`); load the .ko, not the .o",
  },
  {
    forms: [
      "module {module}: .gnu.linkonce.this_module section size must match the kernel's built struct module size at run time",
    ],
    by: "module loader",
    meaning: () => "struct module has another size in this kernel: the module was built with another configuration.",
    help: () => SAME_BUILD,
  },
  {
    forms: ["{module}: section {section} (index {sectionIndex}) has invalid WRITE|EXEC flags"],
    by: "module loader",
    meaning: (f) => `Section ${f.section} is writable and executable, which CONFIG_STRICT_MODULE_RWX forbids.`,
    help: () =>
      'find the assembly that declares the section with flags "awx"; a linker script that mixes .data and .text does it, too',
  },
  plain(
    "module loader",
    "The extended version sections disagree.",
    SAME_BUILD,
    "extended version crc+name presence does not match",
    "more extended version crcs than names",
  ),
  plain(
    "module loader",
    "The kernel was told not to load it (module_blacklist= on its command line).",
    "change the kernel's command line",
    "Module {module} is blacklisted",
  ),
  plain(
    "module loader",
    "Modules must be signed with a key that this kernel knows.",
    "sign the finished module (scripts/sign-file); klplink drops a signature that no longer fits",
    "Loading of {text} is rejected",
    "{module}: not signed with expected PKCS#7 message",
    "{module}: PKCS#7 signature info has unexpected non-zero params",
  ),
  plain(
    "module loader",
    "A module of that name is loaded already.",
    "unload it first (a livepatch: disable it in /sys/kernel/livepatch), or use another name",
    "{module}: module is already loaded",
    "sysfs: cannot create duplicate filename '/module/{name}'",
  ),
  plain(
    "module loader",
    "Per-CPU data of the module could not be placed.",
    "reduce per-CPU data, or its alignment",
    "{module}: Could not allocate {number} bytes percpu data",
    "{module}: per-cpu alignment {number} > {text}",
  ),
  plain(
    "module loader",
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
  plain(
    "module loader",
    "The module's init function returned a positive number, which the kernel takes for success.",
    "return 0 or a negative error",
    "{module}: '{name}'->init suspiciously returned {number}, it should follow 0/-E convention{text}",
  ),
  plain(
    "module loader",
    "A parameter of the module was misspelled or is not known to it.",
    "look at `modinfo -p MODULE.ko`",
    "{module}: unknown parameter '{name}' ignored",
    "{module}: parameters '{name}' after `--' ignored",
    "{module}: Ignoring obsolete parameters",
  ),
  plain(
    "module loader",
    "The hash of the module, or of its signer, is on the kernel's blacklist.",
    "rebuild and sign it anew",
    "Module hash {text} is blacklisted",
  ),
  plain(
    "module loader",
    "The module has both .ctors and .init_array; the kernel runs one of them only.",
    "build all its objects with one compiler",
    "{module}: has both .ctors and .init_array.",
  ),
  plain(
    "module loader",
    "A symbol was asked for by name that is exported to GPL modules only.",
    "check MODULE_LICENSE",
    "failing symbol_get of non-GPLONLY symbol {symbol}.",
  ),
  plain(
    "module loader",
    "A notice: the kernel is tainted. The module loads all the same.",
    "nothing",
    "{module}: loading out-of-tree module taints kernel.",
    "{module}: module license '{text}' taints kernel.",
    "{module}: module verification failed: signature and/or required key missing - tainting kernel",
    "{module}: tainting kernel with TAINT_LIVEPATCH",
    "{name}: {module}: kernel tainted.",
    "{module}: module uses symbols {text} from proprietary module {name}, inheriting taint.",
    "{module}: module is from the staging directory, the quality is unknown, you have been warned.",
    "{module}: loading test module taints kernel.",
    "{module}: module license taints kernel.",
    "{module}: loading module not compiled with retpoline compiler.",
  ),

  // Livepatch.
  {
    forms: ["section {section} has an incorrectly formatted name"],
    by: "livepatch",
    meaning: (f) => `${f.section} has the flag SHF_RELA_LIVEPATCH, but is not called .klp.rela.OBJECT.SECTION.`,
    help: () => "OBJECT is `vmlinux` or a module's name, of at most 55 bytes and without a dot",
  },
  {
    forms: [
      "symbol {symbol} is not marked as a livepatch symbol",
      "symbol {symbol} at rela sec {sectionIndex} idx {row} is not marked as a livepatch symbol",
    ],
    by: "livepatch",
    codes: ["KLP408"],
    meaning: (f) => `A .klp.rela section refers to ${f.symbol}, whose section index is not SHN_LIVEPATCH (0xff20).`,
    help: () => "run klplink after the last `ld -r`: GNU ld turns livepatch symbols into undefined ones",
  },
  {
    forms: ["symbol {symbol} has an incorrectly formatted name"],
    by: "livepatch",
    codes: ["KLP409", "KLP407"],
    meaning: () =>
      "The name of a livepatch symbol is .klp.sym.OBJECT.NAME,POSITION; the kernel cannot take this one apart.",
    help: () => "OBJECT has 1 to 55 bytes and no dot, NAME no comma and at most 511 bytes (127 before 6.1)",
  },
  {
    forms: [
      "invalid access to vmlinux symbol '{symbol}' from module-specific livepatch relocation section",
      "invalid access to vmlinux symbol '{symbol}' from module-specific livepatch relocation section {section}",
    ],
    by: "livepatch",
    kernels: "from 5.8",
    meaning: () =>
      "Symbols of vmlinux must be relocated from .klp.rela.vmlinux sections, even when the patched function is a module's.",
    help: () => "make the section anew from the object, with klplink",
  },
  {
    forms: ["symbol '{symbol}' not found in symbol table"],
    by: "livepatch",
    codes: ["KLP401"],
    meaning: (f) =>
      `The kernel (or the module that is patched) has no symbol ${f.symbol}: it was inlined, renamed by the compiler (NAME.isra.0), configured out, or is data on a kernel without CONFIG_KALLSYMS_ALL.`,
    help: (f) =>
      `\`klplink check ${f.module ?? "MODULE"}.ko -k System.map\`, with the System.map of that kernel, names it and others like it`,
  },
  {
    forms: [
      "unresolvable ambiguity for symbol '{symbol}' in object '{object}'",
      "unresolvable ambiguity for symbol '{symbol}'",
      "unresolvable ambiguity (name={symbol}, {text})",
    ],
    by: "livepatch",
    codes: ["KLP402"],
    meaning: (f) =>
      `Several symbols are called ${f.symbol}, and position 0 in the livepatch symbol says that the name is unique.`,
    help: (f) => `say which one: \`klplink … --sympos ${f.symbol}=N\` (the N-th by address)`,
  },
  {
    forms: ["symbol position {number} for symbol '{symbol}' in object '{object}' not found"],
    by: "livepatch",
    codes: ["KLP406"],
    meaning: (f) =>
      `There are fewer than ${f.number} symbols called ${f.symbol}: the positions were counted in another kernel's symbols.`,
    help: () => "make the module anew with the System.map of the kernel that runs",
  },
  {
    forms: ["module {module} is not marked as a livepatch module"],
    by: "livepatch",
    codes: ["KLP510"],
    meaning: () => "The module called klp_enable_patch, but has no `livepatch=` entry in .modinfo.",
    help: () => 'add MODULE_INFO(livepatch, "Y"); to its source',
  },
  {
    forms: ["failed to find location for function '{name}'"],
    by: "livepatch",
    meaning: (f) =>
      `${f.name} has no ftrace site at its entry, so it cannot be patched: it is notrace, assembly, or was compiled without -pg / patchable entries.`,
    help: () => "patch its callers instead; /sys/kernel/tracing/available_filter_functions lists what can be patched",
  },
  {
    forms: [
      "failed to set ftrace filter for function '{name}' ({errno})",
      "failed to register ftrace handler for function '{name}' ({errno})",
    ],
    by: "livepatch",
    meaning: (f) =>
      `ftrace refused the site of ${f.name}: with -16 another user that redirects it (a kprobe, another patch) holds it; with -19 ftrace shut itself down after a bug.`,
    help: () => "look for other tracers, and for `ftrace bug` earlier in dmesg",
  },
  {
    forms: [
      "kallsyms size lookup failed for '{name}'",
      "kallsyms size lookup failed for '{name}' replacement",
      "kallsyms lookup failed for '{name}'",
    ],
    by: "livepatch",
    meaning: (f) => `The kernel could not find the size of ${f.name} by its address in kallsyms.`,
    help: () => "keep the symbol table of the livepatch module whole (no strip after the link)",
  },
  plain(
    "livepatch",
    "The patch does not work together with one that is installed (their states differ).",
    "use an atomic replace patch, or unload the others first",
    "Livepatch patch ({text}) is not compatible with the already installed livepatches.",
  ),
  plain(
    "livepatch",
    "A callback of the patch itself returned an error.",
    "look at what the callback checks",
    "pre-patch callback failed for object '{object}'",
  ),
  plain(
    "livepatch",
    "A summary; a line before it names the cause.",
    "look at the lines before this one",
    "failed to patch object '{object}'",
    "failed to enable patch '{name}'",
    "failed to initialize patch '{name}' for module '{object}' ({errno})",
    "failed to apply patch '{name}' to module '{object}' ({errno})",
    "patch '{name}' failed for module '{object}', refusing to load module '{module}'",
  ),
  plain(
    "livepatch",
    "The name `vmlinux` is reserved.",
    "call the module something else",
    "vmlinux.ko: invalid module name",
  ),
  plain(
    "livepatch",
    "This architecture cannot tell which functions a task is in, so the transition to the patch may never end.",
    "expect to use `force`, with care",
    "This architecture doesn't have support for the livepatch consistency model.",
    "The livepatch transition may never complete.",
  ),
  plain(
    "livepatch",
    "A notice of the normal course of a patch.",
    "nothing",
    "enabling patch '{name}'",
    "applying patch '{name}' to loading module '{object}'",
    "reverting patch '{name}' on unloading module '{object}'",
    "'{name}': starting {text} transition",
    "'{name}': {text} complete",
    "'{name}': {text}",
    "signaling remaining tasks",
    "forcing remaining tasks to the patched state",
  ),

  // ftrace.
  {
    forms: ["------------[ ftrace bug ]------------"],
    by: "ftrace",
    meaning: () =>
      "ftrace found other bytes at a function's entry than it expects, and switches itself off until the next boot. The lines that follow name the place and the bytes.",
    help: () => "the entry was changed by another tool, or a relocation of the module went to the entry's call",
  },
  {
    forms: [
      "ftrace failed to modify",
      "ftrace faulted on modifying",
      "ftrace faulted on writing",
      "ftrace faulted on unknown error",
      "[<{value}>] {address}",
    ],
    by: "ftrace",
    meaning: (f) =>
      f.address === undefined
        ? "A part of ftrace's bug report; the next line names the place."
        : `The place of ftrace's bug report: ${f.address}.`,
    help: () => "compare the bytes at this entry with the `actual:` and `expected:` lines",
  },
  {
    forms: [
      "actual: {text}",
      "expected: {text}",
      "ftrace record flags: {value}",
      "Expected old value: {value}",
      "Initializing ftrace call sites",
      "Setting ftrace call site to call ftrace function",
      "Setting ftrace call site to NOP",
      "Updating ftrace call site to call a different ftrace function",
    ],
    by: "ftrace",
    meaning: () => "A part of ftrace's bug report: the bytes found, the bytes expected, what it was about to do.",
  },
  {
    forms: [
      "{value}: expected ({word}) != found ({value})",
      "{value}: expected (bl) != found ({word})",
      "{value}: fetching instruction failed",
    ],
    by: "ftrace",
    arch: "ppc64le",
    meaning: (f) =>
      `At ${f.value} ftrace expected the call to _mcount of -mprofile-kernel (or its nop) and found another word.`,
    help: () => "the call to _mcount at the function's entry was changed: it must keep its relocation and its word",
  },
  {
    forms: [
      "{address}: replaced ({word}) != old ({word})",
      "Not expected bl: opcode is {word}",
      "Unexpected instruction {word} around bl _mcount",
      "Expected {word} found {word}",
      "Unexpected call sequence at {address}: {text}",
      "addr {value} does not match expected {value}",
      "Unknown ftrace addr to patch: {address}",
    ],
    by: "ftrace",
    arch: "ppc64le",
    kernels: "up to 6.11",
    meaning: () =>
      "At a function's entry ftrace found other words than the call to _mcount of -mprofile-kernel, or its nop.",
    help: () => "the call to _mcount at the function's entry was changed: it must keep its relocation and its word",
  },
  {
    forms: [
      "Fetching opcode failed.",
      "Fetching op failed.",
      "Fetching instruction at {value} failed.",
      "Failed to get trampoline target",
      "No ftrace trampolines reachable from {address}",
      "No ftrace trampoline",
      "No module loaded",
      "No module loaded addr={value}",
      "Patching NOP failed.",
      "REL24 out of range!",
      "Error patching branch to ftrace tramp!",
      "Unable to read ftrace location {address}",
      "Record mod {address} not equal to passed in mod {address}",
    ],
    by: "ftrace",
    arch: "ppc64le",
    kernels: "up to 6.11",
    meaning: () =>
      "ftrace could not follow or change the call at a function's entry; the lines beside it name the place.",
    help: () => "look at the `ftrace bug` report that follows",
  },
  {
    forms: [
      "{value}: No ftrace stubs reachable",
      "{value} ({value}): No ftrace stubs reachable",
      "{module}: ftrace ool stub out of range ({text}).",
    ],
    by: "ftrace",
    arch: "ppc64le",
    meaning: () => "The entry of a function is more than 32 MiB away from the kernel's and the module's ftrace stubs.",
    help: () => "the module is too large, or lies too far from the kernel",
  },

  // What insmod and modprobe say: a class of errors each, the cause is in dmesg.
  {
    forms: [
      "insmod: ERROR: could not insert module {text}: Invalid module format",
      "modprobe: ERROR: could not insert '{name}': Invalid module format",
      "modprobe: ERROR: could not insert '{name}': Exec format error",
      "insmod: ERROR: could not insert module {text}: Exec format error",
      "insmod: can't insert '{name}': invalid module format",
      "insmod: can't insert '{name}': Invalid module format",
      "Invalid module format",
      "Exec format error",
    ],
    by: "insmod or modprobe",
    meaning: () =>
      "ENOEXEC: the kernel refused the file while it read or relocated it. Its reason is one line in dmesg, not here.",
    help: () => "run `dmesg | klplink explain`, and look at what `klplink check MODULE.ko` finds",
  },
  {
    forms: [
      "insmod: ERROR: could not insert module {text}: Unknown symbol in module",
      "modprobe: ERROR: could not insert '{name}': Unknown symbol in module, or unknown parameter (see dmesg)",
      "insmod: can't insert '{name}': unknown symbol in module, or unknown parameter",
      "insmod: can't insert '{name}': unknown symbol in module or invalid parameter",
      "Unknown symbol in module{text}",
    ],
    by: "insmod or modprobe",
    meaning: () =>
      "ENOENT: the module uses a symbol that is not exported (or has no such parameter). dmesg names each symbol in a line `MODULE: Unknown symbol NAME (err -2)`.",
    help: () => "run `dmesg | klplink explain`, and look at what `klplink check MODULE.ko -k System.map` finds",
  },
  {
    forms: [
      "insmod: ERROR: could not insert module {text}: {name}",
      "modprobe: ERROR: could not insert '{text}': {name}",
      "insmod: can't insert '{text}': {name}",
      "rmmod: ERROR: {text}",
    ],
    by: "insmod or modprobe",
    meaning: (f) =>
      `The system's word for an error number${f.name === undefined ? "" : ` (${f.name})`}; the kernel's own reason is in dmesg.`,
    help: () => "run `dmesg | klplink explain`",
  },
];

export interface Recognised {
  readonly message: Message;
  readonly fields: Fields;
  /** The line without timestamps and the like. */
  readonly text: string;
}

interface Compiled {
  readonly message: Message;
  readonly pattern: RegExp;
  readonly names: readonly Field[];
}

let compiled: readonly Compiled[] | null = null;

function compile(): readonly Compiled[] {
  return messages.flatMap((message) =>
    message.forms.map((form) => {
      const names: Field[] = [];
      const source = form
        .split(/\{(\w+)\}/)
        .map((part, i) => {
          if (i % 2 === 0) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
          names.push(part as Field);
          return `(${PATTERNS[part as Field]})`;
        })
        .join("");
      return { message, names, pattern: new RegExp(`^${PREFIX}${source}\\s*$`) };
    }),
  );
}

/**
 * A line of dmesg, the journal or syslog without what the logger put before it: priority, facility, time, host, caller.
 */
export function stripLogger(line: string): string {
  let text = line.replace(/[\r\n]+$/, "");
  for (let before = ""; before !== text; ) {
    before = text;
    text = text
      .replace(/^\s+/, "")
      .replace(/^<\d{1,3}>/, "")
      .replace(/^(?:kern|user|daemon|syslog)\s*:\s*(?:emerg|alert|crit|err|warn|notice|info|debug)\s*:\s*/, "")
      // [   12.345678]  [12.345678,3]  [Fri Nov 21 01:02:03 2025]  [ T123]  [C0]
      .replace(/^\[\s*(?:\d+\.\d+(?:,\d+)?|\w{3} \w{3} +\d+ [\d:]+ \d{4}|[TC]\s*\d+)\]\s*/, "")
      // Nov 21 01:02:03 host kernel:   2025-11-21T01:02:03.123456+00:00 host kernel:
      .replace(/^(?:\w{3} +\d+ [\d:.]+|\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-][\d:]+)?) +\S+ (?:kernel|\S+\[\d+\]): ?/, "")
      .replace(/^kernel: /, "");
  }
  return text.trimEnd();
}

/** What a line says, or null if it is none of the messages. */
export function recognise(line: string): Recognised | null {
  const text = stripLogger(line);
  // printk cuts a line at 1024 bytes (LOG_LINE_MAX); loggers may add a little.
  if (text === "" || text.length > 1200) return null;
  compiled ??= compile();
  for (const { message, pattern, names } of compiled) {
    const match = pattern.exec(text);
    if (match === null) continue;
    const fields: Partial<Record<Field, string>> = {};
    for (const [i, name] of names.entries()) fields[name] ??= match[i + 1] ?? "";
    return { message, fields, text };
  }
  return null;
}
