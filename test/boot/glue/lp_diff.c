// SPDX-License-Identifier: MIT
/*
 * What `klplink diff` would write for a patch of vmlinux and of lp_target, by hand: compiled by kbuild, linked with klplink-init.c, and
 * finished by klplink. /proc/cmdline answers what the state and the callback left, and what /proc/version answers; /proc/lp_target a
 * static variable of lp_target, through its static function's address, which waits for that module.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include "klplink.h"

KLPLINK_SYMBOL(extern int lp_version_show(struct seq_file *m, void *v), vmlinux, vmlinux, version_proc_show, 0);
KLPLINK_SYMBOL(extern long lp_secret, lp_target, lp_target, lp_secret, 0);
KLPLINK_SYMBOL(extern int lp_original(struct seq_file *m, void *v), lp_target, lp_target, lp_target_show, 0);

static const char *lp_prefix = "no callback ran: ";
static int (*lp_address)(struct seq_file *m, void *v) = lp_original;

static int lp_cmdline(struct seq_file *m, void *v)
{
	seq_puts(m, READ_ONCE(lp_prefix));
	return lp_version_show(m, v);
}

static int lp_target(struct seq_file *m, void *v)
{
	seq_printf(m, "lp_klplink: %ld\n", READ_ONCE(lp_address) == lp_target ? -1L : lp_secret);
	return 0;
}

static int lp_before(struct klp_object *object)
{
	struct klp_state *state = klp_get_state(klplink_patch, 42);

	if (object->name)
		return -EINVAL;
	WRITE_ONCE(lp_prefix, state && state->version == 3 ? "lp_klplink: " : "no state: ");
	return 0;
}

/* klp-build's tables (7.2, include/linux/livepatch_external.h), under names of their own. */
struct lp_func {
	const char *old_name;
	void *new_func;
	unsigned long sympos;
};

struct lp_object {
	const char *name;
	struct lp_func *funcs;
	int (*pre_patch)(struct klp_object *object);
	void *post_patch, *pre_unpatch, *post_unpatch;
	unsigned long unused;
	unsigned int nr_funcs;
};

#define IN(name) __used __section(name)

static const char lp_name_1[] IN(".rodata.klp.str1.1") = "cmdline_proc_show";
static const char lp_name_2[] IN(".rodata.klp.str1.1") = "lp_target_show";
static const char lp_name_3[] IN(".rodata.klp.str1.1") = "lp_target";

static struct lp_func lp_funcs[] IN(".init.klp_funcs") = {
	{ lp_name_1, lp_cmdline, 0 },
	{ lp_name_2, lp_target, 0 },
};

extern struct lp_object __klplink_objects[];
struct lp_object __klplink_objects[] IN(".init.klp_objects") __attribute__((visibility("hidden"))) = {
	{ .funcs = &lp_funcs[0], .nr_funcs = 1, .pre_patch = lp_before },
	{ .name = lp_name_3, .funcs = &lp_funcs[1], .nr_funcs = 1 },
};

extern const struct klplink_state __klplink_states[];
const struct klplink_state __klplink_states[] IN(".klplink.states") __attribute__((visibility("hidden"))) = {
	{ .id = 41, .version = 1 }, { .id = 42, .version = 3 }
};

/* The ends of both. And a note, as diff leaves one. */
asm("	.globl __klplink_objects_end, __klplink_states_end\n"
    "	.hidden __klplink_objects_end, __klplink_states_end\n"
    "	.set __klplink_objects_end, __klplink_objects + 128\n"
    "	.set __klplink_states_end, __klplink_states + 32\n"
    "	.pushsection .klplink.diff,\"\",%note\n"
    "	.balign 4\n"
    "	.long 8, 4, 1\n"
    "	.asciz \"klplink\"\n"
    "	.ascii \"{}  \"\n"
    "	.popsection\n");
_Static_assert(sizeof(struct lp_object) == 64 && sizeof(struct klplink_state) == 16, "the ends are counted");
MODULE_DESCRIPTION("livepatch object in klplink's own form");
MODULE_LICENSE("Dual MIT/GPL");
