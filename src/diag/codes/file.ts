// The file itself: what cannot be read, is not of the right kind, or cannot be written.

import { shellFile } from "../../base/shell.ts";
import { define } from "../define.ts";

export const KLP101 = define<{ readonly what: string }>({
  level: "error",
  title: (d) => `not a module or object file: ${d.what}`,
  help: () => "give a kernel module or object file (.ko, .o) of ppc64le, arm64 or x86_64",
  explain: "The input is not a relocatable ELF64 file. Kernel modules and the objects they are linked from are.",
});

export const KLP102 = define<{ readonly what: string }>({
  level: "error",
  title: (d) => `malformed ELF file: ${d.what}`,
  help: () => "build or copy the file again; the offset is that of the wrong field or table",
  explain:
    "A field of the file contradicts the ELF specification, the size of the file, or another field. Nothing is read beyond that point and nothing is written.",
});

export const KLP103 = define<{ readonly what: string }>({
  level: "error",
  title: (d) => `the file cannot be changed without guessing: ${d.what}`,
  help: () => "leave out what made the section (often an LLVM option), or report the section type as missing",
  explain:
    "The file is well formed, but an edit would have to renumber sections or symbols in a part of the file whose form klplink does not know. It refuses rather than write a file that may be wrong.",
});

const UNPACKERS: Readonly<Record<string, string>> = { gzip: "gzip", xz: "xz", zstd: "zstd" };

export const KLP104 = define<{
  readonly why: string;
  readonly isFolder?: boolean;
  readonly near?: readonly string[];
  /** The system's code of the error (`EACCES`). */
  readonly code?: string;
  /** It is not a regular file, or it is written to while it is read. */
  readonly fault?: "not regular" | "changed";
  /** How the file is packed, and what to do: unpack it with another program, or get the file again. */
  readonly packing?: string;
  readonly remedy?: "unpack" | "replace";
}>({
  level: "error",
  title: (d) => `cannot be read: ${d.why}`,
  help: (d) => {
    if (d.isFolder === true) return "give a file; only `klplink check FOLDER` looks at all modules below a folder";
    if (d.fault === "not regular")
      return "give a regular file; what comes out of a pipe is read from standard input, as `-`";
    if (d.fault === "changed") return "wait until what writes it is done";
    const unpacker = UNPACKERS[d.packing ?? ""] ?? d.packing;
    if (d.remedy === "unpack") return `unpack it first (\`${unpacker} -d\`)`;
    if (d.remedy === "replace") return `copy or build the file again (\`${unpacker} -t\` tests it)`;
    const [first] = d.near ?? [];
    if (first !== undefined) return `did you mean ${d.near?.map((n) => `\`${n}\``).join(" or ")}?`;
    switch (d.code) {
      case "EACCES":
      case "EPERM":
        return "check the permissions of the file and of the folders above it";
      case "ENOENT":
      case "ENOTDIR":
        return "check the path";
      case "ERR_FS_FILE_TOO_LARGE":
        return "give the module itself; no module or kernel is that large";
      case undefined:
        return "check the path and the permissions";
      default:
        return "the system refuses to read it: check the disk, and `dmesg`";
    }
  },
  explain:
    "The operating system did not let klplink read the file, or the file is packed and cannot be unpacked: it is damaged, or packed in a way that klplink does not read.",
});

export const KLP105 = define<{
  readonly why: string;
  readonly isFolder?: boolean;
  /** The input of --in-place is read-only; the command that makes it writable. */
  readonly unlock?: string;
}>({
  level: "error",
  title: (d) => `cannot be written: ${d.why}`,
  help: (d) =>
    d.unlock !== undefined
      ? `make it writable (\`${d.unlock}\`), or say --force`
      : d.isFolder === true
        ? "give another folder"
        : "name another output with -o",
  explain:
    "The output could not be written. Nothing was left behind, and a file of that name that was there before is unchanged.",
});

export const KLP106 = define<{ readonly machine: string }>({
  level: "error",
  title: (d) => `architecture ${d.machine} is not supported`,
  help: () => "klplink links modules of ppc64le, arm64 and x86_64, all little-endian",
  explain:
    "The file is a relocatable ELF64 file of an architecture, or a byte order, that klplink does not link. `klplink show` can still list it.",
});

export const KLP107 = define<{
  readonly several: boolean;
  /** Null: the file is not a module but a linked one, vmlinux. */
  readonly module: string | null;
}>({
  level: "error",
  title: (d) => (d.several ? "the file has several symbol tables" : "the file has no symbol table"),
  kernel: (d) => (d.module === null ? null : `${d.module}: module has no symbols (stripped?)`),
  help: (d) =>
    d.module === null
      ? "give the unstripped file: vmlinux of the build, or of the package with debug information"
      : "link the unstripped file; `strip --strip-debug` keeps what a module needs, plain `strip` does not",
  explain: "The loader wants exactly one SHT_SYMTAB section. A module that was stripped has none.",
});

export const KLP108 = define<Record<string, never>>({
  level: "warning",
  title: () => "the module's signature is dropped, because the module changes",
  help: () => "sign the output again (scripts/sign-file), as the last step",
  explain:
    "A signature covers every byte of a module. klplink keeps it when the output equals the input, and drops it when anything changes: a wrong signature would be refused by a kernel that enforces signatures, and taints others.",
});

export const KLP109 = define<{ readonly what: string }>({
  level: "error",
  title: (d) => `nothing about a kernel: ${d.what}`,
  help: () =>
    "-k takes System.map, the output of nm, a copy of /proc/kallsyms, vmlinux, a bootable kernel (vmlinuz, Image), Module.symvers, a package (.deb, .rpm, .pkg.tar.zst) or a release; modules go with -m",
  explain: "A file given with -k is not of a form that klplink knows. It is known by its content, not by its name.",
});

export const KLP110 = define<{ readonly packing: string; readonly pack: string }>({
  level: "warning",
  title: (d) => `the module is packed with ${d.packing}; the output is not`,
  help: (d) => `pack it again if it is to be installed that way: \`${d.pack}\``,
  explain:
    "Distributions install modules packed (.ko.xz, .ko.zst, .ko.gz). klplink reads them all. `check` looks inside and says nothing of it; a link writes the module itself, unpacked, which the kernel loads as well.",
});

export const KLP111 = define<{ readonly own: string; readonly source: string; readonly other: string }>({
  level: "error",
  title: (d) => `the module is for ${d.own}, and ${d.source} for ${d.other}`,
  help: (d) => `give the files of a kernel for ${d.own} with -k, -m and --reference`,
  explain:
    "A file that was given for the kernel is of another architecture than the module. vmlinux and modules say so in their ELF header; a symbol list shows it by the address of the kernel's text (`_stext`). Nothing in it would hold for the module.",
});

export const KLP112 = define<{ readonly what: string }>({
  level: "error",
  title: (d) => `the file holds code for a compiler's link step, not for a machine: ${d.what}`,
  why: () =>
    "with link-time optimisation an object holds the compiler's own form of the program; its symbols and sections say nothing of the module",
  help: () => "give the object that the link step makes of it, or build it without -flto (CONFIG_LTO_NONE)",
  explain:
    '`gcc -flto` writes objects whose code stands in .gnu.lto_ sections only ("slim" objects); `clang -flto` writes LLVM bitcode, which is not an ELF file at all. Nothing in them can be checked or linked as a module. Objects of -ffat-lto-objects hold machine code as well and are taken.',
});

export const KLP113 = define<{ readonly abi: number; readonly hasDescriptors: boolean }>({
  level: "error",
  title: (d) =>
    d.hasDescriptors
      ? "the object is of the first ABI of 64-bit PowerPC (ELFv1): it has function descriptors in .opd"
      : `the object is of ABI version ${d.abi} of 64-bit PowerPC; ppc64le kernels are of version 2`,
  why: () =>
    "in ELFv1 a function's symbol is its descriptor, calls go to other names, and the TOC is restored elsewhere: nothing of it holds for a kernel of ELFv2",
  help: () => "build it with the kernel's compiler and flags (-mabi=elfv2)",
  explain:
    "The two lowest bits of e_flags tell the ABI: 1 is ELFv1, 2 is ELFv2, 0 says neither. ppc64le kernels and their modules are ELFv2; since 6.2 they refuse a module that does not say so.",
});

export const KLP114 = define<{
  readonly packing: string;
  readonly what: string;
  readonly message: string;
  readonly pack: string;
}>({
  level: "warning",
  title: (d) => `the kernel's decompressor refuses this file: ${d.what}`,
  kernel: (d) => d.message,
  why: () =>
    "with CONFIG_MODULE_DECOMPRESS kmod hands the packed file to the kernel; without it kmod unpacks the file itself, and it loads",
  help: (d) => `pack it as the kernel's build does: \`${d.pack}\``,
  explain:
    "The kernel reads .ko.xz, .ko.zst and .ko.gz with small decoders of its own. They know fewer forms than the tools that pack: in xz files only CRC32 or no check, and LZMA2 behind at most one BCJ filter; in gzip files only a name in the header; in zstd files a window of 128 MiB.",
});

export const KLP116 = define<{ readonly what: string }>({
  level: "error",
  title: (d) => `what the link takes away is still in use: ${d.what}`,
  help: () => "build the module again with one tool for livepatches, or see with `readelf -SWrs` what refers to it",
  explain:
    "The tool that made the file leaves sections and symbols that a link reads and then takes away. Something else in the file refers to one of them, which none of these tools writes: a file that was put together from several, or one that is damaged. Nothing is written.",
});

export const KLP462 = define<{ readonly names: readonly string[]; readonly command: string }>({
  level: "error",
  title: (d) =>
    d.names.length === 1
      ? "is there already, and is not klplink's"
      : `is there already, and is not klplink's; likewise ${d.names.slice(1).join(", ")}`,
  why: () => "it may be another version of the glue, or one with changes of yours",
  help: (d) => `give another folder, or let klplink overwrite it: \`${d.command}\``,
  explain:
    "`klplink glue FOLDER` writes the source of the part of a livepatch module that enables the patch. It does not overwrite a file that says something else, and then writes none of the others either.",
});

export const KLP143 = define<{ readonly command: string }>({
  level: "error",
  title: () => "is there already, and is not klplink's",
  why: () => "no man page or completion of klplink's begins so: another package or somebody by hand put it there",
  help: (d) => `give another folder with --prefix, or say \`${d.command}\``,
  explain:
    "`klplink setup` writes the man page and the shells' completions to where man and the shells look for them, and `klplink setup --remove` takes them away. A file of such a name that klplink did not write is neither overwritten nor removed, and then none of the others is.",
});

export const KLP117 = define<{ readonly code: string; readonly level: "error" | "warning"; readonly count: number }>({
  level: "warning",
  title: (d) => `${d.count} more ${d.level}s ${d.code} are not listed`,
  help: (d) => `so many of one kind have one cause: \`klplink explain ${d.code}\`, and look at the first`,
  explain:
    "Of one kind of diagnostic no more than 2,000 are listed from one part of the work; this one says how many more there are. They count in the totals, and the one that the loader meets first is always among those that are listed.",
});

const KERNEL_PACKAGES = {
  deb: (release: string) =>
    `linux-image-${release} (Debian 7.x: linux-binary-${release}; Ubuntu: linux-image-${release} or linux-image-unsigned-${release})`,
  rpm: (release: string) => `kernel-core-${release} (RHEL 7 and SUSE: kernel-${release}, kernel-default)`,
  tar: (release: string) => `the package \`linux\` of ${release}`,
} as const;

export const KLP118 = define<{
  /** Null: no name in it tells one. */
  readonly release: string | null;
  readonly kind: "deb" | "rpm" | "tar";
  readonly has: "modules" | "headers" | "nothing";
}>({
  level: "error",
  title: (d) => {
    const what = { modules: ", only its modules", headers: ", only what modules are built with", nothing: "" }[d.has];
    return `no kernel is in the package${what}, nor in a package of that release beside it`;
  },
  help: (d) => {
    const release = d.release ?? "RELEASE";
    return `download ${KERNEL_PACKAGES[d.kind](release)} into the same folder; packages with debug information are not needed`;
  },
  explain:
    "A package that is given with -k is read in place: the kernel, its modules, its configuration and Module.symvers are looked for in it, and in packages of the same release in the same folder, whose names say that they may have them. A kernel has to be among them: modules and headers alone do not tell the kernel's symbols. klplink downloads nothing; `apt-get download`, `dnf download` and `pacman -Sw` do.",
});

export const KLP119 = define<{ readonly what: string }>({
  level: "error",
  title: (d) => `the package cannot be read: ${d.what}`,
  help: () =>
    "download it again; if `dpkg-deb -c`, `rpm -qlp` or `tar -tf` reads it, unpack it and give the kernel in it with -k",
  explain:
    "The file is a package (.deb, .rpm, or a tar archive), but it is damaged, cut off, or packed in a way that klplink does not read. klplink reads gzip, xz, zstd, bzip2 and lzma; all that one package holds may unpack to 2 GiB at most.",
});

export const KLP120 = define<Record<string, never>>({
  level: "error",
  title: () => "neither a file nor a module of the kernel",
  help: () =>
    "check the name (`modinfo -F filename NAME` on that system), or give the module's file; with a package, download the one with the modules (linux-modules-RELEASE, kernel-modules-RELEASE) into the same folder",
  explain:
    "Where -k names a kernel by its release, its folder or its package, a module may be named as the kernel names it: `-` and `_` are the same, and packed files are found. It is looked for in lib/modules/RELEASE, as modules.dep lists it or by its file's name, or in the package. What is part of the kernel itself (modules.builtin) has no file.",
});

export const KLP125 = define<{ readonly packing: string; readonly limit: number }>({
  level: "error",
  title: (d) =>
    `cannot be read: the ${d.packing} data unpack to more than ${d.limit} bytes, which is out of proportion`,
  help: (d) =>
    `unpack it first (\`${UNPACKERS[d.packing] ?? d.packing} -d\`), if it is meant to be that large; or give fewer files at once`,
  explain:
    "A packed file may unpack to 16 times its size. Beyond that, all files of a run together may unpack to 64 MiB; where many files are looked at one by one, each has its part of that, at least 8 MiB. A file that was made for it could fill the memory otherwise. What is given unpacked has no such limit.",
});

const LEFT_OUT = {
  damaged: {
    what: (isOne: boolean) => (isOne ? "is damaged" : "are damaged"),
    help: (file: string) =>
      `build or copy the file again; \`objcopy --decompress-debug-sections ${file} OUT\` tests it`,
  },
  "not known": {
    what: (isOne: boolean) => `${isOne ? "is" : "are"} packed in a way that klplink does not read`,
    help: (file: string) => `unpack it first: \`objcopy --decompress-debug-sections ${file} OUT\``,
  },
  "out of proportion": {
    what: (isOne: boolean) => (isOne ? "is too large" : "are too large"),
    help: (file: string) =>
      `if it is meant to be that large, unpack it first (\`objcopy --decompress-debug-sections ${file} OUT\`): what is not packed has no such limit`,
  },
} as const;

export const KLP126 = define<{
  readonly why: keyof typeof LEFT_OUT;
  /** The first of the sections. */
  readonly section: string;
  /** How many there are besides. */
  readonly more: number;
  /** What is said of the first. */
  readonly what: string;
  readonly file: string;
}>({
  level: "warning",
  title: (d) => {
    const more = d.more === 0 ? "" : ` and ${d.more} more ${d.more === 1 ? "section" : "sections"}`;
    return `debug information is left out: ${d.section}${more} ${LEFT_OUT[d.why].what(d.more === 0)} (${d.what})`;
  },
  why: () =>
    "source lines, what functions take, and what types hold is told by debug information: what is left out counts as absent",
  help: (d) => LEFT_OUT[d.why].help(shellFile(d.file)),
  explain:
    "Debug sections may be packed (SHF_COMPRESSED). What all packed sections of a file unpack to is limited, as for packed files (KLP125): to 16 times their size, and the run's share of 64 MiB. Sections beyond that, in the file's order, damaged ones, and those of an unknown kind are not read. Everything else is looked at as always; nothing is refused for it, for no kernel reads these sections.",
});

export const KLP127 = define<{ readonly what: string; readonly bytes: number }>({
  level: "error",
  title: (d) => `too much work: ${d.what} takes more steps than are in proportion to ${d.bytes} bytes`,
  help: () =>
    "if a compiler made the file, report it as a bug in klplink, with the file; without debug information and for one source file, there is less to compare",
  explain:
    "Where klplink compares parts of a file with one another, or looks for one in many, the steps are counted: 256 for each byte of the file, and 268 million beside, which the files of two trees share. Objects of kernels take a few for each byte. A file whose parts repeat one another out of all proportion, as one can be made on purpose, is given up rather than worked at for hours. Nothing is written.",
});
