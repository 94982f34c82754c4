// What the loader takes and what fails later: when a patched module comes, when the code runs, when something is switched.

import { define } from "../define.ts";

export const KLP470 = define<{
  readonly name: string;
  readonly target: string;
  readonly object: string;
  /** The release whose loader is the first to write it through another mapping. */
  readonly since: string;
  readonly message: string;
}>({
  level: "warning",
  title: (d) =>
    `${d.name} in ${d.target} waits for ${d.object}: loaders before ${d.since} store it into read-only memory`,
  kernel: (d) => d.message,
  why: (d) =>
    `the section is read-only by the time that ${d.object} comes; unless the kernel has the fix of ${d.since}, it oopses, and ${d.object} stays half loaded`,
  help: (d) =>
    `see that the kernel has ${d.since === "5.16" ? "8734b41b3efe (5.15.11 has it, and distributions that support livepatching)" : "91b89a634487 (before 6.17 livepatching on arm64 is a distribution's own)"}, or reach the symbol through a pointer in writable data`,
  explain:
    "Relocations of a module's section are applied when both the livepatch and the module are loaded, after the livepatch's text and constants were made read-only. Loaders write them through a second mapping: on x86_64 and s390 since 5.8, on ppc64le (calls only) since 5.16, on arm64 since 6.17. Earlier loaders of ppc64le, from 5.14 on, and of arm64 store directly. Distributions have taken the fixes over into older kernels, so this is a warning.",
});

export const KLP471 = define<{ readonly object: string; readonly sites: number; readonly since: string }>({
  level: "warning",
  title: (d) => `calls that wait for ${d.object}: loaders before ${d.since} write their stubs over ftrace's own`,
  why: (d) =>
    `the kernel keeps the out-of-line halves of the module's ${d.sites} ftrace sites among its stubs, and takes one of them for a free stub`,
  help: () =>
    "see that the kernel has 5337609a3148 and f6b4df37ebfe (6.17.3 has them), or do not trace functions of the livepatch itself",
  explain:
    "On ppc64le a kernel with CONFIG_PPC_FTRACE_OUT_OF_LINE (since 6.13) puts half of each ftrace site behind the stubs of a module. A call in .klp.rela.MODULE needs a stub when the module comes; loaders before 6.18 look for the first entry without an address and find it inside those halves. Nothing is said; the kernel crashes when a function of the livepatch whose half was overwritten is traced.",
});

export const KLP472 = define<{ readonly symbol: string }>({
  level: "warning",
  title: (d) => `the address of ${d.symbol} is taken, and it does not begin with ENDBR`,
  brief: (d) => `the address of ${d.symbol} is taken here`,
  kernel: (d) => `Missing ENDBR: ${d.symbol}+0x0/SIZE [MODULE]`,
  why: () =>
    "the kernel is built with IBT (CONFIG_X86_KERNEL_IBT): on a CPU that has it, an indirect call of a function without ENDBR ends in a BUG",
  help: () => "compile with the kernel's own flags (-fcf-protection=branch); in assembler write ENDBR behind its label",
  explain:
    "On x86_64 a kernel with CONFIG_X86_KERNEL_IBT has indirect branches checked by the CPU: each must land on ENDBR. A function of the module whose address stands in data, or is loaded by code, lacks it. Nothing is said when the module loads; the first indirect call ends in `Missing ENDBR` and a BUG (with ibt=warn in a warning).",
});

export const KLP473 = define<{
  readonly found: "jump" | "nop" | "other";
  /** Null: the file does not say what it has to be, but it is neither. */
  readonly expected: "jump" | "nop" | "other" | null;
}>({
  level: "warning",
  title: (d) =>
    `a jump label holds ${INSNS[d.found]} where ${d.expected === null ? "a jump or a nop" : INSNS[d.expected]} belongs`,
  kernel: () => "jump_label: Fatal kernel bug, unexpected op at ADDRESS [ADDRESS] (BYTES != BYTES)) size:N type:N",
  why: (d) =>
    d.found === "jump" && d.expected === "nop"
      ? "compilers write a jump at each static branch, and objtool makes nops of those that are marked: it has not run. The branch is taken though it is off, and the kernel stops when it is switched"
      : "the kernel compares the code with what it left there before it changes it, and stops at anything else",
  help: (d) =>
    d.found === "jump" && d.expected === "nop"
      ? "build through the kernel's build system, so that `objtool --hacks=jump_label` sees the object"
      : "build the file again; a tool that moved code or entries of __jump_table has left them apart",
  explain:
    "Static branches are nops or jumps that the kernel rewrites in place. On x86_64 compilers write a jump for both, with a mark in __jump_table, and objtool puts the nop there (since 5.14). Before the kernel changes a place it compares; at another instruction than the expected one it prints `Fatal kernel bug, unexpected op` and stops in a BUG.",
});

const INSNS = { jump: "a jump", nop: "a nop", other: "another instruction" } as const;

export const KLP474 = define<{
  readonly count: number;
  /** All jumps to the thunk. */
  readonly of: number;
  /** Whether the kernel notices when it runs into one. */
  readonly warns: boolean;
}>({
  level: "warning",
  title: (d) =>
    d.count === d.of
      ? "no return thunk is listed in .return_sites"
      : `${d.count} of ${d.of} return thunks ${d.count === 1 ? "is" : "are"} not listed in .return_sites`,
  kernel: (d) => (d.warns ? "Unpatched return thunk in use. This should not happen!" : null),
  why: (d) =>
    d.warns
      ? "objtool has not listed these jumps to __x86_return_thunk, so the kernel does not put in their place what its CPU needs; it warns when the first of them runs"
      : "objtool has not listed these jumps to __x86_return_thunk, so the kernel does not put in their place what its CPU needs: returns stay open to speculation",
  help: () => "build through the kernel's build system, so that `objtool --rethunk` sees the object",
  explain:
    "x86_64 kernels with CONFIG_MITIGATION_RETHUNK (CONFIG_RETHUNK before 6.9) are compiled with -mfunction-return=thunk-extern: a return is a jump to __x86_return_thunk, and .return_sites lists them, so that the kernel can rewrite each when the module loads. A jump that is not listed goes to the thunk itself, which from 6.9 on warns once.",
});

export const KLP475 = define<{ readonly entry: number }>({
  level: "warning",
  title: (d) => `.return_sites+0x${d.entry.toString(16)} names a place without a jump to __x86_return_thunk`,
  kernel: () => "missing return thunk: ADDRESS-ADDRESS: BYTES",
  why: () => "the kernel takes each entry for such a jump, warns where there is none, and leaves the place as it is",
  help: () => "build the file again; a tool that moved code has left this entry behind",
  explain:
    "Each entry of .return_sites is the distance to a jump to __x86_return_thunk, or to a static call's trampoline. A kernel with return thunks warns once, with a stack trace, at one that names something else.",
});

export const KLP476 = define<{ readonly count: number }>({
  level: "warning",
  title: (d) =>
    `${d.count === 1 ? "a function returns" : `${d.count} functions return`} without a thunk, for a kernel built with them`,
  why: () =>
    "the kernel puts what its CPU needs in the place of thunks only: on a CPU with Retbleed, SRSO or ITS these returns stay open to speculation, and nothing is said",
  help: () => "compile with the kernel's own flags (-mfunction-return=thunk-extern); in assembler write RET, not ret",
  explain:
    "The kernel is built with CONFIG_MITIGATION_RETHUNK (CONFIG_RETHUNK before 6.9), and the module has plain `ret` instructions. No kernel says anything; the module works, without the protection that the kernel's own code has.",
});
