// Relocations: types, values, ranges, and the places that they write.

import { hex } from "../../base/bytes.ts";
import { define, type FaultTexts, faultColumns } from "../define.ts";

export const KLP201 = define<{
  readonly module: string;
  readonly type: number;
  readonly name: string;
  readonly message: string;
  readonly symbol: string;
  /** The release whose loader is the first that knows it; absent: none does. */
  readonly since?: string;
  /** The loader of kernels of the other build knows it: those with a TOC, or with PC-relative addressing. */
  readonly build?: "toc" | "pcrel";
}>({
  level: "error",
  title: (d) =>
    `the kernel's loader does not know relocation ${d.name}${d.symbol === "" ? "" : ` (against ${d.symbol})`}${d.since === undefined ? "" : ` before ${d.since}`}${d.build === undefined ? "" : ` in a kernel built ${d.build === "toc" ? "without" : "with"} a TOC`}`,
  kernel: (d) => d.message,
  why: () => "the loader handles a fixed list of relocation types and stops at the first other one",
  help: (d) =>
    d.build !== undefined
      ? `build the module with this kernel's own flags (${d.build === "toc" ? "-mcpu=power10 -mpcrel" : "-mno-pcrel"})`
      : d.since !== undefined
        ? `build for ${d.since} or later, or with the compiler and binutils of that kernel's time`
        : d.type === 0
          ? "remove the entry; a relocation must not be disabled by giving it type 0"
          : "compile with the kernel's own flags (no -fpic, -mcmodel as in the kernel's Makefile)",
  explain:
    "A relocation has a type that apply_relocate_add of this architecture refuses. On ppc64le that includes R_PPC64_NONE, so a tool must not disable a relocation by setting its type to 0. Kernels of ppc64le are built with a TOC, or with PC-relative addressing (CONFIG_PPC_KERNEL_PCREL), and each refuses the types of the other.",
});

export const KLP202 = define<{ readonly name: string; readonly size: number }>({
  level: "error",
  title: (d) => `${d.name} is outside its section of ${d.size} bytes`,
  why: () => "the loader does not check this: it would write into whatever lies behind",
  help: () => "build the file again; no compiler makes this",
  explain: "r_offset, with the bytes that the relocation writes, does not lie in the target section.",
});

export const KLP203 = define<{
  readonly reloc: string;
  readonly symbol: string;
  readonly what: string;
  readonly message: string;
  /** Lines that the kernel prints behind it. */
  readonly further?: readonly string[];
}>({
  level: "error",
  title: (d) => `${d.reloc}${d.symbol === "" ? "" : ` against ${d.symbol}`}: ${d.what}`,
  kernel: (d) => [d.message, ...(d.further ?? [])].join("\n"),
  why: () => "the bits that the instruction or the data word has for the value are too few for it",
  help: () =>
    "compile through the kernel's build system, with the kernel's own flags; if addresses were given (--at, --sections), check them and the kernel's symbols first",
  explain:
    "With the given addresses a relocation's value is too large for its field, or not a multiple of what the instruction counts in. The loader stops there. Modules are loaded near the kernel, so wrong addresses are the usual cause.",
});

export const KLP204 = define<{ readonly reloc: string; readonly message: string }>({
  level: "error",
  title: (d) => `the place of ${d.reloc} is not zero in the file`,
  kernel: (d) => d.message,
  why: () => "on x86_64 the loader takes bytes that are not zero for a place that was relocated before",
  help: () => "build the file again; two relocations of one place, or a module copied from memory, give this",
  explain:
    "x86_64 modules carry the addend in the relocation, so the bytes at the place are zero. The loader checks it, because livepatch relocations are applied again when the patched module is loaded a second time.",
});

export const KLP205 = define<{
  readonly reloc: string;
  readonly symbol: string;
  readonly value: string;
  readonly bits: number;
}>({
  level: "warning",
  title: (d) =>
    `${d.reloc}${d.symbol === "" ? "" : ` against ${d.symbol}`}: ${d.value} is cut to ${d.bits} bits, and the kernel does not notice`,
  why: () => "the loader has no range check for this type: the module loads, and the code uses a wrong address",
  help: () => "check the addresses (--at, --sections) and the kernel's symbols",
  explain:
    "The kernel stores the low bits of the value without a check. Between a module and the kernel that it is loaded into this does not happen; with wrong addresses it does.",
});

/** Why the architecture's part of the loader does not go on. Names are printable; `module` as the loader calls it. */
export type LoaderFault =
  | { readonly fault: "no .stubs" | "no .mygot" | "no .plt" | "no symbol table"; readonly module: string }
  | { readonly fault: "no trampolines"; readonly section: string }
  | { readonly fault: "no addends"; readonly module: string; readonly section: string }
  | { readonly fault: "too many stubs" | "too many PLT entries" | "too many GOT entries" }
  | { readonly fault: "unaligned stub"; readonly module: string }
  /** `distance` of the stub from the TOC base, modulo 2^64. */
  | { readonly fault: "stubs far from TOC"; readonly module: string; readonly distance: bigint }
  | { readonly fault: "far from kernel TOC" | "far from kernel start"; readonly module: string; readonly name: string };

const LOADER_FAULTS: FaultTexts<LoaderFault> = {
  "no .stubs": {
    what: () => "the module has no section .stubs",
    kernel: (d) => `module_64: ${d.module}: doesn't contain .stubs.`,
  },
  "no .mygot": {
    what: () => "the kernel has no TOC, and wants a section .mygot, which the module does not have",
    kernel: (d) => `module_64: ${d.module}: doesn't contain .mygot.`,
  },
  "no .plt": {
    what: () => "the module has no section .plt or .init.plt",
    kernel: (d) => `${d.module}: module PLT section(s) missing`,
  },
  "no symbol table": {
    what: () => "the module has no symbol table",
    kernel: (d) => `${d.module}: module symtab section missing`,
  },
  "no trampolines": { what: (d) => `the module has no section ${d.section}` },
  "no addends": {
    what: (d) => `${d.section} has relocations without addends`,
    kernel: (d) => `module ${d.module}: REL relocation unsupported`,
  },
  "too many stubs": { what: () => "more stubs are needed than the loader counts" },
  "too many PLT entries": { what: () => "more PLT entries are needed than the loader counts" },
  "too many GOT entries": { what: () => "more GOT entries are needed than the loader counts" },
  "unaligned stub": {
    what: () => "a stub is not aligned to 8 bytes",
    kernel: (d) => `module_64: ${d.module}: Address of stub entry is not 8-byte aligned`,
  },
  "stubs far from TOC": {
    what: () => "the stubs are more than 2 GiB from the TOC",
    kernel: (d) => `module_64: ${d.module}: Address ${d.distance.toString(16)} of stub out of range of ADDRESS.`,
  },
  "far from kernel TOC": {
    what: (d) => `${d.name} is out of reach of the kernel's TOC`,
    kernel: (d) => `module_64: ${d.module}: Address of ${d.name} out of range of kernel_toc.`,
  },
  "far from kernel start": {
    what: (d) => `${d.name} is more than 8 GiB from the kernel's start`,
    kernel: (d) => `module_64: ${d.module}: Address of ${d.name} out of range of 34-bit relative address.`,
  },
};

const loaderFault = faultColumns(LOADER_FAULTS);
/** Compiler flags of the build that has the section. */
const buildWith = (d: LoaderFault): string | null => (d.fault === "no .mygot" ? "-mcpu=power10 -mpcrel" : null);

export const KLP206 = define<LoaderFault>({
  level: "error",
  ...loaderFault,
  help: (d) => {
    const build = buildWith(d);
    return build !== null
      ? `build the module with this kernel's own flags (${build})`
      : "link the module with the kernel's own linker script (scripts/module.lds)";
  },
  json: (d) => {
    const build = buildWith(d);
    return { what: loaderFault.title(d), message: loaderFault.kernel(d), ...(build === null ? {} : { build }) };
  },
  explain:
    "The module lacks a section that the architecture's loader needs for the code it writes (.stubs on ppc64le, and .mygot if the kernel is built with PC-relative addressing; .plt, .init.plt and the ftrace trampolines on arm64), or that code does not fit.",
});

/** A symbol with a section index that the loader does not take; `sections`: the module's number of section headers. */
type SectionIndexFault = { readonly module: string; readonly symbol: string } & (
  | { readonly fault: "common" }
  | { readonly fault: "section"; readonly index: number; readonly sections: number }
);

const sectionIndexFault = faultColumns<SectionIndexFault>({
  common: {
    what: (d) => `${d.symbol} is a common symbol`,
    kernel: (d) => `${d.module}: please compile with -fno-common`,
  },
  section: {
    what: (d) => `${d.symbol} has section index ${hex(d.index)}, which the loader does not know`,
    kernel: (d) => `${d.module}: Symbol ${d.symbol} has an invalid section index ${d.index} (max ${d.sections - 1})`,
  },
});

export const KLP207 = define<SectionIndexFault>({
  level: "error",
  ...sectionIndexFault,
  help: () => "compile with the kernel's own flags (-fno-common) and link with `ld -r`",
  json: (d) => ({ symbol: d.symbol, message: sectionIndexFault.kernel(d), what: sectionIndexFault.title(d) }),
  explain: "A symbol has a section index that the module loader does not take: a common symbol, or a reserved index.",
});

export const KLP208 = define<{ readonly symbol: string; readonly message: string }>({
  level: "error",
  title: (d) => (d.symbol === "" ? "a livepatch relocation section cannot be used" : `${d.symbol} cannot be resolved`),
  kernel: (d) => d.message,
  help: () => "give the symbols of the kernel and of the patched modules (-k: its /proc/kallsyms); see `klplink check`",
  explain:
    "The livepatch core looks a section's symbols up by object, name and position just before it applies the section. One of them is not there, is there several times, or has a name that the core cannot read.",
});

export const KLP209 = define<{ readonly section: string; readonly given: string; readonly expected: string }>({
  level: "warning",
  title: (d) => `${d.section} is at ${d.given}, but the loader would put it at ${d.expected}`,
  why: () => "the addresses belong to another build of the module, or to a kernel of another version",
  help: () =>
    "give the addresses of this very module, and --kernel-version if its vermagic is not the running kernel's",
  explain:
    "The given section addresses do not agree with the order and alignment in which the loader lays sections out. The given ones are used.",
});

export const KLP210 = define<{ readonly module: string; readonly count: number; readonly names: readonly string[] }>({
  level: "error",
  title: (d) =>
    `${d.count} undefined symbol${d.count === 1 ? "" : "s"} and no kernel to look in: ${d.names.join(", ")}${d.count > d.names.length ? ", …" : ""}`,
  help: () => "give the kernel's symbols with -k (System.map, or /proc/kallsyms of the running kernel)",
  explain: "An image has final addresses. Those of the kernel's symbols are known from -k only.",
});

export const KLP212 = define<{ readonly region: string; readonly regions: readonly string[] }>({
  level: "warning",
  title: (d) => `the address of ${d.region} is not used: the module's memory is ${d.regions.join(", ")}`,
  help: () => "before 6.4 a module has text and init.text only, with everything else behind them",
  explain:
    "An address was given for a kind of memory that the module does not have. Kernels before 6.4 put a module into two pieces of memory, later ones into up to seven.",
});

export const KLP213 = define<{ readonly address: string }>({
  level: "warning",
  title: (d) => `the address of the module's per-CPU data is not known; ${d.address} is taken`,
  why: () => "/sys/module/NAME/sections does not list it, and the kernel's symbols do not show any of its variables",
  help: () => "give it with --at percpu=ADDR, or the /proc/kallsyms of the kernel that has the module loaded",
  explain:
    "Per-CPU variables of a module get addresses in the kernel's per-CPU area. Code that uses them holds these addresses, so they must be known for an exact image.",
});

export const KLP214 = define<{ readonly symbol: string; readonly owner: string }>({
  level: "error",
  title: (d) => `module ${d.owner} exports ${d.symbol}, but where it is loaded is not known`,
  help: (d) =>
    `give its section addresses: -m ${d.owner}.ko@/sys/module/${d.owner}/sections (or a copy), or the /proc/kallsyms of that kernel with -k`,
  explain:
    "An image has final addresses. A symbol that another module exports has one only where that module is loaded: its file alone (-m) does not tell.",
});

export const KLP433 = define<{
  readonly name: string;
  readonly addend: string;
  /** The addend that was meant; null if that does not show. */
  readonly likely: string | null;
}>({
  level: "error",
  title: (d) =>
    d.likely === null
      ? `${d.name} has the addend ${d.addend}: no symbol lies so that the sum is near the place`
      : `the addend ${d.addend} went through 32 bits: ${d.likely} is meant`,
  brief: (d) => `the addend ${d.addend} cannot be meant`,
  why: (d) =>
    d.likely === null
      ? "no object is that large, and the field does not hold such a distance"
      : "no object is that large; some tools keep addends in 32 bits, and lose or invent their sign",
  help: () => "make the file again with a tool that keeps 64-bit addends; klplink does",
  explain:
    "A relocation's addend is larger than any object. From 2^31 on, a little more than that is right in a field for a whole address: it makes the physical address of a symbol of an x86_64 kernel (ZERO_PAGE). The same number with a sign from 32 bits, -2^31 and a little more, is not, nor is a small negative number without its sign, nor anything as large in a field of fewer bits.",
});

export const KLP434 = define<{ readonly by: number }>({
  level: "error",
  title: (d) =>
    `R_PPC64_REL24 stands ${Math.abs(d.by)} bytes ${d.by > 0 ? "before" : "behind"} the call that it belongs to`,
  why: () => "the distance is that between a function's two entry points, counted once too often or too seldom",
  help: () => "build the file again; old tools add the local entry offset to places",
  explain:
    "A call's relocation must be at the `bl` itself. A tool that mixed up global and local entry points puts it beside; the loader would then change another instruction.",
});

export const KLP435 = define<{ readonly first: string; readonly second: string; readonly message: string | null }>({
  level: "error",
  title: (d) => `two relocations write here: ${d.first} and ${d.second}`,
  kernel: (d) => d.message,
  why: (d) =>
    d.message === null
      ? "the second overwrites what the first has written, at another time"
      : "x86_64 refuses a place that is not zero, because it takes it for relocated before",
  help: () => "finish the file again from its intermediate form: the ordinary relocation should have been removed",
  explain:
    "A livepatch relocation and another one have bytes in common. One of them is left over from a tool that moved relocations only in part.",
});

export const KLP439 = define<{ readonly name: string; readonly addend: string }>({
  level: "error",
  title: (d) => `${d.name} has no symbol: the place gets ${d.addend}, whatever was meant`,
  brief: (d) => `${d.name} has no symbol`,
  why: () =>
    "GNU objcopy and strip do not know sections of livepatch relocations: they keep one and put the others' entries elsewhere, without their symbols",
  help: () => "strip the module first and finish it then: klplink runs last",
  explain:
    "A relocation of a livepatch module names no symbol. GNU `objcopy` and `strip` (also by INSTALL_MOD_STRIP) leave a finished livepatch in that state, without an error; the kernel loads it without a word and the patched code jumps to address 0. LLVM's tools refuse such modules.",
});

export const KLP234 = define<{ readonly name: string; readonly symbol: string; readonly reason: string }>({
  level: "error",
  title: (d) =>
    `${d.name}${d.symbol === "" ? "" : ` (against ${d.symbol})`} stands where it changes something else: ${d.reason}`,
  brief: (d) => d.reason,
  why: () => "the loader does not look at what it changes: it puts the bits into whatever stands at the place",
  help: () => "build the file again; a tool that moved code or relocations has left this one behind",
  explain:
    "Relocations of code belong to an instruction: R_AARCH64_CALL26 to `b` or `bl`, R_PPC64_REL24 to a relative branch, R_X86_64_PC32 and R_X86_64_PLT32 to the distance in a call, a jump or an address relative to RIP, R_X86_64_32, R_X86_64_32S and R_X86_64_64 to an address or a constant in an instruction. At any other place the code that comes out does something that nobody wrote.",
});

export const KLP235 = define<{ readonly name: string; readonly symbol: string; readonly isTocRelative: boolean }>({
  level: "error",
  title: (d) => `${d.name} cannot reach ${d.symbol}, which is not in this module`,
  why: (d) =>
    `it holds a distance from ${d.isTocRelative ? "the module's TOC" : "the place"} of 32 bits at most, and the kernel and other modules are farther away; most of these types the loader cuts off without a word`,
  help: () => "build with -mcmodel=large: the address then stands in the TOC, where a relocation of 64 bits puts it",
  explain:
    "On ppc64le a module lies more than 2 GiB from the kernel. R_PPC64_TOC16_HA, R_PPC64_TOC16_LO and their like reach the module's own data only; of another object's symbol they make a wrong address, livepatch symbol or not. Object code of the medium model has them.",
});
