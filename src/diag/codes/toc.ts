// Calls of ppc64le modules and the TOC (ELFv2 ABI, 2.3.6 and 3.3).

import { define } from "../define.ts";

export const KLP301 = define<{
  readonly callee: string;
  readonly wasLocal: boolean;
  readonly message: string;
  readonly fixable: boolean;
  readonly command: string;
}>({
  level: "error",
  title: (d) => `call to ${d.callee} has no nop behind it, so the TOC cannot be restored`,
  brief: (d) => `call to ${d.callee}`,
  kernel: (d) => d.message,
  why: (d) =>
    `r2 points to a table of the addresses that the module's code uses (the TOC). ${d.wasLocal ? `${d.callee} was in the same file when this was compiled` : `The compiler took ${d.callee} for a function with the same table`}, so it wrote a plain call. But ${d.callee} is not in this module: it returns with r2 changed, and the loader finds no nop (an instruction that does nothing) that it could replace by one that brings r2 back`,
  help: (d) =>
    d.fixable
      ? `\`${d.command}\` sends the call through a return island, three instructions behind the function with that nop among them; no rebuild is needed`
      : "a return island is not possible here: see the error that follows",
  fix: (d) => (d.fixable ? d.command : null),
  explain: `On ppc64le each module has a TOC of its own, and r2 points to it. The kernel reaches a function outside the
module through a stub: it saves r2 at 24(r1) and enters the function at its global entry, which sets r2 to that
function's TOC. After the call r2 must come back. For that the kernel wants a nop (60000000) behind the \`bl\`,
which it turns into \`ld r2,24(r1)\`.

A compiler leaves the nop out when the callee shares the caller's TOC, as a function of the same file does. When
the caller is taken out into a livepatch module, the callee stays in the kernel, and the nop is missing:

      bl   show_val_kb        R_PPC64_REL24
      ld   r5,136(r1)         <- expected: nop

klplink replaces the call by \`b island\`. The island stands behind the function, in its section:

      bl   show_val_kb        R_PPC64_REL24  (moved here)
      nop                     (the kernel makes it ld r2,24(r1))
      b    behind the call`,
});

export const KLP302 = define<{ readonly callee: string; readonly fixable: boolean; readonly command: string }>({
  level: "error",
  title: (d) => `sibling call to ${d.callee} would overwrite the TOC of this function's caller`,
  brief: (d) => `sibling call to ${d.callee}`,
  kernel: () => null,
  why: (d) =>
    `the stub to ${d.callee} stores r2 at 24(r1), and at a sibling call that is the caller's frame; the module loads, and the kernel crashes later`,
  help: (d) =>
    d.fixable
      ? `\`${d.command}\` replaces it by a frameless island; or rebuild with -fno-optimize-sibling-calls`
      : "rebuild the function with -fno-optimize-sibling-calls; the error that follows says why no island is possible",
  fix: (d) => (d.fixable ? d.command : null),
  explain: `A function that ends in a call may end in a branch instead (\`b C\`): C then returns to the caller directly. When C is
outside the module, the kernel's stub stores r2 at 24(r1) all the same. r1 is the caller's frame by then, and 24(r1)
holds the caller's saved TOC: the caller later loads the module's TOC and works on the wrong data. The loader says
nothing about it.

klplink branches to an island that loads C's address from a slot in the module's TOC and enters C without touching
the stack. r2 is then C's when the function returns, so calls to it from within the module get an island that saves
and restores r2; callers outside the module do so anyway.`,
});

export const KLP303 = define<{
  readonly rule: string;
  readonly callee: string;
  readonly reason: string;
  readonly help: string;
}>({
  level: "error",
  title: (d) => `no island is possible for the call to ${d.callee}: ${d.reason} (rule ${d.rule})`,
  help: (d) => d.help,
  explain:
    "An island is used only where it is certain to work. Each condition has a number; docs/islands.md lists them with their reasons.",
});

export const KLP304 = define<{
  readonly function: string;
  readonly follower: string;
  readonly section: string;
  readonly where: string;
  readonly reason: string;
}>({
  level: "error",
  title: (d) =>
    `no island is possible in ${d.function}: ${d.follower} stands behind it in ${d.section} and cannot be moved (rule I9)`,
  why: (d) => `${d.where}: ${d.reason}`,
  help: () => "compile with -ffunction-sections, so that each function has a section of its own",
  explain:
    "An island must stand right behind the function that it serves: the kernel charges an address to the nearest symbol before it, and its stack check would miss the function otherwise. So what follows has to move. klplink moves code only where it knows every word that counts from one function to another; the word that stopped it is named.",
});

export const KLP305 = define<{ readonly helper: string; readonly fixable: boolean; readonly command: string }>({
  level: "error",
  title: (d) => `${d.helper} is not in the module (rule I5)`,
  brief: (d) => d.helper,
  why: () =>
    "register save and restore helpers run without a frame of their own, so they cannot be reached through a stub",
  help: (d) =>
    d.fixable
      ? `\`${d.command}\` puts it into the module, as \`ld -r --save-restore-funcs\` does`
      : "link the module with `ld -r --save-restore-funcs`, or add crtsavres.o of the kernel build",
  fix: (d) => (d.fixable ? d.command : null),
  explain:
    "With -Os, gcc calls _savegpr0_N and its kind at a function's start and end. They use r0, r11, r12 and LR in their own way and must be part of the module. Kernel builds link them in; klplink does, too, unless the name was made a livepatch symbol already.",
});

export const KLP306 = define<{ readonly callee: string; readonly message: string }>({
  level: "error",
  title: (d) => `the word behind the call to ${d.callee} is already ld r2,24(r1) (rule I3)`,
  kernel: (d) => d.message,
  why: () => "kernels before 6.3 want the nop itself there; the file may be a copy of a module from memory",
  help: () => "start from the module as the compiler and linker made it",
  explain:
    "The word behind the call is what the kernel makes of the nop at load time. Kernels from 6.3 on accept it, older ones refuse the module.",
});

export const KLP307 = define<{ readonly function: string }>({
  level: "warning",
  title: (d) => `${d.function} has calls without a nop and was built without a profiling call (rule I16)`,
  why: () =>
    "a compiler that sees both functions may keep values in r0, r11, r12 or ctr across a local call (-fipa-ra), and a stub overwrites them; -pg switches that off",
  help: () =>
    "compile with the kernel's own -pg -mprofile-kernel; or with -fno-ipa-ra and -g, as it is the debug information that says the flag was there (without -g the code is right, and this warning stays)",
  explain:
    "A stub uses r11, r12 and ctr. The ABI lets any external call change them, but for a local call gcc may know better. Code built with -pg, as all of a livepatchable kernel is, is not affected, and neither is code compiled with -fno-ipa-ra. klplink sees that flag in the compiler's name in the debug information (DW_AT_producer) only.",
});

export const KLP308 = define<{ readonly callee: string }>({
  level: "warning",
  title: (d) => `${d.callee} returns twice or looks at its return address; the island's is another one (rule I15)`,
  help: () => "check that nothing compares the address with one in the function",
  explain:
    "After linking, the callee returns into the island, which is a part of the calling function, and from there to the call site.",
});

export const KLP309 = define<{ readonly object: string; readonly version: string }>({
  level: "warning",
  title: (d) =>
    `kernel ${d.version} applies livepatch relocations for ${d.object} again when it is loaded a second time, and then refuses them (rule I21)`,
  kernel: () => "module_64: NAME: Expected nop after call, got e8410018 at ADDRESS",
  help: () => "unload the livepatch before the module is loaded again, or use kernel 6.3 or later",
  explain:
    "Before 6.3 the loader does not accept a word that it restored itself. Relocations of a module-specific section are applied at each load of that module.",
});

export const KLP310 = define<{ readonly callee: string; readonly function: string }>({
  level: "warning",
  title: (d) => `no stdu found before the call to ${d.callee} in ${d.function} (rule I8)`,
  why: () => "the stub saves r2 at 24(r1), which must be this function's own frame",
  help: () => "look at the function's code; compilers always open a frame before a call",
  explain:
    "klplink looks for the instruction that opens a frame between the function's local entry and the call. It may stand in another part of the function after shrink-wrapping.",
});

export const KLP311 = define<{ readonly moved: readonly string[]; readonly reason: string }>({
  level: "warning",
  title: (d) => `debug information still describes the old layout of ${d.moved.join(", ")}: ${d.reason}`,
  brief: (d) => d.reason,
  why: () =>
    "functions move to make room for islands; debug information follows where it is understood, and this piece of it is not, so lines or variables that it describes may be off",
  help: () => "compile with -ffunction-sections, so that nothing moves; the code itself is not affected",
  explain:
    "Where several functions share a section, an island moves the functions behind it, and klplink rewrites the debug information: line programs, ranges, location lists, lengths. What it does not understand (a version that is not known, damaged data, split debug information in a file of its own) keeps the old layout: there, line numbers and variables behind the first moved function are off by the size of the islands before them.",
});

export const KLP312 = define<{ readonly function: string; readonly reason: string }>({
  level: "error",
  title: (d) => `${d.function} cannot restore its caller's TOC at its returns: ${d.reason}`,
  help: () => "use the default, --toc-restore island: the kernel's livepatch_handler restores the caller's TOC",
  explain:
    "With --toc-restore epilogue every return of a replacement function (one whose address the module's data holds) becomes a branch to a sequence that restores r2. That needs returns that are the function's own, and callers that all come through ftrace.",
});

export const KLP313 = define<{ readonly function: string; readonly reason: string }>({
  level: "error",
  title: (d) => `${d.function} cannot run in a mini frame: ${d.reason}`,
  why: () =>
    "with 32 more bytes between the function and its caller, it looks for arguments on the stack 32 bytes too near",
  help: () =>
    "use the default, --toc-restore island; if only the parameters are unknown, compile with -g, or give --force if all arguments are in registers",
  explain:
    "With --toc-restore mini-frame every replacement function (one whose address the module's data holds) runs in a 32-byte frame that returns to klp_return_helper. Its arguments must all be in registers: not variable, a prototype, eight doublewords at most, a by-value struct counted by its size. DWARF or BTF of the module must say so.",
});

export const KLP314 = define<{
  /** What each source says; empty if none says anything. */
  readonly told: readonly { readonly source: string; readonly threadInfo: number; readonly stackPointer: number }[];
}>({
  level: "error",
  title: (d) =>
    d.told.length === 0
      ? "where the kernel keeps the livepatch stack is not known"
      : "the files disagree on where the kernel keeps the livepatch stack, or it is out of reach",
  why: (d) =>
    d.told.length === 0
      ? "a klp_stub finds it through the paca and thread_info, whose layout depends on the kernel's configuration"
      : d.told.map((t) => `${t.source}: ${t.threadInfo},${t.stackPointer}`).join("; "),
  help: () =>
    "give the kernel's vmlinux with -k, a module with DWARF, or the two offsets: --livepatch-stack PACA,THREAD_INFO",
  explain:
    "--toc-restore shadow-stack writes code that uses the livepatch stack. It needs the offset of the current thread_info in the paca, and of livepatch_sp in thread_info. klplink takes them from vmlinux's livepatch_handler, from BTF or DWARF, or as given, and they must agree. Offsets of another kernel would corrupt memory.",
});
