// SPDX-License-Identifier: MIT
/* Each read of /proc/klp_cup takes a sip. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static int sips = 3;

static noinline int sip(void)
{
	WARN_ON_ONCE(sips < -1000);
	return sips--;
}

static int cup_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%d sips\n", sip());
	return 0;
}

static int __init cup_init(void)
{
	return proc_create_single("klp_cup", 0444, NULL, cup_show) ? 0 : -ENOMEM;
}

static void __exit cup_exit(void)
{
	remove_proc_entry("klp_cup", NULL);
}

module_init(cup_init);
module_exit(cup_exit);
MODULE_DESCRIPTION("a cup without a bottom");
MODULE_LICENSE("Dual MIT/GPL");
