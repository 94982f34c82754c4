// What the relocation code prints: arch/{powerpc,arm64,x86,s390}/kernel/module*.c.

import { checkCommand, type Fields, type Message, NEW_KERNEL_FLAGS, SAME_BUILD, sentence } from "./define.ts";

const UNAPPLIED = "The module has a relocation of a type that this architecture's loader does not apply";

/** Why an arm64 module has a relocation that the loader does not apply; numbers by the ELF ABI for arm64, chapter 5. */
function arm64Type({ type = "" }: Fields): { readonly meaning: string; readonly help: string } {
  const number = Number(type);
  if (number === 275 || number === 276) {
    return {
      meaning: `${UNAPPLIED}: an \`adrp\` (R_AARCH64_ADR_PREL_PG_HI21). Kernels with CONFIG_ARM64_ERRATUM_843419 refuse it up to 4.16, as the Cortex-A53 may compute a wrong address with it in some places, and build their own modules with -mcmodel=large; from 4.17 on the loader works around it.`,
      help: `compile with -mcmodel=large, as that kernel's own build system does for modules: build it through kbuild`,
    };
  }
  if (number >= 300 && number <= 313) {
    return {
      meaning: `${UNAPPLIED}: it goes through a global offset table, which code compiled with -fPIC or -fpie has and a module does not.`,
      help: "compile with `-fno-pic -fno-pie`, as the kernel's own build system does",
    };
  }
  if (number >= 512 && number <= 573) {
    return {
      meaning: `${UNAPPLIED}: it is for a thread-local variable (__thread), which a module cannot have.`,
      help: "use per-CPU variables (DEFINE_PER_CPU) or a field of the task in question",
    };
  }
  return { meaning: `${UNAPPLIED}.`, help: `${NEW_KERNEL_FLAGS} (no -fPIC: the loader has no GOT)` };
}

/** Type 1, R_X86_64_64, is that of pointers, and the two in struct module are those that other configurations move. */
const isPointer = (f: Fields): boolean => f.type === "1" || f.type === "…";
const STRUCT_MODULE =
  "the module was built with headers, a configuration or a compiler of another kernel, so that its struct module has other offsets: .gnu.linkonce.this_module is the one section that the kernel fills before it applies relocations, and the pointer to init or exit falls on a field that is filled already";
const OTHER_NONZERO =
  "two relocations write the same place, the file is a copy of a loaded module, or a patched module was loaded a second time on a kernel before 6.3";

export const relocationMessages: readonly Message[] = [
  // powerpc.
  {
    forms: ["{module}: Expect noop after relocate, got {word}"],
    by: "relocation",
    concerns: "place",
    arch: "ppc64le",
    kernels: "up to about 4.15",
    codes: ["KLP301", "KLP306"],
    meaning: () =>
      "A call leaves the module through a stub, and the word behind it is not a nop (60000000) that the loader could turn into `ld r2,24(r1)`: after the call the module would work with another module's TOC.",
    help: (f) =>
      `\`${checkCommand(f)}\` names the call and its line; \`klplink ${f.module ?? "MODULE"}.ko\` fixes the file without a rebuild`,
  },
  {
    forms: [
      "{module}: Expected nop after call, got {word} at {address}",
      "{module}: Expected nop after call, got {word}",
    ],
    by: "relocation",
    concerns: "place",
    arch: "ppc64le",
    kernels: "from about 4.16",
    codes: ["KLP301", "KLP306", "KLP309"],
    meaning: () =>
      "A call leaves the module through a stub, and the word behind it is not a nop (60000000) that the loader could turn into `ld r2,24(r1)`: after the call the module would work with another module's TOC. The address is that of the word behind the call.",
    help: (f) =>
      `\`${checkCommand(f)}\` names the call and its line; \`klplink ${f.module ?? "MODULE"}.ko\` fixes the file without a rebuild`,
  },
  {
    forms: ["{module}: Unknown ADD relocation: {type}"],
    by: "relocation",
    concerns: "place",
    arch: "ppc64le",
    codes: ["KLP201"],
    meaning: () => "The module has a relocation of a type that this architecture's loader does not apply.",
    help: () => NEW_KERNEL_FLAGS,
  },
  {
    forms: ["{module}: REL24 {number} out of range!", "{module}: REL24 -{number} out of range!"],
    by: "relocation",
    concerns: "place",
    arch: "ppc64le",
    meaning: (f) =>
      `A branch over ${f.number} bytes does not fit in its 24 bits (±32 MiB), or its distance is not a multiple of 4. Calls that leave the module go through a stub; this one went straight to an address.`,
    help: () =>
      "a symbol of the module itself is too far away, or a livepatch symbol was called on a kernel before 4.16",
  },
  {
    forms: ["{module}: REL32 {number} out of range!", "{module}: REL34 {number} out of range!"],
    by: "relocation",
    concerns: "place",
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
    concerns: "place",
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
    concerns: "file",
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
    concerns: "file",
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
    concerns: "machine",
    arch: "ppc64le",
    meaning: () => "The branch at a function's entry does not lead to a stub that the loader made for this module.",
    help: () => "the entry of the function, or the stub, was changed by something else than the kernel",
  },
  // arm64.
  {
    forms: ["module {module}: unsupported RELA relocation: {type}"],
    by: "relocation",
    concerns: "place",
    arch: "arm64",
    codes: ["KLP201"],
    meaning: (f) => arm64Type(f).meaning,
    help: (f) => arm64Type(f).help,
  },
  {
    forms: ["module {module}: overflow in relocation type {type} val {value}"],
    by: "relocation",
    concerns: "place",
    arch: "arm64",
    meaning: () => "A value does not fit in the field of its relocation; the value is printed in hexadecimal.",
    help: () => `${NEW_KERNEL_FLAGS}; an absolute 32-bit field cannot hold a kernel address`,
  },
  {
    forms: ["{module}: module PLT section(s) missing", "{module}: module symtab section missing"],
    by: "module loader",
    concerns: "file",
    arch: "arm64",
    meaning: () =>
      "An arm64 module must have the sections .plt and .init.plt, which the kernel's linker script for modules makes, and a symbol table.",
    help: () => "link the object into a module with kbuild; an object file cannot be loaded as it is",
  },
  {
    forms: [
      "module {module}: error occurred when applying alternatives",
      "module {module}: error occurred during dynamic SCS patching ({errno})",
    ],
    by: "module loader",
    concerns: "file",
    arch: "arm64",
    kernels: "7.x",
    meaning: () =>
      "After relocation the loader rewrites instructions for the CPU that runs (alternatives, shadow call stack), and could not: the table that names them is damaged.",
    help: () => SAME_BUILD,
  },
  {
    forms: [
      "do_reloc: unknown relocation operation {number}",
      "Invalid {number}-bit data relocation ({text})",
      "Invalid length ({number}) for data relocation",
    ],
    by: "relocation",
    concerns: "machine",
    arch: "arm64",
    meaning: () =>
      "The loader's own table of relocations is at odds with itself: a fault of the kernel, not of the module.",
    help: () => "report it to the maintainers of the kernel",
  },
  // x86.
  {
    forms: ["{module}: Unknown rela relocation: {type}", "{module}: Unknown relocation: {type}"],
    by: "relocation",
    concerns: "place",
    arch: "x86_64",
    codes: ["KLP201"],
    meaning: () => "The module has a relocation of a type that this architecture's loader does not apply.",
    help: () => `${NEW_KERNEL_FLAGS} (no -fPIC: the loader has no GOT)`,
  },
  {
    forms: ["overflow in relocation type {type} val {value} sec {sectionIndex} idx {row}"],
    by: "relocation",
    concerns: "place",
    arch: "x86_64",
    kernels: "7.x",
    meaning: () =>
      "A value does not fit in the 32 bits of its relocation. `sec` is the relocation section's number and `idx` the entry in it, so the place is exact.",
    help: () => "compile with -mcmodel=kernel; R_X86_64_32 cannot hold any kernel address, R_X86_64_32S can",
  },
  {
    forms: ["overflow in relocation type {type} val {value}"],
    by: "relocation",
    concerns: "place",
    arch: "x86_64",
    meaning: () => "A value does not fit in the 32 bits of its relocation; the value is printed in hexadecimal.",
    help: () => "compile with -mcmodel=kernel; R_X86_64_32 cannot hold any kernel address, R_X86_64_32S can",
  },
  {
    forms: ["`{module}' likely not compiled with -mcmodel=kernel"],
    by: "relocation",
    concerns: "file",
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
    concerns: "place",
    arch: "x86_64",
    codes: ["KLP508", "KLP509"],
    leaves: (f) => (isPointer(f) ? ["KLP508", "KLP509"] : []),
    meaning: (f) =>
      isPointer(f)
        ? `The bytes at a relocation's place must be zero, and were not. In most cases ${STRUCT_MODULE}. Less often ${OTHER_NONZERO}.`
        : `The bytes at a relocation's place must be zero, and were not: ${OTHER_NONZERO}.`,
    help: (f) =>
      isPointer(f)
        ? `\`${checkCommand(f)} --reference OTHER.ko\`, with a module that this kernel loads (one of /lib/modules/RELEASE), shows whether struct module differs; if so, ${SAME_BUILD}. Of a livepatch that was enabled before, unload the livepatch as well before the patched module is loaded again`
        : "start from the module as the compiler and linker made it; unload the livepatch as well before a patched module is loaded again",
  },
  {
    forms: [
      "Invalid relocation target, existing value does not match expected value for sec {sectionIndex}, idx {row}, type {type}, loc {address}, val {value}",
      "Invalid relocation target, existing value does not match expected value for type {type}, loc {address}, val {value}",
    ],
    by: "relocation",
    concerns: "place",
    arch: "x86_64",
    kernels: "from 6.3",
    meaning: () =>
      "While a patched module was unloaded, the kernel took livepatch relocations back and found other bytes than it had written. A warning; the next load of that module will fail.",
    help: () => "unload the livepatch as well before the module is loaded again",
  },
  // s390.
  {
    forms: [
      "module {module}: unknown relocation: {type}",
      "module {module}: relocation error for symbol {symbol} (r_type {type}, value {value})",
    ],
    by: "relocation",
    concerns: "place",
    arch: "s390x",
    meaning: () => "A relocation that the loader does not apply, or whose value does not fit.",
    help: () => NEW_KERNEL_FLAGS,
  },
  {
    forms: ["module {module}: no symbol table"],
    by: "relocation",
    concerns: "file",
    arch: "s390x",
    meaning: () => "The file has no symbol table, so nothing in it can be relocated.",
    help: () => "load the unstripped file; `strip --strip-debug` keeps what a module needs",
  },
  sentence(
    "relocation",
    "file",
    "The module has SHT_REL relocations; this architecture's loader takes SHT_RELA only.",
    NEW_KERNEL_FLAGS,
    "module {module}: REL relocation unsupported",
  ),
];
