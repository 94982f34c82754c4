// What makes the compiler want a symbol: names as GCC's and clang's documentation, libgcc's manual (Routines for integer
// arithmetic, for floating point emulation) and public reports have them.

import { describe, expect, test } from "vitest";
import { catalogue } from "../../src/diag/definitions.ts";
import { lineHelpOf, lineMeaningOf } from "../../src/diag/messages/define.ts";
import { recogniseLine } from "../../src/diag/messages/recognise.ts";
import { causeOf, symbolCauses } from "../../src/diag/symbolCauses.ts";

const NAMES: readonly (readonly [RegExp, readonly string[]])[] = [
  [/-fPIC/, ["_GLOBAL_OFFSET_TABLE_"]],
  [/canary/, ["__stack_chk_guard", "__stack_chk_fail", "__stack_chk_fail_local", "__ref_stack_chk_guard"]],
  [
    /-moutline-atomics/,
    ["__aarch64_ldadd4_acq_rel", "__aarch64_cas8_relax", "__aarch64_swp1_acq", "__aarch64_ldset8_rel"],
  ],
  [
    /retpoline/,
    [
      "__x86_indirect_thunk_rax",
      "__x86_indirect_thunk_r11",
      "__x86_indirect_jump_thunk_rax",
      "__x86_indirect_its_thunk_rax",
      "__llvm_retpoline_r11",
    ],
  ],
  [/-mfunction-return/, ["__x86_return_thunk"]],
  [/control flow integrity/, ["__cfi_slowpath", "__cfi_slowpath_diag", "__cfi_check", "__kcfi_typeid_f", "__cfi_f"]],
  [
    /CONFIG_KASAN/,
    ["__asan_load8_noabort", "__asan_report_store4_noabort", "__hwasan_loadN_noabort", "__kasan_kmalloc"],
  ],
  [/CONFIG_UBSAN/, ["__ubsan_handle_out_of_bounds", "__ubsan_handle_shift_out_of_bounds"]],
  [/CONFIG_KCSAN/, ["__tsan_func_entry", "__tsan_read4"]],
  [/CONFIG_KMSAN/, ["__msan_metadata_ptr_for_load_8"]],
  [/CONFIG_KCOV/, ["__sanitizer_cov_trace_pc", "__sanitizer_cov_trace_cmp4"]],
  [/STACKLEAK/, ["stackleak_track_stack", "__sanitizer_cov_stack_depth"]],
  [/CONFIG_FORTIFY_SOURCE/, ["fortify_panic", "__fortify_panic"]],
  [
    /on purpose/,
    [
      "__read_overflow",
      "__read_overflow2_field",
      "__write_overflow_field",
      "__compiletime_assert_123",
      "__bad_udelay",
      "__put_user_bad",
      "__xchg_wrong_size",
      "____ilog2_NaN",
    ],
  ],
  [/_FORTIFY_SOURCE/, ["__memcpy_chk", "__sprintf_chk", "__chk_fail"]],
  [
    /libgcc/,
    [
      "__divdi3",
      "__udivti3",
      "__umoddi3",
      "__udivmodti4",
      "__multi3",
      "__ashldi3",
      "__aeabi_uldivmod",
      "__popcountdi2",
      "__muldf3",
      "__adddf3",
      "__floatsidf",
      "__fixdfsi",
      "__extendsfdf2",
      "__aeabi_dmul",
    ],
  ],
  [/floating point/, ["__muldf3", "__adddf3", "__floatsidf", "__fixdfsi", "__extendsfdf2", "__ledf2", "__aeabi_dmul"]],
  [/counts bits/, ["__popcountdi2"]],
  [/-Os/, ["_savegpr0_14", "_restgpr0_31", "_savefpr_14", "_restvr_20"]],
  [/CONFIG_FUNCTION_TRACER/, ["_mcount", "mcount", "__fentry__"]],
  [/kpatch's own core/, ["kpatch_register", "kpatch_unregister", "kpatch_shadow_alloc"]],
  [/before 5\.1/, ["klp_register_patch"]],
  [/CONFIG_LIVEPATCH/, ["klp_enable_patch", "klp_shadow_alloc"]],
  [/for assignments and loops/, ["memcpy", "memset", "memmove", "strlen"]],
  [/clang makes calls/, ["bcmp", "stpcpy"]],
  [/C library/, ["printf", "malloc", "__errno_location"]],
  [/CONFIG_GCOV_KERNEL/, ["__gcov_init", "__gcov_merge_add", "llvm_gcda_emit_arcs"]],
  [/thread-local/, ["__tls_get_addr", "__emutls_get_address"]],
  [/C\+\+/, ["_Znwm", "_ZdlPv", "__cxa_atexit", "__gxx_personality_v0"]],
  [/constructor/, ["_GLOBAL__sub_I_x"]],
  [/popcnt/, ["__sw_hweight64", "__sw_hweight32"]],
  [/headers of 5\.15 or later/, ["_printk"]],
  [/headers before 5\.15/, ["printk"]],
  [/CONFIG_MODVERSIONS/, ["module_layout"]],
  [/not a finished module/, ["__this_module"]],
  [/preemption model/, ["__SCT__might_resched", "_cond_resched", "__cond_resched"]],
  [/tracepoint/, ["__tracepoint_sched_switch", "__SCK__tp_func_sched_switch"]],
  [/kmalloc\(\)/, ["__kmalloc_noprof", "kmalloc_trace", "kmem_cache_alloc_trace"]],
  [/`current`/, ["pcpu_hot", "current_task"]],
  [/CONFIG_LOCKDEP/, ["lock_acquire", "mutex_lock_nested", "debug_lockdep_rcu_enabled"]],
  [/-flto/, ["__gnu_lto_slim"]],
];

test.each(NAMES)("%s", (why, names) => {
  for (const name of names) expect(causeOf(name)?.why, name).toMatch(why);
});

test("names that say nothing", () => {
  for (const name of [
    "show_val_kb",
    "cfg80211_get_bss",
    "drm_dp_aux_init",
    "kernel_read",
    "open_exec",
    "memcpy_toio",
    "d_path",
    "popcount",
  ]) {
    expect(causeOf(name), name).toBeNull();
  }
});

test("each row is reached by a name of its own, and tells a way out", () => {
  const reached = new Set(NAMES.flatMap(([, names]) => names.map(causeOf)));
  const seldom = symbolCauses.filter((c) => !reached.has(c));
  // The rows whose names stand nowhere above.
  expect(
    seldom
      .map((c) => String(c.names))
      .filter((n) => !/TOC|llvm_profile|cyg_profile|rust|udelay|SC\[TK\]|vmemmap|preempt_count|latent/.test(n)),
  ).toEqual([]);
  for (const { why, help } of symbolCauses) {
    expect(why).toMatch(/^\S.*\.$/);
    expect(help).toMatch(/^\S.*[^.]$/);
  }
});

describe("used", () => {
  test("by explain: meaning and help, whatever the error, except that of a symbol that is there", () => {
    for (const end of [" (err -2)", " (err 0)", ""]) {
      const line = recogniseLine(`m: Unknown symbol __stack_chk_guard${end}`);
      expect(line === null ? "" : `${lineMeaningOf(line)} ${lineHelpOf(line)}`).toMatch(/canary.*-fno-stack-protector/);
    }
    const misfit = recogniseLine("m: Unknown symbol __stack_chk_guard (err -22)");
    expect(misfit === null ? "" : lineMeaningOf(misfit)).toMatch(/is exported, but may not be used/);
  });

  test("by check: KLP401 says it in its why and help", () => {
    const { why, help } = catalogue.KLP401;
    const data = { module: "m", source: "System.map", near: [] };
    expect(why?.({ ...data, symbol: "_GLOBAL_OFFSET_TABLE_" })).toMatch(/^the object was compiled .*\(-fPIC[^.]*$/);
    expect(help?.({ ...data, symbol: "_GLOBAL_OFFSET_TABLE_" })).toMatch(/^compile with `-fno-pic -fno-pie`/);
    expect(help?.({ ...data, symbol: "show_val_kb" })).toMatch(/^give the symbol list/);
  });

  test("KLP509 names both outcomes of another struct module", () => {
    const { why, explain } = catalogue.KLP509;
    const text = why?.({ what: "init", own: 1, kernel: 2, source: "s" });
    for (const said of [text, explain]) {
      expect(said).toMatch(/init(?: function)? never runs/);
      expect(said).toContain("Skipping invalid relocation target, existing value is nonzero for type 1");
    }
  });
});
