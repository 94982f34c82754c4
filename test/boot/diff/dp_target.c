// SPDX-License-Identifier: MIT
/*
 * A module that diff.test.ts patches: /proc/dp says a word, how often it was read, and what a local function made of that;
 * /proc/dp_other how often it was read itself. diff.test.ts makes the patched source of this one.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static noinline long dp_step(long n)
{
	return READ_ONCE(n) + 10;
}

static noinline int dp_tail(struct seq_file *m, long n)
{
	seq_printf(m, " step %ld\n", n);
	return 0;
}

static int dp_other(struct seq_file *m, void *v)
{
	static int calls;

	seq_printf(m, "other %d\n", ++calls);
	return 0;
}

static int dp_show(struct seq_file *m, void *v)
{
	static int calls;

	seq_printf(m, "old %d", ++calls);
	seq_printf(m, " step %ld\n", dp_step(calls));
	return 0;
}

static int __init dp_init(void)
{
	proc_create_single("dp", 0444, NULL, dp_show);
	proc_create_single("dp_other", 0444, NULL, dp_other);
	return 0;
}

static void __exit dp_exit(void)
{
	remove_proc_entry("dp_other", NULL);
	remove_proc_entry("dp", NULL);
}

module_init(dp_init);
module_exit(dp_exit);
MODULE_DESCRIPTION("a module that is patched by diff");
MODULE_LICENSE("Dual MIT/GPL");
