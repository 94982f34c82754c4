// SPDX-License-Identifier: MIT
/* Is patched itself: /proc/deb_target answers through a static function, a static variable and a function that it exports. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static volatile int deb_state = 17; /* read, not folded */

static noinline int deb_twice(int n)
{
	return 2 * n + deb_state - 17;
}

int deb_next(int n);
int deb_next(int n)
{
	return n + 1;
}
EXPORT_SYMBOL_GPL(deb_next);

static noinline int deb_target_show(struct seq_file *m, void *v)
{
	seq_printf(m, "target %d\n", deb_twice(deb_next(deb_state)));
	return 0;
}

static int __init deb_target_init(void)
{
	return proc_create_single("deb_target", 0444, NULL, deb_target_show) ? 0 : -ENOMEM;
}

static void __exit deb_target_exit(void)
{
	remove_proc_entry("deb_target", NULL);
}

module_init(deb_target_init);
module_exit(deb_target_exit);
MODULE_DESCRIPTION("patched by deb_calls");
MODULE_LICENSE("Dual MIT/GPL");
