// SPDX-License-Identifier: MIT
// A static branch that is off, and is switched on.
#include <linux/jump_label.h>
#include <linux/module.h>

static DEFINE_STATIC_KEY_FALSE(unseen_key);

static int __init unseen_label_init(void)
{
	if (static_branch_unlikely(&unseen_key))
		pr_info("unseen_label: the branch is taken while it is off\n");
	static_branch_enable(&unseen_key);
	if (static_branch_unlikely(&unseen_key))
		pr_info("unseen_label: switched\n");
	return 0;
}
module_init(unseen_label_init);

static void __exit unseen_label_exit(void)
{
}
module_exit(unseen_label_exit);
MODULE_LICENSE("GPL");
