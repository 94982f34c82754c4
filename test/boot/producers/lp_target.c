// SPDX-License-Identifier: MIT
/* Is patched itself: /proc/lp_target answers with a static variable, from a static function. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static volatile long lp_secret = 4711; /* read, not folded */

static noinline int lp_target_show(struct seq_file *m, void *v)
{
	seq_printf(m, "target %ld\n", lp_secret);
	return 0;
}

static int __init lp_target_init(void)
{
	return proc_create_single("lp_target", 0444, NULL, lp_target_show) ? 0 : -ENOMEM;
}

static void __exit lp_target_exit(void)
{
	remove_proc_entry("lp_target", NULL);
}

module_init(lp_target_init);
module_exit(lp_target_exit);
MODULE_DESCRIPTION("patched by the livepatches beside it");
MODULE_LICENSE("Dual MIT/GPL");
