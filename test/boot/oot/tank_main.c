// SPDX-License-Identifier: MIT
/* A module out of the kernel's source: each read of /proc/klp_tank fills the tank, which has no lid. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "level.h"

static int tank_show(struct seq_file *m, void *v)
{
	tank_fill(30);
	seq_printf(m, "%d " TANK_UNIT "\n", tank_level());
	return 0;
}

static int __init tank_init(void)
{
	return proc_create_single("klp_tank", 0444, NULL, tank_show) ? 0 : -ENOMEM;
}

static void __exit tank_exit(void)
{
	remove_proc_entry("klp_tank", NULL);
}

module_init(tank_init);
module_exit(tank_exit);
MODULE_DESCRIPTION("a tank without a lid");
MODULE_LICENSE("Dual MIT/GPL");
