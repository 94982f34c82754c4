/* SPDX-License-Identifier: MIT */
/*
 * What all these livepatches have in common: /proc/cmdline answers `NAME: ` and what /proc/version answers, through a pointer
 * to a static function of vmlinux; /proc/lp_target answers `NAME: ` and a static variable of lp_target, through a pointer that is
 * set when that module is loaded. Pointers, so that nothing depends on how an architecture calls.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#if defined(__x86_64__)
#define R_POINTER 1
#elif defined(__aarch64__)
#define R_POINTER 257
#else
#define R_POINTER 38
#endif

#define LP_PATCH(title)                                                                             \
	static int lp_cmdline(struct seq_file *m, void *v)                                         \
	{                                                                                          \
		seq_puts(m, #title ": ");                                                           \
		return READ_ONCE(lp_version_show)(m, v);                                           \
	}                                                                                          \
	static int lp_target(struct seq_file *m, void *v)                                          \
	{                                                                                          \
		seq_printf(m, #title ": %ld\n", *READ_ONCE(lp_secret_at));                          \
		return 0;                                                                          \
	}                                                                                          \
	static struct klp_func lp_funcs[] = { { .old_name = "cmdline_proc_show", .new_func = lp_cmdline }, {} }; \
	static struct klp_func lp_target_funcs[] = { { .old_name = "lp_target_show", .new_func = lp_target }, {} }; \
	static struct klp_object lp_objs[] = {                                                     \
		{ .funcs = lp_funcs }, { .name = "lp_target", .funcs = lp_target_funcs }, {}       \
	};                                                                                         \
	static struct klp_patch lp_patch = { .mod = THIS_MODULE, .objs = lp_objs };                \
	static int __init lp_init(void)                                                            \
	{                                                                                          \
		return klp_enable_patch(&lp_patch);                                                \
	}                                                                                          \
	static void __exit lp_exit(void) {}                                                        \
	module_init(lp_init);                                                                      \
	module_exit(lp_exit);                                                                      \
	MODULE_DESCRIPTION("livepatch as a producer leaves it");                                   \
	MODULE_LICENSE("Dual MIT/GPL");                                                            \
	MODULE_INFO(livepatch, "Y")
