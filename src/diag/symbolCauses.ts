// Why a module wants a symbol that nobody wrote into its source: what makes the compiler (or a header) ask for it, by name.

export interface SymbolCause {
  readonly names: RegExp;
  /** One sentence: the flag, option or version that makes a module want it. */
  readonly why: string;
  /** The way out, without a full stop. */
  readonly help: string;
}

const KBUILD = "build it through kbuild (`make -C /lib/modules/RELEASE/build M=…`), whose flags have it right";
const SAME_HEADERS = "build the module against the headers and configuration of the kernel that is to load it";
const NO_LIBGCC = "the kernel is not linked with libgcc";

const cause = (names: RegExp, why: string, help: string): SymbolCause => ({ names, why, help });
const instrumented = (names: RegExp, flag: string, option: string): SymbolCause =>
  cause(
    names,
    `${flag} makes the compiler call it; a kernel has it with ${option} only.`,
    `compile without ${flag}, or load it on a kernel with ${option}`,
  );

/** One row a kind; the first that fits is taken. */
export const symbolCauses: readonly SymbolCause[] = [
  cause(
    /^_GLOBAL_OFFSET_TABLE_$/,
    "The object was compiled as position-independent code (-fPIC or -fpie, which many distributions' compilers do by default), and a module has no global offset table.",
    `compile with \`-fno-pic -fno-pie\` and no -fPIC (x86_64: -mcmodel=kernel, too); ${KBUILD}`,
  ),
  cause(
    /^(?:\.TOC\.|TOC\.)$/,
    "It stands for the TOC of ppc64le code, and the loader sets it by itself where it knows the module's .toc section.",
    KBUILD,
  ),
  cause(
    /^__(?:ref_)?stack_chk_guard$|^fixed_percpu_data$/,
    "-fstack-protector makes the compiler read the canary there; kernels with a canary of each task (CONFIG_STACKPROTECTOR_PER_TASK on arm64), or none, do not have it, and that of newer x86_64 kernels is __ref_stack_chk_guard.",
    `compile with the guard flags of the kernel (-mstack-protector-guard=…) or with -fno-stack-protector; ${KBUILD}`,
  ),
  cause(
    /^__stack_(?:chk_fail(?:_local)?|smash_handler)$/,
    "-fstack-protector makes the compiler call it where a canary was overwritten; a kernel has it with CONFIG_STACKPROTECTOR only (…_local: with -fPIC, never).",
    "compile with -fno-stack-protector, or load it on a kernel with CONFIG_STACKPROTECTOR",
  ),
  cause(
    /^__aarch64_(?:cas|swp|ldadd|ldclr|ldeor|ldset)\d+_(?:relax|acq|rel|acq_rel|sync)$/,
    "It is a helper of out-of-line atomics (-moutline-atomics, the default of GCC from 10.1 on for arm64): the compiler made it of an __atomic or __sync builtin, and the helper stands in libgcc, which the kernel is not linked with.",
    "compile with -mno-outline-atomics, or use the kernel's atomic_t in place of the builtins",
  ),
  cause(
    /^__x86_indirect_(?:call_|jump_)?(?:its_)?thunk_\w+$|^__llvm_(?:external_)?retpoline_\w+$/,
    "It is a retpoline, asked for with -mindirect-branch=thunk-extern (clang: -mretpoline-external-thunk); kernels have it with CONFIG_RETPOLINE (CONFIG_MITIGATION_RETPOLINE from 6.9 on), the …call… and …jump… ones with call depth tracking, the …its… ones with CONFIG_MITIGATION_ITS.",
    `${SAME_HEADERS}: its options decide which thunks there are`,
  ),
  cause(
    /^__x86_return_thunk$/,
    "-mfunction-return=thunk-extern makes the compiler jump there in place of `ret`; kernels have it with CONFIG_RETHUNK (CONFIG_MITIGATION_RETHUNK from 6.9 on), from 5.19 and its backports on.",
    `${SAME_HEADERS}, or compile with -mfunction-return=keep where the kernel has no return thunks`,
  ),
  cause(
    /^__(?:kcfi_typeid|cfi)_\w+$|^__(?:cfi_check|cfi_slowpath|cfi_slowpath_diag|cfi_check_fail|ubsan_handle_cfi\w*)$/,
    "clang's control flow integrity asks for it: -fsanitize=kcfi on kernels from 6.1 on, -fsanitize=cfi with __cfi_slowpath on 5.13 to 6.0, both with CONFIG_CFI_CLANG.",
    "compile with the CFI flags of the kernel, or none where it has no CONFIG_CFI_CLANG; C functions of assembly need SYM_TYPED_FUNC_START",
  ),
  instrumented(
    /^__(?:(?:kernel_)?(?:asan|hwasan)_\w+|kasan_\w+)$/,
    "-fsanitize=kernel-address (or …hwaddress)",
    "CONFIG_KASAN",
  ),
  instrumented(/^__ubsan_\w+$/, "-fsanitize=undefined, bounds, shift or the like", "CONFIG_UBSAN"),
  instrumented(/^__tsan_\w+$|^__kcsan_\w+$/, "-fsanitize=thread", "CONFIG_KCSAN"),
  instrumented(/^__msan_\w+$/, "-fsanitize=kernel-memory", "CONFIG_KMSAN"),
  instrumented(
    /^(?:stackleak_track_stack|__sanitizer_cov_stack_depth)$/,
    "the stackleak plugin (clang: -fsanitize-coverage=stack-depth)",
    "CONFIG_GCC_PLUGIN_STACKLEAK (CONFIG_KSTACK_ERASE from 6.17 on)",
  ),
  instrumented(/^__sanitizer_cov_\w+$/, "-fsanitize-coverage", "CONFIG_KCOV"),
  instrumented(/^__gcov_\w+$|^llvm_(?:gcda|gcov)_\w+$/, "--coverage (-fprofile-arcs)", "CONFIG_GCOV_KERNEL"),
  instrumented(/^__llvm_profile_\w+$/, "-fprofile-generate or -fprofile-instr-generate", "an LLVM profile of its own"),
  instrumented(/^__cyg_profile_func_(?:enter|exit)$/, "-finstrument-functions", "no configuration of today's"),
  cause(
    /^_?_?fortify_panic$/,
    "Headers with CONFIG_FORTIFY_SOURCE call it where a string or memory function overflows; the kernel that loads the module has no such option, or had another name for it (6.9 renamed fortify_panic to __fortify_panic).",
    SAME_HEADERS,
  ),
  cause(
    /^__(?:read|write)_overflow\w*$|^__compiletime_\w+$|^__bad_\w+$|^__\w+_(?:bad|wrong_size|bad_size)$|^____ilog2_NaN$|^__build_bug_\w+$/,
    "It is defined nowhere on purpose: a check of the kernel's headers at compile time whose call the compiler should have removed, and did not, as the check fails or optimisation is off (-O0).",
    "compile with -O2; find the call that the name speaks of (an overflow, a wrong size, a delay that is too long) and correct it",
  ),
  cause(
    /^__\w+_chk$|^__chk_fail$/,
    "-D_FORTIFY_SOURCE (the default of some distributions' compilers) turns a string function into this one of the C library.",
    `compile with -U_FORTIFY_SOURCE; ${KBUILD}`,
  ),
  cause(
    /^__popcount[sdt]i2$|^__parity[sdt]i2$/,
    `The compiler counts bits with it (__builtin_popcount without an instruction for it), and ${NO_LIBGCC}.`,
    "use hweight32() or hweight64() in place of the builtin; some kernels have it for clang's sake",
  ),
  cause(
    /^__(?:u?divmod|u?div|u?mod|mul|mulo|ashl|ashr|lshr|u?cmp|neg|clz|ctz|ffs|bswap|clrsb)[sdt]i[234]$|^__aeabi_(?:u?ldivmod|u?idivmod|u?idiv|lmul|ll\w+|[lu]+cmp)$/,
    `It is arithmetic that the machine has no instruction for (64 bits on 32-bit machines, 128 bits on others), which the compiler leaves to libgcc, and ${NO_LIBGCC}.`,
    "use the kernel's functions of linux/math64.h: div_u64(), div64_u64(), do_div(), mul_u64_u64_div_u64(); avoid / and % on unsigned __int128",
  ),
  cause(
    /^__(?:add|sub|mul|div|neg|fix|fixuns|float|floatun|extend|trunc|eq|ne|lt|le|gt|ge|unord|pow)(?:[hsdtx]f|[sdt]i){1,2}\d?$|^__aeabi_[df]\w+$|^__gcc_q\w+$/,
    `The source computes with floating point numbers (a constant such as 0.5 is enough), which the kernel's flags leave to libgcc, and ${NO_LIBGCC}.`,
    "compute with integers; floating point belongs between kernel_fpu_begin() and kernel_fpu_end(), in a file with flags of its own",
  ),
  cause(
    /^_(?:save|rest)(?:gpr|fpr|vr)\d?_\d+(?:_\w)?$/,
    "ppc64le code that was compiled for size (-Os) saves registers with it; in a module the routines come from arch/powerpc/lib/crtsavres.o.",
    "link crtsavres.o of the kernel's build into the module, as kbuild does, or compile with -O2",
  ),
  cause(
    /^(?:_mcount|mcount|__fentry__|__gnu_mcount_nc|_mcount_nc|ftrace_caller)$/,
    "-pg (with -mfentry or -mprofile-kernel) makes the compiler call it at each function's entry; a kernel exports it with CONFIG_FUNCTION_TRACER only, and the headers that the module was built against had that option.",
    SAME_HEADERS,
  ),
  cause(
    /^kpatch_\w+$/,
    "It belongs to kpatch's own core module (kpatch.ko), which patches made for it need, and which is not loaded.",
    "load the core first (`kpatch load` does, or insmod kpatch.ko); where the kernel has CONFIG_LIVEPATCH build the patch for livepatch instead (kpatch-build takes that by itself)",
  ),
  cause(
    /^klp_(?:un)?register_patch$|^klp_disable_patch$/,
    "Livepatches of kernels before 5.1 call it; it was removed then, and klp_enable_patch() does both.",
    SAME_HEADERS,
  ),
  cause(
    /^klp_\w+$/,
    "It is the livepatch core's, exported for GPL-compatible modules by kernels with CONFIG_LIVEPATCH.",
    'boot a kernel with CONFIG_LIVEPATCH=y, and check MODULE_LICENSE("GPL")',
  ),
  cause(
    /^(?:bcmp|stpcpy|wcslen)$/,
    "clang makes calls of it out of others (bcmp of memcmp, stpcpy of strcpy or sprintf, wcslen of a loop); the kernel has bcmp from 5.1, stpcpy from 5.10 and wcslen from 6.15 on, or as backports.",
    "compile with -fno-builtin-bcmp, -fno-builtin-stpcpy or -fno-builtin-wcslen, or with -ffreestanding",
  ),
  cause(
    /^(?:mem(?:cpy|set|move|cmp|chr)|str(?:len|cpy|ncpy|cat|cmp|ncmp|chr|str))$/,
    "The compiler calls it for assignments and loops, too; kernels export it, under another name with sanitizers or as an inline function on some machines, unless CONFIG_TRIM_UNUSED_KSYMS removed it.",
    `${SAME_HEADERS}; with CONFIG_TRIM_UNUSED_KSYMS name it in CONFIG_UNUSED_KSYMS_WHITELIST`,
  ),
  cause(
    /^(?:printf|fprintf|puts|putchar|malloc|free|calloc|realloc|abort|exit|rand|strdup|perror|errno|__errno_location|stdout|stderr|__assert_fail|usleep|sleep|open|close|read|write|fopen|fclose|sqrt|pow)$/,
    "It is a function of the C library, and the kernel has none.",
    "use the kernel's own: pr_info(), kmalloc(), kfree(), kstrdup(), get_random_u32(), msleep() …",
  ),
  cause(
    /^(?:__tls_get_(?:addr|offset)|__emutls_\w+|_TLS_MODULE_BASE_|__tls_guard)$/,
    "The source has a thread-local variable (__thread, _Thread_local), which a module cannot have.",
    "use per-CPU variables (DEFINE_PER_CPU) or a field of the task in question",
  ),
  cause(
    /^(?:_Unwind_\w+|__gcc_personality_v0|__gxx_personality_v0|__cxa_\w+|__dso_handle|_Z[A-Za-z]\w*|__gnu_cxx\w*)$/,
    "It belongs to the runtime of C++ (or of -fexceptions), which the kernel does not have.",
    "compile C, or C++ with -fno-exceptions -fno-rtti and operators new and delete of your own",
  ),
  cause(
    /^_GLOBAL_\w*$/,
    "It is a constructor that the compiler made (for C++ objects, sanitizers or coverage), or another name of its own, left undefined by a partial link.",
    `compile without the instrumentation; ${KBUILD}`,
  ),
  cause(
    /^_R[A-Z]\w*$|^rust_\w+$/,
    "It is mangled by rustc: a Rust module needs a kernel with CONFIG_RUST, and of the same compiler, as the names hold its hashes.",
    SAME_HEADERS,
  ),
  cause(
    /^__sw_hweight(?:8|16|32|64)$/,
    "x86 code calls it to count bits on processors without popcnt, arm64 and others as the generic hweight; it is exported by all kernels that use it, so the headers were those of another one.",
    SAME_HEADERS,
  ),
  cause(
    /^_printk$/,
    "printk() became a macro around _printk() in 5.15: the module was built with headers of 5.15 or later, for a kernel before it.",
    SAME_HEADERS,
  ),
  cause(
    /^printk$/,
    "printk() became a macro around _printk() in 5.15, and kernels from then on do not export the old name: the module was built with headers before 5.15.",
    SAME_HEADERS,
  ),
  cause(
    /^module_layout$/,
    "Kernels with CONFIG_MODVERSIONS export it so that its checksum stands for struct module and what it is made of; this one was configured without, or its symbols were trimmed.",
    SAME_HEADERS,
  ),
  cause(
    /^__this_module$/,
    "kbuild's last link (MODULE.mod.o) defines it: the file is an object, not a finished module.",
    "load the .ko that kbuild makes, not the .o",
  ),
  cause(/^__bad_n?udelay$/, "udelay() was given a constant that is too long.", "use mdelay() or msleep()"),
  cause(
    /^__(?:SCT|SCK)__(?:might|cond|preempt|irqentry)\w*$|^_?_?cond_resched$|^__(?:preempt_schedule\w*)$/,
    "Which of these names a kernel exports depends on its preemption model (CONFIG_PREEMPT_DYNAMIC and the others).",
    SAME_HEADERS,
  ),
  cause(
    /^__(?:tracepoint|traceiter|SCK__tp_func|SCT__tp_func)_\w+$/,
    "It is a part of a tracepoint that the kernel does not export (EXPORT_TRACEPOINT_SYMBOL_GPL is missing for it).",
    "leave the tracepoint out of the module's code, or find it at run time with for_each_kernel_tracepoint(); a livepatch may keep it as a livepatch symbol",
  ),
  cause(
    /^__SC[TK]__\w+$/,
    "It is the key or the trampoline of a static call that the kernel does not export.",
    "a livepatch makes it a livepatch symbol; other modules need EXPORT_STATIC_CALL_TRAMP in the kernel",
  ),
  cause(
    /^(?:__)?k?[mvz]*alloc\w*_noprof$|^k\w+_noprof$|^kmalloc_trace$|^kmalloc_node_trace$|^kmem_cache_alloc_trace$|^kmalloc_caches$|^random_kmalloc_seed$/,
    "The names behind kmalloc() change with the version (kmem_cache_alloc_trace up to 6.0, kmalloc_trace from 6.1, …_noprof from 6.10 on) and with the options of the allocator.",
    SAME_HEADERS,
  ),
  cause(
    /^(?:pcpu_hot|const_pcpu_hot|current_task|const_current_task|__preempt_count|this_cpu_off)$/,
    "x86 headers read `current` and the like there: current_task up to 6.1, pcpu_hot from 6.2 to 6.14, current_task again from 6.15 on.",
    SAME_HEADERS,
  ),
  cause(
    /^(?:vmemmap_base|page_offset_base|vmalloc_base|phys_base|physvirt_offset|memstart_addr|kimage_voffset|vabits_actual)$/,
    "The headers' address arithmetic reads it; whether a kernel has it depends on its memory layout options (CONFIG_RANDOMIZE_MEMORY, the page table levels, the size of addresses) and version.",
    SAME_HEADERS,
  ),
  cause(
    /^(?:lock_(?:acquire|release|is_held_type)|lockdep_\w+|debug_lockdep_\w+|mutex_lock_(?:\w+_)?nested|_raw_(?:spin|read|write)_lock_nested|rcu_lock_map|\w+_lockdep_\w+)$/,
    "Headers with CONFIG_LOCKDEP (or DEBUG_LOCK_ALLOC) use it; the kernel that loads the module was configured without it: one of the two is a debug kernel.",
    SAME_HEADERS,
  ),
  cause(
    /^preempt_count_(?:add|sub)$/,
    "Headers with CONFIG_DEBUG_PREEMPT or a preemption tracer use it; the kernel that loads the module was configured without.",
    SAME_HEADERS,
  ),
  cause(
    /^__gnu_lto_\w+$/,
    "The object holds GCC's intermediate code only (-flto), which the last link was to compile.",
    "compile without -flto, or with -ffat-lto-objects",
  ),
  cause(
    /^latent_entropy$/,
    "The latent_entropy plugin makes the compiler use it; a kernel has it with CONFIG_GCC_PLUGIN_LATENT_ENTROPY only.",
    SAME_HEADERS,
  ),
];

/** What makes a module want a symbol; null for a name that says nothing about it. */
export function causeOf(symbol: string): SymbolCause | null {
  return symbolCauses.find(({ names }) => names.test(symbol)) ?? null;
}

/** A sentence as a part of one: without its capital and its full stop. */
export const asClause = (sentence: string): string =>
  sentence.replace(/^[A-Z](?=[a-z]* )/, (c) => c.toLowerCase()).replace(/\.$/, "");

/** What is left of a function whose beginning the compiler inlined into all callers: `f.part.0`, which they call; null: none of that. */
export const remainderOf = (symbol: string, near: readonly string[]): string | null =>
  near.find((name) => name.startsWith(`${symbol}.part.`)) ?? null;

/** Why a kernel lacks a function that its source has. @param near names like it that the kernel has */
export function whyMissing(symbol: string, near: readonly string[]): string {
  const remainder = remainderOf(symbol, near);
  return remainder === null
    ? "the function may have been inlined, renamed by the compiler, or configured out of this kernel"
    : `the compiler inlined its beginning into its callers, and only ${remainder} is left: the function has no code of its own, and no place where it could be patched`;
}

/** The way out for {@link whyMissing}; null if it has nothing to say. */
export const helpMissing = (symbol: string, near: readonly string[]): string | null =>
  remainderOf(symbol, near) === null
    ? null
    : "patch its callers: a patch that is built from the source for exactly this kernel (`klplink build`) does that by itself";
