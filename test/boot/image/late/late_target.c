// SPDX-License-Identifier: MIT
/* Is loaded after the livepatch that changes it: a static function and a static variable, both used by the livepatch. */
#include <linux/module.h>

static volatile long late_secret = 4711; /* read, not folded */

static noinline long late_hidden(long value)
{
	return value + late_secret;
}

long late_answer(long value);
noinline long late_answer(long value)
{
	return late_hidden(value) * 2;
}
EXPORT_SYMBOL_GPL(late_answer);

static int __init late_target_init(void)
{
	pr_info("late_target: %ld\n", late_answer(1));
	return 0;
}

static void __exit late_target_exit(void) {}

module_init(late_target_init);
module_exit(late_target_exit);
MODULE_DESCRIPTION("patched by a livepatch that is loaded before it");
MODULE_LICENSE("Dual MIT/GPL");
