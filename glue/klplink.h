/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * klplink.h: what the source of a livepatch can say to `klplink diff`.
 *
 *	callbacks	KPATCH_PRE_PATCH_CALLBACK(f) or KLP_PRE_PATCH_CALLBACK(f), likewise POST_PATCH, PRE_UNPATCH, POST_UNPATCH
 *	ignore		KLPLINK_IGNORE_FUNCTION(f), KLPLINK_IGNORE_DATA(v), KLPLINK_IGNORE_SECTION("s"): counts as unchanged
 *			KPATCH_IGNORE_FUNCTION(f), KPATCH_IGNORE_SECTION("s"): the same
 *	pairs		KLPLINK_PAIR("f:count.2", "f:count.4"): this is that variable, which keeps its value
 *	states		KLPLINK_STATE(id, version): an entry of klp_patch.states
 *	system calls	KPATCH_SYSCALL_DEFINE1 to 6, KLP_SYSCALL_DEFINE1 to 6 in place of SYSCALL_DEFINE1 to 6
 *	static calls	KPATCH_STATIC_CALL(name), KLP_STATIC_CALL(name) in place of static_call(name) where the key is a module's
 *	messages	KPATCH_PRINTK(fmt, ...), KPATCH_PRINTK_DEFERRED(fmt, ...): without an entry in the index of messages
 *
 * And for objects that are written by hand: KLPLINK_SYMBOL.
 */
#ifndef KLPLINK_H
#define KLPLINK_H

#include <linux/compiler.h>
#include <linux/livepatch.h>
#include <linux/printk.h>
#include <linux/stringify.h>
#include <linux/types.h>

/* The kernel's own header for these, where it has one (7.2): its definitions go first. */
#if __has_include(<linux/livepatch_helpers.h>)
#include <linux/livepatch_helpers.h>
#endif

/* What the glue gives to klp_enable_patch(), for klp_get_state() and klp_get_prev_state(). */
extern struct klp_patch *klplink_patch;

/* Text that `klplink diff` reads and that is in no module. */
#define KLPLINK_NOTE(section, text)                                                          \
	static const char __UNIQUE_ID(klplink_note)[] __used __aligned(1)                    \
		__section(".discard.klplink." section) = text

/* Names as in the object's symbol table; FUNCTION:NAME for a static variable of a function. */
#define KLPLINK_PAIR(before, after) KLPLINK_NOTE("pairs", before "=" after)

#define KLPLINK_IGNORE_FUNCTION(name) KLPLINK_NOTE("ignore", "function:" __stringify(name))
#define KLPLINK_IGNORE_DATA(name) KLPLINK_NOTE("ignore", "data:" __stringify(name))
#define KLPLINK_IGNORE_SECTION(name) KLPLINK_NOTE("ignore", "section:" name)

struct klplink_state {
	u64 id; /* not 0 */
	u32 version;
	u32 unused;
};

#define KLPLINK_STATE(number, what)                                                          \
	static const struct klplink_state __UNIQUE_ID(klplink_state) __used                  \
		__section(".discard.klplink.states") = { .id = (number), .version = (what) }

/*
 * Declares what is neither exported nor in this module, for an object that is written by hand: `klplink link` makes the livepatch
 * symbol of it. `object` is what is patched where the symbol is used, `owner` what has the symbol: both vmlinux, or modules' names.
 *
 *	KLPLINK_SYMBOL(extern int show(struct seq_file *m, void *v), vmlinux, vmlinux, version_proc_show, 0);
 *
 * Weak to the assembler only: to weak variables compilers may go by a table that modules do not have.
 */
#define KLPLINK_SYMBOL(declaration, object, owner, name, position)                           \
	declaration asm(KLPLINK_QUOTED(object, owner, name, position));                      \
	asm(".weak " KLPLINK_QUOTED(object, owner, name, position))
#define KLPLINK_QUOTED(object, owner, name, position)                                        \
	"\".klp.sym.rela." #object "." #owner "." #name "," #position "\""

/* Callbacks, in either family's words. `klplink diff` knows the object from the file that they stand in. */
typedef struct klp_object patch_object;

#define KLPLINK_KPATCH_CALLBACK(kind, type, function)                                        \
	static struct {                                                                      \
		type (*callback)(struct klp_object *object);                                 \
		const char *object;                                                          \
	} kpatch_##kind##_data __used __section(".kpatch.callbacks." #kind) = { .callback = (function) }

#define KPATCH_PRE_PATCH_CALLBACK(function) KLPLINK_KPATCH_CALLBACK(pre_patch, int, function)
#define KPATCH_POST_PATCH_CALLBACK(function) KLPLINK_KPATCH_CALLBACK(post_patch, void, function)
#define KPATCH_PRE_UNPATCH_CALLBACK(function) KLPLINK_KPATCH_CALLBACK(pre_unpatch, void, function)
#define KPATCH_POST_UNPATCH_CALLBACK(function) KLPLINK_KPATCH_CALLBACK(post_unpatch, void, function)

#ifndef KLP_PRE_PATCH_CALLBACK
#ifdef MODULE
#define KLPLINK_OBJECT __KBUILD_MODNAME
#else
#define KLPLINK_OBJECT vmlinux
#endif

#define KLPLINK_KLP_CALLBACK(kind, type, function)                                           \
	static type (*__PASTE(__klp_##kind##_callback_, KLPLINK_OBJECT))(struct klp_object *) \
		__used __section(".discard.klp_callback_ptrs") = (function)

#define KLP_PRE_PATCH_CALLBACK(function) KLPLINK_KLP_CALLBACK(pre_patch, int, function)
#define KLP_POST_PATCH_CALLBACK(function) KLPLINK_KLP_CALLBACK(post_patch, void, function)
#define KLP_PRE_UNPATCH_CALLBACK(function) KLPLINK_KLP_CALLBACK(pre_unpatch, void, function)
#define KLP_POST_UNPATCH_CALLBACK(function) KLPLINK_KLP_CALLBACK(post_unpatch, void, function)
#endif

#define KPATCH_IGNORE_SECTION(name)                                                          \
	static const char *__UNIQUE_ID(kpatch_ignore_section_) __used                        \
		__section(".kpatch.ignore.sections") = (name)
#define KPATCH_IGNORE_FUNCTION(name)                                                         \
	static void *__kpatch_ignore_func_##name __used __section(".kpatch.ignore.functions") = (name)

/* Only kpatch's own core knew functions that need no stack check. */
#define KPATCH_FORCE_UNSAFE(function)                                                        \
	_Static_assert(0, "KPATCH_FORCE_UNSAFE(" #function "): livepatch checks the stack for every function. "  \
			  "Leave it out, and patch the callers of a function that is always on some stack")

#define KPATCH_PRINTK(format, ...) _printk(format, ##__VA_ARGS__)
#define KPATCH_PRINTK_DEFERRED(format, ...) _printk_deferred(format, ##__VA_ARGS__)

/* An ordinary indirect call by what the static call's key holds. Needs <linux/static_call.h>. */
#define KPATCH_STATIC_CALL(name) ((typeof(&STATIC_CALL_TRAMP(name)))(STATIC_CALL_KEY(name).func))
#ifndef KLP_STATIC_CALL
#define KLP_STATIC_CALL(name) KPATCH_STATIC_CALL(name)
#endif

/*
 * The functions of a system call as <linux/syscalls.h> makes them, without what registers the call for tracing: that is there
 * already. The function with the body is inlined, or gets taken with those that call it. Needs <linux/syscalls.h>.
 */
#define KPATCH_SYSCALL_DEFINEx(count, name, ...) __SYSCALL_DEFINEx(count, name, __VA_ARGS__)
#define KPATCH_SYSCALL_DEFINE1(name, ...) KPATCH_SYSCALL_DEFINEx(1, _##name, __VA_ARGS__)
#define KPATCH_SYSCALL_DEFINE2(name, ...) KPATCH_SYSCALL_DEFINEx(2, _##name, __VA_ARGS__)
#define KPATCH_SYSCALL_DEFINE3(name, ...) KPATCH_SYSCALL_DEFINEx(3, _##name, __VA_ARGS__)
#define KPATCH_SYSCALL_DEFINE4(name, ...) KPATCH_SYSCALL_DEFINEx(4, _##name, __VA_ARGS__)
#define KPATCH_SYSCALL_DEFINE5(name, ...) KPATCH_SYSCALL_DEFINEx(5, _##name, __VA_ARGS__)
#define KPATCH_SYSCALL_DEFINE6(name, ...) KPATCH_SYSCALL_DEFINEx(6, _##name, __VA_ARGS__)

/* 7.2 has the names for every architecture, and what they stand for on x86 alone. */
#if !defined(KLP_SYSCALL_DEFINEx)
#define KLP_SYSCALL_DEFINEx KPATCH_SYSCALL_DEFINEx
#define KLP_SYSCALL_DEFINE1 KPATCH_SYSCALL_DEFINE1
#define KLP_SYSCALL_DEFINE2 KPATCH_SYSCALL_DEFINE2
#define KLP_SYSCALL_DEFINE3 KPATCH_SYSCALL_DEFINE3
#define KLP_SYSCALL_DEFINE4 KPATCH_SYSCALL_DEFINE4
#define KLP_SYSCALL_DEFINE5 KPATCH_SYSCALL_DEFINE5
#define KLP_SYSCALL_DEFINE6 KPATCH_SYSCALL_DEFINE6
#elif !defined(__KLP_SYSCALL_DEFINEx)
#define __KLP_SYSCALL_DEFINEx KPATCH_SYSCALL_DEFINEx
#endif

#endif /* KLPLINK_H */
