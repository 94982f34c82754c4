// SPDX-License-Identifier: MIT
// A function that returns.
#include <linux/module.h>

static int __init unseen_return_init(void)
{
	return 0;
}
module_init(unseen_return_init);

static void __exit unseen_return_exit(void)
{
}
module_exit(unseen_return_exit);
MODULE_LICENSE("GPL");
