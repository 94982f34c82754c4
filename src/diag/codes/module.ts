// The finished module: its form, its .modinfo, struct module, versions.

import { define, faultColumns } from "../define.ts";

export const KLP211 = define<{ readonly size: number; readonly limit: number }>({
  level: "error",
  title: (d) => `the module would take ${d.size} bytes of memory; the limit is ${d.limit}`,
  help: () => "no module is that large: the file is damaged, or not a module",
  explain: "The sizes in the section headers add up to more than a kernel could give to a module.",
});

export const KLP230 = define<{ readonly module: string; readonly name: string; readonly index: number }>({
  level: "error",
  title: (d) => `section ${d.name} is both writable and executable`,
  kernel: (d) => `${d.module}: section ${d.name} (index ${d.index}) has invalid WRITE|EXEC flags`,
  help: () => 'give the section the flags of code ("ax") or of data ("aw"), and put what is written elsewhere',
  explain:
    "Kernels with CONFIG_STRICT_MODULE_RWX (5.8 and later) map no memory that is both written and run, and refuse a module with such a section, loaded or not. GNU as takes a section's flags from its first `.section` line; `ld -r` joins those of the sections that it merges.",
});

export const KLP231 = define<{ readonly machine: number; readonly flags: number; readonly abi: number }>({
  level: "error",
  title: (d) =>
    `e_flags 0x${d.flags.toString(16)} say ${d.abi === 0 ? "no ABI version" : `ABI version ${d.abi}`}, not 2`,
  kernel: (d) => `Invalid module architecture in ELF header: ${d.machine}`,
  help: () => "compile with -mabi=elfv2, and let `ld -r` or the assembler write the header",
  explain:
    "ppc64le kernels since 6.2 read the ABI version in the two low bits of e_flags and take modules of ELF ABI version 2 only.",
});

const THIS_MODULE = ".gnu.linkonce.this_module";

/** What is wrong with the sections that each module has once. */
export type ModuleSectionFault =
  | { readonly fault: "several .modinfo"; readonly count: number }
  /** `exactly`: how the kernel words it. */
  | { readonly fault: "several modules"; readonly module: string; readonly count: number; readonly exactly: boolean }
  | { readonly fault: "no bytes" | "not loaded"; readonly module: string }
  | { readonly fault: "half of checksums"; readonly there: string; readonly missing: string };

const moduleSectionFault = faultColumns<ModuleSectionFault>({
  "several .modinfo": {
    what: (d) => `the module has ${d.count} sections .modinfo`,
    kernel: () => "Only one .modinfo section must exist.",
  },
  "several modules": {
    what: (d) => `the module has ${d.count} sections ${THIS_MODULE}`,
    kernel: (d) => `module ${d.module}: ${d.exactly ? "Exactly one" : "Only one"} ${THIS_MODULE} section must exist.`,
  },
  "no bytes": {
    what: () => `${THIS_MODULE} holds no bytes (SHT_NOBITS)`,
    kernel: (d) => `module ${d.module}: ${THIS_MODULE} section must have a size set`,
  },
  "not loaded": {
    what: () => `${THIS_MODULE} is not loaded (no SHF_ALLOC)`,
    kernel: (d) => `module ${d.module}: ${THIS_MODULE} must occupy memory during process execution`,
  },
  "half of checksums": {
    what: (d) => `${d.there} is there without ${d.missing}`,
    kernel: () => "extended version crc+name presence does not match",
  },
});

export const KLP232 = define<ModuleSectionFault>({
  level: "error",
  ...moduleSectionFault,
  help: () => "link the module once, with kbuild (`make M=... modules`), and do not link two finished modules into one",
  json: (d) => ({ what: moduleSectionFault.title(d), message: moduleSectionFault.kernel(d) }),
  explain:
    "The loader wants one section .modinfo and one .gnu.linkonce.this_module, which is loaded and holds the bytes of struct module. Two of them come from linking two modules, or a module twice, with `ld -r`.",
});

/** What is wrong with section header 0, which may hold the number of sections, and with the symbols' string table. */
type HeaderFault =
  /** `nameIndex`: e_shstrndx; `nullType`: sh_type of section 0, where the kernel looks at that first. */
  | {
      readonly fault: "too many sections";
      readonly count: number;
      readonly nameIndex: number;
      readonly nullType: number | null;
    }
  | { readonly fault: "null section"; readonly nullType: number }
  | { readonly fault: "empty string table" | "string table without first zero" | "string table without last zero" };

const nullSection = (type: number): string =>
  `ELF Spec violation: section 0 type(${type})!=SH_NULL or non-zero len or addr`;
const BUILD_ANEW = "build the module anew: a tool behind the link has changed it";
const STRING_TABLE = "the symbol string table does not begin and end with a zero byte";

const headerFault = faultColumns<HeaderFault>({
  "too many sections": {
    what: (d) => `the module has ${d.count} sections, more than e_shnum can tell`,
    kernel: (d) =>
      d.nullType !== null
        ? nullSection(d.nullType)
        : `Invalid ELF section name index: ${d.nameIndex} || e_shstrndx (${d.nameIndex}) >= e_shnum (0)`,
  },
  "null section": { what: () => "section header 0 is not all zero", kernel: (d) => nullSection(d.nullType) },
  "empty string table": { what: () => STRING_TABLE, kernel: () => "empty symbol string table" },
  "string table without first zero": {
    what: () => STRING_TABLE,
    kernel: () => "symbol string table missing leading NUL",
  },
  "string table without last zero": {
    what: () => STRING_TABLE,
    kernel: () => "symbol string table isn't NUL terminated",
  },
});
const headerHelp = (d: HeaderFault): string =>
  d.fault === "too many sections"
    ? "merge sections when the module is linked (the kernel's module.lds does)"
    : BUILD_ANEW;

export const KLP233 = define<HeaderFault>({
  level: "error",
  ...headerFault,
  help: headerHelp,
  json: (d) => ({ what: headerFault.title(d), message: headerFault.kernel(d), help: headerHelp(d) }),
  explain:
    "The loader counts sections by e_shnum alone, so a module has fewer than 65,280 of them (0xff00), and section header 0 is all zero. Since 6.13 the symbol string table must begin and end with a zero byte, too.",
});

export const KLP501 = define<{ readonly module: string }>({
  level: "warning",
  title: () => "the module has livepatch relocations, but no livepatch= entry in .modinfo",
  why: () => "without it the kernel keeps neither symbols nor relocations for a patched module that is loaded later",
  help: () => 'add MODULE_INFO(livepatch, "Y"); to the module\'s source',
  explain:
    "The kernel keeps a module's symbol table and relocation sections for later use only if .modinfo marks it as a livepatch.",
});

export const KLP502 = define<{ readonly module: string; readonly own: string; readonly kernel: string }>({
  level: "error",
  title: () => "the module was built for another kernel",
  kernel: (d) => `${d.module}: version magic '${d.own}' should be '${d.kernel}'`,
  help: (d) => `build it against the headers of ${d.kernel.split(" ")[0]}`,
  explain:
    "Each module carries the release and main options of its kernel (vermagic). They must be equal; with CONFIG_MODVERSIONS the release may differ.",
});

export const KLP503 = define<{ readonly module: string; readonly symbol: string; readonly license: string }>({
  level: "error",
  title: (d) => `${d.symbol} is for GPL-compatible modules only, and the licence is \`${d.license}\``,
  kernel: (d) => `${d.module}: Unknown symbol ${d.symbol} (err -2)`,
  help: () => 'add MODULE_LICENSE("GPL") if that is the module\'s licence',
  explain: "Symbols exported with EXPORT_SYMBOL_GPL are not shown to modules whose licence is missing or another one.",
});

export const KLP504 = define<{ readonly module: string; readonly symbol: string; readonly namespace: string }>({
  level: "error",
  title: (d) => `${d.symbol} is in namespace ${d.namespace}, which the module does not import`,
  kernel: (d) => `${d.module}: module uses symbol (${d.symbol}) from namespace ${d.namespace}, but does not import it.`,
  help: (d) =>
    d.namespace.startsWith("module:")
      ? "use another symbol: this export is for the modules that the namespace names, and no other module can import it"
      : `add MODULE_IMPORT_NS("${d.namespace}") (before 6.13 without the quotation marks)`,
  explain: "Exports may belong to a namespace. A module that uses one must have import_ns=NAMESPACE in .modinfo.",
});

export const KLP505 = define<{
  readonly module: string;
  readonly symbol: string;
  readonly own: number;
  readonly kernel: number;
}>({
  level: "error",
  title: (d) =>
    `${d.symbol} has another checksum in the kernel: ${crcText(d.kernel)}, the module has ${crcText(d.own)}`,
  kernel: (d) => `${d.module}: disagrees about version of symbol ${d.symbol}`,
  why: () => "the types that the function uses have changed between the two builds",
  help: () => "build the module against exactly this kernel",
  explain:
    "With CONFIG_MODVERSIONS each export has a checksum of its type. A module keeps those that it was built with, and the loader compares them.",
});

const crcText = (crc: number): string => `0x${crc.toString(16).padStart(8, "0")}`;

export const KLP506 = define<{ readonly module: string; readonly symbol: string }>({
  level: "error",
  title: (d) => `the module has no checksum for ${d.symbol}`,
  kernel: (d) => `${d.module}: no symbol version for ${d.symbol}`,
  help: () => "build the module with the Module.symvers of the kernel, so that modpost writes it",
  explain:
    "The kernel has a checksum for this export (CONFIG_MODVERSIONS), but the module's __versions does not name it.",
});

export const KLP507 = define<{ readonly module: string; readonly symbol: string; readonly owner: string }>({
  level: "error",
  title: (d) => `${d.symbol} is exported by ${d.owner} already`,
  kernel: (d) => `${d.module}: exports duplicate symbol ${d.symbol} (owned by ${d.owner})`,
  help: () => "a livepatch exports nothing: remove EXPORT_SYMBOL from copied code",
  explain: "Two objects cannot export one name. Copied source files often bring an EXPORT_SYMBOL along.",
});

export const KLP508 = define<{
  readonly module: string;
  readonly own: number;
  readonly kernel: number;
  readonly source: string;
  /** Whether the kernel looks at it (since 6.4). */
  readonly isChecked: boolean;
}>({
  level: "error",
  title: (d) => `struct module has ${d.own} bytes here and ${d.kernel} in the kernel (${d.source})`,
  kernel: (d) =>
    d.isChecked
      ? `module ${d.module}: .gnu.linkonce.this_module section size must match the kernel's built struct module size at run time`
      : null,
  help: () => "build the module with the configuration of exactly this kernel",
  explain:
    "A module contains a struct module. Its size depends on the kernel's configuration and must be the same. Kernels before 6.4 do not look: they take the module's bytes for a struct module of another size.",
});

export const KLP509 = define<{
  readonly what: "init" | "exit";
  readonly own: number;
  readonly kernel: number;
  readonly source: string;
}>({
  level: "error",
  title: (d) => `the ${d.what} function stands at offset ${d.own} of struct module, in ${d.source} at ${d.kernel}`,
  why: (d) =>
    d.what === "init"
      ? "the kernel reads another field: the module loads and its init function never runs, or, where the kernel has written a field of its own at that offset before it relocates, x86_64 kernels refuse the module: `Skipping invalid relocation target, existing value is nonzero for type 1`"
      : "the kernel reads another field when the module is removed; where it has written a field of its own at that offset, x86_64 kernels refuse the module: `Skipping invalid relocation target, existing value is nonzero for type 1`",
  help: () => "build the module with the configuration of exactly this kernel",
  explain:
    "The fields of struct module move with the kernel's configuration, even where its size stays the same. .gnu.linkonce.this_module, which holds it, is the one section that the kernel fills before it applies relocations. Where the relocation of init or exit falls on a field that the kernel has filled, x86_64 kernels print `Skipping invalid relocation target, existing value is nonzero for type 1` and refuse the module; elsewhere the module loads, and init never runs.",
});

export const KLP510 = define<{ readonly module: string }>({
  level: "error",
  title: () => "the module enables a livepatch, but has no livepatch= entry in .modinfo",
  kernel: (d) => `livepatch: module ${d.module} is not marked as a livepatch module`,
  help: () => 'add MODULE_INFO(livepatch, "Y"); to the module\'s source',
  explain:
    "klp_enable_patch refuses a patch of a module that .modinfo does not mark as a livepatch, so the module's init function fails.",
});

export const KLP511 = define<{ readonly module: string }>({
  level: "error",
  title: () => "the module has no vermagic= entry in .modinfo",
  why: (d) =>
    `without CONFIG_MODULE_FORCE_LOAD the kernel refuses it without a word; with it, it prints \`${d.module}: bad vermagic: kernel tainted.\` and loads it unchecked`,
  help: () => "build the module with kbuild, whose modpost writes vermagic, or link its NAME.mod.o in",
  explain:
    "Each module carries the release and main options of its kernel (vermagic). The loader takes a module without it as one that was forced, as by `modprobe --force`: kernels that are not configured to be forced refuse it, and say nothing.",
});

export const KLP512 = define<{ readonly module: string; readonly source: string }>({
  level: "error",
  title: (d) => `the kernel has no livepatching: ${d.source} has no klp_enable_patch`,
  kernel: (d) => `${d.module}: module is marked as livepatch module, but livepatch support is disabled`,
  help: () => "give the symbol list of a kernel that was built with CONFIG_LIVEPATCH=y",
  explain:
    "A kernel without CONFIG_LIVEPATCH refuses every module that .modinfo marks as a livepatch. Debian's kernels for ppc64el and arm64 are such.",
});

/** What is wrong with a module's exports and imports, whatever the kernel has. */
type ExportFault =
  | { readonly fault: "no flags"; readonly module: string }
  | { readonly fault: "namespace of modules"; readonly module: string; readonly namespace: string };

const exportFault = faultColumns<ExportFault>({
  "no flags": {
    what: () => "the module exports symbols, but has no flags for them (__kflagstab)",
    kernel: (d) => `${d.module}: no flags for exported symbols`,
  },
  "namespace of modules": {
    what: (d) => `the module imports the namespace ${d.namespace}`,
    kernel: (d) => `${d.module}: module tries to import module namespace: ${d.namespace}`,
  },
});
const exportHelp = (d: ExportFault): string =>
  d.fault === "no flags"
    ? "build the module against the headers of the kernel that it is for (7.0 or later)"
    : "leave out the MODULE_IMPORT_NS: such exports are for the modules that the namespace names";

export const KLP513 = define<ExportFault>({
  level: "error",
  ...exportFault,
  help: exportHelp,
  json: (d) => ({ what: exportFault.title(d), message: exportFault.kernel(d), help: exportHelp(d) }),
  explain:
    "What modpost writes of exports and namespaces differs between kernels: since 6.16 no module may import a namespace `module:...` by name, and since 7.0 exports need flags in __kflagstab.",
});

export const KLP514 = define<{ readonly module: string; readonly symbol: string }>({
  level: "warning",
  title: (d) => `the module has no checksums, and the kernel has one for ${d.symbol}`,
  why: (d) =>
    `without CONFIG_MODULE_FORCE_LOAD the kernel refuses it without a word (insmod: Invalid module format); with it, it prints \`${d.module}: module_layout: kernel tainted.\`, once, and loads it unchecked`,
  help: () => "build the module with the Module.symvers of the kernel, so that modpost writes __versions",
  explain:
    "With CONFIG_MODVERSIONS the loader compares a checksum of each export, and first of all that of module_layout, with those in the module's __versions. A module that has none at all is one that was forced, as by `modprobe --force`: kernels that are not configured to be forced refuse it, and say nothing.",
});
